//! Where a number of parties wait until all of them are there.
//!
//! Each party sleeps at a word of its own, in which it finds what became of it: whoever comes last, breaks the barrier or
//! resets it, writes that there.

use super::Failure;
use super::guard::Guard;
use super::look::look;
use super::sleep::{self, Until};
use super::slot::{PARTIES, Party, Place, Slot};
use std::sync::atomic::{AtomicU32, Ordering};

/// How many wait.
const COME: usize = 0;
/// Whether it lets nobody through any more.
const BROKEN: usize = 1;
/// Whether all are there and being let through: the place that the next of them gets, or 0.
const PASSING: usize = 2;
/// For each party whether it waits, or what it did not notice yet.
pub(super) const WAITS: usize = 3;
/// How long a barrier is, without its head.
pub(super) const BYTES: usize = 4 * (WAITS + PARTIES as usize);

// What is in a party's word; beyond them its place plus `THROUGH`.
const NOT_HERE: u32 = 0;
pub(super) const WAITING: u32 = 1;
const ABORTED: u32 = 2;
const RESET: u32 = 3;
const THROUGH: u32 = 4;

/// Why a barrier let nobody through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Broken {
    /// Somebody gave up waiting, died, or broke it on purpose.
    #[error("the barrier is broken: somebody gave up waiting, died, or broke it")]
    Aborted,
    /// It was reset meanwhile.
    #[error("the barrier was reset")]
    Reset,
}

impl Party {
    /// Waits until all parties of the barrier wait. Returns the place among them; the last to come is 0. Who gives up
    /// waiting breaks it for all.
    pub(crate) fn wait_barrier(
        &self,
        barrier: Place,
        until: Until,
    ) -> Result<Result<u32, Broken>, Failure> {
        let slot = self.slot(barrier)?;
        let mine = waits(slot, self.number);
        {
            let Some(_guard) = unless_late(Guard::of(slot, self.number, until))? else {
                give_up(slot, ABORTED);
                return Ok(Err(Broken::Aborted));
            };
            if slot.half(BROKEN).load(Ordering::SeqCst) != 0 {
                return Ok(Err(Broken::Aborted));
            }
            let come = slot.half(COME).load(Ordering::SeqCst).saturating_add(1);
            if come >= barrier.parts {
                // The last to come is 0, so those before it count up.
                slot.half(PASSING).store(1, Ordering::SeqCst);
                let_through(slot);
                return Ok(Ok(0));
            }
            mine.store(WAITING, Ordering::SeqCst);
            slot.half(COME).store(come, Ordering::SeqCst);
            // Somebody may have died since the look above, before which this one was not there to be told.
            if slot.half(BROKEN).load(Ordering::SeqCst) != 0 {
                give_up(slot, ABORTED);
            }
        }
        let is_waiting = || mine.load(Ordering::SeqCst) == WAITING;
        look(mine, until, || !is_waiting());
        while is_waiting() {
            if sleep::wait(mine, WAITING, until).is_err() {
                let _guard = unless_late(Guard::of(slot, self.number, until))?;
                // All may have come at the last moment.
                if is_waiting() {
                    give_up(slot, ABORTED);
                }
            }
        }
        slot.check()?;
        Ok(match mine.swap(NOT_HERE, Ordering::SeqCst) {
            RESET => Err(Broken::Reset),
            through @ THROUGH.. => Ok(through - THROUGH),
            _ => Err(Broken::Aborted),
        })
    }

    /// Breaks it, for all who wait and will wait.
    pub(crate) fn abort_barrier(&self, barrier: Place, until: Until) -> Result<(), Failure> {
        let slot = self.slot(barrier)?;
        let _guard = Guard::of(slot, self.number, until)?;
        give_up(slot, ABORTED);
        Ok(())
    }

    /// Makes it as it was at first.
    pub(crate) fn reset_barrier(&self, barrier: Place, until: Until) -> Result<(), Failure> {
        let slot = self.slot(barrier)?;
        let _guard = Guard::of(slot, self.number, until)?;
        give_up(slot, RESET);
        Ok(())
    }

    /// How many wait.
    pub(crate) fn waiting(&self, barrier: Place) -> Result<u32, Failure> {
        Ok(self.slot(barrier)?.half(COME).load(Ordering::SeqCst))
    }

    pub(crate) fn is_broken(&self, barrier: Place) -> Result<bool, Failure> {
        Ok(self.slot(barrier)?.half(BROKEN).load(Ordering::SeqCst) != 0)
    }
}

/// Lets all who wait through, and begins anew.
fn let_through(slot: Slot<'_>) {
    tell(slot, || {
        THROUGH.saturating_add(slot.half(PASSING).fetch_add(1, Ordering::SeqCst))
    });
    slot.half(PASSING).store(0, Ordering::SeqCst);
}

/// Nothing where somebody else stands still at work on the barrier: who gives up waiting then breaks it all the same, as all
/// that it takes are single steps that no half of another change makes worse.
fn unless_late(guard: Result<Guard<'_>, Failure>) -> Result<Option<Guard<'_>>, Failure> {
    match guard {
        Err(Failure::TooLate) => Ok(None),
        guard => guard.map(Some),
    }
}

/// Sends all who wait away, and breaks the barrier or, for a reset, mends it.
fn give_up(slot: Slot<'_>, why: u32) {
    let broken = u32::from(why == ABORTED);
    slot.half(BROKEN).store(broken, Ordering::SeqCst);
    tell(slot, || why);
}

fn tell(slot: Slot<'_>, mut what: impl FnMut() -> u32) {
    for party in 1..slot.parties() {
        let waits = waits(slot, party);
        let told = |seen| (seen == WAITING).then(&mut what);
        if (waits.fetch_update(Ordering::SeqCst, Ordering::SeqCst, told)).is_ok() {
            sleep::wake_all(waits);
        }
    }
    slot.half(COME).store(0, Ordering::SeqCst);
}

/// Has whoever waits find that the object is gone.
pub(super) fn vanish(slot: Slot<'_>) {
    tell(slot, || ABORTED);
}

/// What is left to do for a party that died: `was_changing` if it was at work on the barrier.
pub(super) fn mend(slot: Slot<'_>, dead: u32, was_changing: bool) {
    let was_here = waits(slot, dead).swap(NOT_HERE, Ordering::SeqCst) == WAITING;
    if was_changing && slot.half(PASSING).load(Ordering::SeqCst) != 0 {
        let_through(slot);
    } else if was_here || was_changing {
        give_up(slot, ABORTED);
    }
    // It may have died between telling and waking.
    for party in 1..slot.parties() {
        let waits = waits(slot, party);
        if waits.load(Ordering::SeqCst) > WAITING {
            sleep::wake_all(waits);
        }
    }
}

fn waits<'a>(slot: Slot<'a>, party: u32) -> &'a AtomicU32 {
    slot.half(WAITS + party as usize)
}
