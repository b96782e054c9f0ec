//! A job and what became of it.
//!
//! A job is one call of one exported function. It ends with exactly one [`Outcome`]: a value, or a [`Fault`] that says
//! who is to blame. This module knows no processes and no bytes.

mod clocks;
mod usage;

pub use clocks::Clocks;
pub use usage::{Totals, Usage};

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// What became of a job: the value that the guest's function returned, or the [`Fault`] that kept it from returning.
///
/// The `err` case of a WIT `result` is a value, not a fault: the guest did return.
pub type Outcome<T> = Result<T, Fault>;

/// Why a job has no value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub struct Fault {
    /// The job's place in its input, counted from 0.
    pub job: u64,
    /// How often the job was started, this time included: 1, or 2 after a retry. 0 if it never started.
    pub attempt: u32,
    /// The process id of the worker that ran it, if one did.
    pub pid: Option<u32>,
    /// What happened.
    pub cause: Cause,
    /// The guest's functions at the moment of a trap, innermost first. Empty where nothing is known.
    pub backtrace: Vec<String>,
    /// The last lines that the guest wrote to its standard error, at most [`STDERR_KEPT`] bytes.
    pub stderr: String,
}

/// How much of a guest's standard error a fault carries, in bytes: enough for a panic and the lines before it.
pub const STDERR_KEPT: usize = 4096;

/// What kept a job from returning a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The guest trapped: it panicked, divided by zero, left its memory, ran out of stack.
    #[error("the guest trapped: {0}")]
    Trap(String),
    /// The guest ended itself with `exit`. WASI 0.2 carries no other codes than 0, for success, and 1, for everything else.
    #[error("the guest called `exit` with code {0}")]
    Exit(i32),
    /// The job ran longer than it may.
    #[error("still running after {}", milliseconds(*.0))]
    Timeout(Duration),
    /// The job was waiting for a shared object when its time was over. The text names the object, and who held it.
    #[error("still waiting after {} for the {object}", milliseconds(*.limit))]
    Waiting {
        /// How long the job might run.
        limit: Duration,
        /// What it waited for.
        object: String,
    },
    /// The job used up its fuel.
    #[error("out of fuel: it may use {0} units")]
    Fuel(u64),
    /// The guest asked for more memory than it may have, and then failed.
    #[error("out of memory: it may use {}", mebibytes(*.0))]
    Memory(u64),
    /// The guest called its host more often than it may.
    #[error("too many calls of the host: it may make {0}")]
    HostCalls(u64),
    /// The guest wrote more to its standard output and error than it may.
    #[error("too much written to stdout and stderr: it may write {0} bytes")]
    Log(u64),
    /// The worker process died, or had to be killed, while the job ran in it.
    #[error("the worker was lost: {0}")]
    WorkerLost(End),
    /// The job ran in two workers and both died.
    #[error("the job was running when two workers died, the last of them: {0}")]
    Poisoned(End),
    /// No worker could be started to run it.
    #[error("no worker can be started: {0}")]
    NoWorker(String),
    /// The job was cancelled, or its pool was terminated, before it had a value.
    #[error("cancelled")]
    Cancelled,
    /// The guest's function returned something that cannot be carried home.
    #[error("the result cannot be returned: {0}")]
    Result(String),
    /// The component could not be instantiated, or its initializer failed.
    #[error("the guest could not be started: {0}")]
    Start(String),
    /// The manager that keeps an object of the job is gone. The text says how it ended.
    #[error("the manager is gone: {0}")]
    NoManager(String),
    /// There was no room for what the job put into an object of a manager. The text names the limit.
    #[error("the manager is full: {0}")]
    ManagerFull(String),
}

/// How a worker process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum End {
    /// It exited with this code.
    #[error("it exited with code {0}")]
    Exited(i32),
    /// A signal that we did not send killed it.
    #[error("it was killed by signal {0} ({name})", name = signal_name(*.0))]
    Killed(i32),
    /// It said something that a worker never says, and was killed for it.
    #[error("it broke the protocol: {0}")]
    Nonsense(String),
    /// Somebody else reaped the process, so how it ended is unknown.
    #[error("how it ended is unknown, because another part of this program reaped it")]
    Unknown,
}

/// A job's outcome, and where it came from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report<T> {
    /// The job's place in its input, counted from 0.
    pub job: u64,
    /// The worker's place in the pool, counted from 0.
    pub worker: usize,
    /// The worker's process id; 0 if the job never reached a worker.
    pub pid: u32,
    /// What became of the job.
    pub outcome: Outcome<T>,
    /// What it used, as far as it is known.
    pub usage: Usage,
}

/// How far a running job is, by its own word, which `pool:job/job.report-progress` took last.
///
/// It is what the guest says, or a worker that was taken over: any numbers. `done` may be more than `total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The job's place in its input, counted from 0.
    pub job: u64,
    /// How much is done, in whatever the job counts.
    pub done: u64,
    /// Of how much, if the job knows.
    pub total: Option<u64>,
}

/// How much a line of a guest's log matters, as `wasi:logging` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::Critical => "critical",
        }
    }
}

/// What a worker reports of a job without a value; the pool makes it a [`Fault`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FaultReport {
    /// What happened.
    pub cause: Cause,
    /// The guest's functions at the moment of a trap, innermost first.
    pub backtrace: Vec<String>,
    /// The last lines that the guest wrote to its standard error.
    pub stderr: String,
}

impl FaultReport {
    /// The longest report, in bytes: many times what 32 frames of a backtrace and the lines before it take. Each byte
    /// of a list of texts can cost the parent the 24 bytes of an empty one, so a report may be no longer than this.
    pub(crate) const MAX_BYTES: u32 = 1 << 20;
}

/// What a job may use. The defaults keep a mistake in a guest from hurting the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// How long a job may run, counted from its start in a worker. Default: no limit.
    pub timeout: Option<Duration>,
    /// How many bytes the memories and tables of an instance may have together. Default: 1 GiB.
    pub memory_bytes: u64,
    /// How many units of fuel a job may use, about one a WebAssembly instruction. Default: no limit.
    pub fuel: Option<u64>,
    /// How many bytes of stack the guest may use. Default: 512 KiB, Wasmtime's own default.
    pub stack_bytes: usize,
    /// How many calls a job may make of what its guest imports: WASI, shared objects, the job itself. Reading a file, writing a
    /// line, looking at a clock take some each. Default: no limit, as a guest that reads a large file makes a million with
    /// good reason, and each of them takes time that [`timeout`](Limits::timeout) limits. Starting an instance may take as
    /// many of its own.
    pub host_calls: Option<u64>,
    /// How many bytes a job may write to its standard output and error together. Default: no limit, as nothing of it piles
    /// up: the output goes nowhere, and of the error the last page is kept.
    pub log_bytes: Option<u64>,
    /// How many bytes a result may have on its way home: what its numbers and texts take, and 4 for each length.
    /// Default: 256 MiB. The host holds a result as it came and as it is read, and a [`Value`](crate::Value) takes up to
    /// 32 times as much.
    pub result_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            timeout: None,
            memory_bytes: 1 << 30,
            fuel: None,
            stack_bytes: 512 << 10,
            host_calls: None,
            log_bytes: None,
            result_bytes: 256 << 20,
        }
    }
}

/// How much of the guest is fresh when a job starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Isolation {
    /// One instance a worker: what a job leaves in the guest's globals, the next job in that worker finds. A trap, a
    /// timeout or a limit discards the instance. This is the default, and the fastest.
    #[default]
    InstancePerWorker,
    /// A new instance for every job: no job sees what another left.
    InstancePerJob,
}

/// What a guest is given beyond its arguments. Nothing by default: no file, no environment, no network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grants {
    /// Environment variables, as name and value.
    pub env: Vec<(String, String)>,
    /// Directories of this machine that the guest may use.
    pub dirs: Vec<Dir>,
    /// How finely the guest reads the time.
    pub clocks: Clocks,
    /// Constants of `wasi:config`, as name and value.
    pub config: Vec<(String, String)>,
}

/// A directory that a guest may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dir {
    /// The directory on this machine.
    pub host: std::path::PathBuf,
    /// The path under which the guest finds it.
    pub guest: String,
    /// Whether the guest may only read in it.
    pub read_only: bool,
}

impl Grants {
    /// Whether a guest with these grants can change anything outside itself. If not, a job can safely be run twice.
    pub(crate) fn allow_effects(&self) -> bool {
        self.dirs.iter().any(|dir| !dir.read_only)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {}", self.job)?;
        if let Some(pid) = self.pid {
            write!(f, " (attempt {}, pid {pid})", self.attempt)?;
        }
        write!(f, ": {}", self.cause)?;
        if let Some(line) = self
            .stderr
            .lines()
            .rfind(|line| !line.trim().is_empty() && !line.starts_with("note:"))
        {
            write!(f, "; its last words: {line}")?;
        }
        Ok(())
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_secs_f64() * 1e3)
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes as f64 / f64::from(1 << 20))
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => "unnamed",
    }
}
