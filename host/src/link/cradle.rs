//! Where a pool's workers come from: the first is started by itself, all others are forked off a [nursery] that is started
//! beside it.
//!
//! The nursery only makes it cheaper. Whenever one is missing or does not answer, a worker is started by itself.

use super::process::Process;
use super::start::{StartError, system};
use crate::role::{self, Role, nursery};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::Pid;
use std::path::PathBuf;
use std::process::Stdio;

/// How long a nursery may take to answer: many times what it takes on a busy machine.
const PATIENCE: Timespec = Timespec {
    tv_sec: 2,
    tv_nsec: 0,
};

/// Starts workers. It stays with the thread that began with it, as they end with that.
#[derive(Debug)]
pub(crate) struct Cradle {
    /// The program to start; `None` for this same executable.
    program: Option<PathBuf>,
    nursery: Option<Nursery>,
    /// Whether a nursery was never any good: the program is none of ours.
    has_none: bool,
}

#[derive(Debug)]
struct Nursery {
    control: OwnedFd,
    _process: Process,
    has_served: bool,
}

impl Cradle {
    pub(crate) fn new(program: Option<PathBuf>) -> Cradle {
        Cradle {
            program,
            nursery: None,
            has_none: false,
        }
    }

    /// Starts a worker with this standard input and this standard error. Where it will not be the only one, the next are
    /// prepared for.
    pub(super) fn start(
        &mut self,
        stdin: OwnedFd,
        stderr: OwnedFd,
        is_only: bool,
    ) -> Result<Process, StartError> {
        // Dropped if it does not answer, so that no answer comes when nobody waits for it any more.
        if let Some(mut nursery) = self.nursery.take() {
            if let Some(made) = nursery.fork(&stdin, &stderr) {
                nursery.has_served = true;
                self.nursery = Some(nursery);
                return owned(made.map_err(system("a worker process"))?);
            }
            self.has_none = !nursery.has_served;
        }
        let worker = self.spawn(Role::Worker, stdin, stderr.into())?;
        if !is_only && !self.has_none {
            self.nursery = self.nursery().ok();
        }
        Ok(worker)
    }

    fn nursery(&self) -> Result<Nursery, StartError> {
        let (control, theirs) = sockets()?;
        Ok(Nursery {
            control,
            has_served: false,
            _process: self.spawn(Role::Nursery, theirs, Stdio::null())?,
        })
    }

    fn spawn(&self, role: Role, stdin: OwnedFd, stderr: Stdio) -> Result<Process, StartError> {
        let mut command = role::command(self.program.as_deref(), role)?;
        command
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::null())
            .stderr(stderr);
        let child = command.spawn().map_err(|error| StartError::System {
            what: "a worker process",
            error,
        })?;
        owned(Pid::from_child(&child))
    }
}

impl Nursery {
    /// A process that it forks off, or why the system refused it. `None` if it does not answer.
    fn fork(&self, stdin: &OwnedFd, stderr: &OwnedFd) -> Option<Result<Pid, Errno>> {
        nursery::ask(self.control.as_fd(), stdin.as_fd(), stderr.as_fd()).ok()?;
        let mut control = [PollFd::new(&self.control, PollFlags::IN)];
        let ready = rustix::io::retry_on_intr(|| poll(&mut control, Some(&PATIENCE)));
        if ready.ok()? == 0 {
            return None;
        }
        nursery::answer(self.control.as_fd()).ok()?
    }
}

/// The process of this child, which was just made.
fn owned(child: Pid) -> Result<Process, StartError> {
    Process::new(child).map_err(system("a descriptor of the worker process"))
}

/// The two ends of a control socket, the second one for a child. It carries packets, so that a greeting can't be cut in two
/// and each bell is one.
pub(super) fn sockets() -> Result<(OwnedFd, OwnedFd), StartError> {
    rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(system("a socket"))
}
