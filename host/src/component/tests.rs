//! What holds without a helper process: keys, files, names, refusals. `tests/components.rs` has the rest.

mod damage;

use super::Options;
use super::cache::Cache;
use super::compiler::compile;
use super::exchange::{Answer, MAX_HEAD_BYTES, Refusal, read_head, write_head};
use super::key::{self, Key};
use super::prune::{self, Bounds};
use super::{ComponentError, Source, embedded};
use crate::sealed;
use crate::types::{Description, FindError, Function, Type};
use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A folder of one test, removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("host-{test}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        Folder(path)
    }

    fn cache(&self) -> Cache {
        Cache::open(Some(&self.0)).unwrap().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A compiled component in a cache, and the file that holds it.
struct Stored {
    folder: Folder,
    key: Key,
    description: Description,
    code: Vec<u8>,
    path: PathBuf,
}

fn stored(test: &str) -> Stored {
    let folder = Folder::new(test);
    let (description, code) =
        compile("bare", embedded::find("bare").unwrap(), false, true).unwrap();
    let key = Key([7; 32]);
    let path = folder
        .cache()
        .store(&key, &description, &memory(&code))
        .unwrap();
    Stored {
        folder,
        key,
        description,
        code,
        path,
    }
}

fn memory(bytes: &[u8]) -> File {
    sealed::filled("host-test", |memory| memory.write_all(bytes)).unwrap()
}

fn bytes(code: impl Into<File>) -> Vec<u8> {
    let mut bytes = Vec::new();
    code.into().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_key_changes_with_the_component_and_the_settings_and_with_nothing_else() {
    let plain = Options::default();
    let fuelled = Options {
        fuel: true,
        ..Options::default()
    };
    let unswept = Options {
        sweeps: false,
        ..Options::default()
    };
    let key = key::of(b"component", &plain).unwrap();
    assert_eq!(key, key::of(b"component", &plain).unwrap());
    assert_ne!(key, key::of(b"component", &fuelled).unwrap());
    assert_ne!(key, key::of(b"component", &unswept).unwrap());
    assert_ne!(key, key::of(b"Component", &plain).unwrap());
    assert_ne!(key, key::of(b"component\0", &plain).unwrap());
    assert_eq!(key.hex().len(), 64);
}

#[test]
fn a_stored_component_comes_back_as_it_was_in_memory_that_cannot_be_changed() {
    let stored = stored("comes-back");
    let found = stored.folder.cache().load(&stored.key).unwrap();
    assert_eq!(found.description, stored.description);
    assert_eq!(found.cached_at.as_deref(), Some(&*stored.path));
    assert_eq!(
        fs::metadata(&stored.path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let mut code = File::from(found.code);
    assert!(
        code.write_all(b"x").is_err() && code.set_len(0).is_err() && code.set_len(1 << 20).is_err()
    );
    assert!(bytes(code) == stored.code);
}

#[test]
fn a_folder_that_others_can_write_is_refused_with_its_mode() {
    let folder = Folder::new("others-folder");
    fs::set_permissions(&folder.0, Permissions::from_mode(0o777)).unwrap();
    let error = Cache::open(Some(&folder.0)).err().unwrap().to_string();
    assert!(
        error.contains("its mode is 0777") && error.contains("XDG_CACHE_HOME"),
        "{error}"
    );
}

#[test]
fn a_new_cache_folder_belongs_to_this_user_alone() {
    let folder = Folder::new("new-folder");
    let path = folder.0.join("a/b");
    assert!(Cache::open(Some(&path)).unwrap().is_some());
    assert_eq!(
        fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[test]
fn a_folder_that_cannot_be_made_or_written_is_no_cache_and_no_error() {
    assert!(
        Cache::open(Some(Path::new("/proc/host")))
            .unwrap()
            .is_none()
    );
    assert!(Cache::open(Some(Path::new("/dev/null"))).unwrap().is_none());
    let stored = stored("gone");
    let cache = stored.folder.cache();
    fs::remove_dir_all(&stored.folder.0).unwrap();
    assert!(
        cache
            .store(&stored.key, &stored.description, &memory(&stored.code))
            .is_err()
    );
}

#[test]
fn threads_that_fill_the_cache_at_once_only_ever_see_whole_files() {
    let stored = stored("at-once");
    let key = Key([9; 32]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let cache = stored.folder.cache();
                for _ in 0..50 {
                    cache
                        .store(&key, &stored.description, &memory(&stored.code))
                        .unwrap();
                    let found = cache
                        .load(&key)
                        .expect("there was a file before, so there is one at any time");
                    assert!(bytes(found.code) == stored.code);
                }
            });
        }
    });
    assert_eq!(
        fs::read_dir(&stored.folder.0).unwrap().count(),
        2,
        "no draft stays behind"
    );
}

/// Puts an empty entry of so many bytes into the cache, last used so many days ago.
fn entry(folder: &Folder, name: &str, bytes: u64, days: u64) {
    let file = File::create(folder.0.join(name)).unwrap();
    file.set_len(bytes).unwrap();
    file.set_modified(SystemTime::now() - DAY * days as u32)
        .unwrap();
}

const DAY: Duration = Duration::from_secs(24 * 3600);

fn key_of(digit: char) -> String {
    digit.to_string().repeat(64)
}

fn names(folder: &Folder) -> BTreeSet<String> {
    fs::read_dir(&folder.0)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_fill_removes_what_was_not_used_for_a_month_and_only_what_is_ours() {
    let stored = stored("unused");
    let folder = &stored.folder;
    let own = stored.path.file_name().unwrap().to_str().unwrap();
    entry(folder, &format!("{}.code", key_of('a')), 10, 31);
    entry(folder, &format!("{}.code", key_of('b')), 10, 29);
    entry(folder, &format!(".{}.code.77.0.1f", key_of('a')), 10, 1);
    entry(folder, &format!(".{}.code.77.1.1f", key_of('a')), 10, 0);
    for other in ["notes.code", "keep.txt", ".code", ".hidden"] {
        entry(folder, other, 10, 400);
    }
    // It is old as well, but used just now.
    let file = File::options().append(true).open(&stored.path).unwrap();
    file.set_modified(SystemTime::now() - DAY * 40).unwrap();
    assert!(folder.cache().load(&stored.key).is_some());

    let code = memory(&stored.code);
    let fill = || {
        let filled = folder
            .cache()
            .store(&Key([8; 32]), &stored.description, &code);
        filled.unwrap()
    };
    let new = fill();
    let new = new.file_name().unwrap().to_str().unwrap();
    let kept = [
        own.to_owned(),
        new.to_owned(),
        format!("{}.code", key_of('b')),
        format!(".{}.code.77.1.1f", key_of('a')),
        "notes.code".into(),
        "keep.txt".into(),
        ".code".into(),
        ".hidden".into(),
    ];
    assert_eq!(names(folder), BTreeSet::from(kept));
}

#[test]
fn a_full_cache_loses_what_is_longest_unused_but_not_what_is_new() {
    let folder = Folder::new("full");
    for (digit, days) in [('a', 3), ('b', 5), ('c', 1), ('d', 9)] {
        entry(&folder, &format!("{}.code", key_of(digit)), 100, days);
    }
    let open = OwnedFd::from(File::open(&folder.0).unwrap());
    let fresh = format!("{}.code", key_of('d'));
    let bounds = |bytes| Bounds {
        bytes,
        ..prune::BOUNDS
    };
    let left = |bytes| {
        prune::prune(&open, &fresh, &bounds(bytes));
        names(&folder)
            .iter()
            .map(|name| name[..1].to_owned())
            .collect::<String>()
    };
    assert_eq!(left(400), "abcd");
    assert_eq!(left(399), "acd");
    assert_eq!(left(200), "cd");
    assert_eq!(left(0), "d");
}

#[test]
fn programs_that_prune_at_once_do_not_disturb_each_other() {
    let folder = Folder::new("prune-at-once");
    for i in 0..200 {
        entry(&folder, &format!("{i:064x}.code"), 100, i % 60);
    }
    let threads = || {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let open = OwnedFd::from(File::open(&folder.0).unwrap());
                    let bounds = Bounds {
                        bytes: 1000,
                        ..prune::BOUNDS
                    };
                    prune::prune(&open, "", &bounds);
                });
            }
        });
    };
    threads();
    let left = names(&folder).len();
    assert!(
        (1..=10).contains(&left),
        "none removes more than it has to: {left}"
    );
}

#[test]
fn every_embedded_example_compiles_and_exports_a_function() {
    for name in embedded::names() {
        let (description, code) =
            compile(name, embedded::find(name).unwrap(), false, true).unwrap();
        assert!(
            !description.functions.is_empty() && !code.is_empty(),
            "{name}"
        );
        assert!(
            description.wit.starts_with("package root:component;"),
            "{name}: {}",
            description.wit
        );
    }
}

#[test]
fn what_is_no_component_is_refused_with_what_it_is() {
    let refused = |bytes: &[u8]| compile("it", bytes, false, true).unwrap_err();
    let reason = |bytes: &[u8]| match refused(bytes) {
        Refusal::Invalid(reason) | Refusal::Unprotected(reason) => reason,
        Refusal::CoreModule => "core module".into(),
    };
    assert_eq!(refused(b"\0asm\x01\0\0\0"), Refusal::CoreModule);
    assert_eq!(refused(b"(module)"), Refusal::CoreModule);
    assert_eq!(
        reason(b"\x7fELF\x02\x01\x01"),
        "it is neither WebAssembly nor its text format"
    );
    assert_eq!(
        reason(b"hello"),
        "it is neither WebAssembly nor its text format"
    );
    assert!(
        reason(b"(component").contains("it:1:11"),
        "{}",
        reason(b"(component")
    );
    assert!(reason(b"(component (export \"f\" (func 0)))").contains("unknown func"));
    for cut in [4, 7, 8, 9] {
        let bytes = &b"\0asm\x0d\0\x01\0\x07"[..cut];
        assert!(
            cut == 8 || matches!(refused(bytes), Refusal::Invalid(_)),
            "cut to {cut} bytes"
        );
    }
    // The compiler's own output must never come back in: it would be run as it is.
    let (_, code) = compile("bare", embedded::find("bare").unwrap(), false, true).unwrap();
    assert!(matches!(refused(&code), Refusal::Invalid(_)));
}

#[test]
fn a_component_cut_anywhere_is_refused_and_never_panics() {
    let component = wat::parse_bytes(embedded::find("bare").unwrap()).unwrap();
    // A cut between two sections may leave a smaller component that is valid, so all that is asked for is an answer.
    let refused = (0..component.len())
        .filter(|length| compile("cut", &component[..*length], false, true).is_err());
    assert!(refused.count() > component.len() * 9 / 10);
}

#[test]
fn functions_that_cannot_be_called_are_described_with_the_reason() {
    let component = r#"(component
        (type $r (resource (rep i32)))
        (export $counter "counter" (type $r))
        (core func $new (canon resource.new $r))
        (core module $m
            (func (export "take") (param i32))
            (func (export "plain") (result i32) i32.const 1))
        (core instance $i (instantiate $m))
        (func $make (param "n" u32) (result (own $counter)) (canon lift (core func $new)))
        (func $take (param "it" (own $counter)) (canon lift (core func $i "take")))
        (func $plain (result u32) (canon lift (core func $i "plain")))
        (export "make" (func $make))
        (export "take" (func $take))
        (export "plain" (func $plain))
    )"#;
    let (description, _) = compile("it", component.as_bytes(), false, true).unwrap();
    let names: Vec<_> = description
        .functions
        .iter()
        .map(Function::full_name)
        .collect();
    assert_eq!(names, ["plain"]);
    let [(make, make_reason), (take, take_reason)] = &description.uncallable[..] else {
        panic!()
    };
    assert_eq!((&make[..], &take[..]), ("make", "take"));
    assert!(
        make_reason.contains("its result has a handle to a resource"),
        "{make_reason}"
    );
    assert!(
        take_reason.contains("its parameter `it` has a handle to a resource"),
        "{take_reason}"
    );
    let error = description.find("take").unwrap_err();
    assert!(
        matches!(&error, FindError::Uncallable { name, .. } if name == "take"),
        "{error}"
    );
}

#[test]
fn a_function_in_an_instance_inside_an_instance_is_described_by_its_path() {
    let component = r#"(component
        (core module $m (func (export "f") (result i32) i32.const 1))
        (core instance $i (instantiate $m))
        (func $f (result u32) (canon lift (core func $i "f")))
        (instance $inner (export "f" (func $f)))
        (instance $outer (export "inner" (instance $inner)))
        (export "outer" (instance $outer))
    )"#;
    let (description, _) = compile("it", component.as_bytes(), false, true).unwrap();
    assert!(description.functions.is_empty());
    assert_eq!(description.uncallable[0].0, "outer#inner#f");
    let error = description.find("f").unwrap_err().to_string();
    assert!(
        error.contains("it is in an instance inside an instance"),
        "{error}"
    );
    assert!(
        description
            .wit
            .starts_with("// this component cannot be written as WIT: "),
        "{}",
        description.wit
    );
}

#[test]
fn a_head_is_refused_for_its_length_before_it_is_read() {
    let mut head = [
        crate::wire::VERSION.to_le_bytes(),
        (MAX_HEAD_BYTES + 1).to_le_bytes(),
    ]
    .concat();
    let error = read_head::<Answer>(&mut &head[..]).unwrap_err();
    assert!(
        error.to_string().contains("longer than a message may be"),
        "{error}"
    );
    head[0] ^= 1;
    assert!(
        read_head::<Answer>(&mut &head[..])
            .unwrap_err()
            .to_string()
            .contains("another version")
    );
}

#[test]
fn a_head_cut_anywhere_or_with_any_wrong_byte_is_refused_or_another_head_and_never_panics() {
    let mut head = Vec::new();
    let function = |interface: Option<&str>| Function {
        interface: interface.map(str::to_owned),
        name: "f".into(),
        params: Vec::new(),
        result: Some(Type::S64),
    };
    let answer = Answer::Compiled {
        description: Description {
            functions: vec![function(Some("a:b/c")), function(None)],
            uncallable: vec![("open".into(), "it is an async function".into())],
            sweeps: Vec::new(),
            imports: Vec::new(),
            wit: String::new(),
        },
        code_bytes: 1,
    };
    write_head(&mut head, &answer).unwrap();
    assert_eq!(read_head::<Answer>(&mut &head[..]).unwrap(), answer);
    for length in 0..head.len() {
        assert!(
            read_head::<Answer>(&mut &head[..length]).is_err(),
            "cut to {length} bytes"
        );
    }
    for at in 0..head.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            let mut damaged = head.clone();
            damaged[at] = byte;
            let _ = read_head::<Answer>(&mut &damaged[..]);
        }
    }
}

#[test]
fn a_type_that_nests_without_end_is_refused_before_the_stack_is_gone() {
    let list = postcard::to_stdvec(&Type::List(Box::new(Type::Bool))).unwrap();
    let nested = |depth: usize| [vec![list[0]; depth], vec![list[1]]].concat();
    assert!(postcard::from_bytes::<Type>(&nested(99)).is_ok());
    assert!(postcard::from_bytes::<Type>(&nested(100)).is_err());
    assert!(postcard::from_bytes::<Type>(&nested(MAX_HEAD_BYTES as usize)).is_err());
    assert!(
        postcard::from_bytes::<Type>(&nested(99)).is_ok(),
        "a refusal leaves nothing behind"
    );
}

#[test]
fn a_source_is_read_or_its_error_says_what_it_is() {
    let said = |source: Source| source.read().unwrap_err().to_string();
    assert_eq!(
        Source::from("arith").read().unwrap(),
        embedded::find("arith").unwrap()
    );
    assert_eq!(Source::from(&b"x"[..]).read().unwrap(), &b"x"[..]);
    assert_eq!(
        said(Vec::new().into()),
        "the component in memory cannot be used as a component: it is empty"
    );
    assert!(said("aritth".into()).ends_with("did you mean `arith`?"));
    assert!(said("./arith".into()).contains("no file and no embedded example is called `./arith`"));
    assert!(matches!(
        Source::from("").read(),
        Err(ComponentError::Missing { .. })
    ));
    let error = Source::from(&*std::env::temp_dir()).read().unwrap_err();
    assert!(
        std::error::Error::source(&error)
            .unwrap()
            .to_string()
            .contains("it is a directory")
    );
    let error = Source::from("/dev/zero").read().unwrap_err();
    assert!(
        std::error::Error::source(&error)
            .unwrap()
            .to_string()
            .contains("not a regular file")
    );
}
