//! Soak: a pool that loses workers and instances all the time takes no more of the machine at the end than at the start.

use super::processes::{Taken, send, until};
use anyhow::{Result, ensure};
use host::{Builder, Cause};
use rustix::process::Signal;
use std::fmt;
use std::time::Duration;

/// Many, as a pool waits before it starts a worker when more than twice as many have died in ten seconds.
const WORKERS: usize = 16;
/// Longer than a pool waits before it starts a worker.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a soak showed.
#[derive(Debug)]
pub(crate) struct Soaked {
    jobs: u64,
    traps: u64,
    lost: u64,
    kills: u64,
    before: Taken,
    after: Taken,
}

impl fmt::Display for Soaked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} jobs, {} traps, {} kills, {} jobs that died twice; descriptors {} to {}, threads {} to {}, zombies {}, \
             private memory {} to {} KiB",
            self.jobs,
            self.traps,
            self.kills,
            self.lost,
            self.before.descriptors,
            self.after.descriptors,
            self.before.threads,
            self.after.threads,
            self.after.zombies,
            self.before.memory_kib,
            self.after.memory_kib
        )
    }
}

/// Runs `jobs` jobs, of which each tenth traps, and kills a worker after each `kill_each` of them. What the first tenth of
/// them took is what the last may take.
///
/// # Errors
/// A wrong outcome, or something that grew.
pub(crate) fn run(builder: impl Fn() -> Builder, jobs: u64, kill_each: u64) -> Result<Soaked> {
    let pool = builder().component("faults").workers(WORKERS).build()?;
    pool.wait_ready();
    let (mut traps, mut lost, mut kills) = (0, 0, 0);
    let mut before = None;
    let mut reports = pool.imap_unordered::<u32, _>("maybe-trap", 0..jobs as u32)?;
    let mut done = 0;
    while let Some(report) = reports.next_report() {
        let report = report?;
        done += 1;
        let traps_here = report.job % 10 == 7;
        match report.outcome {
            Ok(value) => ensure!(
                !traps_here && u64::from(value) == report.job,
                "job {} gave {value}",
                report.job
            ),
            Err(fault) => match fault.cause {
                Cause::Trap(_) if traps_here => traps += 1,
                Cause::Poisoned(_) | Cause::WorkerLost(_) => lost += 1,
                other => anyhow::bail!("job {}: {other}", report.job),
            },
        }
        if done % kill_each == 0 {
            pool.wait_ready();
            let workers = pool.stats().workers;
            send(workers[kills % workers.len()].pid, Signal::KILL)?;
            kills += 1;
        }
        if before.is_none() && done >= jobs / 10 {
            before = Some(whole(&pool, kills)?);
        }
    }
    drop(reports);
    ensure!(done == jobs, "{} jobs have no outcome", jobs - done);
    let after = whole(&pool, kills)?;
    let before = before.unwrap_or(after);
    ensure!(
        after.descriptors <= before.descriptors && after.threads <= before.threads,
        "descriptors or threads: {before:?}, then {after:?}"
    );
    ensure!(after.zombies == 0, "zombies: {after:?}");
    ensure!(
        after.memory_kib < before.memory_kib + 1024,
        "memory: {before:?}, then {after:?}"
    );
    Ok(Soaked {
        jobs,
        traps,
        lost,
        kills: kills as u64,
        before,
        after,
    })
}

/// What this process has while all workers are there and so many that were killed are buried, so that two looks can be
/// compared.
fn whole(pool: &host::Pool, kills: usize) -> Result<Taken> {
    let mut taken = Taken::now()?;
    until("not all workers are there", PATIENCE, || {
        let stats = pool.stats();
        let ready = stats.workers.iter().filter(|w| w.ready).count();
        taken = Taken::now()?;
        Ok(stats.workers_lost >= kills as u64 && ready == WORKERS && taken.zombies == 0)
    })?;
    Ok(taken)
}
