//! Rows 11 and 12: what workers cost that have nothing to do, in memory and in processor time.

use super::uneven;
use crate::Bench;
use crate::figure::{Goal, Line, Unit};
use crate::proc::{self, memory, processor_seconds, wakes};
use crate::python::{MULTIPROCESSING, Python};
use anyhow::{Result, bail};
use host::Pool;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::Duration;

/// How many workers an ordinary pool has, here.
const SOME: usize = 16;
/// And how many a large one.
const MANY: usize = 500;

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * KIB;

pub(crate) fn memory_of_workers(bench: &Bench) -> Result<Vec<Line>> {
    // The pages of a program that was just linked count as its own until they are on the disk.
    rustix::fs::sync();
    let python = Python::start(MULTIPROCESSING, "memory", &[("workers", SOME as u32)])?;
    let python = python.map(|mut python| python.round()).transpose()?;
    let python = |place: usize| {
        python
            .as_ref()
            .and_then(|figures| figures.get(place).copied())
    };

    let pool = served(bench, SOME)?;
    let (private, proportional) = sums(&pool)?;
    drop(pool);
    let (some, name) = (SOME as f64, format!("of {SOME} idle"));
    let mut lines = vec![
        Line::new(
            format!("private memory of a worker, {name}"),
            Unit::Bytes,
            Some(private / some),
        )
        .goal(Goal::AtMost(0.6 * MIB))
        .beside("Python `Pool`, forked", python(0)),
        Line::new(
            format!("memory of a worker with its share, {name}"),
            Unit::Bytes,
            Some(proportional / some),
        )
        .goal(Goal::AtMost(1.5 * MIB))
        .beside("Python `Pool`, forked", python(1)),
    ];

    let many = if bench.quick { MANY / 10 } else { MANY };
    raise_descriptors()?;
    let before = memory(std::process::id())?.proportional;
    let pool = served(bench, many)?;
    let (_, proportional) = sums(&pool)?;
    let grown = memory(std::process::id())?.proportional - before;
    lines.push(
        Line::new(
            format!("memory of {many} idle workers in all"),
            Unit::Bytes,
            Some(proportional + grown),
        )
        .goal(Goal::AtMost(many as f64 * MIB)),
    );
    Ok(lines)
}

/// A pool whose workers have all done a job.
fn served(bench: &Bench, workers: usize) -> Result<Pool> {
    let pool = Pool::builder()
        .component("mandelbrot")
        .workers(workers)
        .chunk(1);
    let pool = bench.ready(pool)?;
    // So long that no worker is free again before the last one has a job: some milliseconds, or more where there are many.
    let steps = (2_000 * workers as u32).max(100_000);
    let jobs = std::iter::repeat_n((0, uneven::view(steps)), workers);
    for _ in 0..20 {
        pool.starmap::<Vec<u8>>("row", jobs.clone())?;
        if pool.stats().workers.iter().all(|worker| worker.jobs > 0) {
            // Until the last has gone to sleep.
            std::thread::sleep(Duration::from_millis(100));
            return Ok(pool);
        }
    }
    bail!("of {workers} workers some never get a job")
}

/// The private memory of all workers, and that with their shares.
fn sums(pool: &Pool) -> Result<(f64, f64)> {
    let mut sums = (0.0, 0.0);
    for worker in pool.stats().workers {
        let memory: proc::Memory = memory(worker.pid)?;
        sums = (sums.0 + memory.private, sums.1 + memory.proportional);
    }
    Ok(sums)
}

/// Lets this process have as many descriptors as it may: each worker takes a few.
fn raise_descriptors() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

pub(crate) fn processor_time(bench: &Bench) -> Result<Vec<Line>> {
    let pool = served(bench, SOME)?;
    let mut processes: Vec<u32> = pool
        .stats()
        .workers
        .iter()
        .map(|worker| worker.pid)
        .collect();
    processes.push(std::process::id());
    let look = || -> Result<(f64, f64)> {
        let mut sums = (0.0, 0.0);
        for &pid in &processes {
            sums = (sums.0 + processor_seconds(pid)?, sums.1 + wakes(pid)?);
        }
        Ok(sums)
    };
    let before = look()?;
    std::thread::sleep(Duration::from_secs(5));
    let after = look()?;
    Ok(vec![
        Line::new(
            "processor time of an idle pool of 16 in 5 s",
            Unit::Seconds,
            Some(after.0 - before.0),
        )
        .goal(Goal::AtMost(0.0)),
        Line::new(
            "how often it was woken",
            Unit::Events,
            Some(after.1 - before.1),
        ),
    ])
}
