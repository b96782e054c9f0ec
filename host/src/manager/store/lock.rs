//! Locks: one client holds each, and who waits gets it in the order in which they came.

use super::{Asker, Body, Ran, Store, Waiter, misuse};
use crate::shared::{Id, ManagerError, OnLock, Reply};
use std::collections::VecDeque;

#[derive(Default)]
pub(super) struct Lock {
    holder: Option<u64>,
    /// The last holder ended without releasing it, and nobody knows yet.
    is_abandoned: bool,
    waiters: VecDeque<Waiter>,
}

impl Lock {
    pub(super) fn holder(&self) -> Option<u64> {
        self.holder
    }

    pub(super) fn give_up(&mut self, client: u64) {
        self.waiters.retain(|waiter| waiter.client != client);
    }

    pub(super) fn into_waiters(self) -> Vec<Waiter> {
        self.waiters.into()
    }
}

impl Store {
    fn lock(&mut self, id: Id) -> Result<&mut Lock, ManagerError> {
        match self.body(id)? {
            Body::Lock(lock) => Ok(lock),
            _ => Err(ManagerError::OtherKind),
        }
    }

    pub(super) fn on_lock(
        &mut self,
        who: Asker,
        id: Id,
        what: OnLock,
    ) -> Result<Ran, ManagerError> {
        let lock = self.lock(id)?;
        let is_holder = lock.holder == Some(who.client);
        match what {
            OnLock::Acquire(_) if is_holder => {
                return Err(misuse("it is acquired by the job that holds it"));
            }
            OnLock::Acquire(timeout) if lock.holder.is_some() => {
                lock.waiters.push_back(who.waiter());
                return Ok(Ran::Waits(id, timeout));
            }
            OnLock::Acquire(_) => {
                lock.holder = Some(who.client);
                let is_abandoned = std::mem::take(&mut lock.is_abandoned);
                self.held.entry(who.client).or_default().insert(id);
                return Ok(Ran::Answered(Reply::Acquired(is_abandoned)));
            }
            OnLock::Release if !is_holder => {
                return Err(misuse("it is released by a job that does not hold it"));
            }
            OnLock::Abandon if !is_holder => {}
            OnLock::Release | OnLock::Abandon => {
                self.note_released(who.client, id);
                self.pass_on(id, what == OnLock::Abandon);
            }
        }
        Ok(Ran::Answered(Reply::Done))
    }

    pub(super) fn note_released(&mut self, client: u64, id: Id) {
        if let Some(held) = self.held.get_mut(&client) {
            held.remove(&id);
            if held.is_empty() {
                self.held.remove(&client);
            }
        }
    }

    /// Gives a lock whose holder has it no longer to the next who waits.
    pub(super) fn pass_on(&mut self, id: Id, is_abandoned: bool) {
        let Ok(lock) = self.lock(id) else { return };
        match lock.waiters.pop_front() {
            Some(next) => {
                lock.holder = Some(next.client);
                self.held.entry(next.client).or_default().insert(id);
                self.woken
                    .push((next.client, Reply::Acquired(is_abandoned)));
            }
            None => {
                lock.holder = None;
                lock.is_abandoned = is_abandoned;
            }
        }
    }
}
