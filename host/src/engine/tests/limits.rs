//! Limits on what a guest does outside itself: calls of its host, and what it writes.

use super::clocks::CLOCKS;
use super::*;

#[test]
fn a_guest_may_call_its_host_as_often_as_it_may_and_no_more() {
    let mut clocks = setup(CLOCKS)
        .limits(|limits| limits.host_calls = Some(100))
        .load();
    for _ in 0..3 {
        // Each job has all of them.
        clocks.call("look", &100_u32.to_le_bytes()).unwrap();
        let fault = clocks.fault("look", &101_u32.to_le_bytes());
        assert_eq!(fault.cause, Cause::HostCalls(100));
        assert_eq!(
            clocks.fault("look", &u32::MAX.to_le_bytes()).cause,
            Cause::HostCalls(100),
            "not after four thousand million of them"
        );
    }
}

#[test]
fn a_guest_that_ends_before_it_can_be_stopped_has_failed_all_the_same() {
    let limited = |calls| {
        let setup = setup(CLOCKS).limits(|limits| limits.host_calls = Some(calls));
        setup.load().call("look-thrice", &[])
    };
    assert!(limited(3).is_ok());
    assert_eq!(limited(2).unwrap_err().cause, Cause::HostCalls(2));
    assert_eq!(limited(0).unwrap_err().cause, Cause::HostCalls(0));
}

#[test]
fn limits_of_calls_and_of_time_hold_together() {
    let limit = Duration::from_millis(30);
    let setup = setup(FAULTS).limits(|limits| {
        limits.timeout = Some(limit);
        limits.host_calls = Some(1000);
    });
    let mut faults = setup.load();
    for _ in 0..2 {
        let begun = Instant::now();
        assert_eq!(faults.fault("spin", &[]).cause, Cause::Timeout(limit));
        assert!(begun.elapsed() >= limit);
        faults.call("now", &[]).unwrap();
        let flood = (1_u64 << 40).to_le_bytes();
        assert_eq!(
            faults.fault("flood-stdout", &flood).cause,
            Cause::HostCalls(1000)
        );
    }
    let spun = faults.fault("spin", &[]);
    assert!(spun.backtrace[0].contains("spin"), "{spun:?}");
}

#[test]
fn a_guest_may_write_so_much_to_both_outputs_together() {
    let setup = setup(FAULTS).limits(|limits| limits.log_bytes = Some(10_000));
    let mut faults = setup.load();
    for stream in ["flood-stdout", "flood-stderr"] {
        faults.call(stream, &10_000_u64.to_le_bytes()).unwrap();
        let fault = faults.fault(stream, &10_001_u64.to_le_bytes());
        assert_eq!(fault.cause, Cause::Log(10_000), "{stream}");
    }
    // What was within the limit is kept.
    let fault = faults.fault("flood-stderr", &(1_u64 << 40).to_le_bytes());
    assert_eq!(fault.cause, Cause::Log(10_000));
    assert_eq!(fault.stderr, "x".repeat(STDERR_KEPT));
}
