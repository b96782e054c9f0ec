//! Escape attempts in machine code: every system call there is, from processes behind the very walls of a worker.
//!
//! Each attempt is made by a process of its own, forked off the tests, which goes the way of a worker and then makes one
//! call. How it ends is what the wall did.

#![expect(
    unsafe_code,
    reason = "intruders write machine code, not Rust; forking is how to have thousands of them"
)]

use super::calls::{self, Call, Needs, Pin};
use super::{Before, Lockdown, Sandbox, Wall, WallState, arrive, die_with, sys};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use std::io::Read;
use std::os::unix::net::UnixStream;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The process goes on, and had what it wanted.
    Got,
    /// The call failed with this error.
    Failed(i32),
    /// A signal killed the process.
    Killed(i32),
    /// A wall could not be raised.
    NoWall,
}

pub(super) const DENIED: Ended = Ended::Killed(libc::SIGSYS);

/// Exit codes of a child, apart from the errors, which are smaller.
const GOT: i32 = 200;
const NO_WALL: i32 = 201;

/// Raises walls in a new process and makes an attempt there, which returns as a system call does, with -1 and `errno`.
pub(super) fn attempt(raise: impl FnOnce() -> bool, attempt: impl FnOnce() -> i64) -> Ended {
    // SAFETY: the child has one thread, and memory of its own; what it runs takes no lock but the allocator's, which
    // glibc leaves usable in a child, and it ends without running what the tests registered for their end.
    let child = unsafe { libc::fork() };
    assert!(
        child >= 0,
        "no process: {}",
        std::io::Error::last_os_error()
    );
    if child == 0 {
        let code = if !raise() {
            NO_WALL
        } else if attempt() == -1 {
            std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
        } else {
            GOT
        };
        sys::leave(code);
    }
    let mut status = 0;
    // SAFETY: the child is ours, and the status is written to a place that is ours.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(waited, child);
    match (libc::WIFSIGNALED(status), libc::WEXITSTATUS(status)) {
        (true, _) => Ended::Killed(libc::WTERMSIG(status)),
        (false, GOT) => Ended::Got,
        (false, NO_WALL) => Ended::NoWall,
        (false, error) => Ended::Failed(error),
    }
}

/// All walls, as a worker raises them.
pub(super) fn locked(needs: &Needs) -> bool {
    let before = Before {
        lifeline: None,
        // Less than this test program has already would be no limit but an end.
        memory_bytes: 1 << 40,
        file_bytes: Some(1 << 20),
        descriptors: Some(32),
        dirs: Vec::new(),
    };
    let raise = || {
        arrive().ok()?;
        let mut lockdown = Lockdown::new(Sandbox::Strict).ok()?;
        lockdown.before_load(&before).ok()?;
        lockdown.after_load(needs).ok()
    };
    raise().is_some()
}

/// A system call; the arguments that are not given are 0.
pub(super) fn syscall<const N: usize>(number: i64, arguments: [u64; N]) -> i64 {
    let given = |place: usize| arguments.get(place).copied().unwrap_or(0);
    let [a, b, c, d, e, f] = std::array::from_fn(given);
    // SAFETY: it is made in a process that ends right after, and either has no effect on memory or is meant to be denied.
    unsafe { libc::syscall(number, a, b, c, d, e, f) }
}

/// A system call by the gate of 32-bit programs.
fn by_int_0x80(number: i32) -> i64 {
    let result: i64;
    // SAFETY: as above. The gate saves all registers but the result, and LLVM keeps `rbx` for itself.
    unsafe {
        std::arch::asm!(
            "push rbx", "xor ebx, ebx", "int 0x80", "pop rbx",
            inlateout("rax") i64::from(number) => result,
            in("rcx") 0, in("rdx") 0, in("rsi") 0, in("rdi") 0,
        );
    }
    if result < 0 { -1 } else { result }
}

const HIGHEST: i64 = 600;

/// The filter denied a call, or the kernel did so itself: since 6.14 it lets `uretprobe` and, later, `uprobe` past every
/// filter, the ways back from where somebody traces a program by probes. Made anywhere else, the one is a fault and the
/// other fails.
#[track_caller]
fn assert_denied(number: i64, ended: Ended) {
    let by_kernel = matches!(
        (number, ended),
        (335, Ended::Killed(libc::SIGABRT)) | (336, Ended::Failed(libc::ENXIO))
    );
    assert!(
        ended == DENIED || by_kernel,
        "system call {number}: {ended:?}"
    );
}
/// What makes a number one of the x32 interface.
const X32: i64 = 0x4000_0000;

fn everything() -> Needs {
    Needs {
        bell: Some(4),
        timer: true,
        wasi: true,
        shared: true,
        manager: Some(1),
        files: true,
        pagemap: Some(3),
    }
}

#[test]
fn every_system_call_that_is_not_listed_kills() {
    for needs in [Needs::default(), everything()] {
        let listed: Vec<i64> = calls::serving(&needs)
            .iter()
            .map(|call| call.number)
            .collect();
        let mut denied = 0;
        for number in (0..=HIGHEST).filter(|number| !listed.contains(number)) {
            let ended = attempt(|| locked(&needs), || syscall(number, []));
            assert_denied(number, ended);
            denied += 1;
        }
        let different = listed.iter().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(denied + different.len() as i64, HIGHEST + 1);
    }
}

#[test]
fn no_number_of_the_x32_interface_passes() {
    for number in 0..=HIGHEST {
        let ended = attempt(|| locked(&Needs::default()), || syscall(X32 | number, []));
        assert_eq!(ended, DENIED, "x32 system call {number}");
    }
}

#[test]
fn no_call_by_the_32_bit_gate_passes() {
    // `getpid` there: where the kernel has no such gate, it is a fault like any other.
    let expected = match attempt(|| true, || by_int_0x80(20)) {
        Ended::Got => DENIED,
        closed => closed,
    };
    for number in 0..=HIGHEST as i32 {
        let ended = attempt(|| locked(&Needs::default()), || by_int_0x80(number));
        assert_eq!(ended, expected, "32-bit system call {number}");
    }
}

// Arguments.

/// Arguments that suit all pins of a form; what is not pinned is zero.
fn suiting(form: &[Pin]) -> [u64; 6] {
    let mut arguments = [0; 6];
    for pin in form {
        let (argument, value) = match *pin {
            Pin::Is(argument, value) => (argument, value),
            Pin::OnlyBits(argument, bits) => (argument, bits),
            Pin::BitsAre(argument, _, bits) => (argument, bits),
            Pin::AtMost(argument, _) | Pin::Null(argument) => (argument, 0),
        };
        arguments[argument as usize] |= u64::from(value);
    }
    arguments
}

/// Whether an argument is what the pin says: the filter once more, as a table.
fn suits(pin: &Pin, arguments: &[u64; 6]) -> bool {
    let low = |argument: u8| arguments[argument as usize] as u32;
    match *pin {
        Pin::Is(argument, value) => low(argument) == value,
        Pin::Null(argument) => arguments[argument as usize] == 0,
        Pin::AtMost(argument, most) => low(argument) <= most,
        Pin::OnlyBits(argument, bits) => low(argument) & !bits == 0,
        Pin::BitsAre(argument, mask, bits) => low(argument) & mask == bits,
    }
}

/// Values that a pinned argument might be given instead.
fn others(pin: &Pin) -> (u8, Vec<u64>) {
    let bits = |of: u32| (0..32).map(|bit| 1 << bit).filter(move |bit| of & bit != 0);
    match *pin {
        Pin::Is(argument, value) => (
            argument,
            (0..32).map(|bit| u64::from(value ^ 1 << bit)).collect(),
        ),
        Pin::Null(argument) => (argument, (0..64).map(|bit| 1 << bit).collect()),
        Pin::AtMost(argument, most) => (
            argument,
            [most + 1, most + 2, 1 << 16, 1 << 31, u32::MAX]
                .map(u64::from)
                .to_vec(),
        ),
        Pin::OnlyBits(argument, allowed) => (argument, bits(!allowed).map(u64::from).collect()),
        Pin::BitsAre(argument, mask, value) => (
            argument,
            bits(mask).map(|bit| u64::from(value ^ bit)).collect(),
        ),
    }
}

#[test]
fn a_listed_call_dies_of_each_argument_that_is_changed() {
    let needs = everything();
    let all = calls::serving(&needs);
    let mut changed = 0;
    for call in &all {
        let allowed = |arguments: &[u64; 6]| {
            all.iter()
                .filter(|other| other.number == call.number)
                .any(|Call { forms, .. }| {
                    forms.is_empty()
                        || (forms.iter()).any(|form| form.iter().all(|pin| suits(pin, arguments)))
                })
        };
        for form in &call.forms {
            for pin in form {
                let (argument, values) = others(pin);
                for value in values {
                    let mut arguments = suiting(form);
                    arguments[argument as usize] = value;
                    // The number of a process is known only there, so it is put in place below.
                    if allowed(&arguments) {
                        continue;
                    }
                    let ended = attempt(
                        || locked(&needs),
                        || {
                            if call.name == "tgkill" {
                                let own = suiting(&own(call, &needs));
                                for place in (0..6).filter(|place| *place != argument as usize) {
                                    arguments[place] = own[place];
                                }
                            }
                            syscall(call.number, arguments)
                        },
                    );
                    assert_eq!(ended, DENIED, "{} {arguments:?}", call.name);
                    changed += 1;
                }
            }
        }
    }
    assert!(changed > 300, "only {changed} arguments were changed");
}

/// The form that this process's own list has of a call.
fn own(call: &Call, needs: &Needs) -> Vec<Pin> {
    let own = calls::serving(needs);
    let same = own.iter().find(|other| other.name == call.name);
    same.map(|call| call.forms[0].clone()).unwrap_or_default()
}

#[test]
fn a_listed_call_as_it_is_meant_does_not_kill() {
    let needs = everything();
    for call in calls::serving(&needs) {
        let forms = match call.forms.len() {
            0 => vec![Vec::new()],
            _ => call.forms.clone(),
        };
        for (place, form) in forms.iter().enumerate() {
            let ended = attempt(
                || locked(&needs),
                || {
                    let mut arguments = suiting(form);
                    if call.name == "tgkill" {
                        arguments = suiting(&own(&call, &needs));
                    }
                    if ["recvfrom", "sendto"].contains(&call.name) {
                        // Whatever stands at descriptor 0 in the tests, nobody waits for it.
                        arguments[3] = libc::MSG_DONTWAIT as u64;
                    }
                    syscall(call.number, arguments)
                },
            );
            assert_ne!(ended, DENIED, "{} in form {place}", call.name);
            if call.name == "tgkill" {
                assert_eq!(ended, Ended::Killed(libc::SIGABRT));
            }
        }
    }
}

#[test]
fn a_process_that_dies_with_a_socket_is_killed_when_that_hangs_up() {
    let pair = || {
        let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
        rustix::net::socketpair(family, kind, SocketFlags::CLOEXEC, None).unwrap()
    };
    /// Lives until one end of the pair is used like that.
    fn live_until((ours, theirs): (OwnedFd, OwnedFd), news: impl FnOnce(OwnedFd)) -> Ended {
        let (mut hears, tells) = UnixStream::pair().unwrap();
        std::thread::scope(|scope| {
            let ended = scope.spawn(|| {
                let raise = || {
                    rustix::stdio::dup2_stdin(&theirs).ok()?;
                    rustix::stdio::dup2_stdout(&tells).ok()?;
                    // It has our end, too, and lets go of it.
                    arrive().ok()?;
                    die_with(std::io::stdin().as_fd()).ok()?;
                    rustix::io::write(std::io::stdout(), &[1]).ok()
                };
                let busy = || loop {
                    std::hint::spin_loop();
                };
                attempt(|| raise().is_some(), busy)
            });
            hears.read_exact(&mut [0]).unwrap();
            news(ours);
            ended.join().unwrap()
        })
    }
    let killed = Ended::Killed(libc::SIGKILL);
    assert_eq!(live_until(pair(), drop), killed);
    let say = |ours: OwnedFd| {
        rustix::net::send(&ours, &[1], SendFlags::NOSIGNAL).unwrap();
    };
    assert_eq!(live_until(pair(), say), killed);

    let (ours, theirs) = pair();
    drop(ours);
    let late = || {
        rustix::stdio::dup2_stdin(&theirs).ok()?;
        arrive().ok()?;
        die_with(std::io::stdin().as_fd()).ok()
    };
    assert_eq!(attempt(|| late().is_some(), || 0), Ended::NoWall);
}

#[test]
fn signals_that_were_blocked_outside_are_not_blocked_inside() {
    let blocked = || -> u64 {
        // The set as the kernel has it: 64 signals, a bit each.
        let mut mask = 0;
        let (none, to) = (std::ptr::null::<u64>() as u64, &raw mut mask as u64);
        syscall(
            libc::SYS_rt_sigprocmask,
            [libc::SIG_BLOCK as u64, none, to, 8],
        );
        mask
    };
    let block_all = || {
        let all = [u64::MAX];
        let from = all.as_ptr() as u64;
        syscall(
            libc::SYS_rt_sigprocmask,
            [libc::SIG_SETMASK as u64, from, 0, 8],
        );
        blocked() != 0
    };
    assert_eq!(attempt(block_all, || 0), Ended::Got);
    let arrives = || block_all() && arrive().is_ok();
    assert_eq!(
        attempt(arrives, || if blocked() == 0 { 0 } else { -1 }),
        Ended::Got
    );
}

#[test]
fn the_list_of_every_worker_has_sixteen_calls() {
    assert_eq!(calls::always().len(), 16);
}

#[test]
fn faults_and_aborts_of_the_process_itself_are_told_apart_from_forbidden_calls() {
    let needs = Needs::default();
    let abort = || -> i64 { std::process::abort() };
    assert_eq!(
        attempt(|| locked(&needs), abort),
        Ended::Killed(libc::SIGABRT)
    );
    // SAFETY: it isn't, and the process ends by it.
    let stray = || i64::from(unsafe { std::ptr::read_volatile(64 as *const u8) });
    assert_eq!(
        attempt(|| locked(&needs), stray),
        Ended::Killed(libc::SIGSEGV)
    );
    let illegal = || -> i64 {
        // SAFETY: as above.
        unsafe { std::arch::asm!("ud2", options(noreturn)) }
    };
    assert_eq!(
        attempt(|| locked(&needs), illegal),
        Ended::Killed(libc::SIGILL)
    );
}

#[test]
fn the_compile_helper_may_start_threads_and_no_process() {
    let shut = || {
        let before = Before {
            lifeline: None,
            memory_bytes: 1 << 40,
            file_bytes: Some(1 << 20),
            descriptors: Some(32),
            dirs: Vec::new(),
        };
        let lockdown = arrive().and_then(|()| Lockdown::new(Sandbox::Strict));
        lockdown.is_ok_and(|lockdown| lockdown.compile(&before).is_ok())
    };
    let thread = || match std::thread::Builder::new().spawn(|| 7) {
        Ok(thread) => i64::from(thread.join().is_ok_and(|seven| seven == 7)) - 1,
        Err(_) => -1,
    };
    assert_eq!(attempt(shut, thread), Ended::Got);
    // SAFETY: the child of the child, should there be one, ends at once.
    assert_eq!(attempt(shut, || i64::from(unsafe { libc::fork() })), DENIED);
    let open = || syscall(libc::SYS_openat, [0; 6]);
    assert_eq!(attempt(shut, open), Ended::Failed(libc::EPERM));
    let clone3 = || syscall(libc::SYS_clone3, [0; 6]);
    assert_eq!(attempt(shut, clone3), Ended::Failed(libc::ENOSYS));
    let listed: Vec<i64> = calls::compiling().iter().map(|call| call.number).collect();
    for number in (0..=HIGHEST).filter(|number| !listed.contains(number)) {
        let ended = attempt(shut, || syscall(number, []));
        assert_denied(number, ended);
    }
}

#[test]
fn a_manager_may_take_channels_and_open_nothing() {
    for serves_others in [false, true] {
        let shut = || {
            let before = Before {
                lifeline: None,
                memory_bytes: 1 << 40,
                file_bytes: Some(1 << 20),
                descriptors: Some(32),
                dirs: Vec::new(),
            };
            let lockdown = arrive().and_then(|()| Lockdown::new(Sandbox::Strict));
            lockdown.is_ok_and(|lockdown| lockdown.manage(&before, serves_others).is_ok())
        };
        let list = calls::managing(serves_others);
        let listed: Vec<i64> = list.iter().map(|call| call.number).collect();
        assert_eq!(listed.contains(&libc::SYS_accept4), serves_others);
        for number in (0..=HIGHEST).filter(|number| !listed.contains(number)) {
            assert_denied(number, attempt(shut, || syscall(number, [])));
        }
        // Of those that are listed, each argument that is pinned.
        for call in list.iter().filter(|call| call.name != "tgkill") {
            for form in &call.forms {
                for pin in form {
                    let (argument, values) = others(pin);
                    for value in values {
                        let mut arguments = suiting(form);
                        arguments[argument as usize] = value;
                        let allowed =
                            |form: &Vec<Pin>| form.iter().all(|pin| suits(pin, &arguments));
                        if call.forms.iter().any(allowed) {
                            continue;
                        }
                        let ended = attempt(shut, || syscall(call.number, arguments));
                        assert_eq!(ended, DENIED, "{} {arguments:?}", call.name);
                    }
                }
            }
        }
    }
}

#[test]
fn strict_refuses_what_is_missing_and_says_what_to_do() {
    let lockdown = |sandbox| Lockdown {
        sandbox,
        reports: Vec::new(),
        walled_off: true,
    };
    let fail = || Err::<(WallState, ()), _>(std::io::Error::from_raw_os_error(libc::EINVAL));
    for wall in Wall::ALL {
        let mut strict = lockdown(Sandbox::Strict);
        strict.raise(wall, fail);
        let replaced = [Wall::Namespaces, Wall::Landlock, Wall::NoNewCode].contains(&wall);
        assert_eq!(strict.check().is_ok(), replaced, "{wall:?}");
        let mut lenient = lockdown(Sandbox::BestEffort);
        lenient.raise(wall, fail);
        assert_eq!(lenient.check(), Ok(()));
        assert!(matches!(lenient.reports[0].state, WallState::Off(_)));
    }
    // Neither of the two that make up for each other.
    let mut strict = lockdown(Sandbox::Strict);
    strict.walled_off = false;
    strict.raise(Wall::Namespaces, fail);
    strict.raise(Wall::Landlock, fail);
    let missing = strict.check().unwrap_err().to_string();
    for part in [
        "`namespaces` is off",
        "`landlock` is off",
        "Invalid argument",
        "boot a kernel",
    ] {
        assert!(missing.contains(part), "{missing}");
    }
    // Switched off is off, and nothing is tried.
    let mut off = lockdown(Sandbox::Off);
    off.raise(Wall::Landlock, || -> std::io::Result<(WallState, ())> {
        unreachable!("it was switched off")
    });
    assert_eq!(off.check(), Ok(()));
}
