//! A lock, and a place to wait for what it guards to change.
//!
//! Each party has a place to sleep of its own, in which stands since when it waits. To notify is to look for the one
//! that waits longest; as that needs the lock, there is an order in which all of this happens.

use super::sleep::{self, Until};
use super::slot::{PARTIES, Party, Place, Slot};
use super::{Failure, lock};
use std::sync::atomic::{AtomicU64, Ordering};

/// How many have come to wait, ever.
const COMERS: usize = 0;
/// For each party: 0 if it doesn't wait, `NOTIFIED`, or the comer that it is.
pub(super) const WAITS: usize = 1;
/// A party that was woken and has not noticed yet.
pub(super) const NOTIFIED: u64 = u64::MAX;
/// How long a condition is, without its head.
pub(super) const BYTES: usize = 8 * (WAITS + PARTIES as usize);

impl Party {
    /// Releases the lock, waits to be notified, and acquires the lock again. False if nobody notified in time.
    ///
    /// # Errors
    /// [`Failure::Misuse`] if this party does not hold the lock.
    pub(crate) fn wait_condition(&self, condition: Place, until: Until) -> Result<bool, Failure> {
        let slot = self.slot(condition)?;
        self.must_hold(condition)?;
        let mine = slot.word(WAITS + self.number as usize);
        let comer = slot.word(COMERS).fetch_add(1, Ordering::Relaxed) + 1;
        mine.store(comer, Ordering::SeqCst);
        slot.owner().release();
        let mut slept = Ok(());
        while mine.load(Ordering::SeqCst) == comer && slept.is_ok() {
            slept = sleep::wait(half_of(slot, self.number), comer as u32, until);
        }
        // Whoever held the lock meanwhile and died may have changed half: the next to acquire it is told, not we.
        let _ = slot.owner().acquire(self.number, None)?;
        let notified = mine.swap(0, Ordering::SeqCst) == NOTIFIED;
        Ok(notified)
    }

    /// Wakes so many, those who wait longest first.
    ///
    /// # Errors
    /// [`Failure::Misuse`] if this party does not hold the lock.
    pub(crate) fn notify(&self, condition: Place, count: u32) -> Result<(), Failure> {
        let slot = self.slot(condition)?;
        self.must_hold(condition)?;
        wake_longest(slot, count);
        Ok(())
    }

    fn must_hold(&self, condition: Place) -> Result<(), Failure> {
        match self.holds(condition) {
            true => Ok(()),
            false => Err(lock::NOT_HELD),
        }
    }
}

fn wake_longest(slot: Slot<'_>, count: u32) {
    let waits = |party: u32| slot.word(WAITS + party as usize);
    let mut waiting: Vec<(u64, u32)> = (1..PARTIES)
        .map(|party| (waits(party).load(Ordering::SeqCst), party))
        .filter(|(comer, _)| *comer != 0 && *comer != NOTIFIED)
        .collect();
    waiting.sort_unstable();
    for (comer, party) in waiting.into_iter().take(count as usize) {
        if swap(waits(party), comer, NOTIFIED) {
            sleep::wake_all(half_of(slot, party));
        }
    }
}

/// What is left to do for a party that died. If it was notified and did not notice, somebody else is instead.
pub(super) fn mend(slot: Slot<'_>, dead: u32) {
    if slot.word(WAITS + dead as usize).swap(0, Ordering::SeqCst) == NOTIFIED {
        wake_longest(slot, 1);
    }
    // It may have died between notifying and waking.
    for party in 1..PARTIES {
        if slot.word(WAITS + party as usize).load(Ordering::SeqCst) == NOTIFIED {
            sleep::wake_all(half_of(slot, party));
        }
    }
}

fn swap(word: &AtomicU64, from: u64, to: u64) -> bool {
    word.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
        .is_ok()
}

/// The half of a party's word that it sleeps on: the low one, which comes first on the machines that this runs on.
fn half_of(slot: Slot<'_>, party: u32) -> &std::sync::atomic::AtomicU32 {
    slot.half(2 * (WAITS + party as usize))
}

const _: () = assert!(cfg!(target_endian = "little"));
