//! Workers that a guest has taken over: they have the parent's descriptors and say what they like. Whatever they do
//! costs the job that they ran, and nobody else notices.
//!
//! The hostile worker is this very test program, started for the one test
//! `does_its_deed_where_a_pool_starts_it_and_is_nothing_else`. `matrix` has each step with each misdeed; here is what
//! happens once, or twice, or only in one place.

mod cell;
mod channel;
mod matrix;
mod worker;

use crate::program;
use host::{BuildError, Cause, End, Error, Limits, Pool};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The number whose square the worker misbehaves at.
const TARGET: i64 = 57;
/// How long any misdeed may hold up the jobs.
const DEADLINE: Duration = Duration::from_secs(5);

/// How many workers of a pool misbehave, and how.
struct Plot {
    /// One file for each misdeed that is still to be done; empty after that.
    tokens: PathBuf,
    deed: String,
    /// Whether the worker says that the job runs before it misbehaves.
    started: bool,
}

impl Plot {
    fn new(deed: &str, times: usize) -> Plot {
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
            deed: deed.to_string(),
            started: true,
        }
    }

    fn before_the_job_starts(mut self) -> Plot {
        self.started = false;
        self
    }

    fn builder(&self) -> host::Builder {
        let deed = if self.started {
            self.deed.clone()
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
        "#!/bin/sh\n[ \"$HOST_ROLE\" = fork-server ] && exit\n[ \"$HOST_ROLE\" = compiler ] && exec '{}'\nexec '{}' {WORKER} --exact --nocapture\n",
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
    let deed = &plot.deed;
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
    let deed = &plot.deed;
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
    let results = in_time(&plot.deed, || pool.map::<i64>("square", 55..60));
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
fn a_job_in_which_two_workers_die_is_poisoned() {
    for (deed, end) in [
        ("kill", End::Killed(9)),
        ("exit 0", End::Exited(0)),
        ("exit 1", End::Exited(1)),
        ("close", End::Killed(9)),
        ("half a frame", End::Exited(1)),
    ] {
        let plot = Plot::new(deed, 2);
        costs(&plot, &plot.pool(), |cause| {
            *cause == Cause::Poisoned(end.clone())
        });
    }
}

#[test]
fn a_job_whose_workers_all_die_before_it_starts_fails_in_the_end() {
    let plot = Plot::new("kill", 100).before_the_job_starts();
    let pool = plot.pool();
    let result = in_time(&plot.deed, || pool.apply::<i64>("square", (TARGET,)));
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
        "request",
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
    let result = in_time(&plot.deed, || pool.map::<i64>("cube", [5]));
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
    let results = in_time(&plot.deed, || {
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
fn bells_and_words_that_mean_nothing_cost_nothing() {
    for deed in ["flood of bells", "parked", "log length"] {
        let plot = Plot::new(deed, 1);
        costs_nothing(&plot, &plot.pool());
    }
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
    let result = in_time(&plot.deed, || pool.apply::<i64>("square", (TARGET,)));
    assert!(
        matches!(&result, Err(Error::Job(fault)) if matches!(fault.cause, Cause::NoWorker(_))),
        "{result:?}"
    );
    let next = in_time(&plot.deed, || pool.apply::<i64>("square", (3,)));
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

const WORKER: &str = "hostile::does_its_deed_where_a_pool_starts_it_and_is_nothing_else";

#[test]
fn does_its_deed_where_a_pool_starts_it_and_is_nothing_else() {
    if std::env::var_os("HOST_ROLE").is_some() {
        worker::serve();
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
