//! The program as a user runs it: started with a command line, read from its pipes, stopped with signals.

mod components;
mod failures;
mod input;
mod interrupts;
mod mistakes;
mod results;

use crate::process::name;
use crate::program;
use rustix::process::{Pid, Signal};
use serde_json::Value as Json;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take that has no reason to take long: many times what it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// A command line, and what it is given besides.
struct Run(Command);

/// What a run has told.
struct Told {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// The program with these arguments.
fn host(args: &[&str]) -> Run {
    let mut command = Command::new(program());
    command
        .args(args)
        .env(
            "XDG_CACHE_HOME",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("caches"),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Run(command)
}

/// The program with the arguments that stand between spaces.
fn line(args: &str) -> Run {
    host(&args.split_whitespace().collect::<Vec<_>>())
}

impl Run {
    fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Run {
        self.0.env(name, value);
        self
    }

    fn start(mut self) -> Running {
        Running(Some(self.0.spawn().unwrap()))
    }

    fn run(self) -> Told {
        self.start().told()
    }

    /// Runs with this on stdin.
    fn given(mut self, input: impl AsRef<[u8]> + Send) -> Told {
        self.0.stdin(Stdio::piped());
        let mut running = self.start();
        let mut stdin = running.child().stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // A program that has seen enough does not read the rest.
                let _ = stdin.write_all(input.as_ref());
            });
            running.told()
        })
    }
}

/// A program that was started, and is killed where a test does not wait for its end.
struct Running(Option<Child>);

impl Running {
    fn child(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }

    fn signal(&mut self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(self.child()), signal).unwrap();
    }

    fn told(mut self) -> Told {
        let output = self.0.take().unwrap().wait_with_output().unwrap();
        Told {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Waits for its end, but not for all who have its pipes.
    #[track_caller]
    fn ends(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child().try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// Its workers, as soon as there are so many.
    #[track_caller]
    fn workers(&mut self, count: usize) -> Vec<u32> {
        let parent = self.child().id();
        let begun = Instant::now();
        loop {
            let workers: Vec<u32> = children(parent)
                .into_iter()
                .filter(|&pid| name(pid) == "host-worker")
                .collect();
            if workers.len() == count {
                return workers;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{} workers, not {count}",
                workers.len()
            );
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Told {
    /// Checks the exit code and all of stdout.
    #[track_caller]
    fn is(self, code: i32, stdout: &str) -> Told {
        assert_eq!(
            (self.code, self.stdout.as_str()),
            (Some(code), stdout),
            "stderr: {}",
            self.stderr
        );
        self
    }

    /// Checks that stderr has this.
    #[track_caller]
    fn says(self, words: &str) -> Told {
        assert!(
            self.stderr.contains(words),
            "`{words}` is not in: {}",
            self.stderr
        );
        self
    }

    /// Checks the whole of stderr.
    #[track_caller]
    fn says_only(self, stderr: &str) {
        assert_eq!(self.stderr, stderr);
    }

    /// Each line of stdout as JSON.
    #[track_caller]
    fn json(&self) -> Vec<Json> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn lines<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    values
        .into_iter()
        .map(|value| value.to_string() + "\n")
        .collect()
}

/// What `-v` says of each job: worker, pid, the rest.
fn work(stderr: &str) -> Vec<(u32, u32, String)> {
    let jobs = stderr.lines().filter(|line| line.starts_with("worker "));
    jobs.map(|line| {
        let (worker, rest) = line["worker ".len()..].split_once(" (pid ").unwrap();
        let (pid, call) = rest.split_once("): ").unwrap();
        (
            worker.parse().unwrap(),
            pid.parse().unwrap(),
            call.to_string(),
        )
    })
    .collect()
}

/// The children of a process.
fn children(parent: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{parent}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .map(|pid| pid.parse().unwrap())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Waits until these processes are gone. Whoever inherits them reaps them, so a dead one counts as gone.
#[track_caller]
fn gone_within(limit: Duration, pids: &[u32]) {
    let begun = Instant::now();
    let lives = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    };
    while pids.iter().any(lives) {
        assert!(begun.elapsed() < limit, "still there: {pids:?}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// A folder of one test, removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("host-program-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, contents).unwrap();
        path.to_str().unwrap().to_string()
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
