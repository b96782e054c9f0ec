//! Hostile guests: what they do inside WebAssembly and at its border costs their own job. The same worker serves the next one,
//! unless it has to be stopped with the guest, and the host's own memory stays as it was.
//!
//! They are components in text. What needs no process of its own is tried beside the engine.

use crate::process::{self, alone, is_gone};
use crate::{PATIENCE, builder, cache, fault, program, until, within};
use host::component::{Component, ComponentError, Limit, Options};
use host::{Builder, Cause, Limits, Pool, Value};
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_millis(100);
const MEMORY_BYTES: u64 = 64 << 20;
/// How often each does it.
const TIMES: usize = 3;
/// What the host's own memory may grow by, in KiB: its buffers, and no result of a guest.
const GROWTH_KIB: u64 = 4 << 10;

/// An interface that guests are given, and a function of it.
const CLOCK: [&str; 2] = ["wasi:clocks/monotonic-clock@0.2.0", "now"];

fn limited(builder: Builder) -> Builder {
    let limits = Limits {
        timeout: Some(TIMEOUT),
        memory_bytes: MEMORY_BYTES,
        ..Limits::default()
    };
    builder.workers(1).limits(limits)
}

/// A pool of one worker for a component in text.
fn pool_of(text: &str) -> Result<Pool, host::BuildError> {
    let builder = Pool::builder().component(text.as_bytes());
    limited(builder.worker_program(program()).cache_dir(cache())).build()
}

fn pid(pool: &Pool) -> u32 {
    pool.stats().workers[0].pid
}

/// A component whose function `run` gives `result` and is the core function `run` of a module with this in it. It may call
/// `new` and `drop` of a resource of its own.
fn component(result: &str, module: &str) -> String {
    format!(
        r#"(component
            (type $e (enum "a" "b"))
            (export $enum "enum" (type $e))
            (type $r (resource (rep i32)))
            (core func $new (canon resource.new $r))
            (core func $drop (canon resource.drop $r))
            (core module $m
                (import "" "new" (func $new (param i32) (result i32)))
                (import "" "drop" (func $drop (param i32)))
                (memory (export "memory") 1)
                {module})
            (core instance $i (instantiate $m
                (with "" (instance (export "new" (func $new)) (export "drop" (func $drop))))))
            (func (export "run") {result}
                (canon lift (core func $i "run") (memory (core memory $i "memory")))))"#
    )
}

/// A component that imports one function, and whose `run` calls it.
fn importing([instance, name]: [&str; 2], function: &str, core: &str, body: &str) -> String {
    format!(
        r#"(component
            (import "{instance}" (instance $import (export "{name}" {function})))
            (core module $memory
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
                    (local.set $at (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get 3) (i32.const 16)))))
                    (if (i32.eq (local.get $at) (i32.const -1)) (then unreachable))
                    (i32.shl (local.get $at) (i32.const 16))))
            (core instance $m (instantiate $memory))
            (core func $f (canon lower (func $import "{name}")
                (memory (core memory $m "memory")) (realloc (core func $m "realloc"))))
            (core module $main (import "" "f" (func $f {core})) (func (export "run") {body}))
            (core instance $i (instantiate $main (with "" (instance (export "f" (func $f))))))
            (func (export "run") (canon lift (core func $i "run"))))"#
    )
}

#[test]
fn a_hostile_guest_costs_its_own_job_and_no_memory_of_the_host() {
    alone(
        "guests::a_hostile_guest_costs_its_own_job_and_no_memory_of_the_host",
        || {
            let trap: fn(&Cause) -> bool = |cause| matches!(cause, Cause::Trap(_));
            let result: fn(&Cause) -> bool = |cause| matches!(cause, Cause::Result(_));
            let time: fn(&Cause) -> bool = |cause| matches!(cause, Cause::Timeout(TIMEOUT));
            let text = "(result string)";
            for (what, result_type, module, expected) in [
                ("a loop", "", "(func (export \"run\") (loop (br 0)))", time),
                ("handles without end", "", "(func (export \"run\") (loop (drop (call $new (i32.const 0))) (br 0)))",
                    |cause| matches!(cause, Cause::Trap(_) | Cause::Memory(_) | Cause::Timeout(_))),
                ("a handle dropped twice", "", "(func (export \"run\") (local i32)
                    (local.set 0 (call $new (i32.const 7))) (call $drop (local.get 0)) (call $drop (local.get 0)))", trap),
                ("a handle of nobody", "", "(func (export \"run\") (call $drop (i32.const 12345)))", trap),
                ("a char that is none", "(result char)", "(func (export \"run\") (result i32) (i32.const 0xd800))", result),
                ("an enum of no case", "(result $enum)", "(func (export \"run\") (result i32) (i32.const 7))", result),
                ("a text beyond the memory", text, "(data (i32.const 0) \"\\fc\\ff\\00\\00\\ff\\ff\\ff\\ff\")
                    (func (export \"run\") (result i32) (i32.const 0))", result),
                ("a text of no letters", text, "(data (i32.const 0) \"\\08\\00\\00\\00\\01\\00\\00\\00\\ff\")
                    (func (export \"run\") (result i32) (i32.const 0))", result),
                ("a result that lies nowhere", text, "(func (export \"run\") (result i32) (i32.const -4))", result),
                ("a result that lies askew", text, "(func (export \"run\") (result i32) (i32.const 3))", result),
                ("numbers that lie askew", "(result (list u64))", "(data (i32.const 0) \"\\01\\00\\00\\00\\01\\00\\00\\00\")
                    (func (export \"run\") (result i32) (i32.const 0))", result),
            ] {
                let pool = pool_of(&component(result_type, module)).unwrap();
                misbehaves(&pool, what, expected);
            }
            let storm = importing(
                CLOCK,
                "(func (result u64))",
                "(result i64)",
                "(loop (drop (call $f)) (br 0))",
            );
            misbehaves(&pool_of(&storm).unwrap(), "a storm of calls", time);
            let random = importing(
                ["wasi:random/random@0.2.0", "get-random-bytes"],
                "(func (param \"len\" u64) (result (list u8)))",
                "(param i64 i32)",
                "(call $f (i64.const 0x40000000) (i32.const 0))",
            );
            misbehaves(
                &pool_of(&random).unwrap(),
                "a gigabyte of chance",
                |cause| matches!(cause, Cause::Trap(_) | Cause::Memory(_) | Cause::Timeout(_)),
            );
        },
    );
}

/// Runs it some times: a fault of this kind each time, in time, from the same worker, and the host does not grow.
#[track_caller]
fn misbehaves(pool: &Pool, what: &str, expected: fn(&Cause) -> bool) {
    let (worker, before) = (pid(pool), own_kib());
    for _ in 0..TIMES {
        let begun = Instant::now();
        let fault = fault(pool.apply::<Value>("run", ()));
        assert!(expected(&fault.cause), "{what}: {fault}");
        assert!(begun.elapsed() < TIMEOUT + Duration::from_secs(1), "{what}");
    }
    assert_eq!(pid(pool), worker, "{what}: the worker serves on");
    let grown = own_kib().saturating_sub(before);
    assert!(grown < GROWTH_KIB, "{what}: the host grew by {grown} KiB");
}

/// What this process has of memory of its own, in KiB, at the highest.
fn own_kib() -> u64 {
    process::status_kib(std::process::id(), "VmHWM")
}

#[test]
fn the_same_worker_serves_after_two_hundred_rounds_of_every_trap() {
    let pool = limited(builder("traps")).build().unwrap();
    let worker = pid(&pool);
    let traps: Vec<String> = pool
        .description()
        .functions
        .iter()
        .map(host::Function::full_name)
        .filter(|name| !name.ends_with("bomb") && !name.ends_with("loop"))
        .collect();
    assert!(traps.len() >= 9, "{traps:?}");
    for round in 0..200 {
        for name in &traps {
            let fault = fault(pool.apply::<Value>(name, ()));
            assert!(matches!(fault.cause, Cause::Trap(_)), "{round}: {fault}");
        }
    }
    assert_eq!(pid(&pool), worker);
    assert_eq!(pool.stats().workers_lost, 0);
}

#[test]
fn a_guest_that_sleeps_for_an_hour_is_killed_at_its_limit() {
    within(PATIENCE, || {
        let pool = limited(builder("faults")).build().unwrap();
        for _ in 0..TIMES {
            let worker = pid(&pool);
            let begun = Instant::now();
            let fault = fault(pool.apply::<()>("sleep", (3_600_000_u64,)));
            assert_eq!(fault.cause, Cause::Timeout(TIMEOUT));
            assert!(begun.elapsed() < TIMEOUT + Duration::from_secs(1));
            until("its process is gone", PATIENCE, || is_gone(worker));
            assert_eq!(pool.apply::<u32>("maybe-trap", (1_u32,)), Ok(1));
        }
    });
}

#[test]
fn a_result_of_a_gigabyte_takes_no_memory_of_the_host() {
    alone(
        "guests::a_result_of_a_gigabyte_takes_no_memory_of_the_host",
        || {
            let limits = Limits {
                memory_bytes: 3 << 30,
                result_bytes: 16 << 20,
                ..Limits::default()
            };
            let pool = builder("faults").workers(1).limits(limits).build().unwrap();
            let (worker, before) = (pid(&pool), own_kib());
            for _ in 0..TIMES {
                let fault = fault(pool.apply::<Vec<u8>>("huge-result", (1_u64 << 30,)));
                assert!(
                    matches!(fault.cause, Cause::Result(_) | Cause::Memory(_)),
                    "{fault}"
                );
            }
            assert_eq!(pid(&pool), worker);
            let grown = own_kib().saturating_sub(before);
            assert!(grown < GROWTH_KIB, "the host grew by {grown} KiB");
        },
    );
}

#[test]
fn instances_without_end_are_refused_at_the_first_job() {
    let instances = "(core instance (instantiate $m))".repeat(20_000);
    let text = format!(
        "(component (core module $m (memory 1)) {instances}
            (core module $f (func (export \"run\")))
            (core instance $i (instantiate $f))
            (func (export \"run\") (canon lift (core func $i \"run\"))))"
    );
    match pool_of(&text) {
        Ok(pool) => {
            let fault = fault(pool.apply::<Value>("run", ()));
            assert!(
                matches!(fault.cause, Cause::Start(_) | Cause::Memory(_)),
                "{fault}"
            );
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

#[test]
fn an_import_of_another_type_than_it_has_is_refused_before_the_first_job() {
    let text = importing(
        CLOCK,
        "(func (result string))",
        "(param i32)",
        "(call $f (i32.const 0))",
    );
    let error = pool_of(&text).unwrap_err().to_string();
    assert!(error.contains("wasi:clocks/monotonic-clock"), "{error}");
}

/// What a component may take to compile here, and what the helper may need beyond that to be ended.
const COMPILE: Duration = Duration::from_secs(2);
const LATE: Duration = Duration::from_secs(1);

#[test]
fn a_bomb_for_the_compiler_is_compiled_or_stopped_in_time_and_hurts_no_pool() {
    let core = |fields: &str| format!("(component (core module {fields}))");
    let bombs = [
        (
            "functions",
            core(&"(func (result i32) (i32.add (i32.const 1) (i32.const 2)))".repeat(100_000)),
        ),
        (
            "a table of jumps",
            core(&format!(
                "(func (param i32) (block (br_table {} (local.get 0))))",
                "0 ".repeat(500_000)
            )),
        ),
        (
            "depth",
            core(&format!(
                "(func {}{})",
                "(block ".repeat(50_000),
                ")".repeat(50_000)
            )),
        ),
        (
            "constants",
            core(&format!(
                "(func {})",
                "(drop (i64.const 0x123456789abcdef))".repeat(300_000)
            )),
        ),
        (
            "locals",
            core(&format!("(func (local {}))", "i64 ".repeat(49_000))),
        ),
        (
            "components",
            format!("{}{}", "(component ".repeat(5_000), ")".repeat(5_000)),
        ),
    ];
    let pool = builder("arith").build().unwrap();
    for (what, text) in bombs {
        let options = Options {
            program: Some(program()),
            cache: Some("/proc/no-cache-here".into()),
            time: COMPILE,
            memory_bytes: 512 << 20,
            ..Options::default()
        };
        let begun = Instant::now();
        let compiled = Component::load(&text.as_bytes().into(), &options);
        let took = begun.elapsed();
        match &compiled {
            Ok(_) | Err(ComponentError::Invalid { .. }) => {}
            Err(ComponentError::Stopped {
                limit: Limit::Time(_) | Limit::Memory(_),
                ..
            }) => {}
            Err(error) => panic!("{what}: {error}"),
        }
        assert!(took < COMPILE + LATE, "{what}: {took:?}");
        assert_eq!(pool.apply::<i64>("square", (3,)), Ok(9), "{what}");
    }
}
