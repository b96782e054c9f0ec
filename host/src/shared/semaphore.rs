//! A number of permits to take and give back.
//!
//! What each party has taken is written down beside its number, and how many are free is what that leaves:
//! `free = permits - taken[1] - taken[2] …`. A change touches two numbers, but only one of them counts; if a party dies
//! between them, `free` is reckoned anew.

use super::Failure;
use super::guard::Guard;
use super::look::look;
use super::sleep::{self, Until};
use super::slot::{PARTIES, Party, Place, Slot};
use std::sync::atomic::{AtomicU32, Ordering};

/// How many there are to take.
const FREE: usize = 0;
/// How many there are in all.
const PERMITS: usize = 1;
/// How many there may be to take.
const BOUND: usize = 2;
/// Whether somebody sleeps until there is one.
const SLEEPERS: usize = 3;
/// What each party has taken.
pub(super) const TAKEN: usize = 4;
/// How long a semaphore is, without its head.
pub(super) const BYTES: usize = 4 * (TAKEN + PARTIES as usize);

/// Makes a semaphore of fresh memory.
pub(super) fn make(slot: Slot<'_>, permits: u32, bounded: bool) {
    slot.half(FREE).store(permits, Ordering::Relaxed);
    slot.half(PERMITS).store(permits, Ordering::Relaxed);
    let bound = if bounded { permits } else { u32::MAX };
    slot.half(BOUND).store(bound, Ordering::Relaxed);
}

impl Party {
    /// Takes a permit, or waits for one.
    pub(crate) fn take_permit(&self, semaphore: Place, until: Until) -> Result<(), Failure> {
        let slot = self.slot(semaphore)?;
        let free = slot.half(FREE);
        let mut has_looked = false;
        loop {
            let guard = Guard::of(slot, self.number, until)?;
            if free.load(Ordering::Relaxed) > 0 {
                // What counts comes first.
                add(self.taken(slot), 1);
                free.fetch_sub(1, Ordering::SeqCst);
                return Ok(());
            }
            if !has_looked {
                drop(guard);
                has_looked = true;
                look(free, until, || free.load(Ordering::SeqCst) > 0);
                continue;
            }
            slot.half(SLEEPERS).store(1, Ordering::SeqCst);
            drop(guard);
            sleep::wait(free, 0, until)?;
        }
    }

    /// Gives a permit back, or adds one.
    ///
    /// # Errors
    /// [`Failure::Misuse`] if there would be more than a bounded semaphore has.
    pub(crate) fn give_permit(&self, semaphore: Place, until: Until) -> Result<(), Failure> {
        let slot = self.slot(semaphore)?;
        let _guard = Guard::of(slot, self.number, until)?;
        let (free, taken) = (slot.half(FREE), self.taken(slot));
        let (bound, permits) = (slot.half(BOUND), slot.half(PERMITS));
        if free.load(Ordering::Relaxed) >= bound.load(Ordering::Relaxed) {
            return Err(Failure::Misuse("it is released more often than acquired"));
        }
        match taken.load(Ordering::Relaxed) {
            // Taken by somebody else, or never.
            0 => add(permits, 1),
            _ => {
                taken.fetch_sub(1, Ordering::Relaxed);
            }
        }
        free.fetch_add(1, Ordering::SeqCst);
        // Those for whom there is none say again that they sleep.
        if slot.half(SLEEPERS).swap(0, Ordering::SeqCst) != 0 {
            sleep::wake_all(free);
        }
        Ok(())
    }

    /// How many permits there are to take.
    pub(crate) fn permits(&self, semaphore: Place) -> Result<u32, Failure> {
        Ok(self.slot(semaphore)?.half(FREE).load(Ordering::Relaxed))
    }

    /// What this party has taken stays taken, whatever becomes of it.
    pub(crate) fn spend_permits(&self, semaphore: Place) {
        if let Ok(slot) = self.slot(semaphore)
            && let Ok(_guard) = Guard::of(slot, self.number, None)
        {
            let taken = self.taken(slot);
            let spent = taken.load(Ordering::Relaxed);
            slot.half(PERMITS).fetch_sub(spent, Ordering::Relaxed);
            taken.store(0, Ordering::Relaxed);
        }
    }

    /// What this party has taken comes back, as far as there is room for it.
    pub(crate) fn return_permits(&self, semaphore: Place) {
        if let Ok(slot) = self.slot(semaphore)
            && let Ok(_guard) = Guard::of(slot, self.number, None)
        {
            give_back(slot, self.taken(slot).swap(0, Ordering::SeqCst));
        }
    }

    fn taken<'a>(&self, slot: Slot<'a>) -> &'a AtomicU32 {
        slot.half(TAKEN + self.number as usize)
    }
}

/// What is left to do for a party that died: `was_changing` if it was at work on the semaphore.
pub(super) fn mend(slot: Slot<'_>, dead: u32, was_changing: bool) {
    let returned = slot.half(TAKEN + dead as usize).swap(0, Ordering::SeqCst);
    let free = slot.half(FREE);
    if was_changing {
        let taken = (1..slot.parties()).map(|party| slot.half(TAKEN + party as usize));
        let taken = taken.fold(0, |sum: u32, taken| {
            sum.wrapping_add(taken.load(Ordering::SeqCst))
        });
        let permits = slot.half(PERMITS).load(Ordering::SeqCst);
        free.store(permits.saturating_sub(taken), Ordering::SeqCst);
        free.fetch_min(slot.half(BOUND).load(Ordering::SeqCst), Ordering::SeqCst);
        sleep::wake_all(free);
    } else {
        give_back(slot, returned);
    }
}

/// Adds permits that somebody took, but no more than there may be: others may have given some back in the meantime.
fn give_back(slot: Slot<'_>, permits: u32) {
    let (free, bound) = (slot.half(FREE), slot.half(BOUND));
    let bound = bound.load(Ordering::SeqCst);
    let more = |free: u32| Some(free.saturating_add(permits).min(bound));
    let _ = free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
    sleep::wake_all(free);
}

/// Has whoever waits find that the object is gone.
pub(super) fn vanish(slot: Slot<'_>) {
    slot.half(FREE).store(1, Ordering::SeqCst);
    sleep::wake_all(slot.half(FREE));
}

fn add(number: &AtomicU32, by: u32) {
    number.fetch_add(by, Ordering::SeqCst);
}
