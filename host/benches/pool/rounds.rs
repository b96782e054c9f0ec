//! Contestants that take turns, and the medians of what they did.
//!
//! On a machine that others use too, a minute may be twice as slow as the next. So each contestant runs for a moment, then
//! the next one, and all again for some rounds: a slow moment hits all alike, and the median passes it over.

use crate::python::Python;
use anyhow::Result;
use std::hint::black_box;
use std::time::Instant;

/// Contestants, to be run in the order in which they were added.
pub(crate) struct Turns<'a> {
    rounds: usize,
    contestants: Vec<Option<Contestant<'a>>>,
}

/// Runs for a moment and tells what it measured: many samples, or one figure.
type Contestant<'a> = Box<dyn FnMut() -> Result<Vec<f64>> + 'a>;

/// Names a contestant to those who ask for its figures.
#[derive(Clone, Copy)]
pub(crate) struct Turn(usize);

/// What all contestants measured, by round.
pub(crate) struct Measured(Vec<Vec<Vec<f64>>>);

impl<'a> Turns<'a> {
    pub(crate) fn new(rounds: usize) -> Self {
        Turns {
            rounds,
            contestants: Vec::new(),
        }
    }

    /// Adds a contestant that measures many samples a round.
    pub(crate) fn samples(&mut self, run: impl FnMut() -> Result<Vec<f64>> + 'a) -> Turn {
        self.contestants.push(Some(Box::new(run)));
        Turn(self.contestants.len() - 1)
    }

    /// Adds a contestant that measures one figure a round.
    pub(crate) fn figure(&mut self, mut run: impl FnMut() -> Result<f64> + 'a) -> Turn {
        self.samples(move || Ok(vec![run()?]))
    }

    /// Adds one of Python's pools, which may not be there.
    pub(crate) fn python(&mut self, python: Option<Python>) -> Turn {
        let contestant = python.map(|mut python| {
            let run: Contestant<'a> = Box::new(move || python.round());
            run
        });
        self.contestants.push(contestant);
        Turn(self.contestants.len() - 1)
    }

    /// Runs all of them: once to warm up, which does not count, and then in rounds.
    pub(crate) fn run(mut self) -> Result<Measured> {
        let mut measured = vec![Vec::new(); self.contestants.len()];
        for round in 0..=self.rounds {
            for (contestant, measured) in self.contestants.iter_mut().zip(&mut measured) {
                let Some(run) = contestant else { continue };
                let mut samples = run()?;
                if round > 0 {
                    samples.sort_by(f64::total_cmp);
                    measured.push(samples);
                }
            }
        }
        Ok(Measured(measured))
    }
}

impl Measured {
    /// The median of a contestant's samples; `None` if it did not take part.
    pub(crate) fn median(&self, turn: Turn) -> Option<f64> {
        self.quantile(turn, 0.5)
    }

    /// A quantile of a contestant's samples: of each round its own, and of these the median.
    pub(crate) fn quantile(&self, turn: Turn, q: f64) -> Option<f64> {
        let mut rounds: Vec<f64> = self.0[turn.0]
            .iter()
            .filter_map(|round| quantile(round, q))
            .collect();
        rounds.sort_by(f64::total_cmp);
        quantile(&rounds, 0.5)
    }

    /// A quantile over the samples of all rounds, for contestants with few samples a round.
    pub(crate) fn quantile_of_all(&self, turn: Turn, q: f64) -> Option<f64> {
        let mut all = self.0[turn.0].concat();
        all.sort_by(f64::total_cmp);
        quantile(&all, q)
    }
}

/// A quantile of sorted samples.
fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    Some(sorted[(last as f64 * q).round() as usize])
}

/// How many seconds this takes. What it returns is freed outside of the time.
pub(crate) fn seconds<T>(run: impl FnOnce() -> Result<T>) -> Result<f64> {
    let begun = Instant::now();
    let result = run()?;
    let seconds = begun.elapsed().as_secs_f64();
    black_box(result);
    Ok(seconds)
}

/// How many of so many things are done a second.
pub(crate) fn rate<T>(things: u32, run: impl FnOnce() -> Result<T>) -> Result<f64> {
    Ok(f64::from(things) / seconds(run)?)
}

/// How many seconds each of so many calls takes.
pub(crate) fn each<T>(calls: u32, mut call: impl FnMut() -> Result<T>) -> Result<Vec<f64>> {
    (0..calls).map(|_| seconds(&mut call)).collect()
}

/// As [`each`], where each call is given something that is made outside of the time.
pub(crate) fn each_given<G, T>(
    calls: u32,
    mut make: impl FnMut() -> G,
    mut call: impl FnMut(G) -> Result<T>,
) -> Result<Vec<f64>> {
    let one = |_| {
        let given = make();
        seconds(|| call(given))
    };
    (0..calls).map(one).collect()
}
