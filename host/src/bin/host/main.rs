//! The program `host`: a pool of sandboxed worker processes for the functions of WebAssembly components.
//!
//! It knows nothing that an embedder of the crate couldn't know. One file a subcommand; `args` is what was typed, `plan`
//! what it means, `run` how jobs become lines.

mod args;
mod plan;
mod quantity;

mod bench;
mod call;
mod compile;
mod completions;
mod doctor;
mod inspect;
mod manager;
mod map;
mod process;
mod starmap;
mod tour;
mod worker;

mod feed;
mod form;
mod items;
mod lines;
mod objects;
mod run;
mod watch;

mod account;
mod exit;
mod log;
mod output;
mod print;
mod progress;

use args::{Args, Command};
use clap::Parser;
use exit::Failure;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    host::init();
    // By default a limit of file sizes ends a program without a word. Now the write that meets it fails, and is told.
    let _ = signal_hook::flag::register(libc::SIGXFSZ, Arc::default());
    let code = match Args::try_parse_from(args::typed(std::env::args_os())) {
        Ok(args) => run_command(args.command),
        Err(error) => {
            // Help and version come this way as well; a reader who closed the pipe has seen enough.
            let _ = error.print();
            error.exit_code() as u8
        }
    };
    ExitCode::from(code)
}

/// Does what a command line says, and tells why if it cannot.
fn run_command(command: Command) -> u8 {
    dispatch(command).unwrap_or_else(tell)
}

fn dispatch(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Map(args) => map::map(args),
        Command::Starmap(args) => starmap::starmap(args),
        Command::Call(args) => call::call(args),
        Command::Process(args) => process::process(args),
        Command::Tour => tour::tour(),
        Command::Bench(args) => bench::bench(args),
        Command::Inspect(args) => inspect::inspect(args),
        Command::Compile(args) => compile::compile(args),
        Command::Doctor(args) => doctor::doctor(args),
        Command::Manager(args) => manager::manager(args),
        Command::Completions(args) => completions::completions(args),
        Command::Worker { .. } => Err(worker::run_by_hand()),
    }
}

fn tell(failure: Failure) -> u8 {
    output::error(&failure.message, failure.hint.as_deref());
    failure.code
}
