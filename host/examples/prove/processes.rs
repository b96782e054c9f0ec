//! What the proofs see of processes and do to them.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};
use std::fs;
use std::time::{Duration, Instant};

/// Sends a signal to a process, which may be gone already.
pub(crate) fn send(pid: u32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(pid as i32).context("no process has this number")?;
    match rustix::process::kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => bail!("no signal for {pid:?}: {error}"),
    }
}

/// The processes of a session that have not ended.
pub(crate) fn of_session(session: u32) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if living_in(pid) == Some(session) {
            found.push(pid);
        }
    }
    Ok(found)
}

/// The session of a process that has not ended.
fn living_in(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold spaces and parentheses; then come state, parent, group, session.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    let session = fields.nth(2)?;
    // Whoever adopted it has yet to reap it.
    (!matches!(state, "Z" | "X")).then(|| session.parse().ok())?
}

/// What this process has of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
    pub(crate) zombies: usize,
    pub(crate) memory_kib: u64,
}

impl Taken {
    pub(crate) fn now() -> Result<Taken> {
        let status = fs::read_to_string("/proc/self/status")?;
        let memory = status.lines().find_map(|line| {
            let number = line.strip_prefix("RssAnon:")?.split_whitespace().next()?;
            number.parse().ok()
        });
        Ok(Taken {
            descriptors: fs::read_dir("/proc/self/fd")?.count(),
            threads: fs::read_dir("/proc/self/task")?.count(),
            zombies: zombies()?,
            memory_kib: memory.context("no RssAnon in /proc/self/status")?,
        })
    }
}

/// Ended children of this process that nobody has reaped.
fn zombies() -> Result<usize> {
    let this = std::process::id().to_string();
    let mut count = 0;
    for entry in fs::read_dir("/proc")? {
        let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) else {
            continue;
        };
        let Some((_, fields)) = stat.rsplit_once(") ") else {
            continue;
        };
        let mut fields = fields.split(' ');
        let is_zombie = fields.next() == Some("Z");
        count += usize::from(is_zombie && fields.next() == Some(&this));
    }
    Ok(count)
}

/// Waits until `done`, which nobody announces.
pub(crate) fn until(
    what: &str,
    most: Duration,
    mut done: impl FnMut() -> Result<bool>,
) -> Result<Duration> {
    let started = Instant::now();
    while !done()? {
        if started.elapsed() > most {
            bail!("{what}: not after {} s", most.as_secs_f64());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(started.elapsed())
}
