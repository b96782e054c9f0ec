//! Objects that jobs in several processes work on together.

use crate::builder;
use host::shared::{Acquired, Datum, Unavailable};
use host::{Cause, Error, Handle, Limits, Pool};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

/// A pool whose workers are all there, so that as many jobs run at the same time.
fn pool(workers: usize) -> Pool {
    let pool = builder("shared").workers(workers).build().unwrap();
    pool.wait_ready();
    pool
}

fn cause<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Cause {
    match outcome {
        Err(Error::Job(fault)) => fault.cause,
        other => panic!("not a fault: {other:?}"),
    }
}

#[test]
fn with_the_lock_a_number_ends_where_it_began() {
    let pool = pool(2);
    let total = pool.shared().value(100).unwrap();
    let guard = pool.shared().lock().unwrap();
    let add: Handle<()> = pool.submit("add", (&total, &guard, 10_000)).unwrap();
    let subtract: Handle<()> = pool.submit("subtract", (&total, &guard, 10_000)).unwrap();
    add.wait().unwrap();
    subtract.wait().unwrap();
    assert_eq!(total.get(), 100);
}

#[test]
fn a_queue_hands_items_over_in_order() {
    let pool = pool(2);
    let queue = pool.shared().queue(4).unwrap();
    let put: Handle<()> = pool
        .submit("put-evens", (&queue, (0..100).collect::<Vec<i64>>()))
        .unwrap();
    let evens: Vec<i64> = pool.apply("take-all", (&queue,)).unwrap();
    put.wait().unwrap();
    assert_eq!(evens, (0..100).step_by(2).collect::<Vec<i64>>());
}

#[test]
fn a_lock_whose_holder_dies_is_abandoned() {
    let pool = pool(2);
    let (held, released) = (
        pool.shared().event().unwrap(),
        pool.shared().event().unwrap(),
    );
    let guard = pool.shared().lock().unwrap();
    let holder: Handle<bool> = pool.submit("hold", (&guard, &held, &released)).unwrap();
    assert!(held.wait_within(LONG));
    let pid = busy_worker(&pool);
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid as i32).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    let found = guard.lock_within(LONG).expect("it is free").acquired();
    assert_eq!(found, Acquired::Abandoned);
    assert!(matches!(cause(holder.wait()), Cause::WorkerLost(_)));
    assert_eq!(guard.lock().acquired(), Acquired::Clean);
}

fn busy_worker(pool: &Pool) -> u32 {
    let stats = pool.stats();
    let busy = stats.workers.iter().find(|worker| worker.busy);
    busy.unwrap().pid
}

#[test]
fn a_job_that_waits_beyond_its_time_names_the_lock_and_its_holder() {
    let pool = builder("shared")
        .workers(1)
        .limits(Limits {
            timeout: Some(Duration::from_millis(50)),
            ..Limits::default()
        })
        .build()
        .unwrap();
    let total = pool.shared().value(0).unwrap();
    let guard = pool.shared().lock().unwrap().named("guard");
    let _mine = guard.lock();
    let cause = cause(pool.apply::<()>("add", (&total, &guard, 1)));
    let Cause::Waiting { object, .. } = &cause else {
        panic!("{cause:?}");
    };
    assert_eq!(
        *object,
        format!(
            "lock `guard`, which the process {} holds",
            std::process::id()
        )
    );
}

#[test]
fn items_of_every_kind_travel() {
    let pool = pool(1);
    let queue = pool.shared().queue(10).unwrap();
    queue.put("a").unwrap();
    assert_eq!(queue.get().unwrap(), Datum::Text("a".into()));
    assert_eq!(
        queue.get_within(Duration::from_millis(1)),
        Err(Unavailable::Empty)
    );
    queue.close();
    assert_eq!(queue.get(), Err(Unavailable::Closed));
}
