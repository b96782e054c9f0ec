//! The worker's end of the channel but for the requests: what it answers, and how it waits for its parent and wakes it.

use crate::ring::{Bell, OutOfBounds, Reader, Writer};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::sync::Arc;

/// More answers than any parent waits for.
pub(super) const ALL_ANSWERS: u64 = u64::MAX >> 16;

/// How much of a long answer is shown to the parent at a time, in bytes: the parent copies one piece while the next is
/// written, and both stay in a core's cache.
const PIECE_BYTES: usize = 32 << 10;

pub(super) struct Line {
    answers: Writer,
    bell: Bell,
    /// Wakes the parent.
    parent: Arc<OwnedFd>,
    spins: u32,
    /// Whether the parent was on this very processor when it last woke this worker.
    is_beside_parent: bool,
    /// Whether the parent may be waiting for this processor, now that it has its answer.
    gives_way: bool,
    /// Jobs answered in all.
    pub(super) answered: u64,
}

impl Line {
    pub(super) fn new(parent: Arc<OwnedFd>, answers: Writer, spins: u32) -> Line {
        Line {
            bell: Bell::new(&answers),
            answers,
            parent,
            spins,
            is_beside_parent: false,
            gives_way: false,
            answered: 0,
        }
    }

    /// Says when the next job started.
    pub(super) fn set_started(&self, nanoseconds: u64) {
        self.bell.set_started(nanoseconds, self.answered);
    }

    /// Writes bytes of an answer, in pieces, and waits for space if there is none.
    #[inline]
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), Errno> {
        loop {
            let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
            let written = self.answers.write(piece).map_err(|_| Errno::IO)?;
            bytes = &bytes[written..];
            self.answers.publish();
            if bytes.is_empty() {
                return Ok(());
            }
            self.wake(ALL_ANSWERS)?;
            if written < PIECE_BYTES {
                self.wait_for_space()?;
            }
        }
    }

    /// Wakes the parent after an answer, if it was the last of a chunk and is waited for. A parent that sleeps until the end
    /// of the chunk is also woken when the ring is half full, so that it comes before the other half is.
    #[inline]
    pub(super) fn finish(&mut self, is_last: bool) -> Result<(), Errno> {
        if is_last {
            self.gives_way = std::mem::take(&mut self.is_beside_parent);
            self.wake(self.answered)
        } else if self.answers.is_half_full() {
            self.wake(ALL_ANSWERS)
        } else {
            Ok(())
        }
    }

    /// Waits until so many bytes of requests are there; when that takes too long, takes a `rest` and sleeps until the parent
    /// rings.
    #[inline]
    pub(super) fn wait_for(
        &mut self,
        bytes: usize,
        requests: &mut Reader,
        rest: impl FnOnce(),
    ) -> Result<(), Errno> {
        if requests.has(bytes).map_err(|_| Errno::IO)? {
            return Ok(());
        }
        requests.give_back();
        self.wait(requests, |requests, _| requests.has(bytes), rest)
    }

    fn wait_for_space(&mut self) -> Result<(), Errno> {
        let has_space = |_: &mut (), line: &mut Line| Ok(line.answers.space()? > 0);
        self.wait(&mut (), has_space, || ())
    }

    /// Spins until `ready`, and when that takes too long, sleeps.
    fn wait<S>(
        &mut self,
        source: &mut S,
        mut ready: impl FnMut(&mut S, &mut Line) -> Result<bool, OutOfBounds>,
        rest: impl FnOnce(),
    ) -> Result<(), Errno> {
        let spins = match std::mem::take(&mut self.gives_way) {
            true => 0,
            false => self.spins,
        };
        for _ in 0..=spins {
            if ready(source, self).map_err(|_| Errno::IO)? {
                return Ok(());
            }
            std::hint::spin_loop();
        }
        rest();
        // The parent may sleep too, until more answers than will ever come: it has to know that this is all.
        self.wake(ALL_ANSWERS)?;
        Bell::park(
            self,
            |line| &line.bell,
            |line| ready(source, line).map_err(|_| Errno::IO),
            |line, seen| line.bell.wait(seen),
        )?;
        self.is_beside_parent = self.bell.is_beside_parent();
        Ok(())
    }

    #[inline]
    fn wake(&mut self, answers: u64) -> Result<(), Errno> {
        wake(&mut self.bell, answers, &self.parent)
    }
}

/// Rings if the parent sleeps until so many answers.
#[inline]
pub(super) fn wake(bell: &mut Bell, answers: u64, parent: &OwnedFd) -> Result<(), Errno> {
    if bell.due(answers) {
        rustix::io::write(parent, &1u64.to_ne_bytes())?;
    }
    Ok(())
}
