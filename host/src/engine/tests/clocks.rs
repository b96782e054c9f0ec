//! What a guest learns of the time.

use super::*;
use crate::job::Clocks;

/// A guest that looks at the clocks.
pub(super) const CLOCKS: &[u8] = include_bytes!("clocks.wat");

fn guest(clocks: Clocks) -> Trial {
    let mut setup = setup(CLOCKS);
    setup.start.grants.clocks = clocks;
    setup.load()
}

impl Trial {
    fn nanoseconds(&mut self, name: &str) -> u64 {
        let mut number = [0; 8];
        let told = self.call(name, &[]).unwrap();
        number[..told.len()].copy_from_slice(&told);
        u64::from_le_bytes(number)
    }
}

#[test]
fn coarse_clocks_move_in_steps_and_say_so() {
    let step = Clocks::STEP.as_nanos() as u64;
    let mut guest = guest(Clocks::Coarse);
    assert_eq!(guest.nanoseconds("resolution"), step);
    assert_eq!(guest.nanoseconds("wall-resolution"), step);
    let (mut moments, mut walls) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    // Ten steps, and if the machine is busy as many more as it takes to see three.
    while begun.elapsed() < 10 * Clocks::STEP || moments.len() < 3 || walls.len() < 3 {
        moments.push(guest.nanoseconds("now"));
        walls.push(guest.nanoseconds("wall-now"));
        moments.dedup();
        walls.dedup();
    }
    assert!(
        moments.iter().chain(&walls).all(|time| time % step == 0),
        "{moments:?}, {walls:?}"
    );
    assert!(moments.is_sorted(), "{moments:?}");
    // It is the machine's time, only coarser: between a first and a last look as much passed as here.
    let passed = Duration::from_nanos(moments[moments.len() - 1] - moments[0]);
    assert!(
        passed <= begun.elapsed() + Clocks::STEP,
        "{passed:?} of {:?}",
        begun.elapsed()
    );
}

#[test]
fn full_clocks_do_not() {
    let mut guest = guest(Clocks::Full);
    assert!(guest.nanoseconds("resolution") < Clocks::STEP.as_nanos() as u64);
    let looks: Vec<u64> = (0..20).map(|_| guest.nanoseconds("now")).collect();
    assert!(
        looks
            .iter()
            .any(|time| time % Clocks::STEP.as_nanos() as u64 != 0),
        "{looks:?}"
    );
}
