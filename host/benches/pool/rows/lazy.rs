//! Row 5: results of a source that takes its time. Each should be there soon after its item, not when a chunk is full.

use crate::Bench;
use crate::figure::{Goal, Line, Unit};
use crate::floor::{Ping, Wait};
use crate::rounds::seconds;
use anyhow::{Context, Result};
use host::Pool;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A source that has its next item at hand all the time, as far as a person could tell.
const FAST: Duration = Duration::from_micros(20);
/// A source that everybody can sleep on.
const SLOW: Duration = Duration::from_millis(10);

#[derive(Clone, Copy)]
enum Order {
    Input,
    Completion,
}

pub(crate) fn slow_source(bench: &Bench) -> Result<Vec<Line>> {
    let pool = bench.pool("arith", 2)?;
    let mut ping = Ping::start()?;
    let (fast, slow) = (bench.jobs(20_000), bench.jobs(60));

    let mut turns = bench.turns();
    let ordered = turns.samples(|| delays(&pool, Order::Input, FAST, fast));
    let unordered = turns.samples(|| delays(&pool, Order::Completion, FAST, fast));
    let ordered_slow = turns.samples(|| delays(&pool, Order::Input, SLOW, slow));
    let unordered_slow = turns.samples(|| delays(&pool, Order::Completion, SLOW, slow));
    let wakes = turns.samples(|| {
        let one = |_| {
            std::thread::sleep(SLOW);
            seconds(|| ping.square(12, Wait::Sleeping))
        };
        (0..slow).map(one).collect()
    });
    let measured = turns.run()?;

    let soon =
        |name, turn| Line::new(name, Unit::Seconds, measured.median(turn)).goal(Goal::AtMost(5e-6));
    let awake = |name, turn| {
        Line::new(name, Unit::Seconds, measured.median(turn)).better_than(
            "futex ping-pong and call",
            measured.median(wakes),
            1.0 / 1.5,
        )
    };
    Ok(vec![
        soon("`imap`, an item every 20 µs: from item to result", ordered),
        soon("`imap_unordered`, every 20 µs", unordered),
        awake("`imap`, an item every 10 ms", ordered_slow),
        awake("`imap_unordered`, every 10 ms", unordered_slow),
    ])
}

/// How long after its item each result came.
fn delays(pool: &Pool, order: Order, every: Duration, jobs: u32) -> Result<Vec<f64>> {
    let given = Rc::new(RefCell::new(Vec::new()));
    let source = Source {
        every,
        left: jobs,
        given: given.clone(),
    };
    let square = pool.func::<i64, i64>("square")?;
    let mut results = match order {
        Order::Input => square.imap(source),
        Order::Completion => square.imap_unordered(source),
    };
    let mut delays = Vec::new();
    while let Some(report) = results.next_report() {
        let now = Instant::now();
        let item = given.borrow().get(report?.job as usize).copied();
        let item = item.context("a result without an item")?;
        delays.push((now - item).as_secs_f64());
    }
    Ok(delays)
}

/// Numbers, one after the other at fixed distances, and when each was given.
struct Source {
    every: Duration,
    left: u32,
    given: Rc<RefCell<Vec<Instant>>>,
}

impl Iterator for Source {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        self.left = self.left.checked_sub(1)?;
        let mut given = self.given.borrow_mut();
        if let Some(last) = given.last() {
            let due = *last + self.every;
            match self.every == SLOW {
                true => std::thread::sleep(due.saturating_duration_since(Instant::now())),
                false => {
                    while Instant::now() < due {
                        std::hint::spin_loop();
                    }
                }
            }
        }
        given.push(Instant::now());
        Some(i64::from(self.left))
    }
}
