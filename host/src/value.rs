//! WIT values whose type is known only while the program runs.
//!
//! Typed callers never meet this module: their own Rust types travel by serde. It serves the program, which reads
//! values as text, and callers who load components that they did not write.

mod handle;
pub mod json;
mod text;
pub mod wave;

#[cfg(test)]
pub(crate) mod arbitrary;

pub use handle::Handle;
pub use text::{Problem, TextError};

/// A WIT value, shaped like the [`Type`](crate::Type) of the same name.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `bool`.
    Bool(bool),
    /// `s8`.
    S8(i8),
    /// `u8`.
    U8(u8),
    /// `s16`.
    S16(i16),
    /// `u16`.
    U16(u16),
    /// `s32`.
    S32(i32),
    /// `u32`.
    U32(u32),
    /// `s64`.
    S64(i64),
    /// `u64`.
    U64(u64),
    /// `f32`.
    F32(f32),
    /// `f64`.
    F64(f64),
    /// `char`.
    Char(char),
    /// `string`.
    String(String),
    /// `list<t>`, all items of one type.
    List(Vec<Value>),
    /// `record`, fields in their declared order.
    Record(Vec<(String, Value)>),
    /// `tuple<t, …>`.
    Tuple(Vec<Value>),
    /// A case of a `variant`, with what it carries.
    Variant(String, Option<Box<Value>>),
    /// A case of an `enum`.
    Enum(String),
    /// `option<t>`.
    Option(Option<Box<Value>>),
    /// `result<ok, err>`; a case without a type carries `None`.
    Result(Result<Option<Box<Value>>, Option<Box<Value>>>),
    /// The names of the `flags` that are set, in their declared order.
    Flags(Vec<String>),
    /// `borrow<t>` of a shared object.
    Shared(Handle),
}
