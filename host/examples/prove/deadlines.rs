//! Deadlines: how long after its time limit a job ends, whatever it does, softly by the engine or hard with its worker.

use anyhow::{Context, Result, bail, ensure};
use host::{Builder, Cause, Error, Limits, Pool, Value};
use std::fmt;
use std::time::{Duration, Instant};

/// The time limit. Its length makes no difference to what comes after it.
const LIMIT: Duration = Duration::from_millis(20);
/// How late 99 of 100 jobs may be that the engine stops.
const SOFT: Duration = Duration::from_millis(5);
/// And those that end with their worker.
const HARD: Duration = Duration::from_millis(20);

/// One instruction that writes four gibibytes, for seconds; by a byte, because a copy onto itself is none.
const COPY: &str = r#"(component
    (core module $code
        (memory 65536)
        (func (export "copy") (memory.copy (i32.const 0) (i32.const 1) (i32.const 0xfffffffe))))
    (core instance $code (instantiate $code))
    (func (export "copy") (canon lift (core func $code "copy"))))"#;

/// How late jobs of some kinds were.
#[derive(Debug, Default)]
pub(crate) struct Overshoots(Vec<Overshoot>);

#[derive(Debug)]
struct Overshoot {
    what: &'static str,
    /// How late 99 of 100 may be.
    goal: Duration,
    /// In order.
    late: Vec<Duration>,
}

impl Overshoots {
    /// Whether all kinds of jobs were in time, or, on a machine that does other things as well, within so many times of it.
    ///
    /// # Errors
    /// One was later.
    pub(crate) fn check(&self, times: u32) -> Result<()> {
        for Overshoot { what, goal, late } in &self.0 {
            let (percentile, most) = (percentile(late, 99), *goal * times);
            ensure!(
                percentile <= most,
                "{what}: 99 of 100 jobs were late by up to {percentile:?}, and may be by {most:?}; is the machine idle?"
            );
        }
        Ok(())
    }
}

impl fmt::Display for Overshoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:36}{:>6}{:>10}{:>10}{:>10}{:>10}",
            "after the time limit, in ms", "jobs", "p50", "p99", "most", "goal p99"
        )?;
        for Overshoot { what, goal, late } in &self.0 {
            let ms = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
            write!(
                f,
                "\n{what:36}{:>6}{:>10}{:>10}{:>10}{:>10}",
                late.len(),
                ms(percentile(late, 50)),
                ms(percentile(late, 99)),
                ms(percentile(late, 100)),
                ms(*goal)
            )?;
        }
        Ok(())
    }
}

/// Lets `jobs` jobs of each kind run into their time limit.
///
/// # Errors
/// A job ended otherwise than by its time limit.
pub(crate) fn run(builder: impl Fn() -> Builder, jobs: usize) -> Result<Overshoots> {
    let pool = |builder: Builder| -> Result<Pool> {
        let limits = Limits {
            timeout: Some(LIMIT),
            memory_bytes: 4 << 30,
            ..Limits::default()
        };
        Ok(builder.workers(1).limits(limits).build()?)
    };
    let faults = pool(builder().component("faults"))?;
    let copy = pool(builder().component(COPY.as_bytes()))?;
    let count = |n: u64| Value::Tuple(vec![Value::U64(n)]);
    let nothing = Value::Tuple(vec![]);
    let mut all = Overshoots::default();
    for (what, goal, pool, function, arguments) in [
        ("a loop", SOFT, &faults, "spin", nothing.clone()),
        (
            "a flood of stdout",
            SOFT,
            &faults,
            "flood-stdout",
            count(u64::MAX),
        ),
        (
            "a sleep in a host call",
            HARD,
            &faults,
            "sleep",
            count(3_600_000),
        ),
        ("a memory.copy of 4 GiB", HARD, &copy, "copy", nothing),
    ] {
        let late = (0..jobs).map(|_| late(pool, function, &arguments));
        let mut late = late.collect::<Result<Vec<_>>>().context(what)?;
        late.sort_unstable();
        all.0.push(Overshoot { what, goal, late });
    }
    Ok(all)
}

/// How long after its limit this job ended, as its caller sees it: the ways there and back are in it.
fn late(pool: &Pool, function: &str, arguments: &Value) -> Result<Duration> {
    // The one before may have taken its worker along.
    pool.wait_ready();
    let begun = Instant::now();
    match pool.apply::<Value>(function, arguments) {
        Err(Error::Job(fault)) if fault.cause == Cause::Timeout(LIMIT) => {
            let took = begun.elapsed();
            ensure!(took >= LIMIT, "stopped {:?} too early", LIMIT - took);
            Ok(took - LIMIT)
        }
        other => bail!("it ended otherwise than by its time limit: {other:?}"),
    }
}

/// Of times in order, the one that so many of 100 do not exceed.
fn percentile(times: &[Duration], of_100: usize) -> Duration {
    let place = (times.len() * of_100).div_ceil(100);
    times[place.max(1) - 1]
}
