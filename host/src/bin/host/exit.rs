//! How the program ends: the exit codes, and the failures that keep it from doing what was asked.

use host::component::{ComponentError, Limit};
use host::{BuildError, FunctionError, StartError};
use std::error::Error;
use std::fmt::Display;
use std::time::Duration;

/// Every job was done.
pub(crate) const DONE: u8 = 0;
/// The pool itself failed: workers could not be started, also in the middle of a run or for want of a wall around them,
/// the component could not be compiled, or results not be written.
pub(crate) const POOL_FAILED: u8 = 1;
/// The command line was wrong. An input line of the wrong type counts as that, too.
pub(crate) const WRONG_COMMAND_LINE: u8 = 2;
/// At least one job failed.
pub(crate) const JOB_FAILED: u8 = 3;
/// The run's deadline passed. The code is the one of `timeout`.
pub(crate) const DEADLINE: u8 = 124;
/// Ctrl-C. The code is the one that a shell shows for a program that SIGINT ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// The codes as `--help` and the README show them.
pub(crate) const TABLE: [(u8, &str); 6] = [
    (DONE, "every job done"),
    (POOL_FAILED, "the pool itself failed"),
    (
        WRONG_COMMAND_LINE,
        "wrong command line: no such file or function, an argument of the wrong type",
    ),
    (JOB_FAILED, "a job failed"),
    (DEADLINE, "the run's deadline passed"),
    (INTERRUPTED, "interrupted"),
];

/// The table as the end of the help text.
pub(crate) fn help() -> String {
    let row = |(code, meaning): &(u8, &str)| format!("\n  {code:<3}  {meaning}");
    format!("Exit codes:{}", TABLE.iter().map(row).collect::<String>())
}

/// Why the program cannot do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub code: u8,
    /// What happened and where.
    pub message: String,
    /// What to do, where that is not plain.
    pub hint: Option<String>,
}

impl Failure {
    /// The command line, or the input it names, asks for something that cannot be.
    pub(crate) fn command_line(message: impl Display) -> Self {
        Failure {
            code: WRONG_COMMAND_LINE,
            message: message.to_string(),
            hint: None,
        }
    }

    /// The machine or the pool does not do its part.
    pub(crate) fn pool(error: impl Error) -> Self {
        Failure {
            code: POOL_FAILED,
            message: with_causes(&error),
            hint: None,
        }
    }

    /// No worker, or no compile helper, can be had with the walls that were asked for.
    pub(crate) fn unprotected(error: impl Error) -> Self {
        Failure {
            hint: Some(
                "see `host doctor`; with `--sandbox best-effort` guests run behind what this machine has".into(),
            ),
            ..Failure::pool(error)
        }
    }

    /// A component was compiled, but could not be kept.
    pub(crate) fn no_cache() -> Self {
        Failure {
            code: POOL_FAILED,
            message: "the component compiles, but its machine code could not be written to the cache".into(),
            hint: Some("look at the free space and the rights of the cache folder, or point XDG_CACHE_HOME elsewhere".into()),
        }
    }

    /// The run took more than this time.
    pub(crate) fn deadline(time: Duration) -> Self {
        Failure {
            code: DEADLINE,
            message: format!("the run's deadline passed after {} s", time.as_secs_f64()),
            hint: Some("raise `--deadline` if the run needs more time".into()),
        }
    }

    /// The same failure, and what we were about to do.
    pub(crate) fn context(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The same failure, and what to do about it.
    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }
}

impl From<FunctionError> for Failure {
    fn from(error: FunctionError) -> Self {
        Failure::command_line(error)
    }
}

impl From<ComponentError> for Failure {
    fn from(error: ComponentError) -> Self {
        match error {
            // What was named is not there, or is no component.
            ComponentError::Missing { .. }
            | ComponentError::Unreadable { .. }
            | ComponentError::CoreModule { .. }
            | ComponentError::Invalid { .. } => Failure {
                code: WRONG_COMMAND_LINE,
                ..Failure::pool(error)
            },
            ComponentError::Unprotected(_) => Failure::unprotected(error),
            ComponentError::Stopped { limit, .. } => {
                let failure = Failure::pool(error);
                match limit {
                    Limit::Time(_) => failure.hint("the limit is `--compile-timeout`"),
                    Limit::Memory(_) => failure.hint("the limit is `--compile-memory`"),
                    _ => failure,
                }
            }
            _ => Failure::pool(error),
        }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Component(error) => error.into(),
            BuildError::Start(StartError::Unprotected(_)) => Failure::unprotected(error),
            _ => Failure::pool(error),
        }
    }
}

impl From<host::Error> for Failure {
    fn from(error: host::Error) -> Self {
        match error {
            host::Error::Function(error) => error.into(),
            host::Error::Item { .. } => Failure::command_line(error),
            host::Error::Job(fault) => Failure {
                code: JOB_FAILED,
                message: fault.to_string(),
                hint: None,
            },
            _ => Failure::pool(error),
        }
    }
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Some errors repeat their cause in their own text.
        let message = error.to_string();
        if !text.ends_with(&message) {
            text = format!("{text}: {message}");
        }
        cause = error.source();
    }
    text
}
