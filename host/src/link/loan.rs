//! Bytes that are lent while their owner waits: long arguments, which travel from where they lie.
//!
//! The owner says how long it waits by waiting, in [`lend`]. A loan that is left after that, because the owner panicked, has
//! nothing any more: whoever reads it gets zeros, for a job that nobody waits for.

#![expect(unsafe_code, reason = "a loan lives longer than the types can tell")]

use std::ops::Range;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

/// What is lent, until it is taken back.
type Place = Arc<Mutex<Option<Bytes>>>;

struct Bytes(NonNull<[u8]>);

// SAFETY: they are only read, through a lock, and bytes may be read by any thread.
unsafe impl Send for Bytes {}

/// Somebody else's bytes.
pub(crate) struct Loan {
    place: Place,
    length: usize,
}

/// Lends bytes until `with` is done.
pub(crate) fn lend<T>(bytes: &[u8], with: impl FnOnce(Loan) -> T) -> T {
    let place = Arc::new(Mutex::new(Some(Bytes(NonNull::from(bytes)))));
    // It takes them back before `bytes` can end, also when `with` panics.
    let _lender = Lender(place.clone());
    with(Loan {
        place,
        length: bytes.len(),
    })
}

struct Lender(Place);

impl Drop for Lender {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Loan {
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Does something with a part of the bytes. They stay where they are until that is done.
    pub(super) fn read<T>(&self, part: Range<usize>, with: impl FnOnce(&[u8]) -> T) -> T {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        match &*place {
            // SAFETY: whoever lent them has not yet taken them back, for which it would need the lock.
            Some(Bytes(bytes)) => with(&unsafe { bytes.as_ref() }[part]),
            None => with(&vec![0; part.len()]),
        }
    }
}

impl std::fmt::Debug for Loan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a loan of {} bytes", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn a_loan_that_outlives_its_owner_is_zeros() {
        let mut kept = None;
        let part = lend(&[1, 2, 3, 4], |loan| {
            let part = loan.read(1..3, <[u8]>::to_vec);
            kept = Some(loan);
            part
        });
        assert_eq!(part, [2, 3]);
        let kept = kept.unwrap();
        assert_eq!(
            (kept.len(), kept.read(1..4, <[u8]>::to_vec)),
            (4, vec![0; 3])
        );
    }

    #[test]
    fn a_panic_ends_a_loan() {
        let mut kept = None;
        let owner = AssertUnwindSafe(|| {
            lend(&[7; 10], |loan| {
                kept = Some(loan);
                panic!("the owner does not wait any longer");
            })
        });
        assert!(catch_unwind(owner).is_err());
        assert_eq!(kept.unwrap().read(0..10, <[u8]>::to_vec), [0; 10]);
    }
}
