//! A process that does one thing, instruction by instruction, and stands still or dies when it has come so far.
//!
//! The tests fork it off, trace it, and let it make one step after the other. Between two steps that change the shared memory or
//! come back from the system nobody else can tell a difference, so these are the moments at which it can stop or die. What it did and what
//! becomes of it then is for others to know.

#![expect(
    unsafe_code,
    reason = "to trace a process, step by step, has no safe interface"
)]

use super::look;
use super::segment::Segment;
use super::slot::OBJECTS;
use std::cell::Cell;
use std::fs;
use std::io::Error;

/// How far a process came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It stands still there.
    Stands,
    /// It was done before that.
    Ended,
}

/// How much of the memory is compared: the first objects in it.
const WATCHED: usize = 32 << 10;

/// Has a process do `work`, and stops it after so many moments: before it begins is none. Where it sleeps for good,
/// `meanwhile` is done, once, which has to wake it. When what this gives is dropped, the process is killed.
pub(super) fn stop_after(
    moments: u32,
    segment: &Segment,
    work: impl FnOnce(),
    meanwhile: impl FnOnce(),
) -> (Traced, Life) {
    let process = Traced::fork(work);
    let mut meanwhile = Some(meanwhile);
    let (mut before, mut now) = (vec![0; WATCHED], vec![0; WATCHED]);
    segment.read(OBJECTS, &mut before);
    let mut left = moments;
    while left > 0 {
        let is_moment = match process.step() {
            Step::Ended => return (process, Life::Ended),
            Step::Made => false,
            Step::Called => true,
            Step::Asleep => {
                if left > 1 {
                    let meanwhile = meanwhile.take();
                    meanwhile.expect("it sleeps, and nobody wakes it")();
                    process.wake();
                }
                true
            }
        };
        segment.read(OBJECTS, &mut now);
        left -= u32::from(is_moment || now != before);
        std::mem::swap(&mut before, &mut now);
    }
    (process, Life::Stands)
}

/// What one step was.
enum Step {
    /// An instruction.
    Made,
    /// A call of the system that came back.
    Called,
    /// A call of the system in which it sleeps.
    Asleep,
    /// Its last.
    Ended,
}

/// A process that stands still but for the steps that it is told to make. When this is dropped it is killed and reaped.
pub(super) struct Traced {
    pid: libc::pid_t,
    /// Whether it ended, and its number may be another's by now.
    is_gone: Cell<bool>,
}

impl Traced {
    fn fork(work: impl FnOnce()) -> Traced {
        // SAFETY: the child has one thread, and memory of its own but for what is shared on purpose; it takes no lock but
        // the allocator's, which glibc leaves usable in a child, and ends without what the tests registered for their end.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "no process: {}", Error::last_os_error());
        if child == 0 {
            look::sleep_at_once();
            // SAFETY: it changes who is told of this process' stops, and stops it.
            unsafe {
                libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
                libc::raise(libc::SIGSTOP);
            }
            // A panic must not bring the child back among the tests.
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            // SAFETY: nothing is buffered that somebody waits for.
            unsafe { libc::_exit(done.is_err().into()) }
        }
        let traced = Traced {
            pid: child,
            is_gone: Cell::new(false),
        };
        assert!(libc::WIFSTOPPED(traced.wait(0).expect("it stops")));
        // A tracer that is killed leaves no process behind.
        traced.ask(libc::PTRACE_SETOPTIONS, 0, libc::PTRACE_O_EXITKILL as usize);
        traced
    }

    fn step(&self) -> Step {
        let is_call = self.is_at_call();
        self.ask(libc::PTRACE_SINGLESTEP, 0, 0);
        let status = loop {
            // Only a call can take long: then it is looked at all the time.
            let now = if is_call { libc::WNOHANG } else { 0 };
            match self.wait(now) {
                Some(status) => break status,
                None if self.sleeps() => return Step::Asleep,
                None => std::thread::yield_now(),
            }
        };
        match (libc::WIFSTOPPED(status), is_call) {
            (false, _) => {
                assert_eq!(status, 0, "how the process ended");
                Step::Ended
            }
            (true, _) if libc::WSTOPSIG(status) != libc::SIGTRAP => {
                panic!("the process met signal {}", libc::WSTOPSIG(status))
            }
            (true, true) => Step::Called,
            (true, false) => Step::Made,
        }
    }

    /// Waits until its sleep is over.
    fn wake(&self) {
        let status = self.wait(0).expect("it stops");
        assert!(libc::WIFSTOPPED(status), "how the process ended: {status}");
    }

    /// Whether what it does next is a call of the system.
    fn is_at_call(&self) -> bool {
        const SYSCALL: [u8; 2] = [0x0f, 0x05];
        let at = self.ask(libc::PTRACE_PEEKUSER, 8 * libc::RIP as usize, 0);
        // SAFETY: the other process runs the same code at the same addresses, which is there to be read.
        let next = unsafe { std::ptr::read_unaligned(at as *const [u8; 2]) };
        next == SYSCALL
    }

    fn sleeps(&self) -> bool {
        let stat =
            fs::read_to_string(format!("/proc/{}/stat", self.pid)).expect("it is not reaped");
        stat.contains(") S ")
    }

    fn ask(&self, request: libc::c_uint, at: usize, with: usize) -> i64 {
        // SAFETY: the requests that are made here write to no memory of this process.
        let answer = unsafe { libc::ptrace(request, self.pid, at, with) };
        assert!(answer != -1, "ptrace: {}", Error::last_os_error());
        answer
    }

    fn wait(&self, options: i32) -> Option<i32> {
        let mut status = 0;
        // SAFETY: the child is ours, and the status is written to a place that is ours.
        let waited = unsafe { libc::waitpid(self.pid, &mut status, options) };
        assert!(waited >= 0, "waitpid: {}", Error::last_os_error());
        let has_come = waited == self.pid;
        self.is_gone.set(has_come && !libc::WIFSTOPPED(status));
        has_come.then_some(status)
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if !self.is_gone.get() {
            // SAFETY: nobody else reaps it, so the number is still its own.
            unsafe {
                libc::kill(self.pid, libc::SIGKILL);
                libc::waitpid(self.pid, std::ptr::null_mut(), 0);
            }
        }
    }
}
