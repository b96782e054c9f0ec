//! Deaths at work on a semaphore: no permit is lost or doubled.

use super::super::{Failure, Party, Place, semaphore, slot};
use super::{LONG, SHORT, Stage, asleep, each_death, within};
use crate::types::Object;
use std::cell::Cell;
use std::thread;

fn semaphore(stage: &Stage, permits: u32) -> Place {
    let fill = |slot: slot::Slot<'_>| semaphore::make(slot, permits, false);
    stage.shared.0.make(Object::Semaphore, 0, fill).unwrap()
}

/// Takes all permits that there are, and says how many.
fn permits(party: &Party, semaphore: Place) -> u32 {
    let free = party.permits(semaphore).unwrap();
    let take = |until| party.take_permit(semaphore, until);
    (0..free).for_each(|_| take(within(LONG)).unwrap());
    assert_eq!(take(within(SHORT)), Err(Failure::TooLate));
    free
}

#[test]
fn no_permit_is_lost_or_doubled() {
    type Work = fn(&Party, Place);
    let take: Work = |party, place| party.take_permit(place, None).unwrap();
    let give: Work = |party, place| party.give_permit(place, within(LONG)).unwrap();
    // How many the victim took before, what it does, and what can be had then.
    let works: [(u32, Work, &[u32]); 5] = [
        (0, take, &[3]),
        (1, give, &[3]),
        (0, give, &[3, 4]),
        (2, Party::spend_permits, &[3, 1]),
        (2, Party::return_permits, &[3]),
    ];
    for (taken, work, found) in works {
        each_death(found, |stage| {
            let place = semaphore(stage, 3);
            (0..taken).for_each(|_| stage.before(|party| take(party, place)));
            stage.strike_awake(|party| work(party, place));
            permits(&stage.other().party, place)
        });
    }
}

#[test]
fn who_waits_for_a_permit_has_it_when_there_is_one() {
    // It dies while it waits for a permit, or has it: what it took comes back.
    each_death(&[1], |stage| {
        let place = semaphore(stage, 0);
        let other = stage.other().party.clone();
        let is_given = Cell::new(false);
        let give = || {
            is_given.set(true);
            other.give_permit(place, within(LONG)).unwrap();
        };
        stage.strike(|party| party.take_permit(place, None).unwrap(), give);
        if !is_given.get() {
            give();
        }
        permits(&other, place)
    });
    // It dies while it gives one to somebody who waits.
    each_death(&[0, 1], |stage| {
        let place = semaphore(stage, 0);
        let other = stage.other().party.clone();
        thread::scope(|scope| {
            let waiting = asleep(scope, || other.take_permit(place, within(LONG)));
            stage.strike_awake(|party| party.give_permit(place, within(LONG)).unwrap());
            stage
                .other()
                .party
                .give_permit(place, within(LONG))
                .unwrap();
            assert_eq!(waiting.join().unwrap(), Ok(()));
        });
        permits(&other, place)
    });
}
