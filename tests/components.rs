//! Loading components through the real compile helper. What needs no process is tested beside the code.

use crate::program;
use host::component::{Component, ComponentError, Limit, Options};
use host::{NoChildren, Source};
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A cache folder of one test, removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let path =
            std::env::temp_dir().join(format!("host-components-{test}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        Folder(path)
    }

    fn options(&self) -> Options {
        Options {
            program: Some(program()),
            cache: Some(self.0.join("cache")),
            ..Options::default()
        }
    }

    fn write(&self, name: &str, contents: &[u8]) -> Source {
        let path = self.0.join(name);
        fs::write(&path, contents).unwrap();
        Source::from(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn code(component: Component) -> Vec<u8> {
    let mut bytes = Vec::new();
    File::from(component.code).read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_component_is_compiled_once_and_then_comes_from_the_cache() {
    let folder = Folder::new("once");
    let first = Component::load(&"arith".into(), &folder.options()).unwrap();
    assert_eq!(first.description.find("square"), Ok(0));
    assert!(
        first
            .description
            .imports
            .iter()
            .any(|name| name.starts_with("wasi:cli/environment@"))
    );
    // A helper that can't be started isn't missed any more.
    let no_helper = Options {
        program: Some("/no/such/program".into()),
        ..folder.options()
    };
    let second = Component::load(&"arith".into(), &no_helper).unwrap();
    assert_eq!(first.description, second.description);
    assert_eq!(first.cached_at, second.cached_at);
    assert!(code(first) == code(second));
}

#[test]
fn a_component_compiled_for_fuel_is_another_one() {
    let folder = Folder::new("fuel");
    let without = Component::load(&"bare".into(), &folder.options()).unwrap();
    let with = Component::load(
        &"bare".into(),
        &Options {
            fuel: true,
            ..folder.options()
        },
    )
    .unwrap();
    assert_ne!(without.cached_at, with.cached_at);
    assert!(code(without) != code(with));
}

#[test]
fn a_damaged_cache_file_is_replaced() {
    let folder = Folder::new("damaged");
    let component = Component::load(&"bare".into(), &folder.options()).unwrap();
    let path = component.cached_at.clone().unwrap();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let rebuilt = Component::load(&"bare".into(), &folder.options()).unwrap();
    assert_eq!(rebuilt.description, component.description);
    assert_eq!(rebuilt.cached_at, component.cached_at);
    let no_helper = Options {
        program: Some("/no/such/program".into()),
        ..folder.options()
    };
    let again = Component::load(&"bare".into(), &no_helper).unwrap();
    assert!(code(again) == code(rebuilt));
}

#[test]
fn programs_that_load_at_once_all_get_the_component() {
    let folder = Folder::new("at-once");
    let load = || Component::load(&"bare".into(), &folder.options()).unwrap();
    let loaded: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(
        loaded
            .windows(2)
            .all(|pair| pair[0].description == pair[1].description)
    );
    assert!(
        loaded
            .into_iter()
            .all(|component| !code(component).is_empty())
    );
    assert_eq!(
        fs::read_dir(folder.0.join("cache")).unwrap().count(),
        1,
        "no draft stays behind"
    );
}

#[test]
fn a_cache_that_cannot_be_written_does_not_stop_a_component() {
    let folder = Folder::new("unwritable");
    let options = Options {
        cache: Some("/proc/no-cache-here".into()),
        ..folder.options()
    };
    let component = Component::load(&"bare".into(), &options).unwrap();
    assert_eq!(component.cached_at, None);
    assert!(!code(component).is_empty());
}

#[test]
fn a_cache_that_others_can_write_is_refused() {
    let folder = Folder::new("others");
    fs::create_dir(folder.0.join("cache")).unwrap();
    fs::set_permissions(folder.0.join("cache"), Permissions::from_mode(0o777)).unwrap();
    let error = Component::load(&"bare".into(), &folder.options()).unwrap_err();
    assert!(matches!(error, ComponentError::Untrusted { .. }), "{error}");
}

#[test]
fn a_component_that_takes_too_long_to_compile_is_stopped() {
    let folder = Folder::new("slow");
    let options = Options {
        time: Duration::from_millis(5),
        ..folder.options()
    };
    let started = Instant::now();
    let error = Component::load(&"arith".into(), &options).unwrap_err();
    assert!(
        matches!(
            error,
            ComponentError::Stopped {
                limit: Limit::Time(_),
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("compiling `arith` was stopped: it took more than 0.005 s"),
        "{error}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_component_that_takes_too_much_memory_to_compile_is_stopped() {
    let folder = Folder::new("memory");
    let options = Options {
        memory_bytes: 12 << 20,
        ..folder.options()
    };
    let error = Component::load(&"arith".into(), &options).unwrap_err();
    assert!(
        matches!(
            error,
            ComponentError::Stopped {
                limit: Limit::Memory(_),
                ..
            }
        ),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("it needed more than 12 MiB of memory"),
        "{error}"
    );
}

#[test]
fn a_file_that_is_no_component_is_refused_with_its_name_and_what_it_is() {
    let folder = Folder::new("refused");
    let refused = |source: &Source| Component::load(source, &folder.options()).unwrap_err();
    let core = folder.write("core.wasm", b"\0asm\x01\0\0\0");
    assert!(matches!(refused(&core), ComponentError::CoreModule { .. }));
    assert!(
        refused(&core)
            .to_string()
            .contains("core.wasm` is a core module, not a component: build it for")
    );
    let garbage = folder.write("garbage.wasm", &[0xff; 1000]);
    assert!(
        refused(&garbage)
            .to_string()
            .contains("it is neither WebAssembly nor its text format")
    );
    let empty = folder.write("empty.wasm", b"");
    assert!(refused(&empty).to_string().ends_with("it is empty"));
    let typo = folder.write("typo.wat", b"(component\n  (cor module))");
    assert!(
        refused(&typo).to_string().contains("typo.wat:2:4"),
        "{}",
        refused(&typo)
    );
    assert!(
        !folder.0.join("cache").exists()
            || fs::read_dir(folder.0.join("cache")).unwrap().count() == 0
    );
}

#[test]
fn a_component_in_text_needs_no_toolchain() {
    let folder = Folder::new("text");
    let text = br#"(component
        (core module $m (func (export "f") (param i32) (result i32) local.get 0))
        (core instance $i (instantiate $m))
        (func (export "same") (param "n" u32) (result u32) (canon lift (core func $i "f"))))"#;
    let component = Component::load(&Source::from(&text[..]), &folder.options()).unwrap();
    assert_eq!(
        component.description.functions[0].to_string(),
        "same: func(n: u32) -> u32"
    );
    assert!(
        component
            .description
            .wit
            .contains("export same: func(n: u32) -> u32;")
    );
}

#[test]
fn a_program_that_forgot_init_is_told_so_and_starts_nothing() {
    // This test program is one: nothing calls `host::init()` in its `main`.
    let folder = Folder::new("init");
    let options = Options {
        program: None,
        ..folder.options()
    };
    let error = Component::load(&"bare".into(), &options).unwrap_err();
    assert!(
        matches!(error, ComponentError::NoChildren(NoChildren::Uninitialised)),
        "{error}"
    );
}

#[test]
fn a_program_that_is_no_helper_is_named_or_says_nothing_that_counts() {
    let folder = Folder::new("no-helper");
    let with = |program: &str| {
        let options = Options {
            program: Some(program.into()),
            ..folder.options()
        };
        Component::load(&"bare".into(), &options).unwrap_err()
    };
    let error = with("/no/such/program");
    assert!(matches!(error, ComponentError::Start { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("cannot start `/no/such/program`"),
        "{error}"
    );
    // One ends without a word, one with a failure, one says back what it was told.
    for (program, said) in [
        ("/bin/true", "cut short"),
        ("/bin/false", "code 1"),
        ("/bin/cat", "protocol"),
    ] {
        let error = with(program);
        assert!(
            matches!(error, ComponentError::Helper { .. }),
            "{program}: {error}"
        );
        assert!(error.to_string().contains(said), "{program}: {error}");
    }
}

/// Runs alone in a process of its own, because the other tests have children and open files too.
#[test]
fn nothing_is_left_of_a_load() {
    const ALONE: &str = "HOST_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let test = "components::nothing_is_left_of_a_load";
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command
            .args(["--exact", test, "--test-threads=1"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        return;
    }
    let folder = Folder::new("nothing-left");
    let options = folder.options();
    let open_files = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open_files();
    let too_slow = Options {
        time: Duration::ZERO,
        ..options.clone()
    };
    let unstartable = Options {
        program: Some("/no/such/program".into()),
        ..options.clone()
    };
    for _ in 0..3 {
        assert!(Component::load(&"arith".into(), &too_slow).is_err());
        assert!(Component::load(&"arith".into(), &unstartable).is_err());
        assert!(Component::load(&Source::from(&b"\0asm\x01\0\0\0"[..]), &options).is_err());
        drop(Component::load(&"bare".into(), &options).unwrap());
    }
    assert_eq!(open_files(), before);
    let children = |task: fs::DirEntry| fs::read_to_string(task.path().join("children")).unwrap();
    let children: String = fs::read_dir(Path::new("/proc/self/task"))
        .unwrap()
        .map(|task| children(task.unwrap()))
        .collect();
    assert_eq!(children, "", "children that were not reaped");
}
