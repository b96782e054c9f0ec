//! The manager: a process that keeps objects for jobs and programs, and serves whoever has a channel to it.
//!
//! What lives in shared memory needs no manager. What grows, nests or is reached by several programs does: dicts, lists and
//! namespaces, and queues, numbers and locks beside them. `store` is what it keeps, `peer` one channel, `server` the loop over all of them,
//! `gate` how other programs come in, `process` the life of the process; `start`, `child` and `door` are the program's side of it. This file is what embedders hold.
//!
//! The manager believes nothing that a channel says: behind each may be a worker that was taken over.

mod child;
mod door;
mod gate;
mod peer;
mod process;
mod server;
mod start;
mod store;
#[cfg(test)]
mod tests;

pub use start::{ManagerBuilder, StartManagerError};
pub use store::ManagerLimits;

pub(crate) use process::serve;

use crate::shared::{
    Dict, Hub, List, ManagedLock, ManagedQueue, ManagedValue, ManagerError, Namespace, Reply,
    Request,
};
use child::Child;
use std::path::Path;
use std::sync::Arc;

/// A process that keeps objects for jobs and programs: dicts, lists, namespaces, queues, numbers and locks.
///
/// ```no_run
/// # fn main() -> anyhow::Result<()> {
/// host::init();
/// let manager = host::Manager::start()?;
/// let pool = host::Pool::builder().component("shared").manager(&manager).build()?;
/// let counts = manager.dict()?;
/// let _: Vec<()> = pool.starmap("count-words", [(&counts, "to be"), (&counts, "or not to be")])?;
/// println!("{:?}", counts.entries()?);
/// # Ok(())
/// # }
/// ```
///
/// A clone is the same manager. Where this program started it, it ends with the last clone, and pools that use it have one.
#[derive(Clone, Debug)]
pub struct Manager(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    hub: Arc<Hub>,
    /// The process, where it is this program's.
    child: Option<Child>,
}

/// How much a manager keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManagerStats {
    /// How many objects there are.
    pub objects: u64,
    /// What they and all items take by the manager's reckoning, in bytes.
    pub bytes: u64,
    /// How many workers and threads are connected.
    pub clients: u64,
}

impl Manager {
    /// Starts a manager for this program and its pools.
    ///
    /// # Errors
    /// [`StartManagerError`].
    pub fn start() -> Result<Manager, StartManagerError> {
        Manager::builder().start()
    }

    /// Starts a manager for this program and for others of this user, who [`connect`](Manager::connect) to the socket at this
    /// path. Its key is in a file beside it, of the same name and `.key`.
    ///
    /// # Errors
    /// [`StartManagerError`].
    pub fn serve(path: impl AsRef<Path>) -> Result<Manager, StartManagerError> {
        Manager::builder().serve(path)
    }

    /// Connects to the manager that another program serves at this path.
    ///
    /// # Errors
    /// [`StartManagerError`].
    pub fn connect(path: impl AsRef<Path>) -> Result<Manager, StartManagerError> {
        Manager::builder().connect(path)
    }

    /// A manager to be set up.
    pub fn builder() -> ManagerBuilder {
        ManagerBuilder::default()
    }

    /// A dict without items.
    ///
    /// # Errors
    /// The manager is full or gone, here and below.
    pub fn dict(&self) -> Result<Dict, ManagerError> {
        Dict::make(&self.0.hub)
    }

    /// A list without items.
    pub fn list(&self) -> Result<List, ManagerError> {
        List::make(&self.0.hub)
    }

    /// A namespace without names.
    pub fn namespace(&self) -> Result<Namespace, ManagerError> {
        Namespace::make(&self.0.hub)
    }

    /// A queue that holds so many items at most.
    pub fn queue(&self, most: u32) -> Result<ManagedQueue, ManagerError> {
        ManagedQueue::make(&self.0.hub, most)
    }

    /// A number.
    pub fn value(&self, number: i64) -> Result<ManagedValue, ManagerError> {
        ManagedValue::make(&self.0.hub, number)
    }

    /// A lock that nobody holds.
    pub fn lock(&self) -> Result<ManagedLock, ManagerError> {
        ManagedLock::make(&self.0.hub)
    }

    /// How much it keeps now.
    pub fn stats(&self) -> Result<ManagerStats, ManagerError> {
        match self.0.hub.ask(&Request::Size)? {
            Reply::Size(objects, bytes, clients) => Ok(ManagerStats {
                objects,
                bytes,
                clients,
            }),
            _ => Err(ManagerError::Gone("it cannot count".into())),
        }
    }

    /// The process id, where this program started it.
    pub fn pid(&self) -> Option<u32> {
        self.0.child.as_ref().map(Child::pid)
    }

    /// Ends the manager now, whoever uses it, if this program started it.
    pub fn stop(&self) {
        if let Some(child) = &self.0.child {
            child.kill();
        }
    }

    /// Waits until the manager has ended, if this program started it.
    pub fn wait(&self) {
        if let Some(child) = &self.0.child {
            child.wait();
        }
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.0.hub
    }

    /// The namespace that all programs of a manager have from the beginning: where they find each other's objects. Jobs have it
    /// only if it was passed to them.
    ///
    /// # Errors
    /// The manager is full or gone.
    pub fn root(&self) -> Result<Namespace, ManagerError> {
        Namespace::root(&self.0.hub)
    }
}
