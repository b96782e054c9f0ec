//! Which system calls a process may make, with which arguments, and what for.
//!
//! A worker has two lists. [`loading`] holds while machine code is mapped, which calls much; what is not on it fails.
//! [`serving`] holds for every instruction of a guest; what is not on it ends the process. Its first part, for each worker,
//! has 16 calls at most, none of which reaches anything but the process itself, the parent and a page of
//! memory for last words. What only some guests need is added for them alone, see [`Needs`]. A compile helper has one list
//! of its own, [`compiling`], and so has a manager, [`managing`].
//!
//! Tests run every number there is against these lists, change each pinned argument, and show that none is without use.

/// A system call that is allowed.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) number: i64,
    pub(crate) name: &'static str,
    /// The arguments that it may have: one of these forms, or any if there are none.
    pub(crate) forms: Vec<Vec<Pin>>,
}

/// What an argument, counted from 0, has to be. Numbers are 32 bits wide, as the kernel reads them here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pin {
    /// This number.
    Is(u8, u32),
    /// No address.
    Null(u8),
    /// No more than this number.
    AtMost(u8, u32),
    /// No bits but these.
    OnlyBits(u8, u32),
    /// These bits, of the ones in the mask.
    BitsAre(u8, u32, u32),
}

/// A system call that fails with this error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    pub(crate) number: i64,
    pub(crate) error: libc::c_int,
}

/// What one guest needs beyond what every guest does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The descriptor by which the worker wakes its parent.
    pub(crate) bell: Option<u32>,
    /// Jobs have a time limit, whose timer is started and stopped.
    pub(crate) timer: bool,
    /// The guest imports WASI: clocks, random numbers, waiting.
    pub(crate) wasi: bool,
    /// The guest works on shared objects: it waits for others and wakes them.
    pub(crate) shared: bool,
    /// The descriptor by which the worker and the manager wake each other.
    pub(crate) manager: Option<u32>,
    /// The guest was granted directories.
    pub(crate) files: bool,
    /// The descriptor by which memory is asked for the pages that were written.
    pub(crate) pagemap: Option<u32>,
}

fn call(number: i64, name: &'static str) -> Call {
    Call {
        number,
        name,
        forms: Vec::new(),
    }
}

impl Call {
    /// Allows a form of the call.
    fn with(mut self, pins: &[Pin]) -> Call {
        self.forms.push(pins.to_vec());
        self
    }
}

const READ_WRITE: u32 = (libc::PROT_READ | libc::PROT_WRITE) as u32;
const SHARING: u32 = libc::MAP_TYPE as u32;
const PRIVATE: u32 = libc::MAP_PRIVATE as u32;
/// The request of the ioctl PAGEMAP_SCAN. *Source*: Linux, `include/uapi/linux/fs.h`.
const PAGEMAP_SCAN: u32 = 0xc060_6610;
/// The last clock with a fixed number; beyond them are clocks of descriptors and processes.
const LAST_CLOCK: u32 = libc::CLOCK_TAI as u32;

/// What each worker may do with a guest inside.
pub(crate) fn always() -> Vec<Call> {
    let process = std::process::id();
    let thread = rustix::thread::gettid().as_raw_nonzero().get();
    vec![
        // Asleep until the parent rings, at a word of the channel's memory.
        call(libc::SYS_futex, "futex").with(&[Pin::Is(1, libc::FUTEX_WAIT as u32)]),
        // To greet the parent. No address, so nobody else.
        call(libc::SYS_sendto, "sendto").with(&[Pin::Is(0, 0), Pin::Null(4)]),
        // Last words: a page of the channel's memory.
        call(libc::SYS_write, "write").with(&[Pin::Is(0, 2)]),
        // Memory: an instance's, and the allocator's. Never shared, never executable.
        call(libc::SYS_mmap, "mmap").with(&[
            Pin::OnlyBits(2, READ_WRITE),
            Pin::BitsAre(3, SHARING, PRIVATE),
        ]),
        call(libc::SYS_mprotect, "mprotect").with(&[Pin::OnlyBits(2, READ_WRITE)]),
        call(libc::SYS_munmap, "munmap"),
        call(libc::SYS_mremap, "mremap").with(&[Pin::OnlyBits(3, libc::MREMAP_MAYMOVE as u32)]),
        call(libc::SYS_madvise, "madvise").with(&[Pin::Is(2, libc::MADV_DONTNEED as u32)]),
        call(libc::SYS_brk, "brk"),
        // Back from a trap, whose signal Wasmtime handles, and from the tick of the clock.
        call(libc::SYS_rt_sigreturn, "rt_sigreturn"),
        // Where the kernel cannot tell the time without being called, as after it lost trust in the processor's counter; and
        // processor time, which jobs are accounted by.
        call(libc::SYS_clock_gettime, "clock_gettime").with(&[Pin::AtMost(0, LAST_CLOCK)]),
        // The end: by a code, or by `abort`, so that running out of memory looks like that and not like an attack.
        call(libc::SYS_exit_group, "exit_group"),
        call(libc::SYS_rt_sigprocmask, "rt_sigprocmask"),
        call(libc::SYS_gettid, "gettid"),
        call(libc::SYS_getpid, "getpid"),
        call(libc::SYS_tgkill, "tgkill").with(&[
            Pin::Is(0, process),
            Pin::Is(1, thread.unsigned_abs()),
            Pin::Is(2, libc::SIGABRT as u32),
        ]),
    ]
}

/// What a worker may do with this guest inside.
pub(crate) fn serving(needs: &Needs) -> Vec<Call> {
    let mut calls = always();
    if let Some(bell) = needs.bell {
        add(
            &mut calls,
            call(libc::SYS_write, "write").with(&[Pin::Is(0, bell)]),
        );
    }
    if needs.timer {
        calls.push(call(libc::SYS_timer_settime, "timer_settime").with(&[Pin::Is(1, 0)]));
    }
    if let Some(pagemap) = needs.pagemap {
        let form = [Pin::Is(0, pagemap), Pin::Is(1, PAGEMAP_SCAN)];
        calls.push(call(libc::SYS_ioctl, "ioctl").with(&form));
    }
    if needs.wasi || needs.files {
        wasi().into_iter().for_each(|call| add(&mut calls, call));
    }
    if needs.files {
        calls.extend(files());
    }
    if needs.shared {
        share().into_iter().for_each(|call| add(&mut calls, call));
    }
    if let Some(manager) = needs.manager {
        let pins = [Pin::Is(0, manager), Pin::Null(4)];
        add(&mut calls, call(libc::SYS_sendto, "sendto").with(&pins));
        add(&mut calls, call(libc::SYS_recvfrom, "recvfrom").with(&pins));
    }
    calls
}

/// Allows this as well, in its forms.
fn add(calls: &mut Vec<Call>, call: Call) {
    match calls.iter_mut().find(|other| other.number == call.number) {
        Some(other) => other.forms.extend(call.forms),
        None => calls.push(call),
    }
}

/// Waiting at a word in shared memory, which each worker may, and waking who waits there.
fn share() -> [Call; 2] {
    [
        call(libc::SYS_futex, "futex").with(&[Pin::Is(1, libc::FUTEX_WAKE as u32)]),
        call(libc::SYS_restart_syscall, "restart_syscall"),
    ]
}

/// Clocks, random numbers, waiting.
fn wasi() -> [Call; 4] {
    let private = |operation: i32| Pin::Is(1, (operation | libc::FUTEX_PRIVATE_FLAG) as u32);
    [
        call(libc::SYS_getrandom, "getrandom"),
        call(libc::SYS_clock_getres, "clock_getres").with(&[Pin::AtMost(0, LAST_CLOCK)]),
        // How a guest sleeps; with files also how the two threads wait for each other.
        call(libc::SYS_futex, "futex")
            .with(&[private(libc::FUTEX_WAIT)])
            .with(&[private(libc::FUTEX_WAKE)])
            .with(&[private(libc::FUTEX_WAIT_BITSET)]),
        // To go on sleeping where somebody stopped and continued the process.
        call(libc::SYS_restart_syscall, "restart_syscall"),
    ]
}

/// What WASI does in directories; which ones, Landlock says.
fn files() -> Vec<Call> {
    let command = |command: i32| [Pin::Is(1, command as u32)];
    vec![
        call(libc::SYS_openat, "openat"),
        call(libc::SYS_openat2, "openat2"),
        call(libc::SYS_close, "close"),
        call(libc::SYS_fcntl, "fcntl")
            .with(&command(libc::F_GETFL))
            .with(&command(libc::F_SETFL))
            .with(&command(libc::F_GETFD))
            .with(&command(libc::F_DUPFD_CLOEXEC)),
        call(libc::SYS_fstat, "fstat"),
        call(libc::SYS_newfstatat, "newfstatat"),
        call(libc::SYS_statx, "statx"),
        call(libc::SYS_readlinkat, "readlinkat"),
        call(libc::SYS_getdents64, "getdents64"),
        call(libc::SYS_lseek, "lseek"),
        call(libc::SYS_read, "read"),
        call(libc::SYS_write, "write"),
        call(libc::SYS_pread64, "pread64"),
        call(libc::SYS_pwrite64, "pwrite64"),
        call(libc::SYS_preadv, "preadv"),
        call(libc::SYS_pwritev, "pwritev"),
        call(libc::SYS_preadv2, "preadv2"),
        call(libc::SYS_pwritev2, "pwritev2"),
        call(libc::SYS_writev, "writev"),
        call(libc::SYS_ftruncate, "ftruncate"),
        call(libc::SYS_fadvise64, "fadvise64"),
        call(libc::SYS_fsync, "fsync"),
        call(libc::SYS_fdatasync, "fdatasync"),
        call(libc::SYS_mkdirat, "mkdirat"),
        call(libc::SYS_unlinkat, "unlinkat"),
        call(libc::SYS_renameat, "renameat"),
        call(libc::SYS_renameat2, "renameat2"),
        call(libc::SYS_linkat, "linkat"),
        call(libc::SYS_symlinkat, "symlinkat"),
        call(libc::SYS_utimensat, "utimensat"),
    ]
}

/// What a worker may do while machine code is mapped, whose file the guest may have chosen. What [`serving`] allows and
/// this does not fails afterwards, too.
pub(crate) fn loading() -> Vec<Call> {
    let everything = Needs {
        bell: None,
        timer: true,
        wasi: true,
        shared: true,
        manager: None,
        files: true,
        pagemap: None,
    };
    let mut calls = serving(&everything);
    // Which socket is the manager's, the next list says.
    calls.retain(|call| call.number != libc::SYS_sendto);
    calls.extend(sockets());
    // Here memory may yet become executable, and descriptors and threads are ours.
    calls.retain(|call| !LOADING.iter().any(|(number, _)| *number == call.number));
    calls.extend(LOADING.iter().map(|(number, name)| call(*number, name)));
    calls
}

/// To read from a connected socket and to write to one, whichever it is.
fn sockets() -> [Call; 2] {
    [
        call(libc::SYS_recvfrom, "recvfrom").with(&[Pin::Null(4)]),
        call(libc::SYS_sendto, "sendto").with(&[Pin::Null(4)]),
    ]
}

const LOADING: [(i64, &str); 20] = [
    (libc::SYS_mmap, "mmap"),
    (libc::SYS_mprotect, "mprotect"),
    (libc::SYS_madvise, "madvise"),
    (libc::SYS_write, "write"),
    (libc::SYS_fcntl, "fcntl"),
    (libc::SYS_ioctl, "ioctl"),
    (libc::SYS_futex, "futex"),
    // The memory of a guest whose image is not a piece of the file.
    (libc::SYS_memfd_create, "memfd_create"),
    // The clock of time limits, the handlers of traps and the stack that they run on.
    (libc::SYS_timer_create, "timer_create"),
    (libc::SYS_rt_sigaction, "rt_sigaction"),
    (libc::SYS_sigaltstack, "sigaltstack"),
    // The thread that reads and writes granted files.
    (libc::SYS_clone3, "clone3"),
    (libc::SYS_set_robust_list, "set_robust_list"),
    (libc::SYS_rseq, "rseq"),
    (libc::SYS_sched_getaffinity, "sched_getaffinity"),
    // And on to the next list.
    (libc::SYS_prctl, "prctl"),
    (libc::SYS_prlimit64, "prlimit64"),
    (libc::SYS_seccomp, "seccomp"),
    (libc::SYS_poll, "poll"),
    (libc::SYS_exit, "exit"),
];

/// What the compile helper may do with a component in its memory: read what it was given, compute on several threads,
/// write its answer. What it compiles is never made executable.
pub(crate) fn compiling() -> Vec<Call> {
    /// What `pthread_create` asks for, and no new process.
    const THREAD: u32 = (libc::CLONE_VM
        | libc::CLONE_FS
        | libc::CLONE_FILES
        | libc::CLONE_SIGHAND
        | libc::CLONE_THREAD
        | libc::CLONE_SYSVSEM
        | libc::CLONE_SETTLS
        | libc::CLONE_PARENT_SETTID
        | libc::CLONE_CHILD_CLEARTID) as u32;
    let mut calls = always();
    // The socket of a worker is no business of this process, and threads abort, too.
    calls.retain(|call| !["futex", "sendto", "write", "tgkill"].contains(&call.name));
    calls.extend([
        call(libc::SYS_getrandom, "getrandom"),
        call(libc::SYS_futex, "futex"),
        call(libc::SYS_restart_syscall, "restart_syscall"),
        call(libc::SYS_read, "read"),
        call(libc::SYS_write, "write"),
        call(libc::SYS_lseek, "lseek"),
        call(libc::SYS_close, "close"),
        call(libc::SYS_clone, "clone").with(&[Pin::Is(0, THREAD)]),
        call(libc::SYS_set_robust_list, "set_robust_list"),
        call(libc::SYS_rseq, "rseq"),
        call(libc::SYS_rt_sigaction, "rt_sigaction"),
        call(libc::SYS_sigaltstack, "sigaltstack"),
        call(libc::SYS_sched_getaffinity, "sched_getaffinity"),
        call(libc::SYS_sched_yield, "sched_yield"),
        call(libc::SYS_prctl, "prctl").with(&[Pin::Is(0, libc::PR_SET_NAME as u32)]),
        call(libc::SYS_prlimit64, "prlimit64").with(&[Pin::Null(2)]),
        call(libc::SYS_tgkill, "tgkill").with(&[
            Pin::Is(0, std::process::id()),
            Pin::Is(2, libc::SIGABRT as u32),
        ]),
        call(libc::SYS_exit, "exit"),
    ]);
    // What is refused below has to pass here.
    calls.extend(REFUSED_COMPILING.map(|refusal| call(refusal.number, "refused")));
    calls
}

/// What a manager may do: wait for its clients and talk to them, map the channels that it is sent, keep objects. With programs
/// that come by a socket, also let them in.
pub(crate) fn managing(serves_others: bool) -> Vec<Call> {
    let mut calls = always();
    calls.retain(|call| !["futex", "sendto", "mmap"].contains(&call.name));
    // Which descriptors are sockets of clients changes all the time; no address, so to nobody else.
    calls.extend(sockets());
    calls.extend([
        // The channels of new clients.
        call(libc::SYS_recvmsg, "recvmsg"),
        call(libc::SYS_fstat, "fstat"),
        call(libc::SYS_fcntl, "fcntl")
            .with(&[Pin::Is(1, libc::F_GET_SEALS as u32)])
            .with(&[Pin::Is(1, libc::F_ADD_SEALS as u32)]),
        call(libc::SYS_mmap, "mmap").with(&[Pin::OnlyBits(2, READ_WRITE)]),
        call(libc::SYS_close, "close"),
        // Asleep until one of them rings, or somebody's time is over.
        call(libc::SYS_poll, "poll"),
        call(libc::SYS_ppoll, "ppoll"),
        // To go on sleeping where somebody stopped and continued the process.
        call(libc::SYS_restart_syscall, "restart_syscall"),
    ]);
    if serves_others {
        calls.push(call(libc::SYS_accept4, "accept4"));
    }
    calls
}

/// What libraries ask for and do without: the files that tell how many processors there are, and a way to start threads
/// whose arguments a filter cannot see.
pub(crate) const REFUSED_COMPILING: [Refusal; 6] = [
    refusal(libc::SYS_openat, libc::EPERM),
    refusal(libc::SYS_open, libc::EPERM),
    refusal(libc::SYS_statx, libc::EPERM),
    refusal(libc::SYS_newfstatat, libc::EPERM),
    refusal(libc::SYS_readlink, libc::EPERM),
    refusal(libc::SYS_clone3, libc::ENOSYS),
];

const fn refusal(number: i64, error: libc::c_int) -> Refusal {
    Refusal { number, error }
}
