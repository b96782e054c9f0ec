//! Bytes to Rust values, by serde and the WIT type.
//!
//! The bytes may come from a hostile worker, so every length is checked before it is used. The rule for numbers: a Rust
//! type may take what a WIT type gives if it can hold all of it, so `s32` may become an `i64` but not an `i16`.

mod cases;
mod decoder;
mod records;
mod sequences;
pub(super) mod take;

use super::{NOTHING, bulk, dynamic, flag_bytes, same_name};
use crate::types::Type;
use serde::de::{self, Deserialize};
use std::fmt;

/// Reads one value of type `ty`, which must be all that `bytes` holds.
#[inline]
pub(crate) fn decode<'de, T: Deserialize<'de>>(
    bytes: &'de [u8],
    ty: &Type,
) -> Result<T, DecodeError> {
    read(bytes, ty, Integers::Exact)
}

/// Bytes that are not a value of the type, or a Rust type that does not want such a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// The bytes are no value of the type; a worker that sends them is broken or hostile.
    #[error("{0}")]
    Malformed(&'static str),
    /// The Rust type has another shape than the WIT type.
    #[error("{0}")]
    Mismatch(String),
    /// The shapes agree, but the Rust type refused this value.
    #[error("{0}")]
    Refused(String),
}

/// Which Rust integers may stand for a WIT integer.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Integers {
    /// Those that hold every value of it.
    Exact,
    /// All: when arguments are encoded, each value is checked by itself.
    Any,
}

/// As [`decode`], with a rule for integers.
pub(super) fn read<'de, T: Deserialize<'de>>(
    mut bytes: &'de [u8],
    ty: &Type,
    integers: Integers,
) -> Result<T, DecodeError> {
    let value = T::deserialize(Decoder {
        ty,
        input: &mut bytes,
        integers,
    })?;
    if bytes.is_empty() {
        Ok(value)
    } else {
        Err(DecodeError::Malformed(
            "bytes are left over after the value",
        ))
    }
}

/// A value of type `ty` at the front of `input`, which serde asks for in the shape that the Rust type has.
struct Decoder<'t, 'i, 'de> {
    ty: &'t Type,
    input: &'i mut &'de [u8],
    integers: Integers,
}

impl Decoder<'_, '_, '_> {
    #[cold]
    fn mismatch<T>(&self, rust: &str) -> Result<T, DecodeError> {
        Err(DecodeError::Mismatch(format!(
            "`{}` cannot be a Rust {rust}",
            self.ty
        )))
    }
}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        DecodeError::Refused(message.to_string())
    }
    fn invalid_type(found: de::Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        DecodeError::Mismatch(format!("{found} was given where {wanted} is wanted"))
    }
    fn invalid_length(length: usize, wanted: &dyn de::Expected) -> Self {
        DecodeError::Mismatch(format!(
            "{length} items were given where {wanted} is wanted"
        ))
    }
    fn unknown_variant(case: &str, known: &'static [&'static str]) -> Self {
        DecodeError::Mismatch(format!(
            "the case `{case}` is not among the Rust enum's {}",
            known.join(", ")
        ))
    }
    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        DecodeError::Mismatch(format!(
            "the field `{field}` is not among the Rust struct's {}",
            known.join(", ")
        ))
    }
    fn missing_field(field: &'static str) -> Self {
        DecodeError::Mismatch(format!("the Rust struct's field `{field}` is missing"))
    }
}
