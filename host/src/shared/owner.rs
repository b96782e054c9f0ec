//! A word in shared memory that at most one party owns: every lock, and what keeps others away from an object while it is
//! changed.
//!
//! It is Ulrich Drepper's mutex ("Futexes Are Tricky", 2011) with the owner's number in it. As to take it is one step, there is no
//! moment in which somebody owns it and does not stand there. When a party dies, the embedding program takes
//! from it what it owned, and wakes everybody who waits anywhere, so that no wake is lost with it.

use super::Failure;
use super::look::look;
use super::sleep::{self, Until};
use super::slot::Slot;
use std::sync::atomic::{AtomicU32, Ordering};

/// Somebody may be asleep.
const WAITERS: u32 = 1 << 31;
/// The last owner ended without giving it back.
const ABANDONED: u32 = 1 << 30;
const PARTY: u32 = ABANDONED - 1;

/// How it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Acquired {
    /// Given back by whoever had it.
    Clean,
    /// Whoever had it ended without giving it back: what it guards may be half done. Said once, to the next owner.
    Abandoned,
}

#[derive(Clone, Copy)]
pub(super) struct Owner<'a>(pub(super) Slot<'a>);

impl<'a> Owner<'a> {
    #[inline]
    fn word(self) -> &'a AtomicU32 {
        self.0.owner_word()
    }

    /// Takes it, or waits for it.
    #[inline]
    pub(super) fn acquire(self, party: u32, until: Until) -> Result<Acquired, Failure> {
        let acquired = match self.take(0, party) {
            true => Acquired::Clean,
            false => self.wait(party, until)?,
        };
        // The object may be another one by now.
        self.0.check().inspect_err(|_| self.release())?;
        Ok(acquired)
    }

    #[inline]
    fn take(self, free: u32, party: u32) -> bool {
        let taken = self
            .word()
            .compare_exchange(free, party, Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok()
    }

    #[cold]
    fn wait(self, party: u32, until: Until) -> Result<Acquired, Failure> {
        let mut has_looked = false;
        // Who has slept doesn't know whether others still do, and so wakes one in its turn.
        let mut mine = party;
        loop {
            let seen = self.word().load(Ordering::Relaxed);
            if seen & PARTY == 0 {
                if self.take(seen, mine | seen & WAITERS) {
                    return Ok(match seen & ABANDONED {
                        0 => Acquired::Clean,
                        _ => Acquired::Abandoned,
                    });
                }
            } else if !has_looked {
                has_looked = true;
                look(self.word(), until, || self.party() == 0);
            } else if seen & WAITERS != 0 || self.announce(seen) {
                // Once the object is gone nobody wakes us.
                self.0.check()?;
                sleep::wait(self.word(), seen | WAITERS, until)?;
                mine = party | WAITERS;
            }
        }
    }

    fn announce(self, seen: u32) -> bool {
        let said = self.word().compare_exchange(
            seen,
            seen | WAITERS,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        said.is_ok()
    }

    /// Gives it back.
    #[inline]
    pub(super) fn release(self) {
        self.leave(0);
    }

    /// Gives it back in the name of an owner that ended.
    pub(super) fn abandon(self) {
        self.leave(ABANDONED);
    }

    #[inline]
    fn leave(self, free: u32) {
        if self.word().swap(free, Ordering::Release) & WAITERS != 0 {
            sleep::wake(self.word(), 1);
        }
    }

    /// Makes it free, whatever it was.
    pub(super) fn forget(self) {
        self.word().store(0, Ordering::Relaxed);
    }

    /// Has whoever waits for it find that the object is gone.
    pub(super) fn vanish(self) {
        self.word().store(PARTY, Ordering::SeqCst);
        sleep::wake_all(self.word());
    }

    /// Who owns it; 0 is nobody.
    pub(super) fn party(self) -> u32 {
        self.word().load(Ordering::Relaxed) & PARTY
    }
}
