//! Items that arrive at their own time, and the results that come meanwhile.

use crate::{PATIENCE, builder, pool, until, within};
use host::Error;
use serde::{Deserialize, Serialize};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Items that other threads send.
struct Arrivals<T> {
    items: mpsc::Receiver<T>,
    waker: mpsc::Sender<Waker>,
}

impl<T> futures_core::Stream for Arrivals<T> {
    type Item = T;
    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        // The sender wakes each that it was given, so one too many is no harm.
        let _ = self.waker.send(context.waker().clone());
        match self.items.try_recv() {
            Ok(item) => Poll::Ready(Some(item)),
            Err(mpsc::TryRecvError::Disconnected) => Poll::Ready(None),
            Err(mpsc::TryRecvError::Empty) => Poll::Pending,
        }
    }
}

/// What sends items to an [`Arrivals`], and ends them when it is dropped.
struct Departures<T> {
    items: Option<mpsc::Sender<T>>,
    wakers: mpsc::Receiver<Waker>,
}

impl<T> Departures<T> {
    fn send(&self, item: T) {
        self.items.as_ref().unwrap().send(item).unwrap();
        self.wakers.try_iter().for_each(Waker::wake);
    }
}

impl<T> Drop for Departures<T> {
    fn drop(&mut self) {
        self.items = None;
        self.wakers.try_iter().for_each(Waker::wake);
    }
}

fn arrivals<T>() -> (Departures<T>, Arrivals<T>) {
    let (to, items) = mpsc::channel();
    let (waker, wakers) = mpsc::channel();
    let to = Some(to);
    let departures = Departures { items: to, wakers };
    (departures, Arrivals { items, waker })
}

#[test]
fn results_come_while_no_item_arrives() {
    within(PATIENCE, || {
        let pool = pool("faults");
        let sleep = pool.func::<u64, ()>("sleep").unwrap();
        for ordered in [true, false] {
            let (to, items) = arrivals();
            let mut results: Box<dyn Iterator<Item = _>> = match ordered {
                true => Box::new(sleep.imap_stream(items)),
                false => Box::new(sleep.imap_stream_unordered(items)),
            };
            // Each burst is sent only when all results of the one before were told.
            for burst in [vec![30], vec![30, 30], vec![1, 30, 1]] {
                burst.iter().for_each(|ms| to.send(*ms));
                burst
                    .iter()
                    .for_each(|_| assert_eq!(results.next(), Some(Ok(()))));
            }
            drop(to);
            assert_eq!(results.next(), None);
        }
    });
}

#[test]
fn items_that_arrive_wake_whoever_waits_for_results() {
    within(PATIENCE, || {
        let pool = pool("arith");
        let square = pool.func::<i64, i64>("square").unwrap();
        std::thread::scope(|scope| {
            // Only one of the threads drives the pool; the others follow it.
            for _ in 0..3 {
                let (to, items) = arrivals();
                let results = square.imap_stream(items);
                let (told, tells) = mpsc::channel();
                scope.spawn(move || results.for_each(|result| told.send(result.unwrap()).unwrap()));
                scope.spawn(move || {
                    for n in 0..2000 {
                        to.send(n);
                        // Now and then the other side is known to have nothing at all.
                        if n % 100 == 99 {
                            let last = tells.iter().take(100).last();
                            assert_eq!(last, Some(n * n));
                        }
                    }
                    drop(to);
                    assert_eq!(tells.recv(), Err(mpsc::RecvError));
                });
            }
        });
    });
}

#[test]
fn what_arrives_when_there_is_no_room_makes_nobody_busy() {
    within(PATIENCE, || {
        let pool = builder("faults").workers(1).chunk(1).build().unwrap();
        let sleep = pool.func::<u64, ()>("sleep").unwrap();
        let (to, items) = arrivals();
        let mut results = sleep.imap_stream(items);
        // More than the pool takes at a time, so that the last ones wait for room.
        let jobs = pool.look_ahead() + 5;
        (0..jobs).for_each(|_| to.send(100));
        let begun = processor_time();
        (0..jobs).for_each(|_| assert_eq!(results.next(), Some(Ok(()))));
        let used = processor_time() - begun;
        assert!(
            used < Duration::from_millis(20 * jobs),
            "{used:?} for {jobs} jobs"
        );
        drop(to);
        assert_eq!(results.next(), None);
    });
}

/// The processor time of this thread.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn terminate_ends_a_stream_that_waits_for_an_item() {
    within(PATIENCE, || {
        let pool = pool("arith");
        let square = pool.func::<i64, i64>("square").unwrap();
        std::thread::scope(|scope| {
            // One of them drives the pool, the other follows.
            let waits = [0, 1].map(|_| {
                let (to, items) = arrivals();
                let mut results = square.imap_stream(items);
                let (told, tells) = mpsc::channel();
                let thread = scope.spawn(move || {
                    told.send(results.next()).unwrap();
                    results.next()
                });
                to.send(3);
                assert_eq!(tells.recv().unwrap(), Some(Ok(9)));
                (to, thread)
            });
            pool.terminate();
            for (to, thread) in waits {
                assert_eq!(thread.join().unwrap(), Some(Err(Error::Closed)));
                drop(to);
            }
        });
    });
}

#[test]
fn items_may_arrive_when_nobody_wants_them_any_more() {
    let (to, items) = arrivals();
    let wakers = {
        let pool = pool("arith");
        let square = pool.func::<i64, i64>("square").unwrap();
        let mut results = square.imap_stream(items);
        to.send(3);
        assert_eq!(results.next(), Some(Ok(9)));
        let wakers: Vec<_> = to.wakers.try_iter().collect();
        drop(results);
        wakers.iter().for_each(Waker::wake_by_ref);
        assert_eq!(square.apply(4), Ok(16));
        wakers
    };
    wakers.into_iter().for_each(Waker::wake);
}

#[test]
fn items_that_take_long_to_make_are_taken_while_jobs_run() {
    within(PATIENCE, || {
        let pool = builder("faults").workers(2).build().unwrap();
        pool.wait_ready();
        let sleep = pool.func::<Slow, ()>("sleep").unwrap();
        let (to, items) = arrivals();
        let mut reports = sleep.imap_stream_unordered(items);
        let mut next = || reports.next_report().unwrap().unwrap().job;
        // From here on the source is known to be slow.
        to.send(Slow(1));
        assert_eq!(next(), 0);
        std::thread::scope(|scope| {
            to.send(Slow(2000));
            let pool = &pool;
            scope.spawn(move || {
                let runs = || pool.stats().workers.iter().any(|worker| worker.busy);
                until("the long job", PATIENCE, runs);
                to.send(Slow(1));
            });
            let begun = processor_time();
            assert_eq!([next(), next()], [2, 1]);
            let used = processor_time() - begun;
            assert!(used < Duration::from_millis(500), "{used:?} of two seconds");
        });
    });
}

/// A number that takes long to encode.
#[derive(Deserialize)]
struct Slow(u64);

impl Serialize for Slow {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_micros(100) {
            std::hint::spin_loop();
        }
        serializer.serialize_u64(self.0)
    }
}
