//! The jobs of a row of the benchmark and nothing else, for a profiler to look at:
//! `valgrind --tool=callgrind target/release/examples/profile ROW JOBS`, where the row is 1, 3, 4 or 6.

use anyhow::{Context, Result, bail, ensure};
use host::{Isolation, Pool};

fn main() -> Result<()> {
    host::init();
    let usage = "profile ROW JOBS";
    let row = std::env::args().nth(1).context(usage)?;
    let jobs = std::env::args().nth(2).context(usage)?.parse::<u32>()?;
    let isolation = match row.as_str() {
        "4" => Isolation::InstancePerJob,
        _ => Isolation::InstancePerWorker,
    };
    let mut builder = Pool::builder()
        .component(if row == "4" { "bare" } else { "arith" })
        .workers(2)
        .isolation(isolation);
    // As many as they become in the benchmark: a profiler makes the caller slow, and a slow source is sent one by one.
    match row.as_str() {
        "3" => builder = builder.chunk(8192),
        "4" => builder = builder.chunk(1000),
        "6" => builder = builder.chunk(250),
        _ => {}
    }
    let pool = builder
        // A profiler that is the process itself, as Valgrind is, would else be started as the worker.
        .worker_program(std::env::current_exe()?)
        .build()?;
    let done = match row.as_str() {
        "1" => {
            let square = pool.func::<i64, i64>("square")?;
            let right = |n: &i64| square.apply(*n).is_ok_and(|result| result == n * n);
            (0..jobs.into()).take_while(right).count()
        }
        "3" | "4" => pool.map::<i64>("square", 0..i64::from(jobs))?.len(),
        "6" => {
            let items = std::iter::repeat_n(1000u32, jobs as usize);
            pool.map::<Vec<i64>>("cubes", items)?.len()
        }
        _ => bail!("{usage}: the row is 1, 3, 4 or 6, not {row}"),
    };
    ensure!(done == jobs as usize, "job {done} has a wrong result");
    // Workers end with their parent; Valgrind does not know the call that would end them sooner.
    std::process::exit(0)
}
