//! Rust values to bytes, by serde and the WIT type.
//!
//! The type leads: each value that serde hands over must fit the type at its place, or the error names both. An integer
//! of any Rust type fits any WIT integer that can hold its value, so that plain literals just work.

mod encoder;
mod items;
mod records;

use super::{NOTHING, bulk, dynamic, flag_bytes, same_name};
use crate::types::{Case, Type};
use serde::ser::{self, Serialize};
use std::fmt;

/// Appends `value` as a value of type `ty` to `out`. After an error `out` ends in an unfinished value.
pub(crate) fn encode<T: Serialize + ?Sized>(
    value: &T,
    ty: &Type,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    value.serialize(Encoder { ty, out })
}

/// A Rust value does not fit the WIT type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError {
    /// Where in the value: field names and item numbers, outermost first; empty for the value itself.
    pub path: String,
    /// What was wanted, and what was there.
    pub message: String,
}

impl EncodeError {
    pub(super) fn wanted(ty: &Type, found: impl fmt::Display) -> EncodeError {
        EncodeError {
            path: String::new(),
            message: format!("`{ty}` is wanted, not {found}"),
        }
    }

    pub(super) fn within(mut self, place: impl fmt::Display) -> EncodeError {
        self.path = format!(".{place}{}", self.path);
        self
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "at `{}`: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for EncodeError {}

impl ser::Error for EncodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        EncodeError {
            path: String::new(),
            message: message.to_string(),
        }
    }
}

/// The place for a value of type `ty` at the end of `out`, which serde fills.
struct Encoder<'a> {
    ty: &'a Type,
    out: &'a mut Vec<u8>,
}

impl<'a> Encoder<'a> {
    fn refuse<T>(&self, found: impl fmt::Display) -> Result<T, EncodeError> {
        Err(EncodeError::wanted(self.ty, found))
    }

    /// Writes the index of the case of this name in Rust, and gives the type of what it carries.
    fn case(&mut self, name: &str) -> Result<&'a Type, EncodeError> {
        let (index, ty) = match self.ty {
            Type::Variant(cases) => {
                let index = cases.iter().position(|case| same_name(&case.name, name));
                (index, index.and_then(|i| cases[i].ty.as_ref()))
            }
            Type::Enum(names) => (names.iter().position(|n| same_name(n, name)), None),
            Type::Result { ok, .. } if name == "Ok" => {
                self.out.push(0);
                return Ok(ok.as_deref().unwrap_or(&NOTHING));
            }
            Type::Result { err, .. } if name == "Err" => {
                self.out.push(1);
                return Ok(err.as_deref().unwrap_or(&NOTHING));
            }
            _ => (None, None),
        };
        match index {
            Some(index) => put_length(index, self.out)?,
            None => return self.refuse(format_args!("the case `{name}`")),
        }
        Ok(ty.unwrap_or(&NOTHING))
    }
}

/// Writes a length or an index, which the codec holds in 32 bits.
pub(super) fn put_length(length: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let length = u32::try_from(length).map_err(|_| EncodeError {
        path: String::new(),
        message: format!("a length of {length} is over the limit of {}", u32::MAX),
    })?;
    out.extend_from_slice(&length.to_le_bytes());
    Ok(())
}

/// Writes a string or a list of bytes: its length, then itself.
pub(super) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    put_length(bytes.len(), out)?;
    out.extend_from_slice(bytes);
    Ok(())
}

/// The index of the case of this name, and what it carries.
pub(super) fn find_case<'t>(cases: &'t [Case], name: &str) -> Option<(usize, Option<&'t Type>)> {
    let index = cases.iter().position(|case| case.name == name)?;
    Some((index, cases[index].ty.as_ref()))
}
