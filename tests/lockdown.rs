//! The walls around real workers: which stand, whether they are what was reported, what a worker uses of what it may, and
//! what becomes of a pool where they cannot be raised. Attempts to get through are in `host/src/lockdown/tests.rs`.

#![expect(
    unsafe_code,
    reason = "to watch a worker's system calls takes a descriptor that only raw calls give"
)]

use crate::process::{alone, status_kib};
use crate::{PATIENCE, builder, cache, fault, process, program, until, within};
use host::component::{Component, ComponentError, Options};
use host::{
    BuildError, Cause, Dir, End, Limits, Pool, Sandbox, Source, StartError, Wall, WallState,
};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketType,
};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use std::collections::BTreeSet;
use std::fs;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

fn states(pool: &Pool) -> Vec<(Wall, WallState)> {
    let workers = pool.stats().workers;
    let ready = workers.into_iter().find(|worker| worker.ready).unwrap();
    (ready.walls.into_iter())
        .map(|report| (report.wall, report.state))
        .collect()
}

fn state(pool: &Pool, wall: Wall) -> WallState {
    let found = states(pool).into_iter().find(|(known, _)| *known == wall);
    found.unwrap().1
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn what_a_worker_reports_is_what_the_kernel_says_of_it() {
    let pool = builder("arith").workers(1).build().unwrap();
    let pid = pool.stats().workers[0].pid;
    let reported: Vec<Wall> = states(&pool).iter().map(|(wall, _)| *wall).collect();
    assert_eq!(reported, Wall::ALL);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().to_owned()
    };
    assert_eq!(state(&pool, Wall::SystemCalls), WallState::On);
    assert_eq!(
        (line("Seccomp:"), line("Seccomp_filters:")),
        ("2".into(), "2".into())
    );
    assert_eq!(state(&pool, Wall::NoNewPrivileges), WallState::On);
    assert_eq!(line("NoNewPrivs:"), "1");
    assert_eq!(state(&pool, Wall::Capabilities), WallState::On);
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(line(set), "0000000000000000", "{set}");
    }
    assert_eq!(line("Threads:"), "1");
    assert_eq!(state(&pool, Wall::Limits), WallState::On);
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let hard = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().split_whitespace().nth(1).unwrap().to_owned()
    };
    for (limit, value) in [
        ("Max core file size", "0"),
        ("Max processes", "0"),
        ("Max open files", "32"),
        ("Max locked memory", "0"),
        // A gibibyte of its own, and four times what the guest may have.
        ("Max data size", "5368709120"),
        // The channel's memory.
        ("Max file size", "536576"),
    ] {
        assert_eq!(hard(limit), value, "{limit}");
    }
    // Whoever is not root cannot look into a process that is not dumpable, though it is his own.
    assert_eq!(state(&pool, Wall::Undumpable), WallState::On);
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"));
    assert_eq!(descriptors.is_ok(), is_root());
    if is_root() {
        for kind in ["user", "ipc", "uts", "cgroup"] {
            let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/{kind}")).unwrap();
            let left = of(&pid.to_string()) != of("self");
            let namespaces = state(&pool, Wall::Namespaces);
            assert!(left || namespaces != WallState::On, "{kind}");
        }
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        let mut targets: Vec<String> = descriptors
            .map(|entry| fs::read_link(entry.unwrap().path()).unwrap())
            .map(|target| target.to_string_lossy().into_owned())
            .map(|target| target.split([':', '[']).take(2).collect())
            .collect();
        targets.sort();
        let pagemap = format!("/proc/{pid}/pagemap");
        let own = [
            "/dev/null",
            "/memfdhost-answers (deleted)",
            "/memfdhost-code (deleted)",
            &pagemap,
            "anon_inode",
        ];
        assert_eq!(targets[..5], own);
        assert!(targets.len() == 6 && targets[5].starts_with("socket"));
    }
}

#[test]
fn the_sandbox_is_strict_unless_somebody_says_otherwise() {
    let pool = builder("arith").sandbox(Sandbox::Off).build().unwrap();
    assert_eq!(pool.apply::<i64>("square", (7_i64,)), Ok(49));
    assert!(matches!(state(&pool, Wall::SystemCalls), WallState::Off(_)));
    let pid = pool.stats().workers[0].pid;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("Seccomp:\t0\n"), "{status}");
    let strict = builder("arith").build().unwrap();
    let best_effort = builder("arith").sandbox(Sandbox::BestEffort).build();
    assert_eq!(states(&strict), states(&best_effort.unwrap()));
}

#[test]
fn fifty_of_fifty_strict_starts_succeed() {
    const STARTS: u64 = 50;
    let pool = builder("arith")
        .workers(1)
        .max_jobs_per_worker(1)
        .build()
        .unwrap();
    let mut pids = BTreeSet::new();
    let mut results = pool.imap::<i64, _>("square", 0..STARTS as i64).unwrap();
    while let Some(report) = results.next_report() {
        let report = report.unwrap();
        assert_eq!(report.outcome, Ok((report.job * report.job) as i64));
        pids.insert(report.pid);
    }
    assert_eq!(pids.len() as u64, STARTS);
    drop(results);
    let stats = pool.stats();
    assert!(stats.workers_started >= STARTS);
    assert_eq!((stats.workers_lost, stats.jobs_retried), (0, 0));
}

// What a worker uses of what it may.

const WATCHED: &str = "lockdown::is_watched_where_a_pool_starts_it_and_is_nothing_else";
const SOCKET: &str = "HOST_WATCH";

/// A program that starts the real worker with each of its system calls reported to this process, and the real compiler
/// as it is. The report is a descriptor that the kernel gives for a seccomp filter.
struct Watch {
    script: PathBuf,
    used: Arc<Mutex<BTreeSet<i64>>>,
}

impl Watch {
    fn new() -> Watch {
        let folder = std::env::temp_dir().join(format!("host-watch-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let (script, socket) = (folder.join("worker"), folder.join("socket"));
        let text = format!(
            "#!/bin/sh\n[ \"$HOST_ROLE\" = compiler ] && exec '{}'\n{SOCKET}='{}' exec '{}' {WATCHED} --exact\n",
            program().display(),
            socket.display(),
            std::env::current_exe().unwrap().display(),
        );
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let used = Arc::new(Mutex::new(BTreeSet::new()));
        let listener = UnixListener::bind(socket).unwrap();
        thread::spawn({
            let used = used.clone();
            move || {
                for worker in listener.incoming() {
                    let reports = received(&worker.unwrap());
                    let used = used.clone();
                    thread::spawn(move || note_calls(&reports, &used));
                }
            }
        });
        Watch { script, used }
    }

    fn builder(&self, component: &str) -> host::Builder {
        builder(component).workers(1).worker_program(&self.script)
    }

    fn saw(&self, number: i64) -> bool {
        self.used.lock().unwrap().contains(&number)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.script.parent().unwrap());
    }
}

fn received(from: &UnixStream) -> OwnedFd {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let into = &mut [IoSliceMut::new(&mut byte)];
    rustix::net::recvmsg(from, into, &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap();
    let mut descriptors = ancillary.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
        _ => Vec::new(),
    });
    descriptors.next().unwrap()
}

/// Lets every call go on, and notes those that come after the worker's second filter, which is the last.
fn note_calls(reports: &OwnedFd, used: &Mutex<BTreeSet<i64>>) {
    // SECCOMP_IOCTL_NOTIF_RECV and SECCOMP_IOCTL_NOTIF_SEND of seccomp_unotify(2).
    const RECEIVE: libc::c_ulong = 0xc050_2100;
    const SEND: libc::c_ulong = 0xc018_2101;
    let mut filters = 0;
    loop {
        let mut ready = [PollFd::new(reports, PollFlags::IN)];
        if poll(&mut ready, None).is_err() || !ready[0].revents().contains(PollFlags::IN) {
            return;
        }
        // SAFETY: all zeros is what the kernel wants of it, and it fits the request.
        let mut report: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the report is ours, and as long as the request says.
        if unsafe { libc::ioctl(reports.as_raw_fd(), RECEIVE, &mut report) } != 0 {
            // It was killed while we came to look.
            continue;
        }
        let number = i64::from(report.data.nr);
        if filters >= 2 {
            used.lock().unwrap().insert(number);
        }
        filters += u32::from(number == libc::SYS_seccomp);
        let mut answer = libc::seccomp_notif_resp {
            id: report.id,
            val: 0,
            error: 0,
            flags: libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        };
        // SAFETY: the answer is ours, and as long as the request says. It fails if the process died meanwhile.
        unsafe { libc::ioctl(reports.as_raw_fd(), SEND, &mut answer) };
    }
}

#[test]
fn is_watched_where_a_pool_starts_it_and_is_nothing_else() {
    let Some(socket) = std::env::var_os(SOCKET) else {
        return;
    };
    let watcher = UnixStream::connect(socket).unwrap();
    // Every call is reported but the one that tells where.
    let filter = [
        (0x20, 0, 0, 0),
        (0x15, 0, 1, libc::SYS_sendmsg as u32),
        (0x06, 0, 0, libc::SECCOMP_RET_ALLOW),
        (0x06, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
    ];
    let mut filter = filter.map(|(code, jt, jf, k)| libc::sock_filter { code, jt, jf, k });
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    rustix::thread::set_no_new_privs(true).unwrap();
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // SAFETY: the program is valid and lives as long as the call, which gives a new descriptor.
    let reports = unsafe {
        let mode = libc::SECCOMP_SET_MODE_FILTER;
        let reports = libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program);
        OwnedFd::from_raw_fd(reports as i32)
    };
    let descriptors = [reports.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let byte = [IoSlice::new(&[1])];
    rustix::net::sendmsg(&watcher, &byte, &mut ancillary, SendFlags::empty()).unwrap();
    // The copy that was sent is the one that counts.
    drop(reports);
    let error = Command::new(crate::program()).env_remove(SOCKET).exec();
    panic!("{error}");
}

/// Asks a clock how exact it is, which no guest of ours does.
const RESOLUTION: &str = r#"(component
    (import "wasi:clocks/monotonic-clock@0.2.6" (instance $clock (export "resolution" (func (result u64)))))
    (core func $resolution (canon lower (func $clock "resolution")))
    (core module $guest
        (import "clock" "resolution" (func $resolution (result i64)))
        (func (export "resolution") (result i64) (call $resolution)))
    (core instance $guest (instantiate $guest (with "clock" (instance (export "resolution" (func $resolution))))))
    (func (export "resolution") (result u64) (canon lift (core func $guest "resolution"))))"#;

/// The calls of every worker, a second time: a change of the list shows here.
const ALWAYS: [i64; 16] = [
    libc::SYS_futex,
    libc::SYS_sendto,
    libc::SYS_write,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_rt_sigreturn,
    libc::SYS_exit_group,
    libc::SYS_rt_sigprocmask,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_tgkill,
    libc::SYS_clock_gettime,
];
/// And those that a time limit, WASI, or memory that is cleared page by page add.
const SOME: [i64; 5] = [
    libc::SYS_timer_settime,
    libc::SYS_ioctl,
    libc::SYS_getrandom,
    libc::SYS_clock_getres,
    libc::SYS_restart_syscall,
];
/// What a worker does without here: a machine tells the time without a call as long as it trusts the processor's counter, and only
/// a worker that panics ends by itself.
const SPARE: [i64; 2] = [libc::SYS_clock_gettime, libc::SYS_exit_group];

#[test]
fn a_worker_uses_each_call_that_it_may_make_and_no_other() {
    alone(
        "lockdown::a_worker_uses_each_call_that_it_may_make_and_no_other",
        || {
            let watch = Watch::new();
            within(4 * PATIENCE, move || {
                exercise(&watch);
                let used = watch.used.lock().unwrap().clone();
                let mut allowed: BTreeSet<i64> = ALWAYS.into_iter().chain(SOME).collect();
                allowed.retain(|call| !SPARE.contains(call));
                let mut used_of_all = used.clone();
                used_of_all.retain(|call| !SPARE.contains(call));
                assert_eq!(used_of_all, allowed);
            });
        },
    );
}

/// All that workers do.
fn exercise(watch: &Watch) {
    let folder = std::env::temp_dir();
    let timed = Limits {
        timeout: Some(Duration::from_millis(200)),
        memory_bytes: 64 << 20,
        ..Limits::default()
    };
    let pool = watch.builder("faults").limits(timed).build().unwrap();
    fault(pool.apply::<()>("spin", ()));
    fault(pool.apply::<()>("eat-memory", ()));
    fault(pool.apply::<()>("unreachable", ()));
    fault(pool.apply::<u32>("recurse", ()));
    pool.apply::<u64>("random", ()).unwrap();
    drop(pool);

    let pool = watch.builder("faults").build().unwrap();
    assert_eq!(
        pool.apply::<Vec<u8>>("huge-result", (100_u64 << 20,))
            .unwrap()
            .len(),
        100 << 20
    );
    // A sleep that is stopped and continued.
    let pid = pool.stats().workers[0].pid;
    // A worker without a job sleeps by the same call, which is then forgotten.
    let is_asleep = || watch.saw(libc::SYS_futex) && process::is_in_state(pid, "S");
    until("it has no job", PATIENCE, is_asleep);
    watch.used.lock().unwrap().remove(&libc::SYS_futex);
    let sleep = pool.submit::<()>("sleep", (400_u64,)).unwrap();
    until("the job sleeps", PATIENCE, is_asleep);
    let worker = Pid::from_raw(pid as i32).unwrap();
    kill_process(worker, Signal::STOP).unwrap();
    until("it is stopped", PATIENCE, || process::is_in_state(pid, "T"));
    kill_process(worker, Signal::CONT).unwrap();
    assert_eq!(sleep.wait(), Ok(()));
    // The parent hangs up, and lives.
    hang_up();
    until("it ends", PATIENCE, || pool.stats().workers_lost == 1);
    drop(pool);

    let pool = Pool::builder()
        .component(Source::Bytes(RESOLUTION.as_bytes().into()))
        .workers(1)
        .worker_program(&watch.script)
        .cache_dir(cache());
    let resolution = pool.build().unwrap().apply::<u64>("resolution", ());
    assert_eq!(resolution, Ok(1));

    assert_eq!(
        abort(watch.builder("faults").dir(Dir {
            host: folder,
            guest: "/tmp".into(),
            read_only: false,
        })),
        Cause::WorkerLost(End::Killed(libc::SIGABRT))
    );
    // What files add is not part of the measure.
    let files = [libc::SYS_openat];
    watch
        .used
        .lock()
        .unwrap()
        .retain(|used| !files.contains(used));
}

/// Closes the sockets to all workers under the pools' hands.
fn hang_up() {
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let name = entry.unwrap().file_name();
        let number: i32 = name.to_str().unwrap().parse().unwrap();
        // SAFETY: it may be closed meanwhile, by the listing or another thread, and then the calls fail. This process
        // runs no other test.
        let socket = unsafe { BorrowedFd::borrow_raw(number) };
        if rustix::net::sockopt::socket_type(socket) == Ok(SocketType::SEQPACKET) {
            let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Write);
        }
    }
}

/// What becomes of a job whose worker gets no memory from the system for the result.
fn abort(builder: host::Builder) -> Cause {
    // With an account at its end a result is whole in the worker before it goes.
    let pool = builder.workers(1).account(true).build().unwrap();
    // So much that the allocator asks the system for it, and keeps none of it.
    let result = 100_u64 << 20;
    // The guest has its memory from here on.
    pool.apply::<Vec<u8>>("huge-result", (result,)).unwrap();
    let pid = pool.stats().workers[0].pid;
    let used = status_kib(pid, "VmData") << 10;
    let limit = Rlimit {
        current: Some(used),
        maximum: Some(used),
    };
    prlimit(Pid::from_raw(pid as i32), Resource::Data, limit).unwrap();
    fault(pool.apply::<Vec<u8>>("huge-result", (result,))).cause
}

#[test]
fn a_worker_without_memory_ends_by_the_signal_of_that_and_not_of_an_attack() {
    let dir = Dir {
        host: std::env::temp_dir(),
        guest: "/tmp".into(),
        read_only: false,
    };
    assert_eq!(
        abort(builder("faults").dir(dir)),
        Cause::WorkerLost(End::Killed(libc::SIGABRT))
    );
}

// Machines that lack a wall.

/// Runs `body` on a machine whose kernel answers these calls with this error: on a thread with a filter that says so.
#[track_caller]
fn where_calls_fail<T: Send>(calls: &[i64], error: i32, body: impl FnOnce() -> T + Send) -> T {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let fails = SeccompAction::Errno(error as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, fails, TargetArch::x86_64);
    let program = BpfProgram::try_from(filter.unwrap()).unwrap();
    thread::scope(|scope| {
        let machine = scope.spawn(|| {
            seccompiler::apply_filter(&program).unwrap();
            body()
        });
        match machine.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

const LANDLOCK: [i64; 3] = [
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
];

fn host(arguments: &[&str]) -> Output {
    Command::new(program())
        .args(arguments)
        .env("XDG_CACHE_HOME", cache())
        .output()
        .unwrap()
}

#[test]
fn strict_refuses_a_machine_without_walls_and_names_them() {
    // It is in the cache, so that no compile helper is needed.
    drop(builder("arith").build().unwrap());
    let lacking = [LANDLOCK.as_slice(), &[libc::SYS_unshare]].concat();
    where_calls_fail(&lacking, libc::ENOSYS, || {
        let error = builder("arith").build().unwrap_err();
        let BuildError::Start(StartError::Unprotected(missing)) = error else {
            panic!("{error}");
        };
        for part in [
            "`namespaces` is off",
            "`landlock` is off",
            "boot a kernel of 6.7",
        ] {
            assert!(missing.contains(part), "{missing}");
        }
        // The compile helper is no less strict.
        let options = Options {
            program: Some(program()),
            cache: Some(std::env::temp_dir().join(format!("host-nothing-{}", std::process::id()))),
            ..Options::default()
        };
        let refused = Component::load(&Source::from("arith"), &options).unwrap_err();
        assert!(
            matches!(refused, ComponentError::Unprotected(_)),
            "{refused}"
        );
        let _ = fs::remove_dir_all(options.cache.unwrap());
        // Who wants what there is has it, and knows what it is not.
        let pool = builder("arith")
            .sandbox(Sandbox::BestEffort)
            .build()
            .unwrap();
        assert_eq!(pool.apply::<i64>("square", (7_i64,)), Ok(49));
        assert!(matches!(state(&pool, Wall::Landlock), WallState::Off(_)));
        assert_eq!(state(&pool, Wall::SystemCalls), WallState::On);

        let refused = host(&["call", "arith", "square(7)"]);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{told}");
        assert!(
            told.contains("`landlock` is off") && told.contains("--sandbox best-effort"),
            "{told}"
        );
        let accepted = host(&["call", "arith", "square(7)", "--sandbox", "best-effort"]);
        let told = String::from_utf8_lossy(&accepted.stderr).into_owned();
        assert_eq!(
            (accepted.status.code(), accepted.stdout.as_slice()),
            (Some(0), b"49\n".as_slice()),
            "{told}"
        );
        assert!(told.contains("warning: landlock is off"), "{told}");
        let doctor = host(&["doctor"]);
        let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert_eq!(doctor.status.code(), Some(1), "{told}");
        assert!(
            told.contains("landlock              off: ") && told.contains("does not work: "),
            "{told}"
        );
    });
}

#[test]
fn one_of_the_walls_that_make_up_for_each_other_is_enough() {
    // As in a container whose profile allows no namespaces, and on a kernel without Landlock.
    for (lacking, standing) in [
        (vec![libc::SYS_unshare], Wall::Landlock),
        (LANDLOCK.to_vec(), Wall::Namespaces),
    ] {
        where_calls_fail(&lacking, libc::EPERM, || match builder("arith").build() {
            Ok(pool) => {
                assert_eq!(pool.apply::<i64>("square", (7_i64,)), Ok(49));
                assert_eq!(state(&pool, standing), WallState::On);
            }
            // This machine itself lacks the other one.
            Err(error) => {
                let error = error.to_string();
                assert!(
                    error.contains(&format!("`{}` is ", standing.name())),
                    "{error}"
                );
            }
        });
    }
}

#[test]
fn without_a_filter_of_system_calls_there_is_no_strict_worker() {
    drop(builder("arith").build().unwrap());
    where_calls_fail(&[libc::SYS_seccomp], libc::EINVAL, || {
        let error = builder("arith").build().unwrap_err().to_string();
        assert!(error.contains("`system calls` is off"), "{error}");
        let pool = builder("arith")
            .sandbox(Sandbox::BestEffort)
            .build()
            .unwrap();
        assert_eq!(pool.apply::<i64>("square", (7_i64,)), Ok(49));
    });
}

// The program.

#[test]
fn doctor_tells_of_each_wall_in_a_line() {
    let text = host(&["doctor"]);
    let text = String::from_utf8(text.stdout).unwrap();
    for wall in Wall::ALL {
        let line = text.lines().find(|line| line.starts_with(wall.name()));
        let state = line
            .unwrap_or_else(|| panic!("{wall:?} in {text}"))
            .split_at(22)
            .1;
        assert!(
            ["on", "partial: ", "off: "]
                .iter()
                .any(|word| state.starts_with(word)),
            "{state}"
        );
    }
    assert_eq!(text.lines().count(), Wall::ALL.len() + 1);
    let json = host(&["doctor", "--format", "json"]);
    let lines: Vec<serde_json::Value> = String::from_utf8(json.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), Wall::ALL.len() + 1);
    assert_eq!(lines[0]["wall"], "descriptors closed");
    assert_eq!(lines[0]["state"], "on");
    assert_eq!(lines[Wall::ALL.len()]["works"], json.status.success());
}

#[test]
fn switching_the_sandbox_off_is_never_silent() {
    let output = host(&[
        "map",
        "arith",
        "square",
        "1..=2",
        "--quiet",
        "--sandbox",
        "off",
    ]);
    assert_eq!(output.stdout, b"1\n4\n");
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        told.matches("warning: the sandbox is off").count(),
        1,
        "{told}"
    );
}

#[test]
fn a_guest_has_no_more_directories_behind_the_walls_than_were_granted() {
    let folder = std::env::temp_dir().join(format!("host-granted-{}", std::process::id()));
    fs::create_dir_all(folder.join("in")).unwrap();
    fs::write(folder.join("in/file"), "inside").unwrap();
    fs::write(folder.join("secret"), "outside").unwrap();
    std::os::unix::fs::symlink(folder.join("secret"), folder.join("in/way")).unwrap();
    let grant = |read_only| Dir {
        host: folder.join("in"),
        guest: "/in".into(),
        read_only,
    };
    let read = |pool: &Pool, path: &str| {
        pool.apply::<Result<String, String>>("read-file", (path,))
            .unwrap()
    };
    let write = |pool: &Pool, path: &str| {
        pool.apply::<Result<(), String>>("write-file", (path, "new"))
            .unwrap()
    };
    let pool = builder("faults").dir(grant(false)).build().unwrap();
    assert_eq!(read(&pool, "/in/file"), Ok("inside".into()));
    assert!(read(&pool, "/in/way").is_err());
    assert!(read(&pool, "/in/../secret").is_err());
    assert_eq!(write(&pool, "/in/made"), Ok(()));
    assert_eq!(fs::read_to_string(folder.join("in/made")).unwrap(), "new");
    let pool = builder("faults").dir(grant(true)).build().unwrap();
    assert_eq!(read(&pool, "/in/file"), Ok("inside".into()));
    assert!(write(&pool, "/in/more").is_err() && !Path::new(&folder.join("in/more")).exists());
    assert_eq!(pool.stats().workers_lost, 0);
    fs::remove_dir_all(folder).unwrap();
}
