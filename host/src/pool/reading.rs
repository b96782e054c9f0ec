//! What workers answered, read as results: one by one, or from a list.

use super::func::Call;
use crate::codec;
use crate::job::{Cause, Fault, FaultReport, Report, Usage};
use crate::link::{Answer, Answers, Encoded};
use crate::value::Value;
use serde::de::DeserializeOwned;

/// Answers that are being read.
pub(super) struct Reading<R> {
    results: Results<R>,
    worker: usize,
    pid: u32,
    /// The lengths of the jobs' arguments.
    argument_bytes: std::vec::IntoIter<u32>,
    /// Of a list, what each of its results takes.
    share_bytes: u64,
}

/// The results of jobs that were asked one by one, or together, from this job on.
enum Results<R> {
    Each(Answers),
    List(u64, std::vec::IntoIter<R>),
    Parts(u64, std::vec::IntoIter<Result<R, Fault>>),
}

impl<R: DeserializeOwned> Reading<R> {
    /// Begins to read the answers of a worker to jobs whose arguments took so many bytes each.
    pub(super) fn new(
        answers: Answers,
        call: &Call<'_>,
        worker: usize,
        pid: u32,
        argument_bytes: Vec<u32>,
    ) -> Self {
        let count = u64::from(answers.count);
        // A list begins with its length.
        let list_bytes = answers.list().map_or(0, |list| list.len() as u64 - 4);
        let results = match list(&answers, call, pid) {
            None => Results::Each(answers),
            Some(List::Whole(results)) => Results::List(answers.first, results.into_iter()),
            Some(List::Parts(outcomes)) => Results::Parts(answers.first, outcomes.into_iter()),
        };
        Reading {
            results,
            worker,
            pid,
            argument_bytes: argument_bytes.into_iter(),
            share_bytes: list_bytes / count.max(1),
        }
    }

    /// How many results are not read yet.
    pub(super) fn left(&self) -> u64 {
        self.results.left()
    }

    pub(super) fn next(&mut self, call: &Call<'_>) -> Option<Report<R>> {
        let mut usage = Usage {
            attempts: 1,
            result_bytes: self.share_bytes,
            ..Usage::default()
        };
        let (job, outcome) = match &mut self.results {
            Results::Each(answers) => {
                let answer = answers.next()?;
                usage = Usage {
                    attempts: answer.attempt,
                    result_bytes: answer
                        .result
                        .as_ref()
                        .map_or(0, |result| result.len() as u64),
                    ..answer.account.map_or_else(Usage::default, Usage::from)
                };
                (answer.job, outcome(answer, call, self.pid))
            }
            Results::List(next, results) => {
                let result = results.next()?;
                *next += 1;
                (*next - 1, Ok(result))
            }
            Results::Parts(next, outcomes) => {
                let outcome = outcomes.next()?;
                *next += 1;
                (*next - 1, outcome)
            }
        };
        usage.argument_bytes = self.argument_bytes.next().map_or(0, u64::from);
        Some(Report {
            usage,
            job,
            worker: self.worker,
            pid: self.pid,
            outcome,
        })
    }
}

impl<R> Results<R> {
    fn left(&self) -> u64 {
        match self {
            Results::Each(answers) => u64::from(answers.count),
            Results::List(_, results) => results.len() as u64,
            Results::Parts(_, outcomes) => outcomes.len() as u64,
        }
    }
}

/// Results that came as a list.
pub(super) enum List<R> {
    Whole(Vec<R>),
    /// Some are values that the Rust type does not take, though the WIT type has them.
    Parts(Vec<Result<R, Fault>>),
}

/// The results in answers that are a list; `None` for answers that come one by one.
pub(super) fn list<R: DeserializeOwned>(
    answers: &Answers,
    call: &Call<'_>,
    pid: u32,
) -> Option<List<R>> {
    let bytes = answers.list()?;
    Some(match codec::decode(bytes, call.results()) {
        Ok(results) => List::Whole(results),
        Err(error) => List::Parts(parts(bytes, answers, call, pid, &error)),
    })
}

/// The results of a list one by one: as dynamic values they can be told apart whatever the Rust type is.
#[cold]
fn parts<R: DeserializeOwned>(
    bytes: &[u8],
    answers: &Answers,
    call: &Call<'_>,
    pid: u32,
    error: &dyn std::fmt::Display,
) -> Vec<Result<R, Fault>> {
    let jobs = answers.first..answers.first + u64::from(answers.count);
    let Ok(values) = codec::decode::<Vec<Value>>(bytes, call.results()) else {
        let fault = |job| fault_of(job, 1, pid, undecodable(call, error));
        return jobs.map(|job| Err(fault(job))).collect();
    };
    let one = |(job, value): (u64, Value)| {
        let mut bytes = Vec::new();
        let fault = |error: &dyn std::fmt::Display| fault_of(job, 1, pid, undecodable(call, error));
        codec::encode(&value, call.result(), &mut bytes).map_err(|error| fault(&error))?;
        codec::decode(&bytes, call.result()).map_err(|error| fault(&error))
    };
    jobs.zip(values).map(one).collect()
}

/// The outcome that an answer is.
#[inline]
pub(super) fn outcome<R: DeserializeOwned>(
    answer: Answer<'_>,
    call: &Call<'_>,
    pid: u32,
) -> Result<R, Fault> {
    let fault = |report| fault_of(answer.job, answer.attempt, pid, report);
    let value = match answer.result.map_err(fault)? {
        Encoded::Bytes(bytes) => codec::decode(bytes, call.result()),
        Encoded::Numbers(numbers) => numbers.decode(call.result()),
    };
    value.map_err(|error| fault(undecodable(call, &error)))
}

fn fault_of(job: u64, attempt: u32, pid: u32, report: FaultReport) -> Fault {
    Fault {
        job,
        attempt,
        pid: Some(pid),
        cause: report.cause,
        backtrace: report.backtrace,
        stderr: report.stderr,
    }
}

#[cold]
fn undecodable(call: &Call<'_>, error: &dyn std::fmt::Display) -> FaultReport {
    FaultReport {
        cause: Cause::Result(format!("it is no `{}`: {error}", call.result())),
        backtrace: Vec::new(),
        stderr: String::new(),
    }
}
