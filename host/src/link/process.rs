//! A worker's process once it runs: watched, killed, reaped. What is known of it here is the kernel's word, not the worker's.
//!
//! Owning is reaping: to drop one kills it and waits for its end.

use crate::job::End;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions};
use std::fs;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    process: OwnedFd,
    reaped: bool,
}

impl Process {
    /// Takes over a child that was just started, and that nobody else waits for.
    ///
    /// # Errors
    ///
    /// It is no child of ours. Or the system gives no descriptor of it; without one it could not be watched, and it is ended
    /// while it is still ours.
    pub(super) fn new(pid: Pid) -> rustix::io::Result<Process> {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        rustix::process::waitid(WaitId::Pid(pid), look)?;
        match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => Ok(Process {
                pid,
                process,
                reaped: false,
            }),
            Err(error) => {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
                let wait = || rustix::process::waitpid(Some(pid), WaitOptions::empty());
                let _ = rustix::io::retry_on_intr(wait);
                Err(error)
            }
        }
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    pub(super) fn has_ended(&self) -> bool {
        let mut process = [PollFd::new(&self.process, PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut process, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    /// How much processor time it has had, all its threads together, as long as it is not reaped; `None` if the system doesn't
    /// tell.
    ///
    /// *Source*: Linux, `Documentation/scheduler/sched-stats.rst`: the first number of a thread's `schedstat` is the time that
    /// it spent on a processor, in nanoseconds.
    pub(super) fn processor_time(&self) -> Option<Duration> {
        let mut sum = None;
        for thread in fs::read_dir(format!("/proc/{}/task", self.id()))
            .ok()?
            .flatten()
        {
            // A thread may end between two looks.
            let Ok(told) = fs::read_to_string(thread.path().join("schedstat")) else {
                continue;
            };
            let spent: u64 = told.split_whitespace().next()?.parse().ok()?;
            *sum.get_or_insert(Duration::ZERO) += Duration::from_nanos(spent);
        }
        sum
    }

    pub(super) fn kill(&self) {
        // It can only fail for a process that has ended already.
        let _ = rustix::process::pidfd_send_signal(&self.process, Signal::KILL);
    }

    /// Kills it if it still runs, and waits for its end.
    pub(super) fn reap(&mut self) -> End {
        if std::mem::replace(&mut self.reaped, true) {
            return End::Unknown;
        }
        self.kill();
        let wait = || {
            let process = WaitId::PidFd(self.process.as_fd());
            rustix::process::waitid(process, WaitIdOptions::EXITED)
        };
        // The embedding program's signals must not end the waiting: what the worker held is taken from it afterwards.
        match rustix::io::retry_on_intr(wait) {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => End::Exited(code),
                (None, Some(signal)) => End::Killed(signal),
                (None, None) => End::Unknown,
            },
            // The embedding program may wait for any child, ours included.
            Ok(None) | Err(_) => End::Unknown,
        }
    }
}

/// Readable when the process has ended.
impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.process.as_fd()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.reap();
    }
}
