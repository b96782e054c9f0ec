//! `host compile`: compile a component into the cache and print where it is.

use crate::args::{CompileArgs, Instance};
use crate::exit::{self, Failure};
use crate::{inspect, output};
use host::component::Options;

pub(crate) fn compile(args: CompileArgs) -> Result<u8, Failure> {
    let options = Options {
        fuel: args.fuel,
        sweeps: args.instance == Instance::Worker,
        sandbox: args.sandbox.mode.into(),
        ..args.compiling.options()
    };
    let component = inspect::load(args.component, &options)?;
    let file = component.cached_at.ok_or_else(Failure::no_cache)?;
    output::print(format!("{}\n", file.display()).as_bytes())?;
    Ok(exit::DONE)
}
