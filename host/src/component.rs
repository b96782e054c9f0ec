//! A component on its way from a file to machine code: found, described, compiled, cached.
//!
//! The parent never parses or compiles a component itself: compiling hostile code is outside Wasmtime's promise, so a
//! short-lived helper process with limits does both, and the parent keeps what it answered in a cache that only this
//! user can write. This module runs no guest.
//!
//! ```text
//! source ── bytes ──▶ key ──▶ cache ── hit ─────────────────────────▶ Component
//!                               └──── miss ──▶ helper ══▶ compiler ──▶ Component, and into the cache
//! ```

mod cache;
pub(crate) mod compiler;
mod describe;
mod embedded;
mod exchange;
mod helper;
mod key;
mod prune;
mod source;
mod sweep;
#[cfg(test)]
mod tests;

pub use source::Source;

use crate::job::End;
use crate::lockdown::Sandbox;
use crate::role::NoChildren;
use crate::types::{Description, did_you_mean};
use cache::Cache;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};

/// A component that is compiled and ready to be handed to workers.
#[derive(Debug)]
pub struct Component {
    /// What it exports and imports.
    pub description: Description,
    /// Its machine code for the engine of this build and nothing else, in sealed memory.
    pub code: OwnedFd,
    /// The cache file that holds both; `None` if it could not be written, and the next start compiles again.
    pub cached_at: Option<PathBuf>,
}

/// How a component is loaded.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program to start as the compile helper; its `main` begins with `host::init()`. Default: this executable.
    pub program: Option<PathBuf>,
    /// The cache folder. Default: `$XDG_CACHE_HOME/host`, or `~/.cache/host` where that variable is not set. What was
    /// not used for 30 days is removed when something new is stored, and what is longest unused beyond 1 GiB.
    pub cache: Option<PathBuf>,
    /// Whether the machine code counts fuel, which a limit on fuel needs. Default: no.
    pub fuel: bool,
    /// Whether functions are added that call an export for many jobs in a row, for instances that serve many jobs. Default:
    /// yes. Never done where fuel is counted, which is for each job by itself.
    pub sweeps: bool,
    /// How long compiling may take. Default: 60 s; a component of 0.6 MB takes 0.2 s on two processors (measured on
    /// 22 November 2026).
    pub time: Duration,
    /// How much memory compiling may take, in bytes. Default: 4 GiB.
    pub memory_bytes: u64,
    /// What has to stand around the helper's process. Default: [`Sandbox::Strict`].
    pub sandbox: Sandbox,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            program: None,
            cache: None,
            fuel: false,
            sweeps: true,
            time: Duration::from_secs(60),
            memory_bytes: 4 << 30,
            sandbox: Sandbox::Strict,
        }
    }
}

impl Options {
    fn adds_sweeps(&self) -> bool {
        self.sweeps && !self.fuel
    }
}

impl Component {
    /// Reads a component and gets its machine code, from the cache or from the compile helper.
    ///
    /// # Errors
    /// Where there is no such component, where it doesn't compile within the limits, and where the cache folder belongs
    /// to somebody else. A cache that merely can't be written is no error: see [`Component::cached_at`].
    pub fn load(source: &Source, options: &Options) -> Result<Component, ComponentError> {
        let bytes = source.read()?;
        let key = key::of(&bytes, options)?;
        let cache = Cache::open(options.cache.as_deref())?;
        if let Some(found) = cache.as_ref().and_then(|cache| cache.load(&key)) {
            return Ok(found);
        }
        let (description, code) = helper::compile(source, &bytes, options)?;
        let cached_at = cache.and_then(|cache| cache.store(&key, &description, &code).ok());
        Ok(Component {
            description,
            code: code.into(),
            cached_at,
        })
    }
}

/// Why a component cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentError {
    /// Nothing has this name.
    #[error(
        "no file and no embedded example is called `{name}`: give the path of a .wasm or .wat file, or one of {}{}",
        embedded::list(), did_you_mean(suggestion.as_deref())
    )]
    Missing {
        /// The name that was given.
        name: String,
        /// The example that was probably meant.
        suggestion: Option<String>,
    },
    /// The file is there, but cannot be read.
    #[error("cannot read the component `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a core WebAssembly module.
    #[error(
        "{component} is a core module, not a component: build it for the target wasm32-wasip2, or wrap it with \
         `wasm-tools component new`"
    )]
    CoreModule {
        /// What was loaded.
        component: String,
    },
    /// It is something else, or broken.
    #[error("{component} cannot be used as a component: {reason}")]
    Invalid {
        /// What was loaded.
        component: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Compiling it took more than it may.
    #[error(
        "compiling {component} was stopped: {limit}; raise the limit if you trust the component"
    )]
    Stopped {
        /// What was loaded.
        component: String,
        /// The limit that it hit.
        limit: Limit,
    },
    /// This machine does not give what [`Sandbox::Strict`] wants.
    #[error("this machine cannot shut the compile helper in: {0}")]
    Unprotected(String),
    /// The compile helper ended without an answer.
    #[error("compiling {component} failed in the helper process: {end}{said}", said = last_words(stderr))]
    Helper {
        /// What was loaded.
        component: String,
        /// How the helper ended.
        end: End,
        /// The end of what it wrote to its standard error.
        stderr: String,
    },
    /// The compile helper could not be started.
    #[error("cannot start `{}` to compile the component", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// This program may not start children.
    #[error(transparent)]
    NoChildren(#[from] NoChildren),
    /// The machine has no compiler for its own processor, or no memory for the machine code.
    #[error("cannot prepare to compile: {0}")]
    Machine(String),
    /// The cache folder cannot be trusted: whoever can write it decides what machine code runs.
    #[error(
        "the cache folder `{}` cannot be trusted, because {reason}: make it yours with mode 0700, remove it, or point \
         XDG_CACHE_HOME elsewhere",
        folder.display()
    )]
    Untrusted {
        /// The folder.
        folder: PathBuf,
        /// Who else can write it.
        reason: String,
    },
    /// There is no place for a cache.
    #[error(
        "no cache folder: this user has no home directory; set XDG_CACHE_HOME to a folder of its own"
    )]
    NoHome,
}

/// What compiling a component took too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// More time than this.
    Time(Duration),
    /// More memory than these bytes.
    Memory(u64),
    /// The machine code is larger than these bytes.
    Code(u64),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = |bytes: &u64| (*bytes as f64 / f64::from(1 << 20) * 10.0).round() / 10.0;
        match self {
            Limit::Time(time) => write!(f, "it took more than {} s", time.as_secs_f64()),
            Limit::Memory(bytes) => {
                write!(f, "it needed more than {} MiB of memory", mebibytes(bytes))
            }
            Limit::Code(bytes) => write!(
                f,
                "its machine code is larger than {} MiB",
                mebibytes(bytes)
            ),
        }
    }
}

fn last_words(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!("; it said: {stderr}")
    }
}
