//! What keeps others away from an object for the few steps of a change. If a party dies in between, the change is finished or
//! undone before anybody else comes.

use super::Failure;
use super::owner::Owner;
use super::sleep::Until;
use super::slot::Slot;
use std::time::{Duration, Instant};

/// How long one waits for somebody who is at work, whatever time there is: many times as long as that takes.
const GRACE: Duration = Duration::from_millis(10);

/// As long as it is there, nobody else changes the object.
pub(super) struct Guard<'a>(Owner<'a>);

impl<'a> Guard<'a> {
    /// Waits until nobody else is at work. That somebody died at work has been mended then. Who has no time to wait for anything
    /// still waits for those who are at work.
    ///
    /// # Errors
    /// [`Failure::Gone`]; [`Failure::TooLate`] if somebody stands still at work, as a process does that was stopped.
    pub(super) fn of(slot: Slot<'a>, party: u32, until: Until) -> Result<Guard<'a>, Failure> {
        let owner = slot.owner();
        let _ = match owner.acquire(party, until) {
            Err(Failure::TooLate) => owner.acquire(party, Instant::now().checked_add(GRACE)),
            acquired => acquired,
        }?;
        Ok(Guard(owner))
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}
