//! What a job may use and is given, in real workers behind their walls: coarse clocks, calls of the host, what it writes.

use crate::{builder, program};
use host::Clocks;
use std::process::{Command, Output};

/// A guest that looks at the clocks, as often as it is told.
const CLOCKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/engine/tests/clocks.wat");

fn host(arguments: &[&str]) -> Output {
    Command::new(program())
        .args(arguments)
        .env(
            "XDG_CACHE_HOME",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/caches"),
        )
        .output()
        .unwrap()
}

fn stdout(arguments: &[&str]) -> String {
    String::from_utf8(host(arguments).stdout).unwrap()
}

#[test]
fn clocks_are_full_unless_coarse_ones_are_asked_for() {
    let resolution = |clocks| {
        let pool = builder(CLOCKS).clocks(clocks).build().unwrap();
        pool.apply::<u64>("resolution", ()).unwrap()
    };
    assert_eq!(resolution(Clocks::Full), 1);
    assert_eq!(resolution(Clocks::Coarse), 1_000_000);
    let asked = ["call", CLOCKS, "resolution()"];
    assert_eq!(stdout(&asked), "1\n");
    let coarse = stdout(&[&asked[..], &["--clocks", "coarse"]].concat());
    assert_eq!(coarse, "1000000\n");
}
