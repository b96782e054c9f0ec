#![no_main]
//! libFuzzer on [`fuzz::messages`].

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::messages(bytes));
