//! The program as a user runs it: started with a command line, read from its pipes, stopped with signals.

mod interrupts;

use crate::program;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
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

/// A process by its first argument.
fn name(pid: u32) -> String {
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(
        arguments
            .split(|&byte| byte == 0)
            .next()
            .unwrap_or_default(),
    )
    .into_owned()
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

#[test]
fn map_prints_the_results_in_the_order_of_the_items() {
    let told = line("map arith square 1..=12 --workers 4").run();
    told.is(0, &lines((1..=12).map(|n| n * n)))
        .says(" on 4 workers\n");
}

#[test]
fn map_tells_which_worker_did_which_job() {
    let told = line("map arith square 0..12 --workers 4 -v")
        .run()
        .is(0, &lines((0..12).map(|n| n * n)));
    let work = work(&told.stderr);
    let calls: BTreeSet<String> = work.iter().map(|(_, _, call)| call.clone()).collect();
    assert_eq!(
        calls,
        (0..12)
            .map(|n| format!("square({n}) = {}", n * n))
            .collect()
    );
    let pids: BTreeMap<u32, u32> = work.iter().map(|&(worker, pid, _)| (pid, worker)).collect();
    let seats: BTreeSet<u32> = pids.values().copied().collect();
    assert_eq!(
        seats.len(),
        pids.len(),
        "each worker keeps its process: {work:?}"
    );
    assert!(seats.iter().all(|seat| (1..=4).contains(seat)));
}

#[test]
fn all_workers_get_jobs_and_get_them_again() {
    // 5 ms are long enough that one worker alone is not given all jobs.
    let told = line("map faults sleep 5 5 5 5 5 5 5 5 5 5 5 5 --workers 4 -v -q").run();
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let mut jobs = BTreeMap::new();
    for (_, pid, _) in work(&told.stderr) {
        *jobs.entry(pid).or_insert(0) += 1;
    }
    assert_eq!(jobs.values().sum::<i32>(), 12);
    // A worker that starts late on a busy machine may miss some, but not all of them.
    assert!(
        jobs.len() > 1 && jobs.values().any(|&count| count > 1),
        "{jobs:?}"
    );
}

#[test]
fn the_examples_of_the_front_page_give_what_they_promise() {
    let roots = "1\n1.41\n1.73\n2\n2.24\n2.45\n2.65\n2.83\n3\n3.16\n";
    line("map arith square-root 1..=10").run().is(0, roots);
    line("starmap arith product (1,2,3) (3,4,5)")
        .run()
        .is(0, "6\n60\n");
    let record = r#"{name: "x", tags: ["a"], at: some(3)}"#;
    host(&["call", "types", &format!("echo-record({record})")])
        .run()
        .is(0, &format!("{record}\n"))
        .says_only("");
}

#[test]
fn a_result_in_text_and_in_json() {
    host(&["call", "arith", "product(2, 3, -7)", "--format", "json"])
        .run()
        .is(0, "{\"job\":0,\"value\":-42}\n");
    host(&["call", "faults", "log(\"x\")", "--format", "json"])
        .run()
        .is(0, "{\"job\":0,\"value\":null}\n");
    host(&["call", "faults", "read-file(\"/none\")"])
        .run()
        .is(0, "err(\"No such file or directory (os error 44)\")\n");
}

#[test]
fn a_good_result_stands_beside_the_bad_ones() {
    let told = line("map faults maybe-trap 0..100 --format json --workers 4").run();
    assert_eq!(told.code, Some(3));
    let rows = told.json();
    assert_eq!(rows.len(), 100);
    for (n, row) in rows.iter().enumerate() {
        assert_eq!(row["job"], n);
        if n % 10 != 7 {
            assert_eq!(row["value"], n);
            continue;
        }
        let fault = &row["fault"];
        assert_eq!(
            (&fault["cause"], &fault["attempt"]),
            (&"trap".into(), &1.into())
        );
        let stderr = fault["stderr"].as_str().unwrap();
        assert!(
            stderr.contains(&format!("maybe-trap({n}): the number ends in 7")),
            "{stderr}"
        );
        assert!(fault["pid"].as_u64().is_some_and(|pid| pid > 1));
        assert!(
            fault["backtrace"].to_string().contains("maybe-trap"),
            "{fault}"
        );
    }
    told.says("90 done, 10 failed in ");
}

#[test]
fn a_failed_job_in_text_has_no_line_on_stdout_and_an_error_on_stderr() {
    let told = line("map faults maybe-trap 6 7 8 -q").run().is(3, "6\n8\n");
    let pid = told
        .stderr
        .split("pid ")
        .nth(1)
        .unwrap()
        .split(')')
        .next()
        .unwrap();
    assert!(told.stderr.starts_with(&format!(
        "error: job 1 (attempt 1, pid {pid}): the guest trapped: "
    )));
    told.says("its last words: maybe-trap(7): the number ends in 7\n  at ")
        .says("#maybe-trap\n");
}

#[test]
fn limits_end_a_job_and_name_themselves() {
    let begun = Instant::now();
    line("call faults spin() --timeout 200ms")
        .run()
        .is(3, "")
        .says("still running after 200 ms")
        .says("--timeout");
    let took = begun.elapsed();
    assert!((200..2000).contains(&took.as_millis()), "{took:?}");
    line("call faults sleep(60000) --timeout 100ms")
        .run()
        .is(3, "")
        .says("still running after 100 ms");
    line("call faults spin() --fuel 1000000")
        .run()
        .is(3, "")
        .says("out of fuel: it may use 1000000 units");
    line("call faults eat-memory() --memory 64MiB")
        .run()
        .is(3, "")
        .says("out of memory: it may use 64 MiB");
    for (call, limit, cause) in [
        ("spin()", "--timeout=50ms", "timeout"),
        ("spin()", "--fuel=1000", "fuel"),
        ("eat-memory()", "--memory=8MiB", "memory"),
        ("now()", "--host-calls=0", "host-calls"),
        ("flood-stdout(2000)", "--log-size=1KiB", "log"),
        ("unreachable()", "--memory=8MiB", "trap"),
        ("exit(1)", "--memory=8MiB", "exit"),
    ] {
        let told = host(&["call", "faults", call, limit, "--format", "json"]).run();
        assert_eq!(
            (told.code, &told.json()[0]["fault"]["cause"]),
            (Some(3), &cause.into()),
            "{call} {limit}"
        );
    }
}

#[test]
fn a_job_that_had_to_be_stopped_does_not_stop_the_others() {
    let told =
        line("map faults sleep 1 60000 2 60000 3 --timeout 100ms --workers 2 --format json").run();
    assert_eq!(told.code, Some(3));
    let causes: Vec<String> = told
        .json()
        .iter()
        .map(|row| row["fault"]["cause"].to_string())
        .collect();
    assert_eq!(
        causes,
        ["null", "\"timeout\"", "null", "\"timeout\"", "null"]
    );
}

#[test]
fn items_may_be_ranges_and_negative_and_mixed() {
    line("map arith square 3 -3 -2..=2 7..7 5..7 -q")
        .run()
        .is(0, "9\n9\n4\n1\n0\n1\n4\n25\n36\n")
        .says_only("");
    line("map arith square 4..1").run().is(0, "");
    line("map arith square-root 0.25 4 16..18")
        .run()
        .is(0, "0.5\n2\n4\n4.12\n");
    line("starmap arith product (-1,2,3) ( 1,1,1 )")
        .run()
        .is(2, "");
    line("map arith evens [1,2,-4] []")
        .run()
        .is(0, "[2, -4]\n[]\n");
}

#[test]
fn whatever_the_chunks_and_the_workers_the_results_are_the_same() {
    let squares = lines((0..500).map(|n| n * n));
    for options in [
        "--chunk 1",
        "--chunk 7 --workers 3",
        "--chunk 1000",
        "--chunk auto",
        "--workers 50%",
    ] {
        line(&format!("map arith square 0..500 -q {options}"))
            .run()
            .is(0, &squares)
            .says_only("");
    }
}

#[test]
fn unordered_results_are_the_same_results() {
    let told =
        line("map arith square 0..500 --unordered --workers 4 --chunk 3 --format json").run();
    assert_eq!(told.code, Some(0));
    let mut seen: Vec<(u64, u64)> = told
        .json()
        .iter()
        .map(|row| (row["job"].as_u64().unwrap(), row["value"].as_u64().unwrap()))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..500).map(|n| (n, n * n)).collect::<Vec<_>>());
    line("map faults sleep 300 1 --unordered --workers 2 -v")
        .run()
        .says("sleep(1)");
}

#[test]
fn a_worker_is_replaced_after_so_many_jobs() {
    let told = line("map arith square 0..9 --workers 1 --max-jobs-per-worker 2 -v").run();
    let told = told.is(0, &lines((0..9).map(|n| n * n)));
    let mut jobs = BTreeMap::new();
    for (_, pid, _) in work(&told.stderr) {
        *jobs.entry(pid).or_insert(0) += 1;
    }
    let mut counts: Vec<i32> = jobs.into_values().collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 2, 2, 2]);
}

#[test]
fn a_run_stops_after_as_many_failed_jobs_as_may_fail() {
    let told = line("map faults maybe-trap 0..1000 --max-fail 2 -q").run();
    let good: Vec<u32> = (0..17).filter(|n| n % 10 != 7).collect();
    told.is(3, &lines(good)).says("stopped after 2 failed jobs");
    line("map faults maybe-trap 0..6 --max-fail 1 -q")
        .run()
        .is(0, &lines(0..6))
        .says_only("");
}

#[test]
fn an_instance_for_each_job_remembers_nothing() {
    let calls = [
        "starmap",
        "faults",
        "counter",
        "()",
        "()",
        "()",
        "--workers",
        "1",
        "-q",
    ];
    host(&calls).run().is(0, "1\n2\n3\n");
    host(&[&calls[..], &["--instance", "job"]].concat())
        .run()
        .is(0, "1\n1\n1\n");
}

#[test]
fn a_guest_has_the_folders_and_variables_that_it_is_given_and_no_others() {
    let folder = Folder::new();
    folder.file("in", "hello\n");
    let given = format!("{}::/data", folder.path());
    let read = |dir: &str| host(&["call", "faults", "read-file(\"/data/in\")", "--dir", dir]).run();
    let write = |dir: &str| {
        host(&[
            "call",
            "faults",
            "write-file(\"/data/out\", \"x\")",
            "--dir",
            dir,
        ])
        .run()
    };
    read(&given).is(0, "ok(\"hello\\n\")\n");
    read(&format!("{given}:ro")).is(0, "ok(\"hello\\n\")\n");
    assert!(write(&format!("{given}:ro")).stdout.starts_with("err("));
    assert!(!folder.0.join("out").exists());
    write(&given).is(0, "ok\n");
    assert_eq!(fs::read(folder.0.join("out")).unwrap(), b"x");
    read("/no/such/folder::/data")
        .is(2, "")
        .says("there is no directory");

    let environment = ["call", "faults", "environment()"];
    host(&environment).env("SECRET", "x").run().is(0, "[]\n");
    host(&[&environment[..], &["--env", "A=b=c", "--env", "B="]].concat())
        .run()
        .is(0, "[(\"A\", \"b=c\"), (\"B\", \"\")]\n");
}

#[test]
fn items_come_from_a_file_or_from_stdin() {
    let folder = Folder::new();
    let file = folder.file("items", "1\n\n   \n2\r\n3");
    host(&["map", "arith", "square", "--input", &file, "-q"])
        .run()
        .is(0, "1\n4\n9\n")
        .says_only("");
    line("map arith square --input -")
        .given("1\n2\n")
        .is(0, "1\n4\n")
        .says("2 jobs done");
    line("map arith square --input -")
        .given("")
        .is(0, "")
        .says("0 jobs done");
    line("starmap arith product --input -")
        .given("[1, 2, 3]\n[4,5,6]\n")
        .is(0, "6\n120\n");
    line("map arith evens --input -")
        .given("[1,2]\n[]\n")
        .is(0, "[2]\n[]\n");
    host(&["map", "arith", "square", "--input", "/no/such/file"])
        .run()
        .is(2, "")
        .says("/no/such/file");
    line("map arith square 1 --input -").given("1\n").is(2, "");
}

#[test]
fn the_text_of_many_lines_is_counted() {
    let documents = "\"One. Two two.\"\n\"Où es-tu? Là.\"\n";
    let told = line("map text stats --input - --format json").given(documents);
    assert_eq!(told.code, Some(0));
    let rows = told.json();
    assert_eq!(rows[0]["value"]["words"], 3);
    assert_eq!(
        rows[0]["value"]["frequent"][0],
        serde_json::json!({ "word": "two", "count": 2 })
    );
    assert_eq!(
        (
            &rows[1]["value"]["sentences"],
            &rows[1]["value"]["characters"]
        ),
        (&2.into(), &13.into())
    );
}

#[test]
fn a_wrong_line_ends_the_run_after_the_results_before_it() {
    let told = line("map arith square --input - -q").given("1\n\n2\nthree\n4\n");
    told.is(2, "1\n4\n")
        .says("error: `square` cannot take line 4 of stdin: ");
    line("map arith square --input - -q")
        .given("1\n2.5\n")
        .is(2, "1\n")
        .says("line 2 of stdin");
    line("map arith square --input - -q")
        .given(b"1\n\xff\n")
        .is(2, "1\n")
        .says("line 2 of stdin");
    line("starmap arith product --input - -q")
        .given("[1,2,3]\n[1,2]\n")
        .is(2, "6\n")
        .says("line 2 of stdin");
    // A failed job before the wrong line is told, too; the wrong line decides.
    line("map faults maybe-trap --input - -q")
        .given("7\nx\n")
        .is(2, "")
        .says("the number ends in 7")
        .says("line 2");
}

#[test]
fn a_long_input_takes_no_more_memory_than_a_short_one() {
    let peak_kib = |count: u32| {
        let input = lines(1..=count);
        let mut run = line("map arith square --input - -q");
        run.0.stdin(Stdio::piped());
        let mut running = run.start();
        let mut stdin = running.child().stdin.take().unwrap();
        let mut stdout = BufReader::new(running.child().stdout.take().unwrap());
        let pid = running.child().id();
        let writer = std::thread::spawn(move || {
            stdin.write_all(input.as_bytes()).unwrap();
        });
        let mut last = String::new();
        // It is not through yet, so it is there to be asked.
        for _ in 0..count - 20_000 {
            last.clear();
            stdout.read_line(&mut last).unwrap();
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let peak = status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap();
        let peak = peak
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap();
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        writer.join().unwrap();
        assert!(rest.ends_with(&format!("\n{}\n", u64::from(count) * u64::from(count))));
        assert_eq!(running.ends().code(), Some(0));
        peak
    };
    let (short, long) = (peak_kib(30_000), peak_kib(300_000));
    assert!(
        long < short + 8 * 1024,
        "{short} KiB for 30,000 lines, {long} KiB for 300,000"
    );
}

#[test]
fn a_reader_who_has_seen_enough_ends_the_run_quietly() {
    let mut running = line("map arith square 0..100000000").start();
    let mut first = String::new();
    BufReader::new(running.child().stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert_eq!(first, "0\n");
    assert_eq!(running.ends().code(), Some(0));
    let mut stderr = String::new();
    running
        .child()
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(stderr, "");
    for args in ["inspect arith", "--help", "completions bash"] {
        let mut running = line(args).start();
        drop(running.child().stdout.take());
        assert_eq!(running.ends().code(), Some(0), "{args}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let mut run = line("map arith square 1..=3 -q");
    run.0.stdout(
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap(),
    );
    let told = run.run();
    assert_eq!(told.code, Some(1));
    told.says("error: cannot write to stdout: ");
}

#[test]
fn ctrl_c_ends_a_run_that_waits_for_input() {
    let mut run = line("map arith square --input -");
    run.0.stdin(Stdio::piped());
    let mut running = run.start();
    let mut stdin = running.child().stdin.take().unwrap();
    let mut stdout = BufReader::new(running.child().stdout.take().unwrap());
    stdin.write_all(lines(0..1000).as_bytes()).unwrap();
    let mut printed = String::new();
    stdout.read_line(&mut printed).unwrap();
    let workers = children(running.child().id());
    running.signal(Signal::INT);
    assert_eq!(running.ends().code(), Some(130));
    stdout.read_to_string(&mut printed).unwrap();
    let count = printed.lines().count();
    assert_eq!(
        printed,
        lines((0..count).map(|n| n * n)),
        "all that was done, and nothing torn"
    );
    gone_within(PATIENCE, &workers);
    let mut stderr = String::new();
    let mut pipe = running.child().stderr.take().unwrap();
    pipe.read_to_string(&mut stderr).unwrap();
    assert!(stderr.contains("interrupted: "), "{stderr}");
    assert!(
        // On a busy machine it may be no more than 1 job.
        stderr.contains(&format!("\n{count} job")),
        "{stderr}"
    );
    drop(stdin);
}

#[test]
fn ctrl_c_lets_the_running_jobs_finish() {
    let naps = ["250"; 60];
    let mut running = host(
        &[
            &[
                "map",
                "faults",
                "sleep",
                "--workers",
                "2",
                "--format",
                "json",
                "1",
            ],
            &naps[..],
        ]
        .concat(),
    )
    .start();
    let mut stdout = BufReader::new(running.child().stdout.take().unwrap());
    let mut printed = String::new();
    stdout.read_line(&mut printed).unwrap();
    running.signal(Signal::INT);
    let asked = Instant::now();
    stdout.read_to_string(&mut printed).unwrap();
    assert_eq!(running.ends().code(), Some(130));
    let count = printed.lines().count();
    assert_eq!(
        printed,
        lines((0..count).map(|job| format!("{{\"job\":{job},\"value\":null}}")))
    );
    assert!(
        (2..60).contains(&count),
        "one at least was running: {printed}"
    );
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "not all 7 s of the rest: {:?}",
        asked.elapsed()
    );
}

#[test]
fn a_second_ctrl_c_kills_what_runs() {
    let mut running = line("map faults sleep 1 600000 600000 --workers 2").start();
    let mut stderr = BufReader::new(running.child().stderr.take().unwrap());
    let workers = running.workers(2);
    // Before its first result it may still be about to start, and have nothing to wait for.
    let mut stdout = BufReader::new(running.child().stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    let mut caught = String::new();
    running.signal(Signal::INT);
    stderr.read_line(&mut caught).unwrap();
    assert!(caught.starts_with("interrupted: "), "{caught}");
    assert!(
        running.child().try_wait().unwrap().is_none(),
        "it waits for the job that runs"
    );
    let asked = Instant::now();
    running.signal(Signal::INT);
    assert_eq!(running.ends().code(), Some(130));
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "{:?}",
        asked.elapsed()
    );
    gone_within(Duration::from_secs(1), &workers);
}

#[test]
fn ctrl_c_lets_processes_finish_and_a_second_one_kills_them() {
    let start = |nap: &str| {
        let naps = ["sleep(1)".to_owned(), format!("sleep({nap})")];
        let mut running = host(&["process", "faults", &naps[0], &naps[1]]).start();
        let mut stdout = BufReader::new(running.child().stdout.take().unwrap());
        let mut printed = String::new();
        stdout.read_line(&mut printed).unwrap();
        running.signal(Signal::INT);
        (running, stdout, printed)
    };
    let (mut running, mut stdout, mut printed) = start("300");
    stdout.read_to_string(&mut printed).unwrap();
    assert_eq!(printed, "()\n()\n");
    assert_eq!(running.ends().code(), Some(130));

    let (mut running, ..) = start("600000");
    let processes = children(running.child().id());
    let mut stderr = BufReader::new(running.child().stderr.take().unwrap());
    let mut caught = String::new();
    stderr.read_line(&mut caught).unwrap();
    assert!(caught.starts_with("interrupted: "), "{caught}");
    running.signal(Signal::INT);
    assert_eq!(running.ends().code(), Some(130));
    gone_within(Duration::from_secs(1), &processes);
}

#[test]
fn ctrl_c_ends_the_tour() {
    let mut running = line("tour").start();
    let mut stdout = BufReader::new(running.child().stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    running.signal(Signal::INT);
    assert_eq!(running.ends().code(), Some(130));
}

#[test]
fn the_deadline_of_the_run_ends_it() {
    let told = line("map faults sleep 1 600000 --deadline 500ms --workers 2 --format json").run();
    told.is(124, "{\"job\":0,\"value\":null}\n")
        .says("the run's deadline passed after 0.5 s");
    // Also where the input does not come.
    let mut run = line("map arith square --input - --deadline 300ms");
    run.0.stdin(Stdio::piped());
    let mut running = run.start();
    let _stdin = running.child().stdin.take();
    assert_eq!(running.ends().code(), Some(124));
}

#[test]
fn ctrl_c_and_the_deadline_end_a_run_that_still_compiles() {
    let folder = Folder::new();
    let start = |more: &str| {
        let mut running = line(&format!("map faults sleep 1 {more}"))
            .env("XDG_CACHE_HOME", folder.path())
            .start();
        let parent = running.child().id();
        let begun = Instant::now();
        let compiler = loop {
            // This name it gives itself, after it has asked to be killed with its parent.
            let named = |pid: &u32| {
                fs::read_to_string(format!("/proc/{pid}/comm"))
                    .is_ok_and(|name| name.trim() == "host-compiler")
            };
            let mut compilers = children(parent).into_iter().filter(named);
            if let Some(compiler) = compilers.next() {
                break compiler;
            }
            assert!(begun.elapsed() < PATIENCE);
            std::thread::park_timeout(Duration::from_millis(1));
        };
        // It must not be done before it is told to stop.
        rustix::process::kill_process(Pid::from_raw(compiler as i32).unwrap(), Signal::STOP)
            .unwrap();
        (running, compiler)
    };
    let (mut running, compiler) = start("");
    running.signal(Signal::INT);
    assert_eq!(running.ends().code(), Some(130));
    gone_within(PATIENCE, &[compiler]);
    let (running, compiler) = start("--deadline 1s");
    running.told().is(124, "").says("the run's deadline passed");
    gone_within(PATIENCE, &[compiler]);
}

#[test]
fn a_pool_that_can_start_no_worker_any_more_is_not_the_jobs_failure() {
    let mut running =
        line("map faults sleep 1 600000 600000 --workers 1 -v --chunk 1 --format json").start();
    let worker = running.workers(1)[0];
    let mut stdout = BufReader::new(running.child().stdout.take().unwrap());
    let mut printed = String::new();
    stdout.read_line(&mut printed).unwrap();
    let program = Pid::from_child(running.child());
    let none = Rlimit {
        current: Some(1),
        maximum: Some(1),
    };
    rustix::process::prlimit(Some(program), Resource::Nofile, none).unwrap();
    rustix::process::kill_process(Pid::from_raw(worker as i32).unwrap(), Signal::KILL).unwrap();
    stdout.read_to_string(&mut printed).unwrap();
    let told = running.told();
    assert_eq!(told.code, Some(1), "{printed}{}", told.stderr);
    let jobs: Vec<Json> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(jobs.len(), 3);
    assert_eq!(jobs[2]["fault"]["cause"], "no-worker", "{}", jobs[2]);
    told.says("\nsleep(600000) failed: no worker can be started: ");
}

#[test]
fn a_guest_that_exits_has_failed_its_job_whatever_the_code() {
    for code in ["0", "1"] {
        line(&format!("call faults exit({code})"))
            .run()
            .is(3, "")
            .says(&format!("the guest called `exit` with code {code}"));
    }
}

#[test]
fn a_killed_program_leaves_no_worker() {
    for call in ["spin()", "sleep(600000)"] {
        let mut running = host(&["call", "faults", call]).start();
        let workers = running.workers(1);
        running.signal(Signal::KILL);
        running.ends();
        gone_within(Duration::from_secs(1), &workers);
    }
    // Workers that are just being started, too.
    let mut running = line("map faults sleep 600000 --workers 20").start();
    let workers = running.workers(20);
    running.signal(Signal::KILL);
    running.ends();
    gone_within(Duration::from_secs(1), &workers);
}

#[test]
fn a_killed_worker_costs_no_result() {
    let mut running = line("map faults sleep 300 300 300 300 --workers 2 -q --format json").start();
    let victim = running.workers(2)[0];
    rustix::process::kill_process(Pid::from_raw(victim as i32).unwrap(), Signal::KILL).unwrap();
    let told = running.told();
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.stderr);
    assert_eq!(told.json().len(), 4);
}

#[test]
fn an_empty_cache_is_filled_by_two_programs_at_once() {
    let folder = Folder::new();
    let start = || {
        host(&["map", "arith", "square", "1..=3", "-q"])
            .env("XDG_CACHE_HOME", folder.path())
            .start()
    };
    for running in [start(), start()] {
        running.told().is(0, "1\n4\n9\n").says_only("");
    }
    let cache = folder.0.join("host");
    assert_eq!(
        fs::metadata(&cache).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let before: Vec<_> = fs::read_dir(&cache)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    let told = host(&["compile", "arith"])
        .env("XDG_CACHE_HOME", folder.path())
        .run();
    assert_eq!(told.code, Some(0));
    let file = Path::new(told.stdout.trim_end());
    assert!(
        file.starts_with(&cache) && file.is_file(),
        "{}",
        file.display()
    );
    let after: Vec<_> = fs::read_dir(&cache)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        before, after,
        "it was there already, and no scraps beside it"
    );
}

#[test]
fn compiling_is_for_runs_with_the_same_options() {
    let folder = Folder::new();
    let with = |args: &str| line(args).env("XDG_CACHE_HOME", folder.path()).run();
    let plain = with("compile arith");
    let fuelled = with("compile arith --fuel");
    let fresh = with("compile arith --instance job");
    assert_eq!(
        (plain.code, fuelled.code, fresh.code),
        (Some(0), Some(0), Some(0))
    );
    assert_ne!(plain.stdout, fuelled.stdout);
    assert_ne!(plain.stdout, fresh.stdout);
    let files = || fs::read_dir(folder.0.join("host")).unwrap().count();
    assert_eq!(files(), 3);
    with("call arith square(3) --instance job").is(0, "9\n");
    with("call arith square(3) --fuel 1000000").is(0, "9\n");
    with("call arith square(3)").is(0, "9\n");
    assert_eq!(files(), 3, "nothing was compiled again");
}

#[test]
fn without_a_cache_the_component_is_compiled_each_time() {
    host(&["call", "arith", "square(3)"])
        .env("XDG_CACHE_HOME", "/proc/none")
        .run()
        .is(0, "9\n");
    host(&["compile", "arith"])
        .env("XDG_CACHE_HOME", "/proc/none")
        .run()
        .is(1, "")
        .says("hint: ");
    let mut run = host(&["call", "arith", "square(3)"]);
    run.0.env_clear();
    run.run().is(0, "9\n").says_only("");
}

#[test]
fn bench_has_a_line_for_each_way_to_do_the_same_jobs() {
    let told = line("bench arith cubes 100 200 --jobs 50 --workers 2 --format json").run();
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let lines = told.json();
    let ways: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["mode"].as_str().unwrap(),
                line["workers"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(ways, [("one by one", 1), ("map", 1), ("map", 2)]);
    for line in &lines {
        assert_eq!(line["jobs"], 50);
        for figure in ["seconds", "jobs_per_second", "speed_up"] {
            assert!(line[figure].as_f64().unwrap() > 0.0, "{line}");
        }
    }
    assert_eq!(lines[0]["speed_up"], 1.0);
}

#[test]
fn bench_is_a_table_for_people() {
    let told = line("bench arith product (1,2,3) --jobs 20 --workers 3").run();
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert_eq!(&lines[..2], ["product, 20 jobs", ""]);
    let heads = [
        "",
        "one by one",
        "map, 1 worker",
        "map, 2 workers",
        "map, 3 workers",
    ];
    for (line, head) in lines[2..].iter().zip(heads) {
        assert!(line.starts_with(&format!("{head:16}")), "{line}");
        assert_eq!(line.len(), lines[2].len(), "columns stand below each other");
    }
    assert_eq!(lines.len(), 2 + heads.len());
}

#[test]
fn bench_ends_with_the_first_failed_job_or_before_the_first() {
    line("bench faults maybe-trap 1 2 7 --jobs 9")
        .run()
        .is(3, "")
        .says("unreachable");
    line("bench arith sqare 1")
        .run()
        .is(2, "")
        .says("did you mean `square`?");
    line("bench arith square 1..1")
        .run()
        .is(2, "")
        .says("nothing to measure");
}

#[test]
fn inspect_shows_functions_and_imports() {
    let told = line("inspect arith").run();
    assert_eq!(told.code, Some(0));
    assert!(
        told.stdout
            .starts_with("functions:\n  pool:tasks/arith@0.1.0\n    square: func(n: s64) -> s64\n")
    );
    assert!(told.stdout.contains("\nimports:\n  wasi:") && told.stdout.contains("\nwit:\n"));
    let json: Json =
        serde_json::from_str(&line("inspect arith --format json").run().stdout).unwrap();
    assert_eq!(
        json["functions"][0]["full_name"],
        "pool:tasks/arith@0.1.0#square"
    );
    assert!(
        line("inspect bare")
            .run()
            .stdout
            .contains("imports: none\n")
    );
}

#[test]
fn each_shell_gets_completions_with_the_commands_but_not_the_private_one() {
    for shell in ["bash", "fish", "zsh", "elvish", "powershell"] {
        let told = host(&["completions", shell]).run();
        assert_eq!(told.code, Some(0), "{shell}");
        assert!(
            told.stdout.contains("starmap") && told.stdout.contains("max-fail"),
            "{shell}"
        );
    }
    line("completions tcsh").run().is(2, "");
}

#[test]
fn help_lists_the_exit_codes_and_hides_the_worker() {
    let help = line("--help").run();
    assert_eq!(help.code, Some(0));
    for code in ["0  ", "1  ", "2  ", "3  ", "124", "130"] {
        assert!(
            help.stdout.contains(&format!("\n  {code}  ")),
            "{}",
            help.stdout
        );
    }
    assert!(!help.stdout.contains("\n  worker"), "{}", help.stdout);
    for wrong in [
        "",
        "map",
        "map arith",
        "map arith square",
        "nap arith square 1",
        "map arith square 1 --chunk 0",
    ] {
        let told = line(wrong).run().is(2, "");
        assert!(!told.stderr.is_empty(), "{wrong}");
    }
}

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
    for role in ["worker", "compiler"] {
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

#[test]
fn too_few_descriptors_are_an_error_or_a_smaller_pool_but_no_hang() {
    // The limit is inherited, so a shell sets it.
    let with = |descriptors: u32| {
        let run = line("");
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -n \"$0\"; exec \"$@\""])
            .arg(descriptors.to_string())
            .arg(program())
            .args(["map", "arith", "square", "1..=50", "--workers", "30", "-q"])
            .envs(
                run.0
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Run(command).run()
    };
    with(64).is(0, &lines((1..=50).map(|n| n * n)));
    with(12)
        .is(1, "")
        .says("error: ")
        .says("Too many open files");
    for descriptors in 4..40 {
        let told = with(descriptors);
        assert!(
            matches!(told.code, Some(0 | 1)),
            "{descriptors}: {:?} {}",
            told.code,
            told.stderr
        );
        assert_eq!(
            told.code == Some(0),
            told.stderr.is_empty(),
            "{descriptors}: {}",
            told.stderr
        );
    }
}

#[test]
fn quiet_is_quiet_and_verbose_is_not() {
    line("map arith square 1..=3 --quiet")
        .run()
        .is(0, "1\n4\n9\n")
        .says_only("");
    let told = line("map arith square 1..=3").run();
    assert!(
        told.stderr.starts_with("3 jobs done in ") && told.stderr.lines().count() == 1,
        "{}",
        told.stderr
    );
    let told = line("map arith square 1..=3 -v -q")
        .run()
        .is(0, "1\n4\n9\n");
    assert_eq!(work(&told.stderr).len(), 3);
    assert_eq!(told.stderr.lines().count(), 3, "{}", told.stderr);
    line("map faults maybe-trap 7 -v -q")
        .run()
        .is(3, "")
        .says("maybe-trap(7) failed: the guest trapped");
}
