//! Numbers: one, or as many as an array has. Each is 64 bits, and reading one, or changing one by itself, is a single atomic step.
//!
//! A slice is written in two steps: first into a second copy behind the numbers, with a word that says where it belongs, and from
//! there into place. Whoever dies in the first has changed nothing; for one who dies in the second it is done again.

use super::Failure;
use super::guard::Guard;
use super::sleep::Until;
use super::slot::{Party, Place, Slot};
use std::sync::atomic::{AtomicU64, Ordering};

/// Which slice is being written: where it starts in the upper half, how many numbers in the lower; 0 is none.
const WRITING: usize = 0;
/// The numbers; as many again behind them are the second copy.
const NUMBERS: usize = 1;

/// The most numbers an array can have: as many as keep it within a quarter of the largest memory.
pub(super) const MOST: u32 = 1 << 26;

/// How long a single number is, without its head. Nobody writes a slice of it.
pub(super) const VALUE_BYTES: usize = 16;

/// How long so many numbers are, without their head.
pub(super) fn bytes(count: u32) -> usize {
    8 * (NUMBERS + 2 * count as usize)
}

/// Fills fresh memory.
pub(super) fn make(slot: Slot<'_>, numbers: &[u64]) {
    for (n, number) in numbers.iter().enumerate() {
        slot.word(NUMBERS + n).store(*number, Ordering::Relaxed);
    }
}

/// Adds to a floating-point number and returns it from before.
pub(crate) fn add_float(number: &AtomicU64, by: f64) -> f64 {
    let add = |bits| Some((f64::from_bits(bits) + by).to_bits());
    let (Ok(bits) | Err(bits)) = number.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
    f64::from_bits(bits)
}

impl Party {
    /// The number at this index; index 0 of a value is itself.
    #[inline]
    pub(crate) fn number(&self, place: Place, index: u32) -> Result<&AtomicU64, Failure> {
        let slot = self.slot(place)?;
        match index < place.parts {
            true => Ok(slot.word(NUMBERS + index as usize)),
            false => Err(Failure::Outside {
                index: index.into(),
                len: place.parts,
            }),
        }
    }

    /// Changes one number of an array, while nobody writes a slice. Returns it from before.
    pub(crate) fn change_number(
        &self,
        array: Place,
        index: u32,
        until: Until,
        change: impl FnOnce(&AtomicU64) -> u64,
    ) -> Result<u64, Failure> {
        let number = self.number(array, index)?;
        let _guard = Guard::of(self.slot(array)?, self.number, until)?;
        Ok(change(number))
    }

    /// Copies a slice out.
    pub(crate) fn read_slice(
        &self,
        array: Place,
        start: u32,
        count: u32,
        until: Until,
    ) -> Result<Vec<u64>, Failure> {
        let slot = self.slice(array, start, count)?;
        let _guard = Guard::of(slot, self.number, until)?;
        let start = NUMBERS + start as usize;
        let numbers = start..start + count as usize;
        Ok(numbers
            .map(|n| slot.word(n).load(Ordering::Relaxed))
            .collect())
    }

    /// Writes a slice, all of it or nothing.
    pub(crate) fn write_slice(
        &self,
        array: Place,
        start: u32,
        numbers: &[u64],
        until: Until,
    ) -> Result<(), Failure> {
        let count = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        let slot = self.slice(array, start, count)?;
        let _guard = Guard::of(slot, self.number, until)?;
        let second = NUMBERS + array.parts as usize;
        for (n, number) in numbers.iter().enumerate() {
            slot.word(second + n).store(*number, Ordering::Relaxed);
        }
        let writing = u64::from(start) << 32 | u64::from(count);
        slot.word(WRITING).store(writing, Ordering::SeqCst);
        finish(slot, array.parts);
        Ok(())
    }

    fn slice(&self, array: Place, start: u32, count: u32) -> Result<Slot<'_>, Failure> {
        match start.checked_add(count) {
            Some(end) if end <= array.parts => self.slot(array),
            _ => Err(Failure::Outside {
                index: u64::from(start) + u64::from(count),
                len: array.parts,
            }),
        }
    }
}

/// Brings the second copy of a slice into place.
fn finish(slot: Slot<'_>, parts: u32) {
    let writing = slot.word(WRITING).load(Ordering::SeqCst);
    let (start, count) = ((writing >> 32) as usize, writing as u32 as usize);
    // Whoever died may have written anything here.
    if start + count <= parts as usize {
        let second = NUMBERS + parts as usize;
        for n in 0..count {
            let number = slot.word(second + n).load(Ordering::Relaxed);
            slot.word(NUMBERS + start + n)
                .store(number, Ordering::Relaxed);
        }
    }
    slot.word(WRITING).store(0, Ordering::SeqCst);
}

/// What is left to do for a party that died at work on the array.
pub(super) fn mend(slot: Slot<'_>, parts: u32) {
    finish(slot, parts);
}
