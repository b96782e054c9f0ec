//! What a pool's workers do and did, in numbers.

use super::driver::{Driver, Seat};
use crate::job::{Progress, Totals};
use crate::lockdown::WallReport;
use std::time::Duration;

/// Counts since the pool was built, and a look at its workers, from [`Pool::stats`](super::Pool::stats).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Jobs that have an outcome, faults included.
    pub jobs_done: u64,
    /// Jobs that wait for a worker.
    pub jobs_queued: u64,
    /// Jobs that were started again because their worker was lost.
    pub jobs_retried: u64,
    /// Worker processes that were started.
    pub workers_started: u64,
    /// Worker processes that died or had to be killed, also while they were starting.
    pub workers_lost: u64,
    /// What all jobs used together.
    pub usage: Totals,
    /// The processor time of all worker processes, those that are gone included, by the kernel's own count: starting,
    /// waiting for jobs and working. Only where [`Builder::account`](super::Builder::account) asks.
    pub cpu: Option<Duration>,
    /// The workers that are there now.
    pub workers: Vec<WorkerStats>,
}

/// One worker process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Its place in the pool, counted from 0.
    pub worker: usize,
    /// Its process id.
    pub pid: u32,
    /// Whether it is ready for jobs, rather than starting.
    pub ready: bool,
    /// Whether it has jobs that are not answered yet.
    pub busy: bool,
    /// How far its running job says that it is, if it says so.
    pub progress: Option<Progress>,
    /// Jobs answered in this place, by this worker and those before it.
    pub jobs: u64,
    /// What they used.
    pub usage: Totals,
    /// The processor time of this process by the kernel's own count. Only where
    /// [`Builder::account`](super::Builder::account) asks.
    pub cpu: Option<Duration>,
    /// The walls around its process, as it reported them when it was ready, before it had run any of its guest.
    pub walls: Vec<WallReport>,
}

impl Stats {
    pub(super) fn of(driver: &Driver) -> Stats {
        let accounts = driver.rules.account.is_some();
        let workers = driver
            .seats
            .iter()
            .enumerate()
            .filter_map(|(worker, seat)| {
                let link = seat.link.as_ref()?;
                Some(WorkerStats {
                    worker,
                    pid: link.pid(),
                    ready: seat.serves(),
                    busy: link.chunks() > 0,
                    progress: link.progress(),
                    jobs: seat.jobs,
                    usage: seat.usage,
                    cpu: accounts.then(|| link.processor_time()).flatten(),
                    walls: link.walls().to_vec(),
                })
            });
        let workers: Vec<WorkerStats> = workers.collect();
        let mut usage = Totals::default();
        driver.seats.iter().for_each(|seat| usage.add(&seat.usage));
        let present = workers.iter().filter_map(|worker| worker.cpu);
        let past = driver.seats.iter().map(|seat: &Seat| seat.past_cpu);
        Stats {
            usage,
            cpu: accounts.then(|| present.chain(past).sum()),
            jobs_done: driver.counts.done,
            jobs_queued: driver.queued(),
            jobs_retried: driver.counts.retried,
            workers_started: driver.counts.started,
            workers_lost: driver.counts.lost,
            workers,
        }
    }
}
