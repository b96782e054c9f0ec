//! Two processes that do the same loop at the same time: what two processors can do when nothing is between them.

use super::Source;
use super::guest::Guest;
use super::process::{FRESH_ARITH, FRESH_BARE, Process};
use anyhow::Result;
use std::io::{Read, Write};
use std::process::{ChildStdin, ChildStdout};

/// Two processes that make an instance for each job.
pub(crate) struct Pair([(Process, ChildStdin, ChildStdout); 2]);

impl Pair {
    /// For the guest `bare`.
    pub(crate) fn bare() -> Result<Pair> {
        Pair::start(FRESH_BARE)
    }

    /// For the guest `arith`.
    pub(crate) fn arith() -> Result<Pair> {
        Pair::start(FRESH_ARITH)
    }

    fn start(role: &str) -> Result<Pair> {
        let mut pair = Pair([Process::piped(role)?, Process::piped(role)?]);
        // They have compiled their guest when they answer.
        pair.run(2)?;
        Ok(pair)
    }

    /// Each does half of the jobs.
    pub(crate) fn run(&mut self, jobs: u32) -> Result<()> {
        let halves = [jobs / 2, jobs.div_ceil(2)];
        for ((_, orders, _), half) in self.0.iter_mut().zip(halves) {
            orders.write_all(&half.to_le_bytes())?;
        }
        for (_, _, news) in &mut self.0 {
            news.read_exact(&mut [0])?;
        }
        Ok(())
    }
}

/// One of the two: does as many jobs as it is told, until it is killed.
pub(super) fn serve(source: Source) -> Result<()> {
    let guest = Guest::new(source)?;
    let mut jobs = [0; 4];
    loop {
        std::io::stdin().read_exact(&mut jobs)?;
        guest.squares_in_fresh_instances(u32::from_le_bytes(jobs))?;
        std::io::stdout().write_all(&[0])?;
        std::io::stdout().flush()?;
    }
}
