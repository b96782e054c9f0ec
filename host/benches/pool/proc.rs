//! What /proc tells of processes: memory, processor time, wake-ups.

use anyhow::{Context, Result};
use std::fs;

/// Memory of one process, in bytes.
pub(crate) struct Memory {
    /// What would be free again if the process ended.
    pub private: f64,
    /// That, and its share of what it shares with others.
    pub proportional: f64,
}

pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).context(path)?;
    let bytes = |name| number(&text, name).map(|kib| kib * 1024.0);
    Ok(Memory {
        private: bytes("Private_Clean:")? + bytes("Private_Dirty:")?,
        proportional: bytes("Pss:")?,
    })
}

/// How many seconds all threads of a process have run. The kernel counts nanoseconds there, unlike in `stat`.
pub(crate) fn processor_seconds(pid: u32) -> Result<f64> {
    each_thread(pid, "schedstat", |text| {
        let nanoseconds = text.split(' ').next().context("an empty file")?;
        Ok(nanoseconds.parse::<f64>()? / 1e9)
    })
}

/// How often threads of a process were woken after they had chosen to wait.
pub(crate) fn wakes(pid: u32) -> Result<f64> {
    each_thread(pid, "status", |text| {
        number(text, "voluntary_ctxt_switches:")
    })
}

/// The sum over a process's threads, without the one that asks.
fn each_thread(pid: u32, file: &str, read: impl Fn(&str) -> Result<f64>) -> Result<f64> {
    let own = rustix::thread::gettid().as_raw_pid().to_string();
    let mut sum = 0.0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let thread = thread?;
        if thread.file_name() != *own {
            sum += read(&fs::read_to_string(thread.path().join(file))?)?;
        }
    }
    Ok(sum)
}

/// The number behind a name at the beginning of a line.
fn number(text: &str, name: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let line = line.with_context(|| format!("no line `{name}`"))?;
    let number = line.split_whitespace().next().unwrap_or_default();
    number.parse().with_context(|| format!("`{name}`{line}"))
}
