//! A component on its way from a file to machine code: found, described, compiled, cached.
//!
//! The parent never parses or compiles a component itself: compiling hostile code is outside Wasmtime's promise, so a
//! short-lived helper process with limits does both, and the parent keeps what it wrote in a cache.

use crate::types::Function;
use serde::{Deserialize, Serialize};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Where a component comes from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Source {
    /// A file's path, or, where there is no such file, the name of an embedded example such as `arith`.
    Named(PathBuf),
    /// A component in memory, binary or text.
    Bytes(Vec<u8>),
}

/// What a component exports and imports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The functions that can be called, in the order of the component's exports.
    pub functions: Vec<Function>,
    /// Exported functions that cannot be called from another process, each with the reason.
    pub uncallable: Vec<(String, String)>,
    /// The imported interfaces and functions, by name.
    pub imports: Vec<String>,
    /// The component's world in WIT.
    pub wit: String,
}

/// A component that is compiled and ready to be handed to workers.
#[derive(Debug)]
pub struct Component {
    /// What it exports and imports.
    pub description: Description,
    /// Its machine code for the engine of this build, in sealed memory.
    pub code: OwnedFd,
    /// The cache file that holds both.
    pub cached_at: PathBuf,
}

#[derive(Clone, Debug, Default)]
pub struct Options {}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    #[error("there is no file `{name}`, and no embedded example of that name")]
    NotFound { name: String },
}

impl Component {
    pub fn load(_source: &Source, _options: &Options) -> Result<Component, LoadError> { unimplemented!() }
}
