//! The example components that are part of the program, so that the first try needs no file and no toolchain.
//!
//! `guests/` has their sources. To embed another, build it into `guests/prebuilt/` and add its line here.

/// The examples: the name that a user types, and the component.
const EXAMPLES: [(&str, &[u8]); 10] = [
    (
        "arith",
        include_bytes!("../../../guests/prebuilt/arith.wasm"),
    ),
    (
        "types",
        include_bytes!("../../../guests/prebuilt/types.wasm"),
    ),
    ("text", include_bytes!("../../../guests/prebuilt/text.wasm")),
    (
        "mandelbrot",
        include_bytes!("../../../guests/prebuilt/mandelbrot.wasm"),
    ),
    (
        "faults",
        include_bytes!("../../../guests/prebuilt/faults.wasm"),
    ),
    (
        "shared",
        include_bytes!("../../../guests/prebuilt/shared.wasm"),
    ),
    (
        "visits",
        include_bytes!("../../../guests/prebuilt/visits.wasm"),
    ),
    (
        "polite",
        include_bytes!("../../../guests/prebuilt/polite.wasm"),
    ),
    ("bare", include_bytes!("../../../guests/prebuilt/bare.wat")),
    (
        "traps",
        include_bytes!("../../../guests/prebuilt/traps.wat"),
    ),
];

/// The example of this name.
pub(super) fn find(name: &str) -> Option<&'static [u8]> {
    EXAMPLES
        .iter()
        .find(|example| example.0 == name)
        .map(|example| example.1)
}

/// The names of the examples.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    EXAMPLES.iter().map(|example| example.0)
}

/// The names of the examples, for an error's text.
pub(super) fn list() -> String {
    names()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
