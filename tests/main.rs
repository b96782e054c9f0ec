//! One test program over the public API and the real program: real processes, real guests.
//!
//! The tests' own `main` belongs to the test harness and does not call `host::init()`, so every pool here names the
//! program `host` as its worker.

mod components;

use std::path::PathBuf;

/// The program that serves as worker and compiler.
fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_host"))
}
