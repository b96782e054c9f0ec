//! WIT types: what a function takes and gives, and what functions a component has.
//!
//! Types are structural, as the component model compares them: two records with the same fields are the same type,
//! whatever name a WIT file gave them. This module knows no values and no bytes.

mod description;
mod object;

pub use description::{Description, FindError};
pub(crate) use description::{closest, did_you_mean};
pub use object::Object;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::Cell;
use std::fmt;

/// A WIT value type.
///
/// *Source*: the value types of the component model (`Explainer.md`, "Type definitions"). Handles to a guest's own
/// resources, streams and futures are not among them, because such values cannot travel between processes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(remote = "Self")]
#[non_exhaustive]
pub enum Type {
    /// `bool`.
    Bool,
    /// `s8`, a signed integer of 8 bits.
    S8,
    /// `u8`, an unsigned integer of 8 bits.
    U8,
    /// `s16`, a signed integer of 16 bits.
    S16,
    /// `u16`, an unsigned integer of 16 bits.
    U16,
    /// `s32`, a signed integer of 32 bits.
    S32,
    /// `u32`, an unsigned integer of 32 bits.
    U32,
    /// `s64`, a signed integer of 64 bits.
    S64,
    /// `u64`, an unsigned integer of 64 bits.
    U64,
    /// `f32`, an IEEE 754 number of 32 bits.
    F32,
    /// `f64`, an IEEE 754 number of 64 bits.
    F64,
    /// `char`, a Unicode scalar value.
    Char,
    /// `string`, UTF-8 text.
    String,
    /// `list<t>`.
    List(Box<Type>),
    /// `record { name: type, … }`, fields in their declared order.
    Record(Vec<Field>),
    /// `tuple<t, …>`.
    Tuple(Vec<Type>),
    /// `variant { name(type), name, … }`.
    Variant(Vec<Case>),
    /// `enum { name, … }`.
    Enum(Vec<String>),
    /// `option<t>`.
    Option(Box<Type>),
    /// `result<ok, err>`, each of them may be missing.
    Result {
        /// What the `ok` case carries.
        ok: Option<Box<Type>>,
        /// What the `err` case carries.
        err: Option<Box<Type>>,
    },
    /// `flags { name, … }`.
    Flags(Vec<String>),
    /// `borrow<t>` of a resource of `pool:shared`, as a parameter.
    Borrow(Object),
}

/// A named value: a field of a record, or a parameter of a function.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    /// The name in WIT's kebab-case.
    pub name: String,
    /// The type of the value.
    pub ty: Type,
}

/// One case of a variant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Case {
    /// The name in WIT's kebab-case.
    pub name: String,
    /// What the case carries, if it carries anything.
    pub ty: Option<Type>,
}

/// A function that a component exports.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Function {
    /// The exported interface it is in, such as `pool:tasks/arith@0.1.0`; `None` for a function of the world itself.
    pub interface: Option<String>,
    /// The function's own name, such as `square`.
    pub name: String,
    /// What it takes, in order.
    pub params: Vec<Field>,
    /// What it gives, if it gives anything.
    pub result: Option<Type>,
}

impl Function {
    /// Whether it takes shared objects, and so does something outside its own memory.
    pub(crate) fn takes_objects(&self) -> bool {
        self.params.iter().any(|param| param.ty.has_objects())
    }

    /// The full name, `ns:pkg/interface@version#name`, or the bare name for a function of the world.
    pub fn full_name(&self) -> String {
        match &self.interface {
            Some(interface) => format!("{interface}#{}", self.name),
            None => self.name.clone(),
        }
    }
}

impl Type {
    fn has_objects(&self) -> bool {
        let within = |ty: &Option<Box<Type>>| ty.as_ref().is_some_and(|ty| ty.has_objects());
        match self {
            Type::Borrow(_) => true,
            Type::List(item) | Type::Option(item) => item.has_objects(),
            Type::Tuple(items) => items.iter().any(Type::has_objects),
            Type::Record(fields) => fields.iter().any(|field| field.ty.has_objects()),
            Type::Variant(cases) => cases
                .iter()
                .any(|case| case.ty.as_ref().is_some_and(Type::has_objects)),
            Type::Result { ok, err } => within(ok) || within(err),
            _ => false,
        }
    }
}

/// How deep a type may nest that comes from another process.
///
/// *Source*: wasmparser's limit, `MAX_WASM_COMPONENT_TYPE_DEPTH`, which no component that compiled exceeds.
const MAX_DEPTH: u32 = 100;

impl Serialize for Type {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Type::serialize(self, serializer)
    }
}

/// Counts how deep it is: the bytes may come from a process that was taken over, and each level costs the writer one
/// byte and the reader a piece of its stack.
impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        thread_local!(static DEPTH: Cell<u32> = const { Cell::new(0) });
        let depth = DEPTH.get();
        if depth == MAX_DEPTH {
            return Err(D::Error::custom("a type nests too deep"));
        }
        DEPTH.set(depth + 1);
        // The derived function, which comes back here for each type inside.
        let ty = Type::deserialize(deserializer);
        DEPTH.set(depth);
        ty
    }
}

/// Written as in a WIT file: `square: func(n: s64) -> s64`.
impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: func(", self.name)?;
        separated(f, &self.params, |f, p| write!(f, "{}: {}", p.name, p.ty))?;
        f.write_str(")")?;
        self.result.iter().try_for_each(|ty| write!(f, " -> {ty}"))
    }
}

/// Written as in a WIT file, with the definition in the place of a name: `list<record { x: f64, y: f64 }>`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Bool => f.write_str("bool"),
            Type::S8 => f.write_str("s8"),
            Type::U8 => f.write_str("u8"),
            Type::S16 => f.write_str("s16"),
            Type::U16 => f.write_str("u16"),
            Type::S32 => f.write_str("s32"),
            Type::U32 => f.write_str("u32"),
            Type::S64 => f.write_str("s64"),
            Type::U64 => f.write_str("u64"),
            Type::F32 => f.write_str("f32"),
            Type::F64 => f.write_str("f64"),
            Type::Char => f.write_str("char"),
            Type::String => f.write_str("string"),
            Type::List(item) => write!(f, "list<{item}>"),
            Type::Option(some) => write!(f, "option<{some}>"),
            Type::Result {
                ok: None,
                err: None,
            } => f.write_str("result"),
            Type::Result {
                ok: Some(ok),
                err: None,
            } => write!(f, "result<{ok}>"),
            Type::Result {
                ok: None,
                err: Some(err),
            } => write!(f, "result<_, {err}>"),
            Type::Result {
                ok: Some(ok),
                err: Some(err),
            } => write!(f, "result<{ok}, {err}>"),
            Type::Tuple(items) => {
                f.write_str("tuple<")?;
                separated(f, items, |f, ty| write!(f, "{ty}"))?;
                f.write_str(">")
            }
            Type::Record(fields) => {
                f.write_str("record { ")?;
                separated(f, fields, |f, field| {
                    write!(f, "{}: {}", field.name, field.ty)
                })?;
                f.write_str(" }")
            }
            Type::Variant(cases) => {
                f.write_str("variant { ")?;
                separated(f, cases, |f, case| match &case.ty {
                    Some(ty) => write!(f, "{}({ty})", case.name),
                    None => f.write_str(&case.name),
                })?;
                f.write_str(" }")
            }
            Type::Enum(names) => write!(f, "enum {{ {} }}", names.join(", ")),
            Type::Flags(names) => write!(f, "flags {{ {} }}", names.join(", ")),
            Type::Borrow(object) => write!(f, "borrow<{object}>"),
        }
    }
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    mut each: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        each(f, item)?;
    }
    Ok(())
}
