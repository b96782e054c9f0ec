//! What a running job says of itself, and what it is asked: words in the two memories, beside the rings. Nobody waits for them.
//!
//! Progress is three words, of which the first says whose the other two are and changes with them. Whoever reads the same there
//! before and after has read what belongs together. It is a worker's claim, any numbers, and nothing is decided by it.

use super::{Mapping, Word, Writer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// So many low bits of the first word count the reports of a job; those above count the jobs answered before it.
const REPORT_BITS: u32 = 20;
const REPORTS: u64 = (1 << REPORT_BITS) - 1;
/// How often one reads again what was changed meanwhile. A worker that reports without a pause is not waited for.
const READS: u32 = 8;

/// The worker's side.
pub(crate) struct Desk {
    own: Arc<Mapping>,
    peer: Arc<Mapping>,
    /// Which job runs, as the number of answers before it.
    answered: AtomicU64,
    reports: AtomicU64,
}

impl Desk {
    pub(crate) fn new(writer: &Writer) -> Desk {
        Desk {
            own: writer.own.clone(),
            peer: writer.peer.clone(),
            answered: AtomicU64::new(0),
            reports: AtomicU64::new(0),
        }
    }

    /// The job begins that comes after so many answers.
    #[inline]
    pub(crate) fn begin(&self, answered: u64) {
        self.answered.store(answered, Ordering::Relaxed);
    }

    /// Says how far the job is.
    pub(crate) fn report(&self, done: u64, total: Option<u64>) {
        let reports = self.reports.load(Ordering::Relaxed).wrapping_add(1);
        self.reports.store(reports, Ordering::Relaxed);
        // From here until the last store there is nothing to be read.
        self.own.word(Word::Progress).store(0, Ordering::Relaxed);
        fence(Ordering::Release);
        self.own.word(Word::Done).store(done, Ordering::Relaxed);
        let total = total.map_or(0, |total| total.saturating_add(1));
        self.own.word(Word::Total).store(total, Ordering::Relaxed);
        let stamp = stamp(self.answered.load(Ordering::Relaxed), reports);
        self.own
            .word(Word::Progress)
            .store(stamp, Ordering::Release);
    }

    /// Whether the parent asks the job to stop.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        let until = self.peer.word(Word::Cancelled).load(Ordering::Relaxed);
        self.answered.load(Ordering::Relaxed) < until
    }
}

/// The parent's side.
impl Writer {
    /// How far the job says it is that comes after so many answers: what is done, and of how much, if it says so.
    pub(crate) fn progress(&self, answered: u64) -> Option<(u64, Option<u64>)> {
        for _ in 0..READS {
            let before = self.peer.word(Word::Progress).load(Ordering::Acquire);
            let done = self.peer.word(Word::Done).load(Ordering::Relaxed);
            let total = self.peer.word(Word::Total).load(Ordering::Relaxed);
            fence(Ordering::Acquire);
            let after = self.peer.word(Word::Progress).load(Ordering::Relaxed);
            if before != 0 && before == after {
                let is_it = before & !REPORTS == stamp(answered, 0) & !REPORTS;
                return is_it.then_some((done, total.checked_sub(1)));
            }
        }
        None
    }

    /// Asks all jobs to stop that come before so many answers.
    pub(crate) fn cancel_until(&self, answered: u64) {
        // It only grows, as it has one writer.
        self.own
            .word(Word::Cancelled)
            .fetch_max(answered, Ordering::Relaxed);
    }
}

/// Never 0.
fn stamp(answered: u64, reports: u64) -> u64 {
    answered << REPORT_BITS | (reports & REPORTS).max(1)
}
