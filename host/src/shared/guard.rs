//! What keeps others away from an object for the few steps of a change. If a party dies in between, the change is finished or
//! undone before anybody else comes.

use super::Failure;
use super::owner::Owner;
use super::sleep::Until;
use super::slot::Slot;

/// As long as it is there, nobody else changes the object.
pub(super) struct Guard<'a>(Owner<'a>);

impl<'a> Guard<'a> {
    /// Waits until nobody else is at work. That somebody died at work has been mended then.
    ///
    /// # Errors
    /// [`Failure::Gone`]; [`Failure::TooLate`] if somebody stands still at work, as a process does that was stopped.
    pub(super) fn of(slot: Slot<'a>, party: u32, until: Until) -> Result<Guard<'a>, Failure> {
        let _ = slot.owner().acquire(party, until)?;
        Ok(Guard(slot.owner()))
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}
