//! A pool of sandboxed worker processes that call the functions of WebAssembly components.

pub mod codec;
pub mod component;
mod engine;
pub mod job;
mod link;
pub mod pool;
mod ring;
mod role;
pub mod types;
pub mod value;
mod wire;
mod worker;

pub use component::{Description, Source};
pub use pool::Pool;
pub use role::NoChildren;
pub use types::Type;
pub use value::Value;

/// Serves as a worker if this process was started as one; must be the first line of `main`.
pub fn init() {
    use role::Role;
    let code = match Role::of_this_process() {
        None => return role::set_initialised(),
        Some(Role::Compiler) => component::compiler::serve(),
        Some(Role::Worker) => worker::serve(),
    };
    std::process::exit(code)
}
