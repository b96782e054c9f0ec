//! Rows 9 and 10: how soon a pool answers, from nothing and after a worker was killed.

use crate::Bench;
use crate::figure::{Goal, Line, Unit};
use crate::python::{MULTIPROCESSING, Python};
use crate::rounds::{Turn, Turns};
use anyhow::{Context, Result};
use host::Pool;
use rustix::process::{Pid, Signal, kill_process};
use std::time::Instant;

const PEERS: [(&str, &str); 3] = [
    (MULTIPROCESSING, "Python `Pool`, forked"),
    ("multiprocessing-spawn", "Python `Pool`, spawned"),
    ("loky", "Python `loky`"),
];

pub(crate) fn first_result(bench: &Bench) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (workers, goal) in [(2, 0.010), (16, 0.030)] {
        let mut turns = bench.turns();
        let first = turns.samples(|| (0..3).map(|_| start(workers)).collect());
        let all = turns.samples(|| (0..3).map(|_| start_all(bench, workers)).collect());
        let peers = peers(&mut turns, workers)?;
        let measured = turns.run()?;

        let mut line = Line::new(
            format!("build to the first result, {workers} workers"),
            Unit::Seconds,
            measured.median(first),
        );
        line = line.goal(Goal::AtMost(goal));
        for (name, turn) in peers {
            line = line.beside(name, measured.median(turn));
        }
        lines.push(line);
        lines.push(Line::new(
            format!("build until all {workers} are ready"),
            Unit::Seconds,
            measured.median(all),
        ));
    }
    Ok(lines)
}

fn peers(turns: &mut Turns<'_>, workers: usize) -> Result<Vec<(&'static str, Turn)>> {
    let one = |(peer, name)| {
        let python = Python::start(peer, "start", &[("workers", workers as u32)])?;
        Ok((name, turns.python(python)))
    };
    PEERS.into_iter().map(one).collect()
}

fn start(workers: usize) -> Result<f64> {
    let begun = Instant::now();
    let pool = Pool::builder()
        .component("arith")
        .workers(workers)
        .build()?;
    pool.apply::<i64>("square", (12,))?;
    Ok(begun.elapsed().as_secs_f64())
}

fn start_all(bench: &Bench, workers: usize) -> Result<f64> {
    let begun = Instant::now();
    bench.pool("arith", workers)?;
    Ok(begun.elapsed().as_secs_f64())
}

pub(crate) fn replacement(bench: &Bench) -> Result<Vec<Line>> {
    let pools = bench.jobs(50).min(10);
    let mut turns = bench.turns();
    let replaced = turns.samples(|| {
        let mut samples = Vec::new();
        for _ in 0..pools {
            samples.extend(kill_some(bench)?);
        }
        Ok(samples)
    });
    let measured = turns.run()?;
    Ok(vec![
        Line::new(
            "kill -9 to the replacement's first result, median",
            Unit::Seconds,
            measured.quantile_of_all(replaced, 0.5),
        ),
        Line::new(
            "the same, 99th percentile",
            Unit::Seconds,
            measured.quantile_of_all(replaced, 0.99),
        )
        .goal(Goal::AtMost(0.010)),
    ])
}

/// Kills the only worker of a pool a few times. A pool that loses five in ten seconds would take its time on purpose, so
/// this one is given up before.
fn kill_some(bench: &Bench) -> Result<Vec<f64>> {
    let pool = bench.pool("arith", 1)?;
    let square = pool.func::<i64, i64>("square")?;
    let served_by = || -> Result<u32> {
        let report = square.imap([12]).next_report().context("a result")??;
        report.outcome?;
        Ok(report.pid)
    };
    let mut samples = Vec::new();
    for _ in 0..4 {
        let old = served_by()?;
        let pid = Pid::from_raw(old as i32).context("a process")?;
        let begun = Instant::now();
        kill_process(pid, Signal::KILL)?;
        // The old one may still answer before the signal reaches it.
        while served_by()? == old {}
        samples.push(begun.elapsed().as_secs_f64());
    }
    Ok(samples)
}
