//! What keeps others away from an object for the few steps of a change. If a party dies in between, the change is finished or
//! undone before anybody else comes.

use super::owner::Owner;

/// As long as it is there, nobody else changes the object.
pub(super) struct Guard<'a>(Owner<'a>);

impl<'a> Guard<'a> {
    pub(super) fn of(owner: Owner<'a>, party: u32) -> Guard<'a> {
        // Without an end to the waiting there is no error, and that somebody died at work has been mended.
        let _ = owner.acquire(party, None);
        Guard(owner)
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}
