//! Worker processes: how they die and what that costs, what they may use, what they leave behind.

use crate::process::{self, alone, alone_with, is_gone, send};
use crate::{PATIENCE, builder, cache, check, fault, pool, program, until, within};
use host::{BuildError, Cause, Dir, End, Error, Fault, Handle, Isolation, Limits, Pool, Stats};
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn pids(pool: &Pool) -> Vec<u32> {
    pool.stats()
        .workers
        .iter()
        .map(|worker| worker.pid)
        .collect()
}

fn limits() -> Limits {
    Limits::default()
}

fn timeout(ms: u64) -> Limits {
    Limits {
        timeout: Some(Duration::from_millis(ms)),
        ..limits()
    }
}

/// Stops a process, and waits until it stands.
#[track_caller]
fn stop(pid: u32) {
    send(pid, Signal::STOP);
    until("it stands", PATIENCE, || process::is_in_state(pid, "T"));
}

/// Waits until a job that computes has visibly begun, and says in which process.
#[track_caller]
fn spinning(pool: &Pool, except: &[u32]) -> u32 {
    let mut found = None;
    until("a guest computes", PATIENCE, || {
        let workers = pool.stats().workers.into_iter();
        let mut new = workers.filter(|worker| worker.busy && !except.contains(&worker.pid));
        found = new
            .find(|worker| process::processor_ms(worker.pid) >= 60)
            .map(|worker| worker.pid);
        found.is_some()
    });
    found.unwrap()
}

// Death.

#[test]
fn an_idle_worker_that_dies_is_replaced() {
    for signal in [
        Signal::KILL,
        Signal::SEGV,
        Signal::ABORT,
        Signal::TERM,
        Signal::BUS,
    ] {
        let pool = pool("arith");
        until("both are ready", PATIENCE, || {
            pool.stats().workers.iter().all(|worker| worker.ready)
        });
        let before = pids(&pool);
        until("it is replaced", PATIENCE, || {
            // Wasmtime's handler of faults lets the first one pass that none of its guests made.
            if !is_gone(before[0]) {
                send(before[0], signal);
            }
            let stats = pool.stats();
            stats.workers.len() == 2
                && stats
                    .workers
                    .iter()
                    .all(|worker| worker.pid != before[0] && worker.ready)
        });
        check(&pool, "square", &[3_i64, 4], &[9_i64, 16]);
        let Stats {
            workers_lost,
            workers_started,
            jobs_retried,
            ..
        } = pool.stats();
        assert_eq!((workers_lost, workers_started, jobs_retried), (1, 3, 0));
        assert!(is_gone(before[0]));
    }
}

#[test]
fn the_job_after_a_workers_death_finds_another_worker() {
    let pool = builder("arith").workers(1).build().unwrap();
    for n in 0..5_i64 {
        send(pids(&pool)[0], Signal::KILL);
        // Perhaps the pool hasn't noticed yet.
        assert_eq!(pool.apply::<i64>("square", (n,)), Ok(n * n));
    }
}

#[test]
fn a_job_that_was_running_when_two_workers_died_is_poisoned() {
    within(PATIENCE, || {
        let pool = pool("faults");
        let endless = pool.submit::<()>("spin", ()).unwrap();
        let first = spinning(&pool, &[]);
        send(first, Signal::KILL);
        let second = spinning(&pool, &[first]);
        assert!(!endless.is_done());
        assert_eq!(pool.stats().jobs_retried, 1);
        send(second, Signal::ABORT);
        let fault = fault(endless.wait());
        assert_eq!(fault.cause, Cause::Poisoned(End::Killed(6)));
        assert_eq!((fault.attempt, fault.pid), (2, Some(second)));
        assert!(fault.to_string().contains("SIGABRT"), "{fault}");
        assert_eq!(pool.map::<u32>("maybe-trap", [1, 2]), Ok(vec![1, 2]));
    });
}

#[test]
fn a_job_that_may_have_had_effects_is_not_run_twice() {
    within(PATIENCE, || {
        let folder = Folder::new("effects");
        let pool = builder("faults").dir(folder.grant(false)).build().unwrap();
        let endless = pool.submit::<()>("spin", ()).unwrap();
        let pid = spinning(&pool, &[]);
        send(pid, Signal::KILL);
        let lost = fault(endless.wait());
        assert_eq!(lost.cause, Cause::WorkerLost(End::Killed(9)));
        assert_eq!((lost.attempt, lost.pid), (1, Some(pid)));
        assert!(
            lost.to_string().contains(&format!("pid {pid}"))
                && lost.to_string().contains("SIGKILL"),
            "{lost}"
        );
        assert_eq!(pool.stats().jobs_retried, 0);
        // A folder that can only be read is no effect.
        let pool = builder("faults").dir(folder.grant(true)).build().unwrap();
        let endless = pool.submit::<()>("spin", ()).unwrap();
        let pid = spinning(&pool, &[]);
        send(pid, Signal::KILL);
        spinning(&pool, &[pid]);
        assert!(endless.cancel());
    });
}

/// Pictures' rows, which are worth computing and easy to compare: `rows` of the middle of the set.
fn rows(pool: &Pool, rows: u32) -> Handle<Vec<Vec<u8>>> {
    pool.func::<(u32, View), Vec<u8>>("row")
        .unwrap()
        .map_async((0..rows).map(|y| (y, View::of(rows))))
        .unwrap()
}

#[derive(serde::Serialize, serde::Deserialize)]
struct View {
    width: u32,
    height: u32,
    max_iterations: u32,
}

impl View {
    fn of(rows: u32) -> View {
        View {
            width: 100,
            height: rows,
            max_iterations: 300,
        }
    }
}

#[test]
fn a_worker_that_dies_amid_a_chunk_loses_no_result() {
    within(2 * PATIENCE, || {
        let right = rows(&pool("mandelbrot"), 1000).wait().unwrap();
        for chunk in [1000, 400] {
            let pool = builder("mandelbrot").chunk(chunk).build().unwrap();
            let handle = rows(&pool, 1000);
            until("some are done", PATIENCE, || pool.stats().jobs_done > 50);
            let busy = pool
                .stats()
                .workers
                .into_iter()
                .find(|worker| worker.busy)
                .unwrap();
            send(busy.pid, Signal::KILL);
            assert!(handle.wait().unwrap() == right);
            let stats = pool.stats();
            assert_eq!(
                (stats.jobs_done, stats.jobs_queued, stats.workers_lost),
                (1000, 0, 1)
            );
            assert!(stats.jobs_retried <= 1);
        }
    });
}

#[test]
fn workers_that_die_again_and_again_lose_no_result() {
    within(4 * PATIENCE, || {
        let pool = builder("arith").workers(3).build().unwrap();
        let enough = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let jobs = scope.spawn(|| {
                // At least so many, and more as long as there is somebody to kill.
                let wanted = |n: &u32| *n < 20_000 || !enough.load(Ordering::Relaxed);
                let items = (0_u32..).take_while(wanted).map(|n| n % 1000);
                let mut reports = pool.imap::<Vec<i64>, _>("cubes", items).unwrap();
                let mut next = 0;
                while let Some(report) = reports.next_report() {
                    let report = report.unwrap();
                    assert_eq!(report.job, next);
                    let cubes = report.outcome.unwrap();
                    assert!((0..next as i64 % 1000).map(|n| n * n * n).eq(cubes));
                    next += 1;
                }
                next
            });
            // One at a time, and another place each time, so that no job meets two of them.
            let mut killed = 0;
            while killed < 6 {
                let done = pool.stats().jobs_done;
                let workers = pool.stats().workers;
                send(workers[killed % workers.len()].pid, Signal::KILL);
                killed += 1;
                until("it is replaced and work goes on", PATIENCE, || {
                    let stats = pool.stats();
                    let healthy = stats.workers_lost >= killed as u64
                        && stats.workers.iter().all(|worker| worker.ready);
                    healthy && stats.jobs_done > done + 1000
                });
            }
            enough.store(true, Ordering::Relaxed);
            assert_eq!(jobs.join().unwrap(), pool.stats().jobs_done);
        });
    });
}

#[test]
fn a_stopped_worker_is_replaced_where_jobs_have_a_time_limit() {
    within(PATIENCE, || {
        // In the middle of a job: that job has timed out.
        let pool = builder("faults")
            .workers(1)
            .limits(timeout(300))
            .build()
            .unwrap();
        let sleeping = pool.submit::<()>("sleep", (200_u64,)).unwrap();
        until("it is busy", PATIENCE, || pool.stats().workers[0].busy);
        stop(pids(&pool)[0]);
        match sleeping.wait() {
            Err(Error::Job(fault)) => {
                assert_eq!(fault.cause, Cause::Timeout(Duration::from_millis(300)))
            }
            // It had not begun yet, and began elsewhere.
            ended => assert_eq!(ended, Ok(())),
        }
        // While idle: the job that it is given goes to another.
        until("there is another", PATIENCE, || {
            pool.stats().workers.iter().any(|worker| worker.ready)
        });
        let stopped = pids(&pool)[0];
        stop(stopped);
        assert_eq!(pool.apply::<u32>("maybe-trap", (1,)), Ok(1));
        assert!(is_gone(stopped));
    });
}

#[test]
fn a_stopped_worker_goes_on_where_it_was() {
    within(PATIENCE, || {
        let pool = builder("arith").workers(1).build().unwrap();
        let pid = pids(&pool)[0];
        stop(pid);
        let handle = pool.map_async::<i64>("square", 0..100_000).unwrap();
        assert!(
            handle
                .wait_timeout(Duration::from_millis(30))
                .map_err(|handle| {
                    send(pid, Signal::CONT);
                    assert!((0..100_000).map(|n| n * n).eq(handle.wait().unwrap()));
                })
                .is_err()
        );
        assert_eq!(pids(&pool), [pid]);
    });
}

#[test]
fn dropping_a_pool_ends_stopped_workers() {
    within(PATIENCE, || {
        let pool = pool("arith");
        let pids = pids(&pool);
        pids.iter().copied().for_each(stop);
        drop(pool);
        assert!(pids.into_iter().all(is_gone));
    });
}

// Start.

/// The error of a pool whose workers are started from this program. The component is compiled already, which takes
/// another program.
#[track_caller]
fn build_with(program: &str) -> (BuildError, Duration) {
    drop(pool("arith"));
    let started = Instant::now();
    let error = builder("arith")
        .worker_program(program)
        .build()
        .unwrap_err();
    (error, started.elapsed())
}

#[test]
fn a_worker_program_that_is_missing_is_an_error_at_once() {
    let (error, took) = build_with("/nonexistent");
    assert!(
        matches!(error, BuildError::Start(_)) && error.to_string().contains("No such file"),
        "{error}"
    );
    assert!(took < Duration::from_secs(5));
}

#[test]
fn a_worker_program_that_ends_at_once_is_an_error_that_says_how_it_ended() {
    let (error, took) = build_with("/bin/false");
    assert!(error.to_string().contains("exited with code 1"), "{error}");
    assert!(took < Duration::from_secs(5));
    let (error, _) = build_with("/bin/true");
    assert!(error.to_string().contains("exited with code 0"), "{error}");
}

#[test]
fn a_worker_program_that_never_greets_is_given_up() {
    // It reads what it is sent, and waits for more.
    let (error, took) = build_with("/bin/cat");
    assert!(
        error.to_string().contains("was not ready after 10 s"),
        "{error}"
    );
    assert!(took < Duration::from_secs(13));
}

#[test]
fn a_program_that_forgot_to_call_init_is_told_so() {
    drop(pool("arith"));
    let error = Pool::builder()
        .component("arith")
        .cache_dir(cache())
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("host::init()"), "{error}");
    let error = Pool::builder()
        .component("bare")
        .cache_dir(cache().join("empty"))
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("host::init()"), "{error}");
}

#[test]
fn a_worker_that_goes_on_as_if_it_were_the_program_starts_no_workers() {
    alone_with(
        "workers::a_worker_that_goes_on_as_if_it_were_the_program_starts_no_workers",
        &[("HOST_ROLE", "worker")],
        || {
            let error = builder("arith").build().unwrap_err();
            assert!(
                error.to_string().contains("was started as a worker"),
                "{error}"
            );
            assert!(process::children(std::process::id()).is_empty());
        },
    );
}

#[test]
fn a_pool_whose_worker_program_vanishes_fails_every_job_with_the_reason() {
    within(PATIENCE, || {
        let folder = Folder::new("vanishing");
        let copy = folder.0.join("worker");
        std::fs::copy(program(), &copy).unwrap();
        let pool = builder("faults")
            .workers(1)
            .worker_program(&copy)
            .build()
            .unwrap();
        let queued = pool.map_async::<()>("sleep", [3_600_000_u64; 3]).unwrap();
        until("it is busy", PATIENCE, || pool.stats().workers[0].busy);
        std::fs::remove_file(&copy).unwrap();
        send(pids(&pool)[0], Signal::KILL);
        let lost = fault(queued.wait());
        assert!(
            matches!(&lost.cause, Cause::NoWorker(why) if why.contains("No such file")),
            "{lost}"
        );
        // And so do those that come later, at once.
        let later = fault(pool.map::<u32>("maybe-trap", [1, 2, 3]));
        assert!(matches!(later.cause, Cause::NoWorker(_)), "{later}");
        let later = fault(pool.submit::<u32>("maybe-trap", (1,)).unwrap().wait());
        assert!(matches!(later.cause, Cause::NoWorker(_)), "{later}");
        assert_eq!(pool.stats().workers_started, 1);
        pool.close();
        pool.join().unwrap();
    });
}

#[test]
fn an_initializer_runs_before_the_first_job_of_each_instance() {
    let with = |isolation| {
        builder("faults")
            .initializer("counter", ())
            .isolation(isolation)
            .build()
            .unwrap()
    };
    let pool = with(Isolation::InstancePerJob);
    let counter = pool.func::<(), u32>("counter").unwrap();
    assert_eq!(counter.map([(); 20]), Ok(vec![2; 20]));
    let pool = with(Isolation::InstancePerWorker);
    let mut last = BTreeMap::new();
    // In the instances after a trap, and in the workers after a death.
    for round in 0..3 {
        let counter = pool.func::<(), u32>("counter").unwrap();
        let mut reports = counter.imap([(); 50]);
        while let Some(report) = reports.next_report() {
            let report = report.unwrap();
            let before = last
                .insert(report.pid, report.outcome.unwrap())
                .unwrap_or(1);
            assert_eq!(last[&report.pid], before + 1);
        }
        if round == 0 {
            let dying = pids(&pool);
            dying.iter().for_each(|pid| send(*pid, Signal::KILL));
            until("both are replaced", PATIENCE, || {
                let workers = pool.stats().workers;
                workers.len() == 2
                    && workers
                        .iter()
                        .all(|worker| worker.ready && !dying.contains(&worker.pid))
            });
        } else {
            let trapped = fault(pool.apply::<()>("panic-with", ("no",))).pid.unwrap();
            last.remove(&trapped);
        }
    }
}

#[test]
fn an_initializer_that_fails_fails_the_jobs_and_starts_no_more_workers() {
    let pool = builder("faults")
        .initializer("panic-with", ("not today",))
        .build()
        .unwrap();
    let mut results = 0;
    for result in pool.imap::<u32, _>("maybe-trap", 0..100).unwrap() {
        let Fault { cause, stderr, .. } = fault(result);
        assert!(matches!(cause, Cause::Start(_)), "{cause}");
        assert!(stderr.contains("not today"), "{stderr}");
        results += 1;
    }
    assert_eq!(results, 100);
    let stats = pool.stats();
    assert_eq!((stats.workers_started, stats.workers_lost), (2, 0));
}

#[test]
fn an_initializer_that_cannot_be_called_is_an_error_of_the_builder() {
    let unknown = builder("faults")
        .initializer("cuonter", ())
        .build()
        .unwrap_err();
    assert!(unknown.to_string().contains("counter"), "{unknown}");
    let wrong = builder("faults")
        .initializer("log", (1,))
        .build()
        .unwrap_err();
    assert!(
        matches!(wrong, BuildError::InitializerArguments(_)),
        "{wrong}"
    );
}

// Limits.

#[test]
fn an_endless_job_is_stopped_at_its_time_limit() {
    within(PATIENCE, || {
        let pool = builder("faults").limits(timeout(100)).build().unwrap();
        let before = pids(&pool);
        let started = Instant::now();
        let stopped = fault(pool.apply::<()>("spin", ()));
        assert_eq!(stopped.cause, Cause::Timeout(Duration::from_millis(100)));
        assert!(
            stopped.backtrace.iter().any(|name| name.contains("spin")),
            "{stopped:?}"
        );
        assert!(started.elapsed() >= Duration::from_millis(100));
        assert_eq!(pool.map::<u32>("maybe-trap", [1, 2, 3]), Ok(vec![1, 2, 3]));
        // The guest was stopped, not its process.
        assert_eq!(pids(&pool), before);
        assert_eq!(pool.stats().workers_lost, 0);
    });
}

#[test]
fn a_job_that_sleeps_past_its_time_limit_ends_with_its_worker() {
    within(PATIENCE, || {
        let pool = builder("faults").limits(timeout(100)).build().unwrap();
        let started = Instant::now();
        let mut results = pool
            .imap::<(), _>("sleep", [3_600_000_u64, 1, 1, 3_600_000, 1])
            .unwrap();
        let causes: Vec<Option<Cause>> = results
            .by_ref()
            .map(|result| result.err().map(|error| fault::<()>(Err(error)).cause))
            .collect();
        let late = Some(Cause::Timeout(Duration::from_millis(100)));
        assert_eq!(causes, [late.clone(), None, None, late, None]);
        assert!(started.elapsed() < Duration::from_secs(5));
        assert_eq!(pool.stats().workers_lost, 2);
        until("they are replaced", PATIENCE, || {
            pool.stats().workers.len() == 2
        });
    });
}

#[test]
fn a_handle_that_nobody_waits_for_times_out_too() {
    let pool = builder("faults").limits(timeout(50)).build().unwrap();
    let handles = [
        pool.submit::<()>("sleep", (3_600_000_u64,)).unwrap(),
        pool.submit::<()>("spin", ()).unwrap(),
    ];
    until("both are done", PATIENCE, || {
        handles.iter().all(Handle::is_done)
    });
    for handle in handles {
        assert!(matches!(fault(handle.wait()).cause, Cause::Timeout(_)));
    }
}

#[test]
fn a_copy_that_takes_long_is_stopped_as_well() {
    // Epochs don't interrupt one instruction; at worst the worker is killed.
    within(PATIENCE, || {
        let pool = builder("traps").limits(timeout(50)).build().unwrap();
        let stopped = fault(pool.apply::<()>("memory-fill-loop", ()));
        assert_eq!(stopped.cause, Cause::Timeout(Duration::from_millis(50)));
    });
}

#[test]
fn a_job_without_fuel_left_is_stopped() {
    let limits = Limits {
        fuel: Some(1_000_000),
        ..limits()
    };
    let pool = builder("faults").limits(limits).build().unwrap();
    assert_eq!(
        fault(pool.apply::<()>("spin", ())).cause,
        Cause::Fuel(1_000_000)
    );
    // Each job has the whole of it.
    assert_eq!(
        pool.map::<u32>("maybe-trap", [1; 2000]).unwrap().len(),
        2000
    );
    assert_eq!(pool.stats().workers_lost, 0);
}

#[test]
fn a_job_that_eats_all_memory_is_stopped_at_its_limit() {
    let limit = 64 << 20;
    let limits = Limits {
        memory_bytes: limit,
        ..limits()
    };
    let pool = builder("faults")
        .workers(1)
        .limits(limits.clone())
        .build()
        .unwrap();
    assert_eq!(
        fault(pool.apply::<()>("eat-memory", ())).cause,
        Cause::Memory(limit)
    );
    assert_eq!(
        fault(pool.apply::<Vec<u8>>("huge-result", (100_u64 << 20,))).cause,
        Cause::Memory(limit)
    );
    assert_eq!(
        pool.apply::<Vec<u8>>("huge-result", (20_u64 << 20,))
            .unwrap()
            .len(),
        20 << 20
    );
    assert!(process::status_kib(pids(&pool)[0], "VmHWM") < 400 << 10);
    // What the guest is refused without a fault is no fault.
    let pool = builder("traps").limits(limits).build().unwrap();
    let pages = pool.apply::<i32>("memory-bomb", ()).unwrap();
    assert!(pages > 0 && i64::from(pages) << 16 <= limit as i64);
    assert_eq!(pool.apply::<i32>("table-bomb", ()), Ok(0));
    assert_eq!(pool.stats().workers_lost, 0);
}

#[test]
fn each_kind_of_trap_is_a_fault_and_the_worker_serves_on() {
    let pool = builder("traps").workers(1).build().unwrap();
    let before = pids(&pool);
    let traps = [
        ("unreachable", "unreachable"),
        ("integer-divide-by-zero", "divide by zero"),
        ("integer-overflow", "overflow"),
        ("bad-conversion", "conversion"),
        ("memory-out-of-bounds", "out of bounds memory"),
        ("table-out-of-bounds", "undefined element"),
        ("indirect-call-to-null", "uninitialized element"),
        ("bad-signature", "indirect call type mismatch"),
        ("stack-overflow", "stack"),
    ];
    for (function, why) in traps {
        let Fault {
            cause,
            pid,
            backtrace,
            ..
        } = fault(pool.apply::<()>(function, ()));
        assert!(
            matches!(&cause, Cause::Trap(text) if text.contains(why)),
            "{function}: {cause}"
        );
        assert_eq!(pid, Some(before[0]));
        assert!(
            backtrace.iter().any(|name| name.contains(function)),
            "{function}: {backtrace:?}"
        );
    }
    assert_eq!(pool.apply::<i32>("table-bomb", ()), Ok(0));
    let pool = builder("faults").workers(1).build().unwrap();
    let before = pids(&pool);
    for function in ["unreachable", "out-of-bounds", "bad-call"] {
        let fault = fault(pool.apply::<()>(function, ()));
        assert!(matches!(fault.cause, Cause::Trap(_)), "{function}: {fault}");
    }
    let deep = fault(pool.apply::<u32>("recurse", ()));
    assert!(matches!(deep.cause, Cause::Trap(_)), "{deep}");
    assert_eq!(pool.apply::<u32>("counter", ()), Ok(1));
    assert_eq!(pids(&pool), before);
}

#[test]
fn a_guest_that_exits_ends_its_call_and_not_the_worker() {
    let pool = builder("faults").workers(1).build().unwrap();
    let before = pids(&pool);
    for (code, told) in [(0, 0), (1, 1), (3, 1)] {
        assert_eq!(
            fault(pool.apply::<()>("exit", (code,))).cause,
            Cause::Exit(told)
        );
    }
    assert_eq!(pool.apply::<u32>("counter", ()), Ok(1));
    assert_eq!(pids(&pool), before);
}

#[test]
fn what_a_guest_writes_fills_no_memory() {
    alone("workers::what_a_guest_writes_fills_no_memory", || {
        let pool = builder("faults").workers(1).build().unwrap();
        let pid = pids(&pool)[0];
        pool.apply::<()>("flood-stdout", (1_u64 << 20,)).unwrap();
        pool.apply::<()>("flood-stderr", (1_u64 << 20,)).unwrap();
        let sizes = || {
            (
                process::status_kib(pid, "VmHWM"),
                process::status_kib(std::process::id(), "VmHWM"),
            )
        };
        let before = sizes();
        pool.apply::<()>("flood-stdout", (1_u64 << 30,)).unwrap();
        pool.apply::<()>("flood-stderr", (1_u64 << 28,)).unwrap();
        let after = sizes();
        assert!(
            after.0 - before.0 < 16 << 10,
            "the worker grew from {} to {} KiB",
            before.0,
            after.0
        );
        assert!(
            after.1 - before.1 < 16 << 10,
            "the host grew from {} to {} KiB",
            before.1,
            after.1
        );
    });
}

#[test]
fn a_fault_carries_the_last_lines_of_its_own_job_only() {
    let pool = builder("faults").workers(1).build().unwrap();
    pool.apply::<()>("log", ("said by another job",)).unwrap();
    let words = fault(pool.apply::<()>("panic-with", ("the last words",))).stderr;
    assert!(
        words.contains("the last words") && !words.contains("another job"),
        "{words}"
    );
    let long = "x".repeat(3 * host::STDERR_KEPT);
    let words = fault(pool.apply::<()>("panic-with", (format!("{long} the end"),))).stderr;
    assert!(
        words.len() <= host::STDERR_KEPT && words.contains("x the end"),
        "{words}"
    );
}

// Isolation and renewal.

#[test]
fn an_instance_keeps_its_state_for_a_worker_or_for_a_job() {
    let pool = builder("faults").workers(1).build().unwrap();
    let counter = pool.func::<(), u32>("counter").unwrap();
    assert!((1..=100).eq(counter.map([(); 100]).unwrap()));
    // A trap ends the instance, and its state.
    fault(pool.apply::<()>("panic-with", ("no",)));
    assert_eq!(counter.apply(()), Ok(1));
    let pool = builder("faults")
        .isolation(Isolation::InstancePerJob)
        .build()
        .unwrap();
    assert_eq!(
        pool.func::<(), u32>("counter").unwrap().map([(); 100]),
        Ok(vec![1; 100])
    );
}

#[test]
fn a_worker_is_renewed_after_so_many_jobs() {
    within(2 * PATIENCE, || {
        for (max, chunk) in [(1, None), (7, None), (7, Some(3)), (10, Some(100))] {
            let mut builder = builder("faults").max_jobs_per_worker(max);
            if let Some(chunk) = chunk {
                builder = builder.chunk(chunk);
            }
            let pool = builder.build().unwrap();
            let counter = pool.func::<(), u32>("counter").unwrap();
            let mut reports = counter.imap([(); 100]);
            let mut done = BTreeMap::<u32, u64>::new();
            while let Some(report) = reports.next_report() {
                let report = report.unwrap();
                let jobs = done.entry(report.pid).or_default();
                *jobs += 1;
                assert_eq!(u64::from(report.outcome.unwrap()), *jobs);
                assert!(*jobs <= max, "{jobs} jobs in one worker");
            }
            assert!(done.len() as u64 >= 100 / max);
            assert_eq!(pool.stats().workers_lost, 0);
        }
    });
}

// Grants.

/// A folder of one test, removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("host-workers-{test}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn grant(&self, read_only: bool) -> Dir {
        Dir {
            host: self.0.clone(),
            guest: "/data".into(),
            read_only,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

type Told<T> = Result<T, String>;

#[test]
fn a_guest_sees_the_granted_environment_and_no_other() {
    let granted = vec![
        ("A".to_owned(), "1".to_owned()),
        ("B".to_owned(), "two words = ü".to_owned()),
    ];
    let pool = builder("faults")
        .env("A", "1")
        .env("B", "two words = ü")
        .build()
        .unwrap();
    assert_eq!(
        pool.apply::<Vec<(String, String)>>("environment", ()),
        Ok(granted)
    );
    assert_eq!(
        crate::pool("faults").apply::<Vec<(String, String)>>("environment", ()),
        Ok(vec![])
    );
}

#[test]
fn a_guest_reaches_the_granted_folder_and_no_other() {
    let folder = Folder::new("grants");
    std::fs::write(folder.0.join("note"), "written here").unwrap();
    let read = |pool: &Pool, path: &str| pool.apply::<Told<String>>("read-file", (path,)).unwrap();
    let write = |pool: &Pool, path: &str| {
        pool.apply::<Told<()>>("write-file", (path, "written there"))
            .unwrap()
    };

    let pool = builder("faults").dir(folder.grant(false)).build().unwrap();
    assert_eq!(read(&pool, "/data/note"), Ok("written here".into()));
    assert_eq!(write(&pool, "/data/new"), Ok(()));
    assert_eq!(
        std::fs::read_to_string(folder.0.join("new")).unwrap(),
        "written there"
    );
    for outside in [
        "/etc/passwd",
        "/data/../etc/passwd",
        "/data/../../../etc/passwd",
        "etc/passwd",
        "/proc/self/environ",
    ] {
        assert!(read(&pool, outside).is_err(), "{outside}");
    }
    std::os::unix::fs::symlink("/etc/passwd", folder.0.join("link")).unwrap();
    assert!(read(&pool, "/data/link").is_err());

    let pool = builder("faults").dir(folder.grant(true)).build().unwrap();
    assert_eq!(read(&pool, "/data/new"), Ok("written there".into()));
    assert!(write(&pool, "/data/new").is_err() && write(&pool, "/data/newer").is_err());
    assert!(!folder.0.join("newer").exists());

    let pool = crate::pool("faults");
    assert!(read(&pool, "/data/note").is_err() && write(&pool, "/data/note").is_err());
}

#[test]
fn a_granted_folder_that_is_missing_is_an_error_that_names_it() {
    let missing = Dir {
        host: "/no/such/folder".into(),
        guest: "/data".into(),
        read_only: true,
    };
    let error = builder("faults").dir(missing).build().unwrap_err();
    assert!(error.to_string().contains("/no/such/folder"), "{error}");
}

// Components.

#[test]
fn a_component_needs_no_wasi_and_comes_from_bytes_or_a_file_too() {
    let text = r#"(component
        (core module $m (func (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2))))
        (core instance $i (instantiate $m))
        (func (export "double") (param "n" u32) (result u32) (canon lift (core func $i "double"))))"#;
    let folder = Folder::new("sources");
    let path = folder.0.join("double.wat");
    std::fs::write(&path, text).unwrap();
    let build = |source: host::Source| {
        Pool::builder()
            .component(source)
            .workers(1)
            .worker_program(program())
            .cache_dir(cache())
            .build()
            .unwrap()
    };
    check(&build(path.into()), "double", &[1_u32, 2], &[2_u32, 4]);
    check(
        &build(text.as_bytes().to_vec().into()),
        "double",
        &[1_u32, 2],
        &[2_u32, 4],
    );
    let bare = pool("bare");
    check(&bare, "square", &[-3_i64], &[9_i64]);
    assert_eq!(bare.apply::<u32>("answer", ()), Ok(42));
    assert_eq!(bare.apply::<i64>("bare/add", (1, 2)), Ok(3));
}

#[test]
fn a_real_text_gives_a_record() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Summary {
        characters: u32,
        words: u32,
        sentences: u32,
        frequent: Vec<WordCount>,
    }
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct WordCount {
        word: String,
        count: u32,
    }
    let summary: Summary = pool("text")
        .apply("stats", ("Tea? Tea! And again.",))
        .unwrap();
    assert_eq!(
        (summary.characters, summary.words, summary.sentences),
        (20, 4, 3)
    );
    assert_eq!(
        summary.frequent[0],
        WordCount {
            word: "tea".into(),
            count: 2
        }
    );
}

// What is left behind.

#[test]
fn a_pool_leaves_no_process_no_descriptor_and_no_thread() {
    alone(
        "workers::a_pool_leaves_no_process_no_descriptor_and_no_thread",
        || {
            let use_one = || {
                let pool = builder("faults").workers(3).build().unwrap();
                assert!((0..5).eq(pool.map::<u32>("maybe-trap", 0..5_u32).unwrap()));
                pool.submit::<u32>("maybe-trap", (1_u32,))
                    .unwrap()
                    .on_done(drop);
                send(pids(&pool)[0], Signal::KILL);
                let _abandoned = pool.submit::<()>("spin", ()).unwrap();
            };
            use_one();
            let counts = || {
                (
                    process::children(std::process::id()).len(),
                    process::descriptors(),
                    process::threads(),
                )
            };
            let before = counts();
            assert_eq!(before.0, 0);
            (0..20).for_each(|_| use_one());
            assert_eq!(counts(), before);
            // Nor does one that could not be built.
            let failing = || {
                builder("faults")
                    .worker_program("/bin/false")
                    .build()
                    .unwrap_err();
                builder("faults")
                    .worker_program("/nonexistent")
                    .build()
                    .unwrap_err();
                builder("faults")
                    .initializer("nothing", ())
                    .build()
                    .unwrap_err();
            };
            (0..5).for_each(|_| failing());
            assert_eq!(counts(), before);
        },
    );
}

#[test]
fn the_programs_death_ends_its_workers() {
    within(PATIENCE, || {
        let mut program = Command::new(program())
            .args([
                "map",
                "faults",
                "sleep",
                "3600000",
                "3600000",
                "--workers",
                "2",
            ])
            .env("XDG_CACHE_HOME", cache().join("program"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut workers = Vec::new();
        until("there are two workers", PATIENCE, || {
            workers = process::children(program.id());
            workers.retain(|&pid| process::name(pid) == "host-worker");
            if let Some(status) = program.try_wait().unwrap() {
                let mut told = String::new();
                program
                    .stderr
                    .take()
                    .unwrap()
                    .read_to_string(&mut told)
                    .unwrap();
                panic!("it ended: {status}: {told}");
            }
            workers.len() == 2
        });
        program.kill().unwrap();
        until("they are gone", Duration::from_secs(1), || {
            workers
                .iter()
                .all(|&pid| is_gone(pid) || process::is_in_state(pid, "Z"))
        });
        program.wait().unwrap();
    });
}

#[test]
fn a_worker_has_nothing_of_its_parents() {
    // Even of what any other child would inherit.
    let (read, _write) = rustix::pipe::pipe().unwrap();
    // The first worker was started by itself, the others were forked off one process.
    let pool = builder("arith").workers(3).build().unwrap();
    pool.wait_ready();
    drop(read);
    pids(&pool).into_iter().for_each(has_nothing_of_its_parents);
}

#[track_caller]
fn has_nothing_of_its_parents(pid: u32) {
    // Who is not root is denied the look, as it should be: a worker cannot be looked into.
    let environment = match std::fs::read_to_string(format!("/proc/{pid}/environ")) {
        Err(error) if !rustix::process::geteuid().is_root() => {
            return assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
        }
        environment => environment.unwrap(),
    };
    let names: BTreeSet<&str> = environment
        .split_terminator('\0')
        .filter_map(|line| Some(line.split_once('=')?.0))
        // The C library cuts the variable with its tunables in place.
        .filter(|name| !name.starts_with("glibc."))
        .collect();
    let own = ["GLIBC_TUNABLES", "HOST_ROLE", "RUST_BACKTRACE"];
    assert_eq!(names, BTreeSet::from(own));
    assert_eq!(
        std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap(),
        PathBuf::from("/")
    );
    // A session of its own, so that a terminal's signals pass it by.
    let worker = rustix::process::Pid::from_raw(pid as i32);
    assert_eq!(rustix::process::getsid(worker).ok(), worker);
    // Standard input, output and error, the memories and the socket that it was given, and what Wasmtime opened: no file
    // of ours, no pipe, and nothing twice, as it would be with another worker's.
    let own = format!("/proc/{pid}/pagemap");
    let mut kinds = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let target = std::fs::read_link(entry.unwrap().path()).unwrap();
        let target = target.to_string_lossy();
        let expected = ["socket:", "/dev/null", "/memfd:", "anon_inode:", &own];
        assert!(
            expected.iter().any(|start| target.starts_with(start)),
            "{target}"
        );
        kinds.push(target.split('[').next().unwrap_or_default().to_owned());
    }
    kinds.sort();
    assert!(kinds.is_sorted_by(|a, b| a < b), "{kinds:?}");
}

#[test]
fn a_result_may_be_as_long_as_its_limit_and_no_longer() {
    let limits = Limits {
        result_bytes: 103,
        ..Limits::default()
    };
    let pool = builder("types").limits(limits).build().unwrap();
    // A text takes four bytes more than it is long.
    let longest = "x".repeat(99);
    assert_eq!(
        pool.apply("echo-string", (&longest,)),
        Ok::<String, host::Error>(longest.clone())
    );
    let too_long = pool.apply::<String>("echo-string", (longest + "x",));
    assert_eq!(
        fault(too_long).cause,
        Cause::Result("it is 104 bytes long, and may have 103".into())
    );
    assert_eq!(pool.stats().workers_lost, 0);
}
