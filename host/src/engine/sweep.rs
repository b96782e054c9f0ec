//! Sweeps: many jobs of one function in one call, by the loop that was compiled into the component for it.
//!
//! What a loop is given and what it leaves in its window is told in [`component`](crate::component), where loops are
//! made: a word of 64 bits for each argument, and the number of jobs that are done before the words of their results.

use super::instance::State;
use super::reader::{Reader, Undecodable};
use crate::types::{Function, Type};
use std::time::Duration;
use wasmtime::component::{Instance, TypedFunc, WasmList};
use wasmtime::{Result, Store};

/// The names of what is added to a component start so.
pub(crate) const PREFIX: &str = "host-sweep-";
/// The function that tells where the window is.
pub(crate) const WINDOW: &str = "host-sweep-window";
/// How many jobs are swept at a time, at most.
pub(crate) const MOST_JOBS: u32 = 256;
/// What a loop's memory takes, in bytes. It is no memory of the guest's.
pub(crate) const MEMORY_BYTES: u64 = 64 << 10;

/// How long a sweep should take: fifty times what it costs to begin one, and short enough that nobody misses the first
/// results while the last jobs run.
const SWEEP_TIME: Duration = Duration::from_micros(20);

/// The loop over one function, in one instance.
pub(super) struct Sweep {
    window: WasmList<u64>,
    run: TypedFunc<(Vec<u64>,), ()>,
}

impl Sweep {
    /// Finds the loop of this number, where there is one in the component.
    pub(super) fn new(number: u32, instance: &Instance, store: &mut Store<State>) -> Result<Sweep> {
        let window = instance.get_typed_func::<(), (WasmList<u64>,)>(&mut *store, WINDOW)?;
        let run = instance.get_typed_func(&mut *store, format!("{PREFIX}{number}"))?;
        Ok(Sweep {
            window: window.call(store, ())?.0,
            run,
        })
    }

    /// Calls the function for these jobs, appends the results of those that ended well, and says how many they are.
    pub(super) fn call(
        &self,
        store: &mut Store<State>,
        words: Vec<u64>,
        result: Option<&Type>,
        results: &mut Vec<u8>,
    ) -> (u32, Result<()>) {
        let called = self.run.call(&mut *store, (words,));
        let (done, words) = match self.window.as_le_slice(&*store).split_first() {
            Some((done, words)) => (u64::from_le(*done).min(words.len() as u64), words),
            None => (0, &[][..]),
        };
        if let Some(result) = result {
            encode(result, &words[..done as usize], results);
        }
        (done as u32, called)
    }
}

/// The arguments of the next `jobs` jobs of an encoded list, as words.
pub(super) fn words(
    function: &Function,
    jobs: u32,
    bytes: &mut Reader<'_>,
) -> std::result::Result<Vec<u64>, Undecodable> {
    let params = function.params.iter().map(|param| &param.ty);
    let mut words = Vec::with_capacity(jobs as usize * params.len());
    for _ in 0..jobs {
        for ty in params.clone() {
            words.push(word(ty, bytes)?);
        }
    }
    Ok(words)
}

/// A number as the word whose first bytes, little-endian, are the core value that stands for it.
///
/// *Source*: Canonical ABI, `lower_flat`.
#[inline]
fn word(ty: &Type, bytes: &mut Reader<'_>) -> std::result::Result<u64, Undecodable> {
    Ok(match ty {
        Type::Bool => bytes.bool()?.into(),
        Type::S8 => i8::from_le_bytes(bytes.array()?) as u64,
        Type::U8 => u8::from_le_bytes(bytes.array()?).into(),
        Type::S16 => i16::from_le_bytes(bytes.array()?) as u64,
        Type::U16 => u16::from_le_bytes(bytes.array()?).into(),
        Type::S32 | Type::U32 | Type::F32 => u32::from_le_bytes(bytes.array()?).into(),
        Type::S64 | Type::U64 | Type::F64 => u64::from_le_bytes(bytes.array()?),
        _ => return Err(Undecodable("a parameter is no number")),
    })
}

/// Appends results as the codec writes them.
///
/// *Source*: Canonical ABI, `lift_flat`: of a core value that is wider than the number, the upper bits don't count.
fn encode(ty: &Type, words: &[u64], out: &mut Vec<u8>) {
    let words = words.iter().map(|word| u64::from_le(*word));
    match ty {
        Type::Bool => out.extend(words.map(|word| u8::from(word as u32 != 0))),
        Type::S8 | Type::U8 => out.extend(words.map(|word| word as u8)),
        Type::S16 | Type::U16 => out.extend(words.flat_map(|word| (word as u16).to_le_bytes())),
        Type::S32 | Type::U32 | Type::F32 => {
            out.extend(words.flat_map(|word| (word as u32).to_le_bytes()));
        }
        _ => out.extend(words.flat_map(u64::to_le_bytes)),
    }
}

/// How many jobs to sweep next: as many as take [`SWEEP_TIME`], by what the last ones took.
pub(super) struct Pace {
    function: u32,
    jobs: u32,
}

impl Pace {
    pub(super) fn new() -> Pace {
        Pace {
            function: 0,
            jobs: 1,
        }
    }

    /// How many jobs of this function to sweep.
    pub(super) fn of(&mut self, function: u32) -> u32 {
        if self.function != function {
            *self = Pace { function, jobs: 1 };
        }
        self.jobs
    }

    /// Learns from a sweep of so many jobs. Where one of them did what a report would tell of another, they go one by one.
    pub(super) fn learn(&mut self, jobs: u32, took: Duration, left_traces: bool) {
        let wanted = SWEEP_TIME.as_nanos() * u128::from(jobs) / took.as_nanos().max(1);
        let most = if left_traces {
            1
        } else {
            MOST_JOBS.min(jobs.saturating_mul(4))
        };
        self.jobs = wanted.clamp(1, most.max(1).into()) as u32;
    }
}
