//! Memory that several processes map for reading and writing, as numbers and bytes by their place.
//!
//! Every process that has it can write anything into it at any time. So nothing in it is ever a pointer, and whoever reads
//! a place or a length out of it compares it with what may be. What lies where is for other modules to know.

#![expect(
    unsafe_code,
    reason = "shared memory is reached through raw pointers, all of them in this file"
)]

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// One mapping of the memory.
#[derive(Debug)]
pub(crate) struct Segment {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping belongs to no thread; words in it are reached through atomics, and bytes are copied as they are.
unsafe impl Send for Segment {}
// SAFETY: as above.
unsafe impl Sync for Segment {}

impl Segment {
    /// New memory full of zeros. It takes no room before it is written to, and can neither shrink nor grow.
    pub(super) fn create(bytes: usize) -> io::Result<(OwnedFd, Segment)> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memory = rustix::fs::memfd_create("host-shared", flags)?;
        rustix::fs::ftruncate(&memory, bytes as u64)?;
        rustix::fs::fcntl_add_seals(
            &memory,
            SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
        )?;
        let segment = Segment::map(&memory)?;
        Ok((memory, segment))
    }

    /// Maps the memory that another process created.
    pub(crate) fn map(memory: impl AsFd) -> io::Result<Segment> {
        let bytes = rustix::fs::fstat(&memory)?.st_size as usize;
        // SAFETY: a mapping at an address of the kernel's choice touches nothing of ours.
        let base = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                memory,
                0,
            )?
        };
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Segment { base, bytes })
    }

    /// The 64-bit number at this place.
    #[inline]
    pub(super) fn word(&self, place: usize) -> &AtomicU64 {
        // SAFETY: the place is checked to lie inside the mapping, which lives as long as `self`, and to be aligned. Every
        // process reaches it through atomics only, and sealed memory cannot shrink away under them.
        unsafe { &*self.at(place, 8).cast() }
    }

    /// The 32-bit number at this place.
    #[inline]
    pub(super) fn half(&self, place: usize) -> &AtomicU32 {
        // SAFETY: as in `word`.
        unsafe { &*self.at(place, 4).cast() }
    }

    /// Copies bytes out. If somebody writes them meanwhile they are any bytes.
    pub(super) fn read(&self, place: usize, into: &mut [u8]) {
        assert!(self.holds(place, into.len()), "inside the memory");
        // SAFETY: the source was checked to lie inside the mapping, the destination is private.
        unsafe {
            std::ptr::copy_nonoverlapping(
                self.base.as_ptr().add(place),
                into.as_mut_ptr(),
                into.len(),
            );
        }
    }

    /// Copies bytes in.
    pub(super) fn write(&self, place: usize, bytes: &[u8]) {
        assert!(self.holds(place, bytes.len()), "inside the memory");
        // SAFETY: the destination was checked to lie inside the mapping, the source is private.
        unsafe {
            std::ptr::copy_nonoverlapping(
                bytes.as_ptr(),
                self.base.as_ptr().add(place),
                bytes.len(),
            );
        }
    }

    /// How many bytes it has.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    fn at(&self, place: usize, bytes: usize) -> *mut u8 {
        assert!(
            self.holds(place, bytes) && place.is_multiple_of(bytes),
            "inside the memory, and aligned"
        );
        // SAFETY: the place lies inside the mapping.
        unsafe { self.base.as_ptr().add(place) }
    }

    #[inline]
    fn holds(&self, place: usize, bytes: usize) -> bool {
        place <= self.bytes && bytes <= self.bytes - place
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: the range is ours alone, and nothing borrows from it any more. An error leaves it mapped: no harm.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}
