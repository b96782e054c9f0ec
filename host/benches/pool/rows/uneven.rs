//! Row 13: jobs of very different length, without a chunk size, beside Python with the chunk size that is best.

use crate::Bench;
use crate::figure::{Goal, Line, Unit};
use crate::floor::{Guest, MANDELBROT, ours};
use crate::proc::processor_seconds;
use crate::python::{MULTIPROCESSING, Python};
use crate::rounds::seconds;
use anyhow::Result;
use bindings::exports::pool::tasks::mandelbrot::View;
use host::Pool;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/tasks",
        world: "mandelbrot-guest",
        additional_derives: [serde::Serialize, serde::Deserialize],
    });
}

const WORKERS: usize = 2;

pub(crate) fn jobs_of_any_length(bench: &Bench) -> Result<Vec<Line>> {
    let count = bench.jobs(1_000);
    let pool = bench.pool("mandelbrot", WORKERS)?;
    let mut alone = Alone::new()?;
    let sorted = alone.jobs(count)?;
    let mut lines = Vec::new();
    for (order, jobs) in [("shuffled", shuffled(&sorted)), ("sorted", sorted)] {
        let python = Python::start(
            MULTIPROCESSING,
            &format!("uneven-{order}"),
            &[("count", count)],
        )?;
        let mut turns = bench.turns();
        let busy = turns.figure(|| busy(&pool, &jobs));
        let pooled = turns.figure(|| seconds(|| run(&pool, &jobs)));
        let python = turns.python(python);
        let one_thread = turns.figure(|| seconds(|| alone.run(&jobs)));
        let measured = turns.run()?;
        lines.push(
            Line::new(
                format!("jobs of 1 µs to 10 ms, {order}: both processors busy"),
                Unit::Share,
                measured.median(busy),
            )
            .goal(Goal::AtLeast(0.95))
            .beside(
                "Python `Pool.map`, the best chunk size",
                measured.median(python),
            ),
        );
        lines.push(
            Line::new(
                format!("the same, {order}: time for all"),
                Unit::Seconds,
                measured.median(pooled),
            )
            .beside("one thread, without a pool", measured.median(one_thread)),
        );
    }
    Ok(lines)
}

fn run(pool: &Pool, jobs: &[View]) -> Result<Vec<Vec<u8>>> {
    Ok(pool.starmap("row", jobs.iter().map(|view| (0, view)))?)
}

/// Which share of the time the workers were on a processor. One without a job spins for some microseconds and then sleeps,
/// so one that is on a processor has work.
fn busy(pool: &Pool, jobs: &[View]) -> Result<f64> {
    let workers = pool.stats().workers;
    let used = || {
        let seconds = workers.iter().map(|worker| processor_seconds(worker.pid));
        seconds.sum::<Result<f64>>()
    };
    let before = used()?;
    let taken = seconds(|| run(pool, jobs))?;
    Ok((used()? - before) / (WORKERS as f64 * taken))
}

/// The guest in this process.
struct Alone {
    instance: crate::floor::Instance,
    bound: bindings::MandelbrotGuest,
}

impl Alone {
    fn new() -> Result<Alone> {
        let mut instance = Guest::new(MANDELBROT)?.instance()?;
        let bound = bindings::MandelbrotGuest::new(&mut instance.store, &instance.instance);
        Ok(Alone {
            bound: bound.map_err(ours)?,
            instance,
        })
    }

    fn run(&mut self, jobs: &[View]) -> Result<()> {
        for view in jobs {
            let row = self.bound.pool_tasks_mandelbrot();
            row.call_row(&mut self.instance.store, 0, *view)
                .map_err(ours)?;
        }
        Ok(())
    }

    /// Jobs that take 1 µs to 10 ms on this machine, the longest last: as many of 1 to 10 µs as of 1 to 10 ms.
    fn jobs(&mut self, count: u32) -> Result<Vec<View>> {
        const STEPS: u32 = 1_000_000;
        let a_second = f64::from(STEPS) / seconds(|| self.run(&[view(STEPS)]))?;
        let job = |i| {
            let seconds = 1e-6 * 1e4f64.powf(f64::from(i) / f64::from(count));
            view((a_second * seconds) as u32)
        };
        Ok((0..count).map(job).collect())
    }
}

/// A row on the real axis, most of whose points take all steps.
pub(super) fn view(max_iterations: u32) -> View {
    View {
        width: 16,
        height: 1,
        max_iterations: max_iterations.max(1),
    }
}

/// Always in the same order.
fn shuffled(jobs: &[View]) -> Vec<View> {
    let mut jobs = jobs.to_vec();
    let mut random = 1u64;
    for i in (1..jobs.len()).rev() {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        jobs.swap(i, (random >> 33) as usize % (i + 1));
    }
    jobs
}
