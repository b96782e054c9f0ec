//! What is said of a job that failed: Wasmtime's error as a cause, a backtrace and the guest's last words.

use super::calls::TooManyCalls;
use super::reader::Undecodable;
use super::shared::{Refused, Stranger, Waited};
use super::sweep::PREFIX;
use super::written::TooMuchWritten;
use crate::job::{Cause, FaultReport, Limits};
use crate::shared::ManagerError;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// How many functions a backtrace names: enough to see where a deep recursion came from, little enough to read.
pub(super) const MAX_FRAMES: usize = 32;

/// The report of a call that returned this error.
pub(super) fn of_call(
    error: &wasmtime::Error,
    limits: &Limits,
    memory_refused: bool,
    stderr: String,
) -> FaultReport {
    FaultReport {
        cause: cause(error, limits, memory_refused),
        backtrace: backtrace(error),
        stderr,
    }
}

/// The same report for an instance that didn't come to its first job.
pub(super) fn of_start(report: FaultReport) -> FaultReport {
    match report.cause {
        Cause::Start(_) => report,
        cause => FaultReport {
            cause: Cause::Start(cause.to_string()),
            ..report
        },
    }
}

/// The report if not even an instance could be tried.
pub(super) fn no_start(error: &anyhow::Error) -> FaultReport {
    FaultReport {
        cause: Cause::Start(format!("{error:#}")),
        backtrace: Vec::new(),
        stderr: String::new(),
    }
}

/// The report of a call to a function that isn't in the description.
pub(super) fn no_function(index: u32) -> FaultReport {
    no_start(&anyhow::anyhow!("there is no function {index}"))
}

fn cause(error: &wasmtime::Error, limits: &Limits, memory_refused: bool) -> Cause {
    if let Some(undecodable) = error.downcast_ref::<Undecodable>() {
        return Cause::Start(undecodable.to_string());
    }
    if let (Some(Waited(object)), Some(limit)) = (error.downcast_ref(), limits.timeout) {
        return Cause::Waiting {
            limit,
            object: object.clone(),
        };
    }
    match error.downcast_ref() {
        Some(Refused(_, ManagerError::Gone(how))) => return Cause::NoManager(how.clone()),
        Some(Refused(_, ManagerError::Full(what))) => return Cause::ManagerFull(what.clone()),
        _ => {}
    }
    if let Some(stranger) = error.downcast_ref::<Stranger>() {
        return Cause::Start(stranger.to_string());
    }
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return Cause::Exit(*code);
    }
    if let Some(TooManyCalls(limit)) = error.downcast_ref() {
        return Cause::HostCalls(*limit);
    }
    if let Some(TooMuchWritten(limit)) = error.downcast_ref() {
        return Cause::Log(*limit);
    }
    match (error.downcast_ref(), limits) {
        (
            Some(Trap::Interrupt),
            Limits {
                timeout: Some(timeout),
                ..
            },
        ) => return Cause::Timeout(*timeout),
        (
            Some(Trap::OutOfFuel),
            Limits {
                fuel: Some(fuel), ..
            },
        ) => return Cause::Fuel(*fuel),
        _ if memory_refused => return Cause::Memory(limits.memory_bytes),
        (Some(trap), _) => return Cause::Trap(trap_text(*trap)),
        (None, _) => {}
    }
    let text = error.root_cause().to_string();
    // Wasmtime adds a backtrace to every error that passes through guest code: a host function refused to go on.
    // An allocator of the guest that answers nonsense is found before its function is called.
    if error.downcast_ref::<WasmBacktrace>().is_some() || text.starts_with("realloc return") {
        Cause::Trap(text)
    } else if text.contains("fuel allocated for hostcalls") {
        let limit_mib = super::instance::copied_bytes(limits) >> 20;
        Cause::Result(format!(
            "copied out of the guest it takes more than {limit_mib} MiB; return less, or raise the memory limit"
        ))
    } else {
        Cause::Result(text)
    }
}

fn trap_text(trap: Trap) -> String {
    match trap {
        Trap::UnreachableCodeReached => "unreachable instruction executed".to_owned(),
        trap => trap
            .to_string()
            .trim_start_matches("wasm trap: ")
            .to_owned(),
    }
}

fn backtrace(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    // A loop around the guest's function is ours.
    let is_ours = |name: Option<&str>| name.is_some_and(|name| name.starts_with(PREFIX));
    let frames = (backtrace.frames().iter()).filter(|frame| !is_ours(frame.func_name()));
    frames
        .take(MAX_FRAMES)
        .map(|frame| match frame.func_name() {
            // The alternate form leaves out the compiler's hash.
            Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
            None => format!("function {}", frame.func_index()),
        })
        .collect()
}
