//! The process that a pool's workers are forked off, but for the first: what becomes of the pool when that dies or stops.

use crate::process::{alone, children, is_gone, name, send};
use crate::{PATIENCE, builder, until, within};
use host::Pool;
use rustix::process::Signal;
use std::collections::BTreeSet;

/// The children of this process that have this name.
fn named(wanted: &str) -> BTreeSet<u32> {
    let children = children(std::process::id()).into_iter();
    children.filter(|&pid| name(pid) == wanted).collect()
}

fn nursery() -> u32 {
    *named("host-nursery").first().unwrap()
}

fn pids(pool: &Pool) -> BTreeSet<u32> {
    let workers = pool.stats().workers;
    workers.iter().map(|worker| worker.pid).collect()
}

/// Kills the workers of a full pool, and waits until there are as many others.
fn replace(pool: &Pool, count: usize) {
    let before = pids(pool);
    assert_eq!(before.len(), count);
    before.iter().for_each(|&pid| send(pid, Signal::KILL));
    until("there are others", PATIENCE, || {
        let now = pids(pool);
        now.len() == count && now.is_disjoint(&before)
    });
    pool.wait_ready();
    assert!(
        (0..9_i64)
            .map(|n| n * n)
            .eq(pool.map::<i64>("square", 0..9_i64).unwrap())
    );
}

#[test]
fn workers_of_a_nursery_are_the_programs_own_children() {
    alone(
        "nursery::workers_of_a_nursery_are_the_programs_own_children",
        || {
            let pool = builder("arith").workers(4).build().unwrap();
            pool.wait_ready();
            assert_eq!(named("host-worker"), pids(&pool));
            assert_eq!(named("host-nursery").len(), 1);
            replace(&pool, 4);
            assert_eq!(named("host-worker"), pids(&pool));
            drop(pool);
            assert_eq!(children(std::process::id()), [0; 0]);
        },
    );
}

#[test]
fn the_only_worker_needs_no_nursery_until_it_is_replaced() {
    alone(
        "nursery::the_only_worker_needs_no_nursery_until_it_is_replaced",
        || {
            let pool = builder("arith").workers(1).build().unwrap();
            assert_eq!(children(std::process::id()).len(), 1);
            replace(&pool, 1);
            replace(&pool, 1);
            assert_eq!(named("host-nursery").len(), 1);
        },
    );
}

#[test]
fn a_nursery_that_was_killed_is_replaced() {
    alone("nursery::a_nursery_that_was_killed_is_replaced", || {
        let pool = builder("arith").workers(3).build().unwrap();
        pool.wait_ready();
        let killed = nursery();
        send(killed, Signal::KILL);
        replace(&pool, 3);
        assert!(is_gone(killed));
        until("there is another", PATIENCE, || {
            named("host-nursery").len() == 1
        });
        replace(&pool, 3);
    });
}

#[test]
fn a_nursery_that_is_stopped_is_given_up() {
    alone("nursery::a_nursery_that_is_stopped_is_given_up", || {
        within(PATIENCE, || {
            let pool = builder("arith").workers(2).build().unwrap();
            pool.wait_ready();
            let stopped = nursery();
            send(stopped, Signal::STOP);
            replace(&pool, 2);
            assert!(is_gone(stopped));
            send(nursery(), Signal::STOP);
            drop(pool);
            assert_eq!(children(std::process::id()), [0; 0]);
        });
    });
}
