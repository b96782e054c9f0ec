//! The long proofs of what SECURITY.md promises; the tests run each of them in a short form.
//!
//! ```text
//! cargo run --release --example prove -- chaos      10,000 jobs × 20 seeds, workers killed, stopped and hurt at random
//! cargo run --release --example prove -- deadlines  how long after their time limit jobs of four kinds end, 300 of each
//! cargo run --release --example prove -- manager    1,000,000 operations on a manager's objects, a worker killed each 40 jobs
//! cargo run --release --example prove -- orphans    the host dies at 10 points: nothing of it is left
//! cargo run --release --example prove -- sharing    100,000 jobs with a lock, an array and a queue in common, workers killed at random
//! cargo run --release --example prove -- soak       1,000,000 jobs, a kill each 1,000, a trap each 10
//! cargo run --release --example prove -- components 10,000 damaged components through the compile helper and a worker
//! ```

mod chaos;
mod components;
mod deadlines;
mod manager;
mod orphans;
mod processes;
mod random;
mod sharing;
mod soak;

use anyhow::{Result, bail};
use std::process::Command;
use std::time::Instant;

/// The argument that makes this program a victim, at the point that follows.
const VICTIM: &str = "victim";

fn main() -> Result<()> {
    host::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let started = Instant::now();
    let told = match arguments[..] {
        ["chaos"] => chaos::run(host::Pool::builder, 10_000, 0..20)?.to_string(),
        ["deadlines"] => {
            let told = deadlines::run(host::Pool::builder, 300)?;
            println!("{told}");
            told.check(1)?;
            "none later than it may be".to_owned()
        }
        ["manager"] => {
            let manager = host::Manager::start()?;
            manager::run(host::Pool::builder, &manager, 1_000_000, 40)?.to_string()
        }
        ["orphans"] => orphans::run(victim)?,
        ["sharing"] => sharing::run(host::Pool::builder, 100_000, 1_000)?.to_string(),
        ["soak"] => soak::run(host::Pool::builder, 1_000_000, 1_000)?.to_string(),
        ["components"] => components::run(host::Pool::builder, 10_000)?.to_string(),
        [VICTIM, point] => return orphans::die_at(point, host::Pool::builder),
        _ => bail!(
            "say what to prove: chaos, components, deadlines, manager, orphans, sharing or soak"
        ),
    };
    println!("{told}");
    println!("proven in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// This program, as a victim.
fn victim(point: &str) -> Result<Command> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the victim is a program of its own, no child of a pool"
    )]
    let mut program = Command::new(std::env::current_exe()?);
    program.args([VICTIM, point]);
    Ok(program)
}
