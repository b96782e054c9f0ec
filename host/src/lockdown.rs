//! What a process gives up before it meets a guest, and for good: files, network, other processes, new programs, rights.
//!
//! WebAssembly is the first wall around a guest. This is the second: should a guest break out and run machine code of its
//! choice, it finds itself in a process that can compute, answer its parent, and do nothing else. The wall is made of
//! several, each of which holds without the others, and each process reports which of them stand.
//!
//! ```text
//! arrive ─▶ settle in (the engine starts) ─▶ before_load ─▶ (the guest's code is mapped) ─▶ after_load ─▶ greet
//!           no descriptor, variable           namespaces, rights,  what is left to allow    no new code, 16 calls
//!           of the parent's                   limits, files        fails with EPERM         or death
//! ```
//!
//! The order is the argument. What needs a right comes before the right goes: `unshare` before the capabilities, the
//! parent-death signal after them, as changed credentials clear it; no new code after the guest's own was mapped. Nothing
//! of the guest runs before the last step, not even its start function.
//!
//! This module knows "this process, these rights", and neither guests nor jobs.

pub(crate) mod calls;
pub(crate) mod files;
pub(crate) mod filter;
pub(crate) mod namespaces;
pub(crate) mod rights;
mod sys;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wall_tests;

use namespaces::Kinds;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// How much of the wall around a worker's process has to stand before it may run a guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sandbox {
    /// Every wall that the others do not make up for, or no worker. This is the default.
    #[default]
    Strict,
    /// What this machine has; what is missing stands in [`WorkerStats::walls`](crate::WorkerStats::walls).
    BestEffort,
    /// None. A guest that breaks out of WebAssembly has all the rights of the program's user.
    Off,
}

/// One of the walls around a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Wall {
    /// Of the parent's descriptors only those that the process was sent are open.
    Descriptors,
    /// No environment variable is left.
    Environment,
    /// User, ipc, uts and cgroup namespaces of its own; network and mount too where [`Wall::Landlock`] doesn't cover those.
    Namespaces,
    /// No capability, nor a way to get one.
    Capabilities,
    /// No other process of this user may trace it, and it leaves no core.
    Undumpable,
    /// No program that it could start would have more rights than itself.
    NoNewPrivileges,
    /// It dies with its parent, by the kernel's hand.
    ParentDeath,
    /// Limits on memory, descriptors, processes and what it may write.
    Limits,
    /// Landlock: no file can be opened but in the granted directories, no address bound or connected to.
    Landlock,
    /// Memory cannot become executable any more.
    NoNewCode,
    /// Seccomp: a list of system calls, and death for each other one.
    SystemCalls,
}

impl Wall {
    /// All of them, in the order in which they are raised.
    pub const ALL: [Wall; 11] = [
        Wall::Descriptors,
        Wall::Environment,
        Wall::Namespaces,
        Wall::Capabilities,
        Wall::ParentDeath,
        Wall::Undumpable,
        Wall::NoNewPrivileges,
        Wall::Limits,
        Wall::Landlock,
        Wall::NoNewCode,
        Wall::SystemCalls,
    ];

    /// Its name, in words.
    pub fn name(self) -> &'static str {
        match self {
            Wall::Descriptors => "descriptors closed",
            Wall::Environment => "environment empty",
            Wall::Namespaces => "namespaces",
            Wall::Capabilities => "no capabilities",
            Wall::Undumpable => "not dumpable",
            Wall::NoNewPrivileges => "no new privileges",
            Wall::ParentDeath => "dies with its parent",
            Wall::Limits => "resource limits",
            Wall::Landlock => "landlock",
            Wall::NoNewCode => "no new code",
            Wall::SystemCalls => "system calls",
        }
    }

    /// What to do where it cannot be raised.
    fn remedy(self) -> &'static str {
        match self {
            Wall::Namespaces | Wall::Landlock => {
                "boot a kernel of 6.7 or later with `landlock` among its `lsm=`, or allow unprivileged user namespaces"
            }
            Wall::SystemCalls => {
                "use a kernel with seccomp filters, and a container profile that allows `seccomp`"
            }
            Wall::Limits => {
                "look at the limits that the program itself was started with, `ulimit -a`"
            }
            Wall::Descriptors
            | Wall::Environment
            | Wall::Capabilities
            | Wall::Undumpable
            | Wall::NoNewPrivileges
            | Wall::ParentDeath
            | Wall::NoNewCode => "look at the profile of the container that this runs in",
        }
    }
}

/// How a wall stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WallState {
    /// All of it.
    On,
    /// A part, and why no more.
    Partial(String),
    /// Not at all, and why.
    Off(String),
}

impl fmt::Display for WallState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WallState::On => f.write_str("on"),
            WallState::Partial(why) => write!(f, "partial: {why}"),
            WallState::Off(why) => write!(f, "off: {why}"),
        }
    }
}

/// A wall, and how it stands around one process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WallReport {
    /// The wall.
    pub wall: Wall,
    /// How it stands.
    pub state: WallState,
}

/// Walls that [`Sandbox::Strict`] wants and this machine does not give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Missing(String);

/// What a process still needs, from before it loads a guest.
pub(crate) struct Before<'a> {
    /// The socket to the parent, which hangs up when that dies.
    pub(crate) lifeline: Option<BorrowedFd<'a>>,
    /// How much private writable memory it may have, in bytes.
    pub(crate) memory_bytes: u64,
    /// The longest file that it may write, in bytes; `None` for no limit but the inherited one.
    pub(crate) file_bytes: Option<u64>,
    /// How many descriptors it may have; `None` for no limit but the inherited one.
    pub(crate) descriptors: Option<u64>,
    /// Directories that it may use, and whether only for reading.
    pub(crate) dirs: Vec<(PathBuf, bool)>,
}

/// A process on its way behind the walls.
#[derive(Debug)]
pub(crate) struct Lockdown {
    sandbox: Sandbox,
    reports: Vec<WallReport>,
    /// Whether one of the walls around files and network stands that make up for each other.
    walled_off: bool,
}

/// The first lines of a child: nothing of the parent's stays open or readable, and the kernel ends the process with its
/// parent. Had the parent died before this, the other end of the socket is closed, which the next read from it shows.
///
/// # Errors
/// The system refuses. These are no walls that one may do without, in no [`Sandbox`].
pub(crate) fn arrive() -> io::Result<()> {
    sys::close_inherited()?;
    sys::clear_environment()?;
    sys::unblock_signals()?;
    rights::die_with_parent()
}

/// From now on the kernel kills this process, whatever it is doing, when the other end of this connected socket closes or something
/// comes from there. Unlike the death of the parent this also sees a parent that lives on without its end.
///
/// # Errors
/// It is closed already.
pub(crate) fn die_with(socket: BorrowedFd<'_>) -> io::Result<()> {
    sys::signal_news(socket, libc::SIGKILL)?;
    match has_hung_up(socket) {
        true => Err(io::Error::other("the parent is gone already")),
        false => Ok(()),
    }
}

/// Ends this process at once: what runs at a usual exit would make calls that are not allowed any more.
pub(crate) fn leave(code: i32) -> ! {
    sys::leave(code)
}

impl Lockdown {
    /// Begins where [`arrive`] has ended.
    pub(crate) fn new(sandbox: Sandbox) -> io::Result<Lockdown> {
        let mut lockdown = Lockdown {
            sandbox,
            reports: Vec::with_capacity(Wall::ALL.len()),
            walled_off: false,
        };
        lockdown.note(Wall::Descriptors, WallState::On);
        lockdown.note(Wall::Environment, WallState::On);
        if sandbox != Sandbox::Off {
            // Before Wasmtime's own handlers, which pass on what is no trap.
            sys::end_at_faults()?;
        }
        Ok(lockdown)
    }

    /// Raises what may stand while a guest is loaded.
    ///
    /// # Errors
    /// What [`Sandbox::Strict`] misses.
    pub(crate) fn before_load(&mut self, before: &Before<'_>) -> Result<(), Missing> {
        self.before_files(before);
        let files = self.raise(Wall::Landlock, || files::close(&before.dirs));
        self.walled_off |= files.is_some_and(|files| files.covers_network());
        self.raise(Wall::SystemCalls, || {
            filter::install(&calls::loading(), filter::Otherwise::Eperm)?;
            Ok((WallState::On, ()))
        });
        self.check()
    }

    /// All of [`Lockdown::before_load`] that leaves files readable.
    fn before_files(&mut self, before: &Before<'_>) {
        let kinds = match files::can_cover_network() {
            true => Kinds::BesideLandlock,
            false => Kinds::All,
        };
        let namespaces = self.raise(Wall::Namespaces, || namespaces::leave(kinds));
        self.walled_off |= namespaces.is_some_and(|left| left.cover_network());
        self.raise(Wall::Capabilities, rights::drop_capabilities);
        self.raise(Wall::ParentDeath, || {
            // Once more: changed credentials may have cleared it.
            rights::die_with_parent()?;
            match before.lifeline {
                Some(lifeline) if has_hung_up(lifeline) => {
                    Err(io::Error::other("the parent is gone already"))
                }
                _ => Ok((WallState::On, ())),
            }
        });
        self.raise(Wall::Undumpable, rights::hide_from_tracers);
        self.raise(Wall::NoNewPrivileges, rights::gain_no_privileges);
        self.raise(Wall::Limits, || rights::limit(before));
    }

    /// Raises the rest, for good, and tells what stands.
    ///
    /// # Errors
    /// What [`Sandbox::Strict`] misses.
    pub(crate) fn after_load(mut self, needs: &calls::Needs) -> Result<Vec<WallReport>, Missing> {
        self.raise(Wall::NoNewCode, || {
            sys::refuse_new_code()?;
            Ok((WallState::On, ()))
        });
        let filter = || {
            rights::start_no_processes()?;
            filter::install(&calls::serving(needs), filter::Otherwise::Kill)?;
            Ok((WallState::On, ()))
        };
        // The first filter was raised before; this one decides.
        let first = self.take(Wall::SystemCalls);
        self.raise(Wall::SystemCalls, || match first {
            Some(WallState::Off(why)) => Err(io::Error::other(why)),
            _ => filter(),
        });
        self.check()?;
        Ok(self.reports)
    }

    /// All walls at once, for a process that loads nothing: it compiles.
    ///
    /// # Errors
    /// What [`Sandbox::Strict`] misses.
    pub(crate) fn compile(mut self, before: &Before<'_>) -> Result<(), Missing> {
        self.before_files(before);
        let files = self.raise(Wall::Landlock, || files::close(&before.dirs));
        self.walled_off |= files.is_some_and(|files| files.covers_network());
        self.raise(Wall::NoNewCode, || {
            sys::refuse_new_code()?;
            Ok((WallState::On, ()))
        });
        self.raise(Wall::SystemCalls, || {
            filter::refuse(&calls::REFUSED_COMPILING)?;
            filter::install(&calls::compiling(), filter::Otherwise::Kill)?;
            Ok((WallState::On, ()))
        });
        self.check()
    }

    /// All walls at once, for a process that never loads a guest: it keeps objects.
    ///
    /// # Errors
    /// What [`Sandbox::Strict`] misses.
    pub(crate) fn manage(
        mut self,
        before: &Before<'_>,
        serves_others: bool,
    ) -> Result<Vec<WallReport>, Missing> {
        self.before_files(before);
        let files = self.raise(Wall::Landlock, || files::close(&before.dirs));
        self.walled_off |= files.is_some_and(|files| files.covers_network());
        self.raise(Wall::NoNewCode, || {
            sys::refuse_new_code()?;
            Ok((WallState::On, ()))
        });
        self.raise(Wall::SystemCalls, || {
            rights::start_no_processes()?;
            filter::install(&calls::managing(serves_others), filter::Otherwise::Kill)?;
            Ok((WallState::On, ()))
        });
        self.check()?;
        Ok(self.reports)
    }

    /// Raises a wall and notes how it went; what it gives is there if it stands at all.
    fn raise<T>(
        &mut self,
        wall: Wall,
        raise: impl FnOnce() -> io::Result<(WallState, T)>,
    ) -> Option<T> {
        if self.sandbox == Sandbox::Off {
            self.note(wall, WallState::Off("the sandbox was switched off".into()));
            return None;
        }
        match raise() {
            Ok((state, found)) => {
                self.note(wall, state);
                Some(found)
            }
            Err(error) => {
                self.note(wall, WallState::Off(error.to_string()));
                None
            }
        }
    }

    fn note(&mut self, wall: Wall, state: WallState) {
        self.reports.push(WallReport { wall, state });
    }

    /// Forgets what was noted of a wall.
    fn take(&mut self, wall: Wall) -> Option<WallState> {
        let place = self.reports.iter().position(|report| report.wall == wall)?;
        Some(self.reports.remove(place).state)
    }

    /// Whether enough stands of what was raised so far.
    fn check(&self) -> Result<(), Missing> {
        if self.sandbox != Sandbox::Strict {
            return Ok(());
        }
        let missing: Vec<String> = (self.reports.iter())
            .filter(|report| match report.wall {
                Wall::Namespaces | Wall::Landlock => !self.walled_off,
                // The list of system calls allows no new code either.
                Wall::NoNewCode => false,
                _ => report.state != WallState::On,
            })
            .map(|WallReport { wall, state }| {
                format!("`{}` is {state} ({})", wall.name(), wall.remedy())
            })
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Missing(missing.join("; ")))
        }
    }
}

/// Whether the other end of a socket is closed.
fn has_hung_up(socket: BorrowedFd<'_>) -> bool {
    let mut socket = [PollFd::from_borrowed_fd(socket, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut socket, Some(&now)).is_ok_and(|ready| ready > 0)
}
