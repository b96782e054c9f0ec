//! The parent's hold on the compile helper: start it, watch the clock, take its answer, reap it.
//!
//! Request, answer and standard error are memory that we made, so nothing needs to be pumped while the helper runs: the
//! only thing to wait for is its end. What it then left is a claim, checked and copied before it is used.

use super::exchange::{Answer, Refusal, Request, read_head, write_head};
use super::{ComponentError, Limit, Options, Source};
use crate::job::End;
use crate::role::{self, Role};
use crate::sealed;
use crate::types::Description;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Resource, Signal, pidfd_open};
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long an answer may be, in bytes: four times the largest component. The machine code of our examples is two to
/// three times as long as the component.
const MAX_ANSWER_BYTES: u64 = 1 << 30;

/// How much of the helper's standard error goes into an error's text: the end of it, enough for a panic.
const STDERR_KEPT_BYTES: u64 = 2048;

/// Compiles a component in a process of its own; the machine code comes in sealed memory.
pub(super) fn compile(
    source: &Source,
    bytes: &[u8],
    options: &Options,
) -> Result<(Description, File), ComponentError> {
    let component = source.to_string();
    let command = role::command(options.program.as_deref(), Role::Compiler)?;
    let program = PathBuf::from(command.get_program());
    let mut helper = Helper::start(command, &request(source, options), bytes)
        .map_err(|source| ComponentError::Start { program, source })?;

    let end = match helper.end_within(options.time) {
        None => {
            return Err(ComponentError::Stopped {
                component,
                limit: Limit::Time(options.time),
            });
        }
        Some(End::Exited(0) | End::Unknown) => match helper.answer() {
            Ok(Ok(compiled)) => return Ok(compiled),
            Ok(Err(Refusal::CoreModule)) => return Err(ComponentError::CoreModule { component }),
            Ok(Err(Refusal::Invalid(reason))) => {
                return Err(ComponentError::Invalid { component, reason });
            }
            Ok(Err(Refusal::Unprotected(missing))) => {
                return Err(ComponentError::Unprotected(missing));
            }
            Err(error) => End::Nonsense(error.to_string()),
        },
        Some(end) => end,
    };
    let stderr = helper.last_words();
    Err(match limit_behind(&end, &stderr, options) {
        Some(limit) => ComponentError::Stopped { component, limit },
        None => ComponentError::Helper {
            component,
            end,
            stderr,
        },
    })
}

/// The limit that the helper died of, if it was one.
fn limit_behind(end: &End, stderr: &str, options: &Options) -> Option<Limit> {
    let End::Killed(signal) = end else {
        return None;
    };
    match Signal::from_named_raw(*signal)? {
        Signal::XCPU => Some(Limit::Time(options.time)),
        Signal::XFSZ => Some(Limit::Code(most_answer_bytes())),
        // So a Rust program ends that gets no memory.
        Signal::ABORT if stderr.contains("memory allocation of") => {
            Some(Limit::Memory(options.memory_bytes))
        }
        _ => None,
    }
}

/// The longest answer, which is a file: less where this process itself may write only smaller ones (`ulimit -f`).
fn most_answer_bytes() -> u64 {
    let own = rustix::process::getrlimit(Resource::Fsize).current;
    own.map_or(MAX_ANSWER_BYTES, |own| own.min(MAX_ANSWER_BYTES))
}

fn request(source: &Source, options: &Options) -> Request {
    // All processors may work for the whole time; the clock that counts is ours, this one is for when we are gone.
    let processors = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    Request {
        name: match source {
            Source::Named(path) => path.display().to_string(),
            Source::Bytes(_) => "component".into(),
        },
        fuel: options.fuel,
        sweeps: options.adds_sweeps(),
        processor_seconds: options
            .time
            .as_secs()
            .saturating_add(1)
            .saturating_mul(processors),
        memory_bytes: options.memory_bytes,
        answer_bytes: most_answer_bytes(),
        sandbox: options.sandbox,
    }
}

/// A running or ended helper. Dropping it kills and reaps the process, whatever happened before.
struct Helper {
    child: Child,
    answer: File,
    stderr: File,
}

impl Helper {
    fn start(mut command: Command, request: &Request, component: &[u8]) -> io::Result<Helper> {
        let input = sealed::filled("host-request", |input| {
            write_head(input, request)?;
            input.write_all(component)
        })?;
        let answer = sealed::create("host-answer")?;
        let stderr = sealed::create("host-stderr")?;
        command
            .stdin(input)
            .stdout(answer.try_clone()?)
            .stderr(stderr.try_clone()?);
        Ok(Helper {
            child: command.spawn()?,
            answer,
            stderr,
        })
    }

    /// How the process ended; `None` if it ran for longer than this, and was killed.
    fn end_within(&mut self, time: Duration) -> Option<End> {
        // Without a descriptor to wait on there is no clock; the helper's own limit on processor time still ends it.
        let ended = self.wait_within(time).unwrap_or(true);
        if !ended {
            self.kill_and_reap();
            return None;
        }
        // The program that we are part of may collect all children, and then how this one ended is lost.
        let status = self.child.wait().ok();
        let end = status.and_then(|status| {
            status
                .code()
                .map(End::Exited)
                .or(status.signal().map(End::Killed))
        });
        Some(end.unwrap_or(End::Unknown))
    }

    /// Whether the process ended within this time.
    fn wait_within(&self, time: Duration) -> io::Result<bool> {
        let process = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())?;
        let deadline = Instant::now().checked_add(time);
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let left = left
                .map(Timespec::try_from)
                .transpose()
                .map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(&process, PollFlags::IN)], left.as_ref()) {
                Err(Errno::INTR) => continue,
                ready => return Ok(ready? > 0),
            }
        }
    }

    /// What the helper answered; the machine code is copied into memory that the helper never had.
    fn answer(&self) -> io::Result<Result<(Description, File), Refusal>> {
        let mut answer = &self.answer;
        answer.rewind()?;
        Ok(match read_head(&mut answer)? {
            Answer::Compiled {
                description,
                code_bytes,
            } => Ok((
                description,
                sealed::copy_of_rest("host-code", answer, code_bytes)?,
            )),
            Answer::Refused(refusal) => Err(refusal),
        })
    }

    /// Does nothing for a process that was waited for. Neither call can fail for one that is still ours.
    fn kill_and_reap(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The end of what it wrote to its standard error.
    fn last_words(&self) -> String {
        let length = self.stderr.metadata().map_or(0, |metadata| metadata.len());
        let kept = length.min(STDERR_KEPT_BYTES);
        let mut end = vec![0; kept as usize];
        // An error's text is the only use: if the end of it cannot be read, it is shorter.
        let _ = self.stderr.read_exact_at(&mut end, length - kept);
        String::from_utf8_lossy(&end)
            .replace('\0', "")
            .trim()
            .to_owned()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.kill_and_reap();
    }
}
