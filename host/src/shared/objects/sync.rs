//! Locks and what else one waits at, in the hands of the embedding program. Its threads hold a lock by a guard, so that none
//! is left held.

use super::super::room::Visitor;
use super::super::sleep::Until;
use super::super::slot::PARTIES;
use super::super::{Acquired, Broken, Failure, Shared, SharedError, semaphore};
use super::{Held, sound, until};
use crate::types::Object;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A lock that jobs and threads share: `pool:shared/sync.lock`.
#[derive(Clone, Debug)]
pub struct Lock(pub(super) Arc<Held>);

/// A lock whose holder can acquire it again: `pool:shared/sync.rlock`.
#[derive(Clone, Debug)]
pub struct RLock(pub(super) Arc<Held>);

/// A number of permits: `pool:shared/sync.semaphore`.
#[derive(Clone, Debug)]
pub struct Semaphore(pub(super) Arc<Held>);

/// A flag to wait for: `pool:shared/sync.event`.
#[derive(Clone, Debug)]
pub struct Event(pub(super) Arc<Held>);

/// A lock, and a place to wait for what it guards to change: `pool:shared/sync.condition`.
#[derive(Clone, Debug)]
pub struct Condition(pub(super) Arc<Held>);

/// Where a number of jobs and threads wait until all of them are there: `pool:shared/sync.barrier`.
#[derive(Clone, Debug)]
pub struct Barrier(pub(super) Arc<Held>);

/// Nobody and this program's own party have numbers, too.
const MOST_AT_A_TIME: u32 = PARTIES - 2;

impl Shared {
    /// A lock that nobody holds.
    ///
    /// # Errors
    /// The memory is full, here and below.
    pub fn lock(&self) -> Result<Lock, SharedError> {
        self.held(Object::Lock, 0).map(Lock)
    }

    /// A lock that its holder can acquire again.
    pub fn rlock(&self) -> Result<RLock, SharedError> {
        self.held(Object::Rlock, 0).map(RLock)
    }

    /// A semaphore with so many permits, to which more can be added.
    pub fn semaphore(&self, permits: u32) -> Result<Semaphore, SharedError> {
        let fill = |slot: super::super::slot::Slot<'_>| semaphore::make(slot, permits, false);
        Held::new(self, Object::Semaphore, 0, fill).map(Semaphore)
    }

    /// A semaphore that never has more permits than these.
    pub fn bounded_semaphore(&self, permits: u32) -> Result<Semaphore, SharedError> {
        let fill = |slot: super::super::slot::Slot<'_>| semaphore::make(slot, permits, true);
        Held::new(self, Object::Semaphore, 0, fill).map(Semaphore)
    }

    /// A flag that is not set.
    pub fn event(&self) -> Result<Event, SharedError> {
        self.held(Object::Event, 0).map(Event)
    }

    /// A condition with a lock of its own.
    pub fn condition(&self) -> Result<Condition, SharedError> {
        self.held(Object::Condition, 0).map(Condition)
    }

    /// A barrier for so many, at least 1.
    ///
    /// # Errors
    /// [`SharedError::TooMany`] for more than there can be, 1,022.
    pub fn barrier(&self, parties: u32) -> Result<Barrier, SharedError> {
        if parties > MOST_AT_A_TIME {
            return Err(SharedError::TooMany);
        }
        self.held(Object::Barrier, parties.max(1)).map(Barrier)
    }

    fn held(&self, object: Object, parts: u32) -> Result<Arc<Held>, SharedError> {
        Held::new(self, object, parts, |_| {})
    }
}

/// A lock that this thread holds. It is released when this is dropped.
#[derive(Debug)]
pub struct LockGuard<'a> {
    lock: &'a Held,
    visitor: Visitor,
    acquired: Acquired,
}

impl<'a> LockGuard<'a> {
    fn acquire(lock: &'a Held, until: Until) -> Option<LockGuard<'a>> {
        let visitor = lock
            .room
            .visitor()
            .unwrap_or_else(|error| panic!("a shared lock: {error}"));
        match visitor.party.acquire(lock.place, until) {
            Err(Failure::TooLate) => None,
            acquired => Some(LockGuard {
                acquired: sound(acquired),
                lock,
                visitor,
            }),
        }
    }

    /// Whether the last holder released it, or ended without.
    pub fn acquired(&self) -> Acquired {
        self.acquired
    }
}

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        // A worker that was taken over may have taken it from us; then there is nothing to release.
        let (party, place) = (&self.visitor.party, self.lock.place);
        let _ = match self.lock.object {
            Object::Condition => party.release_condition(place),
            _ => party.release(place),
        };
    }
}

impl Lock {
    /// Waits for the lock and holds it.
    pub fn lock(&self) -> LockGuard<'_> {
        LockGuard::acquire(&self.0, None).expect("without a time to wait it is never too late")
    }

    /// Holds the lock if it can be had within this time.
    pub fn lock_within(&self, timeout: Duration) -> Option<LockGuard<'_>> {
        LockGuard::acquire(&self.0, until(timeout))
    }
}

impl RLock {
    /// Waits for the lock and holds it. A thread that holds it has to pass the guard on instead of calling this again.
    pub fn lock(&self) -> LockGuard<'_> {
        LockGuard::acquire(&self.0, None).expect("without a time to wait it is never too late")
    }

    /// Holds the lock if it can be had within this time.
    pub fn lock_within(&self, timeout: Duration) -> Option<LockGuard<'_>> {
        LockGuard::acquire(&self.0, until(timeout))
    }
}

impl Condition {
    /// Waits for the condition's lock and holds it.
    pub fn lock(&self) -> LockGuard<'_> {
        LockGuard::acquire(&self.0, None).expect("without a time to wait it is never too late")
    }

    /// Releases the lock, waits to be notified, and holds it again. False if nobody notified in time.
    pub fn wait(&self, guard: &mut LockGuard<'_>, timeout: Option<Duration>) -> bool {
        let until = timeout.and_then(until);
        sound((guard.visitor.party).wait_condition(self.0.place, until, None))
    }

    /// Waits until `is_so`, which is asked with the lock held, at first and after each time that somebody notified. False
    /// if it was not so in time.
    pub fn wait_for(
        &self,
        guard: &mut LockGuard<'_>,
        timeout: Option<Duration>,
        mut is_so: impl FnMut() -> bool,
    ) -> bool {
        let end = timeout.and_then(until);
        while !is_so() {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if !self.wait(guard, left) {
                return is_so();
            }
        }
        true
    }

    /// Wakes so many, those who wait longest first.
    pub fn notify(&self, guard: &LockGuard<'_>, count: u32) {
        sound(guard.visitor.party.notify(self.0.place, count));
    }

    /// Wakes all who wait.
    pub fn notify_all(&self, guard: &LockGuard<'_>) {
        self.notify(guard, u32::MAX);
    }
}

impl Semaphore {
    /// Waits for a permit and takes it.
    pub fn acquire(&self) {
        sound(self.0.own().take_permit(self.0.place, None));
    }

    /// Takes a permit if there is one within this time.
    pub fn acquire_within(&self, timeout: Duration) -> bool {
        match self.0.own().take_permit(self.0.place, until(timeout)) {
            Err(Failure::TooLate) => false,
            taken => {
                sound(taken);
                true
            }
        }
    }

    /// Gives a permit back, or adds one.
    ///
    /// # Panics
    /// A bounded semaphore would have more than its permits.
    pub fn release(&self) {
        sound(self.0.own().give_permit(self.0.place, None));
    }

    /// How many permits there are to take.
    pub fn permits(&self) -> u32 {
        sound(self.0.own().permits(self.0.place))
    }
}

impl Event {
    /// Sets it, and wakes all who wait.
    pub fn set(&self) {
        sound(self.0.own().set_event(self.0.place));
    }

    /// From now on one waits for it again.
    pub fn clear(&self) {
        sound(self.0.own().clear_event(self.0.place));
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        sound(self.0.own().is_set(self.0.place))
    }

    /// Waits until it is set.
    pub fn wait(&self) {
        sound(self.0.own().wait_event(self.0.place, None));
    }

    /// Waits until it is set; false if it was not within this time.
    pub fn wait_within(&self, timeout: Duration) -> bool {
        sound(self.0.own().wait_event(self.0.place, until(timeout)))
    }
}

impl Barrier {
    /// Waits until all are there. The place among them; the last to come is 0.
    ///
    /// # Errors
    /// [`Broken`], if somebody died, gave up or broke it, or it was reset. Who gives up waiting breaks it for all.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<u32, Broken> {
        let visitor = self.0.room.visitor();
        let visitor = visitor.unwrap_or_else(|error| panic!("a shared barrier: {error}"));
        let until = timeout.and_then(until);
        sound(visitor.party.wait_barrier(self.0.place, until))
    }

    /// Breaks it, for all who wait and will wait, until it is reset.
    pub fn abort(&self) {
        sound(self.0.own().abort_barrier(self.0.place, None));
    }

    /// Makes it as it was at first. Whoever waits learns that it was reset.
    pub fn reset(&self) {
        sound(self.0.own().reset_barrier(self.0.place, None));
    }

    /// For how many it is.
    pub fn parties(&self) -> u32 {
        self.0.place.parts
    }

    /// How many wait.
    pub fn waiting(&self) -> u32 {
        sound(self.0.own().waiting(self.0.place))
    }

    /// Whether it lets nobody through.
    pub fn is_broken(&self) -> bool {
        sound(self.0.own().is_broken(self.0.place))
    }
}
