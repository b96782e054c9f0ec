//! A lock, and a place to wait for what it guards to change.
//!
//! Each party has a place to sleep of its own, in which stands since when it waits. To notify is to look for the one
//! that waits longest; as that needs the lock, there is an order in which all of this happens.

use super::look::look;
use super::sleep::{self, Until};
use super::slot::{PARTIES, Party, Place, Slot};
use super::{Acquired, Failure, lock};
use std::sync::atomic::{AtomicU64, Ordering};

/// How many have come to wait, ever.
const COMERS: usize = 0;
/// For each party: 0 if it doesn't wait, `NOTIFIED`, or the comer that it is.
pub(super) const WAITS: usize = 1;
/// A party that was woken and has not noticed yet.
pub(super) const NOTIFIED: u64 = u64::MAX;
/// Whom to wake when the lock is released, a bit for each party: woken any sooner they would only wait for the lock.
const TO_WAKE: usize = WAITS + PARTIES as usize;
const WORDS_TO_WAKE: usize = PARTIES as usize / 64;
/// Whether the lock was found abandoned by somebody who came back from waiting, who passes that on.
const ABANDONED: usize = TO_WAKE + WORDS_TO_WAKE;
/// How long a condition is, without its head.
pub(super) const BYTES: usize = 8 * (ABANDONED + 1);

impl Party {
    /// Releases the lock, waits to be notified, and acquires the lock again. False if nobody notified in time.
    ///
    /// # Errors
    /// [`Failure::Misuse`] if this party does not hold the lock; [`Failure::TooLate`] if the lock could not be had again
    /// until `again`, and so is not held.
    pub(crate) fn wait_condition(
        &self,
        condition: Place,
        until: Until,
        again: Until,
    ) -> Result<bool, Failure> {
        let slot = self.held_slot(condition)?;
        let mine = slot.word(WAITS + self.number as usize);
        let comer = slot.word(COMERS).fetch_add(1, Ordering::Relaxed) % (NOTIFIED - 1) + 1;
        mine.store(comer, Ordering::SeqCst);
        release(slot);
        let half = half_of(slot, self.number);
        let is_told = || mine.load(Ordering::SeqCst) != comer;
        let mut slept = Ok(());
        if !look(half, until, is_told) {
            while !is_told() && slept.is_ok() {
                slept = sleep::wait(half, comer as u32, until);
            }
        }
        slot.check()?;
        let acquired = slot.owner().acquire(self.number, again);
        let notified = mine.swap(0, Ordering::SeqCst) == NOTIFIED;
        if acquired? == Acquired::Abandoned {
            slot.word(ABANDONED).store(1, Ordering::SeqCst);
        }
        Ok(notified)
    }

    /// Wakes so many, those who wait longest first, as soon as the lock is released.
    ///
    /// # Errors
    /// [`Failure::Misuse`] if this party does not hold the lock.
    pub(crate) fn notify(&self, condition: Place, count: u32) -> Result<(), Failure> {
        notify_longest(self.held_slot(condition)?, count);
        Ok(())
    }

    /// Releases the lock.
    ///
    /// # Errors
    /// [`Failure::Misuse`] if this party does not hold it.
    pub(crate) fn release_condition(&self, condition: Place) -> Result<(), Failure> {
        release(self.held_slot(condition)?);
        Ok(())
    }

    /// Gives the lock back that its holder forgot.
    pub(crate) fn abandon_condition(&self, condition: Place) {
        if let Ok(slot) = self.held_slot(condition) {
            slot.word(ABANDONED).store(1, Ordering::SeqCst);
            release(slot);
        }
    }

    fn held_slot(&self, condition: Place) -> Result<Slot<'_>, Failure> {
        let slot = self.slot(condition)?;
        match slot.owner().party() == self.number {
            true => Ok(slot),
            // Nobody holds what is gone.
            false => Err(slot.check().err().unwrap_or(lock::NOT_HELD)),
        }
    }
}

fn release(slot: Slot<'_>) {
    let mut to_wake = [0; WORDS_TO_WAKE];
    for (n, parties) in to_wake.iter_mut().enumerate() {
        let word = slot.word(TO_WAKE + n);
        if word.load(Ordering::Relaxed) != 0 {
            *parties = word.swap(0, Ordering::SeqCst);
        }
    }
    match slot.word(ABANDONED).load(Ordering::Relaxed) {
        0 => slot.owner().release(),
        _ => {
            slot.word(ABANDONED).store(0, Ordering::SeqCst);
            slot.owner().abandon();
        }
    }
    for (n, mut parties) in to_wake.into_iter().enumerate() {
        while parties != 0 {
            let party = 64 * n as u32 + parties.trailing_zeros();
            parties &= parties - 1;
            sleep::wake_all(half_of(slot, party));
        }
    }
}

fn notify_longest(slot: Slot<'_>, count: u32) {
    let waits = |party: u32| slot.word(WAITS + party as usize);
    let mut waiting: Vec<(u64, u32)> = (1..slot.parties())
        .map(|party| (waits(party).load(Ordering::SeqCst), party))
        .filter(|(comer, _)| *comer != 0 && *comer != NOTIFIED)
        .collect();
    waiting.sort_unstable();
    for (comer, party) in waiting.into_iter().take(count as usize) {
        if swap(waits(party), comer, NOTIFIED) {
            let bit = 1 << (party % 64);
            let word = slot.word(TO_WAKE + party as usize / 64);
            word.fetch_or(bit, Ordering::SeqCst);
        }
    }
}

/// Has whoever waits find that the object is gone.
pub(super) fn vanish(slot: Slot<'_>) {
    for party in 1..slot.parties() {
        slot.word(WAITS + party as usize).store(0, Ordering::SeqCst);
        sleep::wake_all(half_of(slot, party));
    }
}

/// What is left to do for a party that died. If it was notified and did not notice, somebody else is instead.
pub(super) fn mend(slot: Slot<'_>, dead: u32) {
    if slot.word(WAITS + dead as usize).swap(0, Ordering::SeqCst) == NOTIFIED {
        notify_longest(slot, 1);
    }
    // It may have died between notifying and waking.
    for party in 1..slot.parties() {
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
