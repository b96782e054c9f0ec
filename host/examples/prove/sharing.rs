//! Sharing: however workers die, what their jobs share is whole, nobody waits for ever, and nothing grows.
//!
//! Each job adds to a number with the lock held, puts an item into a queue, takes one out, and writes a slice, while workers are killed at
//! random moments. What finished jobs did must be there; what jobs that were killed did may be there or not, but never half of one step.

use super::processes::{Taken, send};
use super::random::Random;
use anyhow::{Result, ensure};
use host::shared::{Datum, Unavailable};
use host::{Builder, Cause, Error, Handle};
use rustix::process::Signal;
use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

const WORKERS: usize = 4;
/// How many increments a job does, and how many jobs are under way.
const TIMES: u32 = 50;
const AHEAD: usize = 64;
/// How long the lock may be held by somebody else at the end.
const PATIENCE: Duration = Duration::from_secs(15);

/// What was shown.
#[derive(Debug)]
pub(crate) struct Shared {
    jobs: u64,
    lost: u64,
    kills: u64,
    total: i64,
    before: Taken,
    after: Taken,
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} jobs of {TIMES} locked increments, {} lost by {} kills; the number is {}, all increments of finished jobs among \
             them; private memory {} to {} KiB",
            self.jobs,
            self.lost,
            self.kills,
            self.total,
            self.before.memory_kib,
            self.after.memory_kib
        )
    }
}

/// Runs `jobs` jobs and kills a worker about each `kill_each` of them, when as many jobs as the seed says are done.
///
/// # Errors
/// An increment is missing or was done twice, a slice is half written, an item is damaged, the lock stays held, or memory grew.
pub(crate) fn run(builder: impl Fn() -> Builder, jobs: u64, kill_each: u64) -> Result<Shared> {
    let pool = builder().component("shared").workers(WORKERS).build()?;
    pool.wait_ready();
    let memory = pool.shared();
    let (total, guard) = (memory.value(0)?, memory.lock()?);
    let (array, queue) = (memory.array(&[0; 16])?, memory.queue(2 * AHEAD as u32)?);
    let mut random = Random::new(jobs);
    let (mut done, mut lost, mut kills) = (0, 0, 0);
    let mut next_kill = kill_each;
    let mut before = None;
    let mut under_way: VecDeque<[Handle<()>; 3]> = VecDeque::new();
    let mut settle = |handles: [Handle<()>; 3]| -> Result<()> {
        let [add, fill, put] = handles;
        for (what, handle) in [("add", add), ("fill", fill), ("produce", put)] {
            match handle.wait() {
                Ok(()) if what == "add" => done += 1,
                Ok(()) => {}
                Err(Error::Job(fault)) if matches!(fault.cause, Cause::WorkerLost(_)) => {
                    lost += u64::from(what == "add");
                }
                Err(error) => anyhow::bail!("{what}: {error}"),
            }
        }
        Ok(())
    };
    for job in 0..jobs {
        under_way.push_back([
            pool.submit("add", (&total, &guard, TIMES))?,
            pool.submit("fill", (&array, job as i64, 3u32))?,
            pool.submit("produce", (&queue, 1u32))?,
        ]);
        while under_way.len() > AHEAD {
            under_way.pop_front().map(&mut settle).transpose()?;
        }
        // What was put comes out, whole.
        match queue.get_within(Duration::ZERO) {
            Ok(Datum::Integer(0)) | Err(Unavailable::Empty) => {}
            other => anyhow::bail!("out of the queue came {other:?}"),
        }
        let numbers = array.to_vec();
        ensure!(
            numbers.iter().all(|number| *number == numbers[0]),
            "a slice is half written: {numbers:?}"
        );
        if job == next_kill {
            next_kill += 1 + random.below(2 * kill_each);
            let workers = pool.stats().workers;
            if let Some(worker) = workers.get(random.below(WORKERS as u64) as usize) {
                send(worker.pid, Signal::KILL)?;
                kills += 1;
            }
        }
        if before.is_none() && job >= jobs / 10 {
            before = Some(Taken::now()?);
        }
    }
    under_way.into_iter().try_for_each(&mut settle)?;
    ensure!(
        done + lost == jobs,
        "{} jobs have no outcome",
        jobs - done - lost
    );
    ensure!(guard.lock_within(PATIENCE).is_some(), "the lock stays held");
    let total = total.get();
    let sure = done as i64 * i64::from(TIMES);
    let most = jobs as i64 * i64::from(TIMES);
    ensure!(
        (sure..=most).contains(&total),
        "{done} of {jobs} jobs are done, and the number is {total}"
    );
    let after = Taken::now()?;
    let before = before.unwrap_or(after);
    ensure!(
        after.memory_kib < before.memory_kib + 1024,
        "memory: {before:?}, then {after:?}"
    );
    Ok(Shared {
        jobs,
        lost,
        kills,
        total,
        before,
        after,
    })
}
