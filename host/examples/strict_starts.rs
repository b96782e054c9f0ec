//! Starts workers behind all walls, one after the other, and counts those that serve:
//! `cargo run --release --example strict_starts`, with another number of them as an argument, and then `off` to see what the
//! walls cost.
//!
//! Each job here has a worker of its own, so that a start that fails now and then shows. What is printed last is how long
//! a job took, the start of its worker included.

use anyhow::{Context, bail, ensure};
use host::{Pool, Sandbox};
use std::collections::BTreeSet;
use std::time::Instant;

/// As many as SECURITY.md speaks of.
const STARTS: u64 = 1000;

fn main() -> anyhow::Result<()> {
    host::init();
    let mut arguments = std::env::args().skip(1);
    let starts = match arguments.next() {
        Some(number) => number.parse().context("the argument is how many starts")?,
        None => STARTS,
    };
    let sandbox = match arguments.next().as_deref() {
        None => Sandbox::Strict,
        Some("off") => Sandbox::Off,
        Some(other) => bail!("the second argument can be `off`, it is `{other}`"),
    };
    let pool = Pool::builder()
        .component("arith")
        .workers(1)
        .sandbox(sandbox)
        .max_jobs_per_worker(1)
        .build()?;
    let begun = Instant::now();
    let mut workers = BTreeSet::new();
    let mut results = pool.imap::<i64, _>("square", 0..starts as i64)?;
    while let Some(report) = results.next_report() {
        let report = report?;
        let expected = (report.job * report.job) as i64;
        ensure!(
            report.outcome == Ok(expected),
            "job {}: {:?}",
            report.job,
            report.outcome
        );
        workers.insert(report.pid);
    }
    let each = begun.elapsed() / starts.max(1) as u32;
    let stats = pool.stats();
    ensure!(
        stats.workers_lost == 0,
        "{} workers were lost",
        stats.workers_lost
    );
    ensure!(
        workers.len() as u64 == starts,
        "{} workers served",
        workers.len()
    );
    println!(
        "{} of {starts} starts, sandbox {sandbox:?}: {each:?} each",
        workers.len()
    );
    Ok(())
}
