//! Queues, numbers and locks of a manager in the hands of the embedding program: what [`Shared`](crate::Shared) has too, for several
//! programs, and without an end to what a queue holds but the manager's.

use super::super::{Acquired, Datum, Unavailable};
use super::client::Client;
use super::collections::{count, flag};
use super::hub::{Hub, Managed, nonsense};
use super::words::{ManagerError, OnLock, OnQueue, OnValue, Reply, Request};
use crate::types::Object;
use std::sync::Arc;
use std::time::Duration;

/// First in, first out: `pool:shared/collections.queue` in a manager. What was said of [`Dict`](super::Dict) holds for it too.
#[derive(Clone, Debug, PartialEq)]
pub struct ManagedQueue(pub(in super::super) Arc<Managed>);

/// A signed number: `pool:shared/memory.value` in a manager.
#[derive(Clone, Debug, PartialEq)]
pub struct ManagedValue(pub(in super::super) Arc<Managed>);

/// A lock: `pool:shared/sync.lock` in a manager. Where its holder dies it is free, and the next holder learns of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ManagedLock(pub(in super::super) Arc<Managed>);

/// A lock that this thread holds. It is released when this is dropped.
#[derive(Debug)]
pub struct ManagedLockGuard {
    lock: Arc<Managed>,
    /// The channel holds the lock. It is there until this is dropped.
    client: Option<Client>,
    acquired: Acquired,
}

type Done<T> = Result<T, ManagerError>;

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl ManagedQueue {
    pub(crate) fn make(hub: &Arc<Hub>, most: u32) -> Done<ManagedQueue> {
        Managed::make(hub, Object::Queue, most).map(ManagedQueue)
    }

    fn ask(&self, what: OnQueue) -> Done<Reply> {
        self.0.hub.ask(&Request::Queue(self.0.id, what))
    }

    /// Puts an item at the end; waits for room, so long or for ever. Why not, if it was not put.
    pub fn put(
        &self,
        item: impl Into<Datum>,
        timeout: Option<Duration>,
    ) -> Done<Result<(), Unavailable>> {
        let item = item.into();
        let put = OnQueue::Put(self.0.pack(&item)?, timeout.map(nanoseconds));
        match self.ask(put)? {
            Reply::Done => Ok(Ok(())),
            Reply::TooLate => Ok(Err(Unavailable::Full)),
            Reply::Closed => Ok(Err(Unavailable::Closed)),
            _ => Err(nonsense()),
        }
    }

    /// Takes the first item; waits for one, so long or for ever. Why not, if there was none.
    pub fn get(&self, timeout: Option<Duration>) -> Done<Result<Datum, Unavailable>> {
        match self.ask(OnQueue::Get(timeout.map(nanoseconds)))? {
            Reply::Item(Some(item)) => Ok(Ok(self.0.unpack(&item)?)),
            Reply::TooLate => Ok(Err(Unavailable::Empty)),
            Reply::Closed => Ok(Err(Unavailable::Closed)),
            _ => Err(nonsense()),
        }
    }

    /// How many items there are now.
    pub fn size(&self) -> Done<u64> {
        count(self.ask(OnQueue::Size)?)
    }

    /// Whether as many items are there as may be.
    pub fn is_full(&self) -> Done<bool> {
        flag(self.ask(OnQueue::IsFull)?)
    }

    /// Says that one of the items that were taken is done with.
    pub fn task_done(&self) -> Done<()> {
        match self.ask(OnQueue::TaskDone)? {
            Reply::Done => Ok(()),
            _ => Err(nonsense()),
        }
    }

    /// Waits until each item that was put is done with; false if not within this time.
    pub fn join(&self, timeout: Option<Duration>) -> Done<bool> {
        match self.ask(OnQueue::Join(timeout.map(nanoseconds)))? {
            Reply::Done => Ok(true),
            Reply::TooLate => Ok(false),
            _ => Err(nonsense()),
        }
    }

    /// From now on nothing can be put. Items that are there can still be taken.
    pub fn close(&self) -> Done<()> {
        match self.ask(OnQueue::Close)? {
            Reply::Done => Ok(()),
            _ => Err(nonsense()),
        }
    }
}

impl ManagedValue {
    pub(crate) fn make(hub: &Arc<Hub>, number: i64) -> Done<ManagedValue> {
        let value = Managed::make(hub, Object::Value, 0).map(ManagedValue)?;
        value.set(number)?;
        Ok(value)
    }

    fn ask(&self, what: OnValue) -> Done<i64> {
        match self.0.hub.ask(&Request::Value(self.0.id, what))? {
            Reply::Number(number) => Ok(number),
            _ => Err(nonsense()),
        }
    }

    /// The number.
    pub fn get(&self) -> Done<i64> {
        self.ask(OnValue::Get)
    }

    /// Sets the number.
    pub fn set(&self, to: i64) -> Done<()> {
        self.ask(OnValue::Set(to)).map(|_| ())
    }

    /// Adds to it, wrapping around, and gives the number from before.
    pub fn fetch_add(&self, by: i64) -> Done<i64> {
        self.ask(OnValue::Add(by))
    }

    /// Sets it to `to` if it is `expected`. The number from before.
    pub fn compare_exchange(&self, expected: i64, to: i64) -> Done<i64> {
        self.ask(OnValue::Exchange(expected, to))
    }
}

impl ManagedLock {
    pub(crate) fn make(hub: &Arc<Hub>) -> Done<ManagedLock> {
        Managed::make(hub, Object::Lock, 0).map(ManagedLock)
    }

    /// Waits for the lock, so long or for ever, and holds it. `None` if it could not be had in time.
    pub fn lock(&self, timeout: Option<Duration>) -> Done<Option<ManagedLockGuard>> {
        let hub = &self.0.hub;
        let mut client = hub.client()?;
        let acquire = OnLock::Acquire(timeout.map(nanoseconds));
        match client.ask(&Request::Lock(self.0.id, acquire)) {
            Ok(Reply::Acquired(abandoned)) => Ok(Some(ManagedLockGuard {
                lock: self.0.clone(),
                client: Some(client),
                acquired: match abandoned {
                    true => Acquired::Abandoned,
                    false => Acquired::Clean,
                },
            })),
            other => {
                hub.give_back(client);
                match other {
                    Ok(Reply::TooLate) => Ok(None),
                    Ok(_) => Err(nonsense()),
                    Err(error) => Err(hub.explained(error)),
                }
            }
        }
    }
}

impl ManagedLockGuard {
    /// Whether the last holder released it, or ended without.
    pub fn acquired(&self) -> Acquired {
        self.acquired
    }
}

impl Drop for ManagedLockGuard {
    fn drop(&mut self) {
        if let Some(mut client) = self.client.take() {
            // Where the manager is gone there is nothing to release.
            let _ = client.ask(&Request::Lock(self.lock.id, OnLock::Release));
            self.lock.hub.give_back(client);
        }
    }
}
