//! A job, or many, that someone started and will ask about later.

use super::Error;
use super::func::{Call, Shape};
use super::reading::outcome;
use super::shared::Shared;
use super::task::{Home, Run, Task, Waiter};
use crate::job::Progress;
use crate::link::Chunk;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The result of [`submit`](super::Pool::submit) or [`map_async`](super::Pool::map_async): to be waited for, awaited,
/// cancelled, or given a callback.
///
/// It may outlive the pool: dropping a pool cancels its jobs. Dropping a handle does not.
#[must_use = "without its handle a job's outcome is lost"]
pub struct Handle<T> {
    shared: Arc<Shared>,
    task: Arc<Task>,
    /// Which function it was, to decode the results.
    function: usize,
    read: fn(Call<'_>, VecDeque<Run>) -> Result<T, Error>,
}

/// Strikes a task with a callback out of the pool's books when the callback has run.
struct Ended {
    shared: Arc<Shared>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl<T> std::fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("is_done", &self.is_done())
            .finish_non_exhaustive()
    }
}

impl Call<'_> {
    /// One job, which is told that it has this place in its input.
    pub(super) fn submit<P: Serialize, R: DeserializeOwned>(
        self,
        place: u64,
        arguments: &P,
    ) -> Result<Handle<R>, Error> {
        self.start(place, std::iter::once(arguments), |call, runs| {
            let mut results = read_all(call, runs)?;
            results.pop().ok_or(Error::Closed)
        })
    }

    pub(super) fn submit_all<P: Serialize, R: DeserializeOwned>(
        self,
        items: impl IntoIterator<Item = P>,
    ) -> Result<Handle<Vec<R>>, Error> {
        self.start(0, items, read_all)
    }

    fn start<P: Serialize, T>(
        self,
        first: u64,
        items: impl IntoIterator<Item = P>,
        read: fn(Call<'_>, VecDeque<Run>) -> Result<T, Error>,
    ) -> Result<Handle<T>, Error> {
        let task = Arc::new(self.task(Home::Handle));
        let chunks = self.chunks(&task, first, items)?;
        if !self.shared.driver().begin() {
            return Err(Error::Closed);
        }
        if chunks.is_empty() {
            self.shared.end();
        }
        task.expect(chunks.iter().map(|chunk| u64::from(chunk.count)).sum());
        self.shared.submit(chunks);
        Ok(Handle {
            shared: self.shared.clone(),
            task,
            function: self.function,
            read,
        })
    }

    /// All items, cut so that each worker gets four pieces, as `multiprocessing` cuts them: nothing is known yet of
    /// what they cost.
    fn chunks<P: Serialize>(
        &self,
        task: &Arc<Task>,
        first: u64,
        items: impl IntoIterator<Item = P>,
    ) -> Result<Vec<Chunk<Arc<Task>>>, Error> {
        let mut chunks = Vec::new();
        let mut whole = self.chunk(task.clone(), first);
        for item in items {
            if self.shared.chunk == Some(whole.count) {
                let next = whole.first + u64::from(whole.count);
                let next = self.chunk(task.clone(), next);
                chunks.push(std::mem::replace(&mut whole, next));
            }
            self.push(&item, &mut whole)?;
        }
        let pieces = 4 * self.shared.workers() as u32;
        let size = self
            .shared
            .chunk
            .unwrap_or(whole.count.div_ceil(pieces))
            .max(1);
        while let Some(rest) = whole.split_off(size) {
            chunks.push(std::mem::replace(&mut whole, rest));
        }
        if whole.count > 0 {
            chunks.push(whole);
        }
        Ok(chunks)
    }
}

fn read_all<R: DeserializeOwned>(call: Call<'_>, mut runs: VecDeque<Run>) -> Result<Vec<R>, Error> {
    runs.make_contiguous().sort_by_key(Run::first);
    let mut results = Vec::with_capacity(runs.iter().map(|run| run.count() as usize).sum());
    for run in runs {
        match run {
            Run::Fault { fault, .. } => return Err((*fault).into()),
            Run::Answers {
                mut answers, pid, ..
            } => {
                while let Some(answer) = answers.next() {
                    results.push(outcome(answer, &call, pid)?);
                }
            }
        }
    }
    Ok(results)
}

impl<T> Handle<T> {
    /// Whether every job has its outcome.
    pub fn is_done(&self) -> bool {
        self.task.is_done()
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// [`Error::Job`] with the fault of the first job that has one.
    pub fn wait(self) -> Result<T, Error> {
        self.shared
            .wait(&[&self.task], None, || self.task.is_done());
        self.take()
    }

    /// Waits for the result, but no longer than `timeout`: then the handle comes back.
    ///
    /// # Errors
    /// The handle itself, if the result is not there yet.
    pub fn wait_timeout(self, timeout: Duration) -> Result<Result<T, Error>, Handle<T>> {
        let deadline = Instant::now().checked_add(timeout);
        if self
            .shared
            .wait(&[&self.task], deadline, || self.task.is_done())
        {
            Ok(self.take())
        } else {
            Err(self)
        }
    }

    /// How far the running job says that it is, by `pool:job/job`; of many, the first that says so. `None` where none runs, or
    /// none has said anything.
    pub fn progress(&self) -> Option<Progress> {
        self.shared.driver().progress(&self.task)
    }

    /// Ends the jobs that have no outcome yet: those that wait never start, and a running one ends with its worker,
    /// which is replaced. Each then has the fault [`Cause::Cancelled`](crate::job::Cause::Cancelled). Says whether
    /// there was anything to end.
    ///
    /// A running job of a component that imports `pool:job` is asked first, unless others wait behind it in its worker: `is-cancelled` is
    /// true for it from now on. If it returns within [`Builder::grace`](crate::Builder::grace), its worker stays, and what it returned
    /// is its outcome.
    pub fn cancel(&self) -> bool {
        cancel(&self.shared, &self.task)
    }

    /// What [`Handle::cancel`] does, for whoever does not hold the handle.
    pub(crate) fn canceller(&self) -> impl Fn() + Send + Sync + use<T> {
        let (shared, task) = (self.shared.clone(), self.task.clone());
        move || {
            cancel(&shared, &task);
        }
    }

    /// What [`Handle::progress`] tells, for whoever does not hold the handle.
    pub(crate) fn teller(&self) -> impl Fn() -> Option<Progress> + Send + Sync + use<T> {
        let (shared, task) = (self.shared.clone(), self.task.clone());
        move || shared.driver().progress(&task)
    }

    /// Calls `callback` once with the result, on a thread that the pool keeps for callbacks. A panic in it is told on
    /// standard error by Rust's panic hook, and ends only that call.
    pub fn on_done(self, callback: impl FnOnce(Result<T, Error>) + Send + 'static)
    where
        T: 'static,
    {
        let (shared, task) = (self.shared.clone(), self.task.clone());
        let ended = Ended {
            shared: shared.clone(),
        };
        let call: super::task::Callback = Box::new(move || {
            let _ended = ended;
            callback(self.take());
        });
        if let Some(Waiter::Callback(call)) = task.await_by(Waiter::Callback(call)) {
            // It was struck out when it was done.
            shared.driver().tasks += 1;
            shared.callbacks.run(call);
        }
    }

    fn take(&self) -> Result<T, Error> {
        // How the arguments were given no longer matters for reading the results.
        let call = Call::of(&self.shared, self.function, Shape::List);
        (self.read)(call, self.task.take())
    }
}

fn cancel(shared: &Shared, task: &Arc<Task>) -> bool {
    let mut driver = shared.driver();
    if task.is_done() {
        return false;
    }
    driver.cancel(task);
    driver.keeper_wanted = true;
    if driver.asleep {
        shared.nudge();
    }
    true
}

impl<T> Future for Handle<T> {
    type Output = Result<T, Error>;

    /// Ready when every job has its outcome. Any executor will do; the pool's own thread drives the jobs.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.task.await_by(Waiter::Waker(context.waker().clone())) {
            None => Poll::Pending,
            Some(_) => Poll::Ready(self.take()),
        }
    }
}

/// When [`wait`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// As soon as one of the handles is done.
    Any,
    /// When all are done.
    All,
    /// As soon as one is done with a fault, or when all are done.
    FirstFault,
}

/// Waits for several handles, of one pool or of several, but no longer than `timeout`. Returns the indices of those
/// that are done.
pub fn wait<T>(handles: &[Handle<T>], when: When, timeout: Option<Duration>) -> Vec<usize> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let done = || {
        handles
            .iter()
            .enumerate()
            .filter(|(_, handle)| handle.is_done())
            .map(|(index, _)| index)
            .collect()
    };
    let Some(first) = handles.first() else {
        return Vec::new();
    };
    let ready = || match when {
        When::Any => handles.iter().any(Handle::is_done),
        When::All => handles.iter().all(Handle::is_done),
        When::FirstFault => {
            handles.iter().all(Handle::is_done)
                || handles.iter().any(|h| h.is_done() && h.task.has_fault())
        }
    };
    // Handles of other pools are driven by their keepers; a look at them now and then is enough.
    let one_pool = handles
        .iter()
        .all(|handle| Arc::ptr_eq(&handle.shared, &first.shared));
    let tasks: Vec<&Task> = handles.iter().map(|handle| &*handle.task).collect();
    while !ready() {
        let look = (!one_pool).then(|| Instant::now() + Duration::from_millis(1));
        let until = [deadline, look].into_iter().flatten().min();
        first.shared.wait(&tasks, until, ready);
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            break;
        }
    }
    done()
}
