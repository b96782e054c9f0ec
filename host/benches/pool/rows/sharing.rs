//! Rows 17 to 20: objects that jobs share, beside a call of the host that does nothing, a futex, and Python's queue and
//! manager.

use crate::Bench;
use crate::figure::{Line, Unit};
use crate::floor::{Ping, Wait};
use crate::python::{MULTIPROCESSING, Python};
use crate::rounds::{rate, seconds};
use anyhow::Result;
use host::{Handle, Manager, Pool};

pub(crate) fn steps(bench: &Bench) -> Result<Vec<Line>> {
    let times = bench.jobs(1_000_000);
    let pool = bench.pool("shared", 1)?;
    let total = pool.shared().value(0)?;
    let guard = pool.shared().lock()?;
    // The time of one of so many, in one job.
    let each = |job: &dyn Fn() -> Result<()>| Ok(seconds(job)? / f64::from(times));
    let mut turns = bench.turns();
    let add = turns.figure(|| {
        each(&|| {
            let _: i64 = pool.apply("fetch-add", (&total, times))?;
            Ok(())
        })
    });
    let lock = turns.figure(|| each(&|| Ok(pool.apply("acquire-release", (&guard, times))?)));
    let nothing = turns.figure(|| {
        each(&|| {
            let _: u32 = pool.apply("ask", (times,))?;
            Ok(())
        })
    });
    let measured = turns.run()?;
    let nothing = measured.median(nothing);
    // Three times the cost is a third of the speed; to acquire and to release are two calls.
    let name = "a call of the host that does nothing";
    Ok(vec![
        Line::new("`value.fetch-add`", Unit::Seconds, measured.median(add)).better_than(
            name,
            nothing,
            1.0 / 3.0,
        ),
        Line::new(
            "`lock.acquire` and `release`, each",
            Unit::Seconds,
            measured.median(lock).map(|pair| pair / 2.0),
        )
        .better_than(name, nothing, 1.0 / 3.0),
    ])
}

pub(crate) fn hand_over(bench: &Bench) -> Result<Vec<Line>> {
    let times = bench.jobs(2_000);
    let pool = bench.pool("shared", 2)?;
    let mut ping = Ping::start()?;
    let mut turns = bench.turns();
    let ours = turns.figure(|| turns_taken(&pool, times));
    let floor = turns.figure(|| {
        let pings = || (0..times).try_for_each(|_| ping.square(12, Wait::Sleeping).map(drop));
        Ok(seconds(pings)? / f64::from(2 * times))
    });
    let measured = turns.run()?;
    Ok(vec![
        Line::new(
            "a condition's turn handed to a job that waits for it",
            Unit::Seconds,
            measured.median(ours),
        )
        .better_than("futex hand-over", measured.median(floor), 0.5),
    ])
}

/// The time of one turn of two jobs that take turns.
fn turns_taken(pool: &Pool, times: u32) -> Result<f64> {
    let turn = pool.shared().value(0)?;
    let changed = pool.shared().condition()?;
    let all = seconds(|| {
        let sides = [0u32, 1].map(|side| -> Result<Handle<()>> {
            Ok(pool.submit("take-turns", (&turn, &changed, side, times))?)
        });
        for side in sides {
            side?.wait()?;
        }
        Ok(())
    })?;
    Ok(all / f64::from(2 * times))
}

pub(crate) fn queue(bench: &Bench) -> Result<Vec<Line>> {
    let items = bench.jobs(500_000);
    let pool = bench.pool("shared", 2)?;
    let queue = pool.shared().queue(1_000)?;
    let options = [("count", bench.jobs(50_000))];
    let python = Python::start(MULTIPROCESSING, "queue", &options)?;
    let mut turns = bench.turns();
    let ours = turns.figure(|| {
        rate(items, || {
            let producer: Handle<()> = pool.submit("produce", (&queue, items))?;
            let sum: i64 = pool.apply("consume", (&queue, items))?;
            producer.wait()?;
            Ok(sum)
        })
    });
    let python = turns.python(python);
    let measured = turns.run()?;
    Ok(vec![
        Line::new(
            "a queue of numbers from a job to a job",
            Unit::JobsPerSecond,
            measured.median(ours),
        )
        .better_than("Python `Queue`", measured.median(python), 10.0),
    ])
}

pub(crate) fn dict(bench: &Bench) -> Result<Vec<Line>> {
    let times = bench.jobs(50_000);
    let manager = Manager::start()?;
    let setup = Pool::builder()
        .component("shared")
        .workers(1)
        .manager(&manager);
    let pool = bench.ready(setup)?;
    let dict = manager.dict()?;
    let python = Python::start(MULTIPROCESSING, "dict", &[("count", bench.jobs(5_000))])?;
    let mut turns = bench.turns();
    // A set and a get each.
    let each = |seconds: f64| seconds / f64::from(2 * times);
    let job = turns.figure(|| {
        let job = || Ok(pool.apply::<i64>("set-get", (&dict, "key", times))?);
        seconds(job).map(each)
    });
    let thread = turns.figure(|| {
        let calls = || {
            (0..i64::from(times)).try_for_each(|n| -> Result<()> {
                dict.set("key", n)?;
                dict.get("key")?;
                Ok(())
            })
        };
        seconds(calls).map(each)
    });
    let python = turns.python(python);
    let measured = turns.run()?;
    let line = |name, turn| {
        Line::new(name, Unit::Seconds, measured.median(turn)).better_than(
            "Python `Manager().dict()`",
            measured.median(python),
            10.0,
        )
    };
    Ok(vec![
        line("`dict` set or get over the manager, in a job", job),
        line("the same from the program", thread),
    ])
}
