//! Values as bytes. Parent and child both know the WIT type, so the bytes carry no tags.
//!
//! | type | bytes, little-endian |
//! |---|---|
//! | `bool`, `s8`, `u8` | 1 |
//! | `s16` … `f64` | their own width |
//! | `char` | the scalar value as 4 |
//! | `string` | its length in bytes as 4, then UTF-8 |
//! | `list` | the number of items as 4, then the items: scalars side by side, so that a list of them is one copy |
//! | `record`, `tuple`, arguments | the fields, one after the other |
//! | `variant`, `enum` | the case's index as 4, then what the case carries |
//! | `option` | 0, or 1 and the value |
//! | `result` | 0 for `ok` or 1 for `err`, then what the case carries |
//! | `flags` | one bit each, the first in the lowest bit, in as few bytes as hold them |
//!
//! Nothing is padded or aligned. A decoder checks every length against the bytes that are left before it allocates.
//! Rust values come and go by serde (`encode`, `decode`), dynamic ones as [`Value`](crate::Value), and the engine
//! turns the same bytes into Wasmtime's values.

mod bulk;
mod decode;
mod dynamic;
mod encode;
mod fit;
mod landing;

pub(crate) use bulk::only_list;
pub(crate) use decode::decode;
pub use encode::EncodeError;
pub(crate) use encode::encode;
pub(crate) use fit::{accepts, gives};
pub(crate) use landing::{Landing, item_bytes};

use crate::types::Type;

/// How many bytes the bits of so many flags take.
fn flag_bytes(flags: usize) -> usize {
    flags.div_ceil(8)
}

/// Whether a name in Rust (`BigCat`, `big_cat`) stands for this name in WIT (`big-cat`): the same letters and digits in
/// the same order, whatever their case and whatever joins the words.
fn same_name(wit: &str, rust: &str) -> bool {
    fn letters(name: &str) -> impl Iterator<Item = u8> + '_ {
        name.bytes()
            .filter(|byte| !matches!(byte, b'-' | b'_'))
            .map(|byte| byte.to_ascii_lowercase())
    }
    wit == rust || letters(wit).eq(letters(rust))
}

/// The type of what a payload-less case carries, and of the result of a function without one: nothing, in no bytes.
pub(crate) static NOTHING: Type = Type::Tuple(Vec::new());

#[cfg(test)]
mod tests;
