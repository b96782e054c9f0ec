//! How Wasmtime is set up, once for the helper that compiles and once for the worker that runs: both from one base, since
//! machine code loads only into an engine with the settings it was compiled for.
//!
//! *Source*: Wasmtime 48.0.8, `compile/code_builder.rs` (`HashedEngineCompileEnv`): `precompile_compatibility_hash` covers
//! the target, the compiler's flags, the proposals, the settings of [`compiling`] and Wasmtime's full version. It doesn't
//! cover what [`serving`] adds: the allocator, the stack's size, the backtraces.

use crate::wire::Start;
use anyhow::ensure;
use rustix::process::{Resource, getrlimit};
use rustix::system::sysinfo;
use std::num::NonZeroUsize;
use wasmtime::{Config, Enabled, PoolingAllocationConfig};

/// What is left of a process's stack for the functions that a guest calls, in bytes: far more than any of them takes.
const HOST_STACK_BYTES: u64 = 1 << 20;

/// The settings to compile with. Counting fuel is part of the machine code, so that guests with a fuel limit are compiled
/// apart from those without.
pub(crate) fn compiling(fuel: bool) -> Config {
    let mut config = Config::new();
    config.consume_fuel(fuel);
    // Always on, as the one way to stop a guest that doesn't return. No difference was measured.
    config.epoch_interruption(true);
    // Without it a call costs a third: 163 ns instead of 530, measured in November 2026.
    config.concurrency_support(false);
    // Proposals that no toolchain for components needs. What is off can't be attacked.
    config.gc_support(false);
    config.wasm_gc(false);
    config.wasm_function_references(false);
    config.wasm_exceptions(false);
    config.wasm_threads(false);
    config.wasm_memory64(false);
    config.wasm_relaxed_simd(false);
    config
}

/// The settings to run with: those of [`compiling`], and room for the one component that a worker serves.
///
/// # Errors
///
/// The guest may have more stack than this process has.
pub(super) fn serving(start: &Start) -> anyhow::Result<Config> {
    let stack_bytes = start.limits.stack_bytes;
    if let Some(most) = getrlimit(Resource::Stack).current {
        let most = most.saturating_sub(HOST_STACK_BYTES);
        ensure!(
            stack_bytes as u64 <= most,
            "a stack of {stack_bytes} bytes is too large, as a guest uses the process's own: \
             the most is {most} bytes; lower it, or raise `ulimit -s`"
        );
    }
    let mut config = compiling(start.counts_fuel());
    // What never compiles needs no compiler, and starts without one.
    config.enable_compiler(false);
    config.max_wasm_stack(stack_bytes);
    // Wasmtime wants the stacks that nobody uses to be as large as the one that is used.
    config.async_stack_size(stack_bytes);
    config.wasm_backtrace_max_frames(NonZeroUsize::new(super::report::MAX_FRAMES));
    config.allocation_strategy(pool());
    Ok(config)
}

/// Memory that is mapped once and used by one instance after the other.
fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    // One instance lives at a time; the second place is for the moment in which one follows the other.
    pool.total_component_instances(2);
    // A component from wit-component has 3 or 4 core instances, one from a linker of shared libraries some twenty.
    pool.total_core_instances(200);
    // Each place reserves 4 GiB of addresses, though no memory, so that no access needs a check of its bounds. Eight are the
    // guest's, two for sweeps.
    pool.total_memories(10);
    pool.max_memories_per_module(8);
    pool.total_tables(32);
    pool.max_tables_per_module(16);
    // Guests run on the worker's own stack. Each of the 1,000 others that are the default costs a system call at start.
    pool.total_stacks(0);
    // Interpreters have large tables and many functions: componentize-py needs some 8,000 and jco 30,000 entries.
    pool.table_elements(100_000);
    pool.max_core_instance_size(10 << 20);
    pool.max_component_instance_size(10 << 20);
    // What an instance leaves behind is cleared by writing zeros up to these sizes, and beyond them by giving the pages
    // back: fresh Rust instances cost 8 µs instead of 18, measured in November 2026.
    pool.linear_memory_keep_resident(1 << 20);
    pool.table_keep_resident(64 << 10);
    pool.pagemap_scan(if has_swap() {
        Enabled::No
    } else {
        Enabled::Auto
    });
    pool
}

/// Wasmtime 48.0.8 finds the pages to clear by asking the kernel which ones were written, and overlooks those that were
/// swapped out.
fn has_swap() -> bool {
    sysinfo().totalswap != 0
}
