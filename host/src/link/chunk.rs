//! Jobs that travel together, and the answers that come back: whole frames of the [`wire`], and who they belong to.
//!
//! Each job of a chunk has a frame of its own, or all of them are a list in one frame. If the component has a function that
//! takes a list of such jobs, the chunk is a *batch*. It is all or nothing: if anything goes wrong with it, its jobs are
//! asked one by one, so that each has its own outcome. If the worker can call the function for one after the other
//! without leaving the guest, the chunk is a *sweep*, whose answers come some at a time, and each fault by itself.
//!
//! What is in the frames of answers was checked by the link before it came here.

use super::account::Bounds;
use super::buffer::Buffer;
use super::flight::Row;
use super::loan::Loan;
use crate::codec::Landing;
use crate::job::{Cause, FaultReport, Totals};
use crate::ring;
use crate::wire::{self, Account, ChunkHead, Header, Kind, TooLong};
use std::time::Duration;

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
    /// The arguments of the only job, behind its frame's head, where they are lent.
    lent: Option<Loan>,
    /// If the jobs are a list: how they are asked, and where the arguments of each end in the frames.
    list: Option<(Asked, Vec<u32>)>,
    /// If each result is a list of numbers: how many bytes each of those takes.
    pub(crate) item_bytes: Option<u8>,
}

/// How the jobs of a list are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All in one call of a function that takes the list.
    AsBatch,
    /// By one call for each.
    AsSweep,
}

/// The frame of the head, which is always the first.
const HEAD_BYTES: usize = Header::BYTES + ChunkHead::BYTES;
/// Where the items of a list start: behind its header and their number.
const LIST_START: usize = HEAD_BYTES + Header::BYTES + 4;

impl<O> Chunk<O> {
    /// A chunk for this function, without jobs yet.
    #[inline]
    pub(crate) fn new(owner: O, function: u32, first: u64) -> Chunk<O> {
        Chunk {
            owner,
            function,
            first,
            count: 0,
            attempts: 0,
            losses: 0,
            frames: zeros::<HEAD_BYTES>(),
            lent: None,
            list: None,
            item_bytes: None,
        }
    }

    /// The same for jobs that are one list.
    pub(crate) fn list(owner: O, function: u32, first: u64, asked: Asked) -> Chunk<O> {
        Chunk {
            frames: zeros::<LIST_START>(),
            list: Some((asked, Vec::new())),
            ..Chunk::new(owner, function, first)
        }
    }

    /// How the jobs are asked, if they are one list.
    pub(crate) fn asked(&self) -> Option<Asked> {
        self.list.as_ref().map(|(asked, _)| *asked)
    }

    /// Adds the next job, whose arguments `write` appends.
    #[inline]
    pub(crate) fn push<E: From<TooLong>>(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        match &mut self.list {
            None => {
                let job = (self.first + u64::from(self.count)) as u32;
                wire::put_frame(Kind::Job, job, &mut self.frames, write)?;
            }
            Some((_, ends)) => {
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

    /// Adds the only job, whose arguments are a list of so many items that is lent.
    pub(crate) fn borrow(&mut self, count: usize, items: Loan) -> Result<(), TooLong> {
        let count = wire::length_field(count)?;
        let length = wire::length_field(size_of_val(&count) + items.len())?;
        let header = Header {
            kind: Kind::Job,
            job: self.first as u32,
            length,
        };
        self.frames.extend_from_slice(&header.encode());
        self.frames.extend_from_slice(&count.to_le_bytes());
        self.lent = Some(items);
        self.count += 1;
        Ok(())
    }

    /// How many bytes travel.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        let lent = self.lent.as_ref().map_or(0, Loan::len);
        (self.frames.len() + lent).next_multiple_of(8)
    }

    /// Does something with the next bytes after so many, with some of them or all.
    #[inline]
    pub(super) fn after<T>(&self, sent: usize, with: impl FnOnce(&[u8]) -> T) -> T {
        match (&self.lent, sent.checked_sub(self.frames.len())) {
            (Some(lent), Some(read)) if read < lent.len() => {
                // No more than a ring takes at once, as it might have to be made up.
                let end = lent.len().min(read + ring::CAPACITY);
                lent.read(read..end, with)
            }
            (_, None) => with(&self.frames[sent..]),
            // What fills the frame up.
            _ => with(&[0; 8][..self.bytes() - sent]),
        }
    }

    /// Writes the head, now that no job is added or taken any more.
    pub(super) fn seal(&mut self) {
        let header = Header {
            kind: Kind::Chunk,
            job: 0,
            length: ChunkHead::BYTES as u32,
        };
        let head = ChunkHead {
            function: self.function,
            jobs: self.count,
            first: self.first,
            attempt: self.attempts + 1,
        };
        self.frames[..Header::BYTES].copy_from_slice(&header.encode());
        self.frames[Header::BYTES..HEAD_BYTES].copy_from_slice(&head.encode());
        if let Some((asked, ends)) = &self.list {
            let list = HEAD_BYTES + Header::BYTES;
            let end = ends.last().map_or(LIST_START, |&end| end as usize);
            let header = Header {
                kind: match asked {
                    Asked::AsBatch => Kind::Batch,
                    Asked::AsSweep => Kind::Sweep,
                },
                job: self.first as u32,
                length: (end - list) as u32,
            };
            self.frames[HEAD_BYTES..list].copy_from_slice(&header.encode());
            self.frames[list..LIST_START].copy_from_slice(&self.count.to_le_bytes());
            self.frames.resize(HEAD_BYTES + header.frame_bytes(), 0);
        }
    }

    /// The same jobs, each in a frame of its own, for this function.
    pub(crate) fn one_by_one(self, function: u32) -> Chunk<O> {
        let Some((_, ends)) = self.list else {
            return self;
        };
        let mut chunk = Chunk::new(self.owner, function, self.first);
        chunk.losses = self.losses;
        chunk.item_bytes = self.item_bytes;
        let mut start = LIST_START;
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
    #[inline]
    pub(super) fn answers(&self, answered: u32, row: &Row, frames: Buffer) -> Answers {
        Answers {
            first: self.first + u64::from(answered),
            count: row.count,
            has_fault: row.has_fault,
            is_last: answered + row.count == self.count,
            is_list: row.is_list,
            attempt: if answered == 0 { self.attempts + 1 } else { 1 },
            is_accounted: row.is_accounted,
            accounts: Vec::new(),
            payload: Payload::Frames(frames, 0),
        }
    }

    /// The chunk without its first `answered` jobs.
    pub(super) fn skip(mut self, answered: u32) -> Chunk<O> {
        if answered > 0 {
            if let Some((_, ends)) = &mut self.list {
                let end = ends[answered as usize - 1];
                self.frames.drain(LIST_START..end as usize);
                ends.drain(..answered as usize);
                let moved = end - LIST_START as u32;
                ends.iter_mut().for_each(|end| *end -= moved);
            } else {
                let end = self.frame_end(answered);
                self.frames.drain(HEAD_BYTES..end);
            }
            self.first += u64::from(answered);
            self.count -= answered;
            self.attempts = 0;
            self.losses = 0;
        }
        self
    }

    /// Leaves the first `jobs` here and gives back the others, if there are any. A list is not divided.
    pub(crate) fn split_off(&mut self, jobs: u32) -> Option<Chunk<O>>
    where
        O: Clone,
    {
        if jobs == 0 || jobs >= self.count || self.list.is_some() {
            return None;
        }
        let end = self.frame_end(jobs);
        let mut rest = Chunk::new(
            self.owner.clone(),
            self.function,
            self.first + u64::from(jobs),
        );
        rest.item_bytes = self.item_bytes;
        rest.frames.extend_from_slice(&self.frames[end..]);
        rest.count = self.count - jobs;
        self.frames.truncate(end);
        self.count = jobs;
        Some(rest)
    }

    /// Where the frame of the job with this place in the chunk starts.
    fn frame_end(&self, jobs: u32) -> usize {
        (0..jobs).fold(HEAD_BYTES, |end, _| {
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
    /// Whether they are the last of their chunk.
    pub(crate) is_last: bool,
    /// Whether they are one list.
    pub(crate) is_list: bool,
    /// How often the next job was started, this time included.
    attempt: u32,
    /// Whether each has an account at its end.
    is_accounted: bool,
    /// What is believed of them, the last one first.
    accounts: Vec<Account>,
    payload: Payload,
}

/// The answers themselves.
enum Payload {
    /// In frames, of which so many bytes were read.
    Frames(Buffer, usize),
    /// There is one, which is all numbers.
    Landed(Landing),
}

/// The answer to one job.
pub(crate) struct Answer<'a> {
    pub(crate) job: u64,
    /// How often the job was started.
    pub(crate) attempt: u32,
    /// The result, or why there is none.
    pub(crate) result: Result<Encoded<'a>, FaultReport>,
    /// What it used.
    pub(crate) account: Option<Account>,
}

/// An encoded result.
pub(crate) enum Encoded<'a> {
    Bytes(&'a [u8]),
    /// A long list of numbers, without their number.
    Numbers(Landing),
}

impl Encoded<'_> {
    /// How many bytes it takes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Encoded::Bytes(bytes) => bytes.len(),
            Encoded::Numbers(numbers) => numbers.bytes() + 4,
        }
    }
}

impl Answers {
    /// How many bytes they came in.
    pub(crate) fn bytes(&self) -> usize {
        match &self.payload {
            Payload::Frames(frames, _) => frames.len(),
            Payload::Landed(numbers) => numbers.bytes(),
        }
    }

    /// The answer to one job, which is all numbers.
    pub(super) fn landed(mut self, numbers: Landing) -> Answers {
        self.payload = Payload::Landed(numbers);
        self
    }

    /// Reads the accounts of answers that have them, believes what can be of it, and adds it up. `left` is the time in
    /// which these jobs can have run; what they do not claim of it is left.
    pub(crate) fn settle(&mut self, bounds: &Bounds, left: &mut Duration) -> Totals {
        let mut totals = Totals::default();
        let mut accounts = Vec::with_capacity(self.count as usize);
        let Payload::Frames(frames, read) = &self.payload else {
            return totals;
        };
        let mut frames = &frames[*read..];
        while let Some(header) = frames.first_chunk().copied().and_then(Header::decode) {
            let payload = frames.get(header.payload());
            let split = payload
                .filter(|_| self.is_accounted)
                .and_then(Account::split);
            let Some((_, claimed)) = split else {
                break;
            };
            let believed = bounds.believed(claimed, left);
            totals.add(&believed.into());
            accounts.push(believed);
            frames = frames.get(header.frame_bytes()..).unwrap_or_default();
        }
        accounts.reverse();
        self.accounts = accounts;
        totals
    }

    /// The results, if they are the bytes of a list. Of other answers nothing: they come one by one.
    pub(crate) fn list(&self) -> Option<&[u8]> {
        let Payload::Frames(frames, _) = &self.payload else {
            return None;
        };
        let header = Header::decode(*frames.first_chunk()?)?;
        self.is_list.then(|| &frames[header.payload()])
    }

    /// The next answer of those that come one by one.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Answer<'_>> {
        self.count = self.count.checked_sub(1)?;
        if let Payload::Landed(_) = self.payload {
            return self.next_landed();
        }
        let Payload::Frames(frames, read) = &mut self.payload else {
            return None;
        };
        let frame = &frames[*read..];
        let header = Header::decode(*frame.first_chunk()?)?;
        let mut payload = frame.get(header.payload())?;
        if self.is_accounted {
            payload = Account::split(payload)?.0;
        }
        *read += header.frame_bytes();
        let job = self.first;
        self.first += 1;
        Some(Answer {
            job,
            attempt: std::mem::replace(&mut self.attempt, 1),
            result: match header.kind {
                Kind::Fault => Err(report(payload)),
                _ => Ok(Encoded::Bytes(payload)),
            },
            account: self.accounts.pop(),
        })
    }

    #[cold]
    fn next_landed(&mut self) -> Option<Answer<'_>> {
        match std::mem::replace(&mut self.payload, Payload::Frames(Buffer::new(), 0)) {
            Payload::Frames(..) => None,
            Payload::Landed(numbers) => Some(Answer {
                job: self.first,
                attempt: self.attempt,
                result: Ok(Encoded::Numbers(numbers)),
                account: None,
            }),
        }
    }
}

fn zeros<const BYTES: usize>() -> Buffer {
    let mut buffer = Buffer::new();
    buffer.extend_from_slice(&[0; BYTES]);
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

#[cfg(test)]
mod tests;
