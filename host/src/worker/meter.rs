//! What a job costs while it runs, by the clocks of this process.

use crate::engine::Used;
use crate::wire::Account;
use rustix::time::{ClockId, clock_gettime};

/// A job that is being measured: when it began, by both clocks.
pub(super) struct Meter {
    wall_ns: u64,
    cpu_ns: u64,
}

impl Meter {
    pub(super) fn start() -> Meter {
        // The processor's clock is within the other, at both ends, so that it never shows more.
        Meter {
            wall_ns: nanoseconds(ClockId::Monotonic),
            cpu_ns: nanoseconds(ClockId::ProcessCPUTime),
        }
    }

    /// The job is over, and the engine says what it used.
    pub(super) fn stop(self, used: Used) -> Account {
        let cpu_ns = nanoseconds(ClockId::ProcessCPUTime) - self.cpu_ns;
        Account {
            wall_ns: nanoseconds(ClockId::Monotonic) - self.wall_ns,
            cpu_ns,
            fuel: used.fuel,
            host_calls: used.host_calls,
            memory_bytes: used.memory_bytes,
        }
    }
}

/// What a clock shows.
pub(super) fn nanoseconds(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
