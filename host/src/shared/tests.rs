//! The objects by themselves: threads of this program are the parties, and one dies by its seat being dropped.

use super::*;
use crate::types::Object;
use room::Room;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(20);

fn soon() -> Until {
    Some(Instant::now() + Duration::from_millis(5))
}

fn make(shared: &Shared, object: Object, parts: u32) -> Place {
    shared.0.make(object, parts, |_| {}).unwrap()
}

#[test]
fn a_lock_has_one_holder_and_says_when_one_died() {
    let shared = Shared::new().unwrap();
    let (a, b) = (shared.seat().unwrap(), shared.seat().unwrap());
    let lock = make(&shared, Object::Lock, 0);
    assert_eq!(a.party.acquire(lock, None), Ok(Acquired::Clean));
    assert_eq!(b.party.acquire(lock, soon()), Err(Failure::TooLate));
    assert!(matches!(
        a.party.acquire(lock, None),
        Err(Failure::Misuse(_))
    ));
    assert!(matches!(b.party.release(lock), Err(Failure::Misuse(_))));
    a.party.release(lock).unwrap();
    assert_eq!(b.party.acquire(lock, None), Ok(Acquired::Clean));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| a.party.acquire(lock, Some(Instant::now() + LONG)));
        drop(b);
        assert_eq!(waiting.join().unwrap(), Ok(Acquired::Abandoned));
    });
    a.party.release(lock).unwrap();
    assert_eq!(a.party.acquire(lock, None), Ok(Acquired::Clean));
}

#[test]
fn an_rlock_is_free_when_it_was_released_as_often_as_acquired() {
    let shared = Shared::new().unwrap();
    let (a, b) = (shared.seat().unwrap(), shared.seat().unwrap());
    let lock = make(&shared, Object::Rlock, 0);
    for _ in 0..3 {
        assert_eq!(a.party.acquire_again(lock, None), Ok(Acquired::Clean));
    }
    for _ in 0..3 {
        assert_eq!(b.party.acquire_again(lock, soon()), Err(Failure::TooLate));
        a.party.release_again(lock).unwrap();
    }
    assert_eq!(b.party.acquire_again(lock, None), Ok(Acquired::Clean));
    assert!(matches!(
        a.party.release_again(lock),
        Err(Failure::Misuse(_))
    ));
}

#[test]
fn many_increments_with_a_lock_are_all_there() {
    let shared = Shared::new().unwrap();
    let (lock, total) = (shared.lock().unwrap(), shared.value(0).unwrap());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    let _held = lock.lock();
                    total.set(total.get() + 1);
                }
            });
        }
    });
    assert_eq!(total.get(), 20_000);
}

#[test]
fn permits_of_the_dead_come_back_and_those_that_were_spent_do_not() {
    let shared = Shared::new().unwrap();
    let semaphore = shared.semaphore(3).unwrap();
    let place = shared.0.place_of(&semaphore.handle());
    let (a, b) = (shared.seat().unwrap(), shared.seat().unwrap());
    a.party.take_permit(place, None).unwrap();
    a.party.take_permit(place, None).unwrap();
    b.party.take_permit(place, None).unwrap();
    assert_eq!(semaphore.permits(), 0);
    assert!(!semaphore.acquire_within(Duration::from_millis(5)));
    b.party.spend_permits(place);
    drop(b);
    assert_eq!(semaphore.permits(), 0);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| semaphore.acquire_within(LONG));
        drop(a);
        assert!(waiting.join().unwrap());
    });
    assert_eq!(semaphore.permits(), 1);
}

#[test]
fn a_death_between_two_steps_of_a_semaphore_is_mended() {
    let shared = Shared::new().unwrap();
    let semaphore = shared.semaphore(2).unwrap();
    let place = shared.0.place_of(&semaphore.handle());
    let dead = shared.seat().unwrap();
    // It has noted that it takes one, and dies before it counts it.
    let slot = shared.0.slot(place);
    let _ = slot.owner().acquire(dead.number(), None).unwrap();
    slot.half(semaphore::TAKEN + dead.number() as usize)
        .store(1, Ordering::SeqCst);
    drop(dead);
    assert_eq!(semaphore.permits(), 2);
    assert!(semaphore.acquire_within(LONG));
}

#[test]
#[should_panic(expected = "released more often than acquired")]
fn a_bounded_semaphore_takes_no_more_permits_than_it_has() {
    let shared = Shared::new().unwrap();
    shared.bounded_semaphore(1).unwrap().release();
}

#[test]
fn an_event_wakes_all_who_wait() {
    let shared = Shared::new().unwrap();
    let event = shared.event().unwrap();
    assert!(!event.wait_within(Duration::from_millis(5)));
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| event.wait_within(LONG)))
            .collect();
        event.set();
        assert!(waiting.into_iter().all(|waiting| waiting.join().unwrap()));
    });
    event.clear();
    assert!(!event.is_set());
}

#[test]
fn a_condition_wakes_as_many_as_are_notified() {
    let shared = Shared::new().unwrap();
    let condition = shared.condition().unwrap();
    let (waiting, woken) = (shared.value(0).unwrap(), shared.value(0).unwrap());
    let wait = || {
        let mut held = condition.lock();
        waiting.fetch_add(1);
        assert!(condition.wait(&mut held, Some(LONG)));
        woken.fetch_add(1);
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..5).map(|_| scope.spawn(wait)).collect();
        for (count, expected) in [(1, 1), (2, 3), (u32::MAX, 5)] {
            // Who has said that it waits waits as soon as the lock can be had.
            while waiting.get() < 5 {
                thread::yield_now();
            }
            let held = condition.lock();
            condition.notify(&held, count);
            drop(held);
            let begun = Instant::now();
            while woken.get() < expected {
                assert!(begun.elapsed() < LONG);
                thread::yield_now();
            }
            assert_eq!(woken.get(), expected);
        }
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
    let mut held = condition.lock();
    assert!(!condition.wait(&mut held, Some(Duration::from_millis(5))));
    assert!(condition.wait_for(&mut held, Some(LONG), || true));
    assert!(!condition.wait_for(&mut held, Some(Duration::from_millis(5)), || false));
}

#[test]
fn who_comes_back_from_waiting_to_an_abandoned_lock_passes_that_on() {
    let shared = Shared::new().unwrap();
    let condition = make(&shared, Object::Condition, 0);
    let (dead, alive) = (shared.seat().unwrap(), shared.seat().unwrap());
    assert_eq!(alive.party.acquire(condition, None), Ok(Acquired::Clean));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let waited = alive.party.wait_condition(condition, None, None);
            alive.party.release_condition(condition).unwrap();
            waited
        });
        assert_eq!(dead.party.acquire(condition, None), Ok(Acquired::Clean));
        dead.party.notify(condition, 1).unwrap();
        drop(dead);
        assert_eq!(waiting.join().unwrap(), Ok(true));
    });
    assert_eq!(
        alive.party.acquire(condition, None),
        Ok(Acquired::Abandoned)
    );
}

#[test]
fn a_notification_of_one_who_died_goes_to_another() {
    let shared = Shared::new().unwrap();
    let condition = shared.condition().unwrap();
    let place = shared.0.place_of(&condition.handle());
    let (dead, alive) = (shared.seat().unwrap(), shared.seat().unwrap());
    let comer = |seat: &Seat, comer: u64| {
        shared
            .0
            .slot(place)
            .word(condition::WAITS + seat.number() as usize)
            .store(comer, Ordering::SeqCst);
    };
    comer(&dead, condition::NOTIFIED);
    comer(&alive, 2);
    drop(dead);
    let word = shared
        .0
        .slot(place)
        .word(condition::WAITS + alive.number() as usize);
    assert_eq!(word.load(Ordering::SeqCst), condition::NOTIFIED);
}

#[test]
fn a_barrier_lets_all_through_again_and_again() {
    let shared = Shared::new().unwrap();
    let barrier = shared.barrier(3).unwrap();
    thread::scope(|scope| {
        let rounds: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| -> Vec<_> {
                    (0..50).map(|_| barrier.wait(Some(LONG)).unwrap()).collect()
                })
            })
            .collect();
        let rounds: Vec<Vec<u32>> = rounds
            .into_iter()
            .map(|round| round.join().unwrap())
            .collect();
        for round in 0..50 {
            let mut places: Vec<u32> = rounds.iter().map(|places| places[round]).collect();
            places.sort_unstable();
            assert_eq!(places, [0, 1, 2]);
        }
    });
}

#[test]
fn a_barrier_breaks_and_is_reset() {
    let shared = Shared::new().unwrap();
    let barrier = shared.barrier(2).unwrap();
    assert_eq!(
        barrier.wait(Some(Duration::from_millis(5))),
        Err(Broken::Aborted)
    );
    assert!(barrier.is_broken());
    assert_eq!(barrier.wait(None), Err(Broken::Aborted));
    for (end, expected) in [
        (Barrier::abort as fn(&Barrier), Broken::Aborted),
        (Barrier::reset, Broken::Reset),
    ] {
        barrier.reset();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| barrier.wait(Some(LONG)));
            while barrier.waiting() == 0 {
                thread::yield_now();
            }
            end(&barrier);
            assert_eq!(waiting.join().unwrap(), Err(expected));
        });
    }
    assert!(!barrier.is_broken());
}

#[test]
fn a_death_at_a_barrier_breaks_it() {
    let shared = Shared::new().unwrap();
    let barrier = shared.barrier(3).unwrap();
    let place = shared.0.place_of(&barrier.handle());
    let dead = shared.seat().unwrap();
    shared
        .0
        .slot(place)
        .half(barrier::WAITS + dead.number() as usize)
        .store(barrier::WAITING, Ordering::SeqCst);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| barrier.wait(Some(LONG)));
        while barrier.waiting() == 0 {
            thread::yield_now();
        }
        drop(dead);
        assert_eq!(waiting.join().unwrap(), Err(Broken::Aborted));
    });
}

#[test]
fn a_queue_is_first_in_first_out_and_bounded() {
    let shared = Shared::new().unwrap();
    let queue = shared.queue(3).unwrap();
    let now = Duration::ZERO;
    assert_eq!(queue.get_within(now), Err(Unavailable::Empty));
    for item in [1, 2, 3] {
        queue.put_within(item, now).unwrap();
    }
    assert!(queue.is_full());
    assert_eq!(queue.put_within(4, now), Err(Unavailable::Full));
    assert_eq!(
        queue.put_within(4, Duration::from_millis(5)),
        Err(Unavailable::Full)
    );
    assert_eq!(queue.get(), Ok(Datum::Integer(1)));
    queue.put("four").unwrap();
    for item in [
        Datum::Integer(2),
        Datum::Integer(3),
        Datum::Text("four".into()),
    ] {
        assert_eq!(queue.get(), Ok(item));
    }
    assert_eq!(queue.size(), 0);
    assert!(!queue.join_within(Duration::from_millis(5)));
    (0..4).for_each(|_| queue.task_done());
    assert!(queue.join_within(LONG));
    queue.put(5).unwrap();
    queue.close();
    assert_eq!(queue.put(6), Err(Unavailable::Closed));
    assert_eq!(queue.get(), Ok(Datum::Integer(5)));
    assert_eq!(queue.get(), Err(Unavailable::Closed));
}

#[test]
fn items_of_all_lengths_pass_a_queue_and_wrap_around_its_ring() {
    let shared = Shared::new().unwrap();
    let queue = shared.queue_with_bytes(100, 256).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for length in (0..240).chain((0..240).rev()) {
                queue.put(vec![length as u8; length]).unwrap();
            }
        });
        for length in (0..240).chain((0..240).rev()) {
            assert_eq!(queue.get(), Ok(Datum::Bytes(vec![length as u8; length])));
        }
    });
}

#[test]
#[should_panic(expected = "an item of 300 bytes is too long")]
fn an_item_that_never_fits_is_refused() {
    let shared = Shared::new().unwrap();
    let queue = shared.queue_with_bytes(1, 256).unwrap();
    let _ = queue.put(vec![0; 299]);
}

#[test]
fn nothing_that_a_queues_memory_can_hold_breaks_its_reader() {
    let shared = Shared::new().unwrap();
    let queue = shared.queue_with_bytes(u32::MAX, 64).unwrap();
    let place = shared.0.place_of(&queue.handle());
    let slot = shared.0.slot(place);
    let mut word = 1u64;
    for _ in 0..20_000 {
        for n in 0..24 {
            word = word
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            slot.word(n).store(word, Ordering::SeqCst);
        }
        let _ = shared.0.own().get(place, Some(Instant::now()));
        let _ = shared.0.own().put(place, b"item", Some(Instant::now()));
    }
}

#[test]
fn a_slice_is_written_whole_or_not_at_all() {
    let shared = Shared::new().unwrap();
    let array = shared.array(&[0; 8]).unwrap();
    let place = shared.0.place_of(&array.handle());
    let write = |ready: bool| {
        let dead = shared.seat().unwrap();
        let slot = shared.0.slot(place);
        let _ = slot.owner().acquire(dead.number(), None).unwrap();
        // All of the second copy is there, and the first number is in place.
        for n in 0..8 {
            slot.word(1 + 8 + n).store(7, Ordering::SeqCst);
        }
        if ready {
            slot.word(0).store(8, Ordering::SeqCst);
            slot.word(1).store(7, Ordering::SeqCst);
        }
    };
    write(false);
    assert_eq!(array.to_vec(), [0; 8]);
    write(true);
    assert_eq!(array.to_vec(), [7; 8]);
    array.write(6, &[1, 2]);
    assert_eq!(array.to_vec(), [7, 7, 7, 7, 7, 7, 1, 2]);
    assert_eq!(array.fetch_add(7, 3), 2);
    assert_eq!(array.get(7), 5);
}

#[test]
fn an_object_that_is_dropped_is_gone_and_its_room_is_used_again() {
    let shared = Shared::with_bytes(1 << 20).unwrap();
    let seat = shared.seat().unwrap();
    let stale = {
        let lock = shared.lock().unwrap();
        shared.0.place_of(&lock.handle())
    };
    assert_eq!(seat.party.acquire(stale, None), Err(Failure::Gone));
    // Many times what the memory holds.
    for number in 0..100_000 {
        assert_eq!(shared.value(number).unwrap().get(), number);
    }
    assert_eq!(shared.objects(), 0);
    assert!(shared.array(&[0; 1 << 18]).is_err());
}

#[test]
fn whoever_waits_for_an_object_that_is_dropped_finds_it_gone() {
    let shared = Shared::new().unwrap();
    let wait = |moment: u32, object: Object, wait: fn(&Party, Place) -> Option<Failure>| {
        let place = make(
            &shared,
            object,
            if object == Object::Queue { 64 } else { 2 },
        );
        let (holder, waiter) = (shared.seat().unwrap(), shared.seat().unwrap());
        if matches!(object, Object::Lock | Object::Rlock) {
            assert!(holder.party.acquire(place, None).is_ok());
        }
        thread::scope(|scope| {
            let waiting = scope.spawn(|| wait(&waiter.party, place));
            // At different moments: before it waits, while it looks, when it sleeps.
            (0..moment).for_each(|_| thread::yield_now());
            shared.0.unmake(place);
            // The next object of this size gets its slot.
            let next = make(&shared, Object::Value, 1);
            assert_eq!(waiting.join().unwrap(), Some(Failure::Gone), "{object}");
            shared.0.unmake(next);
        });
    };
    for moment in (0..40).map(|n| n * n) {
        let wait = |object, how| wait(moment, object, how);
        wait(Object::Lock, |party, place| {
            party.acquire(place, None).err()
        });
        wait(Object::Rlock, |party, place| {
            party.acquire_again(place, None).err()
        });
        wait(Object::Semaphore, |party, place| {
            party.take_permit(place, None).err()
        });
        wait(Object::Event, |party, place| {
            party.wait_event(place, None).err()
        });
        wait(Object::Barrier, |party, place| {
            party.wait_barrier(place, None).err()
        });
        wait(Object::Queue, |party, place| party.get(place, None).err());
        wait(Object::Condition, |party, place| {
            let _ = party.acquire(place, None);
            party.wait_condition(place, None, None).err()
        });
    }
}

#[test]
fn a_bounded_semaphore_never_has_more_than_its_permits() {
    let shared = Shared::new().unwrap();
    let semaphore = shared.bounded_semaphore(1).unwrap();
    let place = shared.0.place_of(&semaphore.handle());
    let dead = shared.seat().unwrap();
    dead.party.take_permit(place, None).unwrap();
    // Given back by another, and then by its death.
    semaphore.release();
    drop(dead);
    assert_eq!(semaphore.permits(), 1);
    let none = shared.bounded_semaphore(0).unwrap();
    assert!(!none.acquire_within(Duration::ZERO));
}

#[test]
fn parties_are_numbered_again_when_they_are_gone() {
    let shared = Shared::new().unwrap();
    for _ in 0..5_000 {
        shared.seat().unwrap();
    }
    let all: Vec<_> = std::iter::from_fn(|| shared.seat().ok()).collect();
    assert_eq!(all.len(), slot::PARTIES as usize - 2);
}

impl Room {
    /// Where the object of this handle lies.
    fn place_of(&self, handle: &crate::Value) -> Place {
        let crate::Value::Shared(handle) = handle else {
            panic!("not a handle");
        };
        let numbers = handle.to_bytes();
        let number = |n: usize| u32::from_le_bytes(numbers[4 * n..][..4].try_into().unwrap());
        // No manager's.
        assert_eq!((number(0), number(1)), (0, self.id()));
        Place {
            at: number(2),
            generation: number(3),
            parts: number(4),
        }
    }
}
