//! The rows, in their order.

mod batch;
mod bulk;
mod crowded;
mod cubes;
mod fresh;
mod idle;
mod lazy;
mod map;
mod records;
mod round_trip;
mod sharing;
mod start;
mod threads;
mod uneven;

use crate::Bench;
use crate::figure::Line;
use anyhow::Result;

pub(crate) struct Row {
    pub number: u8,
    pub title: &'static str,
    pub measure: fn(&Bench) -> Result<Vec<Line>>,
}

const fn row(number: u8, title: &'static str, measure: fn(&Bench) -> Result<Vec<Line>>) -> Row {
    Row {
        number,
        title,
        measure,
    }
}

pub(crate) const ROWS: [Row; 20] = [
    row(
        1,
        "a tiny job there and back, the pool warm",
        round_trip::warm,
    ),
    row(2, "the same after 10 ms of idling", round_trip::idle),
    row(3, "a million tiny jobs", map::square),
    row(4, "a fresh instance for each job", fresh::square),
    row(5, "a source that takes its time", lazy::slow_source),
    row(6, "the tutorial's benchmark", cubes::cubes),
    row(7, "large arguments and results", bulk::bytes),
    row(8, "strings and records", records::strings_and_records),
    row(9, "start of a pool, its code cached", start::first_result),
    row(10, "a killed worker", start::replacement),
    row(11, "memory of idle workers", idle::memory_of_workers),
    row(12, "processor time of an idle pool", idle::processor_time),
    row(13, "jobs of any length", uneven::jobs_of_any_length),
    row(
        14,
        "processes against threads",
        threads::processes_and_threads,
    ),
    row(
        15,
        "more workers than processors, and a neighbour",
        crowded::four_workers,
    ),
    row(16, "the batch form", batch::square),
    row(17, "steps on shared objects", sharing::steps),
    row(18, "a lock from job to job", sharing::hand_over),
    row(19, "a queue from job to job", sharing::queue),
    row(20, "a dict over the manager", sharing::dict),
];
