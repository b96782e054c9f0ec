//! How fast the pool is, row by row, each beside what bounds it and beside what people use today: `cargo bench`.
//!
//! `cargo bench -- 1 3 7` measures these rows only, `--quick` takes a tenth of the jobs and fewer rounds. In each row the
//! pool and what it is compared with take turns, so that both have the same weather. Not criterion, because most rows
//! measure a tree of processes, and all of them a ratio.

mod rows;

mod floor;
mod proc;
mod python;
mod rounds;

mod chart;
mod figure;
mod report;

use anyhow::{Context, Result};
use clap::Parser;
use host::{Builder, Pool};
use report::Report;
use rounds::Turns;
use std::path::PathBuf;
use std::time::Duration;

/// Measure the pool, each row beside its floor and its peers
#[derive(Parser)]
struct Args {
    /// The rows to measure, by their numbers [default: all, or none with --from]
    rows: Vec<u8>,
    /// Take a tenth of the jobs and fewer rounds: to see that a row runs, not how fast it is
    #[arg(long)]
    quick: bool,
    /// Take the figures of the other rows from this file
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Keep the figures in this file; a relative path begins in `host`, as Cargo starts benchmarks there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the table of BENCHMARKS.md and the chart
    #[arg(long)]
    write: bool,
    /// Cargo says this to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// What every row is given.
struct Bench {
    quick: bool,
}

fn main() -> Result<()> {
    host::init();
    floor::init()?;
    let args = Args::parse();
    let bench = Bench { quick: args.quick };
    let mut report = match &args.from {
        Some(file) => Report::read(file)?,
        None => Report::new()?,
    };
    for row in rows::ROWS {
        let all = args.rows.is_empty() && args.from.is_none();
        if !all && !args.rows.contains(&row.number) {
            continue;
        }
        println!("\n{}. {}", row.number, row.title);
        let mut lines = (row.measure)(&bench).with_context(|| format!("row {}", row.number))?;
        for line in &mut lines {
            line.row = row.number;
            print!("{line}");
        }
        report.replace(row.number, lines);
        if let Some(file) = &args.json {
            report.keep(file)?;
        }
    }
    if args.write {
        report.publish()?;
    }
    Ok(())
}

impl Bench {
    /// So many jobs, or a tenth of them.
    fn jobs(&self, jobs: u32) -> u32 {
        if self.quick { jobs.div_ceil(10) } else { jobs }
    }

    /// A pool with default settings, whose workers are all ready.
    fn pool(&self, component: &str, workers: usize) -> Result<Pool> {
        let pool = Pool::builder().component(component).workers(workers);
        self.ready(pool)
    }

    /// Builds a pool and waits until all its workers are ready.
    fn ready(&self, builder: Builder) -> Result<Pool> {
        let pool = builder.build()?;
        while pool.stats().workers.iter().filter(|w| w.ready).count() < pool.workers() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(pool)
    }

    /// Contestants to be added.
    fn turns<'a>(&self) -> Turns<'a> {
        Turns::new(if self.quick { 3 } else { 7 })
    }
}
