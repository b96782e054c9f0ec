//! The channel as a worker that was taken over has it: every word and every byte of its own memory is at its will.
//!
//! The layout is written down here a second time, so a change of it shows. What is misdone with it stands in `worker` and
//! `cell`.

#![expect(
    unsafe_code,
    reason = "the word at which a worker sleeps is shared memory"
)]

use rustix::event::Timespec;
use rustix::fd::{AsFd, OwnedFd};
use rustix::mm::{MapFlags, ProtFlags};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags};
use rustix::thread::futex;
use std::fs::File;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering, fence};

/// The ring's capacity, where the shared words begin in the file, and how far they are apart.
pub(super) const CAPACITY: u64 = 256 << 10;
const WORDS: u64 = CAPACITY;
const WORD: u64 = 64;

/// Words of a memory.
pub(super) const PUBLISHED: u64 = 0;
pub(super) const TAKEN: u64 = 1;
pub(super) const PARKED: u64 = 2;
pub(super) const STARTED: u64 = 3;
pub(super) const LOG_LENGTH: u64 = 4;
const RINGS: u64 = 12;

/// Kinds of frames.
pub(super) const CHUNK: u8 = 1;
pub(super) const JOB: u8 = 2;
pub(super) const VALUE: u8 = 3;
pub(super) const FAULT: u8 = 4;
pub(super) const BATCH: u8 = 5;
pub(super) const REFUSED: u8 = 6;
pub(super) const SWEEP: u8 = 7;
pub(super) const VALUES: u8 = 8;

/// What a worker says when it is ready.
pub(super) const READY: [u8; 3] = [0, 6, 0];

pub(super) struct Channel {
    requests: File,
    pub(super) answers: File,
    /// How often the parent has rung.
    rings: &'static AtomicU32,
    bell: OwnedFd,
    pub(super) taken: u64,
    pub(super) published: u64,
    /// Jobs answered, of which the word that a job runs counts the low bits.
    pub(super) answered: u64,
}

impl Channel {
    /// Takes what the parent gives, and gives what it says of the start.
    pub(super) fn receive() -> (Channel, Vec<u8>) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(5))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut slot = [0; 4];
        let stdin = std::io::stdin();
        rustix::net::recvmsg(
            &stdin,
            &mut [IoSliceMut::new(&mut slot)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
        .unwrap();
        let mut given: Vec<OwnedFd> = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                given.extend(descriptors);
            }
        }
        let [requests, answers, bell, _, start]: [OwnedFd; 5] = given.try_into().unwrap();
        let start = File::from(start);
        let mut told = vec![0; start.metadata().unwrap().len() as usize];
        start.read_exact_at(&mut told, 0).unwrap();
        let channel = Channel {
            rings: rings(&requests),
            bell,
            requests: requests.into(),
            answers: answers.into(),
            taken: 0,
            published: 0,
            answered: 0,
        };
        (channel, told)
    }

    /// The head of the next request: its kind, its job and its payload's length.
    pub(super) fn head(&mut self) -> (u8, u32, usize) {
        let head = u64::from_le_bytes(self.take(8).try_into().unwrap());
        let length = head as u32 as usize;
        ((head >> 56) as u8, (head >> 32) as u32 & 0xff_ffff, length)
    }

    /// The payload behind a head.
    pub(super) fn payload(&mut self, length: usize) -> Vec<u8> {
        let mut payload = self.take(length.next_multiple_of(8));
        payload.truncate(length);
        payload
    }

    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        while taken.len() < bytes {
            while self.is_empty() {
                let channel = &*self;
                channel.park_until(|| !channel.is_empty());
            }
            let place = self.taken % CAPACITY;
            let there = (self.asked() - self.taken).min(CAPACITY - place) as usize;
            let mut piece = vec![0; there.min(bytes - taken.len())];
            self.requests.read_exact_at(&mut piece, place).unwrap();
            self.taken += piece.len() as u64;
            taken.extend(piece);
            self.set(TAKEN, self.taken);
        }
        taken
    }

    /// Whether nothing is asked that was not taken.
    pub(super) fn is_empty(&self) -> bool {
        self.asked() == self.taken
    }

    fn asked(&self) -> u64 {
        self.parents_word(PUBLISHED)
    }

    fn parents_word(&self, word: u64) -> u64 {
        let mut bytes = [0; 8];
        self.requests
            .read_exact_at(&mut bytes, WORDS + word * WORD)
            .unwrap();
        u64::from_le_bytes(bytes)
    }

    /// Sleeps until the parent rings, unless it need not.
    fn park_until(&self, ready: impl Fn() -> bool) {
        self.set(PARKED, 1);
        // The parent may have more to send, and wait for the space; or sleep until more answers than come.
        self.ring();
        loop {
            let seen = self.rings.load(Ordering::Acquire);
            fence(Ordering::SeqCst);
            if ready() {
                break;
            }
            if hear(RecvFlags::DONTWAIT) == Ok(0) {
                std::process::exit(0);
            }
            let _ = futex::wait(self.rings, futex::Flags::empty(), seen, Some(&A_WHILE));
        }
        self.set(PARKED, 0);
    }

    /// Wakes the parent.
    pub(super) fn ring(&self) {
        rustix::io::write(&self.bell, &1u64.to_ne_bytes()).unwrap();
    }

    pub(super) fn answer(&mut self, kind: u8, job: u32, payload: &[u8]) {
        self.put(&frame(kind, job, payload));
        self.publish();
    }

    /// Writes bytes of answers, as the parent makes room for them.
    pub(super) fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = CAPACITY - (self.published - self.parents_word(TAKEN));
            if room == 0 {
                self.publish();
                let channel = &*self;
                channel.park_until(|| channel.published - channel.parents_word(TAKEN) < CAPACITY);
                continue;
            }
            let place = self.published % CAPACITY;
            let piece = bytes.len().min(room.min(CAPACITY - place) as usize);
            self.answers.write_all_at(&bytes[..piece], place).unwrap();
            self.published += piece as u64;
            bytes = &bytes[piece..];
        }
    }

    pub(super) fn publish(&self) {
        self.set(PUBLISHED, self.published);
        self.ring();
    }

    pub(super) fn set(&self, word: u64, value: u64) {
        self.answers
            .write_all_at(&value.to_le_bytes(), WORDS + word * WORD)
            .unwrap();
    }

    /// Says that the job that comes next runs since then.
    pub(super) fn start_job(&self, nanoseconds: u64) {
        self.set(STARTED, nanoseconds & !0xffff | self.answered & 0xffff);
    }
}

pub(super) fn header(kind: u8, job: u32, length: u32) -> [u8; 8] {
    (u64::from(length) | u64::from(job & 0xff_ffff) << 32 | u64::from(kind) << 56).to_le_bytes()
}

pub(super) fn frame(kind: u8, job: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(kind, job, payload.len() as u32).to_vec();
    frame.extend(payload);
    frame.resize(frame.len().next_multiple_of(8), 0);
    frame
}

/// The value of a guest's variable in the encoded start: each text stands behind its length.
pub(super) fn variable(start: &[u8], name: &str) -> String {
    let name = [&[name.len() as u8], name.as_bytes()].concat();
    let place = start
        .windows(name.len())
        .position(|window| window == name)
        .unwrap()
        + name.len();
    let length = usize::from(start[place]);
    String::from_utf8(start[place + 1..][..length].to_vec()).unwrap()
}

pub(super) fn say(packet: &[u8]) {
    // A parent who has killed this worker already does not listen.
    let _ = rustix::net::send(std::io::stdin().as_fd(), packet, SendFlags::NOSIGNAL);
}

/// Hears the parent; 0 bytes if it hung up.
fn hear(flags: RecvFlags) -> rustix::io::Result<usize> {
    let (_, length) = rustix::net::recv(std::io::stdin().as_fd(), &mut [0; 8], flags)?;
    Ok(length)
}

/// Does nothing until the parent has enough of it.
pub(super) fn rest() -> ! {
    while hear(RecvFlags::empty()).is_ok_and(|length| length > 0) {}
    std::process::exit(0);
}

/// After so long a sleeper looks whether it still has a parent.
const A_WHILE: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

fn rings(requests: &OwnedFd) -> &'static AtomicU32 {
    const PAGE: usize = 4096;
    // SAFETY: the words are a page of the memory, which stays mapped as long as the process lives.
    unsafe {
        let read = ProtFlags::READ;
        let words = rustix::mm::mmap(
            std::ptr::null_mut(),
            PAGE,
            read,
            MapFlags::SHARED,
            requests,
            WORDS,
        );
        &*words.unwrap().byte_add((RINGS * WORD) as usize).cast()
    }
}

pub(super) fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

pub(super) fn kill() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}

/// Lives on without the socket.
pub(super) fn close() -> ! {
    // `exec` is how a safe program closes its standard input.
    let error = Command::new("sh")
        .args(["-c", "exec <&-; exec sleep 10"])
        .exec();
    panic!("{error}");
}

/// Starts a process that has the socket, and keeps it until the parent hangs up.
#[expect(
    clippy::zombie_processes,
    reason = "the child is to outlive this process"
)]
pub(super) fn leave_a_child() {
    Command::new("cat").stdout(Stdio::null()).spawn().unwrap();
}
