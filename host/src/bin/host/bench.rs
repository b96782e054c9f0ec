//! `host bench`: show how much faster jobs are done by more workers, as tutorials on pools of processes do: first one by
//! one, then by `map` with 1, 2, … workers.
//!
//! Results come home and are dropped there, so that any number of them fits.

use crate::args::{BenchArgs, Format, OutputArgs};
use crate::exit::{self, Failure};
use crate::form::{Form, Named};
use crate::items::Items;
use crate::output;
use crate::plan::{Jobs, Plan};
use crate::quantity::Workers;
use host::{Func, Pool, Value};
use serde::Serialize;
use serde::de::IgnoredAny;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// How long one worker works one by one where the number of jobs is not given: long enough that the start of a chunk and
/// the end of the last one make no difference.
const ENOUGH: Duration = Duration::from_secs(1);

/// How long workers may take to start before the measure begins without them.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many items of a long range are used: more would take memory, and tell nothing new.
const ITEMS: usize = 1 << 20;

/// Jobs as they are given, and nothing that their results are.
type Call<'p> = Func<'p, Vec<Value>, IgnoredAny>;

pub(crate) fn bench(args: BenchArgs) -> Result<u8, Failure> {
    let available = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let most = args.workers.unwrap_or(Workers::Percent(100)).of(available);
    let output = OutputArgs {
        format: args.format,
        verbose: false,
        quiet: true,
        account: false,
        log_level: None,
    };
    let mut plan = Plan::one(args.target, Jobs::Items(vec![]), args.guest, output);
    let pool = plan.pool()?;
    let items = items(&pool, &plan.function, &args.items)?;
    let call = pool.func(&plan.function)?;
    warm(&pool, &call, &items)?;
    let first = one_by_one(&call, &items, args.jobs)?;
    let table = Table {
        format: args.format,
        first,
    };
    table.head(&call.function().name)?;
    table.line("one by one", 1, first.time)?;
    drop(pool);

    for workers in up_to(most) {
        plan.workers = workers;
        let pool = plan.pool()?;
        let call = pool.func(&plan.function)?;
        warm(&pool, &call, &items)?;
        table.line("map", workers, map(&call, &items, first.jobs)?)?;
    }
    Ok(exit::DONE)
}

/// The arguments of the jobs: items for a function of one parameter, tuples for any other.
fn items(pool: &Pool, function: &str, texts: &[String]) -> Result<Vec<Vec<Value>>, Failure> {
    let description = pool.description();
    let index = description.find(function).map_err(Failure::command_line)?;
    let function = &description.functions[index];
    let form = match function.params.len() {
        1 => Form::item(function, &Named::default())?,
        _ => Form::tuple(function, &Named::default()),
    };
    let items: Vec<_> = Items::read(texts, form)?.arguments().take(ITEMS).collect();
    match items.is_empty() {
        true => Err(Failure::command_line(
            "the ranges are empty, so there is nothing to measure",
        )),
        false => Ok(items),
    }
}

/// Waits until all workers are ready, and has a job done, so that nothing that happens once is part of the measure.
fn warm(pool: &Pool, call: &Call<'_>, items: &[Vec<Value>]) -> Result<(), Failure> {
    let begun = Instant::now();
    let ready = || {
        pool.stats()
            .workers
            .iter()
            .filter(|worker| worker.ready)
            .count()
    };
    while ready() < pool.workers() && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
    call.apply(items[0].clone())?;
    Ok(())
}

/// What one worker did one by one.
#[derive(Clone, Copy)]
struct First {
    jobs: u64,
    time: Duration,
}

fn one_by_one(call: &Call<'_>, items: &[Vec<Value>], jobs: Option<u64>) -> Result<First, Failure> {
    let begun = Instant::now();
    let mut done = 0;
    for item in items.iter().cycle() {
        call.apply(item.clone())?;
        done += 1;
        if jobs.map_or_else(|| begun.elapsed() >= ENOUGH, |jobs| done == jobs) {
            break;
        }
    }
    Ok(First {
        jobs: done,
        time: begun.elapsed(),
    })
}

fn map(call: &Call<'_>, items: &[Vec<Value>], jobs: u64) -> Result<Duration, Failure> {
    let jobs = usize::try_from(jobs).unwrap_or(usize::MAX);
    let begun = Instant::now();
    call.map(items.iter().cycle().take(jobs).cloned())?;
    Ok(begun.elapsed())
}

/// 1, 2, 4 … and this many.
fn up_to(most: usize) -> impl Iterator<Item = usize> {
    let doubled = std::iter::successors(Some(1usize), |workers| workers.checked_mul(2));
    doubled
        .take_while(move |&workers| workers < most)
        .chain([most])
}

/// Lines that are printed as soon as they are measured.
struct Table {
    format: Format,
    first: First,
}

/// A line as JSON.
#[derive(Serialize)]
struct Line<'a> {
    mode: &'a str,
    workers: usize,
    jobs: u64,
    seconds: f64,
    jobs_per_second: f64,
    speed_up: f64,
}

impl Table {
    fn head(&self, function: &str) -> Result<(), Failure> {
        match self.format {
            Format::Json => Ok(()),
            Format::Text => output::print(
                format!(
                    "{function}, {} jobs\n\n{:16}{:>12}{:>14}{:>11}\n",
                    self.first.jobs, "", "time", "jobs/s", "speed-up"
                )
                .as_bytes(),
            ),
        }
    }

    fn line(&self, mode: &str, workers: usize, time: Duration) -> Result<(), Failure> {
        let jobs = self.first.jobs;
        // A clock may be coarser than a job is long.
        let seconds = time.as_secs_f64().max(1e-9);
        let rate = jobs as f64 / seconds;
        let speed_up = self.first.time.as_secs_f64().max(1e-9) / seconds;
        let line = match self.format {
            Format::Text => {
                let name = match (mode, workers) {
                    ("map", 1) => "map, 1 worker".into(),
                    ("map", workers) => format!("map, {workers} workers"),
                    (mode, _) => mode.to_owned(),
                };
                format!("{name:16}{seconds:>10.4} s{rate:>14.0}{speed_up:>11.2}\n")
            }
            Format::Json => {
                let line = Line {
                    mode,
                    workers,
                    jobs,
                    seconds,
                    jobs_per_second: rate,
                    speed_up,
                };
                // Turning these values into JSON cannot fail.
                serde_json::to_string(&line).unwrap_or_default() + "\n"
            }
        };
        output::print(line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_workers_doubles_and_ends_where_it_should() {
        for (most, expected) in [
            (1, &[1][..]),
            (2, &[1, 2]),
            (3, &[1, 2, 3]),
            (4, &[1, 2, 4]),
            (12, &[1, 2, 4, 8, 12]),
        ] {
            assert!(up_to(most).eq(expected.iter().copied()), "{most}");
        }
    }
}
