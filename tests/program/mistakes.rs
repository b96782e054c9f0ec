//! Command lines that are wrong, and how that is told.

use super::{Folder, host, line};
use std::fs;
use std::path::Path;

#[test]
fn a_wrong_name_or_item_is_told_with_what_is_wanted() {
    line("map arith sqare 1")
        .run()
        .is(2, "")
        .says("did you mean `square`?");
    host(&["map", "arith", "square", "1", "\"x\""])
        .run()
        .is(2, "")
        .says("item 2, `\"x\"`: wanted s64, found `\"x\"`");
    line("map arith product 1")
        .run()
        .is(2, "")
        .says("hint: use `starmap`");
    line("call arith product(1,2)")
        .run()
        .is(2, "")
        .says("it takes 3 arguments, `product: func(a: s64, b: s64, c: s64) -> s64`");
    line("starmap arith square (1) 2")
        .run()
        .is(2, "")
        .says("item 2, `2`: it takes one argument");
    line("map faults counter 1")
        .run()
        .is(2, "")
        .says("host call COMPONENT 'counter()'");
    line("map arith square 9223372036854775807..=9223372036854775808")
        .run()
        .is(2, "")
        .says("s64");
    line("call arith square").run().is(2, "");
    line("call arith pool:tasks/arith@0.1.0#square(5)")
        .run()
        .is(0, "25\n");
    line("call arith arith/square(5)").run().is(0, "25\n");
}

#[test]
fn a_component_that_is_none_is_told_so() {
    let folder = Folder::new();
    let garbage = folder.file("garbage.wasm", [7; 1000]);
    let core = folder.file("core.wat", "(module)");
    let empty = folder.file("empty.wasm", "");
    let component = folder.file("component.wat", "(component)");
    for (component, told) in [
        ("nosuch", "nosuch"),
        ("/no/such/file.wasm", "/no/such/file.wasm"),
        (&garbage, "neither WebAssembly nor its text format"),
        (&core, "is a core module, not a component"),
        (&empty, "empty.wasm"),
        (folder.path(), "is a directory"),
        (&component, "no function `square`"),
    ] {
        host(&["map", component, "square", "1"])
            .run()
            .is(2, "")
            .says(told);
    }
    let truncated =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/prebuilt/arith.wasm"))
            .unwrap();
    let truncated = folder.file("truncated.wasm", &truncated[..truncated.len() / 2]);
    host(&["map", &truncated, "square", "1"])
        .run()
        .is(2, "")
        .says("truncated.wasm");
}

#[test]
fn a_worker_by_hand_says_that_it_is_private() {
    line("worker")
        .run()
        .is(2, "")
        .says_only("error: `host worker` is private: a pool starts its workers itself\n");
    line("worker --any --thing")
        .run()
        .is(2, "")
        .says("is private");
    for role in ["worker", "fork-server", "compiler"] {
        let told = line("map arith square 1")
            .env("HOST_ROLE", role)
            .run()
            .is(1, "");
        assert!(!told.stderr.is_empty(), "{role}");
        let told = line("map arith square 1")
            .env("HOST_ROLE", role)
            .given("1\n")
            .is(1, "");
        assert!(!told.stderr.is_empty(), "{role}");
    }
}
