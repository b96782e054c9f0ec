//! Namespaces: a world of its own, without foreign message queues and rights, and if need be without a network.
//!
//! The process leaves its parent's world by itself, which needs no privilege where user namespaces are allowed. It keeps
//! its user id and maps it to none, so that in the new world it is nobody. There is no pid namespace, which only a new
//! process can enter; other processes are out of reach by Landlock's scope, and by the list of system calls.

use super::{WallState, sys};
use std::io;

/// The kinds, and what they are called. One of the user comes first, as it gives the right to the others.
const KINDS: [(libc::c_int, &str); 6] = [
    (libc::CLONE_NEWUSER, "user"),
    (libc::CLONE_NEWNET, "network"),
    (libc::CLONE_NEWIPC, "ipc"),
    (libc::CLONE_NEWNS, "mount"),
    (libc::CLONE_NEWUTS, "uts"),
    (libc::CLONE_NEWCGROUP, "cgroup"),
];

/// The namespaces that the process has left.
pub(crate) struct Left(libc::c_int);

impl Left {
    /// Whether no address of the machine can be reached, whatever else is allowed.
    pub(super) fn cover_network(&self) -> bool {
        self.0 & libc::CLONE_NEWUSER != 0 && self.0 & libc::CLONE_NEWNET != 0
    }
}

/// Those that are expensive. A new network takes the kernel 0.6 ms, as long as a good part of a worker's start, and it makes and
/// clears away one after the other: two processes at it wait for 2 ms each, the slowest of a hundred for 10. To copy a
/// machine's mounts and to clear them away takes 1 ms. All others together take 0.1 ms (measured on 23 November 2026, on two
/// processors).
const EXPENSIVE: libc::c_int = libc::CLONE_NEWNET | libc::CLONE_NEWNS;

/// Which of them to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kinds {
    /// All.
    All,
    /// All but those that Landlock makes up for: it refuses files, TCP, and changes of the mounts, which a process without
    /// capabilities outside its own mounts cannot change anyway.
    BesideLandlock,
}

/// Leaves these, or as many of them as are allowed.
///
/// # Errors
/// None is allowed, for the reason that the first was refused.
pub(crate) fn leave(kinds: Kinds) -> io::Result<(WallState, Left)> {
    let wanted = |(kind, _): &(libc::c_int, &str)| kinds == Kinds::All || kind & EXPENSIVE == 0;
    let all = KINDS
        .into_iter()
        .filter(wanted)
        .fold(0, |all, (kind, _)| all | kind);
    if sys::unshare(all).is_ok() {
        return Ok((WallState::On, Left(all)));
    }
    let mut left = 0;
    let mut refused = Vec::new();
    let mut first = None;
    for (kind, name) in KINDS.into_iter().filter(wanted) {
        match sys::unshare(kind) {
            Ok(()) => left |= kind,
            Err(error) => {
                refused.push(format!("{name}: {error}"));
                first = first.or(Some(error));
            }
        }
    }
    match first {
        Some(error) if left == 0 => Err(error),
        _ => Ok((WallState::Partial(refused.join(", ")), Left(left))),
    }
}
