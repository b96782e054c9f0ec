//! A flag to wait for.

use super::Failure;
use super::look::look;
use super::sleep::{self, TooLate, Until};
use super::slot::{Party, Place, Slot};
use std::sync::atomic::Ordering;

const FLAG: usize = 0;

impl Party {
    pub(crate) fn set_event(&self, event: Place) -> Result<(), Failure> {
        let flag = self.slot(event)?.half(FLAG);
        if flag.swap(1, Ordering::SeqCst) == 0 {
            sleep::wake_all(flag);
        }
        Ok(())
    }

    pub(crate) fn clear_event(&self, event: Place) -> Result<(), Failure> {
        self.slot(event)?.half(FLAG).store(0, Ordering::SeqCst);
        Ok(())
    }

    pub(crate) fn is_set(&self, event: Place) -> Result<bool, Failure> {
        Ok(self.slot(event)?.half(FLAG).load(Ordering::SeqCst) != 0)
    }

    /// Waits until it is set; false if it was not in time.
    pub(crate) fn wait_event(&self, event: Place, until: Until) -> Result<bool, Failure> {
        let slot = self.slot(event)?;
        let flag = slot.half(FLAG);
        look(flag, until, || flag.load(Ordering::SeqCst) != 0);
        while flag.load(Ordering::SeqCst) == 0 {
            slot.check()?;
            if let Err(TooLate) = sleep::wait(flag, 0, until) {
                return self.is_set(event);
            }
        }
        slot.check().map(|()| true)
    }
}

/// Has whoever waits find that the object is gone.
pub(super) fn vanish(slot: Slot<'_>) {
    slot.half(FLAG).store(1, Ordering::SeqCst);
    sleep::wake_all(slot.half(FLAG));
}

/// Somebody died, perhaps between setting it and waking the others.
pub(super) fn mend(slot: Slot<'_>) {
    sleep::wake_all(slot.half(FLAG));
}
