//! A channel like `ring.rs` has it, in the model's memory: the words are loom's atomics, each byte is a cell in which
//! loom sees every access that races with another.

use super::protocol::{self, OutOfBounds, Reading, Rung, Writing};
use loom::cell::Cell;
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use loom::sync::{Condvar, Mutex, Notify};
use std::sync::Arc;

/// What one side writes and the other reads.
struct Memory<const C: usize> {
    published: AtomicU64,
    taken: AtomicU64,
    sleep: AtomicU64,
    rings: Futex,
    bytes: [Cell<u8>; C],
}

// SAFETY: this is what the model is there to find out. Loom checks each access to a cell against all others.
unsafe impl<const C: usize> Sync for Memory<C> {}
// SAFETY: as above.
unsafe impl<const C: usize> Send for Memory<C> {}

impl<const C: usize> Memory<C> {
    fn new() -> Arc<Memory<C>> {
        Arc::new(Memory {
            published: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            sleep: AtomicU64::new(0),
            rings: Futex::new(),
            bytes: std::array::from_fn(|_| Cell::new(0)),
        })
    }
}

/// The parent's ends and the worker's.
pub(crate) fn ends<const C: usize>() -> ((Writer<C>, Reader<C>), (Writer<C>, Reader<C>)) {
    let (requests, answers) = (Memory::new(), Memory::new());
    protocol::wake(&requests.sleep);
    let side = |own: &Arc<Memory<C>>, peer: &Arc<Memory<C>>| {
        (
            Writer {
                own: own.clone(),
                peer: peer.clone(),
                index: Writing::default(),
            },
            Reader {
                own: own.clone(),
                peer: peer.clone(),
                index: Reading::default(),
            },
        )
    };
    (side(&requests, &answers), side(&answers, &requests))
}

pub(crate) struct Writer<const C: usize> {
    own: Arc<Memory<C>>,
    peer: Arc<Memory<C>>,
    index: Writing<C>,
}

impl<const C: usize> Writer<C> {
    pub(crate) fn space(&mut self) -> Result<usize, OutOfBounds> {
        self.index.space(&self.peer.taken)
    }

    pub(crate) fn is_half_full(&mut self) -> bool {
        self.index.is_half_full(&self.peer.taken)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, OutOfBounds> {
        let own = &self.own;
        self.index
            .write(bytes.len(), &self.peer.taken, |place, length| {
                for (i, &byte) in bytes[..length].iter().enumerate() {
                    own.bytes[(place + i) % C].set(byte);
                }
            })
    }

    pub(crate) fn publish(&self) {
        self.index.publish(&self.own.published);
    }

    pub(crate) fn sleep(&self, answers: u64, round: u16) {
        protocol::sleep(&self.own.sleep, answers, round);
    }

    pub(crate) fn wake(&self) {
        protocol::wake(&self.own.sleep);
    }

    pub(crate) fn ring(&self) {
        if protocol::is_parked(&self.peer.sleep) {
            protocol::ring(&self.own.rings.count);
            self.own.rings.wake();
        }
    }
}

pub(crate) struct Reader<const C: usize> {
    own: Arc<Memory<C>>,
    peer: Arc<Memory<C>>,
    index: Reading<C>,
}

impl<const C: usize> Reader<C> {
    pub(crate) fn available(&mut self) -> Result<usize, OutOfBounds> {
        self.index.available(&self.peer.published)
    }

    pub(crate) fn take(&mut self, into: &mut Vec<u8>, most: usize) -> Result<usize, OutOfBounds> {
        let peer = &self.peer;
        self.index
            .take(most, &peer.published, &self.own.taken, |place, length| {
                into.extend((place..place + length).map(|place| peer.bytes[place % C].get()));
            })
    }

    pub(crate) fn may_have_filled(&mut self) -> bool {
        self.index.may_have_filled()
    }

    /// Looks at every byte, so that loom sees when it was looked at. A caller that uses them for longer peeks again.
    pub(crate) fn peek(&self, length: usize) -> Vec<u8> {
        let place = self.index.peek(length);
        (place..place + length)
            .map(|place| self.peer.bytes[place % C].get())
            .collect()
    }

    pub(crate) fn has(&mut self, bytes: usize) -> Result<bool, OutOfBounds> {
        self.index.has(bytes, &self.peer.published)
    }

    pub(crate) fn release(&mut self, length: usize) {
        self.index.release(length);
    }

    pub(crate) fn give_back(&self) {
        self.index.give_back(&self.own.taken);
    }
}

pub(crate) struct Bell<const C: usize> {
    own: Arc<Memory<C>>,
    peer: Arc<Memory<C>>,
    rung: Rung,
}

impl<const C: usize> Bell<C> {
    pub(crate) fn new(writer: &Writer<C>) -> Bell<C> {
        Bell {
            own: writer.own.clone(),
            peer: writer.peer.clone(),
            rung: Rung::default(),
        }
    }

    pub(crate) fn due(&mut self, answers: u64) -> bool {
        self.rung.due(&self.peer.sleep, answers)
    }

    pub(crate) fn park<S, E>(
        worker: &mut S,
        bell: impl Fn(&S) -> &Bell<C>,
        ready: impl FnMut(&mut S) -> Result<bool, E>,
        block: impl FnMut(&mut S, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        let parked = |worker: &S, parked| protocol::park(&bell(worker).own.sleep, parked);
        let rings = |worker: &S| protocol::rings(&bell(worker).peer.rings.count);
        protocol::park_until(worker, parked, rings, ready, block)
    }

    pub(crate) fn wait(&self, seen: u32) {
        self.peer.rings.wait(seen);
    }
}

/// A word at which one thread sleeps. The kernel compares it and adds the sleeper to a queue under one lock, which who wakes takes as
/// well.
struct Futex {
    count: AtomicU32,
    queue: Mutex<()>,
    woken: Condvar,
}

impl Futex {
    fn new() -> Futex {
        Futex {
            count: AtomicU32::new(0),
            queue: Mutex::new(()),
            woken: Condvar::new(),
        }
    }

    fn wake(&self) {
        let _queue = self.queue.lock().expect("nobody panics");
        self.woken.notify_one();
    }

    /// Sleeps, unless the word is another.
    fn wait(&self, seen: u32) {
        let queue = self.queue.lock().expect("nobody panics");
        if self.count.load(Ordering::Relaxed) == seen {
            drop(self.woken.wait(queue).expect("nobody panics"));
        }
    }
}

/// The worker's bell: how often it was rung since the parent last heard it. An epoll set tells an edge once, and forgets it then, whatever the
/// eventfd counts; so does this.
pub(crate) struct ParentBell {
    bells: AtomicU64,
    rang: Notify,
}

impl ParentBell {
    pub(crate) fn new() -> ParentBell {
        ParentBell {
            bells: AtomicU64::new(0),
            rang: Notify::new(),
        }
    }

    pub(crate) fn ring(&self) {
        self.bells.fetch_add(1, Ordering::Release);
        self.rang.notify();
    }

    /// Blocks until there is a bell.
    pub(crate) fn wait(&self) {
        while self.bells.load(Ordering::Acquire) == 0 {
            self.rang.wait();
        }
    }

    /// Forgets what was rung.
    pub(crate) fn hear(&self) {
        self.bells.swap(0, Ordering::Acquire);
    }
}
