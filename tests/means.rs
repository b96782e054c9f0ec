//! A machine without means: no descriptors, no memory, no processes, no space on the disk. What there is goes on, the error
//! says what is missing, and when there is enough again all is as before.
//!
//! Limits of a process stand for the machine's. Each test has a process of its own, so that no other test runs short.

use crate::process::{self, alone_as, send};
use crate::{PATIENCE, builder, fault, program, until, within};
use host::{Builder, Cause, Pool};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit, setrlimit};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A user without any rights, as whom root tries what does not bind root.
const NOBODY: u32 = 65534;

#[test]
fn without_descriptors_a_pool_is_smaller_until_there_are_some() {
    alone_as(
        None,
        "means::without_descriptors_a_pool_is_smaller_until_there_are_some",
        || {
            // A lost worker gives two back, and the fork server that goes with it, which are not below this limit.
            let few = |lost| process::descriptors() as u64 - 2 * lost - 2;
            goes_on_without(builder, Resource::Nofile, few, &["Too many open files"]);
        },
    );
}

#[test]
fn without_memory_a_pool_is_smaller_until_there_is_some() {
    alone_as(
        None,
        "means::without_memory_a_pool_is_smaller_until_there_is_some",
        || {
            // A channel maps 1072 KiB, which a lost worker's gives back. The rest is enough for small things.
            let mapped_kib = || process::status_kib(std::process::id(), "VmSize");
            let few = |lost| (mapped_kib() - 1072 * lost + 400) << 10;
            // A thread that has no memory for its stack is told to try again.
            let errors = ["Cannot allocate memory", "Resource temporarily unavailable"];
            goes_on_without(builder, Resource::As, few, &errors);
        },
    );
}

#[test]
fn without_processes_a_pool_is_smaller_until_there_are_some() {
    // The limit does not bind root, and so root goes as somebody else.
    let root = rustix::process::geteuid().is_root();
    alone_as(
        root.then_some(NOBODY),
        "means::without_processes_a_pool_is_smaller_until_there_are_some",
        || {
            let folder = Folder::new();
            let builder = |component: &str| builder(component).cache_dir(folder.0.join("cache"));
            let errors = ["Resource temporarily unavailable"];
            goes_on_without(builder, Resource::Nproc, |_| 1, &errors);
        },
    );
}

/// Takes the means from a pool of two workers, one of which dies; gives them back; and takes them once more until no worker
/// is left. `few` is the limit at which no worker can be started in the place of so many that are lost; `errors` are what the
/// system then says.
fn goes_on_without(
    builder: impl Fn(&str) -> Builder,
    resource: Resource,
    few: impl Fn(u64) -> u64,
    errors: &[&str],
) {
    let pool = builder("arith").build().unwrap();
    pool.wait_ready();
    let squares = |pool: &Pool| {
        let squares: Vec<i64> = pool.map("square", 0..100_i64).unwrap();
        assert!((0..100).map(|n| n * n).eq(squares));
    };
    squares(&pool);
    let before = getrlimit(resource);
    let limit = |soft| {
        let limit = Rlimit {
            current: soft,
            maximum: before.maximum,
        };
        // A fork server goes by its own limit.
        let children = process::children(std::process::id()).into_iter();
        for server in children.filter(|&pid| process::name(pid) == "host-forkserver") {
            if resource == Resource::Nproc {
                prlimit(Pid::from_raw(server as i32), resource, limit).unwrap();
            }
        }
        setrlimit(resource, limit).unwrap();
    };
    let ready = || {
        let workers = pool.stats().workers;
        workers.iter().filter(|worker| worker.ready).count()
    };
    let lose = || {
        let victim = pool.stats().workers[0].pid;
        send(victim, Signal::KILL);
        until("the loss is seen", PATIENCE, || {
            pool.stats()
                .workers
                .iter()
                .all(|worker| worker.pid != victim)
        });
    };

    limit(Some(few(1)));
    lose();
    (0..20).for_each(|_| squares(&pool));
    assert_eq!(ready(), 1, "there are means for another worker");
    let refused = builder("arith").build().err();
    limit(before.current);
    // Where it was refused first depends on what the keeper has open just then.
    let refused = refused.expect("there are means for another pool");
    let refused = format!("{:#}", anyhow::Error::from(refused));
    let told = |text: &str| errors.iter().any(|error| text.contains(error));
    assert!(told(&refused), "{refused}");

    // It has tried again, and waits up to five seconds from one time to the next.
    until("there are two workers again", PATIENCE, || ready() == 2);
    squares(&pool);

    limit(Some(few(2)));
    let victims = pool.stats().workers;
    for victim in &victims {
        send(victim.pid, Signal::KILL);
    }
    until("the pool is given up", PATIENCE, || {
        pool.stats().workers.is_empty()
    });
    let none = fault(pool.apply::<i64>("square", (3,)));
    limit(before.current);
    assert!(
        matches!(&none.cause, Cause::NoWorker(why) if told(why)),
        "{none}"
    );
    // That pool has said that it is at its end; a new one begins.
    squares(&builder("arith").build().unwrap());
}

#[test]
fn on_a_full_disk_a_component_is_compiled_and_not_kept() {
    let mut own_mounts = Command::new("unshare");
    own_mounts.args(["--map-root-user", "--mount"]);
    if !own_mounts
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("not tried: this user may make no mounts of its own");
        return;
    }
    within(4 * PATIENCE, || {
        let folder = Folder::new();
        // A disk of a megabyte, which is filled, and then has room again.
        let script = r#"
            set -eu
            mount -t tmpfs -o size=1m,mode=0700 none "$0"
            export XDG_CACHE_HOME="$0"
            head -c 2000000 /dev/zero > "$0/full" 2> /dev/null || true
            "$1" map arith square 1..=3 --quiet
            "$1" compile arith || echo "exit code $?"
            find "$0" -type f | wc -l
            rm "$0/full"
            "$1" map arith square 1..=3 --quiet
            find "$0" -name '*.code' | wc -l
        "#;
        let output = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", script])
            .arg(&folder.0)
            .arg(program())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "1\n4\n9\nexit code 1\n1\n1\n4\n9\n1\n",
            "{told}"
        );
        assert!(told.contains("could not be written to the cache"), "{told}");
    });
}

/// A folder of one test, removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static FOLDERS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("host-means-{}-{number}", std::process::id());
        let path: PathBuf = Path::new(&std::env::temp_dir()).join(name);
        fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
