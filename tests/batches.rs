//! Jobs that go together to a function that takes a list of them.

use crate::{builder, check, fault};
use host::{Builder, Cause, Dir, Isolation, Limits, Pool};
use std::time::Duration;

/// What `f-batch` adds to each result, so that a test sees which of the two functions was called. Real ones agree.
const BATCHED: i64 = 1 << 32;

/// A component with `f`, which returns its argument, and an `f-batch` beside it that ends with this code, after it has
/// marked each item.
fn component(last: &str) -> Vec<u8> {
    let text = r#"(component
      (core module $m
        (memory (export "memory") 4)
        (global $free (mut i32) (i32.const 1024))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32)
          (local $place i32)
          (local.set $place (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
          (global.set $free (i32.add (local.get $place) (local.get 3)))
          (local.get $place))
        (func (export "f") (param i64) (result i64) (local.get 0))
        (func (export "f-batch") (param $list i32) (param $count i32) (result i32)
          (local $item i32) (local $left i32)
          (local.set $item (local.get $list))
          (local.set $left (local.get $count))
          (block $done (loop $next
            (br_if $done (i32.eqz (local.get $left)))
            (i64.store (local.get $item) (i64.add (i64.load (local.get $item)) (i64.const 4294967296)))
            (local.set $item (i32.add (local.get $item) (i32.const 8)))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br $next)))
          (global.set $free (i32.const 1024))
          (i32.store (i32.const 0) (local.get $list))
          (i32.store (i32.const 4) (local.get $count))
          LAST
          (i32.const 0)))
      (core instance $i (instantiate $m))
      (func (export "f") (param "n" s64) (result s64) (canon lift (core func $i "f")))
      (func (export "f-batch") (param "list" (list s64)) (result (list s64))
        (canon lift (core func $i "f-batch") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"#;
    text.replace("LAST", last).into_bytes()
}

fn pool(last: &str, set_up: impl FnOnce(Builder) -> Builder) -> Pool {
    set_up(builder("arith").component(component(last)))
        .build()
        .unwrap()
}

/// How many of these jobs went through `f-batch`; all have the right result.
#[track_caller]
fn batched(pool: &Pool, jobs: i64) -> i64 {
    let results: Vec<i64> = pool.map("f", 0..jobs).unwrap();
    assert_eq!(results.len() as i64, jobs);
    let marked = (0..jobs).zip(results).map(|(n, result)| match result - n {
        0 => 0,
        BATCHED => 1,
        _ => panic!("f({n}) = {result}"),
    });
    marked.sum()
}

#[test]
fn map_hands_whole_chunks_to_the_batch_function() {
    let pool = pool("", |builder| builder);
    assert_eq!(batched(&pool, 100_000), 100_000);
    let lazy = pool.imap::<i64, _>("f", 0..1000_i64).unwrap();
    assert!(lazy.map(Result::unwrap).eq((0..1000).map(|n| n + BATCHED)));
    let mut reports = pool.imap_unordered::<i64, _>("f", 0..1000_i64).unwrap();
    while let Some(report) = reports.next_report() {
        let report = report.unwrap();
        assert_eq!(report.outcome, Ok(report.job as i64 + BATCHED));
    }
    // A job alone makes no list.
    assert_eq!(pool.apply("f", (7_i64,)), Ok(7_i64));
}

#[test]
fn a_list_of_another_length_is_no_answer() {
    for wrong in ["-1", "1"] {
        let last =
            format!("(i32.store (i32.const 4) (i32.add (local.get $count) (i32.const {wrong})))");
        assert_eq!(batched(&pool(&last, |builder| builder), 20_000), 0);
    }
}

#[test]
fn a_batch_that_traps_is_done_one_by_one() {
    assert_eq!(batched(&pool("unreachable", |builder| builder), 20_000), 0);
    // Now and then: batches in between go on.
    let odd =
        "(if (i64.eq (i64.load (local.get $list)) (i64.const 4294967296)) (then unreachable))";
    let pool = pool(odd, |builder| builder.chunk(100));
    assert_eq!(batched(&pool, 20_000), 19_900);
}

#[test]
fn the_blame_is_exact() {
    let pool = builder("arith").chunk(50).build().unwrap();
    let too_large = 4_000_000_000_i64;
    let items = (0..1000).map(|n| if n == 617 { too_large } else { n });
    let mut failed = Vec::new();
    for (n, result) in pool.imap::<i64, _>("square", items).unwrap().enumerate() {
        match result {
            Ok(square) => assert_eq!(square, (n * n) as i64),
            failure => failed.push(fault::<i64>(failure)),
        }
    }
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0].job, 617);
    assert!(matches!(failed[0].cause, Cause::Trap(_)));
    assert!(failed[0].stderr.contains("square(4000000000)"));
}

/// A type that takes fewer values than the WIT type has.
#[test]
fn a_value_that_the_rust_type_refuses_costs_its_own_job() {
    let pool = builder("arith").chunk(50).build().unwrap();
    for function in ["square", "cube"] {
        let items = (0..200_i64).map(|n| if n == 120 { 0 } else { n + 1 });
        let results = pool
            .imap::<std::num::NonZeroI64, _>(function, items)
            .unwrap();
        for (n, result) in results.enumerate() {
            if n == 120 {
                let fault = fault(result);
                assert_eq!(fault.job, 120, "{function}");
                assert!(matches!(fault.cause, Cause::Result(_)), "{fault}");
            } else {
                assert!(result.is_ok(), "{function} {n}: {result:?}");
            }
        }
    }
}

#[test]
fn what_is_counted_or_kept_apart_for_each_job_goes_one_by_one() {
    let limits = |limits: Limits| move |builder: Builder| builder.limits(limits);
    let timed = Limits {
        timeout: Some(Duration::from_secs(60)),
        ..Limits::default()
    };
    let fuelled = Limits {
        fuel: Some(1_000_000),
        ..Limits::default()
    };
    let writable = Dir {
        host: std::env::temp_dir(),
        guest: "/".into(),
        read_only: false,
    };
    assert_eq!(batched(&pool("", limits(timed)), 1000), 0);
    assert_eq!(batched(&pool("", limits(fuelled)), 1000), 0);
    for set_up in [
        |builder: Builder| builder.isolation(Isolation::InstancePerJob),
        |builder: Builder| builder.max_jobs_per_worker(300),
    ] {
        assert_eq!(batched(&pool("", set_up), 1000), 0);
    }
    assert_eq!(batched(&pool("", |builder| builder.dir(writable)), 1000), 0);
}

#[test]
fn a_worker_that_dies_in_a_batch_loses_nothing() {
    let pool = builder("arith").build().unwrap();
    let items: Vec<i64> = (0..300_000).collect();
    let squares: Vec<i64> = items.iter().map(|n| n * n).collect();
    std::thread::scope(|scope| {
        let kills = scope.spawn(|| {
            for round in 0..4 {
                let mut workers = Vec::new();
                crate::until("both are ready", crate::PATIENCE, || {
                    workers = pool.stats().workers;
                    workers.iter().filter(|worker| worker.ready).count() == 2
                });
                let victim = workers[round % 2].pid;
                crate::process::send(victim, rustix::process::Signal::KILL);
            }
        });
        while !kills.is_finished() {
            check(&pool, "square", &items, &squares);
        }
    });
}
