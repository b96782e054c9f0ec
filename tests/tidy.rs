//! The order of the house: who may import whom, where danger may be, guests with their tests and their sources.

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The files that may hold unsafe code. ARCHITECTURE.md says of each why.
const UNSAFE: [&str; 10] = [
    "host/src/codec/bulk.rs",
    "host/src/codec/landing.rs",
    "host/src/engine/canonical.rs",
    "host/src/engine/clock.rs",
    "host/src/engine/code.rs",
    "host/src/link/loan.rs",
    "host/src/lockdown/sys.rs",
    "host/src/ring.rs",
    "host/src/role/fork_server.rs",
    "host/src/shared/segment.rs",
];

#[test]
fn modules_import_only_whom_the_architecture_says() {
    let allowed = BTreeMap::from_iter(architecture_table());
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in sources("host/src") {
        let module = module(&path);
        if module == "lib" || module == "bin" {
            continue;
        }
        let imports = found.entry(module.clone()).or_default();
        imports.extend(imports_of(&code(&path)));
        imports.remove(&module);
    }
    assert_eq!(
        found, allowed,
        "what the modules import (left) is not what the table in ARCHITECTURE.md says (right): \
         a type may sit in the wrong module"
    );
}

#[test]
fn imports_run_downwards() {
    let mut above = BTreeSet::new();
    for (module, imports) in architecture_table() {
        assert!(
            imports.is_subset(&above),
            "in ARCHITECTURE.md `{module}` imports a module from below its own row"
        );
        above.insert(module);
    }
}

#[test]
fn unsafe_code_is_where_the_architecture_says() {
    let found: Vec<String> = sources("host/src")
        .into_iter()
        .filter(|path| code(path).contains("unsafe"))
        .collect();
    assert_eq!(found, UNSAFE);
    let architecture = read("ARCHITECTURE.md");
    for path in UNSAFE {
        let name = path.trim_start_matches("host/src/");
        assert!(
            architecture.contains(&format!("`{name}`")),
            "ARCHITECTURE.md does not say why `{name}` has unsafe code"
        );
    }
}

#[test]
fn wasmtime_clap_and_processes_stay_in_their_places() {
    for (needle, places) in [
        (
            "wasmtime::",
            &["host/src/engine", "host/src/component/"][..],
        ),
        ("clap", &["host/src/bin/"]),
        ("Command::new(", &["host/src/role.rs"]),
    ] {
        for path in sources("host/src") {
            assert!(
                !code(&path).contains(needle) || places.iter().any(|place| path.starts_with(place)),
                "{path} has `{needle}`, which belongs to {places:?}"
            );
        }
    }
}

#[test]
fn every_guest_is_prebuilt_from_its_present_sources_and_tested() {
    let recorded = read("guests/prebuilt/SOURCES");
    let recorded: BTreeMap<&str, &str> = recorded
        .lines()
        .map(|line| {
            let (hash, name) = line.split_once("  ").unwrap();
            (name, hash)
        })
        .collect();
    let tests: String = sources("tests")
        .into_iter()
        .chain(sources("host/src"))
        .filter(|path| path.contains("tests") && !path.ends_with("tidy.rs"))
        .map(|path| read(&path))
        .collect();
    let guests = guests();
    assert!(
        recorded
            .keys()
            .copied()
            .eq(guests.iter().map(String::as_str)),
        "SOURCES names others than there are: run guests/build"
    );
    for guest in &guests {
        assert_eq!(
            recorded[guest.as_str()],
            hash_of_sources(guest),
            "the prebuilt `{guest}` is of other sources: run guests/build"
        );
        assert!(
            ["wasm", "wat"].iter().any(|form| project()
                .join(format!("guests/prebuilt/{guest}.{form}"))
                .exists()),
            "`{guest}` is not prebuilt: run guests/build"
        );
        assert!(
            tests.contains(&format!("{guest:?}")),
            "no test calls `{guest}`"
        );
    }
}

#[test]
fn prebuilt_guests_do_not_tell_where_they_were_built() {
    for guest in guests() {
        let Ok(wasm) = fs::read(project().join(format!("guests/prebuilt/{guest}.wasm"))) else {
            continue;
        };
        for trace in ["/root", "/home", ".cargo", "/tmp"] {
            assert!(
                !wasm
                    .windows(trace.len())
                    .any(|window| window == trace.as_bytes()),
                "{guest}.wasm contains `{trace}`"
            );
        }
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = read("host/Cargo.toml");
    let code: String = sources("host")
        .iter()
        .chain(&sources("tests"))
        .map(|path| code(path))
        .collect();
    let mut section = "";
    let mut before = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]") && !line.starts_with('#') && !line.is_empty() {
            let name = line.split([' ', '.']).next().unwrap();
            assert!(
                before.starts_with("# "),
                "why {name}? say it in the line above"
            );
            let name = name.replace('-', "_");
            assert!(
                [":", "!", ";"]
                    .iter()
                    .any(|end| code.contains(&format!("{name}{end}"))),
                "nothing uses {name}"
            );
        }
        before = line;
    }
}

/// The table of ARCHITECTURE.md: rows of a module, and the modules that it may import.
fn architecture_table() -> Vec<(String, BTreeSet<String>)> {
    let architecture = read("ARCHITECTURE.md");
    let (_, table) = architecture.split_once("| module | imports |").unwrap();
    table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let mut cells = line.split('|').skip(1);
            let mut names = || {
                let cell = cells.next().unwrap();
                cell.split('`')
                    .skip(1)
                    .step_by(2)
                    .map(str::to_owned)
                    .collect()
            };
            let module: Vec<String> = names();
            (module[0].clone(), BTreeSet::from_iter(names()))
        })
        .collect()
}

/// The modules of the crate's root that this code names.
fn imports_of(code: &str) -> BTreeSet<String> {
    code.split("crate::")
        .skip(1)
        .map(|rest| {
            assert!(
                !rest.starts_with('{'),
                "one `use crate::` a module, so that arrows can be read"
            );
            rest.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .collect()
}

/// The module of the crate's root that a file belongs to.
fn module(path: &str) -> String {
    let inside = path.trim_start_matches("host/src/");
    inside.split(['/', '.']).next().unwrap().to_owned()
}

/// A file without its comments and its tests.
fn code(path: &str) -> String {
    let text = read(path);
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The Rust files in a folder of the project, in byte order, without those of unit tests.
fn sources(folder: &str) -> Vec<String> {
    files(folder)
        .into_iter()
        .filter(|path| path.ends_with(".rs") && (folder == "tests" || !path.ends_with("tests.rs")))
        .collect()
}

fn guests() -> Vec<String> {
    let folders = fs::read_dir(project().join("guests")).unwrap();
    let mut names: Vec<String> = folders
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name != "prebuilt" && name != "target")
        .collect();
    names.sort();
    names
}

/// What guests/build computes: of each file, in the byte order of their paths, the path, a zero, the content, a zero.
fn hash_of_sources(guest: &str) -> String {
    let mut paths = files(&format!("guests/{guest}"));
    paths.extend(files("wit"));
    paths.extend(["guests/Cargo.toml".into(), "guests/Cargo.lock".into()]);
    paths.sort();
    let mut hash = Sha256::new();
    for path in paths {
        hash.update(&path);
        hash.update([0]);
        hash.update(fs::read(project().join(&path)).unwrap());
        hash.update([0]);
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The files in a folder and in those within it, as paths from the project's root, in byte order.
fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(project().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().into_string().unwrap());
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(project().join(path)).unwrap()
}
