//! Whether a Rust type can take the place of a WIT type at all: serde is asked to read samples of it.

use super::decode::{DecodeError, Integers, read};
use super::flag_bytes;
use crate::types::Type;
use serde::de::{Deserialize, DeserializeOwned};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// Whether the Rust type `T` can be given where a function takes `ty`.
pub(crate) fn accepts<T: Deserialize<'static>>(ty: &Type) -> bool {
    (0..widest(ty)).all(|round| shape_fits(read::<T>(kept(sample(ty, round)), ty, Integers::Any)))
}

/// Whether the Rust type `T` can hold all that a function gives as `ty`.
pub(crate) fn gives<T: DeserializeOwned>(ty: &Type) -> bool {
    (0..widest(ty)).all(|round| shape_fits(read::<T>(&sample(ty, round), ty, Integers::Exact)))
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

/// How many samples show every case of the type, up to a bound that keeps odd types cheap.
fn widest(ty: &Type) -> usize {
    let cases = match ty {
        Type::Variant(cases) => cases
            .iter()
            .filter_map(|c| c.ty.as_ref())
            .map(widest)
            .fold(cases.len(), usize::max),
        Type::Enum(names) => names.len(),
        Type::List(item) => widest(item),
        Type::Option(some) => widest(some).max(2),
        Type::Result { ok, err } => [ok, err]
            .into_iter()
            .flatten()
            .map(|ty| widest(ty))
            .fold(2, usize::max),
        Type::Tuple(items) => items.iter().map(widest).fold(1, usize::max),
        Type::Record(fields) => fields
            .iter()
            .map(|field| widest(&field.ty))
            .fold(1, usize::max),
        _ => 1,
    };
    cases.min(64)
}

/// A small value of the type: zeros, lists of one item, and the cases in turn from round to round.
fn sample(ty: &Type, round: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_sample(ty, round, &mut bytes);
    bytes
}

fn put_sample(ty: &Type, round: usize, out: &mut Vec<u8>) {
    match ty {
        Type::Bool | Type::S8 | Type::U8 => out.push(0),
        Type::S16 | Type::U16 => out.extend([0; 2]),
        Type::S32 | Type::U32 | Type::F32 | Type::Char | Type::String => out.extend([0; 4]),
        Type::S64 | Type::U64 | Type::F64 => out.extend([0; 8]),
        Type::Flags(names) => out.resize(out.len() + flag_bytes(names.len()), 0),
        Type::List(item) => {
            out.extend(1u32.to_le_bytes());
            put_sample(item, round, out);
        }
        Type::Tuple(items) => items.iter().for_each(|item| put_sample(item, round, out)),
        Type::Record(fields) => fields
            .iter()
            .for_each(|field| put_sample(&field.ty, round, out)),
        Type::Enum(names) => out.extend(((round % names.len().max(1)) as u32).to_le_bytes()),
        Type::Variant(cases) => {
            let case = round % cases.len().max(1);
            out.extend((case as u32).to_le_bytes());
            cases
                .get(case)
                .and_then(|case| case.ty.as_ref())
                .into_iter()
                .for_each(|ty| put_sample(ty, round, out));
        }
        Type::Option(some) => {
            // The value first, so that a single round shows what the option holds.
            out.push(u8::from(round.is_multiple_of(2)));
            if round.is_multiple_of(2) {
                put_sample(some, round, out);
            }
        }
        Type::Result { ok, err } => {
            out.push((round % 2) as u8);
            let payload = if round.is_multiple_of(2) { ok } else { err };
            payload.iter().for_each(|ty| put_sample(ty, round, out));
        }
    }
}
