//! Sweeps: many jobs of one function in one call, by the loop that was compiled into the component for it.
//!
//! The compile helper makes the loops. Each is given a word of 64 bits for each argument, and leaves in its *window* the number of jobs that are
//! done, before a word for the result of each.

use super::instance::State;
use super::reader::{Reader, Undecodable};
use crate::types::{Function, Type};
use crate::wire::MOST_SWEPT;
use std::time::Duration;
use wasmtime::component::{Instance, TypedFunc, WasmList};
use wasmtime::{Result, Store};

/// The names of what is added to a component start so.
pub(crate) const PREFIX: &str = "host-sweep-";
/// The names by which what is swept is exported again, for single jobs.
pub(crate) const ONE: &str = "host-sweep-one-";
/// The function that tells where the window is.
pub(crate) const WINDOW: &str = "host-sweep-window";
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
    /// Finds the loop of this number in the component.
    pub(super) fn new(
        number: Option<u32>,
        instance: &Instance,
        store: &mut Store<State>,
    ) -> Result<Sweep> {
        let number = number.ok_or_else(|| wasmtime::Error::msg("nothing sweeps it"))?;
        let window = instance.get_typed_func::<(), (WasmList<u64>,)>(&mut *store, WINDOW)?;
        let run = instance.get_typed_func(&mut *store, format!("{PREFIX}{number}"))?;
        Ok(Sweep {
            window: window.call(store, ())?.0,
            run,
        })
    }

    /// Calls the function for so many jobs, appends the results of those that ended well, and says how many they are: all,
    /// or fewer and why the next one failed.
    pub(super) fn call(
        &self,
        store: &mut Store<State>,
        jobs: u32,
        words: Vec<u64>,
        result: Option<&Type>,
        results: &mut Vec<u8>,
    ) -> (u32, Result<()>) {
        let called = self.run.call(&mut *store, (words,));
        let told = self.window.as_le_slice(&*store).split_first();
        let (done, words) = told.map_or((0, &[][..]), |(done, words)| (u64::from_le(*done), words));
        let (done, called) = match called {
            Ok(()) if done == u64::from(jobs) => (jobs, Ok(())),
            Ok(()) => (
                0,
                Err(wasmtime::Error::msg("the loop over the function failed")),
            ),
            Err(error) => (
                done.min(u64::from(jobs.saturating_sub(1))) as u32,
                Err(error),
            ),
        };
        if let Some(result) = result {
            encode(result, &words[..done as usize], results);
        }
        (done, called)
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
        if left_traces {
            self.go_one_by_one();
        } else {
            let most = MOST_SWEPT.min(jobs.saturating_mul(4)).max(1);
            self.jobs = wanted.clamp(1, most.into()) as u32;
        }
    }

    pub(super) fn go_one_by_one(&mut self) {
        self.jobs = 1;
    }
}
