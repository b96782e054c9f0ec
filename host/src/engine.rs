//! The guest inside Wasmtime: load machine code, make instances, call functions on encoded arguments.
//!
//! This module doesn't know that it runs in a child process.

mod calls;
mod canonical;
mod clock;
mod coarse;
mod code;
mod config;
mod dynamic;
mod imports;
mod instance;
mod job;
mod keyvalue;
mod memory;
mod passing;
mod proposals;
mod reader;
mod report;
mod shared;
mod stderr;
pub(crate) mod sweep;
#[cfg(test)]
mod tests;
mod waiting;
mod written;

pub(crate) use config::compiling;
pub(crate) use instance::{Used, copied_bytes};
pub(crate) use job::Caller;
pub(crate) use passing::{Passing, Stream};

use crate::job::{FaultReport, Grants, Isolation};
use crate::shared::Homes;
use crate::types::Function;
use crate::wire::Start;
use anyhow::{Context, bail};
use clock::Clock;
use instance::{Instance, Template};
use job::Running;
use reader::Reader;
use std::os::fd::BorrowedFd;
use std::time::Instant;
use sweep::{ONE, Pace};
use wasmtime::component::{Component, ComponentExportIndex};

/// Wasmtime with the settings for a guest, before there is one.
pub(crate) struct Engine(wasmtime::Engine);

impl Engine {
    /// Reserves memory, installs the handlers of traps, and opens what it needs of the system. Loading a guest opens
    /// nothing more than the guest's file and granted directories.
    pub(crate) fn start(start: &Start) -> anyhow::Result<Engine> {
        let engine = wasmtime::Engine::new(&config::serving(start)?)
            .map_err(ours)
            .context("the engine cannot start")?;
        Ok(Engine(engine))
    }
}

/// A loaded component, ready to be called.
///
/// It belongs to the thread that loaded it.
pub(crate) struct Guest {
    functions: Vec<Export>,
    template: Template,
    isolation: Isolation,
    initializer: Option<(u32, Vec<u8>)>,
    /// The instance that the next job finds; `None` before the first job, after a fault, and always if each job has an
    /// instance of its own.
    idle: Option<Box<Instance>>,
    clock: Option<Clock>,
    pace: Pace,
    running: Running,
    /// What the last job used, if somebody wants to know.
    used: Option<Used>,
}

/// An exported function, and how to call it.
struct Export {
    function: Function,
    index: ComponentExportIndex,
    bind: canonical::Bind,
    /// The number of the loop that sweeps it.
    sweep: Option<u32>,
}

impl Guest {
    /// Loads machine code that the compile helper of this same program made.
    ///
    /// # Errors
    ///
    /// The machine code is not for this engine, an export of the description is missing, or the component imports
    /// something that nobody provides.
    pub(crate) fn load(
        Engine(engine): Engine,
        start: &Start,
        code: BorrowedFd<'_>,
        caller: Caller,
        worker: u32,
        homes: Homes,
    ) -> anyhow::Result<Guest> {
        let component = code::load(&engine, code)?;
        warm_up(&component, &start.grants)?;
        let exports = start
            .description
            .functions
            .iter()
            .zip(
                start
                    .description
                    .sweeps
                    .iter()
                    .copied()
                    .chain(std::iter::repeat(None)),
            )
            .map(|(function, sweep)| export(&component, function, sweep));
        Ok(Guest {
            functions: exports.collect::<anyhow::Result<_>>()?,
            template: Template::new(&component, start, caller, homes)?,
            isolation: start.isolation,
            initializer: start.initializer.clone(),
            idle: None,
            clock: start
                .limits
                .timeout
                .map(|limit| Clock::new(&engine, limit))
                .transpose()?,
            pace: Pace::new(),
            running: Running {
                worker,
                ..Running::default()
            },
            used: start.account.then(Used::default),
        })
    }

    /// Takes note of which job is the next, and how often it is started.
    #[inline]
    pub(crate) fn begin(&mut self, index: u64, attempt: u32) {
        self.running.index = index;
        self.running.attempt = attempt;
        if let Some((party, _)) = &self.template.homes.memory {
            party.introduce(std::process::id(), Some(index));
        }
    }

    /// Calls the function with this index in the description, on what is passed.
    ///
    /// # Errors
    ///
    /// The guest failed, and the result is as long as before. Its instance is gone: the next call makes a new one. If the
    /// result was streamed by then, only what comes after a result failed.
    pub(crate) fn call(
        &mut self,
        function: u32,
        mut passing: Passing<'_>,
    ) -> Result<(), FaultReport> {
        self.template.stderr.forget();
        if let Some(clock) = &mut self.clock {
            clock.run();
        }
        if let Some(used) = &mut self.used {
            *used = Used::default();
        }
        let mut instance = match self.idle.take() {
            Some(instance) => instance,
            None => self.instantiate()?,
        };
        let ran = self.run(&mut instance, function, &mut passing);
        if let Some(used) = &mut self.used {
            *used = instance.used();
        }
        ran?;
        if self.isolation == Isolation::InstancePerWorker {
            self.idle = Some(instance);
        }
        Ok(())
    }

    /// What the last job used that was [called](Guest::call); nothing where no account is wanted, and where not even an
    /// instance could be made.
    pub(crate) fn used(&self) -> Used {
        self.used.unwrap_or_default()
    }

    /// Calls the function for each of the next jobs of an encoded list, as many as take no time worth mentioning and at
    /// most `left`. Takes their arguments from the list, appends the results of those that ended well, and says how many
    /// they are, and whether the job after them failed, which is over then as well.
    ///
    /// # Errors
    ///
    /// The list doesn't hold that many jobs.
    pub(crate) fn sweep(
        &mut self,
        function: u32,
        left: u32,
        arguments: &mut &[u8],
        results: &mut Vec<u8>,
    ) -> anyhow::Result<(u32, Result<(), FaultReport>)> {
        let jobs = self.pace.of(function).min(left);
        let export =
            (self.functions.get(function as usize)).context("there is no such function")?;
        let mut reader = Reader::new(arguments);
        let words = sweep::words(&export.function, jobs, &mut reader)?;
        let bytes = (arguments.len() - reader.rest().len()) / jobs.max(1) as usize;
        let (done, swept) = self.run_sweep(function, jobs, words, results);
        let over = done as usize + usize::from(swept.is_err());
        *arguments = &arguments[bytes * over..];
        Ok((done, swept))
    }

    fn run_sweep(
        &mut self,
        function: u32,
        jobs: u32,
        words: Vec<u64>,
        results: &mut Vec<u8>,
    ) -> (u32, Result<(), FaultReport>) {
        self.template.stderr.forget();
        let mut instance = match self.idle.take().map_or_else(|| self.instantiate(), Ok) {
            Ok(instance) => instance,
            Err(report) => return (0, Err(report)),
        };
        let place = function as usize;
        let export = &self.functions[place];
        let began = Instant::now();
        let (done, swept) = match instance.prepare(self.running, None) {
            Ok(()) => instance.sweep(place, export, jobs, words, results),
            Err(error) => (0, Err(error)),
        };
        let left_traces = instance.store.data().memory.refused || self.template.stderr.has_any();
        match swept {
            Ok(()) => {
                self.pace.learn(jobs, began.elapsed(), left_traces);
                self.idle = Some(instance);
                (done, Ok(()))
            }
            // Whose traces they are is not known. So the job that failed is asked once more, by itself in a new instance,
            // where they are its own: what is swept may run twice.
            Err(_) if done > 0 && left_traces => {
                self.pace.go_one_by_one();
                (done, Ok(()))
            }
            Err(error) => (done, Err(self.template.report(&error, &instance.store))),
        }
    }

    /// Stops the clock that times jobs, which costs a little as long as it runs. Whoever calls says: no job for a while.
    pub(crate) fn rest(&mut self) {
        if let Some(clock) = &mut self.clock {
            clock.rest();
        }
    }

    /// A new instance, whose initializer has run.
    fn instantiate(&self) -> Result<Box<Instance>, FaultReport> {
        let mut instance = Box::new(self.template.instantiate(self.deadline_ticks())?);
        if let Some((function, arguments)) = &self.initializer {
            let mut nothing = Vec::new();
            let passing = &mut Passing::new(arguments, &mut nothing);
            let ran = self.run(&mut instance, *function, passing);
            ran.map_err(report::of_start)?;
        }
        Ok(instance)
    }

    fn run(
        &self,
        instance: &mut Instance,
        function: u32,
        passing: &mut Passing<'_>,
    ) -> Result<(), FaultReport> {
        let place = function as usize;
        let Some(export) = self.functions.get(place) else {
            return Err(report::no_function(function));
        };
        let called = instance
            .prepare(self.running, self.deadline_ticks())
            .and_then(|()| instance.call(place, export, passing));
        called.map_err(|error| self.template.report(&error, &instance.store))
    }

    /// How many ticks of the engine's epoch a job may take from now on.
    fn deadline_ticks(&self) -> Option<u64> {
        self.clock.as_ref().map(Clock::deadline_ticks)
    }
}

/// Has everything from the system that the first job would ask for, because a worker cannot ask for it any more.
fn warm_up(component: &Component, grants: &Grants) -> anyhow::Result<()> {
    // The memory that a guest begins with.
    component.initialize_copy_on_write_image().map_err(ours)?;
    // The stack on which traps are handled.
    wasmtime::Engine::tls_eager_initialize();
    // How the clock is read without a call.
    let _ = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    if !grants.dirs.is_empty() {
        waiting::start_thread().context("the thread for files cannot be started")?;
    }
    Ok(())
}

/// Finds a function of the description among the component's exports.
fn export(
    component: &Component,
    function: &Function,
    sweep: Option<u32>,
) -> anyhow::Result<Export> {
    let interface = match &function.interface {
        Some(name) => match component.get_export_index(None, name.as_str()) {
            Some(index) => Some(index),
            None => bail!(
                "the component exports no interface `{name}`; was it compiled from another file?"
            ),
        },
        None => None,
    };
    let index = component
        .get_export_index(interface.as_ref(), function.name.as_str())
        .with_context(|| {
            format!(
                "the component exports no function `{}`",
                function.full_name()
            )
        })?;
    let one = sweep
        .and_then(|number| component.get_export_index(None, format!("{ONE}{number}").as_str()));
    Ok(Export {
        index: match sweep {
            // The same core function, which Wasmtime finds sooner by this name.
            Some(_) => one.context("a function that is swept is not there for single jobs")?,
            None => index,
        },
        bind: match function.takes_objects() {
            true => dynamic::bind,
            false => canonical::bind,
        },
        sweep,
        function: function.clone(),
    })
}

/// Wasmtime has an error type of its own, which knows no anyhow.
fn ours(error: wasmtime::Error) -> anyhow::Error {
    anyhow::Error::from_boxed(error.into())
}
