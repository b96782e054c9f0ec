//! Deaths at work on a queue: an item is there or is not, and whole.

use super::super::{Party, Place, Unavailable, queue, slot};
use super::{LONG, Stage, asleep, each_death, within};
use crate::types::Object;
use std::cell::Cell;
use std::thread;
use std::time::Duration;

fn queue(stage: &Stage, most: u32, items: &[&[u8]]) -> Place {
    let fill = |slot: slot::Slot<'_>| queue::make(slot, most);
    let place = stage.shared.0.make(Object::Queue, 64, fill).unwrap();
    let own = stage.shared.0.own();
    // The ring is used, so that what comes goes around its end.
    own.put(place, &[0; 40], None).unwrap().unwrap();
    own.get(place, None).unwrap().unwrap();
    own.task_done(place, within(LONG)).unwrap();
    for item in items {
        own.put(place, item, None).unwrap().unwrap();
    }
    place
}

/// Takes all that a queue has.
fn drain(party: &Party, queue: Place) -> Vec<Vec<u8>> {
    let next = || party.get(queue, within(Duration::ZERO)).unwrap().ok();
    std::iter::from_fn(next).collect()
}

const LONG_ITEM: &[u8] = b"an item that goes around";

#[test]
fn an_item_is_in_the_queue_or_is_not_and_whole() {
    let before = || vec![b"first".to_vec()];
    let after = || vec![b"first".to_vec(), LONG_ITEM.to_vec()];
    let put = |party: &Party, place| party.put(place, LONG_ITEM, None).unwrap().unwrap();
    each_death(&[before(), after()], |stage| {
        let place = queue(stage, 9, &[b"first"]);
        stage.strike_awake(|party| put(party, place));
        drain(&stage.other().party, place)
    });
    let get = |party: &Party, place| assert!(party.get(place, None).unwrap().is_ok());
    each_death(&[after(), vec![LONG_ITEM.to_vec()]], |stage| {
        let place = queue(stage, 9, &[b"first", LONG_ITEM]);
        stage.strike_awake(|party| get(party, place));
        drain(&stage.other().party, place)
    });
    // It waits for room, and for an item.
    each_death(&[vec![], vec![LONG_ITEM.to_vec()]], |stage| {
        let place = queue(stage, 1, &[b"first"]);
        let other = stage.other().party.clone();
        let take = || get(&other, place);
        stage.strike(|party| put(party, place), take);
        drain(&other, place)
            .into_iter()
            .filter(|item| item != b"first")
            .collect()
    });
    each_death(&[vec![LONG_ITEM.to_vec()], vec![]], |stage| {
        let place = queue(stage, 1, &[]);
        let other = stage.other().party.clone();
        let is_put = Cell::new(false);
        let give = || {
            is_put.set(true);
            put(&other, place);
        };
        stage.strike(|party| get(party, place), give);
        if !is_put.get() {
            give();
        }
        drain(&other, place)
    });
}

#[test]
fn who_waits_for_an_item_or_for_room_has_it() {
    each_death(&[b"second".to_vec(), b"first".to_vec()], |stage| {
        let place = queue(stage, 9, &[]);
        let other = stage.other().party.clone();
        thread::scope(|scope| {
            let waiting = asleep(scope, || other.get(place, within(LONG)));
            stage.strike_awake(|party| party.put(place, b"first", None).unwrap().unwrap());
            stage
                .other()
                .party
                .put(place, b"second", None)
                .unwrap()
                .unwrap();
            waiting.join().unwrap().unwrap().unwrap()
        })
    });
    each_death(&[b"first".to_vec(), b"second".to_vec()], |stage| {
        let place = queue(stage, 1, &[b"first"]);
        let other = stage.other().party.clone();
        thread::scope(|scope| {
            let waiting = asleep(scope, || other.put(place, b"second", within(LONG)));
            stage.strike_awake(|party| _ = party.get(place, None));
            let third = stage.other();
            let next = third.party.get(place, within(LONG)).unwrap().unwrap();
            assert_eq!(waiting.join().unwrap(), Ok(Ok(())));
            next
        })
    });
    each_death(&[Ok(b"late".to_vec()), Err(Unavailable::Closed)], |stage| {
        let place = queue(stage, 9, &[]);
        let other = stage.other().party.clone();
        thread::scope(|scope| {
            let waiting = asleep(scope, || other.get(place, within(LONG)).unwrap());
            stage.strike_awake(|party| party.close_queue(place).unwrap());
            let put = stage.other().party.put(place, b"late", None).unwrap();
            let found = waiting.join().unwrap();
            assert_eq!(put.is_ok(), found.is_ok());
            found
        })
    });
}

#[test]
fn an_item_is_done_with_or_is_not_and_who_joins_learns_it() {
    each_death(&[false, true], |stage| {
        let place = queue(stage, 9, &[b"first"]);
        let other = stage.other().party.clone();
        thread::scope(|scope| {
            let waiting = asleep(scope, || other.join_queue(place, within(LONG)));
            stage.strike_awake(|party| party.task_done(place, within(LONG)).unwrap());
            let third = stage.other().party.clone();
            // Once more than there were items is too often.
            let found = third.task_done(place, within(LONG)).is_err();
            assert_eq!(waiting.join().unwrap(), Ok(true));
            found
        })
    });
    each_death(&[()], |stage| {
        let place = queue(stage, 9, &[b"first"]);
        let other = stage.other().party.clone();
        let done = || _ = other.task_done(place, within(LONG));
        stage.strike(|party| _ = party.join_queue(place, None), done);
        done();
        assert_eq!(other.join_queue(place, within(LONG)), Ok(true));
    });
}
