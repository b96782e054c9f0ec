//! What the command line means: which component and function, which jobs, and a pool with which settings.

use crate::args::{
    CompilerArgs, Format, GuestArgs, Instance, LogLevel, ObjectArgs, OutputArgs, RunArgs, Target,
};
use crate::exit::Failure;
use crate::objects::Objects;
use crate::output;
use crate::quantity::Workers;
use host::{Builder, Clocks, Dir, Isolation, Limits, Pool, Sandbox, Source, WallReport, WallState};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A run of the pool, ready to begin.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The component's file or name.
    pub component: PathBuf,
    /// The function, as it was typed.
    pub function: String,
    /// Where the jobs come from.
    pub jobs: Jobs,
    /// How many worker processes.
    pub workers: usize,
    /// In which order results are printed.
    pub order: Order,
    /// How many jobs travel together; `None` lets the pool measure.
    pub chunk: Option<u32>,
    /// What a job may use.
    pub limits: Limits,
    /// What is fresh for a job.
    pub isolation: Isolation,
    /// After how many jobs a worker is replaced.
    pub max_jobs_per_worker: Option<u64>,
    /// The environment variables of the guest.
    pub env: Vec<(String, String)>,
    /// The constants of the guest.
    pub config: Vec<(String, String)>,
    /// The directories that the guest may use.
    pub dirs: Vec<Dir>,
    /// How finely the guest reads the time.
    pub clocks: Clocks,
    /// What has to stand around the processes that meet the guest.
    pub sandbox: Sandbox,
    /// What the jobs share.
    pub objects: Option<Arc<Objects>>,
    /// What compiling the component may take.
    pub compiling: CompilerArgs,
    /// Whether each job is measured.
    pub account: bool,
    /// After how many failed jobs the run stops.
    pub max_fail: Option<u64>,
    /// After how much time the run stops.
    pub deadline: Option<Duration>,
    /// How results are written.
    pub format: Format,
    /// What is told besides.
    pub talk: Talk,
    /// From which level on the guests' log is shown, if that was asked for.
    pub log_level: Option<LogLevel>,
    /// Whether not even what was asked for is told besides.
    pub quiet: bool,
}

/// Where the jobs come from, and how many arguments each of them brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Jobs {
    /// Items of the command line, each the only argument of a job.
    Items(Vec<String>),
    /// Tuples of the command line, each with all arguments of a job.
    Tuples(Vec<String>),
    /// The arguments of the only job.
    Call(String),
    /// A file with the only argument of a job in each line; `-` is stdin.
    ItemLines(PathBuf),
    /// A file with all arguments of a job in each line; `-` is stdin.
    TupleLines(PathBuf),
}

/// In which order results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// As the input has them.
    Input,
    /// As they become ready.
    Completion,
}

/// What is told on stderr besides errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Talk {
    /// Nothing.
    Quiet,
    /// Progress and a summary.
    Summary,
    /// Which worker did which job, and a summary unless it was declined.
    Jobs { summary: bool },
}

impl Plan {
    /// The plan for many jobs.
    pub(crate) fn many(
        target: Target,
        jobs: Jobs,
        run: RunArgs,
        guest: GuestArgs,
        output: OutputArgs,
    ) -> Plan {
        // Knows about affinity and cgroup quotas; where it fails, one worker always works.
        let available = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Plan {
            workers: run.workers.unwrap_or(Workers::Percent(100)).of(available),
            order: if run.unordered {
                Order::Completion
            } else {
                Order::Input
            },
            chunk: run.chunk,
            max_jobs_per_worker: run.max_jobs_per_worker,
            max_fail: run.max_fail,
            deadline: run.deadline,
            ..Plan::one(target, jobs, guest, output)
        }
    }

    /// The plan for a single job: one worker, and no end but its own.
    pub(crate) fn one(target: Target, jobs: Jobs, guest: GuestArgs, output: OutputArgs) -> Plan {
        let unlimited = Limits::default();
        Plan {
            component: target.component,
            function: target.function,
            jobs,
            workers: 1,
            order: Order::Input,
            chunk: None,
            limits: Limits {
                timeout: guest.timeout,
                memory_bytes: guest.memory.unwrap_or(unlimited.memory_bytes),
                fuel: guest.fuel,
                host_calls: guest.host_calls,
                log_bytes: guest.log_size,
                ..unlimited
            },
            isolation: match guest.instance {
                Instance::Worker => Isolation::InstancePerWorker,
                Instance::Job => Isolation::InstancePerJob,
            },
            max_jobs_per_worker: None,
            env: guest.env,
            config: guest.config,
            dirs: guest.dir,
            clocks: guest.clocks.into(),
            sandbox: guest.sandbox.mode.into(),
            objects: None,
            compiling: guest.compiling,
            account: output.account,
            max_fail: None,
            deadline: None,
            format: output.format,
            quiet: output.quiet,
            log_level: output.log_level,
            talk: match (output.verbose, output.quiet) {
                (true, quiet) => Talk::Jobs { summary: !quiet },
                (false, true) => Talk::Quiet,
                (false, false) => Talk::Summary,
            },
        }
    }

    /// The same plan, with objects that the jobs share.
    pub(crate) fn sharing(self, objects: &ObjectArgs) -> Result<Plan, Failure> {
        let objects = Objects::make(objects)?.map(Arc::new);
        Ok(Plan { objects, ..self })
    }

    /// Starts the pool.
    pub(crate) fn pool(&self) -> Result<Pool, Failure> {
        let pool = self.setup().build().map_err(Failure::from)?;
        // They are all of one machine.
        let walls = pool.stats().workers.into_iter().find(|worker| worker.ready);
        self.warn_of_gaps(&walls.map(|worker| worker.walls).unwrap_or_default());
        Ok(pool)
    }

    /// The pool, set up but not started.
    pub(crate) fn setup(&self) -> Builder {
        let mut pool = Pool::builder()
            .component(Source::Named(self.component.clone()))
            .workers(self.workers)
            .limits(self.limits.clone())
            .isolation(self.isolation)
            .clocks(self.clocks)
            .sandbox(self.sandbox)
            .account(self.account);
        if let Some(time) = self.compiling.compile_timeout {
            pool = pool.compile_timeout(time);
        }
        if let Some(bytes) = self.compiling.compile_memory {
            pool = pool.compile_memory(bytes);
        }
        if let Some(jobs) = self.chunk {
            pool = pool.chunk(jobs);
        }
        if let Some(jobs) = self.max_jobs_per_worker {
            pool = pool.max_jobs_per_worker(jobs);
        }
        for (name, value) in &self.env {
            pool = pool.env(name, value);
        }
        for (name, value) in &self.config {
            pool = pool.config(name, value);
        }
        for dir in &self.dirs {
            pool = pool.dir(dir.clone());
        }
        let Some(objects) = &self.objects else {
            return pool;
        };
        let mut pool = pool.shared(objects.memory());
        for (name, dict) in objects.buckets() {
            pool = pool.bucket(name, dict);
        }
        match objects.manager() {
            Some(manager) => pool.manager(manager),
            None => pool,
        }
    }

    /// Says what does not stand around the workers, where that was accepted.
    pub(crate) fn warn_of_gaps(&self, walls: &[WallReport]) {
        match self.sandbox {
            Sandbox::Strict => {}
            Sandbox::BestEffort => {
                for report in walls {
                    if report.state != WallState::On {
                        output::note(&format!(
                            "warning: {} is {}",
                            report.wall.name(),
                            report.state
                        ));
                    }
                }
            }
            Sandbox::Off => output::note(
                "warning: the sandbox is off: a guest that breaks out of WebAssembly can do what you can",
            ),
        }
    }
}
