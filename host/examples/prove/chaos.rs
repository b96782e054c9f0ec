//! Chaos: workers are killed, stopped and hurt at random, and each job has exactly one outcome all the same, in time.

use super::processes::send;
use super::random::Random;
use anyhow::{Context, Result, bail, ensure};
use host::{Builder, Cause, Limits, Pool};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

const WORKERS: usize = 4;
/// Signals to each pool. More deaths in ten seconds than twice the workers make a pool wait before it starts the next.
const SIGNALS: u64 = 12;
/// The time limit of the pools that have one.
const TIMEOUT: Duration = Duration::from_millis(250);
/// When a run is said to hang: far beyond every wait that a pool may have a reason for.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a stopped worker without a time limit is left, if nothing else happens.
const STOPPED: Duration = Duration::from_millis(20);

/// What became of all jobs.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    jobs: u64,
    values: u64,
    faults: BTreeMap<String, u64>,
    signals: u64,
    workers_lost: u64,
}

impl fmt::Display for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} jobs, {} signals, {} workers lost: {} right values",
            self.jobs, self.signals, self.workers_lost, self.values
        )?;
        for (fault, count) in &self.faults {
            write!(f, ", {count} {fault}")?;
        }
        f.write_str("; 0 lost, 0 twice, 0 wrong, 0 hung")
    }
}

/// Runs `jobs` jobs in a pool of its own for each seed.
///
/// # Errors
/// A job without an outcome, with two, with a wrong one, or none in time.
pub(crate) fn run(builder: impl Fn() -> Builder, jobs: u64, seeds: Range<u64>) -> Result<Outcomes> {
    let mut all = Outcomes::default();
    for seed in seeds {
        let pool = build(builder(), seed)?;
        one(pool, jobs, seed, &mut all).with_context(|| format!("seed {seed}"))?;
    }
    Ok(all)
}

/// By turns: with a time limit, so that jobs go one by one and a stopped worker is given up; and without one, so that they
/// go many at a time.
fn build(builder: Builder, seed: u64) -> Result<Pool> {
    let timeout = seed.is_multiple_of(2).then_some(TIMEOUT);
    let limits = Limits {
        timeout,
        ..Limits::default()
    };
    let pool = builder
        .component("arith")
        .workers(WORKERS)
        .limits(limits)
        .build()?;
    pool.wait_ready();
    Ok(pool)
}

fn one(pool: Pool, jobs: u64, seed: u64, all: &mut Outcomes) -> Result<()> {
    let pool = std::sync::Arc::new(pool);
    let (outcome, outcomes) = mpsc::channel();
    let worked = std::thread::spawn({
        let pool = pool.clone();
        move || -> Result<()> {
            let mut reports = pool.imap_unordered::<Vec<i64>, _>("cubes", (0..jobs).map(length))?;
            while let Some(report) = reports.next_report() {
                outcome.send(report?)?;
            }
            Ok(())
        }
    });
    let mut random = Random::new(seed);
    let mut stopped = Vec::new();
    let mut seen = vec![false; jobs as usize];
    let mut done = 0;
    let mut silent = Duration::ZERO;
    let mut moments: Vec<u64> = (0..SIGNALS).map(|_| random.below(jobs)).collect();
    moments.sort_unstable_by(|one, other| other.cmp(one));
    loop {
        match outcomes.recv_timeout(STOPPED) {
            Ok(report) => {
                silent = Duration::ZERO;
                done += 1;
                let once = seen
                    .get_mut(report.job as usize)
                    .map(|seen| !std::mem::replace(seen, true));
                ensure!(
                    once == Some(true),
                    "job {} has a second outcome",
                    report.job
                );
                match report.outcome {
                    Ok(cubes) => {
                        let right = (0..i64::from(length(report.job))).map(|n| n * n * n);
                        ensure!(right.eq(cubes), "job {} has a wrong value", report.job);
                        all.values += 1;
                    }
                    Err(fault) => *all.faults.entry(kind(&fault.cause)?.into()).or_default() += 1,
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                silent += STOPPED;
                ensure!(silent < PATIENCE, "it hangs after {done} jobs");
                for pid in stopped.drain(..) {
                    send(pid, Signal::CONT)?;
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
        while moments.pop_if(|moment| *moment <= done).is_some() {
            let workers = pool.stats().workers;
            let workers: Vec<u32> = workers.iter().filter(|w| w.ready).map(|w| w.pid).collect();
            let Some(&pid) = workers.get(random.below(workers.len().max(1) as u64) as usize) else {
                continue;
            };
            let signal = SENT[random.below(SENT.len() as u64) as usize];
            send(pid, signal)?;
            all.signals += 1;
            if signal == Signal::STOP && pool_is_patient(seed) {
                stopped.push(pid);
            }
        }
    }
    match worked.join() {
        Ok(result) => result?,
        Err(_) => bail!("the caller panicked"),
    }
    ensure!(done == jobs, "{} jobs have no outcome", jobs - done);
    for pid in stopped {
        send(pid, Signal::CONT)?;
    }
    all.jobs += jobs;
    all.workers_lost += pool.stats().workers_lost;
    Ok(())
}

const SENT: [Signal; 6] = [
    Signal::KILL,
    Signal::STOP,
    Signal::CONT,
    Signal::SEGV,
    Signal::TERM,
    Signal::ABORT,
];

/// Without a time limit nobody else lets a stopped worker go on.
fn pool_is_patient(seed: u64) -> bool {
    !seed.is_multiple_of(2)
}

/// How many cubes a job computes: mostly few, sometimes so many that it is likely to be hit.
fn length(job: u64) -> u32 {
    match job % 50 {
        0 => 20_000,
        rest => rest as u32,
    }
}

/// The faults that a dying worker may cause.
fn kind(cause: &Cause) -> Result<&'static str> {
    Ok(match cause {
        Cause::Poisoned(_) => "poisoned",
        Cause::WorkerLost(_) => "lost with their worker",
        Cause::Timeout(_) => "timed out",
        other => bail!("a fault that nobody caused: {other}"),
    })
}
