//! The steps of the channel's protocol: who may touch which bytes of a ring, and who has to be woken.
//!
//! The words that both sides see are given to each step, and bytes are moved by whoever calls it, so that this file needs
//! neither memory nor `unsafe`. `host/model` compiles it a second time, with the atomics of a model checker. Why the steps
//! are as they are stands in the module above.

use super::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// `wake` of a parent that does not sleep.
const AWAKE: u64 = u64::MAX;

/// The peer wrote an index that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfBounds;

/// How far the writer of a ring is.
#[derive(Default)]
pub(super) struct Writing<const CAPACITY: usize> {
    /// Bytes written, published or not.
    written: u64,
    /// What the peer had taken when last asked.
    taken: u64,
}

impl<const CAPACITY: usize> Writing<CAPACITY> {
    /// How many bytes can be written now.
    #[inline]
    pub(super) fn space(&mut self, taken: &AtomicU64) -> Result<usize, OutOfBounds> {
        let taken = taken.load(Ordering::Acquire);
        match self.written.checked_sub(taken) {
            Some(used) if used <= CAPACITY as u64 => {
                self.taken = taken;
                Ok(CAPACITY - used as usize)
            }
            _ => Err(OutOfBounds),
        }
    }

    /// Whether there is less space than half the capacity.
    #[inline]
    pub(super) fn is_half_full(&mut self, taken: &AtomicU64) -> bool {
        let half = |index: &Self| index.written - index.taken > CAPACITY as u64 / 2;
        half(self) && self.space(taken).is_ok() && half(self)
    }

    /// Writes as many of `length` bytes as there is space for, and says how many. `copy` fills in so many bytes from a
    /// place in the ring on.
    #[inline]
    pub(super) fn write(
        &mut self,
        length: usize,
        taken: &AtomicU64,
        copy: impl FnOnce(usize, usize),
    ) -> Result<usize, OutOfBounds> {
        let mut space = CAPACITY - (self.written - self.taken) as usize;
        if space < length {
            space = self.space(taken)?;
        }
        let length = length.min(space);
        copy(self.written as usize % CAPACITY, length);
        self.written += length as u64;
        Ok(length)
    }

    /// Shows the peer what was written.
    #[inline]
    pub(super) fn publish(&self, published: &AtomicU64) {
        published.store(self.written, Ordering::Release);
    }
}

/// How far the reader of a ring is.
#[derive(Default)]
pub(super) struct Reading<const CAPACITY: usize> {
    taken: u64,
    /// What the peer had published when last asked.
    published: u64,
    /// What was taken when this side last looked whether the peer waits for space.
    looked: u64,
}

impl<const CAPACITY: usize> Reading<CAPACITY> {
    /// How many bytes can be taken now.
    #[inline]
    pub(super) fn available(&mut self, published: &AtomicU64) -> Result<usize, OutOfBounds> {
        let published = published.load(Ordering::Acquire);
        match published.checked_sub(self.taken) {
            Some(available) if available <= CAPACITY as u64 => {
                self.published = published;
                Ok(available as usize)
            }
            _ => Err(OutOfBounds),
        }
    }

    /// Takes what there is but no more than `most`, and says how many bytes it was. `copy` takes so many bytes from a place in
    /// the ring on.
    #[inline]
    pub(super) fn take(
        &mut self,
        most: usize,
        published: &AtomicU64,
        taken: &AtomicU64,
        copy: impl FnOnce(usize, usize),
    ) -> Result<usize, OutOfBounds> {
        let length = self.available(published)?.min(most);
        if length > 0 {
            copy(self.peek(length), length);
            self.release(length);
            self.give_back(taken);
        }
        Ok(length)
    }

    /// The place in the ring of the first `length` bytes, which must be available.
    #[inline]
    pub(super) fn peek(&self, length: usize) -> usize {
        assert!(
            length as u64 <= self.published - self.taken,
            "only published bytes can be read"
        );
        self.taken as usize % CAPACITY
    }

    /// Whether so many bytes can be taken now. Asks the peer only where what it said before does not answer that.
    #[inline]
    pub(super) fn has(&mut self, bytes: usize, published: &AtomicU64) -> Result<bool, OutOfBounds> {
        Ok(self.published - self.taken >= bytes as u64 || self.available(published)? >= bytes)
    }

    /// Is done with the first `length` bytes. The writer gets their space with [`Self::give_back`].
    #[inline]
    pub(super) fn release(&mut self, length: usize) {
        self.taken += length as u64;
    }

    /// Gives the writer the space of all that was released.
    #[inline]
    pub(super) fn give_back(&self, taken: &AtomicU64) {
        taken.store(self.taken, Ordering::Release);
    }

    /// Whether the writer may be waiting for the space that was just given back, so that one has to look whether it sleeps.
    #[inline]
    pub(super) fn may_have_filled(&mut self) -> bool {
        let may_have = self.published - self.looked >= CAPACITY as u64;
        if may_have {
            self.looked = self.taken;
        }
        may_have
    }
}

/// Says that the parent sleeps until the worker has given `answers` answers in all. Look for answers once more before you
/// block.
#[inline]
pub(super) fn sleep(wake: &AtomicU64, answers: u64, round: u16) {
    wake.store(answers << 16 | u64::from(round), Ordering::Relaxed);
    fence(Ordering::SeqCst);
}

/// Says that the parent is awake.
#[inline]
pub(super) fn wake(wake: &AtomicU64) {
    wake.store(AWAKE, Ordering::Relaxed);
}

/// The value of `wake` for which the worker last woke the parent.
pub(super) struct Rung(u64);

impl Default for Rung {
    fn default() -> Rung {
        Rung(AWAKE)
    }
}

impl Rung {
    /// Whether the parent is to be woken after `answers` answers in all, asked after the last of them was published.
    #[inline]
    pub(super) fn due(&mut self, wake: &AtomicU64, answers: u64) -> bool {
        fence(Ordering::SeqCst);
        let wake = wake.load(Ordering::Relaxed);
        let due = wake != AWAKE && wake != self.0 && answers >= wake >> 16;
        if due {
            self.0 = wake;
        }
        due
    }
}

/// Says that the worker sleeps, or no longer does.
#[inline]
pub(super) fn park(word: &AtomicU64, parked: bool) {
    word.store(u64::from(parked), Ordering::Relaxed);
    fence(Ordering::SeqCst);
}

/// Puts the worker to sleep until it is `ready`: says so with `park`, looks, and only then blocks, unless there was a ring
/// since the last look: `block` is given how many `rings` there were before it.
#[inline]
pub(super) fn park_until<S, E>(
    worker: &mut S,
    park: impl Fn(&S, bool),
    rings: impl Fn(&S) -> u32,
    mut ready: impl FnMut(&mut S) -> Result<bool, E>,
    mut block: impl FnMut(&mut S, u32) -> Result<(), E>,
) -> Result<(), E> {
    park(worker, true);
    let woken = loop {
        let seen = rings(worker);
        match ready(worker) {
            Ok(true) => break Ok(()),
            Ok(false) => {}
            Err(error) => break Err(error),
        }
        if let Err(error) = block(worker, seen) {
            break Err(error);
        }
    };
    park(worker, false);
    woken
}

/// Counts a ring, for a worker that is [parked](is_parked): that look's fence comes before this. Wake the worker afterwards.
#[inline]
pub(super) fn ring(rings: &AtomicU32) {
    rings.fetch_add(1, Ordering::Relaxed);
}

/// How often the parent has rung.
#[inline]
pub(super) fn rings(rings: &AtomicU32) -> u32 {
    rings.load(Ordering::Acquire)
}

/// Whether the worker sleeps, asked after something was published for it.
#[inline]
pub(super) fn is_parked(word: &AtomicU64) -> bool {
    fence(Ordering::SeqCst);
    word.load(Ordering::Relaxed) != 0
}
