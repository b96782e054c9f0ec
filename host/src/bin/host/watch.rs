//! Why a run ends early: Ctrl-C, its deadline, or too many failed jobs.
//!
//! The first Ctrl-C only asks: no new jobs are taken, and what runs is finished and printed. The second insists. The
//! deadline insists at once.

use crate::{exit, output};
use crossbeam_channel::{Receiver, Sender, bounded};
use host::Pool;
use signal_hook::consts::SIGINT;
use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock, Weak};
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
}

/// The word to stop: given once, seen by everybody, and heard by the one who waits for input.
#[derive(Debug)]
pub(crate) struct Stop {
    reason: OnceLock<Reason>,
    bell: Sender<()>,
    asked: Receiver<()>,
}

impl Stop {
    pub(crate) fn new() -> Self {
        let (bell, asked) = bounded(1);
        Stop {
            reason: OnceLock::new(),
            bell,
            asked,
        }
    }

    /// Tells the run to stop. The first reason counts.
    pub(crate) fn ask(&self, reason: Reason) {
        if self.reason.set(reason).is_ok() {
            // The bell has room for the one time that it rings.
            let _ = self.bell.try_send(());
        }
    }

    /// Why the run is to stop, if it is.
    pub(crate) fn reason(&self) -> Option<Reason> {
        self.reason.get().copied()
    }

    /// A channel that becomes ready when the run is told to stop. One waiter hears it.
    pub(crate) fn asked(&self) -> &Receiver<()> {
        &self.asked
    }
}

/// Watches for Ctrl-C and the deadline, in a thread that lasts as long as the program.
pub(crate) fn start(
    stop: Arc<Stop>,
    pool: Weak<Pool>,
    deadline: Option<Instant>,
) -> io::Result<()> {
    let (signals, handler) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGINT, handler)?;
    let watch = Watch {
        signals,
        stop,
        pool,
        deadline,
    };
    thread::Builder::new()
        .name("watch".into())
        .spawn(move || watch.run())?;
    Ok(())
}

struct Watch {
    /// One byte for each SIGINT.
    signals: UnixStream,
    stop: Arc<Stop>,
    /// Weak, so that the pool ends with the run and not with this thread.
    pool: Weak<Pool>,
    deadline: Option<Instant>,
}

impl Watch {
    fn run(mut self) {
        let mut asked_before = false;
        loop {
            match self.wait() {
                Ok(Event::CtrlC) if asked_before => {
                    self.terminate();
                    // The run may be stuck in a write; this ends it all the same.
                    std::process::exit(i32::from(exit::INTERRUPTED));
                }
                Ok(Event::CtrlC) => {
                    asked_before = true;
                    self.stop.ask(Reason::Interrupted);
                    output::note("interrupted: finishing what runs; press Ctrl-C again to kill it");
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
        if let Some(pool) = self.pool.upgrade() {
            pool.terminate();
        }
    }
}

enum Event {
    CtrlC,
    Deadline,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_counts_and_rings_once() {
        let stop = Stop::new();
        assert_eq!(stop.reason(), None);
        stop.ask(Reason::TooManyFailed);
        stop.ask(Reason::Interrupted);
        assert_eq!(stop.reason(), Some(Reason::TooManyFailed));
        assert!(stop.asked().try_recv().is_ok());
        assert!(stop.asked().try_recv().is_err());
    }
}
