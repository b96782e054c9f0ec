//! What jobs used, as text: the object in a line of JSON, the end of a line of `--verbose`, the sum of all.

use host::{Stats, Usage};
use serde::Serialize;
use std::time::Duration;

/// What a job used, in its line of JSON. What nobody knows is `null`.
#[derive(Debug, Serialize)]
pub(crate) struct UsageLine {
    attempts: u32,
    argument_bytes: u64,
    result_bytes: u64,
    wall_ns: Option<u64>,
    cpu_ns: Option<u64>,
    fuel: Option<u64>,
    host_calls: Option<u64>,
    peak_memory_bytes: Option<u64>,
}

impl From<&Usage> for UsageLine {
    fn from(usage: &Usage) -> UsageLine {
        // 584 years fit.
        let nanoseconds = |time: Duration| time.as_nanos() as u64;
        UsageLine {
            attempts: usage.attempts,
            argument_bytes: usage.argument_bytes,
            result_bytes: usage.result_bytes,
            wall_ns: usage.wall.map(nanoseconds),
            cpu_ns: usage.cpu.map(nanoseconds),
            fuel: usage.fuel,
            host_calls: usage.host_calls,
            peak_memory_bytes: usage.peak_memory_bytes,
        }
    }
}

/// How long a job took, for people who look on: nothing where nobody measured.
pub(crate) fn in_brief(usage: &Usage) -> String {
    match (usage.wall, usage.cpu) {
        (Some(wall), Some(cpu)) => format!(" in {}, {} of them computing", time(wall), time(cpu)),
        (Some(wall), None) => format!(" in {}", time(wall)),
        _ => String::new(),
    }
}

/// What all jobs used, and what the kernel says that their workers did.
pub(crate) fn summary(stats: &Stats) -> String {
    let used = &stats.usage;
    let kernel = match stats.cpu {
        Some(cpu) => format!(
            " of the {} that the kernel counts for the workers",
            time(cpu)
        ),
        None => String::new(),
    };
    format!(
        "accounted: {} of processor time{kernel}, {} in workers, {} units of fuel, {} host calls, {:.1} MiB at most, \
         {} bytes sent, {} received",
        time(used.cpu),
        time(used.wall),
        used.fuel,
        used.host_calls,
        used.peak_memory_bytes as f64 / f64::from(1 << 20),
        used.request_bytes,
        used.answer_bytes,
    )
}

fn time(time: Duration) -> String {
    match time.as_nanos() {
        0..1_000 => format!("{} ns", time.as_nanos()),
        1_000..1_000_000 => format!("{:.1} µs", time.as_secs_f64() * 1e6),
        1_000_000..1_000_000_000 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_the_unit_that_people_would_give_it() {
        for (nanoseconds, text) in [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_500, "1.5 µs"),
            (2_000_000, "2.0 ms"),
            (61_250_000_000, "61.25 s"),
        ] {
            assert_eq!(time(Duration::from_nanos(nanoseconds)), text);
        }
    }
}
