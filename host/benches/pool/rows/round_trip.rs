//! Rows 1 and 2: one tiny job there and back, beside the least that another process can do, and beside Python.

use crate::Bench;
use crate::figure::{Goal, Line, Unit};
use crate::floor::{Ping, Wait};
use crate::python::{PEERS, PYTHON_APPLY, Python};
use crate::rounds::{each, seconds};
use anyhow::Result;
use std::time::Duration;

/// How long both sides have nothing to do before a job of row 2: much longer than anyone spins.
const IDLE: Duration = Duration::from_millis(10);

pub(crate) fn warm(bench: &Bench) -> Result<Vec<Line>> {
    let jobs = bench.jobs(50_000);
    let pool = bench.pool("arith", 2)?;
    let square = pool.func::<i64, i64>("square")?;
    let mut ping = Ping::start()?;

    let mut turns = bench.turns();
    let ours = turns.samples(|| each(jobs, || Ok(square.apply(12)?)));
    let floor =
        turns.samples(|| ping.spinning(|ping| each(jobs, || ping.square(12, Wait::Spinning))));
    let mut peers = Vec::new();
    for (peer, name) in PEERS {
        let python = Python::start(peer, "apply", &[("count", bench.jobs(2_000))])?;
        peers.push((name, turns.python(python)));
    }
    let measured = turns.run()?;

    let mut median = Line::new(
        "`apply square`, median",
        Unit::Seconds,
        measured.median(ours),
    )
    .goal(Goal::AtMost(0.8e-6))
    .better_than("spinning ping-pong and call", measured.median(floor), 0.5);
    for (name, turn) in peers {
        median = match name {
            PYTHON_APPLY => median.better_than(name, measured.median(turn), 100.0),
            _ => median.beside(name, measured.median(turn)),
        };
    }
    let slow = Line::new(
        "`apply square`, 99th percentile",
        Unit::Seconds,
        measured.quantile(ours, 0.99),
    )
    .goal(Goal::AtMost(5e-6))
    .beside(
        "spinning ping-pong and call",
        measured.quantile(floor, 0.99),
    );
    Ok(vec![median, slow])
}

pub(crate) fn idle(bench: &Bench) -> Result<Vec<Line>> {
    let jobs = bench.jobs(60);
    let pool = bench.pool("arith", 2)?;
    let square = pool.func::<i64, i64>("square")?;
    let mut ping = Ping::start()?;

    let mut turns = bench.turns();
    let ours = turns.samples(|| after_idling(jobs, || Ok(square.apply(12)?)));
    let floor = turns.samples(|| after_idling(jobs, || ping.square(12, Wait::Sleeping)));
    let measured = turns.run()?;

    // 1.5 times the cost is two thirds of the speed.
    let line = |name, q| {
        Line::new(name, Unit::Seconds, measured.quantile(ours, q)).better_than(
            "futex ping-pong and call",
            measured.quantile(floor, q),
            1.0 / 1.5,
        )
    };
    Ok(vec![
        line("`apply square` after 10 ms, median", 0.5),
        line("`apply square` after 10 ms, 90th percentile", 0.9),
    ])
}

fn after_idling<T>(jobs: u32, mut job: impl FnMut() -> Result<T>) -> Result<Vec<f64>> {
    let one = |_| {
        std::thread::sleep(IDLE);
        seconds(&mut job)
    };
    (0..jobs).map(one).collect()
}
