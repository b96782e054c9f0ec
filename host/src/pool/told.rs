//! What the embedding program is told as `tracing` events: what guests log, with the target `guest`, and the pool's own life, with the
//! target `host`.
//!
//! A subscriber is code of the embedding program, which may take long or panic. So it is called on a thread of its own, with no lock
//! held. It is the one that was the default of the thread that built the pool, or, if there was none, the default of the program.

use crate::job::Level;
use crate::wire::Line;
use tracing::dispatcher::{self, Dispatch};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::NoSubscriber;

/// How many lines may wait for the subscriber before no more are taken from the workers.
pub(super) const MOST_WAITING: usize = 4096;

/// Something to be told.
pub(super) enum News {
    /// A guest logged this.
    Line { worker: usize, pid: u32, line: Line },
    /// So many lines did not come through.
    Lost { worker: usize, pid: u32, lines: u64 },
    /// A worker can take jobs.
    Ready { worker: usize, pid: u32 },
    /// A worker ended that nobody told to.
    Gone {
        worker: usize,
        pid: u32,
        how: String,
    },
    /// A job runs again, because its worker was lost.
    Retry { job: u64 },
    /// A job has taken two workers down.
    Poisoned { job: u64 },
    /// No worker could be started.
    NoStart { reason: String },
}

/// Who is told.
pub(super) struct Subscriber(Dispatch);

impl Subscriber {
    /// The default of this thread.
    pub(super) fn here() -> Subscriber {
        Subscriber(dispatcher::get_default(Dispatch::clone))
    }

    /// Tells all of it, in order.
    pub(super) fn tell(&self, news: Vec<News>) {
        let tell = || news.into_iter().for_each(tell);
        match self.0.is::<NoSubscriber>() {
            true => tell(),
            false => dispatcher::with_default(&self.0, tell),
        }
    }
}

/// Whether anybody in this program listens to anything.
pub(super) fn is_heard() -> bool {
    LevelFilter::current() != LevelFilter::OFF
}

fn tell(news: News) {
    match news {
        News::Line { worker, pid, line } => tell_line(worker, pid, &line),
        News::Lost { worker, pid, lines } => {
            tracing::warn!(target: "guest", worker, pid, lines, "lines were lost: the guest wrote faster than they were read");
        }
        News::Ready { worker, pid } => {
            tracing::debug!(target: "host", worker, pid, "the worker is ready");
        }
        News::Gone { worker, pid, how } => {
            tracing::warn!(target: "host", worker, pid, how, "the worker was lost");
        }
        News::Retry { job } => {
            tracing::info!(target: "host", job, "the job runs again: its worker was lost");
        }
        News::Poisoned { job } => {
            tracing::error!(target: "host", job, "two workers died of the job");
        }
        News::NoStart { reason } => {
            tracing::error!(target: "host", reason, "a worker cannot be started");
        }
    }
}

fn tell_line(worker: usize, pid: u32, line: &Line) {
    let Line {
        level,
        job,
        context,
        message,
    } = line;
    // The level of an event is part of its code.
    macro_rules! event {
        ($level:expr) => {
            tracing::event!(target: "guest", $level, worker, pid, job, context, "{message}")
        };
    }
    match level {
        Level::Trace => event!(tracing::Level::TRACE),
        Level::Debug => event!(tracing::Level::DEBUG),
        Level::Info => event!(tracing::Level::INFO),
        Level::Warn => event!(tracing::Level::WARN),
        // There is nothing above an error.
        Level::Error | Level::Critical => event!(tracing::Level::ERROR),
    }
}
