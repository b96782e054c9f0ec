//! Jobs that travel together, and the answers that come back: whole frames of the [`wire`], and who they belong to.
//!
//! Each job of a chunk has a frame of its own, unless the component has a function that takes a list of such jobs: then the
//! chunk is a *batch*, one frame with the list of all. A batch is all or nothing: if anything goes wrong with it, its
//! jobs are asked one by one, so that each has its own outcome.
//!
//! What is in the frames of answers was checked by the link before it came here.

use super::Row;
use super::buffer::Buffer;
use crate::job::{Cause, FaultReport};
use crate::wire::{self, ChunkHead, Header, Kind, TooLong};

/// Jobs that travel together, in the frames in which they travel: the head of the chunk, then one frame a job.
#[derive(Debug)]
pub(crate) struct Chunk<O> {
    pub(crate) owner: O,
    function: u32,
    /// The index of the first job. The others follow it one by one.
    pub(crate) first: u64,
    pub(crate) count: u32,
    /// How often its first job was started before.
    pub(crate) attempts: u32,
    /// How many workers were lost while its first job was the next that they would have started.
    pub(crate) losses: u32,
    pub(crate) frames: Buffer,
    /// Where the arguments of each job end in the frames, if they are a batch.
    batch: Option<Vec<u32>>,
}

impl<O> Chunk<O> {
    /// The frame of the head, which is always the first.
    const HEAD_BYTES: usize = Header::BYTES + 8;
    /// Where the items of a batch start: behind its header and their number.
    const LIST_START: usize = Self::HEAD_BYTES + Header::BYTES + 4;

    /// A chunk for this function, without jobs yet.
    pub(crate) fn new(owner: O, function: u32, first: u64) -> Chunk<O> {
        Chunk {
            owner,
            function,
            first,
            count: 0,
            attempts: 0,
            losses: 0,
            frames: zeros(Self::HEAD_BYTES),
            batch: None,
        }
    }

    /// The same for a function that takes a list of jobs and returns that of their results.
    pub(crate) fn batch(owner: O, function: u32, first: u64) -> Chunk<O> {
        Chunk {
            frames: zeros(Self::LIST_START),
            batch: Some(Vec::new()),
            ..Chunk::new(owner, function, first)
        }
    }

    /// Whether the jobs are one list.
    pub(crate) fn is_batch(&self) -> bool {
        self.batch.is_some()
    }

    /// Adds the next job, whose arguments `write` appends.
    #[inline]
    pub(crate) fn push<E: From<TooLong>>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        match &mut self.batch {
            None => {
                let job = (self.first + u64::from(self.count)) as u32;
                wire::put_frame(Kind::Job, job, &mut self.frames, write)?;
            }
            Some(ends) => {
                let start = self.frames.len();
                let written = write(&mut self.frames)
                    .and_then(|()| Ok(wire::length_field(self.frames.len())?));
                match written {
                    Ok(end) => ends.push(end),
                    Err(error) => {
                        self.frames.truncate(start);
                        return Err(error);
                    }
                }
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Writes the head, now that no job is added or taken any more.
    pub(super) fn seal(&mut self) {
        let header = Header {
            kind: Kind::Chunk,
            job: 0,
            length: 8,
        };
        let head = ChunkHead {
            function: self.function,
            jobs: self.count,
        };
        self.frames[..Header::BYTES].copy_from_slice(&header.encode());
        self.frames[Header::BYTES..Self::HEAD_BYTES].copy_from_slice(&head.encode());
        if let Some(ends) = &self.batch {
            let list = Self::HEAD_BYTES + Header::BYTES;
            let end = ends.last().map_or(Self::LIST_START, |&end| end as usize);
            let header = Header {
                kind: Kind::Batch,
                job: self.first as u32,
                length: (end - list) as u32,
            };
            self.frames[Self::HEAD_BYTES..list].copy_from_slice(&header.encode());
            self.frames[list..Self::LIST_START].copy_from_slice(&self.count.to_le_bytes());
            self.frames
                .resize(Self::HEAD_BYTES + header.frame_bytes(), 0);
        }
    }

    /// The same jobs, each in a frame of its own, for this function.
    pub(crate) fn one_by_one(self, function: u32) -> Chunk<O> {
        let Some(ends) = self.batch else {
            return self;
        };
        let mut chunk = Chunk::new(self.owner, function, self.first);
        chunk.losses = self.losses;
        let mut start = Self::LIST_START;
        for end in ends {
            let arguments = &self.frames[start..end as usize];
            start = end as usize;
            let pushed = chunk.push(|payload| {
                payload.extend_from_slice(arguments);
                Ok::<_, TooLong>(())
            });
            pushed.expect("what fits with others fits alone");
        }
        chunk
    }

    /// The answers to a row of its jobs, of which so many were answered before.
    pub(super) fn answers(&self, answered: u32, row: &Row, frames: Buffer) -> Answers {
        Answers {
            first: self.first + u64::from(answered),
            count: row.count,
            has_fault: row.has_fault,
            is_batch: self.is_batch(),
            attempt: if answered == 0 { self.attempts + 1 } else { 1 },
            frames,
            read: 0,
        }
    }

    /// The chunk without its first `answered` jobs.
    pub(super) fn skip(mut self, answered: u32) -> Chunk<O> {
        if answered > 0 {
            let end = self.frame_end(answered);
            self.frames.drain(Self::HEAD_BYTES..end);
            self.first += u64::from(answered);
            self.count -= answered;
            self.attempts = 0;
            self.losses = 0;
        }
        self
    }

    /// Leaves the first `jobs` here and gives back the others, if there are any.
    pub(crate) fn split_off(&mut self, jobs: u32) -> Option<Chunk<O>>
    where
        O: Clone,
    {
        if jobs == 0 || jobs >= self.count {
            return None;
        }
        let end = self.frame_end(jobs);
        let mut rest = Chunk::new(
            self.owner.clone(),
            self.function,
            self.first + u64::from(jobs),
        );
        rest.frames.extend_from_slice(&self.frames[end..]);
        rest.count = self.count - jobs;
        self.frames.truncate(end);
        self.count = jobs;
        Some(rest)
    }

    /// Where the frame of the job with this place in the chunk starts.
    fn frame_end(&self, jobs: u32) -> usize {
        (0..jobs).fold(Self::HEAD_BYTES, |end, _| {
            let header = self.frames[end..]
                .first_chunk()
                .copied()
                .and_then(Header::decode);
            end + header
                .expect("frames that this process wrote are whole")
                .frame_bytes()
        })
    }
}

/// The answers to some jobs in a row, to be read one by one.
pub(crate) struct Answers {
    /// The index of the job whose answer is read next.
    pub(crate) first: u64,
    /// How many answers are left.
    pub(crate) count: u32,
    /// Whether one of them is the report of a fault.
    pub(crate) has_fault: bool,
    is_batch: bool,
    /// How often the next job was started, this time included.
    attempt: u32,
    frames: Buffer,
    read: usize,
}

/// The answer to one job.
pub(crate) struct Answer<'a> {
    pub(crate) job: u64,
    /// How often the job was started.
    pub(crate) attempt: u32,
    /// The encoded result, or why there is none.
    pub(crate) result: Result<&'a [u8], FaultReport>,
}

impl Answers {
    /// The results of a batch, as the bytes of a list. Of other answers nothing: they come one by one.
    pub(crate) fn list(&self) -> Option<&[u8]> {
        let header = Header::decode(*self.frames.first_chunk()?)?;
        (self.is_batch).then(|| &self.frames[Header::BYTES..Header::BYTES + header.length as usize])
    }

    /// The next answer of those that come one by one.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Answer<'_>> {
        self.count = self.count.checked_sub(1)?;
        let frame = &self.frames[self.read..];
        let header = Header::decode(*frame.first_chunk()?)?;
        let payload = frame.get(Header::BYTES..Header::BYTES + header.length as usize)?;
        self.read += header.frame_bytes();
        let job = self.first;
        self.first += 1;
        Some(Answer {
            job,
            attempt: std::mem::replace(&mut self.attempt, 1),
            result: match header.kind {
                Kind::Fault => Err(report(payload)),
                _ => Ok(payload),
            },
        })
    }
}

fn zeros(bytes: usize) -> Buffer {
    let mut buffer = Buffer::new();
    buffer.resize(bytes, 0);
    buffer
}

#[cold]
fn report(payload: &[u8]) -> FaultReport {
    postcard::from_bytes(payload).unwrap_or_else(|_| FaultReport {
        cause: Cause::Result("the worker sent a report that is none".into()),
        backtrace: Vec::new(),
        stderr: String::new(),
    })
}
