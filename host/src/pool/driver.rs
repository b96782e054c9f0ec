//! The one owner of a pool's workers, behind one lock: it hands chunks to links, takes their answers home, and decides
//! what becomes of the jobs of a worker that was lost.
//!
//! Whoever holds the lock may drive: the thread that waits for its own jobs, or the keeper. No code of the embedding
//! program runs in here; who has to be told of something is noted, and told when the lock is free again.

mod losses;
mod seats;

use super::task::{Home, Run, Task, Waiter};
use super::told::{self, News};
use crate::job::{Cause, Progress};
use crate::link::{Answers, Bounds, Broken, Chunk, Link};
use rustix::event::epoll;
use rustix::fd::OwnedFd;
pub(super) use seats::{START_TIME, Seat};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// After so long without a job a worker that is woken takes much longer than one that has just fallen asleep (measured
/// 2026-11: 120 µs with the caller asleep, 300 µs with it spinning beside).
const REST: Duration = Duration::from_millis(1);
/// So many jobs make a worker warm: its instance is made, and its code is where the processor finds it.
const WARM_JOBS: u64 = 2;

pub(super) type Jobs = Chunk<Arc<Task>>;
pub(super) type WorkerLink = Link<Arc<Task>>;

/// Whether the pool takes tasks, and what becomes of those it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// Takes no more tasks, but finishes those it has.
    Closed,
    Terminated,
    /// No worker can be started, for this reason.
    Broken(String),
}

/// Who waits for bells on behalf of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leader {
    Nobody,
    Keeper,
    Caller,
}

/// Counts of what happened since the pool was built.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) done: u64,
    pub(super) started: u64,
    pub(super) lost: u64,
    pub(super) retried: u64,
}

/// What the driver decides by, fixed when the pool is built.
pub(super) struct Rules {
    pub(super) timeout: Option<Duration>,
    pub(super) max_jobs: Option<u64>,
    /// For each function whether running a job twice can do no harm.
    pub(super) retry: Vec<bool>,
    /// Whether jobs end with the worker that they were given to, started or not.
    pub(super) once: bool,
    /// Whether jobs may be asked as a list.
    pub(super) lists: bool,
    /// How long a job that was cancelled is given to return by itself.
    pub(super) grace: Duration,
    /// What is believed of the jobs' accounts, if they give any.
    pub(super) account: Option<Bounds>,
}

pub(super) struct Driver {
    pub(super) seats: Vec<Seat>,
    /// How many of the seats should be taken; those behind are to be left.
    pub(super) target: usize,
    queue: VecDeque<Jobs>,
    pub(super) state: State,
    pub(super) leader: Leader,
    /// Whether the leader sleeps, so that whoever changes something has to nudge it.
    pub(super) asleep: bool,
    /// Whether, since it fell asleep, jobs came home or went out of which no worker will tell it.
    pub(super) news: bool,
    /// Whether a worker was woken that had rested long, and none has answered nor the leader slept since.
    pub(super) woke: bool,
    /// Threads that wait while another one leads, any of which can take over.
    pub(super) followers: Vec<std::thread::Thread>,
    /// Streams that are not dropped yet, and tasks with a handle that are not done, or whose callback has not run.
    pub(super) tasks: u64,
    pub(super) counts: Counts,
    pub(super) notes: Vec<Waiter>,
    /// Workers that have nothing to do any more. It takes a while until a process has ended, so the keeper waits for it
    /// with the lock released.
    pub(super) leaving: Vec<WorkerLink>,
    /// Whether the start of a worker has failed, and none has succeeded since.
    pub(super) start_failed: bool,
    /// When workers were lost that we did not mean to lose.
    pub(super) losses: VecDeque<Instant>,
    /// Something is left for the keeper to do.
    pub(super) keeper_wanted: bool,
    /// What the embedding program is to be told.
    pub(super) told: Vec<News>,
    /// How many lines of guests it has not been told yet.
    pub(super) untold: Arc<AtomicUsize>,
    /// The seat that is asked first, so that no guest takes all the room for lines.
    first_heard: usize,
    /// Whether all jobs are asked to stop.
    stopping: bool,
    checked: Instant,
    /// How many processors this process may use.
    pub(super) processors: usize,
    pub(super) rules: Rules,
    /// Readable when a worker rings. Hung-up workers show as well.
    bells: Arc<OwnedFd>,
    /// Readable when a starting worker greets, or any worker hangs up.
    ends: Arc<OwnedFd>,
}

impl Driver {
    pub(super) fn new(
        workers: usize,
        rules: Rules,
        bells: Arc<OwnedFd>,
        ends: Arc<OwnedFd>,
    ) -> Driver {
        Driver {
            seats: std::iter::repeat_with(Seat::default)
                .take(workers)
                .collect(),
            target: workers,
            queue: VecDeque::new(),
            state: State::Open,
            leader: Leader::Nobody,
            asleep: false,
            news: false,
            woke: false,
            followers: Vec::new(),
            tasks: 0,
            counts: Counts::default(),
            notes: Vec::new(),
            leaving: Vec::new(),
            start_failed: false,
            losses: VecDeque::new(),
            keeper_wanted: false,
            told: Vec::new(),
            untold: Arc::default(),
            first_heard: 0,
            stopping: false,
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            checked: Instant::now(),
            rules,
            bells,
            ends,
        }
    }

    /// Notes that a task begins; `false` if the pool takes no more.
    pub(super) fn begin(&mut self) -> bool {
        let open = !matches!(self.state, State::Closed | State::Terminated);
        self.tasks += u64::from(open);
        open
    }

    /// Takes jobs to be done. They get an outcome whatever the pool's state.
    #[inline]
    pub(super) fn submit(&mut self, chunk: Jobs) {
        match &self.state {
            State::Open | State::Closed => self.queue.push_back(chunk),
            State::Terminated => self.fail(&chunk, Cause::Cancelled, 0, None),
            State::Broken(reason) => self.fail(&chunk, Cause::NoWorker(reason.clone()), 0, None),
        }
    }

    /// Collects what was answered, gives out what is queued, and ends what took too long. Does not wait.
    pub(super) fn pump(&mut self) {
        let first = self.first_heard.min(self.seats.len());
        for index in (first..self.seats.len()).chain(0..first) {
            self.collect(index);
        }
        if self.rules.timeout.is_some() && self.checked.elapsed() > Duration::from_millis(1) {
            self.checked = Instant::now();
            self.end_overdue();
        }
        self.dispatch();
    }

    /// Collects what the worker in this seat has answered.
    #[inline]
    fn collect(&mut self, index: usize) {
        if self.seats[index].is_at_work() {
            self.collect_answers(index);
        }
    }

    // Most seats have nothing to collect at most times: what it takes to begin is only for those that have.
    #[inline(never)]
    fn collect_answers(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        let Some(link) = &mut seat.link else {
            return;
        };
        let pid = link.pid();
        let mut jobs = 0;
        let mut learner = None;
        let (notes, tasks) = (&mut self.notes, &mut self.tasks);
        let (account, usage) = (&self.rules.account, &mut seat.usage);
        let unclaimed = &mut seat.unclaimed;
        let collected = link.collect(|task, mut answers: Answers| {
            jobs += u64::from(answers.count);
            usage.answer_bytes += answers.bytes() as u64;
            if let Some(bounds) = account {
                let now = Instant::now();
                let (since, left) = unclaimed;
                *left += since
                    .replace(now)
                    .map_or(Duration::ZERO, |since| now - since);
                usage.add(&answers.settle(bounds, left));
            }
            if learner.is_none() && task.learns() {
                learner = Some(task.clone());
            }
            deliver(
                task,
                Run::Answers {
                    answers,
                    worker: index,
                    pid,
                },
                tasks,
                notes,
            );
        });
        if jobs > 0 {
            self.news = true;
            self.woke = false;
            seat.jobs += jobs;
            self.counts.done += jobs;
            // To read the clock takes a third of a short job's time, so it is read only for a reason.
            if link.chunks() > 0 || learner.is_some() {
                let now = Instant::now();
                let since = seat.since.replace(now);
                if let (Some(task), Some(since)) = (learner, since) {
                    task.learn(jobs, now - since);
                }
            }
        }
        let collected = collected.and_then(|_| link.flush());
        let collected = collected.and_then(|flushed| {
            if self.hears() {
                self.take_lines(index)?;
            }
            Ok(flushed)
        });
        while let Some(batch) = self.seats[index].link.as_mut().and_then(Link::take_refused) {
            batch.owner.refuse();
            let function = batch.owner.function;
            self.requeue(batch.one_by_one(function));
        }
        let seat = &mut self.seats[index];
        match collected {
            Ok(true) => seat.since = Some(Instant::now()),
            Ok(false) => {}
            Err(broken) => return self.lose(index, Some(broken)),
        }
        if self.is_spent(index) {
            return self.vacate(index);
        }
        if self.seats[index].killed_at.is_some() || self.seats[index].has_cancelled() {
            self.end_cancelled(index);
        }
    }

    /// Whether there is room for more lines that the embedding program is to be told.
    #[inline]
    fn hears(&self) -> bool {
        self.untold.load(Ordering::Relaxed) < told::MOST_WAITING
    }

    /// Takes what the guest in this seat has logged.
    pub(super) fn take_lines(&mut self, index: usize) -> Result<(), Broken> {
        let Some(link) = self.seats[index].link.as_mut().filter(|link| link.logs()) else {
            return Ok(());
        };
        let (lines, lost) = link.take_lines()?;
        if !told::is_heard() {
            return Ok(());
        }
        let (worker, pid) = (index, link.pid());
        if !lines.is_empty() {
            self.untold.fetch_add(lines.len(), Ordering::Relaxed);
            self.first_heard = index + 1;
        }
        self.told
            .extend((lines.into_iter()).map(|line| News::Line { worker, pid, line }));
        if lost > 0 {
            let lines = lost;
            self.told.push(News::Lost { worker, pid, lines });
        }
        Ok(())
    }

    /// Notes something that the embedding program is to be told, if it listens.
    pub(super) fn tell(&mut self, news: impl FnOnce() -> News) {
        if told::is_heard() {
            self.told.push(news());
        }
    }

    /// Gives queued chunks to the workers with the fewest: of those to one that did nothing yet, and else to the first, as
    /// it is the likeliest to be awake.
    fn dispatch(&mut self) {
        while let Some(chunk) = self.queue.front() {
            if chunk.owner.is_cancelled() {
                let Some(chunk) = self.queue.pop_front() else {
                    return;
                };
                self.fail(&chunk, Cause::Cancelled, 0, None);
                continue;
            }
            let depth = chunk.owner.depth();
            let free = |(index, seat): (usize, &Seat)| {
                let link = seat
                    .link
                    .as_ref()
                    .filter(|_| seat.ready && index < self.target && seat.killed_for.is_none())?;
                let left = self.rules.max_jobs.is_none_or(|max| link.asked() < max);
                let quick = link
                    .running()
                    .is_none_or(|(front, _)| seat.ends_soon(&front.owner, &chunk.owner));
                let warmth = seat.jobs.min(WARM_JOBS);
                (link.chunks() < depth && left && quick).then_some((link.chunks(), warmth, index))
            };
            let Some((.., index)) = self.seats.iter().enumerate().filter_map(free).min() else {
                return;
            };
            let Some(chunk) = self.queue.pop_front() else {
                return;
            };
            self.feed(index, chunk);
        }
    }

    fn feed(&mut self, index: usize, mut chunk: Jobs) {
        let spare = self.spare_processors();
        let seat = &mut self.seats[index];
        let Some(link) = &mut seat.link else {
            return self.queue.push_front(chunk);
        };
        if let Some(max) = self.rules.max_jobs {
            let left = max.saturating_sub(link.asked()).min(u64::from(u32::MAX)) as u32;
            if let Some(rest) = chunk.split_off(left) {
                self.queue.push_front(rest);
            }
        }
        self.news = true;
        let was_idle = link.chunks() == 0;
        if was_idle && self.rules.account.is_some() {
            seat.unclaimed = (Some(Instant::now()), Duration::ZERO);
        }
        seat.usage.request_bytes += chunk.bytes() as u64;
        let before = seat.since;
        // What jobs cost is reckoned from here, where that is of use: a worker may be done before this thread goes on.
        let learns = chunk.owner.learns();
        if was_idle && learns {
            seat.since = Some(Instant::now());
        }
        let has_rested = || was_idle && before.is_none_or(|before| before.elapsed() > REST);
        match link.feed(chunk, spare > usize::from(was_idle), has_rested) {
            Ok(woke) => self.woke |= woke,
            Err(broken) => return self.lose(index, Some(broken)),
        }
        // Else the worker is at it while this thread reads the clock.
        if was_idle && !learns {
            self.seats[index].since = Some(Instant::now());
        }
    }

    /// Asks all jobs to stop, those to come as well.
    pub(super) fn ask_to_stop(&mut self) {
        self.stopping = true;
        self.links().for_each(Link::cancel_all);
    }

    /// How far the running job of a task says that it is, the first that says so.
    pub(super) fn progress(&self, task: &Arc<Task>) -> Option<Progress> {
        let mut links = self.links().filter(|link| {
            let running = link.running();
            running.is_some_and(|(chunk, _)| Arc::ptr_eq(&chunk.owner, task))
        });
        links.find_map(Link::progress)
    }

    /// Forgets the queued jobs of a task that nobody wants any more. Those that are with a worker still run.
    pub(super) fn abandon(&mut self, task: &Arc<Task>) {
        self.queue.retain(|chunk| !Arc::ptr_eq(&chunk.owner, task));
    }

    /// Whether there are jobs that nobody may be waiting for, or that somebody has to give out or watch the clock of.
    pub(super) fn is_unattended(&self) -> bool {
        let timed = self.rules.timeout.is_some();
        self.queue
            .iter()
            .any(|chunk| chunk.owner.home == Home::Handle)
            || self
                .links()
                .filter_map(Link::running)
                .any(|(chunk, _)| timed || chunk.owner.home == Home::Handle)
    }

    /// Whether all workers that there should be are ready for jobs, or there is no hope of it.
    pub(super) fn is_complete(&self) -> bool {
        let mut seats = self.seats.iter().take(self.target);
        self.start_failed || self.state != State::Open || seats.all(Seat::serves)
    }

    /// How many jobs wait in the queue.
    pub(super) fn queued(&self) -> u64 {
        self.queue.iter().map(|chunk| u64::from(chunk.count)).sum()
    }

    /// Whether a closed pool has come to its end.
    pub(super) fn is_idle(&self) -> bool {
        self.tasks == 0 && self.state != State::Open
    }

    /// Whether nobody is to be told or woken when the lock is free.
    #[inline]
    pub(super) fn has_nothing_to_tell(&self) -> bool {
        let nobody_waits = !self.asleep && !self.keeper_wanted && !self.is_idle();
        nobody_waits && self.notes.is_empty() && self.told.is_empty()
    }

    /// Whether a worker waits for jobs, and there are none.
    pub(super) fn has_idle_worker(&self) -> bool {
        let idle = |seat: &Seat| {
            let link = seat.link.as_ref().filter(|_| seat.ready);
            seat.killed_for.is_none() && link.is_some_and(|link| link.chunks() == 0)
        };
        self.queue.is_empty() && self.seats.iter().take(self.target).any(idle)
    }

    /// How many processors no worker is at work on, if each has one of its own.
    pub(super) fn spare_processors(&self) -> usize {
        let busy = self.links().filter(|link| link.chunks() > 0).count();
        self.processors.saturating_sub(busy)
    }

    /// Whether a worker is in the middle of a long answer or of long arguments.
    pub(super) fn is_streaming(&self) -> bool {
        self.links().any(Link::is_streaming)
    }

    fn links(&self) -> impl Iterator<Item = &WorkerLink> {
        self.seats.iter().filter_map(|seat| seat.link.as_ref())
    }

    /// Whether a busy worker has answered something. Says yes to nonsense too, so that it is collected and punished.
    pub(super) fn has_work(&mut self) -> bool {
        let hears = self.hears();
        let links = self.seats.iter_mut().filter_map(|seat| seat.link.as_mut());
        links.filter(|link| link.chunks() > 0).any(|link| {
            link.has_work().unwrap_or(true) || hears && link.has_lines().unwrap_or(true)
        })
    }

    /// Asks all busy workers to ring when they are through with what is at their front.
    pub(super) fn sleep(&mut self) {
        let links = self.seats.iter_mut().filter_map(|seat| seat.link.as_mut());
        links.filter(|link| link.chunks() > 0).for_each(Link::sleep);
        self.asleep = true;
        self.woke = false;
        self.news = false;
    }

    /// Lets a sleeping leader sleep on, now that jobs were added; `false` if it has to be woken instead.
    pub(super) fn resleep(&mut self) -> bool {
        self.sleep();
        self.rules.timeout.is_none() && !self.has_work()
    }

    /// Asks them not to.
    pub(super) fn wake(&mut self) {
        self.asleep = false;
        let links = self.seats.iter_mut().filter_map(|seat| seat.link.as_mut());
        links.filter(|link| link.chunks() > 0).for_each(Link::wake);
    }

    /// Takes note of what [`epoll`] said of a worker: it rang, or it hung up.
    pub(super) fn heed(&mut self, event: epoll::Event) {
        // What it answered is collected by whoever was woken for it.
        if seats::is_bell(&event) {
            return;
        }
        let (index, generation) = (event.data.u64() as u32 as usize, event.data.u64() >> 32);
        let Some(seat) = self
            .seats
            .get(index)
            .filter(|seat| seat.generation == generation)
        else {
            return;
        };
        let Some(link) = seat.link.as_ref().filter(|_| seat.ready) else {
            return;
        };
        let flags = event.flags;
        let hung_up = epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR;
        if flags.intersects(hung_up) || link.has_ended() {
            // What it answered before it went still counts.
            self.collect(index);
            self.lose(index, None);
        }
    }

    /// Whether chunks of several jobs are under way, of which the first may be answered long before the last.
    pub(super) fn may_have_early_answers(&self) -> bool {
        self.links()
            .filter_map(Link::running)
            .any(|(chunk, answered)| chunk.count - answered > 1)
    }
}

/// Puts outcomes into a task's inbox, notes who is to be told of it, and strikes the task out if that was its last.
fn deliver(task: &Task, run: Run, tasks: &mut u64, notes: &mut Vec<Waiter>) {
    let told = task.deliver(run);
    if told.is_empty() && task.home != Home::Handle {
        return;
    }
    // A callback strikes it out when it has run, a stream when it is dropped.
    let later = told
        .iter()
        .any(|waiter| matches!(waiter, Waiter::Callback(_)));
    if task.home == Home::Handle && !later && task.is_done() {
        *tasks -= 1;
    }
    notes.extend(told);
}
