//! Manager: a million operations on its objects, workers killed meanwhile, and nothing that grows or is left half done.

use super::processes::{send, until};
use anyhow::{Context, Result, ensure};
use host::shared::Datum;
use host::{Builder, Cause, Error, Handle, Manager};
use rustix::process::Signal;
use std::fmt;
use std::time::Duration;

/// Many, as a pool waits before it starts a worker when more than twice as many have died in ten seconds.
const WORKERS: usize = 16;
/// How many operations one round of the guest's function `churn` is.
const OPERATIONS: u64 = 16;
/// How many rounds a job does.
const ROUNDS: u64 = 25;
const PATIENCE: Duration = Duration::from_secs(30);
/// What allocators keep for the next time, in KiB.
const SLACK_KIB: u64 = 1024;

/// What was shown.
#[derive(Debug)]
pub(crate) struct Churned {
    operations: u64,
    kills: u64,
    lost: u64,
    objects: u64,
    before: Kib,
    after: Kib,
}

/// Private memory, in KiB: of the manager, of this program, and of one worker that nobody kills.
#[derive(Clone, Copy, Debug)]
struct Kib {
    manager: u64,
    program: u64,
    worker: u64,
}

impl fmt::Display for Churned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} operations, {} workers killed, {} jobs lost with them; {} objects left, all of them known; private memory of the \
             manager {} to {} KiB, of the program {} to {} KiB, of a worker that lived {} to {} KiB",
            self.operations,
            self.kills,
            self.lost,
            self.objects,
            self.before.manager,
            self.after.manager,
            self.before.program,
            self.after.program,
            self.before.worker,
            self.after.worker
        )
    }
}

/// Does so many operations, and kills a worker after each `kill_each` jobs. What a tenth of them took is what all may take.
///
/// # Errors
/// A job failed by itself, an object is half changed, or something grew.
pub(crate) fn run(
    builder: impl Fn() -> Builder,
    manager: &Manager,
    operations: u64,
    kill_each: u64,
) -> Result<Churned> {
    let (all, pairs) = (manager.dict()?, manager.list()?);
    let (items, total, guard) = (
        manager.queue(1_000_000)?,
        manager.value(0)?,
        manager.lock()?,
    );
    let pool = builder().component("shared").workers(WORKERS);
    let pool = pool.manager(manager).build()?;
    pool.wait_ready();
    let spared = pool.stats().workers[0].pid;
    let jobs = operations.div_ceil(OPERATIONS * ROUNDS);
    let job = || {
        pool.submit(
            "churn",
            (&all, &pairs, &items, &total, &guard, ROUNDS as u32),
        )
    };
    let handles: Vec<Handle<()>> = (0..jobs).map(|_| job()).collect::<Result<_, _>>()?;
    let (mut done, mut lost, mut kills) = (0, 0, 0);
    let mut before = None;
    for handle in handles {
        done += 1;
        match handle.wait() {
            Ok(()) => {}
            Err(Error::Job(fault)) if matches!(fault.cause, Cause::WorkerLost(_)) => lost += 1,
            Err(error) => return Err(error.into()),
        }
        if done % kill_each == 0 {
            // Of those who are there, as others may just be starting.
            let workers = pool.stats().workers;
            let others: Vec<u32> = (workers.iter().map(|worker| worker.pid))
                .filter(|pid| *pid != spared)
                .collect();
            if !others.is_empty() {
                send(others[kills as usize % others.len()], Signal::KILL)?;
                kills += 1;
            }
        }
        if before.is_none() && done >= jobs / 10 {
            before = Some(memory(manager, spared)?);
        }
    }
    let before = before.context("no jobs")?;
    let worker = memory(manager, spared)
        .context("the worker that was to live")?
        .worker;
    drop(pool);
    // Those of the workers go when the manager has seen that they are gone.
    until("clients are left that are gone", PATIENCE, || {
        Ok(manager.stats()?.clients == 1)
    })?;
    let after = Kib {
        worker,
        ..memory(manager, std::process::id())?
    };
    let get = |key: &str| all.get(key);
    ensure!(
        get("a")? == get("b")?,
        "half an update: {:?}",
        all.entries()?
    );
    ensure!(pairs.len()? % 2 == 0, "half of an extension");
    ensure!(total.get()? % 2 == 0, "half of an addition");
    let held = guard
        .lock(Some(PATIENCE))?
        .context("a lock that nobody has is held")?;
    let is_clean = held.acquired() == host::shared::Acquired::Clean;
    ensure!(
        !is_clean || get("x")? == get("y")?,
        "changed without the lock"
    );
    drop(held);
    ensure!(
        matches!(get("inner")?, Some(Datum::List(_))),
        "no inner list"
    );
    // Five that we have, and the list in the dict.
    let objects = manager.stats()?.objects;
    ensure!(objects == 6, "{objects} objects are left");
    let grown = |of: fn(&Kib) -> u64| of(&after) >= of(&before) + SLACK_KIB;
    ensure!(
        !grown(|kib| kib.manager) && !grown(|kib| kib.program) && !grown(|kib| kib.worker),
        "memory: {before:?}, then {after:?}"
    );
    Ok(Churned {
        operations: done * OPERATIONS * ROUNDS,
        kills,
        lost,
        objects,
        before,
        after,
    })
}

/// What is taken now.
fn memory(manager: &Manager, worker: u32) -> Result<Kib> {
    let of = |pid: u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok::<u64, anyhow::Error>(number.context("no RssAnon")?.parse()?)
    };
    Ok(Kib {
        manager: of(manager.pid().context("the manager is not ours")?)?,
        program: of(std::process::id())?,
        worker: of(worker)?,
    })
}
