//! Writes the mutants: of each a copy of the model's files, with what is broken, and a test that runs it.

mod mutants;

use mutants::{MUTANTS, Mutant};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What the model is made of.
const FILES: [&str; 4] = [
    "../src/ring/protocol.rs",
    "src/channel.rs",
    "src/sides.rs",
    "src/models.rs",
];

fn main() {
    println!("cargo::rerun-if-changed=mutants.rs");
    let folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    let modules: String = MUTANTS
        .iter()
        .map(|mutant| module(mutant, &folder, &out))
        .collect();
    fs::write(out.join("mutants.rs"), modules).expect("cargo's folder can be written to");
}

fn module(mutant: &Mutant, folder: &Path, out: &Path) -> String {
    let Mutant { name, from, to, .. } = mutant;
    let mut broken = 0;
    let files = FILES.map(|file| {
        let source = folder.join(file);
        let text = fs::read_to_string(&source).expect("the model's files are there");
        let module = source
            .file_stem()
            .expect("a file has a name")
            .display()
            .to_string();
        broken += text.matches(from).count();
        let path = out.join(format!("{name}.{module}.rs"));
        fs::write(&path, text.replace(from, to)).expect("cargo's folder can be written to");
        format!("#[path = {:?}] mod {module};", path.display().to_string())
    });
    assert_eq!(
        broken, 1,
        "what `{name}` breaks must stand in one place of the model's files"
    );
    format!(
        "#[allow(unused, reason = \"what is broken is used less\")]\nmod {name} {{ use crate::atomic; {} \
         #[test] #[should_panic(expected = {:?})] fn is_caught() {{ models::{}() }} }}\n",
        files.concat(),
        mutant.shows,
        mutant.model,
    )
}
