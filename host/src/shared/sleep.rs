//! Waiting for a number in shared memory to change, and waking those who wait: Linux's futex.

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags};
use rustix::time::Timespec;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

/// How long one waits at most; `None` is for ever.
pub(crate) type Until = Option<Instant>;

/// It took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLate;

/// After so long a sleeper looks by itself whether what it waits for is still there. Whoever takes it away wakes all who sleep, but
/// not one who is about to.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Sleeps while the number is `seen` and nobody wakes us. It may also return for no reason.
pub(super) fn wait(number: &AtomicU32, seen: u32, until: Until) -> Result<(), TooLate> {
    let left = match until {
        None => LOOK_EVERY,
        Some(until) => until
            .checked_duration_since(Instant::now())
            .ok_or(TooLate)?
            .min(LOOK_EVERY),
    };
    let left = Timespec {
        tv_sec: left.as_secs() as i64,
        tv_nsec: left.subsec_nanos().into(),
    };
    // Not private: whoever waits and whoever wakes are in different processes.
    match futex::wait(number, Flags::empty(), seen, Some(&left)) {
        Err(Errno::TIMEDOUT) if until.is_some_and(|until| Instant::now() >= until) => Err(TooLate),
        // It has changed already, somebody woke us, or a signal came: the caller looks again.
        _ => Ok(()),
    }
}

/// Wakes so many of those who sleep at this number.
pub(super) fn wake(number: &AtomicU32, sleepers: u32) {
    // It fails only for addresses that cannot be read.
    let _ = futex::wake(number, Flags::empty(), sleepers.min(i32::MAX as u32));
}

/// Wakes all who sleep at this number.
pub(super) fn wake_all(number: &AtomicU32) {
    wake(number, u32::MAX);
}
