//! What the tests see of processes: through /proc, as any other program would.

use rustix::process::{Pid, Signal};
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Sends a signal to a process, which may be gone already.
pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid as i32).unwrap();
    match rustix::process::kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => panic!("no signal for {pid:?}: {error}"),
    }
}

/// Whether there is no such process any more, not even an unreaped one.
pub(crate) fn is_gone(pid: u32) -> bool {
    !fs::exists(format!("/proc/{pid}")).unwrap()
}

/// Whether a process is in this state: `T` for stopped, `Z` for ended but not reaped.
pub(crate) fn is_in_state(pid: u32, state: &str) -> bool {
    stat(pid).is_some_and(|stat| stat.state == state)
}

/// The children of a process, dead ones that nobody reaped included.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| stat(pid).is_some_and(|stat| stat.parent == parent))
        .collect()
}

/// The name that a process has given itself.
pub(crate) fn name(pid: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end().into()
}

/// How many milliseconds of processor time a process has used, to 10 ms.
pub(crate) fn processor_ms(pid: u32) -> u64 {
    stat(pid).map_or(0, |stat| stat.ticks * 10)
}

/// A line of /proc/PID/status, in KiB.
pub(crate) fn status_kib(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How many descriptors this process has open.
pub(crate) fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// How many threads this process has.
pub(crate) fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

struct Stat {
    state: String,
    parent: u32,
    ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold spaces and parentheses.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let number = |index: usize| fields[index].parse::<u64>().ok();
    Some(Stat {
        state: fields[0].to_owned(),
        parent: number(1)? as u32,
        ticks: number(11)? + number(12)?,
    })
}

/// Runs `body` in a process where no other test runs: this same program, started again for this one test.
#[track_caller]
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    alone_with(test, &[], body);
}

/// As [`alone`], with these environment variables.
#[track_caller]
pub(crate) fn alone_with(test: &str, env: &[(&str, &str)], body: impl FnOnce()) {
    start_alone(None, test, env, body);
}

/// As [`alone`], as this user if there is one.
#[track_caller]
pub(crate) fn alone_as(user: Option<u32>, test: &str, body: impl FnOnce()) {
    start_alone(user, test, &[], body);
}

#[track_caller]
fn start_alone(user: Option<u32>, test: &str, env: &[(&str, &str)], body: impl FnOnce()) {
    const ALONE: &str = "HOST_TEST_ALONE";
    if std::env::var_os(ALONE).is_some_and(|alone| alone == test) {
        return body();
    }
    let mut program = Command::new(std::env::current_exe().unwrap());
    if let Some(user) = user {
        program.uid(user).gid(user);
    }
    let output = program
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, test)
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "alone it failed:\n{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
