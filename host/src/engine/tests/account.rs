//! What the engine says that a job used.

use super::clocks::CLOCKS;
use super::*;
use crate::engine::Used;

fn accounting(component: &[u8]) -> Trial {
    let mut setup = setup(component);
    setup.start.account = true;
    setup.load()
}

#[test]
fn calls_of_the_host_are_counted_one_by_one() {
    let mut clocks = accounting(CLOCKS);
    for looks in [0_u32, 1, 2, 1000] {
        clocks.call("look", &looks.to_le_bytes()).unwrap();
        assert_eq!(clocks.guest.used().host_calls, u64::from(looks));
    }
}

#[test]
fn the_same_job_uses_the_same_fuel_and_twice_the_work_twice_as_much() {
    let mut clocks = accounting(CLOCKS);
    let mut fuel = |looks: u32| {
        clocks.call("look", &looks.to_le_bytes()).unwrap();
        clocks.guest.used().fuel
    };
    let (none, some, more) = (fuel(0), fuel(100), fuel(200));
    assert_eq!(some, fuel(100));
    assert!(none > 0);
    assert_eq!(more - some, some - none);
}

#[test]
fn a_failed_job_has_used_something_too() {
    let mut setup = setup(FAULTS).limits(|limits| {
        limits.fuel = Some(100_000);
        limits.memory_bytes = 8 << 20;
    });
    setup.start.account = true;
    let mut faults = setup.load();
    faults.fault("spin", &[]);
    assert_eq!(faults.guest.used().fuel, 100_000);
    faults.fault("huge-result", &(6_u64 << 20).to_le_bytes());
    faults.fault("exit", &1_u32.to_le_bytes());
    assert_eq!(faults.guest.used().host_calls, 1);
}

#[test]
fn memory_is_what_the_instance_had_grown_to() {
    let mut odd = accounting(ODD.as_bytes());
    odd.count();
    assert_eq!(odd.guest.used().memory_bytes, 64 << 10);
    odd.call("bools", &10_u32.to_le_bytes()).unwrap();
    assert_eq!(odd.guest.used().memory_bytes, 256 * (64 << 10));
    // It stays with the instance.
    odd.count();
    assert_eq!(odd.guest.used().memory_bytes, 256 * (64 << 10));
}

#[test]
fn without_an_account_there_is_none() {
    let mut clocks = setup(CLOCKS).load();
    clocks.call("look", &5_u32.to_le_bytes()).unwrap();
    assert_eq!(clocks.guest.used(), Used::default());
}
