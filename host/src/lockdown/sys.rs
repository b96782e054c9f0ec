//! The system calls behind the walls that have no safe interface.

#![expect(
    unsafe_code,
    reason = "the few system calls that the libraries in use don't offer as safe functions"
)]

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::io;

/// Closes all descriptors but standard input, output and error.
pub(super) fn close_inherited() -> io::Result<()> {
    // SAFETY: this is the first thing that a child does, so that no descriptor above 2 has an owner; and the first that a forked
    // worker does, when those that the fork server had are the standard ones now.
    checked(unsafe { libc::close_range(3, libc::c_uint::MAX, 0) })
}

/// Forgets all environment variables.
pub(super) fn clear_environment() -> io::Result<()> {
    // SAFETY: a child has one thread when it arrives, so that nobody reads the environment now.
    checked(unsafe { libc::clearenv() })
}

/// Lets every signal through: whoever started the program may have blocked some, and a trap of a guest is a signal.
pub(super) fn unblock_signals() -> io::Result<()> {
    // SAFETY: all zeros is a valid set of signals, the empty one; the old mask is not asked for.
    let error = unsafe {
        let none: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_SETMASK, &none, std::ptr::null_mut())
    };
    match error {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Enters new namespaces of these kinds.
pub(super) fn unshare(kinds: libc::c_int) -> io::Result<()> {
    // SAFETY: namespaces change what the names of files, addresses and processes mean, and no memory. Descriptors are
    // not unshared, so that none is owned twice.
    checked(unsafe { libc::unshare(kinds) })
}

/// Has this process sent a signal at each event of a socket.
///
/// *Source*: fcntl(2), `O_ASYNC`, `F_SETSIG` and `F_SETOWN`.
pub(super) fn signal_news(socket: BorrowedFd<'_>, signal: libc::c_int) -> io::Result<()> {
    /// *Source*: Linux, `include/uapi/asm-generic/fcntl.h`.
    const F_SETSIG: libc::c_int = 10;
    let number = socket.as_raw_fd();
    // SAFETY: the socket is open as long as it is borrowed, and this is a property of it.
    checked(unsafe { libc::fcntl(number, F_SETSIG, signal) })?;
    // SAFETY: as above.
    checked(unsafe { libc::fcntl(number, libc::F_SETOWN, std::process::id()) })?;
    let on_news = OFlags::from_bits_retain(libc::O_ASYNC as u32);
    Ok(fcntl_setfl(socket, fcntl_getfl(socket)? | on_news)?)
}

/// From now on no memory of this process becomes executable.
pub(super) fn refuse_new_code() -> io::Result<()> {
    const UNUSED: libc::c_ulong = 0;
    let refuse = libc::c_ulong::from(libc::PR_MDWE_REFUSE_EXEC_GAIN);
    // SAFETY: it takes a right away and touches no memory.
    checked(unsafe { libc::prctl(libc::PR_SET_MDWE, refuse, UNUSED, UNUSED, UNUSED) })
}

/// Lets a fault of this process's own code end it by the signal of that fault. The handlers that are there otherwise ask
/// for the default action to be restored, which is a system call that a process behind the walls may not make.
pub(super) fn end_at_faults() -> io::Result<()> {
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE] {
        // SAFETY: all zeros is a valid `sigaction`, without a mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = end_at_fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the handler is async-signal-safe, see there; the action is only read.
        checked(unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) })?;
    }
    Ok(())
}

/// Blocks the signal in what it interrupted, where the fault happens again at once; the kernel ends a process by a fault
/// whose signal is blocked. A signal that somebody sent, or the kernel for a call at the wrong place, happens but once, so
/// it ends the process here.
extern "C" fn end_at_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel, or Wasmtime's handler in its place, passes a `siginfo_t` and a `ucontext_t` that live as long as
    // the handler; `sigaddset` and `abort` are async-signal-safe.
    unsafe {
        let from_kernel = (*info).si_code == SI_KERNEL && signal == libc::SIGILL;
        if (*info).si_code <= 0 || from_kernel {
            libc::abort();
        }
        libc::sigaddset(
            &mut (*context.cast::<libc::ucontext_t>()).uc_sigmask,
            signal,
        );
    }
}

/// Ends the process without anything that is registered for its end.
pub(super) fn leave(code: i32) -> ! {
    // SAFETY: it runs no code of ours. Nothing is buffered that somebody waits for.
    unsafe { libc::_exit(code) }
}

/// *Source*: Linux, `include/uapi/asm-generic/siginfo.h`.
const SI_KERNEL: libc::c_int = 0x80;

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
