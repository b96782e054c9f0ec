//! Row 16: whole chunks in one call of the guest, where it exports `square-batch` beside `square`.

use crate::Bench;
use crate::figure::{Goal, Line, Unit};
use crate::python::Python;
use crate::rounds::rate;
use anyhow::Result;
use host::Pool;
use rayon::prelude::*;

/// A component with a batch form. The call is the same: `map` finds the batch form by itself.
const WITH_BATCH: &str = "arith";
/// One without, whose jobs are swept as in row 3: each is a call, without leaving the guest.
const WITHOUT_BATCH: &str = "bare";

pub(crate) fn square(bench: &Bench) -> Result<Vec<Line>> {
    let jobs = bench.jobs(1_000_000);
    let batch = bench.pool(WITH_BATCH, 2)?;
    let single = bench.pool(WITHOUT_BATCH, 2)?;
    let threads = rayon::ThreadPoolBuilder::new().num_threads(2).build()?;
    let numpy = Python::start("numpy", "batch", &[("count", jobs)])?;

    let mut turns = bench.turns();
    let batch = turns.samples(|| several(|| mapped(&batch, jobs)));
    let single = turns.samples(|| several(|| mapped(&single, jobs)));
    let native = turns.samples(|| several(|| rate(jobs, || Ok(threads.install(|| native(jobs))))));
    let numpy = turns.python(numpy);
    let measured = turns.run()?;

    let line = Line::new(
        "`map square` with `square-batch`",
        Unit::JobsPerSecond,
        measured.median(batch),
    );
    Ok(vec![
        line.goal(Goal::AtLeast(100e6))
            .beside("`map square`, swept", measured.median(single))
            .beside("rayon, native code", measured.median(native))
            .beside("numpy, one array", measured.median(numpy)),
    ])
}

/// A million jobs should take some milliseconds, so that one look at them is not enough.
fn several(run: impl Fn() -> Result<f64>) -> Result<Vec<f64>> {
    (0..5).map(|_| run()).collect()
}

fn mapped(pool: &Pool, jobs: u32) -> Result<f64> {
    rate(jobs, || Ok(pool.map::<i64>("square", 0..i64::from(jobs))?))
}

fn native(jobs: u32) -> Vec<i64> {
    let square = |n: i64| n.checked_mul(n).expect("the numbers are small enough");
    (0..i64::from(jobs)).into_par_iter().map(square).collect()
}
