//! The soft deadline: a timer of this process whose signal counts up the engine's epoch, at which guest code that runs too
//! long traps. No thread, no system call for a job in a busy streak, and nothing at all while no job runs.
//!
//! A host call isn't interrupted; whoever started the process ends it then.

use anyhow::Context;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use sys::Timer;
use wasmtime::Engine;

/// How long an epoch lasts. A guest overshoots its deadline by at most two of them, and each costs a signal of some
/// 2 µs, which is 0.2 % of the time.
const TICK: Duration = Duration::from_millis(1);

/// Counts an engine's epochs while jobs run.
pub(super) struct Clock {
    epochs: Arc<Epochs>,
    timer: Timer,
    running: bool,
    limit_ticks: u64,
}

impl Clock {
    pub(super) fn new(engine: &Engine, limit: Duration) -> anyhow::Result<Clock> {
        let epochs = Arc::new(Epochs {
            engine: engine.clone(),
            origin: Instant::now(),
            counted_ns: AtomicU64::new(0),
        });
        let timer =
            Timer::new(epochs.clone()).context("the clock for the time limit cannot be made")?;
        // The tick in which a job starts is partly over, so that one more makes sure that no job is stopped early.
        let limit_ticks =
            u64::try_from(limit.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX / 4) + 1;
        Ok(Clock {
            epochs,
            timer,
            running: false,
            limit_ticks,
        })
    }

    /// How many epochs from now a job's deadline is.
    pub(super) fn deadline_ticks(&self) -> u64 {
        self.limit_ticks
    }

    /// Lets the clock run, if it doesn't.
    pub(super) fn run(&mut self) {
        if !self.running {
            self.epochs.restart();
            self.timer.set(TICK);
            self.running = true;
        }
    }

    /// Lets the clock stand.
    pub(super) fn rest(&mut self) {
        if self.running {
            self.timer.set(Duration::ZERO);
            self.running = false;
        }
    }
}

struct Epochs {
    engine: Engine,
    origin: Instant,
    /// Up to which moment the epochs are counted, in nanoseconds after `origin`.
    counted_ns: AtomicU64,
}

impl Epochs {
    fn restart(&self) {
        self.counted_ns.store(self.now_ns(), Ordering::Relaxed);
    }

    /// Counts the epochs that have passed. While the process waits for a core its timer's signals merge into one, so it is
    /// the time that counts and not the signals; and it doesn't matter whose timer it was.
    ///
    /// It runs in a signal handler: it reads the clock and counts atomically, and neither locks nor allocates.
    fn catch_up(&self) {
        let counted_ns = self.counted_ns.load(Ordering::Relaxed);
        let tick_ns = TICK.as_nanos() as u64;
        let ticks = self.now_ns().saturating_sub(counted_ns) / tick_ns;
        let counted = self.counted_ns.compare_exchange(
            counted_ns,
            counted_ns + ticks * tick_ns,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if counted.is_ok() {
            (0..ticks).for_each(|_| self.engine.increment_epoch());
        }
    }

    fn now_ns(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }
}

/// The system's timers and signals.
mod sys {
    #![expect(
        unsafe_code,
        reason = "timers and signal handlers have no safe interface"
    )]

    use super::Epochs;
    use signal_hook::SigId;
    use signal_hook::consts::SIGALRM;
    use signal_hook::low_level::{register, unregister};
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;

    /// A timer that makes epochs catch up each time it expires, from a signal handler.
    pub(super) struct Timer {
        id: libc::timer_t,
        handler: SigId,
    }

    impl Timer {
        /// A timer that stands still until it is [`set`](Timer::set). The epochs also catch up at any other SIGALRM of
        /// this process, which is harmless, as it is the time that they count.
        pub(super) fn new(epochs: Arc<Epochs>) -> io::Result<Timer> {
            // SAFETY: what runs in a signal handler must neither lock nor allocate nor panic, and `catch_up` reads the
            // clock and counts atomically. System calls that are interrupted begin again.
            let handler = unsafe { register(SIGALRM, move || epochs.catch_up()) }?;
            let mut id = std::ptr::null_mut();
            // SAFETY: the id is written to a place that is ours. No event is given, which asks for SIGALRM.
            let made =
                unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, std::ptr::null_mut(), &mut id) };
            if made != 0 {
                let error = io::Error::last_os_error();
                unregister(handler);
                return Err(error);
            }
            Ok(Timer { id, handler })
        }

        /// Lets the timer expire again and again after this time, or never if it is zero.
        pub(super) fn set(&self, every: Duration) {
            let every = libc::timespec {
                tv_sec: every.as_secs() as _,
                tv_nsec: every.subsec_nanos() as _,
            };
            let setting = libc::itimerspec {
                it_interval: every,
                it_value: every,
            };
            // SAFETY: the timer lives as long as `self`, and the setting is only read.
            let set = unsafe { libc::timer_settime(self.id, 0, &setting, std::ptr::null_mut()) };
            debug_assert_eq!(set, 0, "only a wrong id or time could fail");
        }
    }

    impl Drop for Timer {
        fn drop(&mut self) {
            // SAFETY: the timer was made in `new` and is deleted only here.
            unsafe { libc::timer_delete(self.id) };
            unregister(self.handler);
        }
    }

    // SAFETY: the id is a number that the kernel gave, not an address, and holds for the whole process.
    unsafe impl Send for Timer {}
}
