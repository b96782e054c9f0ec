//! Clocks that move in steps, for guests that may know the time but not measure with it.

use crate::job::Clocks;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// Gives the guest coarse clocks in place of the full ones.
pub(super) fn set(builder: &mut WasiCtxBuilder) {
    builder
        .monotonic_clock(Monotonic {
            begun: now(ClockId::Monotonic),
        })
        .wall_clock(Wall);
}

/// The steps are the machine's, not counted from the first look: who looks first would know where in a step it is.
struct Monotonic {
    /// The guest's zero, so that it doesn't learn how long the machine has been running.
    begun: Duration,
}

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        Clocks::STEP.as_nanos() as u64
    }

    fn now(&self) -> u64 {
        // 584 years of nanoseconds fit.
        (now(ClockId::Monotonic) - self.begun).as_nanos() as u64
    }
}

struct Wall;

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Clocks::STEP
    }

    fn now(&self) -> Duration {
        now(ClockId::Realtime)
    }
}

/// The beginning of the step that a clock is in.
fn now(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    // Before 1970 it is 1970.
    let time = Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec as u32);
    let step = Clocks::STEP.as_nanos() as u64;
    let nanoseconds = u64::from(time.subsec_nanos());
    Duration::new(time.as_secs(), (nanoseconds - nanoseconds % step) as u32)
}
