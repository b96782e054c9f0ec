//! Deaths on the way to a lock, with it and on the way back, and what the next holder is told.

use super::super::{Acquired, Failure, Party, Place};
use super::{LONG, Stage, asleep, each_death, within};
use crate::types::Object;
use std::cell::Cell;
use std::thread;

/// A lock that anybody can have, and how it was found.
#[track_caller]
fn had(party: &Party, lock: Place) -> Acquired {
    let found = party.acquire(lock, within(LONG)).unwrap();
    party.release(lock).unwrap();
    assert_eq!(party.acquire(lock, within(LONG)), Ok(Acquired::Clean));
    party.release(lock).unwrap();
    found
}

const FREE_THEN_ABANDONED: [Acquired; 2] = [Acquired::Clean, Acquired::Abandoned];
const ABANDONED_THEN_FREE: [Acquired; 2] = [Acquired::Abandoned, Acquired::Clean];

#[test]
fn a_lock_is_free_or_abandoned() {
    each_death(&FREE_THEN_ABANDONED, |stage| {
        let lock = stage.make(Object::Lock, 0);
        stage.strike_awake(|party| _ = party.acquire(lock, None));
        had(&stage.other().party, lock)
    });
    each_death(&FREE_THEN_ABANDONED, |stage| {
        let lock = stage.make(Object::Lock, 0);
        let other = stage.other();
        let _ = other.party.acquire(lock, None).unwrap();
        let is_released = Cell::new(false);
        let release = || {
            is_released.set(true);
            other.party.release(lock).unwrap();
        };
        stage.strike(|party| _ = party.acquire(lock, None), release);
        if !is_released.get() {
            release();
        }
        had(&other.party, lock)
    });
    type Release = fn(&Party, Place);
    let works: [(Object, Release, &[Acquired]); 3] = [
        (
            Object::Lock,
            |party, lock| party.release(lock).unwrap(),
            &ABANDONED_THEN_FREE,
        ),
        (
            Object::Lock,
            |party, lock| party.abandon(lock),
            &[Acquired::Abandoned],
        ),
        (
            Object::Condition,
            |party, lock| party.release_condition(lock).unwrap(),
            &ABANDONED_THEN_FREE,
        ),
    ];
    for (object, release, found) in works {
        each_death(found, |stage| released(stage, object, release));
    }
}

/// The victim gives a lock back, for which somebody waits, who has it.
fn released(stage: &Stage, object: Object, release: fn(&Party, Place)) -> Acquired {
    let lock = stage.make(object, 0);
    let other = stage.other();
    let _ = stage.before(|party| party.acquire(lock, None)).unwrap();
    thread::scope(|scope| {
        let waiting = asleep(scope, || other.party.acquire(lock, within(LONG)));
        stage.strike_awake(|party| release(party, lock));
        let found = waiting.join().unwrap().unwrap();
        other.party.release(lock).unwrap();
        assert_eq!(had(&other.party, lock), Acquired::Clean);
        found
    })
}

#[test]
fn an_rlock_is_free_or_abandoned_however_often_it_was_acquired() {
    for times in 0..3 {
        let found: &[Acquired] = match times {
            0 => &FREE_THEN_ABANDONED,
            _ => &[Acquired::Abandoned],
        };
        each_death(found, |stage| {
            let rlock = stage.make(Object::Rlock, 0);
            let acquire = |party: &Party| party.acquire_again(rlock, None);
            (0..times).for_each(|_| _ = stage.before(acquire));
            stage.strike_awake(|party| _ = acquire(party));
            had_again(&stage.other().party, rlock)
        });
    }
    for times in 1..3 {
        let found: &[Acquired] = match times {
            1 => &ABANDONED_THEN_FREE,
            _ => &[Acquired::Abandoned],
        };
        each_death(found, |stage| {
            let rlock = stage.make(Object::Rlock, 0);
            (0..times).for_each(|_| _ = stage.before(|party| party.acquire_again(rlock, None)));
            stage.strike_awake(|party| party.release_again(rlock).unwrap());
            had_again(&stage.other().party, rlock)
        });
    }
}

/// An rlock that anybody can have, who then has it once.
#[track_caller]
fn had_again(party: &Party, rlock: Place) -> Acquired {
    let found = party.acquire_again(rlock, within(LONG)).unwrap();
    party.release_again(rlock).unwrap();
    assert!(matches!(
        party.release_again(rlock),
        Err(Failure::Misuse(_))
    ));
    found
}
