//! Whether a Rust type can take the place of a WIT type at all: serde is asked to read samples of it.
//!
//! Serde doesn't tell what a Rust type is made of, but it shows it when it reads: so there is a sample for each
//! alternative anywhere in the WIT type, be it the case of a variant, an enum or a result, or the two of an option. A
//! mismatch in any of them is found before the first job.

use super::decode::{DecodeError, Integers, read};
use super::flag_bytes;
use crate::types::Type;
use crate::value::Handle;
use serde::de::{Deserialize, DeserializeOwned};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// How many types are looked at in all samples together. A type of a hundred parts has some 2,600 samples before this is
/// used up, but a type that a hostile component made up to take long does not take long.
const BUDGET: usize = 1 << 18;

/// Whether the Rust type `T` can be given where a function takes `ty`.
pub(crate) fn accepts<T: Deserialize<'static>>(ty: &Type) -> bool {
    samples(ty).all(|sample| shape_fits(read::<T>(kept(sample), ty, Integers::Any)))
}

/// Whether the Rust type `T` can hold all that a function gives as `ty`.
pub(crate) fn gives<T: DeserializeOwned>(ty: &Type) -> bool {
    samples(ty).all(|sample| shape_fits(read::<T>(&sample, ty, Integers::Exact)))
}

/// Whether the Rust type agreed with the shape of a sample. That it refused the value for what it is, such as a zero
/// where it wants none, is no objection.
fn shape_fits<T>(read: Result<T, DecodeError>) -> bool {
    !matches!(
        read,
        Err(DecodeError::Mismatch(_) | DecodeError::Malformed(_))
    )
}

/// The sample, kept for ever, as types with borrowed parts such as `&str` need it. Each is kept but once, and there are
/// only as many as there are types in use.
fn kept(sample: Vec<u8>) -> &'static [u8] {
    static KEPT: Mutex<BTreeSet<&'static [u8]>> = Mutex::new(BTreeSet::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    match kept.get(sample.as_slice()) {
        Some(known) => known,
        None => {
            let sample: &'static [u8] = sample.leak();
            kept.insert(sample);
            sample
        }
    }
}

/// Small values of the type, zeros and lists of one item, which together have every alternative in them.
fn samples(ty: &Type) -> impl Iterator<Item = Vec<u8>> {
    let affordable = (BUDGET / parts(ty)).max(1);
    (0..rounds(ty).min(affordable)).map(|round| {
        let mut bytes = Vec::new();
        put_sample(ty, round, &mut bytes);
        bytes
    })
}

/// How many samples it takes: alternatives are shown one after the other, parts that stand side by side at once.
fn rounds(ty: &Type) -> usize {
    let at_once = |rounds: &mut dyn Iterator<Item = usize>| rounds.fold(1, usize::max);
    match ty {
        Type::Enum(names) => names.len().max(1),
        Type::Variant(cases) => {
            let each = cases.iter().map(|case| rounds_within(case.ty.as_ref()));
            each.sum::<usize>().max(1)
        }
        Type::Option(some) => rounds(some) + 1,
        Type::Result { ok, err } => rounds_within(ok.as_deref()) + rounds_within(err.as_deref()),
        Type::List(item) => rounds(item),
        Type::Tuple(items) => at_once(&mut items.iter().map(rounds)),
        Type::Record(fields) => at_once(&mut fields.iter().map(|field| rounds(&field.ty))),
        _ => 1,
    }
}

/// For what a case carries, if it carries anything.
fn rounds_within(payload: Option<&Type>) -> usize {
    payload.map_or(1, rounds)
}

/// How many types the type is made of, itself and every case included.
fn parts(ty: &Type) -> usize {
    let within = |payload: Option<&Type>| 1 + payload.map_or(0, parts);
    match ty {
        Type::Variant(cases) => cases.iter().map(|case| within(case.ty.as_ref())).sum(),
        Type::Option(some) => within(Some(some)),
        Type::Result { ok, err } => within(ok.as_deref()) + within(err.as_deref()),
        Type::List(item) => within(Some(item)),
        Type::Tuple(items) => 1 + items.iter().map(parts).sum::<usize>(),
        Type::Record(fields) => 1 + fields.iter().map(|field| parts(&field.ty)).sum::<usize>(),
        _ => 1,
    }
    .max(1)
}

/// Appends the sample of this round. A type whose rounds are over begins again, while others beside it go on.
fn put_sample(ty: &Type, round: usize, out: &mut Vec<u8>) {
    let round = round % rounds(ty);
    match ty {
        Type::Bool | Type::S8 | Type::U8 => out.push(0),
        Type::S16 | Type::U16 => out.extend([0; 2]),
        Type::S32 | Type::U32 | Type::F32 | Type::Char | Type::String => out.extend([0; 4]),
        Type::S64 | Type::U64 | Type::F64 => out.extend([0; 8]),
        Type::Flags(names) => out.resize(out.len() + flag_bytes(names.len()), 0),
        Type::Borrow(_) => out.resize(out.len() + Handle::BYTES, 0),
        Type::List(item) => {
            out.extend(1u32.to_le_bytes());
            put_sample(item, round, out);
        }
        Type::Tuple(items) => items.iter().for_each(|item| put_sample(item, round, out)),
        Type::Record(fields) => fields
            .iter()
            .for_each(|field| put_sample(&field.ty, round, out)),
        Type::Enum(_) => out.extend((round as u32).to_le_bytes()),
        Type::Variant(cases) => {
            let payloads = cases.iter().map(|case| case.ty.as_ref());
            let (case, payload, round) = alternative(payloads, round);
            out.extend((case as u32).to_le_bytes());
            payload.iter().for_each(|ty| put_sample(ty, round, out));
        }
        Type::Option(some) => {
            // `some` is the first alternative and written as 1, so that even a single sample shows what it holds.
            let (case, payload, round) = alternative([Some(&**some), None].into_iter(), round);
            out.push(1 - case as u8);
            payload.iter().for_each(|ty| put_sample(ty, round, out));
        }
        Type::Result { ok, err } => {
            let payloads = [ok.as_deref(), err.as_deref()].into_iter();
            let (case, payload, round) = alternative(payloads, round);
            out.push(case as u8);
            payload.iter().for_each(|ty| put_sample(ty, round, out));
        }
    }
}

/// The alternative whose turn it is, what it carries, and which of the rounds of that it is.
fn alternative<'t>(
    payloads: impl Iterator<Item = Option<&'t Type>>,
    mut round: usize,
) -> (usize, Option<&'t Type>, usize) {
    for (case, payload) in payloads.enumerate() {
        let rounds = rounds_within(payload);
        if round < rounds {
            return (case, payload, round);
        }
        round -= rounds;
    }
    // A type without alternatives has no values, so nothing fits it.
    (0, None, 0)
}
