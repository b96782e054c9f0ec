//! A pool of sandboxed worker processes that call the functions of WebAssembly components: what
//! `multiprocessing.Pool` is in Python, for code you need not trust, in any language that compiles to a component.
//!
//! ```rust,standalone_crate
//! fn main() -> anyhow::Result<()> {
//!     host::init(); // first line: this same program also serves as the worker
//!     let pool = host::Pool::builder().workers(4).component("arith").build()?;
//!     let squares: Vec<i64> = pool.map("square", 0..12)?;
//!     assert_eq!(squares[11], 121);
//!     let products: Vec<i64> = pool.starmap("product", [(1, 2, 3), (3, 4, 5)])?;
//!     assert_eq!(products, [6, 60]);
//!     Ok(())
//! }
//! ```
//!
//! Start with [`Pool`]. A job that fails is an [`Outcome`] like any other, a [`Fault`] that says who is to blame:
//! a guest can trap, loop, eat memory or take its process down, and costs nobody but itself. Values travel by
//! [serde] and are checked against the component's WIT types; [`Value`] is for types known only at run time.
//!
//! Two walls stand between a guest and the machine: WebAssembly, and the worker's own process. The parent never runs
//! guest code, nor compiles it: a helper process does, with limits, into a cache.
//!
//! Everything for running jobs is on this page. [`component`] is for looking at components without a pool, [`value`] for
//! values as text.

#![warn(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

pub mod component;
pub mod shared;
pub mod value;

mod pool;
mod process;

mod codec;
mod engine;
mod job;
mod link;
mod lockdown;
mod manager;
mod ring;
mod role;
mod sealed;
mod types;
mod wire;
mod worker;

pub use codec::EncodeError;
pub use component::Source;
pub use job::{
    Cause, Clocks, Dir, End, Fault, Isolation, Limits, Outcome, Progress, Report, STDERR_KEPT,
    Totals, Usage,
};
pub use link::StartError;
pub use lockdown::{Sandbox, Wall, WallReport, WallState};
pub use manager::{Manager, ManagerBuilder, ManagerLimits, ManagerStats, StartManagerError};
pub use pool::{
    Arriving, BuildError, Builder, Error, Feed, Func, FunctionError, Handle, Imap, Pool, Stats,
    When, WorkerStats, wait,
};
pub use process::{Exit, Process, Ready, SpawnError};
pub use role::NoChildren;
pub use shared::{ManagerError, Shared, SharedError};
pub use types::{Case, Description, Field, FindError, Function, Object, Type};
pub use value::Value;

/// Serves as a worker, and does not return, if this process was started as one. Call it in the first line of `main`.
///
/// A pool starts its workers, and the helper that compiles, from the program's own executable, so that parent and child
/// can't differ in version. A program that builds a pool without having called this gets
/// [`NoChildren::Uninitialised`]; one whose workers are another program ([`Builder::worker_program`]) need not call it.
pub fn init() {
    use role::Role;
    let Some(role) = Role::of_this_process() else {
        return role::set_initialised();
    };
    role::leave_session();
    let code = match role {
        Role::Compiler => component::compiler::serve(),
        Role::Worker => worker::serve(),
        Role::ForkServer => serve_as_fork_server(),
        Role::Manager => manager::serve(),
    };
    #[expect(
        clippy::exit,
        reason = "a child that has served must not go on to run the program's `main`"
    )]
    std::process::exit(code)
}

/// Forks off workers until the parent hangs up; and serves, in each of them, as that worker.
fn serve_as_fork_server() -> i32 {
    use role::fork_server::{Side, serve};
    match lockdown::arrive().and_then(|()| serve()) {
        Ok(Side::Forked) => {
            role::leave_session();
            worker::serve()
        }
        Ok(Side::Server) => 0,
        Err(error) => {
            // Only who started this by hand can see it.
            let told = format!("error: a fork server is started by a pool: {error}\n");
            let _ = std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes());
            1
        }
    }
}

/// What the fuzzer tries, too.
#[cfg(test)]
#[path = "../fuzz/src/targets.rs"]
mod targets;

#[cfg(test)]
mod fuzz_tests;

/// The code of the guide for embedders, compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/embedding.md")]
struct Embedding;
