//! Any bytes, in the place of what a worker, a compile helper or a user writes. Nothing of it may panic, take memory
//! that was only announced, or answer a job twice.
//!
//! ```text
//! host/fuzz/run 300        each target for so many seconds, by libFuzzer, and then a million races
//! ```
//!
//! `targets.rs` has the functions; `cargo test` of the crate `host` tries each with some thousand bytes, and this crate by
//! libFuzzer for as long as one likes. A find ends that, and its bytes lie in `found`: mend it, and give it a test.

#[path = "../../src"]
#[allow(
    unused_imports,
    reason = "much of what these modules give is for those that are not here"
)]
mod host {
    pub(crate) mod codec;
    pub(crate) mod job;
    pub(crate) mod link;
    pub(crate) mod lockdown;
    pub(crate) mod ring;
    pub(crate) mod role;
    pub(crate) mod shared;
    pub(crate) mod types;
    pub(crate) mod value;
    pub(crate) mod wire;
}
mod targets;

use host::{codec, job, link, lockdown, ring, role, shared, types, value, wire};

/// The answers of a worker, as the parent reads them.
pub fn link(bytes: &[u8]) {
    targets::link(bytes);
}

/// Encoded values of any type.
pub fn codec(bytes: &[u8]) {
    targets::codec(bytes);
}

/// Values of any type as WAVE and JSON.
pub fn text(bytes: &[u8]) {
    targets::text(bytes);
}

/// Greetings, reports and descriptions.
pub fn messages(bytes: &[u8]) {
    targets::messages(bytes);
}

/// So many answers that are rewritten while they are read. Says how many were values, and how many nonsense.
pub fn races(answers: u64) -> (u64, u64) {
    targets::races(answers)
}
