//! A process that forks off others: it is started once, and has done what is the same for all of them.
//!
//! To start this executable takes a processor 1.5 ms, most of it for relocations, which are 540 KiB of memory besides (measured
//! 2026-11). A fork server does that once. What it forks off is a child of the server's own parent, which owns and reaps it
//! like any other, and shares with the server all pages that neither of them writes to.
//!
//! A fork server has one thread, hears nobody but its parent, and has met no guest, nor will it.

#![expect(
    unsafe_code,
    reason = "a child of one's own parent is made by a system call without a safe interface"
)]

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use rustix::process::Pid;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;

/// Which of the two processes goes on behind a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Forked,
}

/// Asks a fork server for a process with this standard input and this standard error.
pub(crate) fn ask(
    server: BorrowedFd<'_>,
    stdin: BorrowedFd<'_>,
    stderr: BorrowedFd<'_>,
) -> rustix::io::Result<()> {
    let descriptors = [stdin, stderr];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let question = [IoSlice::new(&[0])];
    rustix::net::sendmsg(server, &question, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// A process that was forked off, if there is word of one by now. Of each there is word twice, by the server and by itself, so that it is
/// known even if one of the two was killed or stopped before it could tell. `None` also if there will be no more.
pub(crate) fn answer(server: BorrowedFd<'_>) -> Option<Pid> {
    let mut answer = [0; 4];
    let receive = || rustix::net::recv(server, &mut answer, RecvFlags::DONTWAIT);
    let (_, length) = rustix::io::retry_on_intr(receive).ok()?;
    let pid = i32::from_le_bytes(answer);
    Pid::from_raw(pid).filter(|_| length == size_of_val(&answer) && pid > 0)
}

/// Serves the parent at the other end of standard input. Returns in each process that it forks off, and in the server itself when
/// its parent has hung up.
///
/// # Errors
/// This process has more than one thread, or its standard input is no such socket, or the system refused a process.
pub(crate) fn serve() -> io::Result<Side> {
    rustix::thread::set_name(c"host-forkserver")?;
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        let error = "it has other threads: call `host::init()` before any is started";
        return Err(io::Error::other(error));
    }
    let parent = io::stdin();
    while let Some([stdin, stderr]) = receive(parent.as_fd())? {
        let forked = fork_sibling()?;
        let pid = forked.unwrap_or_else(rustix::process::getpid);
        let pid = pid.as_raw_nonzero().get();
        rustix::net::send(&parent, &pid.to_le_bytes(), SendFlags::NOSIGNAL)?;
        if forked.is_none() {
            rustix::stdio::dup2_stdin(stdin)?;
            rustix::stdio::dup2_stderr(stderr)?;
            return Ok(Side::Forked);
        }
    }
    Ok(Side::Server)
}

/// The descriptors of the next request; `None` when the parent has hung up.
fn receive(parent: BorrowedFd<'_>) -> io::Result<Option<[OwnedFd; 2]>> {
    let mut question = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let receive = || {
        rustix::net::recvmsg(
            parent,
            &mut [IoSliceMut::new(&mut question)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
    };
    let received = rustix::io::retry_on_intr(receive)?;
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    match descriptors.try_into() {
        Ok(descriptors) => Ok(Some(descriptors)),
        Err(_) => Err(io::Error::other("it is asked with two descriptors")),
    }
}

/// Makes a copy of this process that is a child of this one's parent; the kernel gives it this one's own exit signal. Gives its id
/// here, and nothing in the copy.
fn fork_sibling() -> rustix::io::Result<Option<Pid>> {
    const NONE: libc::c_long = 0;
    let flags = libc::c_long::from(libc::CLONE_PARENT);
    // SAFETY: without `CLONE_VM` the copy has a memory of its own and goes on with a copy of this very stack. This process has
    // one thread, as `serve` has looked, so nothing in its memory is in the middle of a change: no lock is held, no list is half
    // linked. The C library is not told; it goes on to believe that the thread's number is the server's, which it
    // uses in locks of kinds that nobody here has.
    let made = unsafe { libc::syscall(libc::SYS_clone, flags, NONE, NONE, NONE, NONE) };
    match made {
        -1 => {
            let error = io::Error::last_os_error();
            Err(Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))
        }
        pid => Ok(Pid::from_raw(pid as i32)),
    }
}
