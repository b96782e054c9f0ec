//! The pool: worker processes that all serve one component, and the calls that give them jobs.
//!
//! Follow a job: [`Func`] encodes its arguments (`stream`), the `driver` gives it to a worker's link and takes the
//! answer home, the thread that asked decodes it. `shared` has the rules by which threads wait, `keeper` is the pool's
//! own thread. The pool knows no frames and no terminal.

mod aside;
mod builder;
mod driver;
mod feed;
mod func;
mod handle;
mod keeper;
mod reading;
mod shared;
mod sizes;
mod stats;
mod stream;
mod task;
mod told;

pub use builder::{BuildError, Builder};
pub use feed::{Arriving, Feed};
pub use func::Func;
pub use handle::{Handle, When, wait};
pub use stats::{Stats, WorkerStats};
pub use stream::Imap;

use crate::codec::EncodeError;
use crate::job::Fault;
use crate::manager::Manager;
use crate::shared::{Dict, Shared as Objects};
use crate::types::{Description, FindError, Function};
use driver::State;
use func::{Call, Shape};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::Shared;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use stream::{Order, Stream};

/// A pool of worker processes, each with an instance of one component in it.
///
/// It can be shared by threads. Dropping it ends all jobs and workers at once, as leaving `with Pool()` does in Python;
/// [`Pool::close`] and [`Pool::join`] let it finish first.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    objects: Objects,
    /// Lives as long as the pool, whose workers have channels to it.
    _manager: Option<Manager>,
    /// Live as long as the pool, whose guest may open them.
    _buckets: Vec<Dict>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

/// Why a call of the pool gave no result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A job has no result.
    #[error(transparent)]
    Job(#[from] Fault),
    /// An item does not fit the function's type. It and the items behind it were not run.
    #[error("item {job} does not fit: {error}")]
    Item {
        /// The item's place in the input, counted from 0.
        job: u64,
        /// What is wrong with it.
        #[source]
        error: EncodeError,
    },
    /// The function cannot be called so.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// The pool was closed or terminated, and takes no more jobs.
    #[error("the pool is closed: it takes no more jobs")]
    Closed,
    /// The pool still takes jobs, so there is no end to wait for.
    #[error("the pool is still open: call `close` or `terminate` before `join`")]
    StillOpen,
}

/// Why a function cannot be called by this name or with these Rust types.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FunctionError {
    /// The component has no such function, or several.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The Rust types are not those of the function.
    #[error("the component has `{function}`, but the Rust side {rust}")]
    Mismatch {
        /// The function as the component exports it.
        function: Box<Function>,
        /// What the Rust side takes or returns.
        rust: String,
    },
    /// The function takes several arguments, or none, where one item a job is given.
    #[error("`{function}` takes {params} arguments: give them as tuples with `starmap`")]
    Parameters {
        /// The function as the component exports it.
        function: Box<Function>,
        /// How many arguments it takes.
        params: usize,
    },
}

impl Pool {
    /// A pool to be set up.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// What the component exports and imports.
    pub fn description(&self) -> &Description {
        &self.shared.description
    }

    /// How many workers the pool should have.
    pub fn workers(&self) -> usize {
        self.shared.workers()
    }

    /// How many items [`Pool::imap`] takes from its iterator at most before their results are asked for: 256 for each
    /// worker, or three chunks where the chunks have a fixed size.
    pub fn look_ahead(&self) -> u64 {
        self.shared.look_ahead()
    }

    /// The memory in which the objects are that this pool's jobs can share: to make them there.
    pub fn shared(&self) -> &Objects {
        &self.objects
    }

    /// Looks a function up, by its bare name where that is unique, as `interface/name`, or by its full name
    /// `ns:package/interface@version#name`, and checks that it takes a `P` and returns an `R`.
    ///
    /// `P` is a tuple of all arguments, or, for a function of one parameter, just that. An integer may stand for any
    /// WIT integer, its value is checked with each job; results need a Rust type that holds every value. Structs stand
    /// for records, enums for variants, by serde's derives, whatever joins the words of a name (`big_cat`, `big-cat`).
    ///
    /// # Errors
    /// [`FunctionError`], which names both types.
    pub fn func<P, R>(&self, name: &str) -> Result<Func<'_, P, R>, FunctionError>
    where
        P: Serialize + Deserialize<'static>,
        R: DeserializeOwned,
    {
        Func::new(&self.shared, name)
    }

    /// Runs one job and waits for it. `arguments` is a tuple of all arguments.
    ///
    /// # Errors
    /// [`Error::Job`] with the fault, [`Error::Function`], [`Error::Item`], [`Error::Closed`].
    pub fn apply<R: DeserializeOwned>(
        &self,
        function: &str,
        arguments: impl Serialize,
    ) -> Result<R, Error> {
        self.call::<R>(function, Shape::List)?.one(&arguments)
    }

    /// Runs a job for each item and gathers the results in the order of the items.
    ///
    /// # Errors
    /// The first error in that order. The jobs behind a failed one are still done; use [`Pool::imap`] to have their
    /// results.
    pub fn map<R: DeserializeOwned>(
        &self,
        function: &str,
        items: impl IntoIterator<Item: Serialize>,
    ) -> Result<Vec<R>, Error> {
        self.call::<R>(function, Shape::Single)?.all(items)
    }

    /// As [`Pool::map`], for functions of any number of parameters: each item is a tuple of all arguments.
    ///
    /// # Errors
    /// As for [`Pool::map`].
    pub fn starmap<R: DeserializeOwned>(
        &self,
        function: &str,
        items: impl IntoIterator<Item: Serialize>,
    ) -> Result<Vec<R>, Error> {
        self.call::<R>(function, Shape::List)?.all(items)
    }

    /// As [`Pool::map`], but lazy: takes items as results are asked for, at most [`Pool::look_ahead`] ahead of them, and
    /// yields the results in the order of the items. A failed job is an `Err` in its place; the iteration goes on.
    ///
    /// # Errors
    /// [`Error::Function`].
    pub fn imap<R: DeserializeOwned, I: IntoIterator<Item: Serialize>>(
        &self,
        function: &str,
        items: I,
    ) -> Result<Imap<'_, I::IntoIter, R>, Error> {
        let call = self.call::<R>(function, Shape::Single)?;
        Ok(Imap::new(Stream::new(
            call,
            items.into_iter(),
            Order::Input,
        )))
    }

    /// As [`Pool::imap`], but yields each result as soon as it is there.
    ///
    /// # Errors
    /// [`Error::Function`].
    pub fn imap_unordered<R: DeserializeOwned, I: IntoIterator<Item: Serialize>>(
        &self,
        function: &str,
        items: I,
    ) -> Result<Imap<'_, I::IntoIter, R>, Error> {
        let call = self.call::<R>(function, Shape::Single)?;
        Ok(Imap::new(Stream::new(
            call,
            items.into_iter(),
            Order::Completion,
        )))
    }

    /// Starts one job and returns at once. `arguments` is a tuple of all arguments.
    ///
    /// # Errors
    /// [`Error::Function`], [`Error::Item`], [`Error::Closed`]. Everything else is told by the handle.
    pub fn submit<R: DeserializeOwned>(
        &self,
        function: &str,
        arguments: impl Serialize,
    ) -> Result<Handle<R>, Error> {
        self.submit_as(0, function, arguments)
    }

    /// As [`Pool::submit`], for a job that has this place in the input that it is a part of.
    pub(crate) fn submit_as<R: DeserializeOwned>(
        &self,
        place: u64,
        function: &str,
        arguments: impl Serialize,
    ) -> Result<Handle<R>, Error> {
        let call = self.call::<R>(function, Shape::List)?;
        call.submit(place, &arguments)
    }

    /// Starts a job for each item and returns as soon as all are queued.
    ///
    /// # Errors
    /// As for [`Pool::submit`].
    pub fn map_async<R: DeserializeOwned>(
        &self,
        function: &str,
        items: impl IntoIterator<Item: Serialize>,
    ) -> Result<Handle<Vec<R>>, Error> {
        self.call::<R>(function, Shape::Single)?.submit_all(items)
    }

    /// Waits until all workers are ready for jobs, or one cannot be started. [`Builder::build`] returns when the first is
    /// ready, and the others join it within milliseconds; this is for a program that wants even its first jobs spread
    /// over all.
    pub fn wait_ready(&self) {
        let mut driver = self.shared.driver();
        while !driver.is_complete() {
            driver = driver.wait_idle();
        }
    }

    /// What the workers do and did.
    pub fn stats(&self) -> Stats {
        Stats::of(&self.shared.driver())
    }

    /// Gives the pool more or fewer workers. New ones start in the background; those that are too many finish what
    /// they have. At least one stays.
    pub fn resize(&self, workers: usize) {
        let workers = workers.max(1);
        let mut driver = self.shared.driver();
        self.shared.target.store(workers, Ordering::Relaxed);
        driver.resize(workers);
    }

    /// Takes no more jobs. Those that were given are still done.
    pub fn close(&self) {
        let mut driver = self.shared.driver();
        if driver.state == State::Open {
            driver.state = State::Closed;
        }
    }

    /// Waits until every job that was given has its outcome and was taken home, then ends the workers.
    ///
    /// A job whose [`Handle`] is kept without waiting for it counts as taken home when it is done.
    ///
    /// # Errors
    /// [`Error::StillOpen`], as there would be no end.
    pub fn join(&self) -> Result<(), Error> {
        let mut driver = self.shared.driver();
        if matches!(driver.state, State::Open) {
            return Err(Error::StillOpen);
        }
        while driver.tasks > 0 {
            driver = driver.wait_idle();
        }
        drop(driver);
        self.finish();
        Ok(())
    }

    /// Asks all jobs to stop, those that run and those that are still to come: `pool:job/job.is-cancelled` is true for them from now
    /// on. Nothing is ended. For a pool that is to end soon but not at once, before [`Pool::close`] and [`Pool::join`].
    pub fn ask_to_stop(&self) {
        self.shared.driver().ask_to_stop();
    }

    /// Kills all workers at once. Every job that has no outcome yet is [cancelled](crate::job::Cause::Cancelled).
    pub fn terminate(&self) {
        self.shared.terminate();
    }

    /// What [`Pool::terminate`] does, for whoever must not hold the pool.
    pub(crate) fn ending(&self) -> impl FnOnce() + Send + use<> {
        let shared = self.shared.clone();
        move || shared.terminate()
    }

    fn call<R: DeserializeOwned>(
        &self,
        function: &str,
        shape: Shape,
    ) -> Result<Call<'_>, FunctionError> {
        Call::new::<R>(&self.shared, function, shape)
    }

    /// Ends workers and threads, and waits for them.
    fn finish(&self) {
        self.terminate();
        let keeper = self
            .keeper
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(keeper) = keeper {
            // It runs no code that could panic by an embedder's fault; if it did by ours, the workers are gone anyway.
            let _ = keeper.join();
        }
        self.shared.finish_callbacks();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.finish();
    }
}
