//! Twelve steps of a worker's life, twelve misdeeds at each: what it costs, and whom.
//!
//! In each cell a pool of two workers has a hundred jobs, and one of the two misbehaves once. All other jobs have their
//! results, the caller waits no longer than a job's time limit and a second, the pool serves on, and its end takes no time.

use super::Plot;
use crate::until;
use host::{Builder, Cause, End, Imap, Limits, Pool};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Where in its life a worker misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    BeforeGreeting,
    Greeting,
    /// Ready, and without a job so far.
    Idle,
    /// It has read that a chunk comes.
    ChunkHead,
    /// It has read a job, and does not say that the job runs.
    Request,
    /// It has said that the job runs.
    Started,
    /// Half of an answer's head is told.
    MidAnswer,
    /// A job is answered, and others of its chunk are not.
    Between,
    /// The last job of a chunk runs.
    LastAnswer,
    /// Half of a list of jobs is answered.
    List,
    /// Half of an answer is told that is longer than the ring.
    LongAnswer,
    /// It has answered all that it was asked, and sleeps.
    Nap,
}

/// What it does there, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misdeed {
    Kill,
    Exit0,
    Exit1,
    /// Closes the socket and lives on.
    Close,
    Silence,
    Garbage,
    Oversized,
    Truncated,
    Replay,
    WrongJob,
    TwoAnswers,
    /// The right thing, a byte each millisecond, or 64 where it is long.
    Drip,
}

/// What it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cost {
    /// No job: whatever it had goes to another worker, or was none.
    Nothing,
    /// One job, by a worker that spoke nonsense.
    Nonsense,
    /// The same, if the worker had one more job by the time that the parent read it.
    Perhaps,
    /// One job, which had no more time.
    Timeout,
    /// One job, whose result is none.
    Result,
    /// There is no time limit: the list waits until the caller ends the pool.
    Cancelled,
}

pub(super) const STEPS: [Step; 12] = [
    Step::BeforeGreeting,
    Step::Greeting,
    Step::Idle,
    Step::ChunkHead,
    Step::Request,
    Step::Started,
    Step::MidAnswer,
    Step::Between,
    Step::LastAnswer,
    Step::List,
    Step::LongAnswer,
    Step::Nap,
];

pub(super) const MISDEEDS: [Misdeed; 12] = [
    Misdeed::Kill,
    Misdeed::Exit0,
    Misdeed::Exit1,
    Misdeed::Close,
    Misdeed::Silence,
    Misdeed::Garbage,
    Misdeed::Oversized,
    Misdeed::Truncated,
    Misdeed::Replay,
    Misdeed::WrongJob,
    Misdeed::TwoAnswers,
    Misdeed::Drip,
];

/// A row for each step, a column for each misdeed: `.` nothing, N nonsense, n perhaps, T timeout, R result, C cancelled.
///
/// Who dies or closes costs nothing anywhere, because these jobs may run twice. Who is silent before it says that the job
/// runs costs a little time and no job.
const COSTS: [&[u8; 12]; 12] = [
    b".....NNNNNN.",
    b"............",
    b".....NNNNNN.",
    b".....NNNNNN.",
    b".....NN.NNN.",
    b"....TNNTNNN.",
    b"....TNNTNNN.",
    b".....NNNNNN.",
    b"....TNNTNNn.",
    b"....C..C....",
    b"....TRnTnnnT",
    b".....nnnnnn.",
];

/// The numbers at which it misbehaves: one in the middle of a chunk, and the last one of it.
pub(super) const TARGETS: (i64, i64) = (57, 59);
const JOBS: i64 = 100;
const CHUNK: u32 = 10;
/// A text that takes more than a ring, and some that don't.
pub(super) const TARGET_LENGTH: usize = 600_000;

/// What each job may take.
const LIMIT: Duration = Duration::from_secs(1);
/// How much longer its caller may wait.
const LATE: Duration = Duration::from_secs(1);
/// How long the end of a pool may take.
const END: Duration = Duration::from_secs(2);
/// When a cell is said to hang.
const HANGS: Duration = Duration::from_secs(15);
/// How many cells are tried at a time: most of them wait for a time limit.
const AT_ONCE: usize = 8;

#[test]
fn whatever_a_worker_does_at_any_step_costs_one_job_at_most_and_nobody_waits() {
    let next = AtomicUsize::new(0);
    let failed = thread::scope(|scope| {
        let cells = || {
            let mut failed = Vec::new();
            while let cell @ 0..144 = next.fetch_add(1, Ordering::Relaxed) {
                let (step, misdeed) = (cell / 12, cell % 12);
                if let Err(why) = in_time(step, misdeed) {
                    failed.push(format!("{:?}, {:?}: {why}", STEPS[step], MISDEEDS[misdeed]));
                }
            }
            failed
        };
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(cells)).collect();
        let failed = threads.into_iter().map(|thread| thread.join().unwrap());
        failed.collect::<Vec<_>>().concat()
    });
    println!("{} of 144 cells", 144 - failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn in_time(step: usize, misdeed: usize) -> Result<(), String> {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(try_cell(step, misdeed)));
    told.recv_timeout(HANGS)
        .unwrap_or_else(|error| Err(format!("it hangs or panics: {error}")))
}

fn try_cell(step: usize, misdeed: usize) -> Result<(), String> {
    let cost = match COSTS[step][misdeed] {
        b'.' => Cost::Nothing,
        b'N' => Cost::Nonsense,
        b'n' => Cost::Perhaps,
        b'T' => Cost::Timeout,
        b'R' => Cost::Result,
        b'C' => Cost::Cancelled,
        other => panic!("no cost is called {}", char::from(other)),
    };
    let (deed, step) = (format!("cell {step} {misdeed}"), STEPS[step]);
    let plot = Plot::new(&deed, 1);
    let pool = builder(&plot, step).build().map_err(|e| e.to_string())?;
    if step != Step::Greeting && (step != Step::BeforeGreeting || cost == Cost::Nonsense) {
        pool.wait_ready();
    }
    let mut faults = 0;
    let rounds = if cost == Cost::Cancelled { 1 } else { 2 };
    for round in 0..rounds {
        let asked = Instant::now();
        let outcomes = ask(&pool, step, cost == Cost::Cancelled)?;
        let took = asked.elapsed();
        if took > LIMIT + LATE {
            return Err(format!("round {round}: the caller waits for {took:?}"));
        }
        for (job, outcome) in outcomes {
            match outcome {
                Ok(true) => {}
                Ok(false) => return Err(format!("round {round}: job {job} has a wrong value")),
                Err(cause) if cost.covers(&cause) => faults += 1,
                Err(cause) => return Err(format!("round {round}: job {job}: {cause}")),
            }
        }
    }
    until("the misdeed is done", HANGS, || plot.left() == 0);
    let expected = match cost {
        Cost::Nothing => 0..=0,
        Cost::Perhaps => 0..=1,
        Cost::Cancelled => 1..=3 * CHUNK as usize,
        Cost::Nonsense | Cost::Timeout | Cost::Result => 1..=1,
    };
    if !expected.contains(&faults) {
        return Err(format!("{faults} faults, not {expected:?}"));
    }
    let asked = Instant::now();
    drop(pool);
    if asked.elapsed() > END {
        return Err(format!("its end takes {:?}", asked.elapsed()));
    }
    Ok(())
}

fn builder(plot: &Plot, step: Step) -> Builder {
    let builder = plot.builder().workers(2).chunk(CHUNK);
    // Jobs with a time limit are no lists.
    let limits = Limits {
        timeout: (step != Step::List).then_some(LIMIT),
        ..Limits::default()
    };
    let component = match step {
        Step::LongAnswer => "types",
        _ => "arith",
    };
    builder.component(component).limits(limits)
}

/// Asks for all jobs, and says of each whether its value is right, or why it has none.
fn ask(pool: &Pool, step: Step, ends: bool) -> Result<Vec<(u64, Judged)>, String> {
    let (done, asked) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            if ends && asked.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                pool.terminate();
            }
        });
        let judged = if step == Step::LongAnswer {
            let texts = (0..JOBS as u64).map(|n| "x".repeat(length(n)));
            let echoes = pool.imap_unordered("echo-string", texts).unwrap();
            judge(echoes, |n, echo: &String| echo.len() == length(n))
        } else {
            // This worker takes the one for the other.
            let function = if step == Step::List { "cube" } else { "square" };
            let squares = pool.imap_unordered(function, 0..JOBS).unwrap();
            judge(squares, |n, square: &i64| *square == (n * n) as i64)
        };
        drop(done);
        judged
    })
}

/// How long the text of a job is.
fn length(job: u64) -> usize {
    match job as i64 == TARGETS.0 {
        true => TARGET_LENGTH,
        false => job as usize + 10,
    }
}

/// Whether a value is right, or why there is none.
type Judged = Result<bool, Cause>;

fn judge<I: Iterator<Item: Serialize>, R: DeserializeOwned>(
    mut reports: Imap<'_, I, R>,
    right: impl Fn(u64, &R) -> bool,
) -> Result<Vec<(u64, Judged)>, String> {
    let mut judged = Vec::new();
    while let Some(report) = reports.next_report() {
        let report = report.map_err(|error| error.to_string())?;
        let outcome = report.outcome.map(|value| right(report.job, &value));
        judged.push((report.job, outcome.map_err(|fault| fault.cause)));
    }
    let mut jobs: Vec<u64> = judged.iter().map(|(job, _)| *job).collect();
    jobs.sort_unstable();
    match jobs.into_iter().eq(0..JOBS as u64) {
        true => Ok(judged),
        false => Err("some jobs have no outcome, or two".into()),
    }
}

impl Cost {
    fn covers(self, cause: &Cause) -> bool {
        match cause {
            Cause::WorkerLost(End::Nonsense(_)) => matches!(self, Cost::Nonsense | Cost::Perhaps),
            Cause::Timeout(limit) => self == Cost::Timeout && *limit == LIMIT,
            Cause::Result(_) => self == Cost::Result,
            Cause::Cancelled => self == Cost::Cancelled,
            _ => false,
        }
    }
}
