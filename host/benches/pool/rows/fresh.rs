//! Row 4: a new instance for each job, beside the same loop without a pool: in one thread, and in two processes.

use crate::Bench;
use crate::figure::{Goal, Line, Unit};
use crate::floor::{ARITH, BARE, Guest, Pair, Source};
use crate::rounds::rate;
use anyhow::Result;
use host::{Isolation, Pool};

pub(crate) fn square(bench: &Bench) -> Result<Vec<Line>> {
    Ok(vec![
        line(
            bench,
            ("bare", "without WASI"),
            (BARE, Pair::bare()?),
            550e3,
        )?,
        line(
            bench,
            ("arith", "with WASI"),
            (ARITH, Pair::arith()?),
            200e3,
        )?,
    ])
}

fn line(
    bench: &Bench,
    (component, words): (&str, &str),
    (source, mut pair): (Source, Pair),
    goal: f64,
) -> Result<Line> {
    let jobs = bench.jobs(200_000);
    let pool = Pool::builder()
        .component(component)
        .workers(2)
        .isolation(Isolation::InstancePerJob);
    let pool = bench.ready(pool)?;
    let guest = Guest::new(source)?;

    let mut turns = bench.turns();
    let pooled = turns.figure(|| rate(jobs, || Ok(pool.map::<i64>("square", 0..i64::from(jobs))?)));
    let alone = turns.figure(|| rate(jobs, || guest.squares_in_fresh_instances(jobs)));
    let apart = turns.figure(|| rate(jobs, || pair.run(jobs)));
    let measured = turns.run()?;

    let line = Line::new(
        format!("`map square`, an instance for each job, {words}"),
        Unit::JobsPerSecond,
        measured.median(pooled),
    );
    Ok(line
        .goal(Goal::AtLeast(goal))
        .better_than("the same loop in one thread", measured.median(alone), 1.7)
        .beside(
            "the same loop in two processes, half each",
            measured.median(apart),
        ))
}
