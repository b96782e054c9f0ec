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
    // SAFETY: the bytes must be what an engine wrote, and must not change while the component lives. The compile helper of
    // this same program wrote them; the pool compared their hash with the one kept at that moment, in memory that was
    // already sealed against writing, and this descriptor is that memory. An engine with other settings, or another major
    // version, is told apart by Wasmtime.
    let component = unsafe { Component::deserialize_file(engine, path) };
    component
        .map_err(ours)
        .context("the machine code cannot be loaded; was it compiled by another version?")
}
