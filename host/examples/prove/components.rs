//! Components that are damaged at random go through the compile helper and, where they still compile, through a worker. Each
//! is refused with a reason, or served with values and faults; neither process dies of one.

use super::random::Random;
use anyhow::{Result, bail, ensure};
use host::component::ComponentError;
use host::{BuildError, Builder, Cause, Error, Isolation, Limits, Pool, StartError, Type, Value};
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// What is damaged: text, where it is often still a component, and binaries.
const SEEDS: [&[u8]; 4] = [
    include_bytes!("../../../guests/prebuilt/bare.wat"),
    include_bytes!("../../../guests/prebuilt/traps.wat"),
    include_bytes!("../../../guests/prebuilt/types.wasm"),
    include_bytes!("../../../guests/prebuilt/arith.wasm"),
];
/// A job of a guest that was damaged into an endless loop takes no longer.
const TIMEOUT: Duration = Duration::from_millis(50);
const MEMORY_BYTES: u64 = 64 << 20;
/// How many functions of a component are called.
const CALLED: usize = 8;

/// What became of all components.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    components: u64,
    refused: u64,
    values: u64,
    faults: u64,
}

impl fmt::Display for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} damaged components: {} refused, the others gave {} values and {} faults; no process died of one",
            self.components, self.refused, self.values, self.faults
        )
    }
}

/// Tries so many components.
///
/// # Errors
/// A helper or a worker died, or said something that is no answer.
pub(crate) fn run(builder: impl Fn() -> Builder, components: u64) -> Result<Outcomes> {
    let cache = Cache::new()?;
    let mut random = Random::new(7);
    let mut outcomes = Outcomes::default();
    for number in 0..components {
        let bytes = damaged(&mut random);
        let limits = Limits {
            timeout: Some(TIMEOUT),
            memory_bytes: MEMORY_BYTES,
            ..Limits::default()
        };
        let builder = builder()
            .component(&bytes[..])
            .workers(1)
            .limits(limits)
            .isolation(Isolation::InstancePerJob)
            .cache_dir(&cache.0);
        if let Err(error) = try_one(builder, &mut outcomes) {
            let path = cache.0.with_extension("found");
            fs::write(&path, &bytes)?;
            return Err(error.context(format!("component {number}, in {}", path.display())));
        }
        outcomes.components += 1;
        if number % 100 == 0 {
            cache.clear()?;
        }
    }
    Ok(outcomes)
}

fn try_one(builder: Builder, outcomes: &mut Outcomes) -> Result<()> {
    let pool = match builder.build() {
        Ok(pool) => pool,
        // An import that nobody provides is seen by the worker.
        Err(
            BuildError::Component(
                ComponentError::CoreModule { .. } | ComponentError::Invalid { .. },
            )
            | BuildError::Start(StartError::Refused(_)),
        ) => {
            outcomes.refused += 1;
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    for function in pool.description().functions.iter().take(CALLED) {
        let arguments = function.params.iter().map(|param| zero(&param.ty));
        let arguments = Value::Tuple(arguments.collect());
        match call(&pool, &function.full_name(), arguments)? {
            true => outcomes.values += 1,
            false => outcomes.faults += 1,
        }
    }
    Ok(())
}

/// Whether a job has a value; a fault of the guest is none.
fn call(pool: &Pool, function: &str, arguments: Value) -> Result<bool> {
    match pool.apply::<Value>(function, arguments) {
        Ok(_) => Ok(true),
        Err(Error::Job(fault)) => match fault.cause {
            Cause::WorkerLost(_) | Cause::Poisoned(_) | Cause::NoWorker(_) => bail!("{fault}"),
            _ => Ok(false),
        },
        // Two functions were damaged into one name.
        Err(Error::Function(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The least value of a type.
fn zero(ty: &Type) -> Value {
    match ty {
        Type::Bool => Value::Bool(false),
        Type::S8 => Value::S8(0),
        Type::U8 => Value::U8(0),
        Type::S16 => Value::S16(0),
        Type::U16 => Value::U16(0),
        Type::S32 => Value::S32(0),
        Type::U32 => Value::U32(0),
        Type::S64 => Value::S64(0),
        Type::U64 => Value::U64(0),
        Type::F32 => Value::F32(0.0),
        Type::F64 => Value::F64(0.0),
        Type::Char => Value::Char('a'),
        Type::String => Value::String(String::new()),
        Type::Record(fields) => {
            let fields = fields.iter();
            Value::Record(
                fields
                    .map(|field| (field.name.clone(), zero(&field.ty)))
                    .collect(),
            )
        }
        Type::Tuple(items) => Value::Tuple(items.iter().map(zero).collect()),
        Type::Variant(cases) => {
            let payload = cases[0].ty.as_ref().map(|ty| Box::new(zero(ty)));
            Value::Variant(cases[0].name.clone(), payload)
        }
        Type::Enum(names) => Value::Enum(names[0].clone()),
        Type::Option(_) => Value::Option(None),
        Type::Result { ok, .. } => Value::Result(Ok(ok.as_ref().map(|ty| Box::new(zero(ty))))),
        Type::Flags(_) => Value::Flags(Vec::new()),
        _ => Value::List(Vec::new()),
    }
}

/// One of the seeds with some damage: bits that are wrong, or a piece that is missing, doubled or from elsewhere.
fn damaged(random: &mut Random) -> Vec<u8> {
    let seed = random.below(SEEDS.len() as u64) as usize;
    let mut bytes = SEEDS[seed].to_vec();
    for _ in 0..=random.below(3) {
        let length = bytes.len() as u64;
        if length < 2 {
            break;
        }
        let place = random.below(length) as usize;
        let piece = place..(place + 1 + random.below(16) as usize).min(bytes.len());
        match random.below(6) {
            0 => bytes[place] ^= 1 << random.below(8),
            1 => bytes[place] = random.below(256) as u8,
            2 => drop(bytes.drain(piece)),
            3 => {
                let doubled = bytes[piece].to_vec();
                bytes.splice(place..place, doubled);
            }
            4 => {
                let other = random.below(length - 1) as usize;
                bytes.swap(place, other);
            }
            _ if random.below(4) == 0 => bytes.truncate(place),
            // A digit of text is a digit still, so that it is a component more often.
            _ => {
                let digit = bytes[place..].iter().position(u8::is_ascii_digit);
                if let Some(digit) = digit {
                    bytes[place + digit] = b'0' + random.below(10) as u8;
                }
            }
        }
    }
    bytes
}

/// A folder for what compiles, removed with all that is in it.
struct Cache(PathBuf);

impl Cache {
    fn new() -> Result<Cache> {
        let path = std::env::temp_dir().join(format!("host-damaged-{}", std::process::id()));
        ensure!(
            !path.exists(),
            "{} is there already: remove it",
            path.display()
        );
        Ok(Cache(path))
    }

    fn clear(&self) -> Result<()> {
        if self.0.exists() {
            fs::remove_dir_all(&self.0)?;
        }
        Ok(())
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // A folder of a temporary kind does no harm where it stays.
        let _ = self.clear();
    }
}
