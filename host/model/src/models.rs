//! The stories. A lost wake shows as a deadlock, as everybody sleeps; a byte in the wrong hands as a race.

use super::channel::ends;
use super::sides::{Parent, channel};
use loom::sync::Mutex;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs `model` in every order, or, where those are too many, in all that interrupt running threads at most so many times.
/// A thread that waits is not interrupted.
fn check(name: &str, most_interruptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicUsize::new(0));
    let counted = executions.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(most_interruptions);
    let start = std::time::Instant::now();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let executions = executions.load(Ordering::Relaxed);
    println!("{name}: {executions} executions in {:.1?}", start.elapsed());
    assert!(executions > 1, "there was something to explore");
}

/// Bytes go through a ring that is smaller than their number, to a reader that copies them out.
pub(crate) fn bytes_to_the_parent() {
    check("bytes_to_the_parent", None, || {
        let ((_, mut reader), (mut writer, _)) = ends::<2>();
        let sender = thread::spawn(move || send(&mut writer));
        let mut received = Vec::new();
        while received.len() < STREAM.len() {
            if reader.take(&mut received, 2).expect("sound indices") == 0 {
                thread::yield_now();
            }
            assert_eq!(received, STREAM[..received.len()]);
        }
        sender.join().unwrap();
    });
}

/// The same to a reader that uses them in place, and gives their space back one by one.
pub(crate) fn bytes_to_the_worker() {
    check("bytes_to_the_worker", Some(3), || {
        let ((mut writer, _), (_, mut reader)) = ends::<2>();
        let sender = thread::spawn(move || send(&mut writer));
        let mut received = Vec::new();
        while received.len() < STREAM.len() {
            if !reader.has(1).expect("sound indices") {
                thread::yield_now();
                continue;
            }
            let bytes = reader.peek(1);
            received.extend_from_slice(&bytes);
            assert_eq!(received, STREAM[..received.len()]);
            assert_eq!(reader.peek(1), bytes, "they stay until they are released");
            reader.release(1);
            reader.give_back();
        }
        sender.join().unwrap();
    });
}

const STREAM: [u8; 4] = [1, 2, 3, 4];

fn send(writer: &mut super::channel::Writer<2>) {
    let mut rest = &STREAM[..];
    while !rest.is_empty() {
        // In two steps, so that there is something that was written, but is not published.
        let mut written = writer.write(&rest[..1]).expect("sound indices");
        written += writer.write(&rest[written..]).expect("sound indices");
        rest = &rest[written..];
        writer.publish();
        if written == 0 {
            thread::yield_now();
        }
    }
}

/// A worker that parks whenever it has nothing to do gets every request. All orders were 1,268,884, and took minutes (November 2026).
pub(crate) fn a_worker_that_parks() {
    check("a_worker_that_parks", Some(4), || {
        let (mut parent, mut worker) = channel::<2>();
        let worker = thread::spawn(move || worker.run(0));
        parent.feed(&[1], 0);
        parent.dismiss();
        assert_eq!(worker.join().unwrap(), [1]);
    });
}

/// A parent that sleeps until a chunk is answered is woken by its last answer, although the worker does not rest after it.
pub(crate) fn a_parent_that_sleeps() {
    check("a_parent_that_sleeps", None, || {
        let (mut parent, mut worker) = channel::<4>();
        parent.feed(&[1, 2], 1);
        let worker = thread::spawn(move || {
            worker.serve(1);
            worker.serve(1);
        });
        parent.wait(2);
        assert_eq!(parent.answered, [1, 2]);
        worker.join().unwrap();
    });
}

/// A parent that sleeps until a chunk is answered is woken before when the ring is half full, although the worker then is
/// busy for ever.
pub(crate) fn a_ring_that_is_half_full() {
    check("a_ring_that_is_half_full", None, || {
        let (mut parent, mut worker) = channel::<4>();
        parent.feed(&[1, 2, 3, 4], 1);
        let worker = thread::spawn(move || {
            (1..=3).for_each(|job| assert_eq!(worker.serve(1), job));
        });
        parent.wait(1);
        worker.join().unwrap();
    });
}

/// Both sleep, each when it has nothing to do.
pub(crate) fn both_sleep() {
    check("both_sleep", Some(3), || {
        let (mut parent, mut worker) = channel::<2>();
        let worker = thread::spawn(move || worker.run(1));
        parent.feed(&[1], 1);
        parent.wait(1);
        parent.dismiss();
        assert_eq!(worker.join().unwrap(), [1]);
        assert_eq!(parent.answered, [1]);
    });
}

/// The same through two chunks.
pub(crate) fn both_sleep_twice() {
    check("both_sleep_twice", Some(2), || {
        let (mut parent, mut worker) = channel::<2>();
        let worker = thread::spawn(move || worker.run(1));
        parent.feed(&[1], 1);
        parent.wait(1);
        parent.feed(&[2], 1);
        parent.wait(2);
        parent.dismiss();
        assert_eq!(worker.join().unwrap(), [1, 2]);
        assert_eq!(parent.answered, [1, 2]);
    });
}

/// An answer that is longer than the ring: the worker sleeps for space, the parent for the rest.
pub(crate) fn a_long_answer() {
    check("a_long_answer", Some(3), || {
        let (mut parent, mut worker) = channel::<1>();
        parent.feed(&[1], 2);
        let worker = thread::spawn(move || worker.serve(2));
        parent.wait(2);
        assert_eq!(worker.join().unwrap(), 1);
        assert_eq!(parent.answered, [1, 1]);
    });
}

/// The same behind an answer for which the parent did not look whether the worker sleeps.
pub(crate) fn a_long_answer_behind_a_short_one() {
    check("a_long_answer_behind_a_short_one", Some(2), || {
        let (mut parent, mut worker) = channel::<2>();
        parent.feed(&[1], 1);
        parent.feed(&[2], 3);
        let worker = thread::spawn(move || [worker.serve(1), worker.serve(3)]);
        parent.wait(4);
        assert_eq!(worker.join().unwrap(), [1, 2]);
        assert_eq!(parent.answered, [1, 2, 2, 2]);
    });
}

/// The same for a parent that leaves some of what is there for later.
pub(crate) fn a_long_answer_in_bites() {
    check("a_long_answer_in_bites", Some(2), || {
        let (mut parent, mut worker) = channel::<2>();
        parent.bite = 1;
        parent.feed(&[1], 5);
        let worker = thread::spawn(move || worker.serve(5));
        parent.wait(5);
        assert_eq!(worker.join().unwrap(), 1);
        assert_eq!(parent.answered, [1; 5]);
    });
}

/// Requests that are longer than the ring: the parent sleeps for space, the worker for the rest.
pub(crate) fn long_requests() {
    check("long_requests", Some(3), || {
        let (mut parent, mut worker) = channel::<1>();
        parent.feed(&[1, 2], 1);
        let worker = thread::spawn(move || [worker.serve(1), worker.serve(1)]);
        parent.wait(2);
        assert_eq!(worker.join().unwrap(), [1, 2]);
        assert_eq!(parent.answered, [1, 2]);
    });
}

/// While one thread of the parent sleeps, another one gives a worker its first job, and asks it for a bell.
pub(crate) fn jobs_for_an_idle_worker() {
    check("jobs_for_an_idle_worker", Some(3), || {
        let (parent, mut worker) = channel::<2>();
        let worker = thread::spawn(move || worker.serve(1));
        let answered = lead_and_submit(parent, 1);
        assert_eq!(worker.join().unwrap(), 1);
        assert_eq!(answered, [1]);
    });
}

/// While one thread of the parent sleeps until a chunk is answered, another one adds a chunk, and asks for a bell in another
/// round.
pub(crate) fn a_second_round() {
    check("a_second_round", Some(2), || {
        let (mut parent, mut worker) = channel::<4>();
        parent.feed(&[2], 1);
        let worker = thread::spawn(move || [worker.serve(1), worker.serve(1)]);
        let answered = lead_and_submit(parent, 2);
        assert_eq!(worker.join().unwrap(), [2, 1]);
        assert_eq!(answered, [2, 1]);
    });
}

/// Two threads of the parent, in the ways of `drive` and `submit` in `pool/shared.rs`: this one leads until there are so
/// many bytes of answers, another one submits job 1.
fn lead_and_submit<const C: usize>(parent: Parent<C>, bytes: usize) -> Vec<u8> {
    let to_parent = parent.to_parent.clone();
    // The parent, and whether its leader sleeps.
    let driver = Arc::new(Mutex::new((parent, false)));
    let submitter = thread::spawn({
        let (driver, to_parent) = (driver.clone(), to_parent.clone());
        move || {
            let (parent, asleep) = &mut *driver.lock().unwrap();
            let came = parent.collect();
            parent.feed(&[1], 1);
            if *asleep && (came || !parent.resleeps()) {
                to_parent.ring();
            }
        }
    });
    loop {
        let mut guard = driver.lock().unwrap();
        let (parent, asleep) = &mut *guard;
        parent.collect();
        if parent.answered.len() >= bytes {
            break;
        }
        if !parent.falls_asleep() {
            continue;
        }
        *asleep = true;
        drop(guard);
        to_parent.wait();
        let (parent, asleep) = &mut *driver.lock().unwrap();
        *asleep = false;
        parent.wake();
        to_parent.hear();
    }
    submitter.join().unwrap();
    let (parent, _) = &mut *driver.lock().unwrap();
    std::mem::take(&mut parent.answered)
}
