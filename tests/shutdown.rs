//! The end of a pool, in every state and in every way: within two seconds, and nothing is left of it.
//!
//! Nothing means no process, no thread and no descriptor, so all of this runs in a process where nothing else does.

use crate::process::{self, alone, send};
use crate::{PATIENCE, builder, fault, until};
use host::{Cause, Error, Handle, Pool};
use rustix::process::Signal;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long the end of a pool may take.
const END: Duration = Duration::from_secs(2);
/// A job that ends with its worker, and one that ends soon, in milliseconds.
const FOREVER: u64 = 1 << 40;
const SOON: u64 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first worker is ready, and the others are being started.
    Starting,
    Idle,
    Running,
    /// Many more jobs than workers.
    Queued,
    /// A result is on its way that is many times as long as a ring.
    Streaming,
    /// Another thread waits for a handle.
    WaitedFor,
    /// A callback waits for a handle.
    CalledBack,
    /// A worker has just died, and the keeper replaces it.
    Replacing,
    /// Another thread has closed it and joins it.
    Joining,
    /// A worker is stopped: it can do nothing, not even end.
    Stopped,
    /// Results of an endless input are half read.
    HalfRead,
    /// It grows from two workers to eight.
    Growing,
}

const STATES: [State; 12] = [
    State::Starting,
    State::Idle,
    State::Running,
    State::Queued,
    State::Streaming,
    State::WaitedFor,
    State::CalledBack,
    State::Replacing,
    State::Joining,
    State::Stopped,
    State::HalfRead,
    State::Growing,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Drop,
    Terminate,
    /// Its jobs are finished first, so they are ones that end.
    CloseAndJoin,
    /// It is dropped by a panic that unwinds.
    Panic,
}

const WAYS: [Way; 4] = [Way::Drop, Way::Terminate, Way::CloseAndJoin, Way::Panic];

#[test]
fn a_pool_ends_in_every_state_in_every_way_at_once_and_leaves_nothing() {
    alone(
        "shutdown::a_pool_ends_in_every_state_in_every_way_at_once_and_leaves_nothing",
        || {
            // What the first pool of a program leaves is there once: threads' memory, the standard library's descriptors.
            try_cell(State::Idle, Way::Drop);
            let taken = || {
                (
                    process::children(std::process::id()),
                    process::descriptors(),
                    process::threads(),
                )
            };
            let before = taken();
            assert!(before.0.is_empty());
            let mut slowest = Duration::ZERO;
            for state in STATES {
                for way in WAYS {
                    let took = try_cell(state, way);
                    assert!(took <= END, "{state:?}, {way:?}: {took:?}");
                    slowest = slowest.max(took);
                    // A thread that was joined may still be leaving the system's lists.
                    until(&format!("{state:?}, {way:?}: nothing is left"), END, || {
                        taken() == before
                    });
                }
            }
            println!("48 ends, the slowest in {} ms", slowest.as_millis());
        },
    );
}

/// Brings a pool into this state, ends it in this way, and says how long that took.
fn try_cell(state: State, way: Way) -> Duration {
    let workers = if state == State::Starting { 8 } else { 2 };
    let builder = builder("faults").workers(workers);
    let pool = Arc::new(builder.build().unwrap());
    if state != State::Starting {
        pool.wait_ready();
    }
    let milliseconds = if way == Way::CloseAndJoin {
        SOON
    } else {
        FOREVER
    };
    let (kept, others) = bring_into(state, &pool, milliseconds);
    let begun = Instant::now();
    let ended = catch_unwind(AssertUnwindSafe(|| end(state, pool, way)));
    assert_eq!(ended.is_err(), way == Way::Panic, "{state:?}, {way:?}");
    // Whoever waits for something of the pool has it now.
    others.into_iter().for_each(|other| other.join().unwrap());
    let took = begun.elapsed();
    for handle in kept {
        let result = handle.wait();
        if way != Way::CloseAndJoin && result.is_err() {
            assert_eq!(fault(result).cause, Cause::Cancelled, "{state:?}, {way:?}");
        }
    }
    took
}

type Brought = (Vec<Handle<Vec<()>>>, Vec<JoinHandle<()>>);

fn bring_into(state: State, pool: &Arc<Pool>, milliseconds: u64) -> Brought {
    let asleep = |jobs: usize| {
        let jobs = vec![milliseconds; jobs];
        let handle = pool.map_async::<()>("sleep", jobs).unwrap();
        until("a worker is busy", PATIENCE, || {
            handle.is_done() || pool.stats().workers.iter().any(|worker| worker.busy)
        });
        handle
    };
    let pid = || pool.stats().workers[0].pid;
    match state {
        State::Starting | State::Idle | State::HalfRead => (vec![], vec![]),
        State::Running => (vec![asleep(2)], vec![]),
        State::Queued => (vec![asleep(30)], vec![]),
        State::WaitedFor => {
            let handle = asleep(2);
            let waits = thread::spawn(move || drop(handle.wait()));
            (vec![], vec![waits])
        }
        State::Streaming => {
            let huge = pool.submit::<Vec<u8>>("huge-result", (100_u64 << 20,));
            let huge = huge.unwrap();
            until("it is under way", PATIENCE, || {
                huge.is_done() || pool.stats().workers.iter().any(|worker| worker.busy)
            });
            let waits = thread::spawn(move || match huge.wait() {
                Ok(zeros) => assert_eq!(zeros.len(), 100 << 20),
                cancelled => assert_eq!(fault(cancelled).cause, Cause::Cancelled),
            });
            (vec![], vec![waits])
        }
        State::CalledBack => {
            asleep(2).on_done(drop);
            (vec![], vec![])
        }
        State::Replacing => {
            let kept = asleep(2);
            send(pid(), Signal::KILL);
            (vec![kept], vec![])
        }
        State::Joining => {
            let kept = asleep(2);
            pool.close();
            let pool = pool.clone();
            let joins = thread::spawn(move || pool.join().unwrap());
            (vec![kept], vec![joins])
        }
        State::Stopped => {
            // A stopped worker ends no job, so that one is left without any where its jobs are waited for.
            let kept = (milliseconds == FOREVER).then(|| asleep(2));
            let pid = pid();
            send(pid, Signal::STOP);
            until("it stands", PATIENCE, || process::is_in_state(pid, "T"));
            (kept.into_iter().collect(), vec![])
        }
        State::Growing => {
            let kept = asleep(2);
            pool.resize(8);
            (vec![kept], vec![])
        }
    }
}

fn end(state: State, pool: Arc<Pool>, way: Way) {
    let half_read = (state == State::HalfRead).then(|| {
        let mut results = pool.imap::<u32, _>("maybe-trap", 0_u32..);
        if let Ok(results) = &mut results {
            results.next();
        }
        results
    });
    if state == State::Joining && way != Way::CloseAndJoin {
        // Whoever joins has the pool too, and its jobs never end.
        pool.terminate();
    }
    match way {
        Way::Drop => {}
        Way::Terminate => pool.terminate(),
        Way::CloseAndJoin => pool.close(),
        // Without the hook, which would tell whoever reads the test's output of a failure that is none.
        Way::Panic => resume_unwind(Box::new("a panic of the embedding program")),
    }
    drop(half_read);
    if way == Way::CloseAndJoin {
        pool.join().unwrap();
        assert_eq!(
            pool.apply::<u32>("maybe-trap", (1_u32,)),
            Err(Error::Closed)
        );
    }
}
