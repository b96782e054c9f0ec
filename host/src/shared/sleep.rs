//! Waiting for a number in shared memory to change, and waking those who wait: Linux's futex.

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags};
use rustix::time::Timespec;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

/// How long one waits at most; `None` is for ever.
pub(crate) type Until = Option<Instant>;

/// It took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLate;

/// Sleeps while the number is `seen` and nobody wakes us. It may also return for no reason.
pub(super) fn wait(number: &AtomicU32, seen: u32, until: Until) -> Result<(), TooLate> {
    let left = match until {
        None => None,
        Some(until) => match until.checked_duration_since(Instant::now()) {
            None => return Err(TooLate),
            Some(left) => Some(Timespec {
                tv_sec: left.as_secs().min(i64::MAX as u64) as i64,
                tv_nsec: left.subsec_nanos().into(),
            }),
        },
    };
    // Not private: whoever waits and whoever wakes are in different processes.
    match futex::wait(number, Flags::empty(), seen, left.as_ref()) {
        Err(Errno::TIMEDOUT) => Err(TooLate),
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
