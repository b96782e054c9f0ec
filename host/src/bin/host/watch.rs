//! Why a run ends early: Ctrl-C, its deadline, too many failed jobs, or a pool that can run no more.
//!
//! The first Ctrl-C only asks: no new jobs are taken, those that run are told, and what they give is printed. The second insists. The
//! deadline insists at once. As long as there is no pool yet there is nothing to finish, and either ends the program.

use crate::exit::{self, Failure};
use crate::output;
use crossbeam_channel::bounded;
use signal_hook::consts::SIGINT;
use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

/// Why a run was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// The run's deadline passed.
    Deadline,
    /// As many jobs failed as may.
    TooManyFailed,
    /// No worker can be started.
    NoWorker,
}

/// How long a word to the user may take before it is left to itself: much longer than a terminal needs, and not noticed by
/// who presses Ctrl-C again.
const TELL: Duration = Duration::from_millis(100);

/// The word to stop: given once, seen by everybody. It is also the bell of the one who waits for input, who is to hear both.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    reason: OnceLock<Reason>,
    waits: Mutex<Option<Waker>>,
}

impl Stop {
    pub(crate) fn new() -> Self {
        Stop::default()
    }

    /// Tells the run to stop. The first reason counts.
    pub(crate) fn ask(&self, reason: Reason) {
        if self.reason.set(reason).is_ok() {
            self.wake();
        }
    }

    /// Why the run is to stop, if it is.
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.reason.get().copied()
    }

    /// Remembers who waits for input. One waiter is woken: the last.
    pub(crate) fn wake_later(&self, waiter: &Waker) {
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner) = Some(waiter.clone());
    }

    /// Wakes who waits for input: there is some, or no more is wanted.
    pub(crate) fn wake(&self) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let waiter = waits.take();
        drop(waits);
        waiter.into_iter().for_each(Waker::wake);
    }
}

/// How to end what runs, as soon as something does. It keeps no pool alive, so that a pool ends with its run and not with the
/// watch.
pub(crate) type Watched = Arc<OnceLock<Ending>>;

/// What is done to what runs.
pub(crate) struct Ending {
    /// Asks the jobs to stop, those that ask whether they should.
    pub(crate) ask: Box<dyn Fn() + Send + Sync>,
    /// Ends them.
    pub(crate) end: Box<dyn Fn() + Send + Sync>,
}

/// Watches for Ctrl-C and the deadline, so much time from now, in a thread that lasts as long as the program.
pub(crate) fn start(stop: Arc<Stop>, deadline: Option<Duration>) -> io::Result<Watched> {
    let (signals, handler) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGINT, handler)?;
    let watched = Watched::default();
    let watch = Watch {
        signals,
        stop,
        running: watched.clone(),
        time: deadline.unwrap_or_default(),
        deadline: deadline.map(|time| Instant::now() + time),
    };
    thread::Builder::new()
        .name("watch".into())
        .spawn(move || watch.run())?;
    Ok(watched)
}

struct Watch {
    /// One byte for each SIGINT.
    signals: UnixStream,
    stop: Arc<Stop>,
    running: Watched,
    /// How long the run may take.
    time: Duration,
    /// When that will be over; `None` if it is over, or never will be.
    deadline: Option<Instant>,
}

impl Watch {
    fn run(mut self) {
        let mut asked_before = false;
        loop {
            match self.wait() {
                Ok(Event::CtrlC) if asked_before || self.running.get().is_none() => {
                    self.terminate();
                    // The run may be stuck in a write or in building the pool; this ends it all the same. Children that
                    // are left the kernel ends with us.
                    std::process::exit(i32::from(exit::INTERRUPTED));
                }
                Ok(Event::CtrlC) => {
                    asked_before = true;
                    // Before anything ends by it, so that these words come before the summary.
                    tell_interrupted();
                    self.stop.ask(Reason::Interrupted);
                    self.running
                        .get()
                        .iter()
                        .for_each(|running| (running.ask)());
                }
                Ok(Event::Deadline) if self.running.get().is_none() => {
                    let failure = Failure::deadline(self.time);
                    output::error(&failure.message, failure.hint.as_deref());
                    std::process::exit(i32::from(failure.code));
                }
                Ok(Event::Deadline) => {
                    self.stop.ask(Reason::Deadline);
                    self.terminate();
                }
                // Without the socket Ctrl-C cannot be seen; the run goes on without it.
                Err(_) => return,
            }
        }
    }

    fn wait(&mut self) -> io::Result<Event> {
        loop {
            if self
                .deadline
                .is_some_and(|deadline| deadline <= Instant::now())
            {
                self.deadline = None;
                return Ok(Event::Deadline);
            }
            // A timeout of zero would be refused.
            let left = |deadline: Instant| {
                deadline
                    .saturating_duration_since(Instant::now())
                    .max(Duration::from_millis(1))
            };
            self.signals.set_read_timeout(self.deadline.map(left))?;
            match self.signals.read(&mut [0]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => return Ok(Event::CtrlC),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    fn terminate(&self) {
        if let Some(running) = self.running.get() {
            (running.end)();
        }
    }
}

/// Says what the first Ctrl-C does. Whoever reads stderr may read no more: then the words wait in a thread of their own, so
/// that the next Ctrl-C is seen.
fn tell_interrupted() {
    let (told, telling) = bounded(1);
    let tell = move || {
        output::note("interrupted: finishing what runs; press Ctrl-C again to kill it");
        // By now nobody may be waiting for it.
        let _ = told.send(());
    };
    if thread::Builder::new()
        .name("note".into())
        .spawn(tell)
        .is_ok()
    {
        let _ = telling.recv_timeout(TELL);
    }
}

enum Event {
    CtrlC,
    Deadline,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    #[test]
    fn the_first_reason_counts_and_wakes_who_waits_once() {
        #[derive(Default)]
        struct Woken(AtomicU32);
        impl Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let stop = Stop::new();
        let woken = Arc::new(Woken::default());
        stop.wake_later(&woken.clone().into());
        assert_eq!(stop.reason(), None);
        stop.ask(Reason::TooManyFailed);
        stop.ask(Reason::Interrupted);
        assert_eq!(stop.reason(), Some(Reason::TooManyFailed));
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    }
}
