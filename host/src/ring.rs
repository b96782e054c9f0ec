//! The channel to one worker: two rings in shared memory, each with one writer.
//!
//! ```text
//!   request memory (the parent writes, the worker can only read)
//!     requests ═══▶ │ published: bytes of requests so far     │ taken: bytes of answers the parent has taken
//!                   │ wake: when the sleeping parent is to be woken
//!                   │ cancelled: which jobs are asked to stop │ lines taken
//!                   │ rings: how often the parent rang         │ rang on: where it was when it did
//!   answer memory (the worker writes, the parent can only read)
//!     answers ════▶ │ published: bytes of answers so far      │ taken: bytes of requests the worker has taken
//!                   │ parked: whether the worker sleeps        │ started: when the running job started
//!                   │ log: the guest's standard error          │ stderr: the process's own
//!     lines ══════▶ │ lines published, lines lost: what the guest logs
//!                   │ progress, done, total: how far the running job says that it is
//! ```
//!
//! A ring is a stream of bytes. Its indices count all bytes since the start and never wrap in practice (2⁶⁴ bytes), so
//! `published - taken` is what lies in the ring, and an index modulo the capacity is a place in it. The data is mapped
//! twice, one copy right behind the other, so that any piece of up to a capacity is contiguous. The writer fills in
//! bytes, then stores `published` with release order; the reader loads it with acquire order, copies, and stores
//! `taken`, which gives the space back. Neither side ever waits for the other with a lock held: there is no lock.
//!
//! **Sleeping.** A side that finds nothing to do first spins, then says that it sleeps (`parked`, `wake`), then looks
//! once more, then blocks. The other side first publishes, then looks whether its peer
//! sleeps, then rings. Between the two steps of each side stands a full fence, so at least one of
//! them sees the other, and no wake is lost. To take bytes publishes as well: it gives space, for which a worker may sleep.
//! But the parent need not look after each of its takes, which would be a fence for each short answer. Say that it looked,
//! after the fence, when it had taken `L` bytes. A worker that falls asleep later has seen that they were taken; it sleeps only when
//! the ring is full, so it has published `L` and a capacity by then; and it has rung, so the parent comes, sees that much
//! published, and then looks.
//!
//! `wake` holds the number of answers after which the parent wants to be woken, always the last one of a chunk, so that a
//! parent who waits for many is not woken by each, and a worker need look only there. Besides it looks where the ring is
//! half full, so that the parent comes before it is full, and always before it parks itself, so that not both sleep. It
//! rings once for each value of `wake`. The low 16 bits are a round, so that the next sleep is another value even if it is
//! until the same answer; the same one would only come again 65,536 sleeps later. Who adds jobs while the parent's leader
//! sleeps says for it, in a new round, until which answers.
//!
//! **The bells.** A worker blocks at a futex, `rings`, which the parent counts up before it wakes it: the worker looks at that
//! first, then for what it waits for, and blocks only if nobody has rung since. The parent waits for many workers at once, by
//! epoll, so that each rings an eventfd of its own; and a manager's clients wait by a socket, as they have to see it hang up.
//! After 10 ms of idling a job by two sockets took 16 to 20 µs longer than by these two, in bare processes and here (November 2026):
//! that is how much more of the kernel has to come back into the caches.
//!
//! **On one processor.** Who is woken often finds itself on the processor of the one who rang, which on a virtual machine may well
//! be the fastest: to wake another, idle processor took 110 µs. There the two can only take turns. So the parent says where it
//! rang from (`rang on`), if it had given the worker nothing for a millisecond; a worker that wakes up there goes to sleep
//! behind its answer without spinning. Where jobs follow each other faster, or are long to bring, both sides want a processor, and
//! if there is one for each, the parent keeps the worker off its own while it rings (`link/waking.rs`); the worker spins as always.
//!
//! **The worker is hostile.** The parent believes no index before it has checked it against the capacity, copies each
//! byte once, and reads only the copy. Both memories are sealed, so that neither can shrink under a reader.
//!
//! The steps of all this are in `protocol`, without memory; `host/model` runs them in every order. What is mapped where, and
//! that bytes are moved to where the protocol says, is here. This module knows no jobs and no processes.

#![expect(
    unsafe_code,
    reason = "shared memory is reached through raw pointers, all of them in this file"
)]

mod desk;
mod lines;
mod protocol;

pub(crate) use desk::Desk;
pub(crate) use lines::{LineReader, LineWriter};
pub(crate) use protocol::OutOfBounds;

use protocol::{Reading, Rung, Writing};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use rustix::thread::futex;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The atomics that the protocol is written in. Its model has others here.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
}

/// How many bytes lie in a ring at most: three chunks of 64 KiB and some room, and two rings still fit a core's cache.
pub(crate) const CAPACITY: usize = 256 << 10;

/// How much of what comes next a side that looks for it has brought near, in bytes: a tiny job takes 48, one of a record some 150
/// (0.94 instead of 1.06 µs there and back, and 1.5 instead of 1.8, on processors that are far apart, November 2026).
const NEAR: usize = 256;

const PAGE: usize = 4096;
/// The words that the two sides tell each other, each on a cache line of its own.
const WORDS: usize = 2 * CAPACITY;
/// The guest's standard error of the running job: a ring of one page.
const LOG: usize = WORDS + PAGE;
/// The ring of what the guest logs.
const LINES: usize = LOG + PAGE;
/// What the worker process itself wrote to its standard error: the last page, so that the sealed end stops a flood.
const STDERR: usize = LINES + lines::LINES_BYTES;
const MAPPED: usize = STDERR + PAGE;
/// The memory itself is shorter than its mapping by the second view of the data.
const FILE: usize = MAPPED - CAPACITY;
/// How many bytes each of the two memories takes.
pub(crate) const FILE_BYTES: u64 = FILE as u64;

/// A word in shared memory, by its place.
#[derive(Clone, Copy)]
enum Word {
    Published,
    Taken,
    Sleep,
    Started,
    LogLength,
    /// Of the worker: which job's progress stands in the next two.
    Progress,
    Done,
    Total,
    /// Of the parent: up to which answer jobs are asked to stop.
    Cancelled,
    /// Of the worker: bytes of lines so far, and how many lines were dropped.
    LinesPublished,
    LinesLost,
    /// Of the parent: bytes of lines that it has taken.
    LinesTaken,
    /// Of the parent: how often it has rung, in 32 bits.
    Rings,
    /// Of the parent: where it was when it last rang.
    RangOn,
}

/// One shared memory in this process's address space.
struct Mapping {
    base: NonNull<u8>,
}

// SAFETY: the mapping belongs to no thread; all shared words are reached through atomics, and the data through the
// ring's indices, which give each byte to one side at a time.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(memory: impl AsFd, access: ProtFlags) -> rustix::io::Result<Mapping> {
        let memory = memory.as_fd();
        // SAFETY: a fresh private reservation at an address of the kernel's choice touches nothing of ours.
        let base = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                MAPPED,
                ProtFlags::empty(),
                MapFlags::PRIVATE,
            )?
        };
        let base = NonNull::new(base.cast::<u8>()).ok_or(rustix::io::Errno::NOMEM)?;
        let mapping = Mapping { base };
        // SAFETY: both fixed mappings lie inside the reservation above, which nothing else uses.
        unsafe {
            let shared = MapFlags::SHARED | MapFlags::FIXED;
            rustix::mm::mmap(base.as_ptr().cast(), CAPACITY, access, shared, memory, 0)?;
            rustix::mm::mmap(
                base.as_ptr().add(CAPACITY).cast(),
                FILE,
                access,
                shared,
                memory,
                0,
            )?;
        }
        Ok(mapping)
    }

    fn word(&self, word: Word) -> &AtomicU64 {
        // SAFETY: the words lie inside the mapping, which lives as long as `self`, aligned to 64 bytes, and both sides
        // reach them through atomics only. Sealed memory cannot shrink away under them.
        unsafe {
            &*self
                .base
                .as_ptr()
                .add(WORDS + 64 * word as usize)
                .cast::<AtomicU64>()
        }
    }

    /// How often the parent, whose memory this is, has rung: a futex.
    fn rings(&self) -> &AtomicU32 {
        let word = std::ptr::from_ref(self.word(Word::Rings)).cast::<AtomicU32>();
        // SAFETY: it lies in the word, which lives as long, and which nothing reaches by its whole width.
        unsafe { &*word }
    }

    /// The bytes of the ring from this place on: a capacity of them is contiguous.
    fn data(&self, place: usize) -> *mut u8 {
        assert!(place < CAPACITY, "inside the ring");
        // SAFETY: a place in the ring lies inside the mapping.
        unsafe { self.base.as_ptr().add(place) }
    }

    /// Asks the processor for the bytes from `place` in the ring on, into which the peer writes while this side looks for its
    /// index. Else who sees that they are there would only then begin to wait for them, for as long as the index took.
    #[inline]
    fn bring_near(&self, place: usize) {
        for line in (0..NEAR).step_by(64) {
            // Behind the last byte of the ring is its first, by the double mapping.
            prefetch(self.data(place).wrapping_add(line));
        }
    }

    /// Writes bytes at `place`, which this side's memory has for that.
    fn put(&self, place: usize, bytes: &[u8]) {
        assert!(place + bytes.len() <= MAPPED, "inside the mapping");
        // SAFETY: the destination lies inside the mapping, and the source is private memory. The peer may be reading there, and
        // treats what it reads as any bytes.
        unsafe {
            let to = self.base.as_ptr().add(place);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
    }

    /// A copy of `length` bytes at `place`.
    fn copy(&self, place: usize, length: usize) -> Vec<u8> {
        assert!(place + length <= MAPPED, "inside the mapping");
        let mut bytes = vec![0; length];
        // SAFETY: the source lies inside the mapping, the destination is our own. The peer may be writing there, in
        // which case the bytes are any bytes, and they are treated as such.
        unsafe {
            std::ptr::copy_nonoverlapping(self.base.as_ptr().add(place), bytes.as_mut_ptr(), length)
        };
        bytes
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is ours alone, and nothing borrows from it any more. An error leaves it mapped: no harm.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), MAPPED) };
    }
}

/// Makes the two memories of a new channel: for requests, and for answers.
///
/// The answer memory's file offset stands where a process's standard error belongs, so it can serve as that.
pub(crate) fn memories() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let memory = |name| {
        let memory =
            rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&memory, FILE as u64)?;
        rustix::fs::fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW)?;
        Ok::<_, rustix::io::Errno>(memory)
    };
    let (requests, answers) = (memory("host-requests")?, memory("host-answers")?);
    rustix::fs::seek(
        &answers,
        rustix::fs::SeekFrom::Start((STDERR - CAPACITY) as u64),
    )?;
    rustix::fs::fcntl_add_seals(&answers, SealFlags::SEAL)?;
    Ok((requests, answers))
}

/// The parent's ends of a channel.
pub(crate) fn parent(
    requests: impl AsFd,
    answers: impl AsFd,
) -> rustix::io::Result<(Writer, Reader)> {
    let own = Mapping::new(&requests, ProtFlags::READ | ProtFlags::WRITE)?;
    protocol::wake(own.word(Word::Sleep));
    // From here on nobody can map the requests for writing, the worker least of all.
    rustix::fs::fcntl_add_seals(&requests, SealFlags::FUTURE_WRITE | SealFlags::SEAL)?;
    Ok(ends(own, Mapping::new(answers, ProtFlags::READ)?))
}

/// The worker's ends of a channel.
pub(crate) fn worker(
    requests: impl AsFd,
    answers: impl AsFd,
) -> rustix::io::Result<(Writer, Reader)> {
    let own = Mapping::new(answers, ProtFlags::READ | ProtFlags::WRITE)?;
    Ok(ends(own, Mapping::new(requests, ProtFlags::READ)?))
}

/// The processor that this thread is on, as a number above 0; 0 where the processor itself cannot tell, as a worker may not ask the
/// system. It is a hint: by the time that somebody reads it the thread may be elsewhere.
///
/// *Source*: Linux, `arch/x86/kernel/cpu/common.c`, `setup_getcpu`: what RDTSCP gives beside the time.
#[cfg(target_arch = "x86_64")]
fn processor() -> u64 {
    use std::arch::x86_64::{__cpuid, __rdtscp};
    use std::sync::LazyLock;
    const EXTENDED: u32 = 0x8000_0001;
    const HAS_RDTSCP: u32 = 1 << 27;
    static CAN_TELL: LazyLock<bool> = LazyLock::new(|| {
        __cpuid(EXTENDED - 1).eax >= EXTENDED && __cpuid(EXTENDED).edx & HAS_RDTSCP != 0
    });
    if !*CAN_TELL {
        return 0;
    }
    let mut number = 0;
    // SAFETY: the processor has the instruction, and the number is written to a place of ours.
    unsafe { __rdtscp(&mut number) };
    u64::from(number) + 1
}

#[cfg(not(target_arch = "x86_64"))]
fn processor() -> u64 {
    0
}

/// Asks the processor for the cache line of this byte, if it can be asked.
#[cfg(target_arch = "x86_64")]
fn prefetch(byte: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: it is a hint, which has no effect on what a program sees, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(byte.cast()) };
}

#[cfg(not(target_arch = "x86_64"))]
fn prefetch(_: *const u8) {}

fn ends(own: Mapping, peer: Mapping) -> (Writer, Reader) {
    let (own, peer) = (Arc::new(own), Arc::new(peer));
    let writer = Writer {
        own: own.clone(),
        peer: peer.clone(),
        index: Writing::default(),
    };
    let index = Reading::default();
    (writer, Reader { own, peer, index })
}

/// The end of a ring that bytes go into, and this side's words.
pub(crate) struct Writer {
    own: Arc<Mapping>,
    peer: Arc<Mapping>,
    index: Writing<CAPACITY>,
}

impl Writer {
    /// How many bytes can be written now.
    pub(crate) fn space(&mut self) -> Result<usize, OutOfBounds> {
        self.index.space(self.peer.word(Word::Taken))
    }

    /// Whether there is less space than half the capacity.
    #[inline]
    pub(crate) fn is_half_full(&mut self) -> bool {
        self.index.is_half_full(self.peer.word(Word::Taken))
    }

    /// Writes as many of `bytes` as there is space for, and says how many. The peer sees them after [`Self::publish`].
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, OutOfBounds> {
        let taken = self.peer.word(Word::Taken);
        self.index.write(bytes.len(), taken, |place, length| {
            // SAFETY: the protocol hands out `length` bytes of space at `place`, no more than `bytes` has, which are
            // contiguous by the double mapping; the reader does not look at them before they are published, and
            // `bytes` is private memory.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.own.data(place), length) };
        })
    }

    /// Shows the peer what was written.
    pub(crate) fn publish(&self) {
        self.index.publish(self.own.word(Word::Published));
    }
}

/// The end of a ring that bytes come out of.
pub(crate) struct Reader {
    own: Arc<Mapping>,
    peer: Arc<Mapping>,
    index: Reading<CAPACITY>,
}

impl Reader {
    /// How many bytes can be taken now.
    #[inline]
    pub(crate) fn available(&mut self) -> Result<usize, OutOfBounds> {
        let available = self.index.available(self.peer.word(Word::Published))?;
        if available == 0 {
            self.peer.bring_near(self.index.peek(0));
        }
        Ok(available)
    }

    /// Takes all there is: copies it once to the end of `into`, and says how many bytes it was.
    #[inline]
    pub(crate) fn take(&mut self, into: &mut Vec<u8>) -> Result<usize, OutOfBounds> {
        let available = self.available()?;
        into.reserve(available);
        let taken = self
            .take_into(&mut into.spare_capacity_mut()[..available])?
            .len();
        // SAFETY: so many bytes of the spare capacity were just initialised.
        unsafe { into.set_len(into.len() + taken) };
        Ok(taken)
    }

    /// Takes what there is and fits: copies it once to the front of `into`, and gives that part of it.
    pub(crate) fn take_into<'s>(
        &mut self,
        into: &'s mut [MaybeUninit<u8>],
    ) -> Result<&'s mut [u8], OutOfBounds> {
        let (published, taken) = (self.peer.word(Word::Published), self.own.word(Word::Taken));
        let start = into.as_mut_ptr().cast::<u8>();
        let length = self
            .index
            .take(into.len(), published, taken, |place, length| {
                // SAFETY: `length` published bytes, no more than a capacity, are contiguous by the double mapping, and `into`
                // has room for them. A hostile peer may still be writing there; then the copy holds any bytes, which are
                // checked after this.
                unsafe { std::ptr::copy_nonoverlapping(self.peer.data(place), start, length) };
            })?;
        // SAFETY: so many bytes at the front of `into` were just initialised, and it is borrowed for as long as they are.
        Ok(unsafe { std::slice::from_raw_parts_mut(start, length) })
    }

    /// The first `length` bytes, which must be available, in place. Only for a side that trusts its peer: the worker.
    pub(crate) fn peek(&self, length: usize) -> &[u8] {
        let place = self.index.peek(length);
        // SAFETY: published bytes stay as they are until they are released, which takes `&mut self`; the writer is the
        // parent, which keeps to that.
        unsafe { std::slice::from_raw_parts(self.peer.data(place), length) }
    }

    /// Whether so many bytes can be taken now. Asks the peer only where what it said before does not answer that.
    #[inline]
    pub(crate) fn has(&mut self, bytes: usize) -> Result<bool, OutOfBounds> {
        let has = self.index.has(bytes, self.peer.word(Word::Published))?;
        if !has {
            self.peer.bring_near(self.index.peek(0));
        }
        Ok(has)
    }

    /// Is done with the first `length` bytes. The writer gets their space with [`Self::give_back`].
    #[inline]
    pub(crate) fn release(&mut self, length: usize) {
        self.index.release(length);
    }

    /// Whether the writer may be waiting for the space that was just taken: look whether it sleeps. This saves the look,
    /// and its fence, after nearly all short answers.
    pub(crate) fn may_have_filled(&mut self) -> bool {
        self.index.may_have_filled()
    }

    /// Gives the writer the space of all that was released.
    pub(crate) fn give_back(&self) {
        self.index.give_back(self.own.word(Word::Taken));
    }
}

/// The parent's side of sleeping and waking, and what it can see of the worker.
impl Writer {
    /// Says that the parent sleeps until the worker has given `answers` answers in all; `round` must differ from one
    /// sleep to the next. The caller looks for answers once more before it blocks.
    pub(crate) fn sleep(&self, answers: u64, round: u16) {
        protocol::sleep(self.own.word(Word::Sleep), answers, round);
    }

    /// Says that the parent is awake.
    pub(crate) fn wake(&self) {
        protocol::wake(self.own.word(Word::Sleep));
    }

    /// Whether the peer said that it sleeps, asked after something was published for it.
    pub(crate) fn peer_sleeps(&self) -> bool {
        protocol::is_parked(self.peer.word(Word::Sleep))
    }

    /// Wakes a worker that [said that it sleeps](Self::peer_sleeps), and blocks in [`Bell::wait`].
    pub(crate) fn ring(&self, has_rested: bool) {
        let here = if has_rested { processor() } else { 0 };
        self.own.word(Word::RangOn).store(here, Ordering::Relaxed);
        self.ring_again();
    }

    /// Rings for more, where the worker may not have woken up yet.
    pub(crate) fn ring_again(&self) {
        let rings = self.own.rings();
        protocol::ring(rings);
        // It fails only for a word that is none.
        let _ = futex::wake(rings, futex::Flags::empty(), 1);
    }

    /// When the job that comes after `answered` others started, by the worker's word, in nanoseconds of the monotonic
    /// clock; `None` if it has not.
    pub(crate) fn started(&self, answered: u64) -> Option<u64> {
        let started = self.peer.word(Word::Started).load(Ordering::Relaxed);
        (started != 0 && started as u16 == answered as u16).then_some(started & !0xffff)
    }

    /// The last lines of the guest's standard error in the job that runs now, or ran last.
    pub(crate) fn log(&self) -> Vec<u8> {
        let length = self.peer.word(Word::LogLength).load(Ordering::Acquire) as usize;
        let mut log = self.peer.copy(LOG, PAGE);
        if length <= PAGE {
            log.truncate(length);
        } else {
            log.rotate_left(length % PAGE);
        }
        log
    }

    /// What the worker process wrote to its own standard error.
    pub(crate) fn stderr(&self) -> Vec<u8> {
        let mut stderr = self.peer.copy(STDERR, PAGE);
        let end = stderr.iter().position(|&byte| byte == 0).unwrap_or(PAGE);
        stderr.truncate(end);
        stderr
    }
}

/// The worker's side of sleeping and waking.
pub(crate) struct Bell {
    own: Arc<Mapping>,
    peer: Arc<Mapping>,
    rung: Rung,
}

impl Bell {
    pub(crate) fn new(writer: &Writer) -> Bell {
        Bell {
            own: writer.own.clone(),
            peer: writer.peer.clone(),
            rung: Rung::default(),
        }
    }

    /// Whether the parent is to be woken after `answers` answers in all, asked after the last of them was published. A
    /// parent that sleeps wants whole chunks, so that only their last answers need this, which costs a fence.
    pub(crate) fn due(&mut self, answers: u64) -> bool {
        self.rung.due(self.peer.word(Word::Sleep), answers)
    }

    /// Puts the worker, which has this `bell`, to sleep until it is `ready`: says that it sleeps, looks, and only then
    /// blocks, which the parent's ring ends. `block` is given how often the parent had rung before that look. The worker has
    /// asked before whether a bell is [due](Bell::due).
    pub(crate) fn park<S, E>(
        worker: &mut S,
        bell: impl Fn(&S) -> &Bell,
        ready: impl FnMut(&mut S) -> Result<bool, E>,
        block: impl FnMut(&mut S, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        let parked =
            |worker: &S, parked| protocol::park(bell(worker).own.word(Word::Sleep), parked);
        let rings = |worker: &S| protocol::rings(bell(worker).peer.rings());
        protocol::park_until(worker, parked, rings, ready, block)
    }

    /// Blocks until the parent rings, unless it has done so since `seen`.
    pub(crate) fn wait(&self, seen: u32) -> rustix::io::Result<()> {
        match futex::wait(self.peer.rings(), futex::Flags::empty(), seen, None) {
            Ok(()) | Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the parent rang for a worker that had rested, and this thread is on the parent's processor.
    pub(crate) fn is_beside_parent(&self) -> bool {
        let there = self.peer.word(Word::RangOn).load(Ordering::Relaxed);
        there != 0 && there == processor()
    }

    /// Says when the job that comes after `answered` others started, in nanoseconds of the monotonic clock, at least
    /// 2¹⁶. The low 16 bits make room for the job: the word stays when the job has ended, and the parent must not take it
    /// for the next one's.
    pub(crate) fn set_started(&self, nanoseconds: u64, answered: u64) {
        let started = nanoseconds & !0xffff | answered & 0xffff;
        self.own
            .word(Word::Started)
            .store(started, Ordering::Relaxed);
    }
}

/// Where a guest's standard error is kept so that it outlives the worker.
pub(crate) struct Log {
    own: Arc<Mapping>,
    /// Bytes since the last [`Log::clear`].
    length: AtomicU32,
}

impl Log {
    pub(crate) fn new(writer: &Writer) -> Log {
        Log {
            own: writer.own.clone(),
            length: AtomicU32::new(0),
        }
    }

    /// Adds what the guest wrote; when the page is full, the oldest bytes give way.
    pub(crate) fn append(&self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(PAGE)..];
        let start = self.length.load(Ordering::Relaxed) as usize;
        let first = bytes.len().min(PAGE - start % PAGE);
        // SAFETY: both pieces lie inside the log's page, which only this process writes; the parent treats what it
        // reads there as any bytes.
        unsafe {
            let page = self.own.base.as_ptr().add(LOG);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), page.add(start % PAGE), first);
            std::ptr::copy_nonoverlapping(bytes.as_ptr().add(first), page, bytes.len() - first);
        }
        // Past a page only the place in it matters: keep the count small, but above a page.
        let mut length = start + bytes.len();
        if length >= 3 * PAGE {
            length -= PAGE;
        }
        self.length.store(length as u32, Ordering::Relaxed);
        self.own
            .word(Word::LogLength)
            .store(length as u64, Ordering::Release);
    }

    /// Forgets the lines of the last job.
    pub(crate) fn clear(&self) {
        if self.length.load(Ordering::Relaxed) != 0 {
            self.length.store(0, Ordering::Relaxed);
            self.own.word(Word::LogLength).store(0, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests;
