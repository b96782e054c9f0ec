//! What this process is for: the program itself, or a worker, a fork server, a compiler or a manager that the program
//! started from its own file.
//!
//! All of these are the same executable started again, so that parent and child can't differ in
//! version. One environment variable tells them apart, and the first line of `main`, `host::init()`, reads it. This
//! module knows nothing of what a worker or a compiler then does.

pub(crate) mod fork_server;

use std::os::unix::process::CommandExt;
use std::path::{Path, absolute};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// The environment variable that carries the role.
const VARIABLE: &str = "HOST_ROLE";

/// What a child process is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs a guest's functions.
    Worker,
    /// Forks off workers.
    ForkServer,
    /// Describes and compiles one component.
    Compiler,
    /// Keeps objects.
    Manager,
}

impl Role {
    /// The role that this process was started in; `None` for the program itself.
    pub(crate) fn of_this_process() -> Option<Role> {
        let role = std::env::var_os(VARIABLE)?;
        use Role::*;
        let mut roles = [Worker, ForkServer, Compiler, Manager].into_iter();
        roles.find(|known| role == known.name())
    }

    fn name(self) -> &'static str {
        match self {
            Role::Worker => "worker",
            Role::ForkServer => "fork-server",
            Role::Compiler => "compiler",
            Role::Manager => "manager",
        }
    }

    /// What `ps` shows. What a fork server forks off keeps the server's.
    fn process_name(self) -> &'static str {
        match self {
            Role::Worker | Role::ForkServer => "host-worker",
            Role::Compiler => "host-compiler",
            Role::Manager => "host-manager",
        }
    }
}

/// A child in this role, ready to be given its descriptors and started: `program`, or this same executable. It gets no
/// variable of our environment, and the directory `/`; it takes a session of its own as soon
/// as it runs.
///
/// Nothing here may need `pre_exec`: without it the standard library starts the child by `posix_spawn`, which doesn't
/// copy the page tables of a large parent.
///
/// # Errors
/// Where the child would not serve but run `main` and start children in its turn, without end.
pub(crate) fn command(program: Option<&Path>, role: Role) -> Result<Command, NoChildren> {
    if Role::of_this_process().is_some() {
        return Err(NoChildren::InChild);
    }
    if program.is_none() && !initialised() {
        return Err(NoChildren::Uninitialised);
    }
    // The child starts in `/`, where a relative path would name another file.
    let program = program.map(|path| absolute(path).unwrap_or_else(|_| path.to_owned()));
    // The link follows the executable even if its file was replaced or removed since.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place where processes are started"
    )]
    let mut command = Command::new(program.as_deref().unwrap_or(Path::new("/proc/self/exe")));
    command.arg0(role.process_name()).current_dir("/");
    command
        .env_clear()
        .env(VARIABLE, role.name())
        .env("RUST_BACKTRACE", "0")
        .env("GLIBC_TUNABLES", ALLOCATOR);
    Ok(command)
}

/// Why this program may not start children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoChildren {
    /// This executable would start itself, but its `main` doesn't serve.
    #[error(
        "this program cannot start workers from its own executable: call `host::init()` in the first line of `main`, \
         or name the program to start"
    )]
    Uninitialised,
    /// This process was started as a child, and went on as if it were the program.
    #[error(
        "this process was started as a worker, but its `main` did something else first: call `host::init()` in the \
         first line of `main` of the program that is named as the worker"
    )]
    InChild,
}

/// Takes a child out of its parent's session: Ctrl-C at the terminal is for the parent, who knows what to do with it.
pub(crate) fn leave_session() {
    // It fails for a process that leads a session already, and so has left its parent's.
    let _ = rustix::process::setsid();
}

/// Keeps up to 64 MiB that a large job needed for the next one, instead of asking the system for each page anew. Other C
/// libraries don't look at it.
const ALLOCATOR: &str = "glibc.malloc.mmap_threshold=67108864:glibc.malloc.trim_threshold=67108864";

static INITIALISED: AtomicBool = AtomicBool::new(false);

/// Notes that `main` called `host::init()`, so that this executable can be started again as a child.
pub(crate) fn set_initialised() {
    INITIALISED.store(true, Ordering::Relaxed);
}

/// Whether `main` called `host::init()`.
pub(crate) fn initialised() -> bool {
    INITIALISED.load(Ordering::Relaxed)
}
