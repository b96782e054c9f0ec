//! Deaths at work on numbers and arrays.

use super::super::{Party, add_float};
use super::{LONG, each_death, within};
use crate::types::Object;
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn a_number_is_changed_or_is_not() {
    let number = |party: &Party, place| {
        let number = party.number(place, 0).unwrap();
        number.load(Ordering::SeqCst)
    };
    let steps: [fn(&AtomicU64); 4] = [
        |number| number.store(12, Ordering::SeqCst),
        |number| _ = number.fetch_add(12, Ordering::SeqCst),
        |number| _ = number.compare_exchange(0, 12, Ordering::SeqCst, Ordering::SeqCst),
        |number| _ = add_float(number, f64::from_bits(12)),
    ];
    for step in steps {
        each_death(&[0, 12], |stage| {
            let value = stage.make(Object::Value, 1);
            stage.strike_awake(|party| step(party.number(value, 0).unwrap()));
            number(&stage.other().party, value)
        });
    }
}

#[test]
fn a_number_of_an_array_is_changed_or_is_not() {
    let changes: [fn(&AtomicU64) -> u64; 3] = [
        |number| number.swap(12, Ordering::SeqCst),
        |number| number.fetch_add(12, Ordering::SeqCst),
        |number| add_float(number, f64::from_bits(12)).to_bits(),
    ];
    for change in changes {
        each_death(&[0, 12], |stage| {
            let array = stage.make(Object::Array, 3);
            stage.strike_awake(|party| _ = party.change_number(array, 1, None, change));
            let numbers = stage
                .other()
                .party
                .read_slice(array, 0, 3, within(LONG))
                .unwrap();
            assert_eq!([numbers[0], numbers[2]], [0, 0]);
            numbers[1]
        });
    }
}

#[test]
fn a_slice_is_written_or_is_not_and_others_read_and_write() {
    each_death(&[vec![7; 5], vec![7, 8, 9, 10, 7]], |stage| {
        let array = stage.make(Object::Array, 5);
        let other = stage.other().party.clone();
        other.write_slice(array, 0, &[7; 5], within(LONG)).unwrap();
        stage.strike_awake(|party| {
            party
                .write_slice(array, 1, &[8, 9, 10], within(LONG))
                .unwrap()
        });
        let numbers = other.read_slice(array, 0, 5, within(LONG)).unwrap();
        other.write_slice(array, 2, &[1, 2], within(LONG)).unwrap();
        assert_eq!(other.read_slice(array, 2, 2, within(LONG)), Ok(vec![1, 2]));
        numbers
    });
    each_death(&[()], |stage| {
        let array = stage.make(Object::Array, 5);
        stage.strike_awake(|party| _ = party.read_slice(array, 1, 3, within(LONG)));
        stage
            .other()
            .party
            .write_slice(array, 0, &[7; 5], within(LONG))
            .unwrap();
    });
}
