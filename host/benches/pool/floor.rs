//! What bounds the pool from below: the same work with less around it, built here and measured in the same run.

mod guest;
mod pair;
mod ping;
mod process;
mod shared_page;

pub(crate) use guest::{ARITH, BARE, Guest, Instance, MANDELBROT, Source, TEXT, TYPES, ours};
pub(crate) use pair::Pair;
pub(crate) use ping::{Ping, Wait};
pub(crate) use process::Neighbour;

use anyhow::Result;

/// Serves, and does not return, if this process was started as a floor's other half.
pub(crate) fn init() -> Result<()> {
    process::init()
}
