//! What jobs used: in their reports, in the pool's counts, in the program's lines, and beside what the kernel says.

use crate::process::send;
use crate::{PATIENCE, builder, fault, pool, program, until, within};
use host::{Cause, Limits, Pool, Report, Usage, Value};
use rustix::process::Signal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A guest that looks at the clocks, as often as it is told.
const CLOCKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/engine/tests/clocks.wat");

fn accounting(component: &str) -> Pool {
    builder(component).workers(1).account(true).build().unwrap()
}

/// The reports of a job for each item, by their indices.
fn reports<P: Serialize, R: DeserializeOwned>(
    pool: &Pool,
    function: &str,
    items: impl IntoIterator<Item = P>,
) -> Vec<Report<R>> {
    let mut results = pool.imap_unordered::<R, _>(function, items).unwrap();
    let mut reports: Vec<Report<R>> =
        std::iter::from_fn(|| results.next_report().map(Result::unwrap)).collect();
    reports.sort_by_key(|report| report.job);
    reports
}

#[test]
fn what_travelled_is_known_without_asking() {
    // Jobs of their own, sweeps, and a batch function, in the order of their ends.
    let texts = pool("types");
    let lengths = (0..1000).map(|n| (n * 7) % 300);
    let told = reports::<_, String>(
        &texts,
        "echo-string",
        lengths.clone().map(|length| "x".repeat(length)),
    );
    for (report, length) in told.iter().zip(lengths) {
        let bytes = 4 + length as u64;
        let Usage {
            attempts,
            argument_bytes,
            result_bytes,
            ..
        } = report.usage;
        assert_eq!((attempts, argument_bytes, result_bytes), (1, bytes, bytes));
    }
    for component in ["bare", "arith"] {
        let told = reports::<_, i64>(&pool(component), "square", 0..3000_i64);
        assert_eq!(told.len(), 3000);
        for report in told {
            let mut expected = Usage::default();
            expected.attempts = 1;
            (expected.argument_bytes, expected.result_bytes) = (8, 8);
            assert_eq!(report.usage, expected, "job {}", report.job);
        }
    }
    // In order, and with jobs that fail in between.
    let faults = pool("faults");
    let mut results = faults.imap::<u32, _>("maybe-trap", 0..50_u32).unwrap();
    while let Some(report) = results.next_report() {
        let Report { job, usage, .. } = report.unwrap();
        let result_bytes = if job % 10 == 7 { 0 } else { 4 };
        assert_eq!(
            (usage.argument_bytes, usage.result_bytes, usage.wall),
            (4, result_bytes, None)
        );
    }
    let stats = faults.stats();
    assert!(stats.usage.request_bytes >= 50 * 12 && stats.usage.answer_bytes >= 45 * 12);
    assert_eq!((stats.usage.accounted, stats.cpu), (0, None));
}

#[test]
fn an_account_says_what_the_job_did() {
    let pool = accounting(CLOCKS);
    let looks = [0_u32, 10, 2000];
    for (report, looks) in reports::<_, u64>(&pool, "look", looks).iter().zip(looks) {
        let usage = &report.usage;
        assert_eq!(usage.host_calls, Some(u64::from(looks)));
        assert!(usage.fuel.unwrap() > u64::from(looks));
        assert_eq!(usage.peak_memory_bytes, Some(64 << 10));
        let (wall, cpu) = (usage.wall.unwrap(), usage.cpu.unwrap());
        assert!(!cpu.is_zero() && cpu <= wall, "{usage:?}");
        assert_eq!((usage.argument_bytes, usage.result_bytes), (4, 8));
    }
    let used = pool.stats().usage;
    assert_eq!((used.accounted, used.host_calls), (3, 2010));
    assert_eq!(used.peak_memory_bytes, 64 << 10);
    assert_eq!(pool.stats().workers[0].usage, used);
}

#[test]
fn who_sleeps_takes_time_and_no_processor() {
    let pool = accounting("faults");
    let slept = &reports::<_, ()>(&pool, "sleep", [50_u64])[0].usage;
    assert!(slept.wall.unwrap() >= Duration::from_millis(50));
    assert!(
        slept.cpu.unwrap() < Duration::from_millis(40),
        "{slept:?}, instance included"
    );
}

#[test]
fn a_failed_job_has_an_account_as_far_as_somebody_knows() {
    let limit = Duration::from_millis(60);
    let limits = Limits {
        timeout: Some(limit),
        ..Limits::default()
    };
    let pool = builder("faults").limits(limits).account(true);
    let pool = pool.workers(1).build().unwrap();
    let of = |function: &str, milliseconds: u64| {
        let mut told = match function {
            "sleep" => reports::<_, Value>(&pool, function, [Value::U64(milliseconds)]),
            _ => {
                let call = pool.func::<(), Value>(function).unwrap();
                let mut results = call.imap([()]);
                std::iter::from_fn(|| results.next_report().map(Result::unwrap)).collect()
            }
        };
        let report = told.remove(0);
        assert_eq!(report.outcome, Err(report.outcome.clone().unwrap_err()));
        report.usage
    };
    // Stopped by the engine, and reported by the worker.
    let spun = of("spin", 0);
    assert!(spun.wall.unwrap() >= limit, "{spun:?}");
    assert!(spun.cpu.is_some() && spun.fuel.is_some());
    // Ended with the worker, which the pool saw from without.
    let slept = of("sleep", 3_600_000);
    assert!(slept.wall.unwrap() >= limit, "{slept:?}");
    assert_eq!((slept.cpu, slept.fuel, slept.attempts), (None, None, 1));
    assert_eq!(slept.argument_bytes, 8);
    assert_eq!(pool.stats().usage.accounted, 1);
}

#[test]
fn an_account_costs_no_job_its_retry() {
    within(PATIENCE, || {
        let pool = accounting("faults");
        let waiting = std::thread::scope(|scope| {
            let job = scope.spawn(|| reports::<_, ()>(&pool, "sleep", [300_u64]));
            until("it sleeps", PATIENCE, || {
                pool.stats().workers.iter().any(|worker| worker.busy)
            });
            send(pool.stats().workers[0].pid, Signal::KILL);
            job.join().unwrap()
        });
        let report = &waiting[0];
        assert_eq!(report.outcome, Ok(()));
        assert!(report.usage.attempts <= 2);
        assert!(report.usage.wall.unwrap() >= Duration::from_millis(300));
    });
}

#[derive(Serialize)]
struct View {
    width: u32,
    height: u32,
    max_iterations: u32,
}

#[test]
fn the_sum_of_all_accounts_is_what_the_kernel_counts() {
    // Long enough that what a worker does besides its jobs is little beside 1 %.
    const ENOUGH: Duration = Duration::from_millis(1500);
    let pool = accounting("mandelbrot");
    // Some 0.1 s of computing, and a short answer: to send a long one takes a worker time that is no job's.
    let work = || {
        let view = View {
            width: 300,
            height: 200,
            max_iterations: 100_000,
        };
        pool.apply::<Vec<u8>>("row", (100_u32, view)).unwrap();
    };
    let counted = || {
        // The kernel counts a thread that runs only now and then, so wait until the worker sleeps.
        let mut before = None;
        until("the worker sleeps", PATIENCE, || {
            let now = pool.stats().cpu;
            std::mem::replace(&mut before, now) == now
        });
        let stats = pool.stats();
        (stats.cpu.unwrap(), stats.usage.cpu)
    };
    // What happens once is not part of it.
    work();
    let (kernel_before, accounts_before) = counted();
    while pool.stats().usage.cpu - accounts_before < ENOUGH {
        work();
    }
    let (kernel, accounts) = counted();
    let kernel = (kernel - kernel_before).as_secs_f64();
    let accounts = (accounts - accounts_before).as_secs_f64();
    assert!(
        (kernel / accounts - 1.0).abs() < 0.01,
        "{kernel} s by the kernel, {accounts} s by the accounts"
    );
}

#[test]
fn processor_time_outlives_the_worker_that_took_it() {
    let pool = accounting("arith");
    pool.apply::<Vec<i64>>("cubes", (2_000_000_u32,)).unwrap();
    let used = pool.stats();
    let first = used.workers[0].pid;
    send(first, Signal::KILL);
    until("another worker is there", PATIENCE, || {
        let workers = pool.stats().workers;
        workers
            .iter()
            .any(|worker| worker.ready && worker.pid != first)
    });
    let now = pool.stats();
    assert!(now.cpu >= used.cpu, "{:?}, then {:?}", used.cpu, now.cpu);
    assert_eq!(now.workers[0].usage, used.usage);
}

fn host(arguments: &[&str]) -> Output {
    Command::new(program())
        .args(arguments)
        .env(
            "XDG_CACHE_HOME",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/caches"),
        )
        .output()
        .unwrap()
}

#[test]
fn the_program_tells_what_jobs_used_where_that_is_asked_for() {
    let json = ["map", "faults", "maybe-trap", "6", "7", "--format", "json"];
    let plain = host(&json);
    assert!(!String::from_utf8_lossy(&plain.stdout).contains("usage"));
    let told = host(&[&json[..], &["--account"]].concat());
    let lines = String::from_utf8(told.stdout).unwrap();
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    for (line, result_bytes) in lines.iter().zip([4, 0]) {
        let usage = &line["usage"];
        assert_eq!(usage["attempts"], 1);
        assert_eq!(usage["argument_bytes"], 4);
        assert_eq!(usage["result_bytes"], result_bytes);
        for measured in ["wall_ns", "cpu_ns", "fuel", "peak_memory_bytes"] {
            assert!(usage[measured].as_u64().unwrap() > 0, "{measured}: {usage}");
        }
        assert!(usage["host_calls"].is_u64());
    }
    let summary = String::from_utf8(told.stderr).unwrap();
    assert!(summary.contains("\naccounted: "), "{summary}");
    let call = ["call", "arith", "square(3)", "--account"];
    let told = String::from_utf8(host(&call).stderr).unwrap();
    assert!(told.starts_with("accounted: "), "{told}");
    let quiet = host(&[&call[..], &["--quiet"]].concat());
    assert!(quiet.stderr.is_empty());
    let verbose = host(&[&call[..], &["--verbose"]].concat());
    let verbose = String::from_utf8(verbose.stderr).unwrap();
    assert!(verbose.contains("square(3) = 9 in "), "{verbose}");
}

#[test]
fn accounting_stops_no_limit_from_working() {
    let limits = Limits {
        fuel: Some(100_000),
        result_bytes: 100,
        ..Limits::default()
    };
    let pool = builder("arith").limits(limits).account(true);
    let pool = pool.build().unwrap();
    let begun = Instant::now();
    let cause = |n: u32| fault(pool.apply::<Vec<i64>>("cubes", (n,))).cause;
    assert_eq!(cause(1_000_000), Cause::Fuel(100_000));
    assert!(matches!(cause(13), Cause::Result(why) if why.contains("may have 100")));
    assert_eq!(
        pool.apply::<Vec<i64>>("cubes", (12_u32,)).unwrap().len(),
        12
    );
    let stats = pool.stats();
    assert_eq!((stats.usage.accounted, stats.workers_lost), (3, 0));
    assert!(stats.usage.wall <= 2 * begun.elapsed());
}
