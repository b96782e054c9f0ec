//! Workers that a guest has taken over: they have the parent's descriptors and say what they like. Whatever they do
//! costs the job that they ran, and nobody else notices.
//!
//! The hostile worker is this very test program, started for the one test
//! `does_its_deed_where_a_pool_starts_it_and_is_nothing_else`; which deed, the pool tells it as a variable of the guest.
//! It writes the channel's layout down a second time, so a change of the layout shows here.

use crate::program;
use host::{BuildError, Cause, End, Error, Limits, Pool};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags};
use std::fs::{self, File};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::time::{Duration, Instant};

/// The number whose square the worker misbehaves at.
const TARGET: i64 = 57;
/// How long any misdeed may hold up the jobs.
const DEADLINE: Duration = Duration::from_secs(5);

/// How many workers of a pool misbehave, and how.
struct Plot {
    /// One file for each misdeed that is still to be done; empty after that.
    tokens: PathBuf,
    deed: &'static str,
    /// Whether the worker says that the job runs before it misbehaves.
    started: bool,
}

impl Plot {
    fn new(deed: &'static str, times: usize) -> Plot {
        static PLOTS: AtomicU32 = AtomicU32::new(0);
        let number = PLOTS.fetch_add(1, Ordering::Relaxed);
        let tokens =
            std::env::temp_dir().join(format!("host-hostile-{}-{number}", std::process::id()));
        fs::create_dir(&tokens).unwrap();
        for token in 0..times {
            File::create(tokens.join(token.to_string())).unwrap();
        }
        Plot {
            tokens,
            deed,
            started: true,
        }
    }

    fn before_the_job_starts(mut self) -> Plot {
        self.started = false;
        self
    }

    fn builder(&self) -> host::Builder {
        let deed = if self.started {
            self.deed.to_string()
        } else {
            format!("early {}", self.deed)
        };
        Pool::builder()
            .component("arith")
            .workers(1)
            .worker_program(&*SCRIPT)
            .cache_dir(Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))
            .env("DEED", deed)
            .env("TOKENS", self.tokens.to_str().unwrap())
    }

    fn pool(&self) -> Pool {
        self.builder().build().unwrap()
    }

    fn timed_pool(&self) -> Pool {
        let limits = Limits {
            timeout: Some(Duration::from_millis(100)),
            ..Limits::default()
        };
        self.builder().limits(limits).build().unwrap()
    }

    fn left(&self) -> usize {
        fs::read_dir(&self.tokens).unwrap().count()
    }
}

impl Drop for Plot {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.tokens);
    }
}

/// A program that starts the hostile worker, or the real compiler. `sh` writes it, so that no process of this program
/// can hold it open for writing while another one starts it.
static SCRIPT: LazyLock<PathBuf> = LazyLock::new(|| {
    let path =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hostile-{}", std::process::id()));
    let this = std::env::current_exe().unwrap();
    let script = format!(
        "#!/bin/sh\n[ \"$HOST_ROLE\" = compiler ] && exec '{}'\nexec '{}' {WORKER} --exact --nocapture\n",
        program().display(),
        this.display()
    );
    let status = Command::new("sh")
        .args(["-c", "printf %s \"$1\" > \"$0\""])
        .arg(&path)
        .arg(script)
        .status();
    assert!(status.unwrap().success());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
});

/// Runs `body` and fails if it is held up.
#[track_caller]
fn in_time<T>(what: &str, body: impl FnOnce() -> T + Send) -> T
where
    T: Send,
{
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let (tell, told) = std::sync::mpsc::channel();
        scope.spawn(move || tell.send(body()));
        match told.recv_timeout(DEADLINE) {
            Ok(result) => result,
            // The scope would wait for the thread that hangs.
            Err(_) => {
                eprintln!("{what}: still nothing after {:?}", begun.elapsed());
                std::process::abort();
            }
        }
    })
}

/// One misdeed costs one job this cause, and the next job finds a worker that behaves.
#[track_caller]
fn costs(plot: &Plot, pool: &Pool, expected: impl Fn(&Cause) -> bool) {
    let deed = plot.deed;
    let result = in_time(deed, || pool.apply::<i64>("square", (TARGET,)));
    match &result {
        Err(Error::Job(fault)) if expected(&fault.cause) => {}
        other => panic!("{deed}: {other:?}"),
    }
    behaves_again(plot, pool);
}

/// The misdeeds are done, and cost nothing.
#[track_caller]
fn costs_nothing(plot: &Plot, pool: &Pool) {
    let deed = plot.deed;
    let result = in_time(deed, || pool.apply::<i64>("square", (TARGET,)));
    assert_eq!(result, Ok(TARGET * TARGET), "{deed}");
    behaves_again(plot, pool);
}

#[track_caller]
fn behaves_again(plot: &Plot, pool: &Pool) {
    assert_eq!(
        plot.left(),
        0,
        "{}: was done as often as it was meant to be",
        plot.deed
    );
    let results = in_time(plot.deed, || pool.map::<i64>("square", 55..60));
    assert_eq!(
        results,
        Ok(vec![3025, 3136, 3249, 3364, 3481]),
        "{}: after it",
        plot.deed
    );
}

fn nonsense(cause: &Cause) -> bool {
    matches!(cause, Cause::WorkerLost(End::Nonsense(_)))
}

#[test]
fn a_worker_that_dies_in_a_job_costs_that_job_only_if_the_next_one_dies_too() {
    for (deed, end) in [
        ("kill", End::Killed(9)),
        ("exit 0", End::Exited(0)),
        ("exit 1", End::Exited(1)),
        ("close", End::Killed(9)),
        ("half a frame", End::Exited(1)),
    ] {
        let plot = Plot::new(deed, 1);
        costs_nothing(&plot, &plot.pool());
        let plot = Plot::new(deed, 2);
        costs(&plot, &plot.pool(), |cause| {
            *cause == Cause::Poisoned(end.clone())
        });
    }
}

#[test]
fn a_worker_that_dies_before_the_job_starts_costs_nothing() {
    for deed in ["kill", "exit 0", "close", "half a frame"] {
        let plot = Plot::new(deed, 2).before_the_job_starts();
        costs_nothing(&plot, &plot.pool());
    }
}

#[test]
fn a_job_whose_workers_all_die_before_it_starts_fails_in_the_end() {
    let plot = Plot::new("kill", 100).before_the_job_starts();
    let pool = plot.pool();
    let result = in_time(plot.deed, || pool.apply::<i64>("square", (TARGET,)));
    assert!(
        matches!(&result, Err(Error::Job(fault)) if fault.attempt == 0
            && fault.cause == Cause::WorkerLost(End::Killed(9))),
        "{result:?}"
    );
    assert!(plot.left() > 90, "it does not go on for long");
}

#[test]
fn a_worker_whose_socket_lives_on_in_its_child_is_seen_to_be_dead() {
    let plot = Plot::new("leave a child", 2);
    costs(&plot, &plot.pool(), |cause| {
        *cause == Cause::Poisoned(End::Killed(9))
    });
}

#[test]
fn a_worker_that_speaks_nonsense_costs_its_job() {
    for deed in [
        "unknown kind",
        "request",
        "wrong job",
        "unknown job",
        "oversized",
        "oversized report",
        "published ahead",
        "published back",
        "published to the end",
    ] {
        let plot = Plot::new(deed, 1);
        costs(&plot, &plot.pool(), nonsense);
    }
}

#[test]
fn a_worker_that_lies_about_the_space_in_the_ring_costs_its_job() {
    let long = vec![1_i64; 1 << 16];
    for deed in ["taken ahead", "taken back", "taken to the end"] {
        let plot = Plot::new(deed, 1);
        let pool = plot.pool();
        let result = in_time(deed, || pool.apply::<Vec<i64>>("evens", (&long,)));
        assert!(
            matches!(&result, Err(Error::Job(fault)) if nonsense(&fault.cause)),
            "{deed}: {result:?}"
        );
        assert_eq!(pool.stats().workers_lost, 1, "{deed}");
        behaves_again(&plot, &pool);
    }
}

#[test]
fn a_result_that_is_none_costs_its_job_and_not_its_worker() {
    for deed in ["garbage value", "empty value", "garbage report"] {
        let plot = Plot::new(deed, 1);
        let pool = plot.pool();
        costs(&plot, &pool, |cause| matches!(cause, Cause::Result(_)));
        assert_eq!(pool.stats().workers_lost, 0, "{deed}");
    }
}

/// `cube` is swept. What this worker gives for it are squares, which is no lie that anybody could notice.
#[test]
fn a_lie_about_many_jobs_costs_the_worker_and_no_job() {
    for deed in [
        "list: none",
        "list: too many",
        "list: nothing",
        "list: refused",
        "list: one value",
        "list: wrong job",
        "list: kill",
        "list: half, then kill",
    ] {
        let plot = Plot::new(deed, 1);
        let pool = plot.builder().chunk(100).build().unwrap();
        let results = in_time(deed, || pool.map::<i64>("cube", 0..1000));
        let squares: Vec<i64> = (0..1000).map(|n| n * n).collect();
        assert_eq!(results, Ok(squares), "{deed}");
        assert_eq!(pool.stats().workers_lost, 1, "{deed}");
        behaves_again(&plot, &pool);
    }
}

#[test]
fn a_job_that_kills_two_workers_alone_in_its_list_is_poisoned() {
    let plot = Plot::new("list: kill", 2);
    let pool = plot.pool();
    let result = in_time(plot.deed, || pool.map::<i64>("cube", [5]));
    assert!(
        matches!(&result, Err(Error::Job(fault)) if fault.attempt == 2
            && fault.cause == Cause::Poisoned(End::Killed(9))),
        "{result:?}"
    );
    assert_eq!(pool.stats().workers_lost, 2);
    behaves_again(&plot, &pool);
}

#[test]
fn a_list_that_is_none_costs_its_jobs_and_not_the_worker() {
    let plot = Plot::new("list: short", 1);
    let pool = plot.builder().chunk(100).build().unwrap();
    let results = in_time(plot.deed, || {
        let all = pool.imap::<i64, _>("cube", 0..1000_i64).unwrap();
        all.collect::<Vec<_>>()
    });
    for (n, result) in results.into_iter().enumerate() {
        match result {
            Ok(square) if n >= 100 => assert_eq!(square, (n * n) as i64),
            Err(Error::Job(fault)) if n < 100 => {
                assert!(matches!(fault.cause, Cause::Result(_)), "{fault}");
            }
            other => panic!("{n}: {other:?}"),
        }
    }
    assert_eq!(pool.stats().workers_lost, 0);
}

#[test]
fn an_answer_too_many_costs_nothing_but_the_worker() {
    let plot = Plot::new("two answers", 1);
    let pool = plot.pool();
    costs_nothing(&plot, &pool);
    assert_eq!(pool.stats().workers_lost, 1);
}

#[test]
fn bells_and_words_that_mean_nothing_cost_nothing() {
    for deed in ["flood of bells", "parked", "log length"] {
        let plot = Plot::new(deed, 1);
        costs_nothing(&plot, &plot.pool());
    }
}

#[test]
fn an_answer_that_is_rewritten_while_it_is_read_is_one_answer_or_nonsense() {
    let plot = Plot::new("rewrite", 1);
    let pool = plot.pool();
    match pool.apply::<i64>("square", (TARGET,)) {
        Ok(_) => {}
        Err(Error::Job(fault)) => assert!(
            matches!(fault.cause, Cause::WorkerLost(End::Nonsense(_))),
            "{fault}"
        ),
        Err(error) => panic!("{error}"),
    }
    assert_eq!(pool.apply("square", (3_i64,)), Ok(9_i64));
}

#[test]
fn a_worker_that_never_begins_costs_nothing_but_itself() {
    let plot = Plot::new("never started", 1).before_the_job_starts();
    let pool = plot.timed_pool();
    costs_nothing(&plot, &pool);
    assert_eq!(pool.stats().workers_lost, 1);
}

#[test]
fn a_silent_worker_is_killed_when_its_job_has_no_more_time() {
    let plot = Plot::new("silence", 1);
    costs(&plot, &plot.timed_pool(), |cause| {
        matches!(cause, Cause::Timeout(_))
    });
}

#[test]
fn a_silent_worker_cannot_win_time_by_lying_about_the_start() {
    for deed in ["started in the future", "started again and again"] {
        let plot = Plot::new(deed, 1).before_the_job_starts();
        costs(&plot, &plot.timed_pool(), |cause| {
            matches!(
                cause,
                Cause::Timeout(_) | Cause::WorkerLost(End::Nonsense(_))
            )
        });
    }
}

#[test]
fn the_other_jobs_of_a_hostile_worker_have_their_results() {
    for (deed, times) in [
        ("kill", 2),
        ("unknown kind", 1),
        ("published ahead", 1),
        ("garbage value", 1),
    ] {
        let plot = Plot::new(deed, times);
        let pool = plot.builder().workers(2).build().unwrap();
        let (good, bad): (Vec<_>, Vec<_>) = in_time(deed, || {
            pool.imap::<i64, _>("square", 0..300_i64)
                .unwrap()
                .enumerate()
                .partition(|(_, result)| result.is_ok())
        });
        assert_eq!(bad.len(), 1, "{deed}: {bad:?}");
        let blamed = bad[0].0 as i64;
        if deed == "published ahead" {
            // What the worker answered before it, and nobody had taken yet, can't be told from the nonsense any more.
            assert!(blamed <= TARGET, "{blamed}");
        } else {
            assert_eq!(blamed, TARGET, "{deed}");
        }
        for (n, result) in good {
            assert_eq!(result, Ok((n * n) as i64), "{deed}");
        }
    }
}

#[test]
fn a_worker_that_cannot_be_started_again_does_not_leave_its_caller_waiting() {
    let plot = Plot::new("kill for good", 1);
    let pool = plot.pool();
    let result = in_time(plot.deed, || pool.apply::<i64>("square", (TARGET,)));
    assert!(
        matches!(&result, Err(Error::Job(fault)) if matches!(fault.cause, Cause::NoWorker(_))),
        "{result:?}"
    );
    let next = in_time(plot.deed, || pool.apply::<i64>("square", (3,)));
    assert!(
        matches!(&next, Err(Error::Job(fault)) if matches!(fault.cause, Cause::NoWorker(_))),
        "{next:?}"
    );
}

#[test]
fn a_worker_that_does_not_greet_well_is_an_error_of_the_build() {
    for (deed, told) in [
        ("greet: kill", "signal 9"),
        ("greet: exit", "exited with code 1"),
        ("greet: garbage", "no greeting"),
        ("greet: nothing", "no greeting"),
        ("greet: long", "no greeting"),
        ("greet: version", "version 77"),
        ("greet: sorry", "not today"),
        ("greet: leave a child", "signal 9"),
    ] {
        let plot = Plot::new(deed, 100);
        let error = in_time(deed, || plot.builder().build().unwrap_err());
        assert!(matches!(error, BuildError::Start(_)), "{deed}: {error:?}");
        assert!(error.to_string().contains(told), "{deed}: {error}");
    }
}

// The worker.

const WORKER: &str = "hostile::does_its_deed_where_a_pool_starts_it_and_is_nothing_else";

#[test]
fn does_its_deed_where_a_pool_starts_it_and_is_nothing_else() {
    if std::env::var_os("HOST_ROLE").is_some() {
        Worker::start().serve();
        std::process::exit(0);
    }
    // Without a pool it has nothing to serve.
    let alone = Command::new(std::env::current_exe().unwrap())
        .args([WORKER, "--exact"])
        .env("HOST_ROLE", "worker")
        .stdin(Stdio::null())
        .output();
    assert!(!alone.unwrap().status.success());
}

/// The ring's capacity, where the shared words begin in the file, and how far they are apart.
const CAPACITY: u64 = 256 << 10;
const WORDS: u64 = CAPACITY;
const WORD: u64 = 64;

/// Words of a memory.
const PUBLISHED: u64 = 0;
const TAKEN: u64 = 1;
const PARKED: u64 = 2;
const STARTED: u64 = 3;
const LOG_LENGTH: u64 = 4;

const JOB: u8 = 2;
const VALUE: u8 = 3;
const FAULT: u8 = 4;
const BATCH: u8 = 5;
const REFUSED: u8 = 6;
const SWEEP: u8 = 7;
const VALUES: u8 = 8;

struct Worker {
    requests: File,
    answers: File,
    taken: u64,
    published: u64,
    answered: u64,
    deed: String,
    early: bool,
    tokens: PathBuf,
}

impl Worker {
    /// Takes what the parent gives, and greets.
    fn start() -> Worker {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut slot = [0; 4];
        let stdin = std::io::stdin();
        rustix::net::recvmsg(
            &stdin,
            &mut [IoSliceMut::new(&mut slot)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
        .unwrap();
        let mut given: Vec<OwnedFd> = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                given.extend(descriptors);
            }
        }
        let [requests, answers, _, start]: [OwnedFd; 4] = given.try_into().unwrap();
        let start = File::from(start);
        let mut told = vec![0; start.metadata().unwrap().len() as usize];
        start.read_exact_at(&mut told, 0).unwrap();
        let deed = variable(&told, "DEED");
        let worker = Worker {
            requests: requests.into(),
            answers: answers.into(),
            taken: 0,
            published: 0,
            answered: 0,
            early: deed.starts_with("early "),
            deed: deed.trim_start_matches("early ").to_string(),
            tokens: variable(&told, "TOKENS").into(),
        };
        worker.greet();
        worker
    }

    fn greet(&self) {
        let ready = [0, 4, 0];
        match self.deed.strip_prefix("greet: ") {
            Some("kill") => kill(),
            Some("exit") => std::process::exit(1),
            Some("garbage") => say(&[7, 7, 7]),
            Some("nothing") => say(&[1]),
            Some("long") => say(&[9; 5000]),
            Some("version") => say(&[0, 77, 0]),
            Some("sorry") => say(b"\x01\x09not today"),
            Some("leave a child") => {
                leave_a_child();
                kill();
            }
            Some(other) => panic!("no greeting is called {other}"),
            // The deed was done before, and no worker can take this one's place.
            None if self.deed == "kill for good" && !fs::exists(self.tokens.join("0")).unwrap() => {
                std::process::exit(1)
            }
            None => say(&ready),
        }
    }

    /// Squares numbers, and does its deed.
    fn serve(&mut self) {
        loop {
            let (kind, job, payload) = self.request();
            if kind == BATCH {
                // It has but one deed at a time in mind.
                let jobs = u32::from_le_bytes(*payload.first_chunk().unwrap());
                self.answer(REFUSED, job, &[]);
                self.answered += u64::from(jobs);
                continue;
            }
            if kind == SWEEP {
                self.sweep(job, &payload);
                continue;
            }
            if kind != JOB {
                continue;
            }
            // Everything else than a number is a list, in which it finds nothing.
            let Ok(n) = payload.try_into().map(i64::from_le_bytes) else {
                self.answer(VALUE, job, &[0; 4]);
                self.answered += 1;
                continue;
            };
            let square = (n * n).to_le_bytes();
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            let now = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
            let meant = n == TARGET && self.takes_token();
            if !meant || !self.early {
                self.set(STARTED, self.since(now));
            }
            if meant {
                self.misbehave(job, &square, now);
            } else {
                self.answer(VALUE, job, &square);
            }
            self.set(STARTED, 0);
            self.answered += 1;
        }
    }

    /// Squares the numbers of a list, and does its deed to the answer.
    fn sweep(&mut self, job: u32, list: &[u8]) {
        let (count, numbers) = list.split_first_chunk().unwrap();
        let count = u32::from_le_bytes(*count);
        let squares = numbers.as_chunks().0.iter().flat_map(|number| {
            let number = i64::from_le_bytes(*number);
            (number * number).to_le_bytes()
        });
        let squares: Vec<u8> = squares.collect();
        let results = |told: u32| [&told.to_le_bytes()[..], &squares].concat();
        let all = results(count);
        let deed = if self.deed.starts_with("list: ") && self.takes_token() {
            self.deed.clone()
        } else {
            String::new()
        };
        self.set(STARTED, self.since(monotonic()));
        match &deed[..] {
            "" => self.answer(VALUES, job, &all),
            "list: none" => self.answer(VALUES, job, &results(0)),
            "list: too many" => self.answer(VALUES, job, &results(count + 1)),
            "list: nothing" => self.answer(VALUES, job, &[]),
            "list: refused" => self.answer(REFUSED, job, &[]),
            "list: one value" => self.answer(VALUE, job, &all),
            "list: wrong job" => self.answer(VALUES, job + 1, &all),
            "list: half, then kill" => {
                let half = count / 2;
                let bytes = 4 + 8 * half as usize;
                self.answer(VALUES, job, &results(half)[..bytes]);
                kill();
            }
            "list: short" => self.answer(VALUES, job, &all[..all.len() - 8]),
            "list: kill" => kill(),
            other => panic!("no misdeed is called {other}"),
        }
        self.set(STARTED, 0);
        self.answered += u64::from(count);
    }

    /// The word that says that the job runs since then: its low bits count the jobs before it.
    fn since(&self, nanoseconds: u64) -> u64 {
        nanoseconds & !0xffff | self.answered & 0xffff
    }

    fn misbehave(&mut self, job: u32, square: &[u8], now: u64) {
        let start = self.published;
        match self.deed.as_str() {
            "kill" | "kill for good" => kill(),
            "exit 0" => std::process::exit(0),
            "exit 1" => std::process::exit(1),
            "close" => {
                // `exec` is how a safe program closes its standard input.
                let error = Command::new("sh").args(["-c", "exec <&-; sleep 10"]).exec();
                panic!("{error}");
            }
            "leave a child" => {
                leave_a_child();
                kill();
            }
            "half a frame" => {
                self.put(&header(VALUE, job, 8));
                self.publish();
                std::process::exit(1);
            }
            "silence" | "never started" => rest(),
            "started in the future" => {
                self.set(STARTED, self.since(now + (1 << 50)));
                rest();
            }
            "started again and again" => loop {
                self.set(STARTED, 0);
                self.set(STARTED, self.since(monotonic()));
            },
            "unknown kind" => self.answer(9, job, square),
            "request" => self.answer(JOB, job, square),
            "wrong job" => self.answer(VALUE, job ^ 1, square),
            "unknown job" => self.answer(VALUE, job + 1000, square),
            "oversized" => self.announce(VALUE, job, u32::MAX),
            "oversized report" => self.announce(FAULT, job, 1 << 30),
            "published ahead" => self.claim(PUBLISHED, start + CAPACITY + 1),
            "published back" => self.claim(PUBLISHED, start.wrapping_sub(8)),
            "published to the end" => self.claim(PUBLISHED, u64::MAX),
            "garbage value" => self.answer(VALUE, job, &[1; 21]),
            "empty value" => self.answer(VALUE, job, &[]),
            "garbage report" => self.answer(FAULT, job, &[255; 40]),
            "two answers" => {
                self.put_frame(VALUE, job, square);
                self.put_frame(VALUE, job, square);
                self.publish();
            }
            "flood of bells" => {
                for _ in 0..20_000 {
                    say(&[1]);
                }
                self.answer(VALUE, job, square);
            }
            "parked" => {
                for lie in [0, 1, u64::MAX, 0].repeat(1000) {
                    self.set(PARKED, lie);
                }
                self.answer(VALUE, job, square);
            }
            "log length" => {
                self.set(LOG_LENGTH, u64::MAX);
                self.answer(VALUE, job, square);
            }
            "rewrite" => {
                self.answer(VALUE, job, square);
                let place = start % CAPACITY;
                for byte in 0..20_000_u32 {
                    self.answers.write_all_at(&[byte as u8; 16], place).unwrap();
                }
            }
            other => panic!("no misdeed is called {other}"),
        }
    }

    /// The next request: its kind, its job and its payload.
    fn request(&mut self) -> (u8, u32, Vec<u8>) {
        let head = u64::from_le_bytes(self.take(8).try_into().unwrap());
        let length = head as u32 as usize;
        if length as u64 > CAPACITY && self.takes_token() {
            // The parent looks at this word where an argument is longer than the ring.
            match self.deed.as_str() {
                "taken ahead" => self.claim(TAKEN, self.taken + CAPACITY + 1),
                "taken back" => self.claim(TAKEN, self.taken.wrapping_sub(64)),
                "taken to the end" => self.claim(TAKEN, u64::MAX),
                other => panic!("no misdeed in a long argument is called {other}"),
            }
        }
        let mut payload = self.take(length.next_multiple_of(8));
        payload.truncate(length);
        ((head >> 56) as u8, (head >> 32) as u32 & 0xff_ffff, payload)
    }

    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        while taken.len() < bytes {
            let piece = self.wait_for_bytes().min(bytes - taken.len());
            let mut bytes = vec![0; piece];
            for byte in &mut bytes {
                self.requests
                    .read_exact_at(std::slice::from_mut(byte), self.taken % CAPACITY)
                    .unwrap();
                self.taken += 1;
            }
            taken.extend(bytes);
            self.set(TAKEN, self.taken);
        }
        taken
    }

    /// How many bytes of requests are there, at least one.
    fn wait_for_bytes(&self) -> usize {
        while self.asked() == self.taken {
            self.set(PARKED, 1);
            // The parent may have more to send, and wait for the space.
            say(&[1]);
            fence(Ordering::SeqCst);
            if self.asked() == self.taken && hear() == 0 {
                std::process::exit(0);
            }
            self.set(PARKED, 0);
        }
        (self.asked() - self.taken) as usize
    }

    fn asked(&self) -> u64 {
        let mut word = [0; 8];
        self.requests
            .read_exact_at(&mut word, WORDS + PUBLISHED * WORD)
            .unwrap();
        u64::from_le_bytes(word)
    }

    fn answer(&mut self, kind: u8, job: u32, payload: &[u8]) {
        self.put_frame(kind, job, payload);
        self.publish();
    }

    /// Says that an answer of this length comes, and nothing else.
    fn announce(&mut self, kind: u8, job: u32, length: u32) {
        self.put(&header(kind, job, length));
        self.publish();
        rest();
    }

    /// Writes an index that cannot be.
    fn claim(&self, word: u64, value: u64) {
        self.set(word, value);
        say(&[1]);
        rest();
    }

    fn put_frame(&mut self, kind: u8, job: u32, payload: &[u8]) {
        self.put(&header(kind, job, payload.len() as u32));
        let mut padded = payload.to_vec();
        padded.resize(payload.len().next_multiple_of(8), 0);
        self.put(&padded);
    }

    fn put(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.answers
                .write_all_at(&[*byte], self.published % CAPACITY)
                .unwrap();
            self.published += 1;
        }
    }

    fn publish(&self) {
        self.set(PUBLISHED, self.published);
        say(&[1]);
    }

    fn set(&self, word: u64, value: u64) {
        self.answers
            .write_all_at(&value.to_le_bytes(), WORDS + word * WORD)
            .unwrap();
    }

    /// Whether this worker is among those that misbehave.
    fn takes_token(&self) -> bool {
        let tokens = fs::read_dir(&self.tokens).unwrap().flatten();
        tokens
            .into_iter()
            .any(|token| fs::remove_file(token.path()).is_ok())
    }
}

/// The value of a guest's variable in the encoded start: each text stands behind its length.
fn variable(start: &[u8], name: &str) -> String {
    let name = [&[name.len() as u8], name.as_bytes()].concat();
    let place = start
        .windows(name.len())
        .position(|window| window == name)
        .unwrap()
        + name.len();
    let length = usize::from(start[place]);
    String::from_utf8(start[place + 1..][..length].to_vec()).unwrap()
}

fn header(kind: u8, job: u32, length: u32) -> [u8; 8] {
    (u64::from(length) | u64::from(job & 0xff_ffff) << 32 | u64::from(kind) << 56).to_le_bytes()
}

fn say(packet: &[u8]) {
    // A parent who has killed this worker already does not listen.
    let _ = rustix::net::send(std::io::stdin().as_fd(), packet, SendFlags::NOSIGNAL);
}

/// Waits for the parent; 0 if it hung up.
fn hear() -> usize {
    rustix::net::recv(std::io::stdin().as_fd(), &mut [0; 8], RecvFlags::empty())
        .map_or(0, |(_, length)| length)
}

/// Does nothing until the parent has enough of it.
fn rest() {
    while hear() > 0 {}
    std::process::exit(0);
}

fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn kill() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}

/// Starts a process that has the socket, and keeps it until the parent hangs up.
#[expect(
    clippy::zombie_processes,
    reason = "the child is to outlive this process"
)]
fn leave_a_child() {
    Command::new("cat").stdout(Stdio::null()).spawn().unwrap();
}
