//! Machine code from a descriptor: one of the few places that the compiler can't check.

#![expect(
    unsafe_code,
    reason = "Wasmtime can't prove that machine code is harmless; the note below argues it"
)]

use super::ours;
use anyhow::Context;
use std::os::fd::{AsRawFd, BorrowedFd};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Maps machine code that an engine with the settings of [`compiling`](super::compiling) made. All workers that map one
/// file share its pages.
pub(super) fn load(engine: &Engine, code: BorrowedFd<'_>) -> anyhow::Result<Component> {
    // Wasmtime maps files by path alone, and this path leads to the open file itself.
    let path = format!("/proc/self/fd/{}", code.as_raw_fd());
    // SAFETY: the bytes must be what an engine wrote, and must not change while the component lives. They cannot change,
    // as the descriptor is memory that the parent filled and sealed. The parent took them from the compile helper that it
    // had just run, or from a cache file in a folder that only this user can write. In that case it has compared them, in
    // the sealed memory, with the SHA-256 that stands in the file: that tells damage, and keeps nobody out who can write
    // the folder. Nothing is compared here. A component that took its compile helper over would choose these bytes, for
    // itself alone; what holds it then is the wall of this process. An engine with other settings, or another major
    // version, is told apart by Wasmtime.
    let component = unsafe { Component::deserialize_file(engine, path) };
    component
        .map_err(ours)
        .context("the machine code cannot be loaded; was it compiled by another version?")
}
