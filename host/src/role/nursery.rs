//! A process that forks off others: it is started once, and has done what is the same for all of them.
//!
//! To start this executable takes a processor 1.5 ms, most of it for relocations, which are 540 KiB of memory besides (measured
//! 2026-11). A nursery does that once. What it forks off is a child of the nursery's own parent, which owns and reaps it like
//! any other, and shares with the nursery all pages that neither of them writes to.
//!
//! It has one thread, hears nobody but its parent, and has met no guest, nor will it.

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

/// Asks a nursery for a process with this standard input and this standard error.
pub(crate) fn ask(
    nursery: BorrowedFd<'_>,
    stdin: BorrowedFd<'_>,
    stderr: BorrowedFd<'_>,
) -> rustix::io::Result<()> {
    let descriptors = [stdin, stderr];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let question = [IoSlice::new(&[0])];
    rustix::net::sendmsg(nursery, &question, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Waits for a nursery's answer: the new process, or why the system refused it. `None` if the nursery has ended.
pub(crate) fn answer(nursery: BorrowedFd<'_>) -> rustix::io::Result<Option<Result<Pid, Errno>>> {
    let mut answer = [0; 4];
    let receive = || rustix::net::recv(nursery, &mut answer, RecvFlags::empty());
    let (_, length) = rustix::io::retry_on_intr(receive)?;
    if length < answer.len() {
        return Ok(None);
    }
    let number = i32::from_le_bytes(answer);
    let pid = Pid::from_raw(number).filter(|_| number > 0);
    Ok(Some(pid.ok_or_else(|| {
        Errno::from_raw_os_error(number.wrapping_neg())
    })))
}

/// Serves the parent at the other end of standard input. Returns `true` in each process that it forks off, and `false` in the
/// nursery itself when its parent has hung up.
pub(crate) fn serve() -> io::Result<bool> {
    rustix::thread::set_name(c"host-nursery")?;
    let parent = io::stdin();
    while let Some([stdin, stderr]) = receive(parent.as_fd())? {
        let answer = match fork_sibling() {
            Ok(None) => {
                rustix::stdio::dup2_stdin(stdin)?;
                rustix::stdio::dup2_stderr(stderr)?;
                return Ok(true);
            }
            Ok(Some(pid)) => pid.as_raw_nonzero().get(),
            Err(error) => error.raw_os_error().wrapping_neg(),
        };
        rustix::net::send(&parent, &answer.to_le_bytes(), SendFlags::NOSIGNAL)?;
    }
    Ok(false)
}

/// The descriptors of the next request; `None` when the parent has hung up.
fn receive(parent: BorrowedFd<'_>) -> io::Result<Option<[OwnedFd; 2]>> {
    let mut question = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        parent,
        &mut [IoSliceMut::new(&mut question)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
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
        Err(_) => Err(io::Error::other("a nursery is asked with two descriptors")),
    }
}

/// Makes a copy of this process that is a child of this one's parent. Gives its id here, and nothing in the copy.
fn fork_sibling() -> rustix::io::Result<Option<Pid>> {
    const NONE: libc::c_long = 0;
    let flags = libc::c_long::from(libc::CLONE_PARENT);
    // SAFETY: without `CLONE_VM` the copy has a memory of its own and goes on with a copy of this very stack. This process has
    // one thread, so nothing in its memory is in the middle of a change: no lock is held, no list is half linked.
    let made = unsafe { libc::syscall(libc::SYS_clone, flags, NONE, NONE, NONE, NONE) };
    match made {
        -1 => {
            let error = io::Error::last_os_error();
            Err(Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))
        }
        pid => Ok(Pid::from_raw(pid as i32)),
    }
}
