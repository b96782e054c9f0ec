//! Instances of a component: one after the other from one template, each with a store of its own.

use super::calls::{self, Calls};
use super::job::{Caller, Job, Running};
use super::keyvalue::Buckets;
use super::memory::MemoryLimit;
use super::passing::Passing;
use super::report;
use super::shared::Lent;
use super::stderr::Stderr;
use super::sweep::Sweep;
use super::{Export, imports, ours, waiting};
use crate::job::{FaultReport, Grants, Limits};
use crate::shared::{Homes, Id};
use crate::types::Function;
use crate::wire::Start;
use anyhow::Context;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::component::{Component, InstancePre, ResourceTable};
use wasmtime::{Engine, Result, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// What a guest may always copy out of its memory at a time, in bytes, however little memory it has: Wasmtime's own
/// default. A [`dynamic`](super::dynamic) result takes 40 bytes a value outside and may be 1 byte inside.
const MIN_COPIED_BYTES: u64 = 128 << 20;

/// For jobs without a time limit: as many ticks as never come.
const NEVER_TICKS: u64 = u64::MAX / 2;

/// A linked component, and all that its instances have in common.
pub(super) struct Template {
    engine: Engine,
    linked: InstancePre<State>,
    limits: Limits,
    grants: Arc<Grants>,
    buckets: Arc<[(String, Id)]>,
    caller: Caller,
    pub(super) stderr: Stderr,
    /// Whether the component has loops of ours in it.
    has_loops: bool,
    /// Where shared objects are, and who works on them.
    pub(super) homes: Homes,
    /// How much fuel a job has, where it is counted.
    fuel: Option<u64>,
}

/// What a job used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) fuel: u64,
    pub(crate) host_calls: u64,
    /// What its instance's memories and tables had grown to.
    pub(crate) memory_bytes: u64,
}

/// A component that runs. After a fault it must not run again.
pub(super) struct Instance {
    pub(super) store: Store<State>,
    instance: wasmtime::component::Instance,
    /// The functions that were called before, and their loops.
    bound: Bound<Box<dyn Call>>,
    swept: Bound<Sweep>,
    fuel: Option<u64>,
    timeout: Option<Duration>,
}

/// A function of an instance, ready to be called on encoded arguments.
pub(super) trait Call: Send + Sync {
    /// Decodes the arguments, calls, and appends the encoded result.
    fn call(
        &self,
        store: &mut Store<State>,
        ty: &Function,
        passing: &mut Passing<'_>,
    ) -> Result<()>;
}

/// What Wasmtime's host functions find when an instance calls them.
pub(super) struct State {
    pub(super) memory: MemoryLimit,
    pub(super) lent: Lent,
    buckets: Buckets,
    pub(super) job: Job,
    pub(super) calls: Calls,
    wasi: Option<Wasi>,
    pub(super) grants: Arc<Grants>,
    pub(super) stderr: Stderr,
}

struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

impl Template {
    pub(super) fn new(
        component: &Component,
        start: &Start,
        caller: Caller,
        homes: Homes,
    ) -> anyhow::Result<Template> {
        let (limits, grants) = (&start.limits, &start.grants);
        let linked = imports::link(component)?
            .instantiate_pre(component)
            .map_err(ours);
        let template = Template {
            engine: component.engine().clone(),
            linked: linked.context("the component's imports do not fit what is provided")?,
            limits: limits.clone(),
            grants: Arc::new(grants.clone()),
            buckets: (start.buckets.iter())
                .map(|(name, id)| (name.clone(), Id(*id)))
                .collect(),
            stderr: Stderr::new(caller.stderr.clone(), limits.log_bytes),
            caller,
            has_loops: start.description.sweeps.iter().any(Option::is_some),
            // Where it is only counted, as much as there is.
            fuel: start.counts_fuel().then(|| limits.fuel.unwrap_or(u64::MAX)),
            homes,
        };
        // Once for the error, before any job.
        template.wasi_with_directories()?;
        Ok(template)
    }

    /// A new instance, none of whose functions has run.
    pub(super) fn instantiate(
        &self,
        deadline_ticks: Option<u64>,
    ) -> std::result::Result<Instance, FaultReport> {
        let state = State {
            memory: MemoryLimit::new(self.limits.memory_bytes, self.has_loops),
            job: Job {
                running: Running::default(),
                caller: self.caller.clone(),
            },
            lent: Lent::new(self.homes.clone(), self.limits.timeout),
            buckets: Buckets::new(self.buckets.clone(), &self.homes),
            calls: Calls::new(&self.engine, self.limits.host_calls),
            wasi: self
                .wasi_with_directories()
                .map_err(|error| report::no_start(&error))?,
            grants: self.grants.clone(),
            stderr: self.stderr.clone(),
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(copied_bytes(&self.limits));
        store.set_epoch_deadline(deadline_ticks.unwrap_or(NEVER_TICKS));
        if store.data().calls.are_limited() {
            store.data_mut().calls.begin(end_of(self.limits.timeout));
            calls::watch(&mut store);
        }
        let instance = self
            .fuel(&mut store)
            .and_then(|()| self.linked.instantiate(&mut store))
            .and_then(|instance| Ok(store.data().calls.check().map(|()| instance)?))
            .map_err(|error| report::of_start(self.report(&error, &store)))?;
        Ok(Instance {
            store,
            instance,
            bound: Bound(Vec::new()),
            swept: Bound(Vec::new()),
            fuel: self.fuel,
            timeout: self.limits.timeout,
        })
    }

    /// What to say of an error that a call returned.
    pub(super) fn report(&self, error: &wasmtime::Error, store: &Store<State>) -> FaultReport {
        report::of_call(
            error,
            &self.limits,
            store.data().memory.refused,
            self.stderr.last(),
        )
    }

    /// Directories are opened with the instance, where an error can be told. Without them WASI's context, which costs a
    /// microsecond, is made when a guest first calls WASI, and most jobs never do.
    fn wasi_with_directories(&self) -> anyhow::Result<Option<Wasi>> {
        if self.grants.dirs.is_empty() {
            return Ok(None);
        }
        let context = imports::context(&self.grants, &self.stderr)?;
        Ok(Some(Wasi {
            context,
            table: ResourceTable::new(),
        }))
    }

    fn fuel(&self, store: &mut Store<State>) -> Result<()> {
        self.fuel.map_or(Ok(()), |fuel| store.set_fuel(fuel))
    }
}

impl Instance {
    /// Gives the next job its share of time and fuel.
    pub(super) fn prepare(&mut self, running: Running, deadline_ticks: Option<u64>) -> Result<()> {
        let state = self.store.data_mut();
        state.job.running = running;
        state.memory.refused = false;
        if state.calls.are_limited() {
            state.calls.begin(end_of(self.timeout));
        } else {
            state.calls.begin(None);
            if let Some(ticks) = deadline_ticks {
                self.store.set_epoch_deadline(ticks);
            }
        }
        match self.fuel {
            Some(fuel) => self.store.set_fuel(fuel),
            None => Ok(()),
        }
    }

    /// Calls an export of the description, which stands there at `place`. After an error the result is as long as before.
    #[inline]
    pub(super) fn call(
        &mut self,
        place: usize,
        export: &Export,
        passing: &mut Passing<'_>,
    ) -> Result<()> {
        let bind = || bind(&self.instance, export, &mut self.store);
        let function = self.bound.get(place, bind)?;
        let before = passing.result.len();
        let called = function.call(&mut self.store, &export.function, passing);
        let called = called.and_then(|()| Ok(self.store.data().calls.check()?));
        if called.is_err() {
            passing.result.truncate(before);
        }
        if self.store.data().lent.has_any() {
            self.store.data_mut().lent.end(called.is_ok());
        }
        called
    }

    /// What the job used that [`Instance::prepare`] began.
    pub(super) fn used(&self) -> Used {
        let state = self.store.data();
        let left = self.store.get_fuel().unwrap_or(0);
        Used {
            fuel: self.fuel.map_or(0, |fuel| fuel.saturating_sub(left)),
            host_calls: state.calls.made(),
            memory_bytes: state.memory.used_bytes(),
        }
    }

    /// Calls an export of the description, which stands there at `place`, for many jobs. Appends the results of those that
    /// ended well, and says how many they are.
    pub(super) fn sweep(
        &mut self,
        place: usize,
        export: &Export,
        jobs: u32,
        words: Vec<u64>,
        results: &mut Vec<u8>,
    ) -> (u32, Result<()>) {
        let bind = || Sweep::new(export.sweep, &self.instance, &mut self.store);
        match self.swept.get(place, bind) {
            Ok(sweep) => {
                let result = export.function.result.as_ref();
                let swept = sweep.call(&mut self.store, jobs, words, result, results);
                if self.store.data().lent.has_any() {
                    self.store.data_mut().lent.end(swept.1.is_ok());
                }
                swept
            }
            Err(error) => (0, Err(error)),
        }
    }
}

#[cold]
fn bind(
    instance: &wasmtime::component::Instance,
    export: &Export,
    store: &mut Store<State>,
) -> Result<Box<dyn Call>> {
    let function = instance.get_func(&mut *store, export.index);
    let function = function.ok_or_else(|| wasmtime::Error::msg("the export is no function"))?;
    (export.bind)(function, store)
}

/// What was looked up before, by the function's index in the description.
struct Bound<T>(Vec<Option<T>>);

impl<T> Bound<T> {
    #[inline]
    fn get(&mut self, place: usize, bind: impl FnOnce() -> Result<T>) -> Result<&T> {
        if self.0.len() <= place {
            self.0.resize_with(place + 1, || None);
        }
        match &mut self.0[place] {
            Some(bound) => Ok(bound),
            empty => Ok(empty.insert(bind()?)),
        }
    }
}

/// When a job that begins now has no more time.
fn end_of(timeout: Option<Duration>) -> Option<Instant> {
    Instant::now().checked_add(timeout?)
}

/// How much a guest may copy out of its memory at a time, in bytes: as much as it may have, so that what is outside is
/// bounded by what may be inside.
pub(crate) fn copied_bytes(limits: &Limits) -> usize {
    usize::try_from(limits.memory_bytes.max(MIN_COPIED_BYTES)).unwrap_or(usize::MAX)
}

impl State {
    /// For a call of `pool:shared`.
    pub(super) fn lent(&mut self) -> &mut Lent {
        self.calls.count();
        &mut self.lent
    }

    /// For a call of `wasi:keyvalue`.
    pub(super) fn buckets(&mut self) -> &mut Buckets {
        self.calls.count();
        &mut self.buckets
    }

    /// For a call of `pool:job`.
    pub(super) fn job(&mut self) -> &mut Job {
        self.calls.count();
        &mut self.job
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.calls.count();
        waiting::enter();
        let wasi = self.wasi.get_or_insert_with(|| {
            let context = imports::context(&self.grants, &self.stderr);
            Wasi {
                context: context.expect("only directories can fail to open"),
                table: ResourceTable::new(),
            }
        });
        WasiCtxView {
            ctx: &mut wasi.context,
            table: &mut wasi.table,
        }
    }
}
