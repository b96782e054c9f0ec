//! Any bytes in the place of what others write: some thousand here, and by the fuzzer as many as one likes (`host/fuzz/run`).

use crate::targets;
use proptest::prelude::*;

/// Bytes of which many mean something at the places where the targets look.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![2 => 0..24_u8, 1 => any::<u8>(), 1 => prop::sample::select(b"[]{}(),:\"'0n1.-e ".to_vec())];
    prop::collection::vec(byte, 0..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn any_answers_leave_each_job_with_one_outcome(bytes in bytes()) {
        targets::link(&bytes);
    }

    #[test]
    fn any_bytes_of_any_type_are_a_value_or_an_error(bytes in bytes()) {
        targets::codec(&bytes);
    }

    #[test]
    fn any_text_of_any_type_is_a_value_or_an_error(bytes in bytes()) {
        targets::text(&bytes);
    }

    #[test]
    fn any_message_is_one_or_an_error(bytes in bytes()) {
        targets::messages(&bytes);
    }
}

#[test]
fn an_answer_that_is_rewritten_while_it_is_read_is_one_answer_or_nonsense() {
    let (values, nonsense) = targets::races(100_000);
    assert!(
        values > 1000 && nonsense > 1000,
        "{values} values, {nonsense} nonsense"
    );
}
