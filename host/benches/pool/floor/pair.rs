//! Two processes that do the same loop at the same time: what two processors can do when nothing is between them.

use super::Source;
use super::guest::Guest;
use super::process::Process;
use anyhow::Result;
use std::io::{Read, Write};
use std::process::{ChildStdin, ChildStdout};

/// Two processes that make an instance for each job.
pub(crate) struct Pair([(Process, ChildStdin, ChildStdout); 2]);

impl Pair {
    pub(crate) fn start(source: Source) -> Result<Pair> {
        let mut pair = Pair([Process::fresh(source)?, Process::fresh(source)?]);
        // They have compiled their guest when they answer.
        pair.run(2)?;
        Ok(pair)
    }

    /// Each does half of the jobs.
    pub(crate) fn run(&mut self, jobs: u32) -> Result<()> {
        for (_, orders, _) in &mut self.0 {
            orders.write_all(&(jobs / 2).to_le_bytes())?;
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
