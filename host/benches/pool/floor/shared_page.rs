//! A page of memory that two processes share.

#![expect(
    unsafe_code,
    reason = "memory that another process writes is reached through a raw pointer"
)]

use anyhow::Result;
use rustix::fd::AsFd;
use rustix::mm::{MapFlags, ProtFlags};
use std::sync::atomic::{AtomicI64, AtomicU32};

/// Two sides, each written by one process.
#[repr(C)]
pub(super) struct SharedPage {
    pub request: Side,
    pub answer: Side,
}

/// A number that is passed on, on a cache line of its own.
#[repr(C, align(64))]
pub(super) struct Side {
    /// Counts the numbers that were passed on.
    pub turn: AtomicU32,
    pub value: AtomicI64,
    /// Whether the other process should sleep while it waits for the turn after this one.
    pub sleep: AtomicU32,
}

/// How large the memory is.
pub(super) const BYTES: usize = 4096;

/// Maps the page that lies in this file. It stays mapped until the process ends.
pub(super) fn map(file: impl AsFd) -> Result<&'static SharedPage> {
    // SAFETY: a new mapping at an address of the kernel's choice touches nothing that is in use.
    let page = unsafe {
        rustix::mm::mmap(
            std::ptr::null_mut(),
            BYTES,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED,
            file,
            0,
        )?
    };
    // SAFETY: the mapping is larger than the type, aligned to a page, never unmapped, and its file is of that length.
    // All fields are atomics, for which any bytes are a value and writes by another process are in order.
    Ok(unsafe { &*page.cast::<SharedPage>() })
}
