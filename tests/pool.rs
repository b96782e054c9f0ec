//! What a program relies on that knows `multiprocessing.Pool` or `concurrent.futures`.

use crate::process;
use crate::{PATIENCE, builder, check, fault, pool, until, within};
use host::{Cause, Error, Handle, Limits, When, wait};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

#[test]
fn results_come_in_the_order_of_the_items_whatever_the_chunks() {
    let items: Vec<i64> = (0..2500).collect();
    let squares: Vec<i64> = items.iter().map(|n| n * n).collect();
    for workers in [1, 2, 3, 8] {
        for chunk in [None, Some(1), Some(2), Some(7), Some(1000)] {
            let mut builder = builder("arith").workers(workers);
            if let Some(chunk) = chunk {
                builder = builder.chunk(chunk);
            }
            let pool = builder.build().unwrap();
            assert_eq!(pool.workers(), workers);
            check(&pool, "square", &items, &squares);
        }
    }
}

#[test]
fn starmap_and_apply_take_all_arguments_as_a_tuple() {
    let pool = pool("arith");
    let products: Vec<i64> = pool.starmap("product", [(1, 2, 3), (3, 4, 5)]).unwrap();
    assert_eq!(products, [6, 60]);
    assert_eq!(pool.apply::<i64>("product", (2, 3, 7)), Ok(42));
    assert_eq!(pool.apply::<i64>("square", (9,)), Ok(81));
    let product = pool.func::<(i64, i64, i64), i64>("product").unwrap();
    let many: Vec<i64> = product.map((0..500).map(|n| (n, n + 1, 2))).unwrap();
    assert!((0..500).map(|n| n * (n + 1) * 2).eq(many));
    let handle = product.submit((5, 5, 5)).unwrap();
    assert_eq!(handle.wait(), Ok(125));
}

#[test]
fn no_items_give_no_results() {
    let pool = pool("arith");
    check::<i64, i64>(&pool, "square", &[], &[]);
    assert_eq!(pool.starmap::<i64>("product", [(0, 0, 0); 0]), Ok(vec![]));
    let handle = pool.map_async::<i64>("square", [0_i64; 0]).unwrap();
    assert!(handle.is_done());
    assert_eq!(pool.stats().jobs_done, 0);
}

#[test]
fn an_iterator_that_panics_at_once_or_in_the_middle_leaves_the_pool_usable() {
    let pool = pool("arith");
    for good in [0, 1, 10, 5000] {
        let items = || {
            (0..).map(move |n: i64| {
                assert!(n < good, "no more items");
                n % 100
            })
        };
        type Call<'a> = Box<dyn Fn() + 'a>;
        let calls: [Call<'_>; 4] = [
            Box::new(|| drop(pool.map::<i64>("square", items()))),
            Box::new(|| drop(pool.map_async::<i64>("square", items()))),
            Box::new(|| {
                pool.imap::<i64, _>("square", items())
                    .unwrap()
                    .for_each(drop)
            }),
            Box::new(|| {
                pool.imap_unordered::<i64, _>("square", items())
                    .unwrap()
                    .for_each(drop)
            }),
        ];
        for call in calls {
            let panic = catch_unwind(AssertUnwindSafe(call)).unwrap_err();
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"no more items"));
            check(&pool, "square", &[3_i64, 4], &[9_i64, 16]);
        }
    }
    pool.close();
    pool.join().unwrap();
}

#[test]
fn imap_gives_results_before_an_error_and_goes_on_after_it() {
    let pool = pool("faults");
    for chunk in [1, 4, 100] {
        let pool = builder("faults").chunk(chunk).build().unwrap();
        let results: Vec<_> = pool.imap::<u32, _>("maybe-trap", 5..10).unwrap().collect();
        assert_eq!(results[..2], [Ok(5), Ok(6)]);
        assert_eq!(fault(results[2].clone()).job, 2);
        assert_eq!(results[3..], [Ok(8), Ok(9)]);
    }
    // The first results are there while a later job runs on.
    let mut sleeps = pool.imap::<(), _>("sleep", [0_u64, 0, 3_600_000]).unwrap();
    assert_eq!(sleeps.next(), Some(Ok(())));
    assert_eq!(sleeps.next(), Some(Ok(())));
}

#[test]
fn imap_unordered_gives_each_result_as_soon_as_it_is_there() {
    let pool = pool("faults");
    let mut sleeps = pool
        .imap_unordered::<(), _>("sleep", [3_600_000_u64, 1, 1, 1])
        .unwrap();
    let jobs: BTreeSet<u64> = (0..3)
        .map(|_| sleeps.next_report().unwrap().unwrap().job)
        .collect();
    assert_eq!(jobs, BTreeSet::from([1, 2, 3]));
}

#[test]
fn an_endless_iterator_is_taken_only_as_far_ahead_as_promised() {
    for (workers, chunk) in [
        (1, None),
        (2, None),
        (1, Some(1)),
        (2, Some(5)),
        (3, Some(100)),
    ] {
        let mut builder = builder("arith").workers(workers);
        if let Some(chunk) = chunk {
            builder = builder.chunk(chunk);
        }
        let pool = builder.build().unwrap();
        let ahead = match chunk {
            Some(chunk) => 3 * workers as u64 * u64::from(chunk),
            None => 256 * workers as u64,
        };
        assert_eq!(pool.look_ahead(), ahead);
        let taken = AtomicU64::new(0);
        let items = || (0_u64..).inspect(|_| _ = taken.fetch_add(1, Ordering::Relaxed));
        let mut squares = pool.imap::<i64, _>("square", items()).unwrap();
        assert_eq!(taken.load(Ordering::Relaxed), 0);
        for n in 0..3000 {
            assert_eq!(squares.next(), Some(Ok((n * n) as i64)));
            let taken = taken.load(Ordering::Relaxed);
            assert!(taken <= n + ahead, "{taken} taken when {n} were yielded");
        }
        drop(squares);
        taken.store(0, Ordering::Relaxed);
        let mut squares = pool.imap_unordered::<i64, _>("square", items()).unwrap();
        for n in 0..3000 {
            squares.next().unwrap().unwrap();
            let taken = taken.load(Ordering::Relaxed);
            assert!(taken <= n + ahead, "{taken} taken when {n} were yielded");
        }
    }
}

#[test]
fn while_the_first_job_runs_exactly_the_look_ahead_is_taken() {
    let pool = builder("faults").workers(2).chunk(5).build().unwrap();
    let taken = AtomicU64::new(0);
    // Both workers wait, so that nothing comes home until all is taken that will be.
    let items = (0_u64..).map(|n| {
        taken.fetch_add(1, Ordering::Relaxed);
        if n % 5 == 0 && n < 10 { 300 } else { 0 }
    });
    let mut sleeps = pool.imap::<(), _>("sleep", items).unwrap();
    sleeps.next().unwrap().unwrap();
    assert_eq!(taken.load(Ordering::Relaxed), pool.look_ahead());
}

#[test]
fn one_jobs_fault_loses_no_other_result() {
    let pool = pool("faults");
    let mut reports = pool.imap::<u32, _>("maybe-trap", 0..100).unwrap();
    let mut good = Vec::new();
    let mut bad = Vec::new();
    while let Some(report) = reports.next_report() {
        let report = report.unwrap();
        assert_eq!(report.job, (good.len() + bad.len()) as u64);
        match report.outcome {
            Ok(value) => good.push(value),
            Err(fault) => {
                assert_eq!(fault.pid, Some(report.pid));
                bad.push(fault);
            }
        }
    }
    assert!((0..100).filter(|n| n % 10 != 7).eq(good));
    let pids: BTreeSet<u32> = pool
        .stats()
        .workers
        .iter()
        .map(|worker| worker.pid)
        .collect();
    assert_eq!(bad.len(), 10);
    for (n, fault) in (7..).step_by(10).zip(bad) {
        assert_eq!((fault.job, fault.attempt), (n, 1));
        assert!(pids.contains(&fault.pid.unwrap()), "{fault:?}");
        assert!(
            matches!(&fault.cause, Cause::Trap(why) if why.contains("unreachable")),
            "{fault:?}"
        );
        let message = format!("maybe-trap({n}): the number ends in 7");
        assert!(fault.stderr.contains(&message), "{fault:?}");
        assert!(fault.to_string().contains(&message), "{fault}");
        assert!(
            fault
                .backtrace
                .iter()
                .any(|name| name.contains("maybe_trap") || name.contains("maybe-trap")),
            "{fault:?}"
        );
    }
    // A trap is the guest's affair: the processes are still the same.
    assert_eq!(pool.stats().workers_lost, 0);
}

#[test]
fn maps_error_is_the_first_fault_in_the_order_of_the_items() {
    let pool = pool("faults");
    for _ in 0..20 {
        let fault = fault(pool.map::<u32>("maybe-trap", 0..100));
        assert_eq!(fault.job, 7);
    }
    // The jobs behind it were done all the same.
    assert_eq!(pool.stats().jobs_done, 2000);
    assert_eq!(
        fault(pool.map_async::<u32>("maybe-trap", 0..100).unwrap().wait()).job,
        7
    );
}

#[test]
fn the_error_of_a_wit_result_is_a_value() {
    let pool = pool("types");
    let results: Vec<Result<u32, String>> = pool.map("fail-with", ["no", "never"]).unwrap();
    assert_eq!(results, [Err("no".to_owned()), Err("never".to_owned())]);
}

#[test]
fn an_item_that_does_not_fit_is_named_after_the_results_before_it() {
    let pool = pool("arith");
    let items = [1, 2, u64::MAX, 4];
    match pool.map::<i64>("square", items) {
        Err(Error::Item { job: 2, error }) => assert!(error.message.contains("s64"), "{error}"),
        other => panic!("{other:?}"),
    }
    let mut results = pool.imap::<i64, _>("square", items).unwrap();
    assert_eq!(results.next(), Some(Ok(1)));
    assert_eq!(results.next(), Some(Ok(4)));
    assert!(matches!(
        results.next(),
        Some(Err(Error::Item { job: 2, .. }))
    ));
    assert_eq!(results.next(), None);
    assert!(matches!(
        pool.map_async::<i64>("square", items),
        Err(Error::Item { job: 2, .. })
    ));
    assert!(matches!(
        pool.apply::<i64>("product", (1, 2)),
        Err(Error::Item { job: 0, .. })
    ));
    assert!(matches!(
        pool.starmap::<i64>("product", [(1, 2, 3, 4)]),
        Err(Error::Item { job: 0, .. })
    ));
    assert!(matches!(
        pool.submit::<i64>("square", ("x",)),
        Err(Error::Item { job: 0, .. })
    ));
    check(&pool, "square", &[3_i64], &[9_i64]);
}

#[test]
fn a_handle_is_waited_for_with_or_without_a_limit() {
    let pool = pool("faults");
    let handle = pool.submit::<u32>("maybe-trap", (3,)).unwrap();
    assert_eq!(handle.wait(), Ok(3));
    let slow = pool.submit::<()>("sleep", (3_600_000,)).unwrap();
    assert!(!slow.is_done());
    let started = Instant::now();
    let slow = slow.wait_timeout(Duration::from_millis(30)).unwrap_err();
    assert!(started.elapsed() >= Duration::from_millis(30));
    assert!(!slow.is_done());
    let quick = pool.submit::<u32>("maybe-trap", (4,)).unwrap();
    assert_eq!(quick.wait_timeout(PATIENCE).unwrap(), Ok(4));
    // Nobody waits, and still it is done.
    let alone = pool.submit::<u32>("maybe-trap", (5,)).unwrap();
    until("it is done", PATIENCE, || alone.is_done());
    assert_eq!(alone.wait(), Ok(5));
    let failed = pool.submit::<u32>("maybe-trap", (7,)).unwrap();
    assert_eq!(fault(failed.wait()).job, 0);
}

#[test]
fn a_callback_is_called_once_with_the_result_or_the_fault() {
    let pool = pool("faults");
    let (sender, receiver) = mpsc::channel();
    for n in 0..50_u32 {
        let sender = sender.clone();
        let handle = pool.submit::<u32>("maybe-trap", (n,)).unwrap();
        if n % 2 == 0 {
            // One that is done already counts as well.
            until("it is done", PATIENCE, || handle.is_done());
        }
        handle.on_done(move |result| sender.send((n, result.map_err(|_| ()))).unwrap());
    }
    drop(sender);
    let mut told: Vec<_> = receiver.iter().collect();
    told.sort();
    let expected = (0..50).map(|n| (n, if n % 10 == 7 { Err(()) } else { Ok(n) }));
    assert!(expected.eq(told));
}

#[test]
fn a_callback_that_panics_or_takes_long_hurts_nobody() {
    let pool = pool("arith");
    let (sender, receiver) = mpsc::channel::<i64>();
    let (release, released) = mpsc::channel::<()>();
    let first = pool.submit::<i64>("square", (2,)).unwrap();
    first.on_done(|_| panic!("a callback's panic, which this test wants"));
    let second = pool.submit::<i64>("square", (3,)).unwrap();
    second.on_done(move |_| released.recv().unwrap());
    let third = pool.submit::<i64>("square", (4,)).unwrap();
    third.on_done(move |result| sender.send(result.unwrap()).unwrap());
    check(&pool, "square", &[5_i64], &[25_i64]);
    assert!(receiver.try_recv().is_err());
    release.send(()).unwrap();
    assert_eq!(receiver.recv_timeout(PATIENCE), Ok(16));
}

#[test]
fn a_callback_may_use_the_pool_and_even_drop_it() {
    within(PATIENCE, || {
        let pool = Arc::new(pool("arith"));
        let (sender, receiver) = mpsc::channel();
        let handle = pool.submit::<i64>("square", (3,)).unwrap();
        handle.on_done(move |nine| {
            let result = pool.apply::<i64>("square", (nine.unwrap(),));
            drop(pool);
            sender.send(result).unwrap();
        });
        assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), Ok(81));
    });
}

/// The smallest executor there is: it polls when woken, and sleeps in between.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park_timeout(PATIENCE),
        }
    }
}

#[test]
fn a_handle_is_a_future_for_any_executor() {
    let pool = pool("faults");
    let result = block_on(async {
        let one = pool.submit::<u32>("maybe-trap", (1,)).unwrap();
        let many = pool.map_async::<u32>("maybe-trap", 0..7).unwrap();
        let failed = pool.submit::<u32>("maybe-trap", (17,)).unwrap();
        (one.await, many.await, failed.await)
    });
    assert_eq!(result.0, Ok(1));
    assert_eq!(result.1.unwrap(), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(fault(result.2).attempt, 1);
}

#[test]
fn many_handles_are_waited_for_until_any_or_all_or_one_fault() {
    within(PATIENCE, || {
        let pool = builder("faults").workers(3).build().unwrap();
        let sleep = |ms: u64| pool.submit::<()>("sleep", (ms,)).unwrap();
        let handles = [sleep(3_600_000), sleep(1)];
        assert_eq!(wait(&handles, When::Any, None), [1]);
        let limit = Some(Duration::from_millis(30));
        assert_eq!(wait(&handles, When::All, limit), [1]);
        assert_eq!(wait(&handles, When::FirstFault, limit), [1]);
        assert!(handles[0].cancel());
        assert_eq!(wait(&handles, When::All, None), [0, 1]);
        assert_eq!(wait(&handles, When::FirstFault, None), [0, 1]);
        let endless = sleep(3_600_000);
        let good = pool.submit::<()>("log", ("a line",)).unwrap();
        let bad = pool.submit::<()>("panic-with", ("no",)).unwrap();
        let handles = [endless, good, bad];
        assert!(wait(&handles, When::FirstFault, None).contains(&2));
        assert_eq!(wait::<()>(&[], When::All, None), [0; 0]);
    });
}

#[test]
fn handles_of_several_pools_are_waited_for_together() {
    within(PATIENCE, || {
        let (one, other) = (pool("arith"), pool("bare"));
        let handles = [
            one.submit::<i64>("square", (2,)).unwrap(),
            other.submit::<i64>("square", (3,)).unwrap(),
        ];
        assert_eq!(wait(&handles, When::All, None), [0, 1]);
        let results = handles.map(|handle| handle.wait().unwrap());
        assert_eq!(results, [4, 9]);
    });
}

#[test]
fn handles_are_waited_for_while_another_thread_drives_the_pool() {
    within(PATIENCE, || {
        let pool = builder("faults").workers(3).build().unwrap();
        std::thread::scope(|scope| {
            let endless = pool.submit::<()>("sleep", (3_600_000_u64,)).unwrap();
            let endless = Arc::new(endless);
            let leader = endless.clone();
            scope.spawn(move || wait(std::slice::from_ref(&*leader), When::All, None));
            // Several threads wait for the same handles: all are told.
            let handles: Arc<Vec<Handle<()>>> = Arc::new(
                [1_u64, 20, 40]
                    .map(|ms| pool.submit("sleep", (ms,)).unwrap())
                    .into(),
            );
            let waiting: Vec<_> = (0..4)
                .map(|_| {
                    let handles = handles.clone();
                    scope.spawn(move || wait(&handles, When::All, None))
                })
                .collect();
            for thread in waiting {
                assert_eq!(thread.join().unwrap(), [0, 1, 2]);
            }
            assert!(endless.cancel());
        });
    });
}

#[test]
fn a_queued_job_is_cancelled_before_it_runs() {
    let pool = builder("faults").workers(1).build().unwrap();
    let running = pool.submit::<()>("sleep", (50_u64,)).unwrap();
    let queued = pool.submit::<u32>("counter", ()).unwrap();
    assert!(queued.cancel());
    assert!(queued.is_done());
    assert!(!queued.cancel());
    let fault = fault(queued.wait());
    assert_eq!(
        (fault.cause, fault.attempt, fault.pid),
        (Cause::Cancelled, 0, None)
    );
    assert_eq!(running.wait(), Ok(()));
    assert_eq!(pool.apply::<u32>("counter", ()), Ok(1));
    assert_eq!(pool.stats().workers_lost, 0);
}

#[test]
fn a_running_job_is_cancelled_with_its_worker_and_no_other() {
    within(PATIENCE, || {
        let pool = pool("faults");
        let endless = pool.submit::<()>("spin", ()).unwrap();
        until("it runs", PATIENCE, || {
            pool.stats().workers.iter().any(|worker| worker.busy)
        });
        let pids = || -> BTreeSet<u32> {
            pool.stats()
                .workers
                .iter()
                .map(|worker| worker.pid)
                .collect()
        };
        let before = pids();
        let other = pool.submit::<()>("sleep", (100_u64,)).unwrap();
        let behind = pool.map_async::<u32>("maybe-trap", 0..5).unwrap();
        assert!(endless.cancel());
        assert_eq!(fault(endless.wait()).cause, Cause::Cancelled);
        assert_eq!(other.wait(), Ok(()));
        assert_eq!(behind.wait().unwrap(), [0, 1, 2, 3, 4]);
        until("the worker is replaced", PATIENCE, || pids().len() == 2);
        assert_eq!(before.intersection(&pids()).count(), 1);
        assert_eq!(pool.stats().workers_lost, 1);
    });
}

#[test]
fn the_jobs_of_one_cancelled_map_all_say_so_and_those_of_another_none() {
    within(PATIENCE, || {
        for _ in 0..20 {
            let pool = pool("faults");
            let doomed = pool.map_async::<()>("sleep", [2_u64; 200]).unwrap();
            let other = pool.map_async::<u32>("maybe-trap", [1_u32; 200]).unwrap();
            assert!(doomed.cancel());
            assert_eq!(fault(doomed.wait()).cause, Cause::Cancelled);
            assert_eq!(other.wait().unwrap(), [1; 200]);
            assert_eq!(pool.stats().jobs_done, 400);
        }
    });
}

#[test]
fn a_long_job_of_one_caller_does_not_hold_up_another() {
    within(PATIENCE, || {
        for chunk in [None, Some(1), Some(100)] {
            let mut builder = builder("faults");
            if let Some(chunk) = chunk {
                builder = builder.chunk(chunk);
            }
            let pool = builder.build().unwrap();
            // What its jobs cost is well known by now.
            pool.map::<u32>("maybe-trap", [1; 5000]).unwrap();
            let endless = pool.submit::<()>("spin", ()).unwrap();
            until("it runs", PATIENCE, || {
                pool.stats()
                    .workers
                    .iter()
                    .any(|worker| process::processor_ms(worker.pid) > 60)
            });
            for _ in 0..5 {
                assert_eq!(pool.map::<u32>("maybe-trap", [1; 1000]).unwrap(), [1; 1000]);
            }
            assert!(endless.cancel());
        }
    });
}

#[test]
fn ten_threads_share_a_pool() {
    within(2 * PATIENCE, || {
        let pool = pool("arith");
        std::thread::scope(|scope| {
            for thread in 0..10_i64 {
                let pool = &pool;
                scope.spawn(move || {
                    for round in 0..50 {
                        let first = thread * 1000 + round;
                        match round % 4 {
                            0 => {
                                let squares: Vec<i64> =
                                    pool.map("square", first..first + 300).unwrap();
                                assert!((first..first + 300).map(|n| n * n).eq(squares));
                            }
                            1 => {
                                let squares = pool.imap::<i64, _>("square", first..).unwrap();
                                assert!(
                                    squares
                                        .take(50)
                                        .map(Result::unwrap)
                                        .eq((first..first + 50).map(|n| n * n))
                                );
                            }
                            2 => {
                                let handle =
                                    pool.map_async::<i64>("square", first..first + 30).unwrap();
                                assert!(
                                    (first..first + 30)
                                        .map(|n| n * n)
                                        .eq(handle.wait().unwrap())
                                );
                            }
                            _ => {
                                assert_eq!(pool.apply::<i64>("square", (first,)), Ok(first * first))
                            }
                        }
                    }
                });
            }
        });
    });
}

#[test]
fn threads_that_ask_for_one_job_at_a_time_never_miss_its_end() {
    within(2 * PATIENCE, || {
        let pool = pool("bare");
        std::thread::scope(|scope| {
            for thread in 0..6_i64 {
                let square = pool.func::<i64, i64>("square").unwrap();
                scope.spawn(move || {
                    (0..2000).for_each(|_| assert_eq!(square.apply(thread), Ok(thread * thread)))
                });
            }
        });
    });
}

#[test]
fn two_hundred_workers_are_a_pool_too() {
    within(2 * PATIENCE, || {
        let pool = builder("bare").workers(200).build().unwrap();
        let squares: Vec<i64> = pool.map("square", 0..1000).unwrap();
        assert!((0..1000).map(|n| n * n).eq(squares));
        until("all workers are ready", PATIENCE, || {
            pool.stats()
                .workers
                .iter()
                .filter(|worker| worker.ready)
                .count()
                == 200
        });
        let squares: Vec<i64> = pool.map("square", 0..1000).unwrap();
        assert!((0..1000).map(|n| n * n).eq(squares));
        let pids: Vec<u32> = pool
            .stats()
            .workers
            .iter()
            .map(|worker| worker.pid)
            .collect();
        drop(pool);
        assert!(pids.into_iter().all(process::is_gone));
    });
}

#[test]
fn a_closed_pool_takes_no_more_jobs() {
    let pool = pool("arith");
    let square = pool.func::<i64, i64>("square").unwrap();
    pool.close();
    assert_eq!(pool.map::<i64>("square", [1]), Err(Error::Closed));
    assert_eq!(pool.apply::<i64>("square", (1,)), Err(Error::Closed));
    assert_eq!(
        pool.submit::<i64>("square", (1,)).unwrap_err(),
        Error::Closed
    );
    assert_eq!(
        pool.map_async::<i64>("square", [1]).unwrap_err(),
        Error::Closed
    );
    let mut squares = pool.imap::<i64, _>("square", [1]).unwrap();
    assert_eq!(squares.next(), Some(Err(Error::Closed)));
    assert_eq!(squares.next(), None);
    assert_eq!(square.map([1]), Err(Error::Closed));
    pool.close();
    pool.join().unwrap();
    assert_eq!(pool.map::<i64>("square", [1]), Err(Error::Closed));
}

#[test]
fn an_open_pool_cannot_be_joined() {
    let pool = pool("arith");
    assert_eq!(pool.join(), Err(Error::StillOpen));
    check(&pool, "square", &[3_i64], &[9_i64]);
}

#[test]
fn a_closed_pool_finishes_what_it_was_given() {
    within(PATIENCE, || {
        let pool = pool("faults");
        let pids: Vec<u32> = pool
            .stats()
            .workers
            .iter()
            .map(|worker| worker.pid)
            .collect();
        let sleeps = pool.map_async::<()>("sleep", [2_u64; 50]).unwrap();
        let values = pool.map_async::<u32>("maybe-trap", [1_u32; 500]).unwrap();
        let (sender, receiver) = mpsc::channel();
        let callback = pool.submit::<u32>("maybe-trap", (2_u32,)).unwrap();
        callback.on_done(move |result| sender.send(result).unwrap());
        pool.close();
        // As in Python: close, join, and only then ask for the results.
        pool.join().unwrap();
        assert_eq!(receiver.try_recv(), Ok(Ok(2)));
        assert!(sleeps.is_done() && values.is_done());
        assert_eq!(sleeps.wait().unwrap().len(), 50);
        assert_eq!(values.wait().unwrap(), [1; 500]);
        assert!(pids.into_iter().all(process::is_gone));
        pool.join().unwrap();
    });
}

#[test]
fn join_waits_for_a_map_in_another_thread() {
    within(PATIENCE, || {
        let pool = pool("faults");
        std::thread::scope(|scope| {
            let (begun, beginning) = mpsc::channel();
            let pool = &pool;
            let map = scope.spawn(move || {
                let items = (0..50).map(|n| {
                    if n == 1 {
                        begun.send(()).unwrap();
                    }
                    2_u64
                });
                pool.map::<()>("sleep", items)
            });
            beginning.recv_timeout(PATIENCE).unwrap();
            pool.close();
            pool.join().unwrap();
            assert_eq!(map.join().unwrap().unwrap().len(), 50);
        });
    });
}

#[test]
fn a_terminated_pool_cancels_ten_thousand_queued_jobs_at_once() {
    within(PATIENCE, || {
        let pool = pool("faults");
        let endless = pool
            .map_async::<()>("sleep", vec![3_600_000_u64; 10_000])
            .unwrap();
        let pids: Vec<u32> = pool
            .stats()
            .workers
            .iter()
            .map(|worker| worker.pid)
            .collect();
        let started = Instant::now();
        pool.terminate();
        assert!(started.elapsed() < Duration::from_secs(2));
        assert!(pids.into_iter().all(process::is_gone));
        assert!(endless.is_done());
        assert_eq!(fault(endless.wait()).cause, Cause::Cancelled);
        let stats = pool.stats();
        assert_eq!((stats.jobs_done, stats.jobs_queued), (10_000, 0));
        assert_eq!(pool.map::<u32>("maybe-trap", [1_u32]), Err(Error::Closed));
        pool.join().unwrap();
    });
}

#[test]
fn terminate_ends_a_map_and_an_imap_in_other_threads() {
    within(PATIENCE, || {
        let pool = pool("faults");
        std::thread::scope(|scope| {
            let pool = &pool;
            let map = scope.spawn(move || pool.map::<()>("sleep", [3_600_000_u64; 3]));
            let imap = scope.spawn(move || {
                let results = pool.imap::<(), _>("sleep", std::iter::repeat_n(3_600_000_u64, 3)).unwrap();
                results.filter(|result| matches!(result, Err(Error::Job(fault)) if fault.cause == Cause::Cancelled)).count()
            });
            // Of jobs whose length is not known yet each task takes one for each worker.
            until("both wait", PATIENCE, || {
                let stats = pool.stats();
                stats.jobs_queued + stats.workers.iter().filter(|worker| worker.busy).count() as u64
                    == 4
            });
            pool.terminate();
            assert_eq!(imap.join().unwrap(), 3);
            assert_eq!(fault(map.join().unwrap()).cause, Cause::Cancelled);
        });
    });
}

#[test]
fn a_pool_grows_and_shrinks_while_it_works() {
    within(2 * PATIENCE, || {
        let pool = builder("arith").workers(1).build().unwrap();
        let resized = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for workers in [4, 1, 8, 2, 3, 1, 5, 2] {
                    pool.resize(workers);
                    assert_eq!(pool.workers(), workers);
                    until("there are so many workers", PATIENCE, || {
                        let there = pool.stats().workers;
                        there.len() == workers && there.iter().all(|worker| worker.ready)
                    });
                    resized.fetch_add(1, Ordering::Relaxed);
                }
            });
            while resized.load(Ordering::Relaxed) < 8 {
                let squares: Vec<i64> = pool.map("square", 0..2000).unwrap();
                assert!((0..2000).map(|n| n * n).eq(squares));
            }
        });
        assert_eq!(pool.stats().workers_lost, 0);
        pool.resize(0);
        assert_eq!(pool.workers(), 1);
    });
}

#[test]
fn an_idle_pool_grows_and_shrinks_too() {
    let pool = pool("faults");
    pool.resize(5);
    until("there are five", PATIENCE, || {
        pool.stats()
            .workers
            .iter()
            .filter(|worker| worker.ready)
            .count()
            == 5
    });
    // All five take part.
    let pids = || -> BTreeSet<u32> {
        let mut reports = pool.imap_unordered::<(), _>("sleep", [20_u64; 25]).unwrap();
        std::iter::from_fn(|| reports.next_report())
            .map(|report| report.unwrap().pid)
            .collect()
    };
    assert_eq!(pids().len(), 5);
    pool.resize(1);
    until("there is one", PATIENCE, || pool.stats().workers.len() == 1);
    assert_eq!(pids().len(), 1);
}

#[test]
fn dropping_a_pool_ends_endless_jobs_at_once() {
    within(PATIENCE, || {
        let pool = builder("faults").workers(4).build().unwrap();
        let endless = [(); 6].map(|()| pool.submit::<()>("spin", ()).unwrap());
        until("they run", PATIENCE, || {
            let workers = pool.stats().workers;
            workers.len() == 4 && workers.iter().all(|worker| worker.busy)
        });
        let pids: Vec<u32> = pool
            .stats()
            .workers
            .iter()
            .map(|worker| worker.pid)
            .collect();
        let started = Instant::now();
        drop(pool);
        assert!(started.elapsed() < Duration::from_secs(2));
        assert!(pids.into_iter().all(process::is_gone));
        for handle in endless {
            assert_eq!(fault(handle.wait()).cause, Cause::Cancelled);
        }
    });
}

#[test]
fn an_imap_that_is_dropped_early_leaves_the_pool_to_others() {
    let pool = pool("arith");
    for _ in 0..20 {
        let first: Vec<i64> = pool
            .imap::<i64, _>("square", 0..)
            .unwrap()
            .take(3)
            .map(Result::unwrap)
            .collect();
        assert_eq!(first, [0, 1, 4]);
        check(&pool, "square", &[5_i64], &[25_i64]);
    }
    pool.close();
    within(PATIENCE, move || pool.join()).unwrap();
}

#[test]
fn a_jobs_clock_starts_when_the_job_starts() {
    let limits = Limits {
        timeout: Some(Duration::from_millis(400)),
        ..Limits::default()
    };
    for chunk in [1, 20] {
        let pool = builder("faults")
            .workers(1)
            .chunk(chunk)
            .limits(limits.clone())
            .build()
            .unwrap();
        let started = Instant::now();
        assert_eq!(pool.map::<()>("sleep", [30_u64; 20]).unwrap().len(), 20);
        assert!(started.elapsed() >= Duration::from_millis(600));
        assert_eq!(pool.stats().workers_lost, 0);
    }
}
