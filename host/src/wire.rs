//! The control messages of a worker's start, and the small messages inside frames.
//!
//! Jobs and their results never pass here: they are bytes of the [`codec`](crate::codec) in frames of the
//! [`ring`](crate::ring). One enum or struct for each direction; a new field must break the golden bytes of the tests,
//! whose failure says: raise [`VERSION`].

mod account;
mod line;

pub(crate) use account::Account;
pub(crate) use line::Line;

use crate::job::{Cause, FaultReport, Grants, Isolation, Limits};
use crate::lockdown::{Sandbox, WallReport};
use crate::types::Description;
use serde::{Deserialize, Serialize};

/// The version of everything that parent and child say to each other, the codec and the ring included. They are always
/// the same program, so a difference means that another program was named as the worker.
pub(crate) const VERSION: u32 = 6;

/// How many jobs a worker sweeps at a time, at most. The list of their results has to fit the limit on one result.
pub(crate) const MOST_SWEPT: u32 = 256;

/// What every worker of a pool needs to know before its first job, in a sealed memory that they share.
///
/// It comes in one packet of eight bytes, the worker's place in the pool and its number among those who work on shared
/// objects, with four descriptors: the request memory, the answer memory, the component's machine code, and this. Behind
/// them comes the memory of shared objects, if there is one, and then the three of a channel to a manager, if there is one.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Start {
    /// [`VERSION`] of the parent.
    pub version: u32,
    /// How many rounds the worker spins for the next request before it parks.
    pub spins: u32,
    /// What the component exports.
    pub description: Description,
    /// What each job may use.
    pub limits: Limits,
    /// What the guest is given.
    pub grants: Grants,
    /// How much is fresh for each job.
    pub isolation: Isolation,
    /// What has to stand around the worker's process.
    pub sandbox: Sandbox,
    /// Which shared memory comes with this, by its number; 0 if there is none.
    pub room: u32,
    /// Whether each answer ends with an [`Account`].
    pub account: bool,
    /// Which manager the worker has a channel to, by its number; 0 if there is none.
    pub manager: u32,
    /// The buckets that the guest may open, each by its name and the dict of the manager that it is.
    pub buckets: Vec<(String, [u8; 16])>,
    /// A function to call in each new instance before its first job: its index, and its encoded arguments.
    pub initializer: Option<(u32, Vec<u8>)>,
}

impl Start {
    /// Whether the component was compiled to count fuel.
    pub(crate) fn counts_fuel(&self) -> bool {
        self.limits.fuel.is_some() || self.account
    }
}

/// The worker's first packet; those that follow are bells, of one byte each.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Hello {
    /// The component is loaded, jobs may come.
    Ready {
        /// [`VERSION`] of the worker.
        version: u32,
        /// What stands around its process.
        walls: Vec<WallReport>,
    },
    /// The worker can't serve, and says why before it exits.
    Failed(String),
    /// The machine doesn't give the walls that are wanted: these are missing.
    Unprotected(String),
}

impl Hello {
    /// The longest packet, in bytes: room for an error with its causes.
    pub(crate) const MAX_BYTES: usize = 4096;
}

/// What a frame is. A frame is a [`Header`] and a payload, filled up with zeros to a multiple of eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// To the worker: the head of a chunk. The payload is a [`ChunkHead`].
    Chunk = 1,
    /// To the worker: a job. The payload is its encoded arguments.
    Job = 2,
    /// From the worker: a job's encoded result.
    Value = 3,
    /// From the worker: a [`FaultReport`] of a job without a result.
    Fault = 4,
    /// To the worker: all jobs of a chunk at once, as the one argument of a function that takes a list of them.
    Batch = 5,
    /// From the worker: a batch gave no list of as many results, so its jobs have to be asked one by one.
    Refused = 6,
    /// To the worker: all jobs of a chunk as one list, for a function that is called for each of them.
    Sweep = 7,
    /// From the worker: the list of the results of the next jobs, all that a batch has or some of a sweep's. The header names
    /// the first of them.
    Values = 8,
}

/// What a chunk of jobs begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChunkHead {
    /// The function that its jobs call, by its index in the description.
    pub(crate) function: u32,
    /// How many jobs it has.
    pub(crate) jobs: u32,
    /// The index of the first job. The others follow it one by one.
    pub(crate) first: u64,
    /// How often the first job is started, this time included. The others are started for the first time.
    pub(crate) attempt: u32,
}

impl ChunkHead {
    /// How many bytes it takes.
    pub(crate) const BYTES: usize = 24;

    pub(crate) fn encode(self) -> [u8; ChunkHead::BYTES] {
        let words = [
            u64::from(self.function) | u64::from(self.jobs) << 32,
            self.first,
            self.attempt.into(),
        ];
        let mut bytes = [0; ChunkHead::BYTES];
        for (piece, word) in bytes.chunks_exact_mut(8).zip(words) {
            piece.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub(crate) fn decode(bytes: [u8; ChunkHead::BYTES]) -> ChunkHead {
        let (words, _) = bytes.as_chunks::<8>();
        let word = |n: usize| u64::from_le_bytes(words[n]);
        ChunkHead {
            function: word(0) as u32,
            jobs: (word(0) >> 32) as u32,
            first: word(1),
            attempt: word(2) as u32,
        }
    }
}

/// The index of a job near `first`, whose low 24 bits a [`Header`] has.
pub(crate) fn index(first: u64, job: u32) -> u64 {
    first + u64::from(job.wrapping_sub(first as u32) & 0xff_ffff)
}

/// The first eight bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// What the frame is.
    pub(crate) kind: Kind,
    /// The low 24 bits of the job's index: an answer repeats those of its request, in the order of the requests.
    pub(crate) job: u32,
    /// The payload's length in bytes, without the zeros behind it.
    pub(crate) length: u32,
}

impl Header {
    /// How many bytes a header takes.
    pub(crate) const BYTES: usize = 8;

    /// How many bytes the frame takes in all.
    pub(crate) fn frame_bytes(&self) -> usize {
        Header::BYTES + (self.length as usize).next_multiple_of(8)
    }

    /// Where in the frame the payload lies.
    pub(crate) fn payload(&self) -> std::ops::Range<usize> {
        Header::BYTES..Header::BYTES + self.length as usize
    }

    pub(crate) fn encode(self) -> [u8; 8] {
        (u64::from(self.length) | u64::from(self.job & 0xff_ffff) << 32 | (self.kind as u64) << 56)
            .to_le_bytes()
    }

    /// The header that these bytes are, or `None` if they are none.
    pub(crate) fn decode(bytes: [u8; 8]) -> Option<Header> {
        let word = u64::from_le_bytes(bytes);
        let kind = match word >> 56 {
            1 => Kind::Chunk,
            2 => Kind::Job,
            3 => Kind::Value,
            4 => Kind::Fault,
            5 => Kind::Batch,
            6 => Kind::Refused,
            7 => Kind::Sweep,
            8 => Kind::Values,
            _ => return None,
        };
        Some(Header {
            kind,
            job: (word >> 32) as u32 & 0xff_ffff,
            length: word as u32,
        })
    }
}

/// A payload of this many bytes, whose length a [`Header`] cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it takes {0} bytes, and at most {max} can travel", max = u32::MAX)]
pub(crate) struct TooLong(pub(crate) usize);

impl From<TooLong> for FaultReport {
    fn from(error: TooLong) -> FaultReport {
        FaultReport {
            cause: Cause::Result(error.to_string()),
            backtrace: Vec::new(),
            stderr: String::new(),
        }
    }
}

/// Appends a frame whose payload `write` appends. If that fails, `frames` is as it was.
#[inline]
pub(crate) fn put_frame<E: From<TooLong>>(
    kind: Kind,
    job: u32,
    frames: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let head = frames.len();
    frames.extend_from_slice(&[0; Header::BYTES]);
    let written = write(frames).and_then(|()| {
        let length = length_field(frames.len() - head - Header::BYTES)?;
        Ok(Header { kind, job, length })
    });
    match written {
        Ok(header) => {
            frames.resize(head + header.frame_bytes(), 0);
            frames[head..head + Header::BYTES].copy_from_slice(&header.encode());
            Ok(())
        }
        Err(error) => {
            frames.truncate(head);
            Err(error)
        }
    }
}

/// Appends these bytes to the payload of the only frame in `frame`.
///
/// # Panics
///
/// The header cannot hold the length, so a payload that is to be longer has to have been shorter before.
pub(crate) fn append(frame: &mut Vec<u8>, bytes: &[u8]) {
    let header = frame.first_chunk().copied().and_then(Header::decode);
    let header = header.expect("whoever made the frame gave it a header");
    frame.truncate(Header::BYTES + header.length as usize);
    frame.extend_from_slice(bytes);
    let length = length_field(frame.len() - Header::BYTES).expect("there was room for more");
    let header = Header { length, ..header };
    frame.resize(header.frame_bytes(), 0);
    frame[..Header::BYTES].copy_from_slice(&header.encode());
}

/// A length as headers hold it.
pub(crate) fn length_field(payload_bytes: usize) -> Result<u32, TooLong> {
    u32::try_from(payload_bytes).map_err(|_| TooLong(payload_bytes))
}

#[cfg(test)]
mod tests;
