//! Escape attempts in machine code: every system call there is, from processes behind the very walls of a worker.
//!
//! Each attempt is made by a process of its own, forked off the tests, which goes the way of a worker and then makes one
//! call. How it ends is what the wall did.

#![expect(
    unsafe_code,
    reason = "intruders write machine code, not Rust; forking is how to have thousands of them"
)]

use super::calls::{self, Call, Needs, Pin};
use super::filter::{self, Otherwise};
use super::namespaces::{self, Kinds};
use super::{Before, Lockdown, Sandbox, Wall, WallState, arrive, files, rights, sys};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The process goes on, and had what it wanted.
    Got,
    /// The call failed with this error.
    Failed(i32),
    /// A signal killed the process.
    Killed(i32),
    /// A wall could not be raised.
    NoWall,
}

const DENIED: Ended = Ended::Killed(libc::SIGSYS);

/// Exit codes of a child, apart from the errors, which are smaller.
const GOT: i32 = 200;
const NO_WALL: i32 = 201;

/// Raises walls in a new process and makes an attempt there, which returns as a system call does, with -1 and `errno`.
fn attempt(raise: impl FnOnce() -> bool, attempt: impl FnOnce() -> i64) -> Ended {
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
fn locked(needs: &Needs) -> bool {
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

fn syscall(number: i64, arguments: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = arguments;
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
        timer: true,
        wasi: true,
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
            let ended = attempt(|| locked(&needs), || syscall(number, [0; 6]));
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
        let ended = attempt(
            || locked(&Needs::default()),
            || syscall(X32 | number, [0; 6]),
        );
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
        let ended = attempt(shut, || syscall(number, [0; 6]));
        assert_denied(number, ended);
    }
}

// Each wall alone.

/// The walls that are tried alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alone {
    Calls,
    Landlock,
    Namespaces,
    Rights,
    NoNewCode,
}

impl Alone {
    const ALL: [Alone; 5] = [
        Alone::Calls,
        Alone::Landlock,
        Alone::Namespaces,
        Alone::Rights,
        Alone::NoNewCode,
    ];

    fn raise(self) -> bool {
        match self {
            Alone::Calls => {
                filter::install(&calls::serving(&Needs::default()), Otherwise::Kill).is_ok()
            }
            Alone::Landlock => files::close(&[]).is_ok_and(|(state, _)| state == WallState::On),
            Alone::Namespaces => {
                namespaces::leave(Kinds::All).is_ok_and(|(state, _)| state == WallState::On)
            }
            Alone::Rights => {
                let before = Before {
                    lifeline: None,
                    memory_bytes: 1 << 40,
                    file_bytes: Some(0),
                    descriptors: None,
                    dirs: Vec::new(),
                };
                rights::drop_capabilities().is_ok()
                    && rights::hide_from_tracers().is_ok()
                    && rights::gain_no_privileges().is_ok()
                    && rights::limit(&before).is_ok()
                    && rights::start_no_processes().is_ok()
            }
            Alone::NoNewCode => sys::refuse_new_code().is_ok(),
        }
    }
}

/// What a wall alone does to an attempt that succeeds without walls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    /// It denies.
    Deny,
    /// It lets pass: this is not what it is for.
    Pass,
    /// It denies to one who was root, the others lacking the right anyway; or the other way round.
    Vary,
}

/// The targets of attempts: things of the parent's that are in reach of a process without walls.
struct World {
    tcp: TcpListener,
    udp: UdpSocket,
    path: PathBuf,
    _path: UnixListener,
    name: Vec<u8>,
    _name: UnixListener,
    parent: i32,
    shared: i32,
    place: u64,
}

impl World {
    fn new() -> World {
        let folder = std::env::temp_dir().join(format!("host-probes-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("socket");
        let name = format!("host-probes-{}", std::process::id()).into_bytes();
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        // SAFETY: a new segment, of ours alone.
        let shared = unsafe { libc::shmget(libc::IPC_PRIVATE, 4096, libc::IPC_CREAT | 0o600) };
        static SECRET: u64 = 0x005e_c2e7;
        World {
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
            _path: UnixListener::bind(&path).unwrap(),
            path,
            name,
            _name: UnixListener::bind_addr(&address).unwrap(),
            parent: std::process::id() as i32,
            shared,
            place: std::ptr::from_ref(&SECRET) as u64,
        }
    }

    fn inet(address: std::net::SocketAddr) -> libc::sockaddr_in {
        libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: address.port().to_be(),
            sin_addr: libc::in_addr {
                s_addr: u32::from_ne_bytes([127, 0, 0, 1]),
            },
            sin_zero: [0; 8],
        }
    }

    fn unix(name: &[u8], is_abstract: bool) -> (libc::sockaddr_un, u64) {
        let mut address = libc::sockaddr_un {
            sun_family: libc::AF_UNIX as u16,
            sun_path: [0; 108],
        };
        let start = usize::from(is_abstract);
        for (to, from) in address.sun_path[start..].iter_mut().zip(name) {
            *to = *from as i8;
        }
        (address, (2 + start + name.len()) as u64)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // SAFETY: the segment is ours and nobody is attached.
        unsafe { libc::shmctl(self.shared, libc::IPC_RMID, std::ptr::null_mut()) };
        let _ = std::fs::remove_dir_all(self.path.parent().unwrap());
    }
}

fn address_of<T>(of: &T) -> u64 {
    std::ptr::from_ref(of) as u64
}

/// Goes on with a descriptor, unless there is none.
fn and(descriptor: i64, then: impl FnOnce(u64) -> i64) -> i64 {
    if descriptor < 0 {
        -1
    } else {
        then(descriptor as u64)
    }
}

type Probe = (&'static str, fn(&World) -> i64, [Does; 5]);

/// What each attempt meets at each wall alone: the list of calls, Landlock, namespaces, rights and limits, no new code.
fn table() -> Vec<Probe> {
    use Does::{Deny, Pass, Vary};
    vec![
        (
            "open a file",
            |_| {
                let flags = (libc::O_RDONLY | libc::O_CLOEXEC) as u64;
                syscall(
                    libc::SYS_openat,
                    [
                        libc::AT_FDCWD as u64,
                        c"/etc/passwd".as_ptr() as u64,
                        flags,
                        0,
                        0,
                        0,
                    ],
                )
            },
            [Deny, Deny, Pass, Pass, Pass],
        ),
        (
            "create a file and write to it",
            |world| {
                let file = format!("{}.new\0", world.path.display());
                let flags = (libc::O_WRONLY | libc::O_CREAT) as u64;
                let file = syscall(
                    libc::SYS_openat,
                    [
                        libc::AT_FDCWD as u64,
                        file.as_ptr() as u64,
                        flags,
                        0o600,
                        0,
                        0,
                    ],
                );
                and(file, |file| {
                    syscall(libc::SYS_write, [file, c"text".as_ptr() as u64, 4, 0, 0, 0])
                })
            },
            [Deny, Deny, Pass, Deny, Pass],
        ),
        (
            "look whether a file exists",
            |_| {
                let mut stat = [0_u64; 32];
                let place = stat.as_mut_ptr() as u64;
                syscall(
                    libc::SYS_newfstatat,
                    [
                        libc::AT_FDCWD as u64,
                        c"/etc/passwd".as_ptr() as u64,
                        place,
                        0,
                        0,
                        0,
                    ],
                )
            },
            [Deny, Pass, Pass, Pass, Pass],
        ),
        (
            "start a program",
            |_| {
                // It would end this process with code 0, which is no error here either.
                let program = c"/bin/true";
                let arguments = [program.as_ptr(), std::ptr::null()];
                let nothing = [std::ptr::null::<libc::c_char>()];
                syscall(
                    libc::SYS_execve,
                    [
                        program.as_ptr() as u64,
                        arguments.as_ptr() as u64,
                        nothing.as_ptr() as u64,
                        0,
                        0,
                        0,
                    ],
                )
            },
            [Deny, Deny, Pass, Pass, Pass],
        ),
        (
            "fork",
            |_| {
                // SAFETY: the new process ends at once.
                let child = unsafe { libc::fork() };
                if child == 0 {
                    sys::leave(0);
                }
                i64::from(child)
            },
            [Deny, Pass, Pass, Vary, Pass],
        ),
        (
            "connect by TCP",
            |world| {
                let to = World::inet(world.tcp.local_addr().unwrap());
                and(
                    syscall(
                        libc::SYS_socket,
                        [libc::AF_INET as u64, libc::SOCK_STREAM as u64, 0, 0, 0, 0],
                    ),
                    |socket| syscall(libc::SYS_connect, [socket, address_of(&to), 16, 0, 0, 0]),
                )
            },
            [Deny, Deny, Deny, Pass, Pass],
        ),
        (
            "send by UDP",
            |world| {
                let to = World::inet(world.udp.local_addr().unwrap());
                and(
                    syscall(
                        libc::SYS_socket,
                        [libc::AF_INET as u64, libc::SOCK_DGRAM as u64, 0, 0, 0, 0],
                    ),
                    |socket| {
                        syscall(
                            libc::SYS_sendto,
                            [socket, c"x".as_ptr() as u64, 1, 0, address_of(&to), 16],
                        )
                    },
                )
            },
            [Deny, Pass, Deny, Pass, Pass],
        ),
        (
            "connect to a socket by its path",
            |world| {
                let (to, length) = World::unix(world.path.as_os_str().as_encoded_bytes(), false);
                and(
                    syscall(
                        libc::SYS_socket,
                        [libc::AF_UNIX as u64, libc::SOCK_STREAM as u64, 0, 0, 0, 0],
                    ),
                    |socket| {
                        syscall(
                            libc::SYS_connect,
                            [socket, address_of(&to), length + 1, 0, 0, 0],
                        )
                    },
                )
            },
            [Deny, Pass, Pass, Pass, Pass],
        ),
        (
            "connect to an abstract socket",
            |world| {
                let (to, length) = World::unix(&world.name, true);
                and(
                    syscall(
                        libc::SYS_socket,
                        [libc::AF_UNIX as u64, libc::SOCK_STREAM as u64, 0, 0, 0, 0],
                    ),
                    |socket| {
                        syscall(
                            libc::SYS_connect,
                            [socket, address_of(&to), length, 0, 0, 0],
                        )
                    },
                )
            },
            [Deny, Deny, Deny, Pass, Pass],
        ),
        (
            "signal the parent",
            |world| syscall(libc::SYS_kill, [world.parent as u64, 0, 0, 0, 0, 0]),
            [Deny, Deny, Pass, Pass, Pass],
        ),
        (
            "take a descriptor of the parent",
            |world| {
                and(
                    syscall(libc::SYS_pidfd_open, [world.parent as u64, 0, 0, 0, 0, 0]),
                    |parent| syscall(libc::SYS_pidfd_getfd, [parent, 2, 0, 0, 0, 0]),
                )
            },
            [Deny, Deny, Deny, Vary, Pass],
        ),
        (
            "read the parent's memory",
            |world| {
                let mut secret = 0_u64;
                let to = libc::iovec {
                    iov_base: std::ptr::from_mut(&mut secret).cast(),
                    iov_len: 8,
                };
                let from = libc::iovec {
                    iov_base: world.place as *mut _,
                    iov_len: 8,
                };
                syscall(
                    libc::SYS_process_vm_readv,
                    [
                        world.parent as u64,
                        address_of(&to),
                        1,
                        address_of(&from),
                        1,
                        0,
                    ],
                )
            },
            [Deny, Deny, Deny, Vary, Pass],
        ),
        (
            "open the parent's memory",
            |world| {
                let file = format!("/proc/{}/mem\0", world.parent);
                syscall(
                    libc::SYS_openat,
                    [libc::AT_FDCWD as u64, file.as_ptr() as u64, 0, 0, 0, 0],
                )
            },
            [Deny, Deny, Deny, Vary, Pass],
        ),
        (
            "trace the parent",
            |world| {
                const PTRACE_SEIZE: u64 = 0x4206;
                syscall(
                    libc::SYS_ptrace,
                    [PTRACE_SEIZE, world.parent as u64, 0, 0, 0, 0],
                )
            },
            [Deny, Deny, Deny, Vary, Pass],
        ),
        (
            "mount",
            |_| {
                // A namespace of mounts first, so that nobody sees it.
                and(
                    syscall(libc::SYS_unshare, [libc::CLONE_NEWNS as u64, 0, 0, 0, 0, 0]),
                    |_| {
                        let kind = c"tmpfs".as_ptr() as u64;
                        syscall(
                            libc::SYS_mount,
                            [kind, c"/tmp".as_ptr() as u64, kind, 0, 0, 0],
                        )
                    },
                )
            },
            [Deny, Deny, Pass, Deny, Pass],
        ),
        (
            "enter a user namespace",
            |_| {
                syscall(
                    libc::SYS_unshare,
                    [libc::CLONE_NEWUSER as u64, 0, 0, 0, 0, 0],
                )
            },
            [Deny, Pass, Deny, Pass, Pass],
        ),
        (
            "load a program into the kernel",
            |_| {
                // BPF_MAP_CREATE of an array of one number.
                let map = [2_u32, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0];
                syscall(libc::SYS_bpf, [0, address_of(&map), 48, 0, 0, 0])
            },
            [Deny, Pass, Vary, Vary, Pass],
        ),
        (
            "make an io_uring",
            |_| {
                let parameters = [0_u64; 15];
                syscall(
                    libc::SYS_io_uring_setup,
                    [4, address_of(&parameters), 0, 0, 0, 0],
                )
            },
            [Deny, Pass, Pass, Vary, Pass],
        ),
        (
            "handle page faults",
            |_| {
                const USER_MODE_ONLY: u64 = 1;
                syscall(libc::SYS_userfaultfd, [USER_MODE_ONLY, 0, 0, 0, 0, 0])
            },
            [Deny, Pass, Pass, Pass, Pass],
        ),
        (
            "count events of the processor",
            |_| {
                let mut attributes = [0_u64; 16];
                // PERF_TYPE_SOFTWARE, the size, PERF_COUNT_SW_TASK_CLOCK; without the kernel and the hypervisor.
                (attributes[0], attributes[1], attributes[5]) = (1 | 128 << 32, 1, 0b110_0000);
                syscall(
                    libc::SYS_perf_event_open,
                    [address_of(&attributes), 0, u64::MAX, u64::MAX, 0, 0],
                )
            },
            [Deny, Pass, Vary, Vary, Pass],
        ),
        (
            "make a keyring",
            |_| {
                const JOIN_SESSION_KEYRING: u64 = 1;
                syscall(libc::SYS_keyctl, [JOIN_SESSION_KEYRING, 0, 0, 0, 0, 0])
            },
            [Deny, Pass, Pass, Pass, Pass],
        ),
        (
            "make a file in memory",
            |_| {
                syscall(
                    libc::SYS_memfd_create,
                    [c"x".as_ptr() as u64, 0, 0, 0, 0, 0],
                )
            },
            [Deny, Pass, Pass, Pass, Pass],
        ),
        (
            "attach shared memory of the user's",
            |world| syscall(libc::SYS_shmat, [world.shared as u64, 0, 0, 0, 0, 0]),
            [Deny, Pass, Deny, Vary, Pass],
        ),
        (
            "map memory to write and execute",
            |_| {
                let access = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as u64;
                let kind = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
                syscall(libc::SYS_mmap, [0, 4096, access, kind, u64::MAX, 0])
            },
            [Deny, Pass, Pass, Pass, Deny],
        ),
        (
            "make written memory executable",
            |_| {
                let kind = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
                and(
                    syscall(libc::SYS_mmap, [0, 4096, 3, kind, u64::MAX, 0]),
                    |memory| {
                        syscall(
                            libc::SYS_mprotect,
                            [memory, 4096, libc::PROT_EXEC as u64, 0, 0, 0],
                        )
                    },
                )
            },
            [Deny, Pass, Pass, Pass, Deny],
        ),
        (
            "name the machine",
            |_| {
                let mut name = [0_u64; 49];
                let place = name.as_mut_ptr() as u64;
                syscall(libc::SYS_uname, [place, 0, 0, 0, 0, 0]);
                // The name that it has.
                syscall(libc::SYS_sethostname, [place + 65, 1, 0, 0, 0, 0])
            },
            [Deny, Pass, Pass, Deny, Pass],
        ),
        (
            "raise a limit",
            |_| {
                let limit = [1_u64 << 41, 1 << 41];
                syscall(
                    libc::SYS_prlimit64,
                    [0, libc::RLIMIT_DATA as u64, address_of(&limit), 0, 0, 0],
                )
            },
            [Deny, Pass, Pass, Deny, Pass],
        ),
    ]
}

#[test]
fn each_wall_alone_denies_what_it_is_for() {
    let world = World::new();
    let mut possible = Vec::new();
    for (what, probe, does) in table() {
        let succeeds = |ended: Ended| {
            matches!(ended, Ended::Got) || what == "start a program" && ended == Ended::Failed(0)
        };
        let before = attempt(|| true, || probe(&world));
        if succeeds(before) {
            possible.push(what);
        }
        for (wall, does) in Alone::ALL.into_iter().zip(does) {
            let ended = attempt(|| wall.raise(), || probe(&world));
            // A machine without this wall: `host doctor` says so, and the walls that it has are tried.
            if ended == Ended::NoWall {
                assert!(matches!(
                    wall,
                    Alone::Landlock | Alone::Namespaces | Alone::NoNewCode
                ));
                continue;
            }
            match does {
                Does::Deny => assert!(!succeeds(ended), "{wall:?} alone lets one {what}"),
                Does::Pass if succeeds(before) => {
                    assert!(
                        succeeds(ended),
                        "{wall:?} alone keeps one from trying to {what}: {ended:?}"
                    );
                }
                Does::Pass | Does::Vary => {}
            }
        }
        let ended = attempt(|| locked(&Needs::default()), || probe(&world));
        assert_eq!(ended, DENIED, "all walls: {what}");
    }
    // Otherwise the denials would show nothing. These need no privilege, and no setting of the machine.
    for what in [
        "open a file",
        "create a file and write to it",
        "look whether a file exists",
        "start a program",
        "fork",
        "connect by TCP",
        "send by UDP",
        "connect to a socket by its path",
        "connect to an abstract socket",
        "signal the parent",
        "make a file in memory",
        "map memory to write and execute",
        "make written memory executable",
    ] {
        assert!(possible.contains(&what), "without walls one cannot {what}");
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
