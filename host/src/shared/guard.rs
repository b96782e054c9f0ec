//! What keeps others away from an object for the few steps of a change. If a party dies in between, the change is finished or
//! undone before anybody else comes.

use super::Failure;
use super::owner::Owner;
use super::slot::Slot;

/// As long as it is there, nobody else changes the object.
pub(super) struct Guard<'a>(Owner<'a>);

impl<'a> Guard<'a> {
    /// Waits until nobody else is at work. That somebody died at work has been mended then.
    ///
    /// # Errors
    /// [`Failure::Gone`].
    pub(super) fn of(slot: Slot<'a>, party: u32) -> Result<Guard<'a>, Failure> {
        let _ = slot.owner().acquire(party, None)?;
        Ok(Guard(slot.owner()))
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}
