//! `host compile`: compile a component into the cache and print where it is.

use crate::args::CompileArgs;
use crate::exit::{self, Failure};
use crate::{inspect, output};

pub(crate) fn compile(args: CompileArgs) -> Result<u8, Failure> {
    let component = inspect::load(args.component)?;
    let file = component.cached_at.ok_or_else(Failure::no_cache)?;
    output::print(format!("{}\n", file.display()).as_bytes())?;
    Ok(exit::DONE)
}
