//! Row 15: twice as many workers as processors, and a neighbour who wants one of them for itself. Things may take twice as
//! long then, but nothing may collapse.

use crate::Bench;
use crate::figure::{Line, Unit};
use crate::floor::Neighbour;
use crate::rounds::{each, rate, seconds};
use anyhow::Result;
use host::{Isolation, Pool};

/// The pools of a side, and how many jobs they get.
struct Side {
    workers: usize,
    arith: Pool,
    bare: Pool,
    types: Pool,
    data: Vec<u8>,
}

/// A measure of other rows: its name, its unit, and how it is taken.
type Measure = (&'static str, Unit, fn(&Bench, &Side) -> Result<Vec<f64>>);

const MEASURES: [Measure; 6] = [
    ("`apply square`", Unit::Seconds, |bench, side| {
        let square = side.arith.func::<i64, i64>("square")?;
        each(bench.jobs(20_000), || Ok(square.apply(12)?))
    }),
    (
        "`map square` with `square-batch`",
        Unit::JobsPerSecond,
        |bench, side| {
            let jobs = bench.jobs(1_000_000);
            one(rate(jobs, || {
                Ok(side.arith.map::<i64>("square", 0..jobs)?)
            }))
        },
    ),
    (
        "`map square`, an instance for each job",
        Unit::JobsPerSecond,
        |bench, side| {
            let jobs = bench.jobs(100_000);
            one(rate(jobs, || {
                Ok(side.bare.map::<i64>("square", 0..jobs)?)
            }))
        },
    ),
    (
        "`map cubes`, 1000 numbers",
        Unit::JobsPerSecond,
        |bench, side| {
            let jobs = bench.jobs(20_000);
            let items = std::iter::repeat_n(1000, jobs as usize);
            one(rate(jobs, || {
                Ok(side.arith.map::<Vec<i64>>("cubes", items)?)
            }))
        },
    ),
    ("16 MiB there and back", Unit::BytesPerSecond, |_, side| {
        one(rate(side.data.len() as u32, || {
            Ok(side.types.apply::<Vec<u8>>("echo-list-u8", (&side.data,))?)
        }))
    }),
    ("build to the first result", Unit::Seconds, |_, side| {
        one(seconds(|| {
            let pool = Pool::builder()
                .component("arith")
                .workers(side.workers)
                .build()?;
            pool.apply::<i64>("square", (12,))?;
            Ok(pool)
        }))
    }),
];

fn one(figure: Result<f64>) -> Result<Vec<f64>> {
    Ok(vec![figure?])
}

pub(crate) fn four_workers(bench: &Bench) -> Result<Vec<Line>> {
    let (calm, crowded) = (&Side::new(bench, 2)?, &Side::new(bench, 4)?);
    let mut turns = bench.turns();
    let mut pairs = Vec::new();
    for (name, unit, measure) in MEASURES {
        let alone = turns.samples(move || measure(bench, calm));
        let beside_another = turns.samples(move || {
            let _neighbour = Neighbour::start()?;
            measure(bench, crowded)
        });
        pairs.push((name, unit, alone, beside_another));
    }
    let measured = turns.run()?;
    let line = |(name, unit, alone, beside_another)| {
        Line::new(
            format!("{name}, 4 workers and a busy neighbour"),
            unit,
            measured.median(beside_another),
        )
        .better_than("2 workers, alone", measured.median(alone), 0.5)
    };
    Ok(pairs.into_iter().map(line).collect())
}

impl Side {
    fn new(bench: &Bench, workers: usize) -> Result<Side> {
        let bare = Pool::builder()
            .component("bare")
            .workers(workers)
            .isolation(Isolation::InstancePerJob);
        Ok(Side {
            workers,
            arith: bench.pool("arith", workers)?,
            bare: bench.ready(bare)?,
            types: bench.pool("types", workers)?,
            data: vec![7; 16 << 20],
        })
    }
}
