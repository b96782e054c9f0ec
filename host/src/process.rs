//! One job in a process of its own, as `multiprocessing.Process` has it: a pool of one worker that ends with its job.

use crate::component::Source;
use crate::job::{Cause, Progress};
use crate::pool::{BuildError, Builder, Error, Pool};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A process that runs one job and ends.
///
/// Dropping it kills it. Whatever becomes of it, [`Process::join`] returns: with the job's value, or with what happened.
///
/// ```no_run
/// # fn main() -> anyhow::Result<()> {
/// # host::init();
/// let squaring = host::Process::<i64>::spawn("arith", "square", (12,))?;
/// println!("{} is at it", squaring.pid());
/// assert_eq!(squaring.join()?, 144);
/// # Ok(())
/// # }
/// ```
pub struct Process<R> {
    ready: Ready,
    end: Arc<End<R>>,
    cancel: Box<dyn Fn() + Send + Sync>,
    progress: Box<dyn Fn() -> Option<Progress> + Send + Sync>,
}

/// A process that waits for its job.
#[derive(Debug)]
pub struct Ready {
    pool: Pool,
    pid: u32,
    name: String,
    job: u64,
}

/// A process could not be started, or not be given its job.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// It could not be started.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// It could not be given its job.
    #[error(transparent)]
    Job(#[from] Error),
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Exit {
    /// Its job returned a value.
    Returned,
    /// Its job has none, for this reason.
    Failed(Cause),
}

#[derive(Debug)]
struct End<R> {
    state: Mutex<State<R>>,
    ended: Condvar,
}

#[derive(Debug)]
enum State<R> {
    Running,
    Ended(Result<R, Error>),
}

impl<R> std::fmt::Debug for Process<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.ready.name)
            .field("pid", &self.ready.pid)
            .finish_non_exhaustive()
    }
}

impl<R: DeserializeOwned + Send + 'static> Process<R> {
    /// Starts a process for one call of a component's function. `arguments` is a tuple of all of them. For settings
    /// other than the defaults, and for shared objects among the arguments, see [`Process::spawn_with`].
    ///
    /// # Errors
    /// [`SpawnError`].
    pub fn spawn(
        component: impl Into<Source>,
        function: &str,
        arguments: impl Serialize,
    ) -> Result<Process<R>, SpawnError> {
        Process::spawn_with(Pool::builder().component(component), function, arguments)
    }

    /// Starts a process that is set up like a pool; the number of workers does not count.
    ///
    /// # Errors
    /// [`SpawnError`].
    pub fn spawn_with(
        setup: Builder,
        function: &str,
        arguments: impl Serialize,
    ) -> Result<Process<R>, SpawnError> {
        Ok(Ready::start(setup)?.run(function, arguments)?)
    }

    /// Its name: what it was given, or the function's.
    pub fn name(&self) -> &str {
        &self.ready.name
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.ready.pid
    }

    /// Whether its job has no outcome yet.
    pub fn is_alive(&self) -> bool {
        matches!(*self.state(), State::Running)
    }

    /// How it ended, if it did.
    pub fn exit(&self) -> Option<Exit> {
        match &*self.state() {
            State::Running => None,
            State::Ended(Ok(_)) => Some(Exit::Returned),
            State::Ended(Err(Error::Job(fault))) => Some(Exit::Failed(fault.cause.clone())),
            State::Ended(Err(error)) => Some(Exit::Failed(Cause::Result(error.to_string()))),
        }
    }

    /// Waits for the end and takes the job's value.
    ///
    /// # Errors
    /// [`Error::Job`] with what kept the job from returning one.
    pub fn join(self) -> Result<R, Error> {
        self.wait(None);
        let ended = std::mem::replace(&mut *self.state(), State::Running);
        match ended {
            State::Ended(outcome) => outcome,
            // `wait` without a time comes back only at the end.
            State::Running => Err(Error::Closed),
        }
    }

    /// Waits for the end, but no longer than `timeout`. Says whether it has ended.
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        self.wait(Some(timeout));
        !self.is_alive()
    }

    /// How far its job says that it is, by `pool:job/job`, if it runs and has said so.
    pub fn progress(&self) -> Option<Progress> {
        (self.progress)()
    }

    /// Asks its job to stop, by `pool:job/job.is-cancelled`, and ends nothing.
    pub fn ask_to_stop(&self) {
        self.ready.pool.ask_to_stop();
    }

    /// Ends it; its job is [cancelled](Cause::Cancelled) if it has no outcome yet. Where its component imports `pool:job` the job is
    /// asked first, and has [`Builder::grace`] to return by itself, with a value; where it does not this is [`Process::kill`].
    pub fn terminate(&self) {
        (self.cancel)();
    }

    /// Ends it at once; its job is [cancelled](Cause::Cancelled) if it has no outcome yet.
    pub fn kill(&self) {
        self.ready.pool.terminate();
    }

    fn wait(&self, timeout: Option<Duration>) {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = self.state();
        while let State::Running = *state {
            state = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                None => {
                    let woken = self.end.ended.wait(state);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
                Some(Duration::ZERO) => return,
                Some(left) => {
                    let woken = self.end.ended.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn state(&self) -> MutexGuard<'_, State<R>> {
        self.end
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ready {
    /// Starts a process that is set up like a pool of one worker, and waits until it is ready for a job. To start several
    /// before the first of them begins is what this is for.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn start(setup: Builder) -> Result<Ready, BuildError> {
        let pool = setup.workers(1).once().build()?;
        let pid = pool.stats().workers.first().map_or(0, |worker| worker.pid);
        Ok(Ready {
            pool,
            pid,
            name: String::new(),
            job: 0,
        })
    }

    /// Names the process; without a name it has its function's.
    pub fn named(mut self, name: impl Into<String>) -> Ready {
        self.name = name.into();
        self
    }

    /// Gives its job a place among others, counted from 0, which the job can ask for and which a [`Fault`](crate::Fault) names.
    /// Default: 0.
    pub fn as_job(mut self, place: u64) -> Ready {
        self.job = place;
        self
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The walls around the process, as it reported them.
    pub fn walls(&self) -> Vec<crate::lockdown::WallReport> {
        let workers = self.pool.stats().workers;
        workers
            .into_iter()
            .flat_map(|worker| worker.walls)
            .collect()
    }

    /// What the component exports and imports.
    pub fn description(&self) -> &crate::types::Description {
        self.pool.description()
    }

    /// Gives the process its job.
    ///
    /// # Errors
    /// [`Error::Function`], [`Error::Item`]. The process is gone then.
    pub fn run<R: DeserializeOwned + Send + 'static>(
        mut self,
        function: &str,
        arguments: impl Serialize,
    ) -> Result<Process<R>, Error> {
        let handle = (self.pool).submit_as::<R>(self.job, function, arguments)?;
        let (cancel, progress) = (handle.canceller(), handle.teller());
        let end = Arc::new(End {
            state: Mutex::new(State::Running),
            ended: Condvar::new(),
        });
        let (ending, theirs) = (self.pool.ending(), end.clone());
        handle.on_done(move |outcome| {
            // First the process, so that whoever hears of the end finds it gone.
            ending();
            let mut state = theirs.state.lock().unwrap_or_else(PoisonError::into_inner);
            *state = State::Ended(outcome);
            theirs.ended.notify_all();
        });
        if self.name.is_empty() {
            self.name = function.to_owned();
        }
        Ok(Process {
            ready: self,
            end,
            cancel: Box::new(cancel),
            progress: Box::new(progress),
        })
    }
}
