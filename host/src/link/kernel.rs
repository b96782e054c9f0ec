//! What the kernel says of a worker's process. It is no word of the worker's, so nobody can lie about it.

use std::fs;
use std::time::Duration;

/// How much processor time a process has had, all its threads together, as long as nobody has reaped it; `None` if the
/// system doesn't tell.
///
/// *Source*: Linux, `Documentation/scheduler/sched-stats.rst`: the first number of a thread's `schedstat` is the time that
/// it spent on a processor, in nanoseconds.
pub(super) fn processor_time(pid: u32) -> Option<Duration> {
    let mut sum = None;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        // A thread may end between two looks.
        let Ok(told) = fs::read_to_string(thread.path().join("schedstat")) else {
            continue;
        };
        let spent: u64 = told.split_whitespace().next()?.parse().ok()?;
        *sum.get_or_insert(Duration::ZERO) += Duration::from_nanos(spent);
    }
    sum
}
