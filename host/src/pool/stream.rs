//! Jobs from a feed, results back to the same thread: the one mechanism behind `apply`, `map` and `imap`.
//!
//! The thread that asks encodes items into chunks, drives the pool while it waits, and decodes what comes home. Items
//! are taken only when there is room: for their jobs with the workers, and for their results on this side.

use super::Error;
use super::feed::{Arrival, Feed};
use super::func::Call;
use super::reading::{List, Reading, list, outcome};
use super::sizes::Sizes;
use super::task::{CHUNK_TIME, DEPTH, Home, Run, Task, WHOLE_CHUNK_TIME};
use crate::job::{Fault, Report, Usage};
use crate::link::Chunk;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// How many bytes of arguments make a chunk full: a quarter of the ring, so that three fit.
const CHUNK_BYTES: usize = crate::ring::CAPACITY / 4;
/// How long a chunk may wait for its items.
const FILL_TIME: Duration = Duration::from_micros(20);
/// How long a fast source takes for an item, at most. Items of a slower one are sent one by one.
const FAST_PACE: Duration = Duration::from_micros(5);

/// How long the first result is waited for before the source is asked for a second item: longer than a short job takes in
/// a worker that sleeps, and no loss that anybody would notice.
const FIRST_RESULT_TIME: Duration = Duration::from_millis(2);

/// In which order results are wanted, and so how far the source may be ahead of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The order of the items, by a reader who may stop at any time.
    Input,
    /// As they come.
    Completion,
    /// The order of the items, by a reader who wants them all.
    Everything,
}

/// The results of a job for each item, as an iterator; from [`Func::imap`](super::Func::imap).
///
/// Dropping it lets the jobs that are under way finish unheard.
pub struct Imap<'p, I, R> {
    stream: Stream<'p, I, R>,
}

impl<'p, I, R> Imap<'p, I, R> {
    pub(super) fn new(stream: Stream<'p, I, R>) -> Self {
        Imap { stream }
    }
}

impl<I: Feed<Item: Serialize>, R: DeserializeOwned> Imap<'_, I, R> {
    /// The next outcome, and where it came from.
    ///
    /// # Errors
    /// `Err` ends the iteration: [`Error::Item`] when an item does not fit, after the outcomes of those before it, and
    /// [`Error::Closed`]. A job's fault is no error here, but its outcome.
    pub fn next_report(&mut self) -> Option<Result<Report<R>, Error>> {
        self.stream.next()
    }
}

impl<I: Feed<Item: Serialize>, R: DeserializeOwned> Iterator for Imap<'_, I, R> {
    type Item = Result<R, Error>;
    fn next(&mut self) -> Option<Result<R, Error>> {
        let report = self.stream.next()?;
        Some(report.and_then(|report| Ok(report.outcome?)))
    }
}

pub(super) struct Stream<'p, I, R> {
    call: Call<'p>,
    /// `None` once it has ended.
    items: Option<I>,
    /// Called when an item has arrived, where the source had none yet.
    waker: Waker,
    /// Whether the source, when it was last asked, had none yet.
    awaits_item: bool,
    task: Arc<Task>,
    order: Order,
    /// Whether the pool counts this task.
    counted: bool,
    /// What to say when all outcomes before it are told.
    error: Option<Error>,
    sent: u64,
    received: u64,
    yielded: u64,
    /// Runs that came before their turn, by the index of their first job.
    early: BTreeMap<u64, Run>,
    ready: VecDeque<Run>,
    reading: Option<Reading<R>>,
    /// The lengths of arguments, where reports are wanted.
    sizes: Sizes,
    /// How long the source took for its last item; for one that gave only its first, nothing is known yet.
    source_pace: Duration,
}

impl<'p, I: Feed<Item: Serialize>, R: DeserializeOwned> Stream<'p, I, R> {
    pub(super) fn new(call: Call<'p>, items: I, order: Order) -> Self {
        let counted = call.shared.driver().begin();
        let chunk_time = match order {
            Order::Everything => WHOLE_CHUNK_TIME,
            Order::Input | Order::Completion => CHUNK_TIME,
        };
        let task = Arc::new(call.task(Home::Stream).with_chunk_time(chunk_time));
        Stream {
            waker: if I::ARRIVES {
                Arrival::waker(call.shared, &task)
            } else {
                Waker::noop().clone()
            },
            awaits_item: false,
            task,
            call,
            items: counted.then_some(items),
            order,
            counted,
            error: (!counted).then_some(Error::Closed),
            sent: 0,
            received: 0,
            yielded: 0,
            early: BTreeMap::new(),
            ready: VecDeque::new(),
            reading: None,
            sizes: Sizes::default(),
            source_pace: Duration::ZERO,
        }
    }

    /// The next outcome. `Err` comes last.
    pub(super) fn next(&mut self) -> Option<Result<Report<R>, Error>> {
        loop {
            if let Some(reading) = &mut self.reading {
                match reading.next(&self.call) {
                    Some(report) => {
                        self.yielded += 1;
                        return Some(Ok(report));
                    }
                    None => self.reading = None,
                }
            }
            match self.ready.pop_front() {
                Some(Run::Fault {
                    fault,
                    worker,
                    wall,
                }) => {
                    self.yielded += 1;
                    let arguments = self.sizes.take(fault.job, 1);
                    let usage = Usage {
                        attempts: fault.attempt,
                        argument_bytes: arguments.into_iter().map(u64::from).sum(),
                        wall,
                        ..Usage::default()
                    };
                    return Some(Ok(Report {
                        job: fault.job,
                        worker,
                        pid: fault.pid.unwrap_or(0),
                        outcome: Err(*fault),
                        usage,
                    }));
                }
                Some(Run::Answers {
                    answers,
                    worker,
                    pid,
                }) => {
                    let arguments = self.sizes.take(answers.first, u64::from(answers.count));
                    self.reading = Some(Reading::new(answers, &self.call, worker, pid, arguments));
                }
                None => {
                    if !self.advance() {
                        return self.error.take().map(Err);
                    }
                }
            }
        }
    }

    /// All results in order, or the first error.
    pub(super) fn gather(mut self) -> Result<Vec<R>, Error> {
        let expected = self.items.as_ref().map_or(0, |items| items.items_left().0);
        // An iterator may promise anything; memory is taken for what is plausible, and grows from there.
        let mut results = Vec::with_capacity(expected.min(1 << 20));
        let mut first_fault: Option<Fault> = None;
        while self.advance() {
            for run in std::mem::take(&mut self.ready) {
                self.yielded += run.count();
                match run {
                    Run::Fault { fault, .. } => {
                        first_fault.get_or_insert(*fault);
                    }
                    Run::Answers {
                        mut answers, pid, ..
                    } => match list(&answers, &self.call, pid) {
                        Some(List::Whole(mut list)) => results.append(&mut list),
                        Some(List::Parts(outcomes)) => {
                            for outcome in outcomes {
                                match outcome {
                                    Ok(result) => results.push(result),
                                    Err(fault) => {
                                        first_fault.get_or_insert(fault);
                                    }
                                }
                            }
                        }
                        None => {
                            while let Some(answer) = answers.next() {
                                match outcome(answer, &self.call, pid) {
                                    Ok(result) => results.push(result),
                                    Err(fault) => {
                                        first_fault.get_or_insert(fault);
                                    }
                                }
                            }
                        }
                    },
                }
            }
        }
        match (first_fault, self.error.take()) {
            (Some(fault), _) => Err(fault.into()),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(results),
        }
    }

    /// Takes home what is there and sends what there is room for, waiting for results if need be. `false` at the end.
    fn advance(&mut self) -> bool {
        // Where the source takes its time, it is asked again only when no result is about to come.
        let mut ask = self.source_is_fast();
        loop {
            self.receive();
            if ask || self.ready.is_empty() && self.received == self.sent {
                self.fill();
                self.receive();
            }
            if !self.ready.is_empty() {
                return true;
            }
            if self.received == self.sent && self.items.is_none() {
                return false;
            }
            if self.awaits_item && self.call.shared.is_terminated() {
                self.end(Error::Closed);
                continue;
            }
            // What arrives when there is no room is seen when there is.
            let has_room = self.items.is_some() && self.has_room();
            let listens = has_room && self.awaits_item;
            let patience = (has_room && !listens).then(|| match self.sent {
                1 => FIRST_RESULT_TIME,
                _ => (self.source_pace / 10).max(FAST_PACE),
            });
            let deadline = patience.map(|patience| Instant::now() + patience);
            let shared = self.call.shared;
            let came = shared.wait(&[&self.task], deadline, || {
                let news = || self.task.has_arrival() || shared.is_terminated();
                self.task.has_runs() || listens && news()
            });
            ask = !came || self.task.has_arrival() || self.source_is_fast();
        }
    }

    /// Asks the source no more, and says why when all outcomes before that are told.
    fn end(&mut self, error: Error) {
        self.error = Some(error);
        self.items = None;
        self.awaits_item = false;
    }

    /// Whether the source may be asked for more.
    fn has_room(&self) -> bool {
        let workers = self.call.shared.workers() as u64;
        let chunk = self.task.chunk.map_or(1, u64::from);
        let depth = self.task.chunk.map_or(self.task.depth(), |_| DEPTH);
        let with_workers = workers * depth as u64 * self.task.chunk_jobs().max(chunk);
        let ahead = match self.order {
            Order::Everything => u64::MAX,
            Order::Input | Order::Completion => self.call.shared.look_ahead(),
        };
        // Jobs differ: one worker may still have many of them when another has none.
        let wanted =
            self.sent - self.received < with_workers || self.call.shared.driver().has_idle_worker();
        wanted && self.sent - self.yielded < ahead
    }

    /// Takes items and sends their jobs while there is room.
    fn fill(&mut self) {
        while self.items.is_some() && self.has_room() && self.error.is_none() {
            if !self.send_chunk() {
                return;
            }
            // A slow source is asked again only after a look at what came home.
            if !self.source_is_fast() {
                return;
            }
        }
    }

    /// Whether the next item can be expected at once. Of a source that doesn't know how much it has left, and gave only
    /// one item so far, it can't: it may be a person who waits for the first result.
    fn source_is_fast(&self) -> bool {
        let may_block = !I::ARRIVES && self.order != Order::Everything && !self.knows_its_end();
        let unproven = self.sent == 1 && may_block;
        !unproven && self.source_pace <= FAST_PACE
    }

    fn knows_its_end(&self) -> bool {
        (self.items.as_ref()).is_some_and(|items| items.items_left().1.is_some())
    }

    /// Sends the next chunk. `false` if the source has no more, or none yet.
    fn send_chunk(&mut self) -> bool {
        let Some(items) = &self.items else {
            return false;
        };
        let limit = self.chunk_limit(items.items_left());
        let Some(items) = &mut self.items else {
            return false;
        };
        let mut chunk = match self.task.list() {
            Some((asked, function)) => Chunk::list(self.task.clone(), function, self.sent, asked),
            None => self.call.chunk(self.task.clone(), self.sent),
        };
        self.task.forget_arrival();
        self.awaits_item = false;
        let keeps_sizes = self.order != Order::Everything;
        let mut sizes = Vec::new();
        let started = Instant::now();
        let mut look_at = 1;
        while u64::from(chunk.count) < limit && chunk.frames.len() < CHUNK_BYTES {
            let item = match items.poll_item(&self.waker) {
                Poll::Ready(Some(item)) => item,
                Poll::Ready(None) => {
                    self.items = None;
                    break;
                }
                Poll::Pending => {
                    self.awaits_item = true;
                    break;
                }
            };
            match self.call.push(&item, &mut chunk) {
                Ok(bytes) if keeps_sizes => sizes.push(bytes),
                Ok(_) => {}
                Err(error) => {
                    self.end(error);
                    break;
                }
            }
            // The clock is read ever more rarely, as each item shows that the source is fast.
            if chunk.count == look_at {
                look_at *= 2;
                let elapsed = started.elapsed();
                self.source_pace = elapsed / chunk.count;
                let is_slow = self.source_pace > FAST_PACE || elapsed > FILL_TIME;
                if is_slow && self.task.chunk.is_none() {
                    break;
                }
            }
        }
        if chunk.count > 0 {
            self.sizes.put(self.sent, sizes);
            self.sent += u64::from(chunk.count);
            self.task.expect(u64::from(chunk.count));
            self.call.shared.submit([chunk]);
        }
        self.items.is_some() && !self.awaits_item
    }

    /// How many jobs the next chunk may have: what the task thinks right, but near the end of the input so few that
    /// all workers have something to do until then, and never more than the look-ahead allows.
    fn chunk_limit(&self, (left, _): (usize, Option<usize>)) -> u64 {
        let mut limit = self.task.chunk_jobs();
        if self.task.chunk.is_none() {
            let share = (left as u64).div_ceil(2 * self.call.shared.workers() as u64);
            limit = limit.min(share.max(1).max(if left == 0 { limit } else { 1 }));
        }
        if self.order != Order::Everything {
            limit =
                limit.min((self.call.shared.look_ahead()).saturating_sub(self.sent - self.yielded));
        }
        limit.max(1)
    }

    /// Takes what came home into its place.
    fn receive(&mut self) {
        for run in self.task.take() {
            self.received += run.count();
            match self.order {
                Order::Completion => self.ready.push_back(run),
                Order::Input | Order::Everything => {
                    self.early.insert(run.first(), run);
                }
            }
        }
        // All that was received but is still early counts as not yet delivered.
        let mut next = self.next_in_order();
        while let Some(run) = self.early.remove(&next) {
            next += run.count();
            self.ready.push_back(run);
        }
    }

    /// The index of the job whose outcome is to be made ready next.
    fn next_in_order(&self) -> u64 {
        let reading = self.reading.as_ref().map_or(0, |reading| reading.left());
        self.yielded + reading + self.ready.iter().map(Run::count).sum::<u64>()
    }
}

impl<I, R> Drop for Stream<'_, I, R> {
    fn drop(&mut self) {
        if !self.counted {
            return;
        }
        if self.received < self.sent {
            self.call.shared.driver().abandon(&self.task);
        }
        self.call.shared.end();
    }
}
