//! `host compile`: compile a component into the cache and print where it is.

use crate::args::CompileArgs;
use crate::exit::{self, Failure};
use crate::{inspect, output};

pub fn compile(args: CompileArgs) -> Result<u8, Failure> {
    let component = inspect::load(args.component)?;
    output::print(format!("{}\n", component.cached_at.display()).as_bytes())?;
    Ok(exit::DONE)
}
