//! Starts a pool's workers. The first is started by itself, and beside it a [fork server], off which all others are forked.
//!
//! A fork server only makes it cheaper. Where it gives no process, for whatever reason, a worker is started by itself, and the
//! fork server is replaced with the next one.
//!
//! [fork server]: fork_server

use super::process::Process;
use super::start::{StartError, system};
use crate::role::{self, Role, fork_server};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{Gid, Pid, Uid, getegid, geteuid};
use std::collections::HashSet;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How long a fork server may take to answer: a hundred times what it takes to start. The pool's thread waits for it.
const PATIENCE: Duration = Duration::from_millis(500);
/// So many fork servers in a row that never gave a process show that this program has none.
const MISSES: u32 = 3;

/// Starts workers. The thread that has one must live as long as they do: the kernel ends them with the thread that started them,
/// or that started the fork server.
#[derive(Debug)]
pub(crate) struct Starter {
    /// The program to start; `None` for this same executable.
    program: Option<PathBuf>,
    server: Option<ForkServer>,
    /// Fork servers in a row that never gave a process.
    misses: u32,
}

#[derive(Debug)]
struct ForkServer {
    control: OwnedFd,
    process: Process,
    has_served: bool,
    /// The processes of which there was word once, and will be again.
    told_once: HashSet<Pid>,
    /// As whom it was started, and forks.
    user: (Uid, Gid),
}

impl Starter {
    pub(crate) fn new(program: Option<PathBuf>) -> Starter {
        Starter {
            program,
            server: None,
            misses: 0,
        }
    }

    /// Lets the next workers have other random addresses than those before them.
    pub(crate) fn change_addresses(&mut self) {
        self.server = None;
    }

    /// Starts one of so many workers, with this standard error. Gives its process, and our end of the socket that is its standard
    /// input.
    pub(super) fn start(
        &mut self,
        workers: usize,
        stderr: OwnedFd,
    ) -> Result<(Process, OwnedFd), StartError> {
        if let Some(forked) = self.fork(&stderr)? {
            return Ok(forked);
        }
        let (control, theirs) = sockets()?;
        let worker = self.spawn(Role::Worker, theirs, stderr.into())?;
        if workers > 1 && self.misses < MISSES {
            self.server = self.fork_server().ok();
        }
        Ok((worker, control))
    }

    /// Has a worker forked off. `None` if there is nobody who does that; then there is no fork server any more.
    fn fork(&mut self, stderr: &OwnedFd) -> Result<Option<(Process, OwnedFd)>, StartError> {
        let Some(mut server) = self.server.take() else {
            return Ok(None);
        };
        // The program may have become another user's since.
        if server.user != (geteuid(), getegid()) {
            return Ok(None);
        }
        // The socket is for this one process. Should it come when nobody waits for it any more, it finds nobody there.
        let (control, theirs) = sockets()?;
        match server.fork(&theirs, stderr) {
            Some(process) => {
                server.has_served = true;
                self.server = Some(server);
                self.misses = 0;
                Ok(Some((process, control)))
            }
            None => {
                self.misses += u32::from(!server.has_served);
                Ok(None)
            }
        }
    }

    fn fork_server(&self) -> Result<ForkServer, StartError> {
        let (control, theirs) = sockets()?;
        Ok(ForkServer {
            control,
            process: self.spawn(Role::ForkServer, theirs, Stdio::null())?,
            has_served: false,
            told_once: HashSet::new(),
            user: (geteuid(), getegid()),
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
        Process::new(Pid::from_child(&child)).map_err(system("a descriptor of the worker process"))
    }
}

impl ForkServer {
    /// A process that it forks off, which is a child of ours. `None` if none comes.
    fn fork(&mut self, stdin: &OwnedFd, stderr: &OwnedFd) -> Option<Process> {
        fork_server::ask(self.control.as_fd(), stdin.as_fd(), stderr.as_fd()).ok()?;
        let end = Instant::now() + PATIENCE;
        while self.waits_until(end) {
            if let Some(forked) = self.next() {
                return Process::new(forked).ok();
            }
        }
        self.process.reap();
        // It may have forked one off just before.
        self.next().and_then(|forked| Process::new(forked).ok())
    }

    /// A process of which there is word for the first time.
    fn next(&mut self) -> Option<Pid> {
        loop {
            let forked = fork_server::answer(self.control.as_fd())?;
            if self.told_once.insert(forked) {
                return Some(forked);
            }
            self.told_once.remove(&forked);
        }
    }

    /// Waits until there is word of a process. `false` if it is too late, or the server has ended.
    fn waits_until(&self, end: Instant) -> bool {
        let mut control = [PollFd::new(&self.control, PollFlags::IN)];
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut control, Some(&timeout)) {
            Ok(0) => false,
            Ok(_) => !control[0].revents().contains(PollFlags::HUP),
            Err(error) => error == Errno::INTR && !left.is_zero(),
        }
    }
}

/// The two ends of a control socket, the second one for a child. It carries packets, so that a greeting can't be cut in two.
fn sockets() -> Result<(OwnedFd, OwnedFd), StartError> {
    rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(system("a socket"))
}
