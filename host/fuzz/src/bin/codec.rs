#![no_main]
//! libFuzzer on [`fuzz::codec`].

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::codec(bytes));
