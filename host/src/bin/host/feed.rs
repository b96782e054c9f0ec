//! What the pool is fed with: the jobs' arguments, until they end, one is wrong, or the run is told to stop.

use crate::exit::Failure;
use crate::form::{Form, Named};
use crate::items::Items;
use crate::lines::Lines;
use crate::plan::{Jobs, Plan, Talk};
use crate::watch::Stop;
use futures_core::Stream;
use host::{Function, Value};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The arguments of one job after the other, as the pool asks for them.
pub(crate) struct Feed {
    jobs: Source,
    /// How many jobs there are, where that is known.
    pub count: Option<u64>,
    /// Whether each job's arguments are kept, to be told with its result.
    follow: bool,
    stop: Arc<Stop>,
    trail: Arc<Trail>,
    next: u64,
    /// Done when there are no more jobs for now.
    when_silent: Box<dyn Fn() + Send>,
}

enum Source {
    Items(Box<dyn Iterator<Item = Vec<Value>> + Send>),
    Lines(Box<Lines>),
}

/// What the feed leaves for the run to find.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    failure: Mutex<Option<Failure>>,
    arguments: Mutex<HashMap<u64, Vec<Value>>>,
}

impl Feed {
    /// Opens the jobs of a plan for this function. Items of the command line are all checked here.
    pub(crate) fn open(
        plan: &Plan,
        function: &Function,
        stop: &Arc<Stop>,
    ) -> Result<Feed, Failure> {
        let named = plan.objects.as_ref().map(|objects| objects.handles());
        let named: Named = Arc::new(named.unwrap_or_default());
        let item = || Form::item(function, &named);
        let tuple = || Form::tuple(function, &named);
        let items = match &plan.jobs {
            Jobs::Items(texts) => Items::read(texts, item()?)?,
            Jobs::Tuples(texts) => Items::read(texts, tuple())?,
            Jobs::Call(arguments) => Items::call(arguments, tuple())?,
            Jobs::ItemLines(file) => {
                let lines = Lines::open(file, item()?, stop.clone())?;
                return Ok(Feed::new(Source::Lines(Box::new(lines)), None, plan, stop));
            }
            Jobs::TupleLines(file) => {
                let lines = Lines::open(file, tuple(), stop.clone())?;
                return Ok(Feed::new(Source::Lines(Box::new(lines)), None, plan, stop));
            }
        };
        let count = items.count();
        let items = Source::Items(Box::new(items.arguments()));
        Ok(Feed::new(items, Some(count), plan, stop))
    }

    fn new(jobs: Source, count: Option<u64>, plan: &Plan, stop: &Arc<Stop>) -> Feed {
        Feed {
            jobs,
            count,
            follow: matches!(plan.talk, Talk::Jobs { .. }),
            stop: stop.clone(),
            trail: Arc::default(),
            next: 0,
            when_silent: Box::new(|| ()),
        }
    }

    /// The same feed, which does this whenever it has no more jobs for now.
    pub(crate) fn when_silent(self, act: impl Fn() + Send + 'static) -> Feed {
        Feed {
            when_silent: Box::new(act),
            ..self
        }
    }

    /// What is left behind, for whoever reads the results.
    pub(crate) fn trail(&self) -> Arc<Trail> {
        self.trail.clone()
    }
}

impl Source {
    fn next(&mut self, waker: &Waker) -> Poll<Option<Result<Vec<Value>, Failure>>> {
        match self {
            Source::Items(items) => Poll::Ready(items.next().map(Ok)),
            Source::Lines(lines) => lines.next(waker),
        }
    }
}

impl Stream for Feed {
    type Item = Vec<Value>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Vec<Value>>> {
        if self.stop.reason().is_some() {
            return Poll::Ready(None);
        }
        match self.jobs.next(context.waker()) {
            Poll::Ready(Some(Ok(arguments))) => {
                if self.follow {
                    hold(&self.trail.arguments).insert(self.next, arguments.clone());
                }
                self.next += 1;
                Poll::Ready(Some(arguments))
            }
            Poll::Ready(Some(Err(failure))) => {
                *hold(&self.trail.failure) = Some(failure);
                Poll::Ready(None)
            }
            Poll::Ready(None) => Poll::Ready(None),
            // The word to stop may have come before it could be known who waits.
            Poll::Pending if self.stop.reason().is_some() => Poll::Ready(None),
            Poll::Pending => {
                (self.when_silent)();
                Poll::Pending
            }
        }
    }

    /// Lets the pool give all workers something to do until the end.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self
            .count
            .map(|count| usize::try_from(count - self.next).unwrap_or(usize::MAX));
        (left.unwrap_or(0), left)
    }
}

impl Trail {
    /// The failure that ended the feed, if one did.
    pub(crate) fn failure(&self) -> Option<Failure> {
        hold(&self.failure).take()
    }

    /// The arguments of a job, for the first who asks; empty if they were not kept.
    pub(crate) fn arguments(&self, job: u64) -> Vec<Value> {
        hold(&self.arguments).remove(&job).unwrap_or_default()
    }
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
