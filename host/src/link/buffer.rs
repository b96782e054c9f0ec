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
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes in a vector that goes back to its thread's spare ones.
#[derive(Debug)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    /// An empty one: the largest that is spare.
    pub(crate) fn new() -> Buffer {
        Buffer(SPARE.with_borrow_mut(Vec::pop).unwrap_or_default())
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
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            let kept: usize = spare.iter().map(Vec::capacity).sum();
            if spare.len() < KEPT && kept + bytes.capacity() <= KEPT_BYTES {
                let place = spare.partition_point(|other| other.capacity() <= bytes.capacity());
                spare.insert(place, bytes);
            }
        });
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
