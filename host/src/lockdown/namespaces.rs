//! Namespaces: a world in which there is no network, no other host name, no foreign message queue.
//!
//! The process leaves its parent's world by itself, which needs no privilege where user namespaces are allowed. It keeps
//! its user id and maps it to none, so that in the new world it is nobody. There is no pid namespace, which only a new
//! process can enter; other processes are out of reach by Landlock's scope, and by the list of system calls.

use super::{WallState, sys};
use std::io;

/// The kinds, and what they are called.
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

/// Leaves all, or as many as are allowed.
///
/// # Errors
/// None is allowed, for the reason that the first was refused.
pub(crate) fn leave() -> io::Result<(WallState, Left)> {
    let all = KINDS.iter().fold(0, |all, (kind, _)| all | kind);
    if sys::unshare(all).is_ok() {
        return Ok((WallState::On, Left(all)));
    }
    let mut left = 0;
    let mut refused = Vec::new();
    let mut first = None;
    for (kind, name) in KINDS {
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
