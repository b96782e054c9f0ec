//! Each wall alone: what native code attempts, and which of the walls keeps it from that when all others are down. The
//! table here is the one in SECURITY.md.

#![expect(
    unsafe_code,
    reason = "intruders write machine code, not Rust, and it takes their calls"
)]

use super::calls::{self, Needs};
use super::filter::{self, Otherwise};
use super::namespaces::{self, Kinds};
use super::tests::{DENIED, Ended, attempt, locked, syscall};
use super::{Before, WallState, files, rights, sys};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;

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
                    [libc::AT_FDCWD as u64, c"/etc/passwd".as_ptr() as u64, flags],
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
                    [libc::AT_FDCWD as u64, file.as_ptr() as u64, flags, 0o600],
                );
                and(file, |file| {
                    syscall(libc::SYS_write, [file, c"text".as_ptr() as u64, 4])
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
                    [libc::AT_FDCWD as u64, c"/etc/passwd".as_ptr() as u64, place],
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
                        [libc::AF_INET as u64, libc::SOCK_STREAM as u64],
                    ),
                    |socket| syscall(libc::SYS_connect, [socket, address_of(&to), 16]),
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
                        [libc::AF_INET as u64, libc::SOCK_DGRAM as u64],
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
                        [libc::AF_UNIX as u64, libc::SOCK_STREAM as u64],
                    ),
                    |socket| syscall(libc::SYS_connect, [socket, address_of(&to), length + 1]),
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
                        [libc::AF_UNIX as u64, libc::SOCK_STREAM as u64],
                    ),
                    |socket| syscall(libc::SYS_connect, [socket, address_of(&to), length]),
                )
            },
            [Deny, Deny, Deny, Pass, Pass],
        ),
        (
            "signal the parent",
            |world| syscall(libc::SYS_kill, [world.parent as u64]),
            [Deny, Deny, Pass, Pass, Pass],
        ),
        (
            "take a descriptor of the parent",
            |world| {
                and(
                    syscall(libc::SYS_pidfd_open, [world.parent as u64]),
                    |parent| syscall(libc::SYS_pidfd_getfd, [parent, 2]),
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
                    [libc::AT_FDCWD as u64, file.as_ptr() as u64],
                )
            },
            [Deny, Deny, Deny, Vary, Pass],
        ),
        (
            "trace the parent",
            |world| {
                const PTRACE_SEIZE: u64 = 0x4206;
                syscall(libc::SYS_ptrace, [PTRACE_SEIZE, world.parent as u64])
            },
            [Deny, Deny, Deny, Vary, Pass],
        ),
        (
            "mount",
            |_| {
                // A namespace of mounts first, so that nobody sees it.
                and(
                    syscall(libc::SYS_unshare, [libc::CLONE_NEWNS as u64]),
                    |_| {
                        let kind = c"tmpfs".as_ptr() as u64;
                        syscall(libc::SYS_mount, [kind, c"/tmp".as_ptr() as u64, kind])
                    },
                )
            },
            [Deny, Deny, Pass, Deny, Pass],
        ),
        (
            "enter a user namespace",
            |_| syscall(libc::SYS_unshare, [libc::CLONE_NEWUSER as u64]),
            [Deny, Pass, Deny, Pass, Pass],
        ),
        (
            "load a program into the kernel",
            |_| {
                // BPF_MAP_CREATE of an array of one number.
                let map = [2_u32, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0];
                syscall(libc::SYS_bpf, [0, address_of(&map), 48])
            },
            [Deny, Pass, Vary, Vary, Pass],
        ),
        (
            "make an io_uring",
            |_| {
                let parameters = [0_u64; 15];
                syscall(libc::SYS_io_uring_setup, [4, address_of(&parameters)])
            },
            [Deny, Pass, Pass, Vary, Pass],
        ),
        (
            "handle page faults",
            |_| {
                const USER_MODE_ONLY: u64 = 1;
                syscall(libc::SYS_userfaultfd, [USER_MODE_ONLY])
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
                    [address_of(&attributes), 0, u64::MAX, u64::MAX],
                )
            },
            [Deny, Pass, Vary, Vary, Pass],
        ),
        (
            "make a keyring",
            |_| {
                const JOIN_SESSION_KEYRING: u64 = 1;
                syscall(libc::SYS_keyctl, [JOIN_SESSION_KEYRING])
            },
            [Deny, Pass, Pass, Pass, Pass],
        ),
        (
            "make a file in memory",
            |_| syscall(libc::SYS_memfd_create, [c"x".as_ptr() as u64]),
            [Deny, Pass, Pass, Pass, Pass],
        ),
        (
            "attach shared memory of the user's",
            |world| syscall(libc::SYS_shmat, [world.shared as u64]),
            [Deny, Pass, Deny, Vary, Pass],
        ),
        (
            "map memory to write and execute",
            |_| {
                let access = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as u64;
                let kind = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
                syscall(libc::SYS_mmap, [0, 4096, access, kind, u64::MAX])
            },
            [Deny, Pass, Pass, Pass, Deny],
        ),
        (
            "make written memory executable",
            |_| {
                let kind = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
                and(
                    syscall(libc::SYS_mmap, [0, 4096, 3, kind, u64::MAX]),
                    |memory| syscall(libc::SYS_mprotect, [memory, 4096, libc::PROT_EXEC as u64]),
                )
            },
            [Deny, Pass, Pass, Pass, Deny],
        ),
        (
            "name the machine",
            |_| {
                let mut name = [0_u64; 49];
                let place = name.as_mut_ptr() as u64;
                syscall(libc::SYS_uname, [place]);
                // The name that it has.
                syscall(libc::SYS_sethostname, [place + 65, 1])
            },
            [Deny, Pass, Pass, Deny, Pass],
        ),
        (
            "raise a limit",
            |_| {
                let limit = [1_u64 << 41, 1 << 41];
                syscall(
                    libc::SYS_prlimit64,
                    [0, libc::RLIMIT_DATA as u64, address_of(&limit)],
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
