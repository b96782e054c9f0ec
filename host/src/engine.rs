//! The guest inside Wasmtime: load machine code, make instances, call functions on encoded arguments.
//!
//! This module doesn't know that it runs in a child process.

use crate::wire::{FaultReport, Start};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// Where a guest's standard error goes besides the reports: called with each piece that the guest writes.
pub type StderrSink = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// A loaded component, ready to be called.
pub struct Guest {}

impl Guest {
    /// Loads machine code that the compile helper of this same program made.
    pub fn load(_start: &Start, _code: BorrowedFd<'_>, _stderr: StderrSink) -> anyhow::Result<Guest> {
        unimplemented!()
    }

    /// Calls the function with this index in the description, and appends its encoded result to `result`.
    pub fn call(&mut self, _function: u32, _arguments: &[u8], _result: &mut Vec<u8>) -> Result<(), FaultReport> {
        unimplemented!()
    }

    /// Stops the clock until the next call.
    pub fn rest(&mut self) {}
}

/// How Wasmtime compiles, and so what a worker's engine must agree with.
pub(crate) fn compiling(fuel: bool) -> wasmtime::Config {
    let mut config = wasmtime::Config::new();
    config.gc_support(false).wasm_exceptions(false).wasm_threads(false).wasm_memory64(false);
    config.concurrency_support(false).epoch_interruption(true).consume_fuel(fuel);
    config
}
