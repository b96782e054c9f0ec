//! A process stands still in the middle of its work on an object, as one does that was stopped: whoever else comes ends in his
//! time, and when the process is killed for its own time all goes on.

use super::super::{Party, Place, queue, semaphore, slot};
use super::{LONG, SHORT, Stage, each_death, within};
use crate::types::Object;
use std::cell::Cell;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// What one does to an object, and whether it was done within this time.
type Work = fn(&Party, Place, Duration) -> bool;

/// One stands still at each moment of each of these works, while another tries all of them.
#[track_caller]
fn each_stop(make: impl Fn(&Stage) -> Place, works: &[Work]) {
    let kept_out = Cell::new(0);
    for stopped in works {
        each_death(&[()], |stage| {
            let place = make(stage);
            let other = stage.other().party.clone();
            thread::scope(|scope| {
                let process = stage.stop(|party| _ = stopped(party, place, LONG), || {});
                let (tell, told) = mpsc::channel();
                for work in works {
                    let (tell, other) = (tell.clone(), &other);
                    scope.spawn(move || tell.send(work(other, place, SHORT)));
                    let Ok(is_done) = told.recv_timeout(LONG) else {
                        // Its end lets the thread go, which the scope waits for.
                        drop((process, stage.victim.take()));
                        panic!("beyond its time, moment {}", stage.moments);
                    };
                    kept_out.set(kept_out.get() + u32::from(!is_done));
                }
                drop((process, stage.victim.take()));
            });
            let again = stage.other().party.clone();
            for work in works {
                assert!(work(&again, place, LONG));
            }
        });
    }
    assert!(kept_out.get() > 0, "nobody was in the way");
}

#[test]
fn who_stands_still_at_an_array_keeps_nobody_longer_than_his_time() {
    let works: [Work; 3] = [
        |party, place, time| (party.change_number(place, 1, within(time), |_| 0)).is_ok(),
        |party, place, time| party.read_slice(place, 0, 3, within(time)).is_ok(),
        |party, place, time| party.write_slice(place, 0, &[1, 2], within(time)).is_ok(),
    ];
    each_stop(|stage| stage.make(Object::Array, 3), &works);
}

#[test]
fn who_stands_still_at_a_semaphore_keeps_nobody_longer_than_his_time() {
    let works: [Work; 2] = [
        |party, place, time| party.take_permit(place, within(time)).is_ok(),
        |party, place, time| party.give_permit(place, within(time)).is_ok(),
    ];
    let fill = |slot: slot::Slot<'_>| semaphore::make(slot, 9, false);
    let make = |stage: &Stage| stage.shared.0.make(Object::Semaphore, 0, fill).unwrap();
    each_stop(make, &works);
}

#[test]
fn who_stands_still_at_a_queue_keeps_nobody_longer_than_his_time() {
    let works: [Work; 3] = [
        |party, place, time| party.put(place, b"item", within(time)) == Ok(Ok(())),
        |party, place, time| matches!(party.get(place, within(time)), Ok(Ok(_))),
        |party, place, time| party.task_done(place, within(time)).is_ok(),
    ];
    let make = |stage: &Stage| {
        let fill = |slot: slot::Slot<'_>| queue::make(slot, 99);
        let place = stage.shared.0.make(Object::Queue, 1024, fill).unwrap();
        for _ in 0..9 {
            let own = stage.shared.0.own();
            own.put(place, b"item", None).unwrap().unwrap();
        }
        place
    };
    each_stop(make, &works);
}

#[test]
fn who_stands_still_at_a_barrier_keeps_nobody_longer_than_his_time() {
    let works: [Work; 3] = [
        |party, place, time| party.reset_barrier(place, within(time)).is_ok(),
        // For one alone, so that it needs nobody else.
        |party, place, time| matches!(party.wait_barrier(place, within(time)), Ok(Ok(_))),
        |party, place, time| party.abort_barrier(place, within(time)).is_ok(),
    ];
    each_stop(|stage| stage.make(Object::Barrier, 1), &works);
}
