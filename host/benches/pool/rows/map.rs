//! Row 3: a million tiny jobs, results collected in order, beside Python's pools.

use crate::Bench;
use crate::figure::{Goal, Line, Unit};
use crate::python::{MULTIPROCESSING, Python};
use crate::rounds::rate;
use anyhow::Result;

pub(crate) fn square(bench: &Bench) -> Result<Vec<Line>> {
    let jobs = bench.jobs(1_000_000);
    // A component without a batch form: the worker calls it for one job after the other, without leaving the guest.
    let pool = bench.pool("bare", 2)?;
    let mut turns = bench.turns();
    let ours = turns.figure(|| rate(jobs, || Ok(pool.map::<i64>("square", 0..i64::from(jobs))?)));
    let mut python = |job, count| -> Result<_> {
        let python = Python::start(MULTIPROCESSING, job, &[("count", count)])?;
        Ok(turns.python(python))
    };
    let chunks = python("map", jobs)?;
    // One by one it needs no million to show its rate.
    let single = python("map-one-by-one", bench.jobs(50_000))?;
    let measured = turns.run()?;

    let line = Line::new(
        "`map square`, an instance for each worker, swept",
        Unit::JobsPerSecond,
        measured.median(ours),
    );
    Ok(vec![
        line.goal(Goal::AtLeast(10e6))
            .better_than("Python `Pool.map`", measured.median(chunks), 2.0)
            .better_than(
                "Python `Pool.map`, `chunksize=1`",
                measured.median(single),
                150.0,
            ),
    ])
}
