//! Jobs one by one, for a profiler to look at:
//! `valgrind --tool=callgrind target/release/examples/applies [HOW-MANY]`.

fn main() -> anyhow::Result<()> {
    host::init();
    let jobs = match std::env::args().nth(1) {
        Some(jobs) => jobs.parse()?,
        None => 10_000,
    };
    let pool = host::Pool::builder()
        .component("arith")
        // A profiler that is the process itself, as Valgrind is, would else be started as the worker.
        .worker_program(std::env::current_exe()?)
        .build()?;
    let square = pool.func::<i64, i64>("square")?;
    for number in 0..jobs {
        assert_eq!(square.apply(number)?, number * number);
    }
    // Workers end with their parent; Valgrind 3.24 does not know the call that would end them sooner.
    std::process::exit(0)
}
