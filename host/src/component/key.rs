//! The name of a component's machine code in the cache: machine code with equal keys is interchangeable. (It is not
//! equal byte by byte, as Wasmtime writes some of its tables in an order that differs from run to run.)
//!
//! The key is a hash over everything that decides what the compiler writes: the component itself, Wasmtime's full
//! version and settings, the processor's features, and our own version.

use super::cache::FORMAT;
use super::{ComponentError, Options};
use crate::engine;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use wasmtime::{Engine, ModuleVersionStrategy};

/// What a piece of machine code is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(pub(super) [u8; 32]);

impl Key {
    /// The key as hexadecimal digits, which is the name of its file.
    pub(super) fn hex(&self) -> String {
        self.0.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a string never fails.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// The key of this component, compiled with these options.
pub(super) fn of(component: &[u8], options: &Options) -> Result<Key, ComponentError> {
    let engine = Engine::new(&settings(options.fuel))
        .map_err(|error| ComponentError::Machine(format!("{error:#}")))?;
    let mut hash = Sha256::new();
    hash.update(FORMAT.to_le_bytes());
    hash.update([u8::from(options.fuel), u8::from(options.adds_sweeps())]);
    hash.update(Sha256::digest(component));
    // The hasher below has no boundaries between values; of unknown length, it therefore comes last.
    hash.update(env!("CARGO_PKG_VERSION"));
    engine
        .precompile_compatibility_hash()
        .hash(&mut Feed(&mut hash));
    Ok(Key(hash.finalize().into()))
}

/// The compiler's settings, changed in two ways that don't touch what it writes.
fn settings(fuel: bool) -> wasmtime::Config {
    let mut config = engine::compiling(fuel);
    // An engine with these traps installs signal handlers, and this process may be somebody else's program. With it
    // switched off an engine takes 10 µs (measured on 22 November 2026), so nothing is kept between two loads.
    config.signals_based_traps(false);
    // Wasmtime loads machine code of any version with the same major number; the bugs that a point release fixes may
    // be in the machine code.
    config
        .module_version(ModuleVersionStrategy::WasmtimeVersion)
        .map(|_| ())
        .expect("this strategy has no text");
    config
}

/// Lets a value that only knows `Hash` write into SHA-256.
struct Feed<'a>(&'a mut Sha256);

impl Hasher for Feed<'_> {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("the hash is taken from SHA-256 itself")
    }
}
