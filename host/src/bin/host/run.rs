//! A run: jobs into the pool, and a line out for each, until all are done or something says stop.

use crate::account;
use crate::exit::{self, Failure};
use crate::feed::{Feed, Trail};
use crate::log;
use crate::output::{self, Output};
use crate::plan::{Order, Plan, Talk};
use crate::print;
use crate::progress::{Look, Shown};
use crate::watch::{self, Ending, Reason, Stop};
use host::{Arriving, Cause, Imap, Pool, Report, Value};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Does what the plan says and returns the exit code.
pub(crate) fn run(plan: Plan) -> Result<u8, Failure> {
    let begun = Instant::now();
    let stop = Arc::new(Stop::new());
    // Before the pool, as compiling a component can take a minute.
    let watched = watch::start(stop.clone(), plan.deadline).map_err(Failure::pool)?;
    log::show(plan.log_level.map(Into::into));
    let pool = Arc::new(plan.pool()?);
    watched.get_or_init(|| Ending {
        ask: with(&pool, Pool::ask_to_stop),
        end: with(&pool, Pool::terminate),
    });
    let index = pool
        .description()
        .find(&plan.function)
        .map_err(Failure::command_line)?;
    let function = &pool.description().functions[index];
    let feed = Feed::open(&plan, function, &stop)?;
    let name = function.name.clone();
    if feed.count != Some(1) {
        pool.wait_ready();
    }

    let output = match plan.talk {
        Talk::Summary => Output::with_bar(feed.count),
        Talk::Quiet | Talk::Jobs { .. } => Output::plain(),
    };
    let output = output.map_err(Failure::pool)?;
    let output = output.looking(look(&plan, &pool));
    // Who writes a line and waits for its result is not to wait for the next line's.
    let feed = feed.when_silent(output.flusher());
    let mut run = Run {
        plan: &plan,
        name,
        pool: &pool,
        stop: &stop,
        trail: feed.trail(),
        output: &output,
        tally: Tally::default(),
    };

    let call = pool.func::<Vec<Value>, Value>(&plan.function)?;
    let ended = match plan.order {
        Order::Input => run.drain(call.imap_stream(feed)),
        Order::Completion => run.drain(call.imap_stream_unordered(feed)),
    };
    let Run { trail, tally, .. } = run;
    match ended.and(output.finish().map_err(End::Stdout)) {
        Ok(()) => {}
        Err(End::Pool(failure)) => return Err(failure),
        Err(End::Stdout(error)) => {
            pool.terminate();
            return output::closed_is_enough(error).map(|()| exit::DONE);
        }
    }
    if let Some(objects) = &plan.objects {
        output::print(objects.show(plan.format).as_bytes())?;
    }
    if matches!(plan.talk, Talk::Summary | Talk::Jobs { summary: true }) {
        output::note(&tally.summary(begun.elapsed(), pool.workers()));
    }
    if plan.account && !plan.quiet {
        output::note(&account::summary(&pool.stats()));
    }
    verdict(&plan, &tally, stop.reason(), trail.failure())
}

/// What is done to the pool by one who does not keep it alive.
fn with(pool: &Arc<Pool>, what: fn(&Pool)) -> Box<dyn Fn() + Send + Sync> {
    let pool = Arc::downgrade(pool);
    Box::new(move || pool.upgrade().iter().for_each(|pool| what(pool)))
}

/// Looks how far the jobs are, where they can say so and it is shown.
fn look(plan: &Plan, pool: &Arc<Pool>) -> Option<Look> {
    let shown = match plan.talk {
        Talk::Quiet => return None,
        Talk::Summary => Shown::Words,
        Talk::Jobs { .. } => Shown::Lines,
    };
    let imports = &pool.description().imports;
    imports.iter().find(|name| name.starts_with("pool:job/"))?;
    let pool = Arc::downgrade(pool);
    let ask = move || {
        let workers = pool.upgrade().map(|pool| pool.stats().workers);
        let of_worker = |worker: host::WorkerStats| {
            let who = format!("worker {} (pid {})", worker.worker + 1, worker.pid);
            worker.progress.map(|progress| (who, progress))
        };
        workers
            .into_iter()
            .flatten()
            .filter_map(of_worker)
            .collect()
    };
    Some(Look::new(Box::new(ask), shown))
}

/// The exit code, or the failure that decides it.
fn verdict(
    plan: &Plan,
    tally: &Tally,
    stopped: Option<Reason>,
    input: Option<Failure>,
) -> Result<u8, Failure> {
    match (stopped, input) {
        (Some(Reason::Interrupted), _) => Ok(exit::INTERRUPTED),
        (Some(Reason::Deadline), _) => Err(Failure::deadline(plan.deadline.unwrap_or_default())),
        // Each job that it cost has been told with the cause; those behind them were never taken.
        (Some(Reason::NoWorker), _) => Err(Failure {
            code: exit::POOL_FAILED,
            message: "no worker can be started any more: what has no line was not run".into(),
            hint: None,
        }),
        (_, Some(wrong)) => Err(wrong),
        (Some(Reason::TooManyFailed), None) => {
            output::note(&format!(
                "stopped after {}, as `--max-fail` says",
                count(tally.failed, "failed job")
            ));
            Ok(exit::JOB_FAILED)
        }
        (None, None) if tally.failed > 0 => Ok(exit::JOB_FAILED),
        (None, None) => Ok(exit::DONE),
    }
}

struct Run<'a> {
    plan: &'a Plan,
    name: String,
    pool: &'a Pool,
    stop: &'a Stop,
    trail: Arc<Trail>,
    output: &'a Output,
    tally: Tally,
}

/// Why the results end early.
enum End {
    Stdout(io::Error),
    Pool(Failure),
}

impl Run<'_> {
    fn drain(&mut self, mut reports: Imap<'_, Arriving<Feed>, Value>) -> Result<(), End> {
        while let Some(report) = reports.next_report() {
            match report {
                Ok(report) => self.take(report).map_err(End::Stdout)?,
                // A pool that we terminated has a right to complain.
                Err(_) if self.stop.reason().is_some() => break,
                Err(error) => return Err(End::Pool(error.into())),
            }
            // Nothing behind the last permitted failure is told, so that the same input stops at the same place.
            if self.stop.reason() == Some(Reason::TooManyFailed) {
                break;
            }
        }
        Ok(())
    }

    fn take(&mut self, report: Report<Value>) -> io::Result<()> {
        if let Talk::Jobs { .. } = self.plan.talk {
            let work = print::work(&report, &self.name, &self.trail.arguments(report.job));
            self.output.tell(|| output::note(&work))?;
        }
        match &report.outcome {
            Ok(_) => self.tally.done += 1,
            // Not the job's fault: the run was stopped, and that is said once for all of them.
            Err(fault) if fault.cause == Cause::Cancelled && self.stop.reason().is_some() => {
                self.tally.cancelled += 1;
                return Ok(());
            }
            Err(_) => self.tally.failed += 1,
        }
        self.output
            .job(|line| print::line(line, self.plan.format, &report, self.plan.account))?;
        match report.outcome {
            Ok(_) => Ok(()),
            Err(fault) => self.fail(&fault),
        }
    }

    fn fail(&mut self, fault: &host::Fault) -> io::Result<()> {
        if self.plan.format == crate::args::Format::Text {
            let hint = print::hint(&fault.cause)
                .filter(|hint| self.tally.hints.iter().all(|given| given != hint));
            self.tally.hints.extend(hint);
            self.output.tell(|| {
                print::fault(fault);
                hint.into_iter()
                    .for_each(|hint| output::note(&format!("hint: {hint}")));
            })?;
        }
        if let Cause::NoWorker(_) = fault.cause {
            self.stop.ask(Reason::NoWorker);
        }
        if self.plan.max_fail == Some(self.tally.failed) {
            self.stop.ask(Reason::TooManyFailed);
            self.pool.terminate();
        }
        Ok(())
    }
}

/// What became of the jobs, in numbers.
#[derive(Debug, Default)]
struct Tally {
    done: u64,
    failed: u64,
    cancelled: u64,
    /// The hints that were given, each of them once.
    hints: Vec<&'static str>,
}

impl Tally {
    fn summary(&self, time: Duration, workers: usize) -> String {
        let mut what = match self.failed + self.cancelled {
            0 => format!("{} done", count(self.done, "job")),
            _ => format!("{} done", self.done),
        };
        for (jobs, end) in [(self.failed, "failed"), (self.cancelled, "cancelled")] {
            if jobs > 0 {
                what = format!("{what}, {jobs} {end}");
            }
        }
        format!(
            "{what} in {:.2} s on {}",
            time.as_secs_f64(),
            count(workers as u64, "worker")
        )
    }
}

fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_what_there_is() {
        let time = Duration::from_millis(20);
        let tally = |done, failed, cancelled| Tally {
            done,
            failed,
            cancelled,
            hints: vec![],
        };
        assert_eq!(
            tally(12, 0, 0).summary(time, 4),
            "12 jobs done in 0.02 s on 4 workers"
        );
        assert_eq!(
            tally(1, 0, 0).summary(time, 1),
            "1 job done in 0.02 s on 1 worker"
        );
        assert_eq!(
            tally(97, 3, 0).summary(time, 4),
            "97 done, 3 failed in 0.02 s on 4 workers"
        );
        assert_eq!(
            tally(0, 0, 2).summary(time, 4),
            "0 done, 2 cancelled in 0.02 s on 4 workers"
        );
    }
}
