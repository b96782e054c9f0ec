//! One test program over the public API and the real program: real processes, real guests.
//!
//! The tests' own `main` belongs to the test harness and does not call `host::init()`, so every pool here names the
//! program `host` as its worker.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program as a user would"
)]

mod components;
mod hostile;
mod program;

use std::path::PathBuf;

/// The program that serves as worker and compiler.
fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_host"))
}
