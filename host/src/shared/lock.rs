//! Locks: one holder at a time, who may come again (`rlock`) or may not.

use super::Failure;
use super::owner::Acquired;
use super::sleep::Until;
use super::slot::{Party, Place};
use std::sync::atomic::Ordering;

impl Party {
    /// Acquires a lock, or the lock of a condition.
    ///
    /// # Errors
    /// [`Failure::Misuse`] if this party holds it: it would wait for itself.
    #[inline]
    pub(crate) fn acquire(&self, lock: Place, until: Until) -> Result<Acquired, Failure> {
        let owner = self.slot(lock)?.owner();
        if owner.party() == self.number {
            return Err(Failure::Misuse("it is acquired by the job that holds it"));
        }
        owner.acquire(self.number, until)
    }

    /// Releases a lock.
    ///
    /// # Errors
    /// [`Failure::Misuse`] if this party does not hold it.
    #[inline]
    pub(crate) fn release(&self, lock: Place) -> Result<(), Failure> {
        let slot = self.slot(lock)?;
        if slot.owner().party() != self.number {
            // Nobody holds what is gone.
            return Err(slot.check().err().unwrap_or(NOT_HELD));
        }
        slot.owner().release();
        Ok(())
    }

    /// Acquires a lock that its holder may acquire again.
    pub(crate) fn acquire_again(&self, rlock: Place, until: Until) -> Result<Acquired, Failure> {
        let slot = self.slot(rlock)?;
        let times = slot.half(TIMES);
        if slot.owner().party() == self.number {
            // Only its holder changes it.
            let more = times.load(Ordering::Relaxed).checked_add(1);
            times.store(more.ok_or(TOO_OFTEN)?, Ordering::Relaxed);
            return Ok(Acquired::Clean);
        }
        let acquired = slot.owner().acquire(self.number, until)?;
        times.store(1, Ordering::Relaxed);
        Ok(acquired)
    }

    /// Releases it once.
    ///
    /// # Errors
    /// [`Failure::Misuse`] if this party does not hold it.
    pub(crate) fn release_again(&self, rlock: Place) -> Result<(), Failure> {
        let slot = self.slot(rlock)?;
        if slot.owner().party() != self.number {
            return Err(slot.check().err().unwrap_or(NOT_HELD));
        }
        let times = slot.half(TIMES);
        let left = times.load(Ordering::Relaxed).saturating_sub(1);
        times.store(left, Ordering::Relaxed);
        if left == 0 {
            slot.owner().release();
        }
        Ok(())
    }

    /// Whether this party holds the lock.
    pub(crate) fn holds(&self, lock: Place) -> bool {
        self.slot(lock)
            .is_ok_and(|slot| slot.owner().party() == self.number)
    }

    /// Gives a lock back that its holder forgot.
    pub(crate) fn abandon(&self, lock: Place) {
        if self.holds(lock)
            && let Ok(slot) = self.slot(lock)
        {
            slot.owner().abandon();
        }
    }
}

/// How often its holder has acquired an `rlock`.
const TIMES: usize = 0;

pub(super) const NOT_HELD: Failure =
    Failure::Misuse("it is released by a job that does not hold it");
const TOO_OFTEN: Failure = Failure::Misuse("it is acquired too often");
