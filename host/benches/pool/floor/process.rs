//! Processes that a floor needs: this same executable, started again with a role of its own.

use super::{ARITH, BARE, pair, ping};
use anyhow::{Result, ensure};
use rustix::process::Signal;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The environment variable that carries the role.
const VARIABLE: &str = "HOST_BENCH_ROLE";

/// Answers pings on the shared page that is its stdin.
const ANSWERS: &str = "answers";
/// Do jobs in instances of their own, as many as stdin says.
pub(super) const FRESH_ARITH: &str = "fresh arith";
pub(super) const FRESH_BARE: &str = "fresh bare";
/// Keeps a processor busy.
const BUSY: &str = "busy";

/// Serves, and does not return, if this process has a role.
pub(super) fn init() -> Result<()> {
    let Ok(role) = std::env::var(VARIABLE) else {
        return Ok(());
    };
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    match role.as_str() {
        ANSWERS => ping::answer(std::io::stdin()),
        FRESH_ARITH => pair::serve(ARITH),
        FRESH_BARE => pair::serve(BARE),
        BUSY => loop {
            std::hint::spin_loop();
        },
        _ => anyhow::bail!("no role of a benchmark is called `{role}`"),
    }
}

/// A process that is killed when it is dropped.
pub(super) struct Process(Child);

impl Process {
    pub(super) fn answering(page: Stdio) -> Result<Process> {
        Process::start(ANSWERS, page, Stdio::inherit())
    }

    /// One that does jobs as it is told, with the pipes that go there and come from there.
    pub(super) fn piped(role: &str) -> Result<(Process, ChildStdin, ChildStdout)> {
        let mut process = Process::start(role, Stdio::piped(), Stdio::piped())?;
        let ends = (process.0.stdin.take(), process.0.stdout.take());
        let (Some(orders), Some(news)) = ends else {
            anyhow::bail!("a process without its pipes");
        };
        Ok((process, orders, news))
    }

    fn start(role: &str, stdin: Stdio, stdout: Stdio) -> Result<Process> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a floor is made without the pool, so it starts its own processes"
        )]
        let mut command = Command::new("/proc/self/exe");
        command.env(VARIABLE, role).stdin(stdin).stdout(stdout);
        Ok(Process(command.spawn()?))
    }

    /// Fails if the process has ended, which it does only by a mistake.
    pub(super) fn check(&mut self) -> Result<()> {
        let ended = self.0.try_wait()?;
        ensure!(ended.is_none(), "a floor's process ended: {ended:?}");
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended; then there is only its status to take.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that has nothing to do with the pool and wants a processor for itself, until it is dropped.
pub(crate) struct Neighbour {
    _process: Process,
}

impl Neighbour {
    pub(crate) fn start() -> Result<Neighbour> {
        let process = Process::start(BUSY, Stdio::null(), Stdio::null())?;
        Ok(Neighbour { _process: process })
    }
}
