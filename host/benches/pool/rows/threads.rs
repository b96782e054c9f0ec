//! Row 14: what it costs that workers are processes. The same jobs with an instance in each thread of one process, whose
//! results nobody has to copy or to check, and whose memory is safe only as long as WebAssembly's wall holds.

use crate::Bench;
use crate::figure::{Line, Unit};
use crate::floor::{ARITH, Guest, ours};
use crate::rounds::rate;
use anyhow::{Result, anyhow};
use host::Pool;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// How many jobs a thread takes at a time.
const TAKEN: u32 = 256;

pub(crate) fn processes_and_threads(bench: &Bench) -> Result<Vec<Line>> {
    let guest = Guest::new(ARITH)?;
    // A thread calls `cube` once a job, as an embedder of Wasmtime would; a worker sweeps it. `cubes` is a call a job here as there.
    let (single, cubes) = (bench.jobs(1_000_000), bench.jobs(20_000));
    let mut lines = Vec::new();
    for workers in [1, 2, 4] {
        let pool = bench.pool("arith", workers)?;
        let mut turns = bench.turns();
        let turns_of_two = [
            turns.figure(|| {
                rate(
                    single,
                    || Ok(pool.map::<i64>("cube", 0..i64::from(single))?),
                )
            }),
            turns.figure(|| rate(single, || single_in_threads(&guest, workers, single))),
            turns.figure(|| rate(cubes, || cubes_in_processes(&pool, cubes))),
            turns.figure(|| rate(cubes, || cubes_in_threads(&guest, workers, cubes))),
        ];
        let measured = turns.run()?;
        let [single, single_threads, cubes, cubes_threads] =
            turns_of_two.map(|turn| measured.median(turn));
        let line = |name, processes, threads| {
            let plural = if workers == 1 { "" } else { "s" };
            let name = format!("{name}, {workers} worker{plural}");
            Line::new(name, Unit::JobsPerSecond, processes).beside("threads", threads)
        };
        lines.push(line("`map cube`, swept", single, single_threads));
        lines.push(line("`map cubes`, 1000 numbers", cubes, cubes_threads));
    }
    Ok(lines)
}

fn cubes_in_processes(pool: &Pool, jobs: u32) -> Result<Vec<Vec<i64>>> {
    Ok(pool.map("cubes", std::iter::repeat_n(1000, jobs as usize))?)
}

fn single_in_threads(guest: &Guest, threads: usize, jobs: u32) -> Result<Vec<i64>> {
    in_threads(threads, jobs, || {
        let mut instance = guest.instance()?;
        let cube = instance.typed::<(i64,), (i64,)>(guest.function("cube")?)?;
        Ok(move |n: u32| {
            let result = cube.call(&mut instance.store, (n.into(),));
            Ok(result.map_err(ours)?.0)
        })
    })
}

fn cubes_in_threads(guest: &Guest, threads: usize, jobs: u32) -> Result<Vec<Vec<i64>>> {
    in_threads(threads, jobs, || {
        let mut instance = guest.instance()?;
        let cubes = instance.typed::<(u32,), (Vec<i64>,)>(guest.function("cubes")?)?;
        Ok(move |_| {
            let result = cubes.call(&mut instance.store, (1000,));
            Ok(result.map_err(ours)?.0)
        })
    })
}

/// Runs jobs in threads, each with a function of its own, and gathers the results in order.
fn in_threads<R: Send, F: FnMut(u32) -> Result<R>>(
    threads: usize,
    jobs: u32,
    function: impl Fn() -> Result<F> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicU32::new(0);
    let work = || -> Result<Vec<(u32, Vec<R>)>> {
        let mut function = function()?;
        let mut runs = Vec::new();
        loop {
            let first = next.fetch_add(TAKEN, Ordering::Relaxed);
            if first >= jobs {
                return Ok(runs);
            }
            let run = first..jobs.min(first + TAKEN);
            runs.push((first, run.map(&mut function).collect::<Result<_>>()?));
        }
    };
    let mut runs = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut runs = Vec::new();
        for thread in threads {
            runs.extend(thread.join().map_err(|_| anyhow!("a thread panicked"))??);
        }
        anyhow::Ok(runs)
    })?;
    runs.sort_by_key(|(first, _)| *first);
    Ok(runs.into_iter().flat_map(|(_, run)| run).collect())
}
