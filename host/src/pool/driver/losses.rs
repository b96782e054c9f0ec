//! Workers that are lost, and those that have to be: what becomes of their jobs, and who is killed for a time limit, a
//! cancellation or the end of the pool.

use super::{Driver, Jobs, State, deliver};
use crate::job::{Cause, End, Fault};
use crate::link::{Broken, Link, Lost};
use crate::pool::task::{Run, Task};
use crate::pool::told::News;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long after a job's own time limit the worker is killed. The engine stops a guest within two ticks of 1 ms; only a
/// guest that sleeps in a host call, or a worker that no longer works, is left to this.
const GRACE: Duration = Duration::from_millis(12);
/// How long a worker may take to begin a job that it has, or to take the next piece of its arguments, where jobs have
/// a time limit: longer than even a crowded machine lets a process wait for its turn, and short enough that no caller waits
/// a second beyond the limit for a worker that does nothing.
const TAKE_TIME: Duration = Duration::from_millis(700);
/// The longest grace there is: a year.
const MOST_GRACE: Duration = Duration::from_secs(365 * 24 * 3600);
/// A job is started in at most so many workers.
const ATTEMPTS: u32 = 2;
/// So many workers may be lost before they have started the job that is their next. Somebody may kill workers at random,
/// but who loses as many as these would go on so without end.
const LOSSES: u32 = 5;
/// The signal of a system call that a worker must not make: a policy violation, which a second try would only repeat.
const SIGSYS: i32 = 31;

impl Driver {
    /// Takes back the jobs of a worker that hung up, spoke nonsense or was killed, and decides on each.
    pub(in crate::pool) fn lose(&mut self, index: usize, broken: Option<Broken>) {
        let seat = &mut self.seats[index];
        seat.ready = false;
        // What it logged before it went still counts; nonsense has cost it its life already.
        let _ = self.take_lines(index);
        let seat = &mut self.seats[index];
        let Some(mut link) = seat.link.take() else {
            return;
        };
        // For how long the job ran: with a time limit the worker said when it began, else it is what the pool saw.
        let wall = match self.rules.timeout {
            Some(_) => link.running_for(),
            None => (seat.unclaimed.0).map(|since| since.elapsed()),
        };
        let killed_for = seat.killed_for.take();
        let is_told = std::mem::take(&mut seat.is_told);
        let innocent = killed_for
            .as_ref()
            .is_some_and(|(_, answered)| link.answered() > *answered);
        let killed_for = killed_for.map(|(cause, _)| cause);
        let blame = matches!(killed_for, Some(Cause::Timeout(_))) && !innocent;
        self.note_processor_time(index, &link);
        self.unwatch(&link);
        self.news = true;
        let pid = link.pid();
        let Lost {
            end,
            running,
            waiting,
        } = link.lose(broken, blame);
        self.counts.lost += u64::from(!is_told);
        self.keeper_wanted = true;
        if killed_for.is_none() {
            let how = end.to_string();
            self.tell(|| News::Gone {
                worker: index,
                pid,
                how,
            });
            self.losses.push_back(Instant::now());
        }
        for chunk in waiting.into_iter().rev() {
            // The list that was lost at the front; those behind it were not begun.
            let mut chunk = if chunk.losses > 0 && chunk.asked().is_some() {
                chunk.owner.refuse();
                let function = chunk.owner.function;
                chunk.one_by_one(function)
            } else {
                chunk
            };
            if self.rules.once && killed_for.is_none() {
                self.fail(&chunk, Cause::WorkerLost(end.clone()), 0, Some(pid));
            } else if chunk.losses >= LOSSES && killed_for.is_none() {
                let behind = chunk.split_off(1);
                self.fail(&chunk, Cause::WorkerLost(end.clone()), 0, Some(pid));
                behind.into_iter().for_each(|chunk| self.requeue(chunk));
            } else {
                self.requeue(chunk);
            }
        }
        if self.rules.once && running.is_none() && killed_for.is_none() {
            // Jobs to come must not wait for a worker that nobody starts.
            self.terminate(State::Broken(format!("the process {pid} is gone: {end}")));
        }
        let Some((mut chunk, stderr)) = running else {
            return;
        };
        let killed_for = killed_for.filter(|_| !innocent);
        let retry = self.rules.retry.get(chunk.owner.function as usize);
        let retry = retry.copied().unwrap_or(false);
        let attempt = if innocent && retry {
            chunk.attempts
        } else {
            chunk.attempts + 1
        };
        let again = killed_for.is_none() && retry && end != End::Killed(SIGSYS);
        if again && attempt < ATTEMPTS && !matches!(end, End::Nonsense(_)) {
            chunk.attempts = attempt;
            self.counts.retried += 1;
            let job = chunk.first;
            self.tell(|| News::Retry { job });
            return self.requeue(chunk);
        }
        let cause = match killed_for {
            Some(cause) => cause,
            None if attempt >= ATTEMPTS => {
                let job = chunk.first;
                self.tell(|| News::Poisoned { job });
                Cause::Poisoned(end)
            }
            None => Cause::WorkerLost(end),
        };
        let fault = Fault {
            job: chunk.first,
            attempt,
            pid: Some(pid),
            cause,
            backtrace: Vec::new(),
            stderr,
        };
        self.end_job(&chunk.owner, fault, index, wall);
    }

    /// Gives a job that ended without an answer its outcome.
    fn end_job(&mut self, owner: &Task, fault: Fault, worker: usize, wall: Option<Duration>) {
        let run = Run::Fault {
            fault: Box::new(fault),
            worker,
            wall,
        };
        deliver(owner, run, &mut self.tasks, &mut self.notes);
        self.news = true;
        self.counts.done += 1;
    }

    /// Whether jobs end with their worker, and it has ended.
    pub(in crate::pool) fn has_lost_the_only_one(&self) -> bool {
        self.rules.once && self.counts.lost > 0
    }

    pub(super) fn requeue(&mut self, chunk: Jobs) {
        match &self.state {
            State::Open | State::Closed => self.queue.push_front(chunk),
            State::Terminated => self.fail(&chunk, Cause::Cancelled, 0, None),
            State::Broken(reason) => self.fail(&chunk, Cause::NoWorker(reason.clone()), 0, None),
        }
    }

    /// Gives every job of a chunk the same end.
    pub(super) fn fail(&mut self, chunk: &Jobs, cause: Cause, attempt: u32, pid: Option<u32>) {
        for job in chunk.first..chunk.first + u64::from(chunk.count) {
            let fault = Fault {
                job,
                attempt,
                pid,
                cause: cause.clone(),
                backtrace: Vec::new(),
                stderr: String::new(),
            };
            self.end_job(&chunk.owner, fault, 0, None);
        }
    }

    /// Kills workers whose job runs longer than it may, although the engine should have ended it.
    pub(super) fn end_overdue(&mut self) {
        let Some(limit) = self.rules.timeout else {
            return;
        };
        for index in 0..self.seats.len() {
            let seat = &mut self.seats[index];
            let Some(link) = seat
                .link
                .as_mut()
                .filter(|_| seat.ready && seat.killed_for.is_none())
            else {
                continue;
            };
            match link.running_for() {
                Some(running) if running > limit + GRACE => {
                    let (pid, cause) = (link.pid(), Cause::Timeout(limit));
                    seat.killed_for = Some((cause.clone(), link.answered()));
                    if let Some((owner, job, attempt, stderr)) = link.kill_and_give_up() {
                        seat.is_told = true;
                        self.counts.lost += 1;
                        let fault = Fault {
                            job,
                            attempt,
                            pid: Some(pid),
                            cause,
                            backtrace: Vec::new(),
                            stderr,
                        };
                        self.end_job(&owner, fault, index, Some(running));
                    }
                }
                // It has jobs, and does not begin: as good as dead.
                None if link.chunks() > 0
                    && seat
                        .since
                        .is_some_and(|since| since.elapsed() > limit + TAKE_TIME) =>
                {
                    link.kill()
                }
                _ => {}
            }
        }
    }

    /// When somebody has to look at the deadlines again.
    pub(in crate::pool) fn next_check(&mut self) -> Option<Duration> {
        let limit = self.rules.timeout;
        let left = self.seats.iter_mut().filter_map(|seat| {
            let link = seat.link.as_mut().filter(|link| link.chunks() > 0)?;
            let grace = seat
                .killed_at
                .map(|(_, time)| time.saturating_duration_since(Instant::now()));
            let time = limit.map(|limit| {
                let whole = limit + GRACE;
                match (link.running_for(), seat.since) {
                    (Some(running), _) => whole.saturating_sub(running),
                    // It may begin at any moment, or never.
                    (None, Some(since)) => {
                        whole.min((limit + TAKE_TIME).saturating_sub(since.elapsed()))
                    }
                    (None, None) => whole,
                }
            });
            grace.into_iter().chain(time).min()
        });
        left.min().map(|left| left + Duration::from_millis(1))
    }

    /// Ends the running jobs of a cancelled task: asks them to stop where they can hear it, and else, or when they do not, with
    /// their workers.
    pub(in crate::pool) fn cancel(&mut self, task: &Arc<Task>) {
        task.cancel();
        // What was answered by now tells what runs.
        for index in 0..self.seats.len() {
            self.collect(index);
        }
        for index in 0..self.seats.len() {
            self.end_cancelled(index);
        }
        let (gone, kept): (VecDeque<Jobs>, _) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition(|chunk| Arc::ptr_eq(&chunk.owner, task));
        self.queue = kept;
        gone.iter()
            .for_each(|chunk| self.fail(chunk, Cause::Cancelled, 0, None));
    }

    /// Asks a cancelled job to stop that runs in this seat, or kills its worker when it was asked before and its time is over. It may
    /// have been cancelled while it waited there.
    pub(super) fn end_cancelled(&mut self, index: usize) {
        let grace = self.rules.grace;
        let seat = &mut self.seats[index];
        let Some(link) = (seat.link.as_ref()).filter(|_| seat.ready && seat.killed_for.is_none())
        else {
            return;
        };
        let Some((chunk, answered)) =
            (link.running()).filter(|(chunk, _)| chunk.owner.is_cancelled())
        else {
            seat.killed_at = None;
            return;
        };
        // Jobs that wait behind it in the worker must not begin while it takes its time.
        let is_last = link.chunks() == 1 && chunk.count - answered == 1;
        let grace = if is_last { grace } else { Duration::ZERO };
        link.cancel();
        let now = Instant::now();
        let asked = seat.killed_at.filter(|(job, _)| *job == link.answered());
        // A grace beyond what a clock can show is longer than any program runs.
        let end = || now.checked_add(grace).unwrap_or(now + MOST_GRACE);
        let (job, end) = asked.unwrap_or_else(|| (link.answered(), end()));
        seat.killed_at = Some((job, end));
        if end <= now {
            seat.killed_for = Some((Cause::Cancelled, link.answered()));
            link.kill();
        }
    }

    /// Ends everything at once. Every job has an outcome after this.
    pub(in crate::pool) fn terminate(&mut self, state: State) {
        self.state = state;
        self.news = true;
        let cause = match &self.state {
            State::Broken(reason) => Cause::NoWorker(reason.clone()),
            _ => Cause::Cancelled,
        };
        for chunk in std::mem::take(&mut self.queue) {
            self.fail(&chunk, cause.clone(), 0, None);
        }
        // All are killed before the first is waited for.
        for seat in &mut self.seats {
            seat.killed_for = Some((cause.clone(), u64::MAX));
            seat.link.iter().for_each(Link::kill);
        }
        for index in 0..self.seats.len() {
            self.lose(index, None);
        }
    }
}
