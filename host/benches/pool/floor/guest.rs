//! A guest in this same process, called without a pool: what a job costs when nothing stands between.
//!
//! The engine is set up for speed as a worker's is, so that what differs is the pool and nothing else.

use anyhow::{Context, Result};
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Linker, Lower,
    ResourceTable, TypedFunc,
};
use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

pub(crate) const ARITH: Source = Source {
    interface: "pool:tasks/arith@0.1.0",
    bytes: include_bytes!("../../../../guests/prebuilt/arith.wasm"),
};
pub(crate) const BARE: Source = Source {
    interface: "pool:tasks/bare@0.1.0",
    bytes: include_bytes!("../../../../guests/prebuilt/bare.wat"),
};

pub(crate) const TEXT: Source = Source {
    interface: "pool:tasks/text@0.1.0",
    bytes: include_bytes!("../../../../guests/prebuilt/text.wasm"),
};
pub(crate) const TYPES: Source = Source {
    interface: "pool:tasks/types@0.1.0",
    bytes: include_bytes!("../../../../guests/prebuilt/types.wasm"),
};
pub(crate) const MANDELBROT: Source = Source {
    interface: "pool:tasks/mandelbrot@0.1.0",
    bytes: include_bytes!("../../../../guests/prebuilt/mandelbrot.wasm"),
};

/// A component, and the interface whose functions are called.
#[derive(Clone, Copy)]
pub(crate) struct Source {
    interface: &'static str,
    bytes: &'static [u8],
}

/// A compiled and linked component, for instances in any thread.
pub(crate) struct Guest {
    linked: InstancePre<State>,
    interface: Option<ComponentExportIndex>,
}

/// An instance, with the store that it lives in.
pub(crate) struct Instance {
    pub store: Store<State>,
    pub instance: wasmtime::component::Instance,
}

/// WASI's context is made when the guest first asks for something, which these guests do not.
#[derive(Default)]
pub(crate) struct State(Option<(WasiCtx, ResourceTable)>);

impl Guest {
    pub(crate) fn new(source: Source) -> Result<Guest> {
        let engine = Engine::new(&config()).map_err(ours)?;
        let bytes = wat::parse_bytes(source.bytes)?;
        let component = Component::new(&engine, &bytes).map_err(ours)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker).map_err(ours)?;
        Ok(Guest {
            interface: component.get_export_index(None, source.interface),
            linked: linker.instantiate_pre(&component).map_err(ours)?,
        })
    }

    /// A new instance in a store of its own.
    pub(crate) fn instance(&self) -> Result<Instance> {
        let mut store = Store::new(self.linked.engine(), State::default());
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = self.linked.instantiate(&mut store).map_err(ours)?;
        Ok(Instance { store, instance })
    }

    /// Squares so many numbers, each in a new instance.
    pub(crate) fn squares_in_fresh_instances(&self, jobs: u32) -> Result<Vec<i64>> {
        let square = self.function("square")?;
        let one = |n| {
            let mut instance = self.instance()?;
            let square = instance.typed::<(i64,), (i64,)>(square)?;
            Ok(square.call(&mut instance.store, (n,)).map_err(ours)?.0)
        };
        (0..i64::from(jobs)).map(one).collect()
    }

    /// A function of the guest's interface, to be looked up once.
    pub(crate) fn function(&self, name: &str) -> Result<ComponentExportIndex> {
        let component = self.linked.component();
        component
            .get_export_index(self.interface.as_ref(), name)
            .with_context(|| format!("the guest has no function `{name}`"))
    }
}

impl Instance {
    /// A function with these Rust types.
    pub(crate) fn typed<P, R>(&mut self, function: ComponentExportIndex) -> Result<TypedFunc<P, R>>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let function = self.instance.get_typed_func(&mut self.store, function);
        function.map_err(ours)
    }
}

fn config() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.linear_memory_keep_resident(1 << 20);
    pool.table_keep_resident(64 << 10);
    pool.pagemap_scan(Enabled::Auto);
    pool.total_memories(64);
    pool.total_stacks(0);
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.concurrency_support(false);
    config.gc_support(false);
    config.wasm_gc(false);
    config.wasm_function_references(false);
    config.wasm_exceptions(false);
    config.wasm_threads(false);
    config.wasm_memory64(false);
    config.wasm_relaxed_simd(false);
    config.allocation_strategy(pool);
    config
}

/// Wasmtime has an error type of its own, which knows no anyhow.
pub(crate) fn ours(error: wasmtime::Error) -> anyhow::Error {
    anyhow::Error::from_boxed(error.into())
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (ctx, table) = self
            .0
            .get_or_insert_with(|| (WasiCtx::builder().build(), ResourceTable::new()));
        WasiCtxView { ctx, table }
    }
}
