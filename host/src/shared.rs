//! Objects that jobs in several processes work on together: numbers, arrays, locks, queues.
//!
//! They lie in memory that the embedding program makes and that its workers map when they start, so an operation is
//! some atomic steps in the worker and asks nobody; who has to wait sleeps on a number there. `slot` says where an object
//! lies and who works on it, `owner` how one party at a time has it, and a file each what the kinds of objects do. `room` is
//! the embedding program's side: it makes objects, numbers the parties, and mends what a party that died was at. `objects` is what embedders
//! hold.
//!
//! **Death.** Only the embedding program knows that a worker is gone for good, as it reaps it. Therefore it mends: a lock that the dead
//! party held is free and says so, a change that it began is finished or undone, everybody who waits anywhere is woken once. Each
//! object is made so that it can be told from the memory alone which of the two it has to be.
//!
//! **Hostile workers.** A worker that was taken over can write anything into this memory, and so spoil the objects of
//! its own pools, and make them wait. It gains nothing else: nothing here is a pointer, and places are compared with
//! what may be. This module knows no guests and no jobs.
//!
//! `managed` is the other home of objects: a process of its own, which is asked over a channel.

mod barrier;
mod condition;
mod datum;
mod event;
mod guard;
mod lock;
mod look;
mod managed;
mod numbers;
mod objects;
mod owner;
mod queue;
mod room;
mod segment;
mod semaphore;
mod sleep;
mod slot;

#[cfg(test)]
mod death_tests;
#[cfg(test)]
mod step_tests;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};

pub use barrier::Broken;
pub use datum::Datum;
pub(crate) use datum::{object_of_bytes, object_to_bytes};
pub(crate) use managed::{
    Buf, Client, Ends, Hub, Id, OnDict, OnList, OnLock, OnQueue, OnValue, Reply, Request, Whose,
    frame, framed, longest,
};
pub use managed::{
    Dict, Key, List, ManagedLock, ManagedLockGuard, ManagedQueue, ManagedValue, ManagerError,
    Namespace,
};
pub(crate) use numbers::add_float;
pub use objects::{
    Array, ArrayF64, Barrier, Condition, Event, Lock, LockGuard, Queue, RLock, Semaphore, Value,
    ValueF64, ValueU64,
};
pub use owner::Acquired;
pub use queue::Unavailable;
pub(crate) use room::Seat;
pub use room::{Shared, SharedError};
pub(crate) use segment::Segment;
pub(crate) use sleep::Until;
pub(crate) use slot::{Party, Place};

/// Where a worker finds objects: the memory that it has mapped, and its channel to a manager, each with its number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Homes {
    pub(crate) memory: Option<(Party, u32)>,
    pub(crate) manager: Option<(Arc<Mutex<Client>>, u32)>,
}

/// Why an operation on an object did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// It is not there any more.
    #[error("it is gone: the program that made it has dropped it")]
    Gone,
    /// It could not be had in time.
    #[error("it could not be had in time")]
    TooLate,
    /// What was asked makes no sense.
    #[error("{0}")]
    Misuse(&'static str),
    /// There is no such number.
    #[error("index {index} is outside: it has {len} numbers")]
    Outside {
        /// The index that was asked for, or the end of the slice.
        index: u64,
        /// How many numbers there are.
        len: u32,
    },
    /// An item that the queue never has room for.
    #[error("an item of {bytes} bytes is too long: it has room for {most}")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: u32,
    },
    /// A process that was taken over has spoiled it.
    #[error("its memory was damaged")]
    Damaged,
}

impl From<sleep::TooLate> for Failure {
    fn from(sleep::TooLate: sleep::TooLate) -> Failure {
        Failure::TooLate
    }
}
