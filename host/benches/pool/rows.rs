//! The rows, in their order.

mod map;
mod round_trip;

use crate::Bench;
use crate::figure::Line;
use anyhow::Result;

pub(crate) struct Row {
    pub number: u8,
    pub title: &'static str,
    pub measure: fn(&Bench) -> Result<Vec<Line>>,
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        number: 1,
        title: "one tiny job there and back, the pool warm",
        measure: round_trip::warm,
    },
    Row {
        number: 2,
        title: "the same after 10 ms of idling",
        measure: round_trip::idle,
    },
    Row {
        number: 3,
        title: "map over many tiny jobs",
        measure: map::square,
    },
];
