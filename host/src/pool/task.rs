//! What one call of the pool asked for, and the inbox that its outcomes come home to.
//!
//! A task is shared between the thread that asked and whoever drives the pool. It knows no links; bytes of answers lie
//! in it until the asking thread decodes them.

use crate::job::Fault;
use crate::link::{Answers, Asked};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{Thread, ThreadId};
use std::time::Duration;

/// How long the jobs of a chunk take together, at best: long enough that waking a sleeping peer (44 µs, measured
/// 2026-11) is lost in it while two more chunks wait, short enough that nothing waits noticeably behind it.
pub(super) const CHUNK_TIME: Duration = Duration::from_micros(200);
/// The same where all results are wanted, and none before the others. Each chunk costs its caller a wake and what that does to the caches of
/// the worker whose processor it takes: with 200 µs a chunk, a caller took 13 % of two busy processors, and the workers did a
/// quarter less (measured 2026-11). A job of another thread waits for up to three of them.
pub(super) const WHOLE_CHUNK_TIME: Duration = Duration::from_millis(1);
/// How many jobs a chunk has at most. Three chunks of the smallest jobs still fit the ring.
const CHUNK_JOBS: u64 = 2048;
/// A job that takes this long is worth a worker's whole attention: nothing is queued behind it while others are free.
pub(super) const LONG_JOB: Duration = Duration::from_millis(1);
/// So many refused lists in a row show that more of them would be done twice in vain.
const REFUSALS: u32 = 2;
/// How many chunks of short jobs are with a worker at a time: one runs, one waits, one hides the time to bring another.
pub(super) const DEPTH: usize = 3;

/// One call of the pool.
pub(super) struct Task {
    /// The function's index in the description.
    pub(super) function: u32,
    /// A fixed number of jobs a chunk.
    pub(super) chunk: Option<u32>,
    pub(super) home: Home,
    /// How long the jobs of a chunk take together, at best.
    chunk_time: Duration,
    /// How such jobs may be asked as a list, and by which function, if there is a way.
    list: Option<(Asked, u32)>,
    /// Lists that were refused, or lost with their worker, since the last one that was not.
    refusals: AtomicU32,
    cancelled: AtomicBool,
    /// Whether an item has arrived at a source that had none yet.
    arrival: AtomicBool,
    /// What a job costs a worker, in nanoseconds, smoothed; 0 for not known yet.
    cost_ns: AtomicU64,
    /// How large a chunk may be by now.
    grown: AtomicU64,
    /// Jobs without an outcome yet; a task that is fed as it goes counts up and down. It changes under the inbox's lock, so
    /// that nobody waits for what has come.
    missing: AtomicU64,
    inbox: Mutex<Inbox>,
}

/// Who takes a task's outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// A thread that waits for its one job.
    Call,
    /// A thread that takes outcomes as they come, and feeds the task as it goes.
    Stream,
    /// A handle, which nobody may be waiting for: the keeper has to drive. It is told when all is done.
    Handle,
}

#[derive(Default)]
struct Inbox {
    runs: VecDeque<Run>,
    /// The outcome of the only job, where a thread waits for that.
    only: Option<Run>,
    has_fault: bool,
    waiters: Vec<Waiter>,
}

/// Who is told when there is something in the inbox.
pub(super) enum Waiter {
    Thread(Thread),
    Waker(Waker),
    Callback(Callback),
}

/// Code of the embedding program that wants to know of a task's end.
pub(super) type Callback = Box<dyn FnOnce() + Send>;

/// Outcomes of some jobs in a row.
pub(super) enum Run {
    Answers {
        answers: Answers,
        worker: usize,
        pid: u32,
    },
    Fault {
        fault: Box<Fault>,
        worker: usize,
        /// How long it ran until its worker was lost, if that is known.
        wall: Option<Duration>,
    },
}

impl Run {
    pub(super) fn first(&self) -> u64 {
        match self {
            Run::Answers { answers, .. } => answers.first,
            Run::Fault { fault, .. } => fault.job,
        }
    }

    pub(super) fn count(&self) -> u64 {
        match self {
            Run::Answers { answers, .. } => u64::from(answers.count),
            Run::Fault { .. } => 1,
        }
    }
}

impl Task {
    pub(super) fn new(function: u32, chunk: Option<u32>, home: Home) -> Task {
        Task {
            function,
            chunk,
            home,
            chunk_time: CHUNK_TIME,
            list: None,
            refusals: AtomicU32::new(0),
            cancelled: AtomicBool::new(false),
            arrival: AtomicBool::new(false),
            cost_ns: AtomicU64::new(0),
            grown: AtomicU64::new(0),
            missing: AtomicU64::new(u64::from(home == Home::Call)),
            inbox: Mutex::default(),
        }
    }

    /// The same task, with longer or shorter chunks.
    pub(super) fn with_chunk_time(self, chunk_time: Duration) -> Task {
        Task { chunk_time, ..self }
    }

    /// The same task, whose jobs may go as a list.
    pub(super) fn with_list(self, list: Option<(Asked, u32)>) -> Task {
        Task { list, ..self }
    }

    /// How to ask the next jobs as a list, and by which function. Those that are refused twice in a row go one by one.
    pub(super) fn list(&self) -> Option<(Asked, u32)> {
        self.list
            .filter(|_| self.refusals.load(Ordering::Relaxed) < REFUSALS)
    }

    /// Notes that a list of its jobs has to be asked one by one.
    pub(super) fn refuse(&self) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that so many more jobs are under way. That of a [`Home::Call`] is from the start.
    pub(super) fn expect(&self, jobs: u64) {
        let _inbox = self.inbox();
        let missing = self.missing.load(Ordering::Relaxed);
        self.missing.store(missing + jobs, Ordering::Relaxed);
    }

    /// Puts outcomes into the inbox, and gives back who is to be told.
    pub(super) fn deliver(&self, run: Run) -> Vec<Waiter> {
        let mut inbox = self.inbox();
        let came = run.count();
        inbox.has_fault |= match &run {
            Run::Answers { answers, .. } => {
                if answers.is_last && answers.is_list {
                    self.refusals.store(0, Ordering::Relaxed);
                }
                answers.has_fault
            }
            Run::Fault { .. } => true,
        };
        match self.home {
            Home::Call => inbox.only = Some(run),
            Home::Stream | Home::Handle => inbox.runs.push_back(run),
        }
        let missing = self.missing.load(Ordering::Relaxed).saturating_sub(came);
        self.missing.store(missing, Ordering::Release);
        if self.home == Home::Stream || missing == 0 {
            std::mem::take(&mut inbox.waiters)
        } else {
            Vec::new()
        }
    }

    /// Asks to be told once. Gives the waiter back if there is something already.
    pub(super) fn await_by(&self, waiter: Waiter) -> Option<Waiter> {
        let mut inbox = self.inbox();
        let ready = match self.home {
            Home::Stream => !inbox.runs.is_empty(),
            Home::Call | Home::Handle => self.is_done(),
        };
        if ready {
            return Some(waiter);
        }
        // A future has one waker at a time, the last one; threads may be many.
        if matches!(waiter, Waiter::Waker(_)) {
            inbox
                .waiters
                .retain(|other| !matches!(other, Waiter::Waker(_)));
        }
        inbox.waiters.push(waiter);
        None
    }

    /// Tells this thread no more.
    pub(super) fn forget(&self, thread: ThreadId) {
        self.inbox()
            .waiters
            .retain(|other| !matches!(other, Waiter::Thread(other) if other.id() == thread));
    }

    /// The outcome of a [`Home::Call`]'s job, if it is there.
    pub(super) fn into_only(self: Arc<Self>) -> Option<Run> {
        // When the job is done, hardly ever has anybody else a hold of its task still.
        match Arc::try_unwrap(self) {
            Ok(task) => {
                let inbox = task.inbox.into_inner();
                inbox.unwrap_or_else(PoisonError::into_inner).only
            }
            Err(task) => task.inbox().only.take(),
        }
    }

    /// Takes all runs that are there.
    pub(super) fn take(&self) -> VecDeque<Run> {
        std::mem::take(&mut self.inbox().runs)
    }

    /// Whether there is any run to take.
    pub(super) fn has_runs(&self) -> bool {
        !self.inbox().runs.is_empty()
    }

    /// Notes that its source has something again, and gives back who waits for the task.
    pub(super) fn arrive(&self) -> Vec<Waiter> {
        self.arrival.store(true, Ordering::Release);
        std::mem::take(&mut self.inbox().waiters)
    }

    /// Whether its source has something again.
    #[inline]
    pub(super) fn has_arrival(&self) -> bool {
        self.arrival.load(Ordering::Acquire)
    }

    /// Notes that the source is asked now: what arrives from here on is news.
    #[inline]
    pub(super) fn forget_arrival(&self) {
        self.arrival.swap(false, Ordering::AcqRel);
    }

    /// Whether every job has its outcome.
    #[inline]
    pub(super) fn is_done(&self) -> bool {
        self.missing.load(Ordering::Acquire) == 0
    }

    /// Whether an outcome has come that is a fault.
    pub(super) fn has_fault(&self) -> bool {
        self.inbox().has_fault
    }

    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Whether what its jobs cost is of use for later ones of the same task.
    pub(super) fn learns(&self) -> bool {
        self.home != Home::Call
    }

    /// Learns from jobs that took so long together.
    pub(super) fn learn(&self, jobs: u64, took: Duration) {
        let cost = (took.as_nanos() as u64 / jobs.max(1)).max(1);
        let known = self.cost_ns.load(Ordering::Relaxed);
        let smoothed = if known == 0 { cost } else { (known + cost) / 2 };
        self.cost_ns.store(smoothed.max(1), Ordering::Relaxed);
        // The jobs of a list have no frames of their own; how many fit a chunk is a matter of their bytes alone.
        let most = if self.list().is_some() {
            u64::MAX / 2
        } else {
            CHUNK_JOBS
        };
        let grown = self.grown.load(Ordering::Relaxed).clamp(1, most / 2) * 2;
        self.grown.store(grown, Ordering::Relaxed);
    }

    /// How many jobs the next chunk should have: as many as take its chunk time by what is known, growing step by step,
    /// because the first measurements are mostly of a worker that wakes up.
    pub(super) fn chunk_jobs(&self) -> u64 {
        if let Some(chunk) = self.chunk {
            return u64::from(chunk);
        }
        let cost = self.cost_ns.load(Ordering::Relaxed);
        if cost == 0 {
            return 1;
        }
        let wanted = self.chunk_time.as_nanos() as u64 / cost;
        wanted.clamp(1, self.grown.load(Ordering::Relaxed).max(1))
    }

    /// How many chunks a worker may hold.
    pub(super) fn depth(&self) -> usize {
        match self.cost_ns.load(Ordering::Relaxed) {
            0 => 1,
            cost if cost > LONG_JOB.as_nanos() as u64 => 1,
            // Such jobs travel alone, and one that waits hides the time to bring another.
            cost if cost > CHUNK_TIME.as_nanos() as u64 => 2,
            _ => DEPTH,
        }
    }
}

impl Waiter {
    /// Tells who waits. Runs code of the embedding program, so no lock may be held.
    pub(super) fn tell(self, callbacks: impl FnOnce(Callback)) {
        match self {
            Waiter::Thread(thread) => thread.unpark(),
            Waiter::Waker(waker) => waker.wake(),
            Waiter::Callback(callback) => callbacks(callback),
        }
    }
}
