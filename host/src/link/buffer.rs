//! Buffers that are used again.
//!
//! The first touch of a page costs more than to fill it: 0.3 µs for 4 KiB on bare metal, 2.5 µs in a virtual machine
//! (measured 2026-11). So the thread that drives a pool, which is the one that reads the answers, keeps a few buffers.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// How many buffers a thread keeps, and how many bytes they may have together: the answers that some workers have in
/// their rings, or one large argument and one large result.
const KEPT: usize = 8;
const KEPT_BYTES: usize = 40 << 20;

thread_local! {
    static SPARE: RefCell<Spare> = const { RefCell::new(Spare::new()) };
}

/// A thread's spare buffers.
struct Spare {
    /// The largest last.
    buffers: Vec<Vec<u8>>,
    /// What they can hold together.
    bytes: usize,
}

impl Spare {
    const fn new() -> Spare {
        Spare {
            buffers: Vec::new(),
            bytes: 0,
        }
    }

    #[inline]
    fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    fn keep(&mut self, buffer: Vec<u8>) {
        let bytes = buffer.capacity();
        if self.buffers.len() == KEPT || self.bytes + bytes > KEPT_BYTES {
            return;
        }
        let smaller = |other: &Vec<u8>| other.capacity() <= bytes;
        let place = (self.buffers.iter()).rposition(smaller);
        self.buffers
            .insert(place.map_or(0, |place| place + 1), buffer);
        self.bytes += bytes;
    }
}

/// Bytes in a vector that goes back to its thread's spare ones.
#[derive(Debug)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    /// An empty one: the largest that is spare.
    #[inline]
    pub(crate) fn new() -> Buffer {
        Buffer(SPARE.with_borrow_mut(Spare::take))
    }

    /// Makes room for so many bytes in all.
    pub(crate) fn grow(&mut self, bytes: usize) {
        if self.capacity() >= bytes {
            return;
        }
        let mut larger = Buffer::new();
        if larger.capacity() >= bytes {
            larger.extend_from_slice(self);
            std::mem::swap(self, &mut larger);
        } else {
            let rest = bytes - self.len();
            self.reserve_exact(rest);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0);
        if bytes.capacity() == 0 {
            return;
        }
        bytes.clear();
        // In a thread that ends there is nothing to keep it for.
        let _ = SPARE.try_with(|spare| spare.borrow_mut().keep(bytes));
    }
}

impl Deref for Buffer {
    type Target = Vec<u8>;
    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}
