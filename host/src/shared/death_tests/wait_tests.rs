//! Deaths at events, conditions and barriers, and what becomes of those who wait there.

use super::super::{Acquired, Broken, Failure, Party, Place, condition};
use super::{LONG, Stage, asleep, each_death, within};
use crate::types::Object;
use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::thread;

#[test]
fn an_event_is_set_or_is_not_and_wakes_who_waits() {
    each_death(&[false, true], |stage| {
        let event = stage.make(Object::Event, 0);
        let other = stage.other().party.clone();
        thread::scope(|scope| {
            let waiting = asleep(scope, || other.wait_event(event, within(LONG)));
            stage.strike_awake(|party| party.set_event(event).unwrap());
            let found = other.is_set(event).unwrap();
            if !found {
                other.set_event(event).unwrap();
            }
            assert_eq!(waiting.join().unwrap(), Ok(true));
            found
        })
    });
    each_death(&[true, false], |stage| {
        let event = stage.make(Object::Event, 0);
        let other = stage.other().party.clone();
        other.set_event(event).unwrap();
        stage.strike_awake(|party| party.clear_event(event).unwrap());
        other.is_set(event).unwrap()
    });
    each_death(&[()], |stage| {
        let event = stage.make(Object::Event, 0);
        let other = stage.other().party.clone();
        let set = || other.set_event(event).unwrap();
        stage.strike(|party| _ = party.wait_event(event, None), set);
        set();
        assert_eq!(other.wait_event(event, None), Ok(true));
    });
}

/// Waits for a notification of a condition.
fn is_notified(party: &Party, condition: Place) -> Result<bool, Failure> {
    let _ = party.acquire(condition, None).unwrap();
    let notified = party.wait_condition(condition, within(LONG), within(LONG));
    party.release_condition(condition).unwrap();
    notified
}

#[test]
fn a_notification_wakes_one_who_lives() {
    // It dies while it notifies and releases the lock.
    each_death(&[false, true], |stage| {
        let place = stage.make(Object::Condition, 0);
        let (other, third) = (stage.other().party.clone(), stage.other().party.clone());
        let wait = || is_notified(&other, place);
        thread::scope(|scope| {
            let waiting = asleep(scope, wait);
            let _ = stage.before(|party| party.acquire(place, None)).unwrap();
            stage.strike_awake(|party| {
                party.notify(place, 1).unwrap();
                party.release_condition(place).unwrap();
            });
            let found = waits(stage, place, &other) == condition::NOTIFIED || waiting.is_finished();
            notify_all(&third, place);
            assert_eq!(waiting.join().unwrap(), Ok(true));
            found
        })
    });
    // It dies while it waits, or comes back from that: one who waits behind it is notified in its place, or later.
    each_death(&[()], |stage| {
        let place = stage.make(Object::Condition, 0);
        let (other, third) = (stage.other().party.clone(), stage.other().party.clone());
        let _ = stage.before(|party| party.acquire(place, None)).unwrap();
        let wait = || is_notified(&other, place);
        thread::scope(|scope| {
            let waiting = Cell::new(None);
            let meanwhile = || {
                waiting.set(Some(asleep(scope, wait)));
                let _ = third.acquire(place, within(LONG)).unwrap();
                third.notify(place, 1).unwrap();
                third.release_condition(place).unwrap();
            };
            let work = |party: &Party| {
                let _ = party.wait_condition(place, None, None);
                let _ = party.release_condition(place);
            };
            stage.strike(work, meanwhile);
            let waiting = waiting.take().unwrap_or_else(|| asleep(scope, wait));
            notify_all(&third, place);
            assert_eq!(waiting.join().unwrap(), Ok(true));
            let _ = had_condition(&third, place);
        });
    });
    each_death(&[Acquired::Abandoned], |stage| {
        let place = stage.make(Object::Condition, 0);
        let _ = stage.before(|party| party.acquire(place, None)).unwrap();
        stage.strike_awake(|party| party.abandon_condition(place));
        had_condition(&stage.other().party, place)
    });
}

/// What stands where a party waits for a condition.
fn waits(stage: &Stage, condition: Place, party: &Party) -> u64 {
    let slot = stage.shared.0.slot(condition);
    let word = slot.word(condition::WAITS + party.number as usize);
    word.load(Ordering::SeqCst)
}

fn notify_all(party: &Party, condition: Place) {
    let _ = party.acquire(condition, within(LONG)).unwrap();
    party.notify(condition, u32::MAX).unwrap();
    party.release_condition(condition).unwrap();
}

#[track_caller]
fn had_condition(party: &Party, condition: Place) -> Acquired {
    let found = party.acquire(condition, within(LONG)).unwrap();
    party.release_condition(condition).unwrap();
    found
}

/// What became of one who waited at a barrier.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Waited {
    /// It waits on, for somebody to come in the place of the dead.
    On,
    Through,
    Sent(Broken),
}

/// Somebody waits at a barrier for two while the victim does something to it.
fn at_barrier(stage: &Stage, work: fn(&Party, Place)) -> Waited {
    let place = stage.make(Object::Barrier, 2);
    let (other, third) = (stage.other().party.clone(), stage.other().party.clone());
    let wait = |party: &Party| party.wait_barrier(place, within(LONG)).unwrap();
    thread::scope(|scope| {
        let waiting = asleep(scope, || wait(&other));
        stage.strike_awake(|party| work(party, place));
        let found = match third.waiting(place).unwrap() {
            0 => None,
            _ => {
                assert!(wait(&third).is_ok());
                Some(Waited::On)
            }
        };
        let waited = waiting.join().unwrap();
        // Whatever it is now, it can be made as it was at first.
        third.reset_barrier(place, within(LONG)).unwrap();
        let again = asleep(scope, || wait(&other));
        assert_eq!(wait(&third), Ok(0));
        assert_eq!(again.join().unwrap(), Ok(1));
        found.unwrap_or(match waited {
            Ok(_) => Waited::Through,
            Err(broken) => Waited::Sent(broken),
        })
    })
}

#[test]
fn who_waits_at_a_barrier_comes_through_or_is_sent_away() {
    let broken = Waited::Sent(Broken::Aborted);
    each_death(&[Waited::On, broken, Waited::Through], |stage| {
        at_barrier(stage, |party, place| _ = party.wait_barrier(place, None))
    });
    each_death(&[Waited::On, broken], |stage| {
        at_barrier(stage, |party, place| {
            party.abort_barrier(place, within(LONG)).unwrap()
        })
    });
    each_death(
        &[Waited::On, broken, Waited::Sent(Broken::Reset)],
        |stage| {
            at_barrier(stage, |party, place| {
                party.reset_barrier(place, within(LONG)).unwrap()
            })
        },
    );
    // The first to come dies while it waits, or goes through with the second.
    each_death(&[Ok(0), Err(Broken::Aborted), Ok(0)], |stage| {
        let place = stage.make(Object::Barrier, 2);
        let (other, third) = (stage.other().party.clone(), stage.other().party.clone());
        let come = Cell::new(None);
        let meanwhile = || come.set(Some(other.wait_barrier(place, within(LONG)).unwrap()));
        stage.strike(|party| _ = party.wait_barrier(place, None), meanwhile);
        come.take().unwrap_or_else(|| {
            thread::scope(|scope| {
                let waiting = asleep(scope, || other.wait_barrier(place, within(LONG)).unwrap());
                let come = third.wait_barrier(place, within(LONG)).unwrap();
                let _ = waiting.join().unwrap();
                come
            })
        })
    });
}
