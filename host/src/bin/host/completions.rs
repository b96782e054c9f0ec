//! `host completions`: write the completions of a shell.

use crate::args::{Args, CompletionsArgs};
use crate::exit::{self, Failure};
use crate::output;
use clap::CommandFactory;

pub(crate) fn completions(args: CompletionsArgs) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "host", &mut script);
    output::print(&script)?;
    Ok(exit::DONE)
}
