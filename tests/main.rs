//! One test program over the public API and the real program: real processes, real guests.
//!
//! The tests' own `main` belongs to the test harness and does not call `host::init()`, so every pool here names the
//! program `host` as its worker.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts the program as a user would"
)]

mod accounts;
mod arrivals;
mod batches;
mod bulk;
mod components;
mod fork_server;
mod guests;
mod hostile;
mod keyvalue;
mod limits;
mod lockdown;
mod logging;
mod manager;
mod means;
mod polite;
mod pool;
mod process;
mod program;
mod proofs;
mod readme;
mod sharing;
mod shutdown;
mod tidy;
mod types;
mod values;
mod workers;

use host::{Builder, Error, Pool};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that has no reason to take long: many times what it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// The program that serves as worker and compiler.
fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_host"))
}

/// The compiled components of all tests. It is there before the first test and stays, so that they are compiled once.
fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// A pool of two workers for this component, to be set up further.
fn builder(component: &str) -> Builder {
    Pool::builder()
        .component(component)
        .workers(2)
        .worker_program(program())
        .cache_dir(cache())
}

/// A pool of two workers for this component.
fn pool(component: &str) -> Pool {
    builder(component).build().unwrap()
}

/// Maps `items` with a function of a component in all ways that there are, and compares what comes back.
#[track_caller]
fn check<P, R>(pool: &Pool, function: &str, items: &[P], expected: &[R])
where
    P: Serialize,
    R: DeserializeOwned + Debug + PartialEq + Send + 'static,
{
    assert_eq!(
        pool.map::<R>(function, items).unwrap(),
        expected,
        "{function} by map"
    );
    let lazy = pool.imap::<R, _>(function, items).unwrap();
    let lazy: Vec<R> = lazy.map(Result::unwrap).collect();
    assert_eq!(lazy, expected, "{function} by imap");
    let later = pool.map_async::<R>(function, items).unwrap();
    assert_eq!(later.wait().unwrap(), expected, "{function} by map_async");
    let mut seen = 0;
    let mut unordered = pool.imap_unordered::<R, _>(function, items).unwrap();
    while let Some(report) = unordered.next_report() {
        let report = report.unwrap();
        assert_eq!(
            report.outcome.unwrap(),
            expected[report.job as usize],
            "{function} by imap_unordered"
        );
        seen += 1;
    }
    assert_eq!(seen, expected.len());
}

/// The fault in this result.
#[track_caller]
fn fault<T: Debug>(result: Result<T, Error>) -> host::Fault {
    match result {
        Err(Error::Job(fault)) => fault,
        other => panic!("a fault is wanted, not {other:?}"),
    }
}

/// Runs `body`, which may hang where the pool is wrong, on a thread of its own, and fails if it takes too long.
#[track_caller]
fn within<T: Send + 'static>(limit: Duration, body: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let result = body();
        let _ = sender.send(());
        result
    });
    if let Err(mpsc::RecvTimeoutError::Timeout) = receiver.recv_timeout(limit) {
        panic!("it still runs after {} s", limit.as_secs_f64());
    }
    match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Waits for something that another process or thread does and of which nobody is told.
#[track_caller]
fn until(what: &str, limit: Duration, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !happened() {
        assert!(
            Instant::now() < deadline,
            "{what}: not after {} s",
            limit.as_secs_f64()
        );
        thread::park_timeout(Duration::from_millis(1));
    }
}
