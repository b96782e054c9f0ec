//! Objects that live in a process of their own, the manager: dicts, lists, namespaces, and whatever else has to nest or to be
//! reached by several programs.
//!
//! Here is the side of those who use them: workers and embedding programs. Who wants something of an object asks the manager for
//! it over a channel, a ring each way, and waits for the answer. `words` is what is asked and answered, `client` one channel,
//! `hub` a program's channels, and a file each what embedders hold. What the manager does is another module's.
//!
//! An object's number is 128 bits that nobody can guess. Whoever knows it may use the object, so a worker that was taken over reaches
//! what it was once given and nothing else.

mod client;
mod collections;
mod hub;
mod single;
mod words;

pub(crate) use client::{Client, Ends};
pub use collections::{Dict, List, Namespace};
pub(super) use hub::Managed;
pub(crate) use hub::{Hub, Whose};
pub use single::{ManagedLock, ManagedLockGuard, ManagedQueue, ManagedValue};
pub(crate) use words::{
    Buf, Id, OnDict, OnList, OnLock, OnQueue, OnValue, Reply, Request, frame, framed, longest,
};
pub use words::{Key, ManagerError};
