//! How fast the pool is, row by row, each beside what bounds it and beside what people use today: `cargo bench`.
//!
//! `cargo bench -- 1 3 7` measures these rows only, `--quick` takes a tenth of the jobs and fewer rounds. In each row the
//! pool and what it is compared with take turns, so that both have the same weather. Not criterion, because most rows
//! measure a tree of processes, and all of them a ratio.

mod figure;
mod floor;
mod proc;
mod python;
mod rounds;
mod rows;

use anyhow::{Context, Result};
use clap::Parser;
use figure::Line;
use host::{Builder, Pool};
use rounds::Turns;
use std::path::PathBuf;
use std::time::Duration;

/// Measure the pool, each row beside its floor and its peers
#[derive(Parser)]
struct Args {
    /// The rows to measure, by their numbers [default: all]
    rows: Vec<u8>,
    /// Take a tenth of the jobs and fewer rounds: to see that a row runs, not how fast it is
    #[arg(long)]
    quick: bool,
    /// Keep what was measured in this file; rows that are in it and were not measured now stay as they are
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
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
    let mut lines = Vec::new();
    for row in rows::ROWS {
        if !args.rows.is_empty() && !args.rows.contains(&row.number) {
            continue;
        }
        println!("\n{}. {}", row.number, row.title);
        let measured = (row.measure)(&bench).with_context(|| format!("row {}", row.number))?;
        for mut line in measured {
            line.row = row.number;
            print!("{line}");
            lines.push(line);
        }
    }
    if let Some(file) = &args.json {
        keep(&lines, file)?;
    }
    Ok(())
}

/// Puts lines into a file, in place of those that it has of the same rows.
fn keep(lines: &[Line], file: &std::path::Path) -> Result<()> {
    let mut kept: Vec<Line> = match std::fs::read(file) {
        Ok(text) => serde_json::from_slice(&text)
            .with_context(|| format!("{} is no file of ours", file.display()))?,
        Err(_) => Vec::new(),
    };
    kept.retain(|old| lines.iter().all(|new| new.row != old.row));
    kept.extend_from_slice(lines);
    kept.sort_by_key(|line| line.row);
    std::fs::write(file, serde_json::to_vec_pretty(&kept)?)
        .with_context(|| format!("cannot write {}", file.display()))
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
