//! Row 7: large arguments and results, beside what their copies cost.

use crate::Bench;
use crate::figure::{Goal, Line, Unit};
use crate::python::{MULTIPROCESSING, Python};
use crate::rounds::rate;
use anyhow::Result;
use std::hint::black_box;

const THERE_AND_BACK_BYTES: u32 = 16 << 20;
/// Many times what the channel holds at once.
const LARGE_BYTES: u32 = 64 << 20;

pub(crate) fn bytes(bench: &Bench) -> Result<Vec<Line>> {
    let echo = bench.pool("types", 2)?;
    let huge = bench.pool("faults", 2)?;
    let data = vec![7u8; THERE_AND_BACK_BYTES as usize];
    let mut memories = [data.clone(), data.clone(), data.clone()];
    let options = [("count", THERE_AND_BACK_BYTES)];
    let python = Python::start(MULTIPROCESSING, "there-and-back", &options)?;

    let mut turns = bench.turns();
    let pooled = turns.figure(|| {
        rate(THERE_AND_BACK_BYTES, || {
            Ok(echo.apply::<Vec<u8>>("echo-list-u8", (&data,))?)
        })
    });
    let copies = turns.figure(|| rate(THERE_AND_BACK_BYTES, || Ok(copies(&data, &mut memories))));
    let streamed = turns.figure(|| {
        rate(LARGE_BYTES, || {
            Ok(huge.apply::<Vec<u8>>("huge-result", (LARGE_BYTES,))?)
        })
    });
    let python = turns.python(python);
    let measured = turns.run()?;

    let there_and_back = Line::new(
        "16 MiB `list<u8>` there and back, each byte counted once",
        Unit::BytesPerSecond,
        measured.median(pooled),
    );
    let streamed = Line::new(
        "64 MiB result, larger than the channel",
        Unit::BytesPerSecond,
        measured.median(streamed),
    );
    Ok(vec![
        there_and_back
            .goal(Goal::AtLeast(2.0 * f64::from(1 << 30)))
            .better_than("its four copies as memcpy", measured.median(copies), 0.5)
            .beside("Python `Pool.apply`", measured.median(python)),
        streamed,
    ])
}

/// The copies that nobody can save between two processes and a guest's own memory: into the channel and into the guest,
/// out of it and into a new vector.
fn copies(data: &[u8], [channel, guest, back]: &mut [Vec<u8>; 3]) -> Vec<u8> {
    channel.copy_from_slice(data);
    guest.copy_from_slice(black_box(channel));
    back.copy_from_slice(black_box(guest));
    black_box(back).to_vec()
}
