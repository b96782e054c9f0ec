//! The control messages of a worker's start, and the small messages inside frames.
//!
//! Jobs and their results never pass here: they are bytes of the [`codec`](crate::codec) in frames of the
//! [`ring`](crate::ring). One enum or struct for each direction; a new field must break the golden bytes of the tests,
//! whose failure says: raise [`VERSION`].

use crate::component::Description;
use crate::job::{Cause, Grants, Isolation, Limits};
use serde::{Deserialize, Serialize};

/// The version of everything that parent and child say to each other, the codec and the ring included. They are always
/// the same program, so a difference means that another program was named as the worker.
pub const VERSION: u32 = 1;

/// The parent's first and only control message: all that a worker needs to know before its first job. Three
/// descriptors travel with it: the request memory, the answer memory and the component's machine code.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// [`VERSION`] of the parent.
    pub version: u32,
    /// The worker's place in its pool, counted from 0.
    pub slot: u32,
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
    /// A function to call in each new instance before its first job: its index, and its encoded arguments.
    pub initializer: Option<(u32, Vec<u8>)>,
}

/// The worker's first and only control message.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Hello {
    /// The component is loaded, jobs may come.
    Ready {
        /// [`VERSION`] of the worker.
        version: u32,
    },
    /// The worker can't serve, and says why before it exits.
    Failed(String),
}

/// What a worker reports of a job without a value: the payload of a fault frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultReport {
    /// What happened.
    pub cause: Cause,
    /// The guest's functions at the moment of a trap, innermost first.
    pub backtrace: Vec<String>,
    /// The last lines that the guest wrote to its standard error.
    pub stderr: String,
}
