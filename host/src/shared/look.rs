//! How long one looks at a number before one sleeps: as long as that has paid lately.
//!
//! A peer at work on another processor is done within a microsecond, and to sleep through that and be woken takes ten to fifty times
//! as long. But a peer that waits for this very processor gets it only when we sleep, and one that is long at work is not worth the wait. Nobody
//! knows which it is, so each process learns it by trying, number by number: looking that found the change goes on, looking in
//! vain halves until it ends, and now and then is tried again. So who waits long burns no more than a wake costs.

use super::sleep::Until;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// How often one looks at most: 40 to 60 µs, which is what it takes to wake a peer on a processor that had nothing to do. Less would
/// not see that peer come back, and so never learn that looking pays.
const MOST: u32 = 2_000;
/// Fewer looks are over before a peer can have done anything.
const LEAST: u32 = 16;
/// Where looking doesn't pay, it is tried again after so many waits: a quarter of a microsecond for each of them.
const TRY_EACH: u32 = 250;

/// For how many numbers one learns it apart. Two that fall together spoil each other's pace and nothing else.
const NUMBERS: usize = 64;
static PATIENCE: [AtomicU32; NUMBERS] = [const {
    AtomicU32::new(
        Patience {
            looks: MOST,
            waits: 0,
        }
        .to_bits(),
    )
}; NUMBERS];

/// Looks for a while whether `has_changed`, as long as it pays and there is time. False: go to sleep.
pub(super) fn look(
    number: &AtomicU32,
    until: Until,
    mut has_changed: impl FnMut() -> bool,
) -> bool {
    if until.is_some_and(|until| Instant::now() >= until) {
        return has_changed();
    }
    // Objects begin at multiples of 128 and of 4,096 bytes, and a number is 4 long.
    let place = std::ptr::from_ref(number).addr();
    let learned = &PATIENCE[(place >> 2 ^ place >> 7 ^ place >> 12) % NUMBERS];
    let patience = Patience::from_bits(learned.load(Ordering::Relaxed));
    if patience.looks() == 0 {
        learned.store(patience.after_none().to_bits(), Ordering::Relaxed);
        return has_changed();
    }
    let paid = (0..patience.looks()).any(|_| {
        std::hint::spin_loop();
        has_changed()
    });
    let next = patience.after(paid);
    if next != patience {
        learned.store(next.to_bits(), Ordering::Relaxed);
    }
    paid
}

/// From now on this process looks at nothing before it sleeps.
#[cfg(test)]
pub(super) fn sleep_at_once() {
    let impatient = Patience { looks: 0, waits: 0 };
    let forget = |learned: &AtomicU32| learned.store(impatient.to_bits(), Ordering::Relaxed);
    PATIENCE.iter().for_each(forget);
}

/// What one process has learned of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Patience {
    /// How often one looks.
    looks: u32,
    /// How many waits there were since looking did not pay.
    waits: u32,
}

impl Patience {
    fn looks(self) -> u32 {
        match self.waits {
            TRY_EACH.. => MOST,
            _ => self.looks,
        }
    }

    fn after_none(self) -> Patience {
        let waits = (self.waits + 1).min(TRY_EACH);
        Patience { waits, ..self }
    }

    fn after(self, paid: bool) -> Patience {
        let looks = match (paid, self.looks / 2) {
            (true, _) => MOST,
            (false, LEAST..) => self.looks / 2,
            (false, _) => 0,
        };
        Patience { looks, waits: 0 }
    }

    const fn to_bits(self) -> u32 {
        self.looks << 16 | self.waits
    }

    fn from_bits(bits: u32) -> Patience {
        Patience {
            looks: bits >> 16,
            waits: bits & 0xffff,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENT: Patience = Patience {
        looks: MOST,
        waits: 0,
    };

    #[test]
    fn looking_in_vain_ends_soon_and_is_tried_again_now_and_then() {
        let mut patience = PATIENT;
        let mut looks = 0;
        while patience.looks() > 0 {
            looks += patience.looks();
            patience = patience.after(false);
        }
        assert!(looks < 2 * MOST, "{looks}");
        for _ in 0..TRY_EACH {
            assert_eq!(patience.looks(), 0);
            patience = patience.after_none();
        }
        assert_eq!(patience.looks(), MOST);
        assert_eq!(patience.after(false).looks(), 0);
        assert_eq!(patience.after(true), PATIENT);
    }

    #[test]
    fn what_was_learned_is_kept_in_one_number() {
        for patience in [PATIENT, PATIENT.after(false), PATIENT.after_none()] {
            assert_eq!(Patience::from_bits(patience.to_bits()), patience);
        }
    }

    #[test]
    fn one_looks_no_oftener_than_at_most_and_not_at_all_when_the_time_is_over() {
        let number = AtomicU32::new(0);
        let mut looks = 0;
        let mut never = || {
            looks += 1;
            false
        };
        assert!(!look(&number, Some(Instant::now()), &mut never));
        assert!((0..20).all(|_| !look(&number, None, &mut never)));
        assert!((LEAST..2 * MOST + 20).contains(&looks), "{looks}");
        assert!(look(&number, None, || true));
    }
}
