//! Numbers and arrays of them, in the hands of the embedding program.

use super::super::{Shared, SharedError, numbers};
use super::{Held, sound};
use crate::types::Object;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A signed number that jobs share: `pool:shared/memory.value`.
#[derive(Clone, Debug)]
pub struct Value(pub(super) Arc<Held>);

/// An unsigned number that jobs share: `pool:shared/memory.value-u64`.
#[derive(Clone, Debug)]
pub struct ValueU64(pub(super) Arc<Held>);

/// A floating-point number that jobs share: `pool:shared/memory.value-f64`.
#[derive(Clone, Debug)]
pub struct ValueF64(pub(super) Arc<Held>);

/// Signed numbers that jobs share: `pool:shared/memory.array`.
#[derive(Clone, Debug)]
pub struct Array(pub(super) Arc<Held>);

/// Floating-point numbers that jobs share: `pool:shared/memory.array-f64`.
#[derive(Clone, Debug)]
pub struct ArrayF64(pub(super) Arc<Held>);

impl Shared {
    /// A number that begins as this one.
    ///
    /// # Errors
    /// The memory is full.
    pub fn value(&self, number: i64) -> Result<Value, SharedError> {
        numbers_of(self, Object::Value, &[number as u64]).map(Value)
    }

    /// A number that begins as this one.
    ///
    /// # Errors
    /// The memory is full.
    pub fn value_u64(&self, number: u64) -> Result<ValueU64, SharedError> {
        numbers_of(self, Object::ValueU64, &[number]).map(ValueU64)
    }

    /// A number that begins as this one.
    ///
    /// # Errors
    /// The memory is full.
    pub fn value_f64(&self, number: f64) -> Result<ValueF64, SharedError> {
        numbers_of(self, Object::ValueF64, &[number.to_bits()]).map(ValueF64)
    }

    /// An array that begins with these numbers. It keeps their number for ever.
    ///
    /// # Errors
    /// The memory is full.
    pub fn array(&self, numbers: &[i64]) -> Result<Array, SharedError> {
        let numbers: Vec<u64> = numbers.iter().map(|n| *n as u64).collect();
        numbers_of(self, Object::Array, &numbers).map(Array)
    }

    /// An array that begins with these numbers. It keeps their number for ever.
    ///
    /// # Errors
    /// The memory is full.
    pub fn array_f64(&self, numbers: &[f64]) -> Result<ArrayF64, SharedError> {
        let numbers: Vec<u64> = numbers.iter().map(|n| n.to_bits()).collect();
        numbers_of(self, Object::ArrayF64, &numbers).map(ArrayF64)
    }
}

fn numbers_of(shared: &Shared, object: Object, numbers: &[u64]) -> Result<Arc<Held>, SharedError> {
    let count = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
    if count > numbers::MOST {
        return Err(SharedError::TooLong {
            count: numbers.len(),
        });
    }
    Held::new(shared, object, count, |slot| numbers::make(slot, numbers))
}

impl Held {
    fn number(&self, index: usize) -> &AtomicU64 {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        sound(self.own().number(self.place, index))
    }
}

impl Value {
    /// The number as it is now.
    pub fn get(&self) -> i64 {
        self.0.number(0).load(Ordering::SeqCst) as i64
    }

    /// Sets it.
    pub fn set(&self, to: i64) {
        self.0.number(0).store(to as u64, Ordering::SeqCst);
    }

    /// Adds, wrapping around at the ends, and returns the number from before.
    pub fn fetch_add(&self, by: i64) -> i64 {
        self.0.number(0).fetch_add(by as u64, Ordering::SeqCst) as i64
    }

    /// Sets it to `to` if it is `expected`.
    ///
    /// # Errors
    /// What it was instead.
    pub fn compare_exchange(&self, expected: i64, to: i64) -> Result<i64, i64> {
        let exchanged = self.0.number(0).compare_exchange(
            expected as u64,
            to as u64,
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
        exchanged.map(|was| was as i64).map_err(|was| was as i64)
    }
}

impl ValueU64 {
    /// The number as it is now.
    pub fn get(&self) -> u64 {
        self.0.number(0).load(Ordering::SeqCst)
    }

    /// Sets it.
    pub fn set(&self, to: u64) {
        self.0.number(0).store(to, Ordering::SeqCst);
    }

    /// Adds, wrapping around at the end, and returns the number from before.
    pub fn fetch_add(&self, by: u64) -> u64 {
        self.0.number(0).fetch_add(by, Ordering::SeqCst)
    }

    /// Sets it to `to` if it is `expected`.
    ///
    /// # Errors
    /// What it was instead.
    pub fn compare_exchange(&self, expected: u64, to: u64) -> Result<u64, u64> {
        self.0
            .number(0)
            .compare_exchange(expected, to, Ordering::SeqCst, Ordering::SeqCst)
    }
}

impl ValueF64 {
    /// The number as it is now.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.number(0).load(Ordering::SeqCst))
    }

    /// Sets it.
    pub fn set(&self, to: f64) {
        self.0.number(0).store(to.to_bits(), Ordering::SeqCst);
    }

    /// Adds and returns the number from before.
    pub fn fetch_add(&self, by: f64) -> f64 {
        numbers::add_float(self.0.number(0), by)
    }
}

impl Array {
    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.0.place.parts as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One number.
    ///
    /// # Panics
    /// `index` is not less than [`Array::len`], here and below.
    pub fn get(&self, index: usize) -> i64 {
        self.0.number(index).load(Ordering::SeqCst) as i64
    }

    /// Sets one number.
    pub fn set(&self, index: usize, to: i64) {
        self.0
            .change(index, |number| number.swap(to as u64, Ordering::SeqCst));
    }

    /// Adds to one number, wrapping around at the ends, and returns it from before.
    pub fn fetch_add(&self, index: usize, by: i64) -> i64 {
        self.0.change(index, |number| {
            number.fetch_add(by as u64, Ordering::SeqCst)
        }) as i64
    }

    /// All numbers, with no [`Array::write`] half done.
    pub fn to_vec(&self) -> Vec<i64> {
        let numbers = self.0.all_numbers();
        numbers.into_iter().map(|n| n as i64).collect()
    }

    /// Sets the numbers from `start` on, all of them or none.
    pub fn write(&self, start: usize, numbers: &[i64]) {
        let numbers: Vec<u64> = numbers.iter().map(|n| *n as u64).collect();
        self.0.write_numbers(start, &numbers);
    }
}

impl ArrayF64 {
    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.0.place.parts as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One number.
    ///
    /// # Panics
    /// `index` is not less than [`ArrayF64::len`], here and below.
    pub fn get(&self, index: usize) -> f64 {
        f64::from_bits(self.0.number(index).load(Ordering::SeqCst))
    }

    /// Sets one number.
    pub fn set(&self, index: usize, to: f64) {
        self.0
            .change(index, |number| number.swap(to.to_bits(), Ordering::SeqCst));
    }

    /// Adds to one number and returns it from before.
    pub fn fetch_add(&self, index: usize, by: f64) -> f64 {
        let add = |number: &AtomicU64| numbers::add_float(number, by).to_bits();
        f64::from_bits(self.0.change(index, add))
    }

    /// All numbers, with no [`ArrayF64::write`] half done.
    pub fn to_vec(&self) -> Vec<f64> {
        let numbers = self.0.all_numbers();
        numbers.into_iter().map(f64::from_bits).collect()
    }

    /// Sets the numbers from `start` on, all of them or none.
    pub fn write(&self, start: usize, numbers: &[f64]) {
        let numbers: Vec<u64> = numbers.iter().map(|n| n.to_bits()).collect();
        self.0.write_numbers(start, &numbers);
    }
}

impl Held {
    fn change(&self, index: usize, change: impl FnOnce(&AtomicU64) -> u64) -> u64 {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        sound(self.own().change_number(self.place, index, None, change))
    }

    fn all_numbers(&self) -> Vec<u64> {
        sound(self.own().read_slice(self.place, 0, self.place.parts, None))
    }

    fn write_numbers(&self, start: usize, numbers: &[u64]) {
        let start = u32::try_from(start).unwrap_or(u32::MAX);
        sound(self.own().write_slice(self.place, start, numbers, None));
    }
}
