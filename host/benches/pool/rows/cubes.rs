//! Row 6: the tutorial's benchmark. The cubes below 1000, again and again, and every result is kept.

use crate::Bench;
use crate::figure::{Line, Unit};
use crate::python::{MULTIPROCESSING, Python};
use crate::rounds::rate;
use anyhow::Result;
use rayon::prelude::*;

/// How many numbers a result has.
const NUMBERS: u32 = 1000;

pub(crate) fn cubes(bench: &Bench) -> Result<Vec<Line>> {
    let jobs = bench.jobs(100_000);
    let pool = bench.pool("arith", 2)?;
    let threads = rayon::ThreadPoolBuilder::new().num_threads(2).build()?;
    // Python's lists of so many numbers would take gigabytes; a tenth of them shows the rate.
    let python = Python::start(MULTIPROCESSING, "cubes", &[("count", jobs / 10)])?;

    let mut turns = bench.turns();
    let pooled = turns.figure(|| {
        let items = std::iter::repeat_n(NUMBERS, jobs as usize);
        rate(jobs, || Ok(pool.map::<Vec<i64>>("cubes", items)?))
    });
    let native = turns.figure(|| {
        rate(jobs, || {
            Ok(threads.install(|| {
                let jobs = (0..jobs).into_par_iter();
                jobs.map(|_| native_cubes(NUMBERS)).collect::<Vec<_>>()
            }))
        })
    });
    let python = turns.python(python);
    let measured = turns.run()?;

    let line = Line::new(
        "`map cubes`, 1000 numbers a result, all kept",
        Unit::JobsPerSecond,
        measured.median(pooled),
    );
    Ok(vec![
        line.better_than("Python `Pool.map`", measured.median(python), 20.0)
            .better_than("rayon, native code", measured.median(native), 0.5),
    ])
}

/// What the guest does.
fn native_cubes(n: u32) -> Vec<i64> {
    let cube = |n: i64| n.checked_pow(3).expect("the cubes below 1000 fit");
    (0..n.into()).map(cube).collect()
}
