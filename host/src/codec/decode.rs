//! Bytes to Rust values, by serde and the WIT type; and whether a Rust type can take the place of a WIT type at all.
//!
//! The bytes may come from a hostile worker, so every length is checked before it is used. The rule for numbers: a Rust
//! type may take what a WIT type gives if it can hold all of it, so `s32` may become an `i64` but not an `i16`.

use super::{NOTHING, bulk, dynamic, flag_bytes, same_name};
use crate::types::{Field, Type};
use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{
    self, Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, Visitor,
};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Reads one value of type `ty`, which must be all that `bytes` holds.
#[inline]
pub(crate) fn decode<'de, T: Deserialize<'de>>(
    bytes: &'de [u8],
    ty: &Type,
) -> Result<T, DecodeError> {
    read(bytes, ty, Integers::Exact)
}

/// Whether the Rust type `T` can be given where a function takes `ty`.
pub(crate) fn accepts<T: Deserialize<'static>>(ty: &Type) -> bool {
    (0..widest(ty)).all(|round| shape_fits(read::<T>(kept(sample(ty, round)), ty, Integers::Any)))
}

/// Whether the Rust type `T` can hold all that a function gives as `ty`.
pub(crate) fn gives<T: DeserializeOwned>(ty: &Type) -> bool {
    (0..widest(ty)).all(|round| shape_fits(read::<T>(&sample(ty, round), ty, Integers::Exact)))
}

/// Bytes that are not a value of the type, or a Rust type that does not want such a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
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
enum Integers {
    /// Those that hold every value of it.
    Exact,
    /// All: when arguments are encoded, each value is checked by itself.
    Any,
}

fn read<'de, T: Deserialize<'de>>(
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

/// Takes the next `N` bytes.
#[inline]
pub(super) fn take<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], DecodeError> {
    let (head, tail) = input
        .split_first_chunk::<N>()
        .ok_or(DecodeError::Malformed("the value is cut short"))?;
    *input = tail;
    Ok(*head)
}

/// Takes the next `length` bytes.
pub(super) fn take_slice<'de>(
    input: &mut &'de [u8],
    length: usize,
) -> Result<&'de [u8], DecodeError> {
    let (head, tail) = input
        .split_at_checked(length)
        .ok_or(DecodeError::Malformed("the value is cut short"))?;
    *input = tail;
    Ok(head)
}

/// Takes a count of items, each of which takes at least one of the bytes that follow.
pub(super) fn take_count(input: &mut &[u8]) -> Result<usize, DecodeError> {
    let count = u32::from_le_bytes(take(input)?) as usize;
    if count > input.len() {
        Err(DecodeError::Malformed("a list is longer than its bytes"))
    } else {
        Ok(count)
    }
}

/// Takes the index of a case, which must be one of `cases`.
pub(super) fn take_case(input: &mut &[u8], cases: usize) -> Result<usize, DecodeError> {
    let case = u32::from_le_bytes(take(input)?) as usize;
    if case < cases {
        Ok(case)
    } else {
        Err(DecodeError::Malformed("there is no such case"))
    }
}

/// Takes the byte that tells the two cases of an option or a result apart, or that is a bool.
pub(super) fn take_bool(input: &mut &[u8]) -> Result<bool, DecodeError> {
    match take(input)? {
        [0] => Ok(false),
        [1] => Ok(true),
        _ => Err(DecodeError::Malformed("a yes or no is neither")),
    }
}

pub(super) fn take_str<'de>(input: &mut &'de [u8]) -> Result<&'de str, DecodeError> {
    let length = take_count(input)?;
    std::str::from_utf8(take_slice(input, length)?)
        .map_err(|_| DecodeError::Malformed("a string is not UTF-8"))
}

pub(super) fn take_char(input: &mut &[u8]) -> Result<char, DecodeError> {
    char::from_u32(u32::from_le_bytes(take(input)?))
        .ok_or(DecodeError::Malformed("a character is none"))
}

struct Decoder<'t, 'i, 'de> {
    ty: &'t Type,
    input: &'i mut &'de [u8],
    integers: Integers,
}

impl<'de> Decoder<'_, '_, 'de> {
    #[cold]
    fn mismatch<T>(&self, rust: &str) -> Result<T, DecodeError> {
        Err(DecodeError::Mismatch(format!(
            "`{}` cannot be a Rust {rust}",
            self.ty
        )))
    }

    fn visit_number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::S8 => visitor.visit_i8(i8::from_le_bytes(take(self.input)?)),
            Type::U8 => visitor.visit_u8(u8::from_le_bytes(take(self.input)?)),
            Type::S16 => visitor.visit_i16(i16::from_le_bytes(take(self.input)?)),
            Type::U16 => visitor.visit_u16(u16::from_le_bytes(take(self.input)?)),
            Type::S32 => visitor.visit_i32(i32::from_le_bytes(take(self.input)?)),
            Type::U32 => visitor.visit_u32(u32::from_le_bytes(take(self.input)?)),
            Type::S64 => visitor.visit_i64(i64::from_le_bytes(take(self.input)?)),
            Type::U64 => visitor.visit_u64(u64::from_le_bytes(take(self.input)?)),
            Type::F32 => visitor.visit_f32(f32::from_le_bytes(take(self.input)?)),
            Type::F64 => visitor.visit_f64(f64::from_le_bytes(take(self.input)?)),
            _ => self.mismatch("number"),
        }
    }

    /// Any integer type will do while types are compared for arguments; zero is a value of each.
    fn any_integer<V: Visitor<'de>>(self, visitor: V, rust: &str) -> Result<V::Value, DecodeError> {
        let bytes = match self.ty {
            Type::S8 | Type::U8 => 1,
            Type::S16 | Type::U16 => 2,
            Type::S32 | Type::U32 | Type::F32 => 4,
            Type::S64 | Type::U64 | Type::F64 => 8,
            _ => return self.mismatch(rust),
        };
        if self.integers == Integers::Exact {
            return self.mismatch(rust);
        }
        take_slice(self.input, bytes)?;
        visitor.visit_u8(0)
    }

    fn items<V: Visitor<'de>>(self, visitor: V, rust: &str) -> Result<V::Value, DecodeError> {
        let Decoder {
            ty,
            input,
            integers,
        } = self;
        match ty {
            Type::List(item) => {
                let left = take_count(input)?;
                visitor.visit_seq(&mut Sequence {
                    types: Types::All(item, left),
                    input,
                    integers,
                })
            }
            Type::Tuple(types) => {
                let mut sequence = Sequence {
                    types: Types::Each(types),
                    input,
                    integers,
                };
                let value = visitor.visit_seq(&mut sequence)?;
                match sequence.types {
                    Types::Each([]) => Ok(value),
                    _ => Err(DecodeError::Mismatch(format!(
                        "`{ty}` has more items than the Rust {rust}"
                    ))),
                }
            }
            Type::Flags(names) => {
                let bits = take_slice(input, flag_bytes(names.len()))?;
                let set = names
                    .iter()
                    .enumerate()
                    .filter(|(bit, _)| bits[bit / 8] >> (bit % 8) & 1 == 1);
                visitor.visit_seq(de::value::SeqDeserializer::new(
                    set.map(|(_, name)| name.as_str()),
                ))
            }
            _ => Decoder {
                ty,
                input,
                integers,
            }
            .mismatch(rust),
        }
    }

    fn fields<V: Visitor<'de>>(
        self,
        rust_names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Decoder {
            ty,
            input,
            integers,
        } = self;
        match ty {
            // Serde's structs take their fields in order as well, which spares the search for each name.
            Type::Record(fields)
                if fields.len() == rust_names.len()
                    && fields
                        .iter()
                        .zip(rust_names)
                        .all(|(field, name)| same_name(&field.name, name)) =>
            {
                visitor.visit_seq(&mut Sequence {
                    types: Types::Fields(fields),
                    input,
                    integers,
                })
            }
            Type::Record(fields) => visitor.visit_map(Map {
                fields,
                rust_names,
                input,
                integers,
            }),
            Type::Flags(names) => {
                let bits = take_slice(input, flag_bytes(names.len()))?;
                let entries = names.iter().enumerate().map(|(bit, name)| {
                    let rust = rust_names
                        .iter()
                        .find(|rust| same_name(name, rust))
                        .copied();
                    (rust.unwrap_or(name), bits[bit / 8] >> (bit % 8) & 1 == 1)
                });
                visitor.visit_map(de::value::MapDeserializer::new(entries))
            }
            Type::List(item) => match &**item {
                Type::Tuple(pair) if pair.len() == 2 => {
                    let left = take_count(input)?;
                    visitor.visit_map(Pairs {
                        pair,
                        left,
                        input,
                        integers,
                    })
                }
                _ => Decoder {
                    ty,
                    input,
                    integers,
                }
                .mismatch("map"),
            },
            _ => Decoder {
                ty,
                input,
                integers,
            }
            .mismatch("struct or map"),
        }
    }
}

macro_rules! number {
    ($($method:ident $visit:ident $rust:ident: $exact:ident $(, $wider:ident)*;)*) => { $(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            match self.ty {
                Type::$exact => visitor.$visit($rust::from_le_bytes(take(self.input)?)),
                $(Type::$wider)|* => self.visit_number(visitor),
                _ => self.any_integer(visitor, stringify!($rust)),
            }
        }
    )* };
}

impl<'de> Deserializer<'de> for Decoder<'_, '_, 'de> {
    type Error = DecodeError;

    number! {
        deserialize_i16 visit_i16 i16: S16, S8, U8;
        deserialize_u16 visit_u16 u16: U16, U8;
        deserialize_i32 visit_i32 i32: S32, S16, U16, S8, U8;
        deserialize_u32 visit_u32 u32: U32, U16, U8;
        deserialize_i64 visit_i64 i64: S64, S32, U32, S16, U16, S8, U8;
        deserialize_u64 visit_u64 u64: U64, U32, U16, U8;
    }
    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if *self.ty == Type::S8 {
            self.visit_number(visitor)
        } else {
            self.any_integer(visitor, "i8")
        }
    }
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if *self.ty == Type::U8 {
            self.visit_number(visitor)
        } else {
            self.any_integer(visitor, "u8")
        }
    }
    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if matches!(self.ty, Type::F32 | Type::F64) {
            self.any_integer(visitor, "i128")
        } else {
            self.visit_number(visitor)
        }
    }
    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_u64(visitor)
    }
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match (self.ty, self.integers) {
            (Type::F32, _) => self.visit_number(visitor),
            (Type::F64, Integers::Any) => {
                take::<8>(self.input)?;
                visitor.visit_f32(0.0)
            }
            _ => self.mismatch("f32"),
        }
    }
    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match (self.ty, self.integers) {
            (Type::F64, _) => visitor.visit_f64(f64::from_le_bytes(take(self.input)?)),
            (Type::F32, Integers::Exact) => self.visit_number(visitor),
            _ => self.mismatch("f64"),
        }
    }
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::Bool => visitor.visit_bool(take_bool(self.input)?),
            _ => self.mismatch("bool"),
        }
    }
    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::Char => visitor.visit_char(take_char(self.input)?),
            _ => self.mismatch("char"),
        }
    }
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::String => visitor.visit_borrowed_str(take_str(self.input)?),
            Type::Enum(names) => {
                let case = take_case(self.input, names.len())?;
                visitor.visit_str(&names[case])
            }
            _ => self.mismatch("string"),
        }
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::List(item) if **item == Type::U8 => {
                let length = take_count(self.input)?;
                visitor.visit_borrowed_bytes(take_slice(self.input, length)?)
            }
            _ => self.mismatch("byte string"),
        }
    }
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_bytes(visitor)
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::Option(some) if take_bool(self.input)? => {
                visitor.visit_some(Decoder { ty: some, ..self })
            }
            Type::Option(_) => visitor.visit_none(),
            _ => self.mismatch("Option"),
        }
    }
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::Tuple(items) if items.is_empty() => visitor.visit_unit(),
            _ => self.mismatch("()"),
        }
    }
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_unit(visitor)
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if dynamic::wants_value::<V>() {
            let value = dynamic::decode(self.input, self.ty)?;
            return bulk::same(value).ok_or(DecodeError::Malformed("a value is not one"));
        }
        visitor.visit_newtype_struct(self)
    }
    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if let Type::List(item) = self.ty {
            let input = &mut *self.input;
            let list = bulk::decode_list::<V>(item, |size| {
                let count = take_count(input)?;
                take_slice(
                    input,
                    count
                        .checked_mul(size)
                        .ok_or(DecodeError::Malformed("a list is too long"))?,
                )
            });
            if let Some(list) = list {
                return list;
            }
        }
        self.items(visitor, "sequence")
    }
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::Tuple(types) if types.len() == length => self.items(visitor, "tuple"),
            // A list of whatever length is no Rust array or tuple of a fixed one, but bytes of it may be tried.
            _ => self.mismatch(&format!("tuple of {length}")),
        }
    }
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(length, visitor)
    }
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.fields(&[], visitor)
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::Record(_) | Type::Flags(_) => self.fields(fields, visitor),
            _ => self.mismatch("struct"),
        }
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        cases: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Decoder {
            ty,
            input,
            integers,
        } = self;
        let (name, payload) = match ty {
            Type::Variant(types) => {
                let case = &types[take_case(input, types.len())?];
                (case.name.as_str(), case.ty.as_ref())
            }
            Type::Enum(names) => (names[take_case(input, names.len())?].as_str(), None),
            Type::Result { ok, err } => match take_bool(input)? {
                false => ("Ok", ok.as_deref()),
                true => ("Err", err.as_deref()),
            },
            _ => {
                return Decoder {
                    ty,
                    input,
                    integers,
                }
                .mismatch("enum");
            }
        };
        let name = cases
            .iter()
            .find(|case| same_name(name, case))
            .copied()
            .unwrap_or(name);
        visitor.visit_enum(Case {
            name,
            payload: payload.unwrap_or(&NOTHING),
            input,
            integers,
        })
    }
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        dynamic::decode(self.input, self.ty)?;
        visitor.visit_unit()
    }
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::Bool => self.deserialize_bool(visitor),
            Type::Char => self.deserialize_char(visitor),
            Type::String => self.deserialize_str(visitor),
            Type::Tuple(items) if items.is_empty() => self.deserialize_unit(visitor),
            Type::List(_) | Type::Tuple(_) | Type::Flags(_) => self.items(visitor, "value"),
            Type::Record(_) => self.deserialize_map(visitor),
            Type::Option(_) => self.deserialize_option(visitor),
            Type::Variant(_) | Type::Enum(_) | Type::Result { .. } => {
                self.deserialize_enum("", &[], visitor)
            }
            _ => self.visit_number(visitor),
        }
    }
    fn is_human_readable(&self) -> bool {
        false
    }
}

enum Types<'t> {
    All(&'t Type, usize),
    Each(&'t [Type]),
    Fields(&'t [Field]),
}

struct Sequence<'t, 'i, 'de> {
    types: Types<'t>,
    input: &'i mut &'de [u8],
    integers: Integers,
}

impl<'de> de::SeqAccess<'de> for &mut Sequence<'_, '_, 'de> {
    type Error = DecodeError;
    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        let ty = match &mut self.types {
            Types::All(_, 0) | Types::Each([]) | Types::Fields([]) => return Ok(None),
            Types::All(ty, left) => {
                *left -= 1;
                *ty
            }
            Types::Each([ty, rest @ ..]) => {
                self.types = Types::Each(rest);
                ty
            }
            Types::Fields([field, rest @ ..]) => {
                self.types = Types::Fields(rest);
                &field.ty
            }
        };
        seed.deserialize(Decoder {
            ty,
            input: self.input,
            integers: self.integers,
        })
        .map(Some)
    }
    fn size_hint(&self) -> Option<usize> {
        Some(match &self.types {
            Types::All(_, left) => *left,
            Types::Each(types) => types.len(),
            Types::Fields(fields) => fields.len(),
        })
    }
}

/// A record whose Rust struct has other fields, or the same in another order.
struct Map<'t, 'i, 'de> {
    fields: &'t [Field],
    rust_names: &'static [&'static str],
    input: &'i mut &'de [u8],
    integers: Integers,
}

impl<'de> de::MapAccess<'de> for Map<'_, '_, 'de> {
    type Error = DecodeError;
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        let Some(field) = self.fields.first() else {
            return Ok(None);
        };
        match self
            .rust_names
            .iter()
            .find(|rust| same_name(&field.name, rust))
        {
            Some(name) => seed
                .deserialize(BorrowedStrDeserializer::new(name))
                .map(Some),
            None => seed
                .deserialize(StrDeserializer::new(&field.name))
                .map(Some),
        }
    }
    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        let [field, rest @ ..] = self.fields else {
            return Err(DecodeError::Malformed("no field is left"));
        };
        self.fields = rest;
        seed.deserialize(Decoder {
            ty: &field.ty,
            input: self.input,
            integers: self.integers,
        })
    }
}

/// A list of pairs as a map.
struct Pairs<'t, 'i, 'de> {
    pair: &'t [Type],
    left: usize,
    input: &'i mut &'de [u8],
    integers: Integers,
}

impl<'de> de::MapAccess<'de> for Pairs<'_, '_, 'de> {
    type Error = DecodeError;
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(Decoder {
            ty: &self.pair[0],
            input: self.input,
            integers: self.integers,
        })
        .map(Some)
    }
    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        seed.deserialize(Decoder {
            ty: &self.pair[1],
            input: self.input,
            integers: self.integers,
        })
    }
}

struct Case<'t, 'i, 'de> {
    name: &'t str,
    payload: &'t Type,
    input: &'i mut &'de [u8],
    integers: Integers,
}

impl<'t, 'i, 'de> de::EnumAccess<'de> for Case<'t, 'i, 'de> {
    type Error = DecodeError;
    type Variant = Decoder<'t, 'i, 'de>;
    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), DecodeError> {
        let case = seed.deserialize(self.name.into_deserializer())?;
        Ok((
            case,
            Decoder {
                ty: self.payload,
                input: self.input,
                integers: self.integers,
            },
        ))
    }
}

impl<'de> de::VariantAccess<'de> for Decoder<'_, '_, 'de> {
    type Error = DecodeError;
    fn unit_variant(self) -> Result<(), DecodeError> {
        <()>::deserialize(self)
    }
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        seed.deserialize(self)
    }
    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(length, visitor)
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_struct("", fields, visitor)
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
