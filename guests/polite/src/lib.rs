//! Says how far it is, writes to the log, and stops when nobody wants its result any more.

wit_bindgen::generate!({
    path: ["../../wit/job", "../../wit/wasi-logging", "../../wit/polite"],
    world: "pool:polite/polite-guest",
    generate_all,
});

use exports::pool::polite::polite::Guest;
use pool::job::job::{is_cancelled, report_progress};
use std::hint::black_box;
use wasi::logging::logging::{self, Level};

struct Polite;
export!(Polite);

/// So many numbers are added between two reports: some microseconds of work.
const STEP: u64 = 1000;

impl Guest for Polite {
    fn add_up(count: u64) -> u64 {
        let mut sum = 0;
        for number in 0..count {
            if number % STEP == 0 {
                report_progress(number, Some(count));
                if is_cancelled() {
                    break;
                }
            }
            sum = black_box(sum + number);
        }
        sum
    }

    fn until_cancelled() -> u64 {
        let mut steps = 0;
        while !is_cancelled() {
            steps += 1;
            report_progress(steps, None);
        }
        steps
    }

    fn stubborn() {
        for step in 0.. {
            report_progress(step, None);
        }
    }

    fn is_cancelled() -> bool {
        is_cancelled()
    }

    fn report_and_trap(done: u64, total: Option<u64>) {
        report_progress(done, total);
        panic!("as it was asked to");
    }

    fn log(context: String, message: String) {
        for level in [
            Level::Trace,
            Level::Debug,
            Level::Info,
            Level::Warn,
            Level::Error,
            Level::Critical,
        ] {
            logging::log(level, &context, &message);
        }
    }

    fn log_many(lines: u32, letters: u32) {
        for line in 0..lines {
            let message = format!("{line} {}", "x".repeat(letters as usize));
            logging::log(Level::Info, "", &message);
        }
    }
}
