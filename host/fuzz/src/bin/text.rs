#![no_main]
//! libFuzzer on [`fuzz::text`].

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::text(bytes));
