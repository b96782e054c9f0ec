//! How finely a guest may read the time.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How finely a guest reads WASI's clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Clocks {
    /// As finely as the host itself, to the nanosecond. This is the default.
    #[default]
    Full,
    /// In steps of [`Clocks::STEP`], by both clocks, and their resolution says so. It takes the ruler away with which a
    /// guest would measure a cache or a neighbour; one that counts its own loops has a coarser one left, and so has one
    /// that may write files and read their times.
    Coarse,
}

impl Clocks {
    /// How long a step of the coarse clocks is: 1 ms. A program that waits, logs or gives up after a while needs no finer
    /// one, and a guest is woken from a sleep no more exactly than that; what a cache tells takes a clock that is some
    /// 10,000 times as fine.
    pub const STEP: Duration = Duration::from_millis(1);
}
