//! What the pool is fed with: the jobs' arguments, until they end, one is wrong, or the run is told to stop.

use crate::exit::Failure;
use crate::form::{Form, Named};
use crate::items::Items;
use crate::lines::Lines;
use crate::plan::{Jobs, Plan, Talk};
use crate::watch::Stop;
use host::{Function, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The arguments of one job after the other, as the pool asks for them.
pub(crate) struct Feed {
    jobs: Box<dyn Iterator<Item = Result<Vec<Value>, Failure>> + Send>,
    /// How many jobs there are, where that is known.
    pub count: Option<u64>,
    /// Whether each job's arguments are kept, to be told with its result.
    follow: bool,
    stop: Arc<Stop>,
    trail: Arc<Trail>,
    next: u64,
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
        let items = match &plan.jobs {
            Jobs::Items(texts) => Items::read(texts, Form::item(function, &named)?)?,
            Jobs::Tuples(texts) => Items::read(texts, Form::tuple(function, &named))?,
            Jobs::Call(arguments) => Items::call(arguments, Form::tuple(function, &named))?,
            Jobs::ItemLines(file) => {
                return Feed::lines(
                    Lines::open(file, Form::item(function, &named)?, stop.clone())?,
                    plan,
                    stop,
                );
            }
            Jobs::TupleLines(file) => {
                return Feed::lines(
                    Lines::open(file, Form::tuple(function, &named), stop.clone())?,
                    plan,
                    stop,
                );
            }
        };
        let count = Some(items.count());
        Ok(Feed {
            count,
            ..Feed::new(items.arguments().map(Ok), plan, stop)
        })
    }

    fn lines(lines: Lines, plan: &Plan, stop: &Arc<Stop>) -> Result<Feed, Failure> {
        Ok(Feed::new(lines, plan, stop))
    }

    fn new(
        jobs: impl Iterator<Item = Result<Vec<Value>, Failure>> + Send + 'static,
        plan: &Plan,
        stop: &Arc<Stop>,
    ) -> Feed {
        let follow = matches!(plan.talk, Talk::Jobs { .. });
        Feed {
            jobs: Box::new(jobs),
            count: None,
            follow,
            stop: stop.clone(),
            trail: Arc::default(),
            next: 0,
        }
    }

    /// What is left behind, for whoever reads the results.
    pub(crate) fn trail(&self) -> Arc<Trail> {
        self.trail.clone()
    }
}

impl Iterator for Feed {
    type Item = Vec<Value>;

    fn next(&mut self) -> Option<Vec<Value>> {
        if self.stop.reason().is_some() {
            return None;
        }
        match self.jobs.next()? {
            Ok(arguments) => {
                if self.follow {
                    hold(&self.trail.arguments).insert(self.next, arguments.clone());
                }
                self.next += 1;
                Some(arguments)
            }
            Err(failure) => {
                *hold(&self.trail.failure) = Some(failure);
                None
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
