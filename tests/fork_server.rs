//! The process that a pool's workers are forked off, but for the first: what becomes of the pool when that dies, stops, or was never
//! there.

use crate::process::{alone, children, is_gone, name, send};
use crate::{PATIENCE, builder, cache, program, until, within};
use host::Pool;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// The children of this process that have this name.
fn named(wanted: &str) -> BTreeSet<u32> {
    let children = children(std::process::id()).into_iter();
    children.filter(|&pid| name(pid) == wanted).collect()
}

fn fork_server() -> u32 {
    *named("host-forkserver").first().unwrap()
}

fn pids(pool: &Pool) -> BTreeSet<u32> {
    let workers = pool.stats().workers;
    workers.iter().map(|worker| worker.pid).collect()
}

/// Makes a pool larger, and waits until it is.
fn grow(pool: &Pool, workers: usize) {
    pool.resize(workers);
    until("there are more", PATIENCE, || pids(pool).len() == workers);
    pool.wait_ready();
    let squares: Vec<i64> = pool.map("square", 0..9_i64).unwrap();
    assert!((0..9).map(|n| n * n).eq(squares));
}

#[test]
fn forked_workers_are_the_programs_own_children() {
    alone(
        "fork_server::forked_workers_are_the_programs_own_children",
        || {
            let pool = builder("arith").workers(4).build().unwrap();
            pool.wait_ready();
            assert_eq!(named("host-worker"), pids(&pool));
            assert_eq!(named("host-forkserver").len(), 1);
            drop(pool);
            assert_eq!(children(std::process::id()), [0; 0]);
        },
    );
}

#[test]
fn the_only_worker_needs_no_fork_server() {
    alone("fork_server::the_only_worker_needs_no_fork_server", || {
        let pool = builder("arith").workers(1).build().unwrap();
        pool.wait_ready();
        assert_eq!(children(std::process::id()).len(), 1);
    });
}

#[test]
fn whoever_breaks_a_worker_meets_other_addresses() {
    alone(
        "fork_server::whoever_breaks_a_worker_meets_other_addresses",
        || {
            let pool = builder("arith").workers(3).build().unwrap();
            pool.wait_ready();
            let (server, before) = (fork_server(), pids(&pool));
            send(*before.last().unwrap(), Signal::KILL);
            until("it is replaced", PATIENCE, || {
                let now = pids(&pool);
                now.len() == 3 && now != before
            });
            pool.wait_ready();
            assert!(is_gone(server));
        },
    );
}

#[test]
fn a_fork_server_that_was_killed_is_replaced() {
    alone(
        "fork_server::a_fork_server_that_was_killed_is_replaced",
        || {
            let pool = builder("arith").workers(3).build().unwrap();
            pool.wait_ready();
            let killed = fork_server();
            send(killed, Signal::KILL);
            grow(&pool, 6);
            assert!(is_gone(killed));
            assert_eq!(named("host-forkserver").len(), 1);
        },
    );
}

#[test]
fn a_fork_server_that_is_stopped_is_given_up() {
    alone(
        "fork_server::a_fork_server_that_is_stopped_is_given_up",
        || {
            within(PATIENCE, || {
                let pool = builder("arith").workers(2).build().unwrap();
                pool.wait_ready();
                let stopped = fork_server();
                send(stopped, Signal::STOP);
                grow(&pool, 4);
                assert!(is_gone(stopped));
                send(fork_server(), Signal::STOP);
                drop(pool);
                assert_eq!(children(std::process::id()), [0; 0]);
            });
        },
    );
}

#[test]
fn a_program_that_is_no_fork_server_starts_each_worker_by_itself() {
    const TEST: &str = "fork_server::a_program_that_is_no_fork_server_starts_each_worker_by_itself";
    alone(TEST, || {
        let script = cache().join(format!("no-fork-server-{}", std::process::id()));
        // One that ends, one that says nothing, one that says nonsense and ends.
        for deed in ["exit", "exec sleep 3600", "head -c 4 /dev/zero >&0; exit"] {
            let text = format!(
                "#!/bin/sh\n[ \"$HOST_ROLE\" = fork-server ] && {{ {deed}; }}\nexec '{}'\n",
                program().display()
            );
            fs::write(&script, text).unwrap();
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
            within(PATIENCE, {
                let script = script.clone();
                move || {
                    let pool = builder("arith").worker_program(&script).build().unwrap();
                    grow(&pool, 6);
                    drop(pool);
                    assert_eq!(children(std::process::id()), [0; 0]);
                }
            });
        }
        fs::remove_file(script).unwrap();
    });
}
