//! `host tour`: what there is, step by step, each with its command and what it prints.

use crate::args::Args;
use crate::exit::{self, Failure};
use crate::{output, run_command};
use clap::Parser;
use signal_hook::consts::SIGINT;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What each step shows, and its command.
const STEPS: [(&str, &[&str]); 9] = [
    (
        "Two functions at the same time, each in a process of its own",
        &[
            "process",
            "arith",
            "square(12)",
            "square-root(2)",
            "--verbose",
        ],
    ),
    (
        "A pool of 4 worker processes for 12 jobs",
        &[
            "map",
            "arith",
            "square",
            "1..=12",
            "--workers",
            "4",
            "--verbose",
        ],
    ),
    (
        "Several arguments for each job",
        &["starmap", "arith", "product", "(1,2,3)", "(3,4,5)"],
    ),
    (
        "A race: one process adds 1 to a shared number a million times, another subtracts. It ends anywhere",
        &[
            "process",
            "shared",
            "add-unlocked(total, 1000000)",
            "subtract-unlocked(total, 1000000)",
            "--value",
            "total=0",
        ],
    ),
    (
        "The cure: with a lock it ends where it began",
        &[
            "process",
            "shared",
            "add(total, guard, 10000)",
            "subtract(total, guard, 10000)",
            "--value",
            "total=0",
            "--lock",
            "guard",
        ],
    ),
    (
        "One process puts the even numbers into a queue, another takes them out",
        &[
            "process",
            "shared",
            "put-evens(evens, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])",
            "take-all(evens)",
            "--queue",
            "evens=2",
        ],
    ),
    (
        "A list in a process of its own, the manager, filled by 4 workers",
        &[
            "starmap",
            "shared",
            "collect",
            "(found, [1, 2])",
            "(found, [3, 4])",
            "(found, [5, 6])",
            "(found, [7, 8])",
            "--list",
            "found",
            "--workers",
            "4",
        ],
    ),
    (
        "A guest that fails costs nobody but itself",
        &["map", "faults", "maybe-trap", "5..9", "--workers", "2"],
    ),
    (
        "One by one, and in parallel",
        &["bench", "arith", "cubes", "1000", "--workers", "2"],
    ),
];

pub(crate) fn tour() -> Result<u8, Failure> {
    // Before any step has its own way with Ctrl-C: here it ends the tour, whatever the step.
    let always = Arc::new(AtomicBool::new(true));
    signal_hook::flag::register_conditional_shutdown(SIGINT, exit::INTERRUPTED.into(), always)
        .map_err(Failure::pool)?;
    for (n, (what, command)) in STEPS.into_iter().enumerate() {
        let gap = if n == 0 { "" } else { "\n" };
        let head = format!("{gap}{}. {what}\n$ host {}\n", n + 1, quoted(command));
        output::print(head.as_bytes())?;
        let typed = std::iter::once("host").chain(command.iter().copied());
        let args = Args::try_parse_from(typed).map_err(Failure::pool)?;
        let code = run_command(args.command);
        if code != exit::DONE && code != exit::JOB_FAILED {
            return Ok(code);
        }
    }
    Ok(exit::DONE)
}

/// The words as a shell has to be given them.
fn quoted(words: &[&str]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.".contains(c);
    let quoted = words.iter().map(|word| match word.chars().all(plain) {
        true => (*word).to_owned(),
        false => format!("'{word}'"),
    });
    quoted.collect::<Vec<_>>().join(" ")
}
