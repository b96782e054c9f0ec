//! How a pool is set up, and started.

use super::driver::Rules;
use super::keeper::Keeper;
use super::shared::Shared;
use super::{FunctionError, Pool};
use crate::codec::{self, EncodeError};
use crate::component::{Component, ComponentError, Options, Source};
use crate::job::{Clocks, Dir, Grants, Isolation, Limits};
use crate::link::{Bounds, Launch, StartError, Starter};
use crate::lockdown::Sandbox;
use crate::manager::Manager;
use crate::sealed;
use crate::shared::{Dict, Hub, Shared as Objects, SharedError};
use crate::types::{Function, Type};
use crate::wire::{self, Start};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How many rounds a worker spins for its next job before it parks, where each worker has a processor to itself:
/// about 50 µs, what it costs to be woken.
const SPINS: u32 = 2000;
/// And where it has not: as long as a caller takes from one short job to the next, as somebody else may need the
/// processor.
const SPINS_CROWDED: u32 = 200;
/// How long a cancelled job has to notice and return: long for a guest that looks now and then, short for whoever cancelled.
const GRACE: Duration = Duration::from_millis(100);
/// With a lower limit on results, jobs are not asked as lists: the results of a sweep come together, a number and at most a
/// word each.
const MIN_LIST_BYTES: u32 = 4 + 8 * wire::MOST_SWEPT;

/// A pool to be set up; from [`Pool::builder`].
#[derive(Debug)]
#[must_use]
#[derive(Default)]
pub struct Builder {
    source: Option<Source>,
    workers: Option<usize>,
    limits: Limits,
    isolation: Isolation,
    grants: Grants,
    initializer: Option<Initializer>,
    max_jobs_per_worker: Option<u64>,
    chunk: Option<u32>,
    program: Option<PathBuf>,
    cache: Option<PathBuf>,
    sandbox: Sandbox,
    shared: Option<Objects>,
    /// Whether jobs end with the worker that they were given to.
    once: bool,
    account: bool,
    compile_timeout: Option<Duration>,
    compile_memory_bytes: Option<u64>,
    manager: Option<Manager>,
    buckets: Vec<(String, Dict)>,
    grace: Option<Duration>,
}

/// A function's name, and its arguments, encoded as soon as the type is known.
struct Initializer {
    name: String,
    encode: Encode,
}

type Encode = Box<dyn Fn(&Type) -> Result<Vec<u8>, EncodeError> + Send>;

impl std::fmt::Debug for Initializer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// Why a pool could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// [`Builder::component`] was not called.
    #[error("a pool needs a component: name one with `.component(…)`")]
    NoComponent,
    /// The component could not be loaded.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The initializer is no function of the component.
    #[error("the initializer cannot be called: {0}")]
    Initializer(FunctionError),
    /// The initializer's arguments do not fit.
    #[error("the initializer's arguments do not fit: {0}")]
    InitializerArguments(EncodeError),
    /// No worker could be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// There is no memory for shared objects.
    #[error(transparent)]
    Shared(#[from] SharedError),
    /// A bucket is a dict of another manager than the pool's.
    #[error(
        "the bucket `{0}` is a dict of another manager than the pool's: all objects of a pool are of one manager"
    )]
    Bucket(String),
    /// The system refused a descriptor, memory or a thread.
    #[error("the system refused what a pool needs: {0}")]
    System(#[from] std::io::Error),
}

impl Builder {
    /// The component that the workers serve: the path of a `.wasm` or `.wat` file, the name of an embedded example, or
    /// the component's bytes. The only setting without a default.
    pub fn component(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// How many worker processes; 0 counts as 1. Default: the processors that this process may use, by its affinity and
    /// its cgroup's quota, as [`std::thread::available_parallelism`] counts them. Several come with one process more, which they are
    /// forked off.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers.max(1));
        self
    }

    /// What each job may use.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How much of the guest is fresh for each job. Default: [`Isolation::InstancePerWorker`].
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// A function to call in each new instance before its first job, with a tuple of its arguments. If it fails, so do
    /// the jobs of that instance, each saying why.
    pub fn initializer(
        mut self,
        function: impl Into<String>,
        arguments: impl Serialize + Send + 'static,
    ) -> Self {
        let encode = move |ty: &Type| {
            let mut bytes = Vec::new();
            codec::encode(&arguments, ty, &mut bytes).map(|()| bytes)
        };
        self.initializer = Some(Initializer {
            name: function.into(),
            encode: Box::new(encode),
        });
        self
    }

    /// How many jobs a worker process does before a new one takes its place, at least 1. Default: no limit.
    pub fn max_jobs_per_worker(mut self, jobs: u64) -> Self {
        self.max_jobs_per_worker = Some(jobs.max(1));
        self
    }

    /// How many jobs travel together, at least 1. Default: as many as take 1 ms where all results are wanted at once (`map`, `starmap`), and else
    /// 200 µs, by what the jobs are measured to cost.
    pub fn chunk(mut self, jobs: u32) -> Self {
        self.chunk = Some(jobs.max(1));
        self
    }

    /// Gives the guest an environment variable. Default: it has none.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.grants.env.push((name.into(), value.into()));
        self
    }

    /// Gives the guest a constant, which it reads by `wasi:config/store`. Default: it has none.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.grants.config.push((name.into(), value.into()));
        self
    }

    /// Gives the guest a directory. Default: it has none.
    pub fn dir(mut self, dir: Dir) -> Self {
        self.grants.dirs.push(dir);
        self
    }

    /// How finely the guest reads the time. Default: [`Clocks::Full`].
    pub fn clocks(mut self, clocks: Clocks) -> Self {
        self.grants.clocks = clocks;
        self
    }

    /// The program to start as a worker, whose `main` begins with [`host::init()`](crate::init). Default: this same
    /// executable.
    pub fn worker_program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// What has to stand around the processes that meet the guest: its workers, and the helper that compiles it. Default:
    /// [`Sandbox::Strict`], so that on a machine that cannot shut a worker in, [`Builder::build`] fails and says why.
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.sandbox = sandbox;
        self
    }

    /// The memory of the objects that jobs share, so that other pools and processes can share them too. Default: memory of
    /// the pool's own, [`Pool::shared`].
    pub fn shared(mut self, memory: &Objects) -> Self {
        self.shared = Some(memory.clone());
        self
    }

    /// Jobs end with the worker that they were given to.
    pub(crate) fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// Has each job measured: its time, processor time, fuel, calls of its host and memory, in its [`Usage`](crate::Usage)
    /// and in [`Stats`](crate::Stats). Default: no. It costs 4 to 9 µs a job, of which some 2 count as the job's own (measured
    /// on 23 November 2026 on a busy machine, whose processor clock takes 1 µs to read), compiles the component to count fuel,
    /// and asks jobs one by one.
    pub fn account(mut self, account: bool) -> Self {
        self.account = account;
        self
    }

    /// How long compiling the component may take, where it is not in the cache. Default: 60 s.
    pub fn compile_timeout(mut self, time: Duration) -> Self {
        self.compile_timeout = Some(time);
        self
    }

    /// How much memory compiling the component may take, in bytes. Default: 4 GiB.
    pub fn compile_memory(mut self, bytes: u64) -> Self {
        self.compile_memory_bytes = Some(bytes);
        self
    }

    /// The manager whose dicts, lists and other objects jobs may be given, and in which they may make more. Default: none.
    pub fn manager(mut self, manager: &Manager) -> Self {
        self.manager = Some(manager.clone());
        self
    }

    /// How long a running job that is [cancelled](crate::Handle::cancel) has to return by itself, before it is ended with its worker.
    /// Only a component that imports `pool:job` can notice, so that for others this is nothing. Default: 100 ms.
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = Some(time);
        self
    }

    /// Gives the guest a bucket of `wasi:keyvalue`, which it opens by this name: a dict of the pool's manager, or, where
    /// none was named, of the manager that the pool gets by this and that has to live as long as the pool does. Default: none, so
    /// that each name is one of no store.
    ///
    /// Values are [bytes](crate::shared::Datum::Bytes) in the dict. Of what else is there, the guest finds texts and whole numbers
    /// as their letters and digits.
    pub fn bucket(mut self, name: impl Into<String>, dict: &Dict) -> Self {
        self.buckets.push((name.into(), dict.clone()));
        self
    }

    /// The folder for compiled components. Default: `$XDG_CACHE_HOME/host`, or `~/.cache/host`.
    pub fn cache_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = Some(folder.into());
        self
    }

    /// Loads the component, compiling it if it is not in the cache, starts the workers, and returns when the first of
    /// them is ready.
    ///
    /// # Errors
    /// [`BuildError`]. Nothing is left behind: no process, no thread, no descriptor.
    pub fn build(mut self) -> Result<Pool, BuildError> {
        if self.account {
            // An account travels behind the result.
            let most = u32::MAX - wire::Account::BYTES;
            self.limits.result_bytes = self.limits.result_bytes.min(most);
        }
        let source = self.source.as_ref().ok_or(BuildError::NoComponent)?;
        let usual = Options::default();
        let options = Options {
            time: self.compile_timeout.unwrap_or(usual.time),
            memory_bytes: self.compile_memory_bytes.unwrap_or(usual.memory_bytes),
            program: self.program.clone(),
            cache: self.cache.clone(),
            fuel: self.limits.fuel.is_some() || self.account,
            // Where each job has an instance of its own, a loop in it would only make it dearer.
            sweeps: self.isolation == Isolation::InstancePerWorker,
            sandbox: self.sandbox,
        };
        let Component {
            description, code, ..
        } = Component::load(source, &options)?;
        let initializer = self.initializer.as_ref().map(|initializer| {
            let index = description
                .find(&initializer.name)
                .map_err(|error| BuildError::Initializer(error.into()))?;
            let params = description.functions[index]
                .params
                .iter()
                .map(|param| param.ty.clone())
                .collect();
            let arguments = (initializer.encode)(&Type::Tuple(params))
                .map_err(BuildError::InitializerArguments)?;
            Ok::<_, BuildError>((index as u32, arguments))
        });
        let mut grants = self.grants;
        // A worker starts in `/`, where a relative path would give the guest another directory than was meant.
        for dir in &mut grants.dirs {
            dir.host = std::path::absolute(&dir.host)?;
        }
        let objects = self.shared.map_or_else(Objects::new, Ok)?;
        let imports = |package: &str| {
            let mut names = description.imports.iter();
            names.any(|name| name.starts_with(package))
        };
        let shared_memory = imports("pool:shared/").then(|| objects.clone());
        let manager = self.manager;
        let hub = the_hub(manager.as_ref(), &self.buckets)?;
        let opens_buckets = imports("wasi:keyvalue/") && !self.buckets.is_empty();
        let hub = hub.filter(|_| opens_buckets || imports("pool:shared/"));
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = self.workers.unwrap_or(processors);
        let mut served = description.clone();
        // Workers have no use for the text.
        served.wit = String::new();
        let start = Start {
            version: wire::VERSION,
            spins: if workers <= processors {
                SPINS
            } else {
                SPINS_CROWDED
            },
            description: served,
            limits: self.limits.clone(),
            grants,
            isolation: self.isolation,
            sandbox: self.sandbox,
            room: shared_memory.as_ref().map_or(0, Objects::id),
            account: self.account,
            manager: hub.map_or(0, |hub| hub.number()),
            buckets: (self.buckets.iter())
                .map(|(name, dict)| (name.clone(), dict.place().1))
                .collect(),
            initializer: initializer.transpose()?,
        };
        let message = postcard::to_stdvec(&start).map_err(std::io::Error::other)?;
        let message = sealed::filled("host-start", |memory| memory.write_all(&message))?;
        // What a job did to files, buckets and shared objects would be done twice.
        let has_effects = start.grants.allow_effects() || opens_buckets;
        let may = |function: &Function| !self.once && !has_effects && !function.takes_objects();
        let retry = description.functions.iter().map(may);
        // Without imports there is nobody whom a guest could call, or write to.
        let watched = (self.limits.host_calls).or(self.limits.log_bytes).is_some();
        let watched = watched && !description.imports.is_empty();
        let rules = Rules {
            timeout: self.limits.timeout,
            max_jobs: self.max_jobs_per_worker,
            retry: retry.collect(),
            once: self.once,
            // What is counted for each job needs each job by itself, and so does an instance of its own, a guest that
            // asks which job it is, or a line of its log that says so; and should a list fail, its jobs run again.
            lists: !has_effects
                && !imports("pool:job/")
                && !imports("wasi:logging/")
                && self.isolation == Isolation::InstancePerWorker
                && self.limits.timeout.is_none()
                && self.limits.fuel.is_none()
                && !watched
                && !self.account
                && self.max_jobs_per_worker.is_none()
                && self.limits.result_bytes >= MIN_LIST_BYTES,
            grace: match imports("pool:job/") {
                true => self.grace.unwrap_or(GRACE),
                false => Duration::ZERO,
            },
            account: self.account.then(|| Bounds {
                // With directories a second one writes files.
                threads: 1 + u32::from(!start.grants.dirs.is_empty()),
                memory_bytes: self.limits.memory_bytes,
                fuel: self.limits.fuel.unwrap_or(u64::MAX),
                host_calls: self.limits.host_calls.unwrap_or(u64::MAX),
            }),
        };
        let launch = Launch {
            code,
            start: message.into(),
            max_result_bytes: self.limits.result_bytes,
            shared: shared_memory,
            account: self.account,
            logs: imports("wasi:logging/"),
            manager: hub.map(|hub| (hub.clone(), hub.new_pool())),
        };
        let shared = Shared::new(description, launch, self.chunk, workers, rules)
            .map_err(std::io::Error::from)?;
        let shared = Arc::new(shared);
        let (first, started) = crossbeam_channel::bounded(1);
        let keeper = Keeper::new(shared.clone(), Starter::new(self.program), first);
        let thread = std::thread::Builder::new()
            .name("host-keeper".into())
            .spawn(move || keeper.run())?;
        let pool = Pool {
            shared,
            objects,
            _manager: manager,
            _buckets: self.buckets.into_iter().map(|(_, dict)| dict).collect(),
            keeper: Mutex::new(Some(thread)),
        };
        match started.recv() {
            Ok(result) => result?,
            // The keeper tells before it ends, so this cannot be; a pool without one would be no pool.
            Err(crossbeam_channel::RecvError) => {
                return Err(std::io::Error::other("the keeper thread ended").into());
            }
        }
        Ok(pool)
    }
}

/// The manager that all of these are of, if there is any.
fn the_hub<'a>(
    manager: Option<&'a Manager>,
    buckets: &'a [(String, Dict)],
) -> Result<Option<&'a Arc<Hub>>, BuildError> {
    let of_bucket = || buckets.first().map(|(_, dict)| dict.place().0);
    let hub = manager.map(Manager::hub).or_else(of_bucket);
    let is_stranger =
        |(_, dict): &&(String, Dict)| !hub.is_some_and(|hub| Arc::ptr_eq(hub, dict.place().0));
    match buckets.iter().find(is_stranger) {
        Some((name, _)) => Err(BuildError::Bucket(name.clone())),
        None => Ok(hub),
    }
}
