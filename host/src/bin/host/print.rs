//! What becomes of a job, as text: a line of WAVE or JSON for stdout, lines for people on stderr.

use crate::account::{self, UsageLine};
use crate::args::Format;
use crate::output;
use host::value::json::AsJson;
use host::{Cause, Fault, Outcome, Report, Value};
use serde::Serialize;
use std::io::Write;

/// Appends a job's line. In text a failed job has none: stdout has results only.
pub(crate) fn line(to: &mut Vec<u8>, format: Format, report: &Report<Value>, account: bool) {
    let usage = account.then(|| UsageLine::from(&report.usage));
    outcome(to, format, report.job, &report.outcome, usage);
}

/// The same for an outcome by itself.
pub(crate) fn outcome(
    to: &mut Vec<u8>,
    format: Format,
    job: u64,
    outcome: &Outcome<Value>,
    usage: Option<UsageLine>,
) {
    // Writing to memory cannot fail, and neither can turning these values into JSON.
    let _ = match (format, outcome) {
        (Format::Text, Ok(value)) => writeln!(to, "{value}"),
        (Format::Text, Err(_)) => Ok(()),
        (Format::Json, Ok(value)) => json_line(
            to,
            &DoneLine {
                job,
                value: json_value(value),
                usage,
            },
        ),
        (Format::Json, Err(fault)) => json_line(
            to,
            &FailedLine {
                job,
                fault: FaultLine::from(fault),
                usage,
            },
        ),
    };
}

/// Tells people that a job failed, and why.
pub(crate) fn fault(fault: &Fault) {
    output::error(&fault.to_string(), None);
    // The innermost frames of a panic are how Rust panics, which is the same each time.
    let frames = fault
        .backtrace
        .iter()
        .skip_while(|frame| RUST_PANICS.iter().any(|start| frame.starts_with(start)));
    for frame in frames.take(FRAMES_SHOWN) {
        output::note(&format!("  at {frame}"));
    }
}

/// What to do about a failed job, where an option of this program helps.
pub(crate) fn hint(cause: &Cause) -> Option<&'static str> {
    match cause {
        Cause::Timeout(_) | Cause::Waiting { .. } => {
            Some("raise `--timeout` if the job needs more time")
        }
        Cause::Fuel(_) => Some("raise `--fuel` if the job needs more instructions"),
        Cause::Memory(_) => Some("raise `--memory` if the job needs more"),
        Cause::HostCalls(_) => Some("raise `--host-calls` if the job needs more"),
        Cause::Log(_) => Some("raise `--log-size` if the job has more to say"),
        _ => None,
    }
}

/// Which worker did which job: `worker 2 (pid 9991): square(1) = 1`. No worker is named where none had the job.
pub(crate) fn work(report: &Report<Value>, function: &str, arguments: &[Value]) -> String {
    let arguments: Vec<String> = arguments.iter().map(shortened).collect();
    let end = match &report.outcome {
        Ok(value) => format!("= {}", shortened(value)),
        Err(fault) => format!("failed: {}", fault.cause),
    };
    let worker = match report.pid {
        0 => String::new(),
        pid => format!("worker {} (pid {pid}): ", report.worker + 1),
    };
    let used = account::in_brief(&report.usage);
    format!("{worker}{function}({}) {end}{used}", arguments.join(", "))
}

/// Where the names of the functions begin that a Rust guest goes through when it panics.
const RUST_PANICS: [&str; 4] = ["abort", "std::", "core::", "__rustc::"];

/// How many frames of a guest's backtrace are shown; `--format json` has them all.
const FRAMES_SHOWN: usize = 8;

/// How many characters of a value are shown besides the result itself, so that a line stays a line.
const VALUE_SHOWN: usize = 80;

#[derive(Serialize)]
struct DoneLine<'a> {
    job: u64,
    value: Option<AsJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageLine>,
}

#[derive(Serialize)]
struct FailedLine<'a> {
    job: u64,
    fault: FaultLine<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageLine>,
}

#[derive(Serialize)]
struct FaultLine<'a> {
    cause: &'static str,
    message: String,
    attempt: u32,
    pid: Option<u32>,
    backtrace: &'a [String],
    stderr: &'a str,
}

impl<'a> From<&'a Fault> for FaultLine<'a> {
    fn from(fault: &'a Fault) -> Self {
        let Fault {
            attempt,
            pid,
            cause,
            backtrace,
            stderr,
            ..
        } = fault;
        FaultLine {
            cause: name(cause),
            message: cause.to_string(),
            attempt: *attempt,
            pid: *pid,
            backtrace,
            stderr,
        }
    }
}

fn name(cause: &Cause) -> &'static str {
    match cause {
        Cause::Trap(_) => "trap",
        Cause::Exit(_) => "exit",
        Cause::Timeout(_) => "timeout",
        Cause::Waiting { .. } => "waiting",
        Cause::Fuel(_) => "fuel",
        Cause::Memory(_) => "memory",
        Cause::HostCalls(_) => "host-calls",
        Cause::Log(_) => "log",
        Cause::WorkerLost(_) => "worker-lost",
        Cause::Poisoned(_) => "poisoned",
        Cause::NoWorker(_) => "no-worker",
        Cause::Cancelled => "cancelled",
        Cause::Result(_) => "result",
        Cause::Start(_) => "start",
        _ => "other",
    }
}

/// A function without a result gives an empty tuple, which no WIT type has; in JSON that is `null`.
fn json_value(value: &Value) -> Option<AsJson<'_>> {
    match value {
        Value::Tuple(items) if items.is_empty() => None,
        value => Some(AsJson(value)),
    }
}

fn json_line(to: &mut Vec<u8>, line: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}

fn shortened(value: &Value) -> String {
    let mut text = value.to_string();
    if let Some((end, _)) = text.char_indices().nth(VALUE_SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}
