//! What a job may use and is given, in real workers behind their walls: coarse clocks, calls of the host, what it writes.

use crate::{PATIENCE, builder, cache, fault, program, within};
use host::{Cause, Clocks, Limits, Pool, STDERR_KEPT, Source, Value};
use serde::Serialize;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A guest that looks at the clocks, as often as it is told.
const CLOCKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/engine/tests/clocks.wat");

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

fn stdout(arguments: &[&str]) -> String {
    String::from_utf8(host(arguments).stdout).unwrap()
}

#[test]
fn clocks_are_full_unless_coarse_ones_are_asked_for() {
    let resolution = |clocks| {
        let pool = builder(CLOCKS).clocks(clocks).build().unwrap();
        pool.apply::<u64>("resolution", ()).unwrap()
    };
    assert_eq!(resolution(Clocks::Full), 1);
    assert_eq!(resolution(Clocks::Coarse), 1_000_000);
    let asked = ["call", CLOCKS, "resolution()"];
    assert_eq!(stdout(&asked), "1\n");
    let coarse = stdout(&[&asked[..], &["--clocks", "coarse"]].concat());
    assert_eq!(coarse, "1000000\n");
}

/// A pool whose jobs are limited so.
fn limited(component: impl Into<Source>, change: impl FnOnce(&mut Limits)) -> Pool {
    let mut limits = Limits::default();
    change(&mut limits);
    let named = Pool::builder().component(component).workers(1);
    let named = named.worker_program(program()).cache_dir(cache());
    named.limits(limits).build().unwrap()
}

#[test]
fn calls_of_the_host_and_what_is_written_are_limited_behind_the_walls() {
    let pool = limited(CLOCKS, |limits| limits.host_calls = Some(50));
    let looks = [50_u32, 51, 50].map(|times| pool.apply::<u64>("look", (times,)));
    let [enough, too_many, again] = looks;
    assert!(enough.is_ok() && again.is_ok());
    assert_eq!(fault(too_many).cause, Cause::HostCalls(50));
    assert_eq!(pool.stats().workers_lost, 0);
    let pool = limited("faults", |limits| limits.log_bytes = Some(100_000));
    let long = "x".repeat(200_000);
    let logged = fault(pool.apply::<()>("log", (long,)));
    assert_eq!(logged.cause, Cause::Log(100_000));
    assert_eq!(logged.stderr.len(), STDERR_KEPT);
    assert_eq!(pool.apply::<()>("log", ("short",)), Ok(()));
    let stats = pool.stats();
    assert_eq!((stats.workers_lost, stats.workers_started), (0, 1));
}

#[test]
fn jobs_that_could_call_the_host_are_not_swept_where_that_is_limited() {
    // What imports nothing cannot, and is as fast as ever: its jobs still go as lists, which tells by the frames.
    let answer_bytes = |component: &str| {
        let pool = limited(component, |limits| limits.host_calls = Some(3));
        let squares = pool.map::<i64>("square", 0..1000_i64).unwrap();
        assert!((0..1000).map(|n| n * n).eq(squares));
        pool.stats().usage.answer_bytes
    };
    assert!(answer_bytes("bare") < 1000 * 10);
    assert!(answer_bytes("arith") >= 1000 * 16);
}

// Whatever a guest does, its time limit ends it: by the engine, or with its worker.

/// What ends a job that may take 50 ms.
fn ends(component: impl Into<Source>, function: &str, arguments: impl Serialize) -> (Cause, u64) {
    let pool = limited(component, |limits| {
        limits.timeout = Some(LIMIT);
        limits.memory_bytes = 4 << 30;
    });
    let begun = Instant::now();
    let ended = fault(pool.apply::<Value>(function, arguments)).cause;
    assert!(begun.elapsed() >= LIMIT);
    (ended, pool.stats().workers_lost)
}

const LIMIT: Duration = Duration::from_millis(50);

#[test]
fn a_loop_and_a_flood_of_output_are_stopped_and_their_worker_serves_on() {
    within(PATIENCE, || {
        let late = Cause::Timeout(LIMIT);
        assert_eq!(ends("faults", "spin", ()), (late.clone(), 0));
        let flood = ends("faults", "flood-stdout", (u64::MAX,));
        assert_eq!(flood, (late.clone(), 0));
        assert_eq!(ends("faults", "flood-stderr", (u64::MAX,)), (late, 0));
    });
}

#[test]
fn a_loop_in_the_start_function_is_stopped_like_any_other() {
    let component = r#"(component
        (core module $code
            (func $start (loop $again (br $again)))
            (start $start)
            (func (export "f")))
        (core instance $code (instantiate $code))
        (func (export "f") (canon lift (core func $code "f"))))"#;
    let (cause, lost) = within(PATIENCE, || ends(component.as_bytes(), "f", ()));
    assert_eq!(cause, Cause::Start(Cause::Timeout(LIMIT).to_string()));
    assert_eq!(lost, 0);
}

#[test]
fn one_copy_of_four_gibibytes_ends_with_its_worker() {
    // By a byte, because a copy onto itself is none; so every page is written, which takes seconds.
    let component = r#"(component
        (core module $code
            (memory 65536)
            (func (export "f")
                (memory.copy (i32.const 0) (i32.const 1) (i32.const 0xfffffffe))))
        (core instance $code (instantiate $code))
        (func (export "f") (canon lift (core func $code "f"))))"#;
    let (cause, lost) = within(PATIENCE, || ends(component.as_bytes(), "f", ()));
    assert_eq!((cause, lost), (Cause::Timeout(LIMIT), 1));
}

#[test]
fn a_host_call_that_sleeps_ends_with_its_worker() {
    let slept = within(PATIENCE, || ends("faults", "sleep", (3_600_000_u64,)));
    assert_eq!(slept, (Cause::Timeout(LIMIT), 1));
}

#[test]
fn compiling_has_limits_that_can_be_set() {
    let stopped = |arguments: &[&str], hint: &str| {
        let told = Command::new(program())
            .args(arguments)
            // A folder that nobody may write, so that nothing is there already.
            .env("XDG_CACHE_HOME", "/proc")
            .output()
            .unwrap();
        let stderr = String::from_utf8(told.stderr).unwrap();
        assert_eq!(told.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("compiling `arith` was stopped"), "{stderr}");
        assert!(stderr.contains(hint), "{stderr}");
    };
    let time = ["inspect", "arith", "--compile-timeout", "5ms"];
    stopped(&time, "the limit is `--compile-timeout`");
    let memory = ["call", "arith", "square(3)", "--compile-memory", "12MiB"];
    stopped(&memory, "the limit is `--compile-memory`");
}
