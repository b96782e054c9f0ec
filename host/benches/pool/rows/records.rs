//! Row 8: strings and records, beside the call in this same process by the bindings that Wasmtime generates.

use crate::Bench;
use crate::figure::{Line, Unit};
use crate::floor::{Guest, TEXT, TYPES, ours};
use crate::rounds::{Turn, each, each_given, rate};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use wasmtime::component::{ComponentType, Lift, Lower};

mod text {
    wasmtime::component::bindgen!({
        path: "../wit/tasks",
        world: "text-guest",
        additional_derives: [serde::Serialize, serde::Deserialize],
    });
}

use text::exports::pool::tasks::text::Summary;

/// The record `eight` of the guest `types`.
#[derive(Clone, ComponentType, Lower, Lift, Serialize, Deserialize)]
#[component(record)]
struct Eight {
    id: u64,
    name: String,
    active: bool,
    score: f64,
    initial: char,
    level: i8,
    ratio: f32,
    note: String,
}

const DOCUMENT_BYTES: usize = 4096;

pub(crate) fn strings_and_records(bench: &Bench) -> Result<Vec<Line>> {
    let mut lines = documents(bench)?;
    lines.extend(records(bench)?);
    Ok(lines)
}

fn documents(bench: &Bench) -> Result<Vec<Line>> {
    let jobs = bench.jobs(2_000);
    let document = document();
    let pool = bench.pool("text", 2)?;
    let stats = pool.func::<String, Summary>("stats")?;
    let mut instance = Guest::new(TEXT)?.instance()?;
    let bound = text::TextGuest::new(&mut instance.store, &instance.instance).map_err(ours)?;

    let mut turns = bench.turns();
    let single =
        turns.samples(|| each_given(jobs, || document.clone(), |text| Ok(stats.apply(text)?)));
    let many = turns.figure(|| {
        let documents = std::iter::repeat_n(&document, jobs as usize);
        rate(jobs, || Ok(pool.map::<Summary>("stats", documents)?))
    });
    let inside = turns.samples(|| {
        each(jobs, || {
            let called = bound
                .pool_tasks_text()
                .call_stats(&mut instance.store, &document);
            called.map_err(ours)
        })
    });
    compare(turns, "text stats", [single, many, inside])
}

fn records(bench: &Bench) -> Result<Vec<Line>> {
    let jobs = bench.jobs(20_000);
    let eight = eight();
    let pool = bench.pool("types", 2)?;
    let echo = pool.func::<Eight, Eight>("echo-eight")?;
    let guest = Guest::new(TYPES)?;
    let mut instance = guest.instance()?;
    let typed = instance.typed::<(&Eight,), (Eight,)>(guest.function("echo-eight")?)?;

    let mut turns = bench.turns();
    let single =
        turns.samples(|| each_given(jobs, || eight.clone(), |eight| Ok(echo.apply(eight)?)));
    let many = turns.figure(|| {
        let records = std::iter::repeat_n(&eight, jobs as usize);
        rate(jobs, || Ok(pool.map::<Eight>("echo-eight", records)?))
    });
    let inside = turns.samples(|| {
        each(jobs, || {
            let called = typed.call(&mut instance.store, (&eight,));
            called.map_err(ours)
        })
    });
    compare(turns, "a record of 8 fields", [single, many, inside])
}

fn compare(
    turns: crate::Turns<'_>,
    what: &str,
    [single, many, inside]: [Turn; 3],
) -> Result<Vec<Line>> {
    let measured = turns.run()?;
    let inside = measured.median(inside);
    Ok(vec![
        Line::new(
            format!("{what}, `apply`"),
            Unit::Seconds,
            measured.median(single),
        )
        .better_than("the typed call in this process", inside, 0.5),
        Line::new(
            format!("{what}, `map`"),
            Unit::JobsPerSecond,
            measured.median(many),
        )
        .beside(
            "the typed call in one thread",
            inside.map(|seconds| 1.0 / seconds),
        ),
    ])
}

/// Sentences of common words, always the same.
fn document() -> String {
    const WORDS: [&str; 12] = [
        "the",
        "pool",
        "hands",
        "a",
        "job",
        "to",
        "each",
        "worker",
        "and",
        "well-known",
        "results",
        "don’t",
    ];
    let mut document = String::new();
    let mut random = 1u32;
    while document.len() < DOCUMENT_BYTES {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        document += WORDS[(random >> 16) as usize % WORDS.len()];
        document += if random >> 28 == 0 { ". " } else { " " };
    }
    document
}

fn eight() -> Eight {
    Eight {
        id: 1 << 60,
        name: "a name".into(),
        active: true,
        score: 0.5,
        initial: 'ä',
        level: -3,
        ratio: 1.25,
        note: "a note that is somewhat longer than the name".into(),
    }
}
