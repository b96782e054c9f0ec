//! Dynamic values to bytes and back.
//!
//! A [`Value`] knows its own types, so it passes serde by in one step: it announces itself as a newtype struct, and the
//! codec, where it finds a `Value` behind that, takes over. Other formats than the codec are not offered: a `Value`'s
//! text forms need its type, see [`value::json`](crate::value::json) and [`value::wave`](crate::value::wave).

use super::decode::DecodeError;
use super::decode::take::{
    take, take_bool, take_case, take_char, take_count, take_slice, take_str,
};
use super::encode::{EncodeError, find_case, put_bytes, put_length};
use super::{NOTHING, flag_bytes};
use crate::types::Type;
use crate::value::{Handle, Value};
use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{self, Serialize, Serializer};
use std::fmt;

/// Appends `value` as a value of type `ty`.
pub(super) fn encode(value: &Value, ty: &Type, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match (value, ty) {
        (Value::Bool(v), Type::Bool) => out.push(u8::from(*v)),
        (Value::S8(v), Type::S8) => out.extend(v.to_le_bytes()),
        (Value::U8(v), Type::U8) => out.push(*v),
        (Value::S16(v), Type::S16) => out.extend(v.to_le_bytes()),
        (Value::U16(v), Type::U16) => out.extend(v.to_le_bytes()),
        (Value::S32(v), Type::S32) => out.extend(v.to_le_bytes()),
        (Value::U32(v), Type::U32) => out.extend(v.to_le_bytes()),
        (Value::S64(v), Type::S64) => out.extend(v.to_le_bytes()),
        (Value::U64(v), Type::U64) => out.extend(v.to_le_bytes()),
        (Value::F32(v), Type::F32) => out.extend(v.to_le_bytes()),
        (Value::F64(v), Type::F64) => out.extend(v.to_le_bytes()),
        (Value::Char(v), Type::Char) => out.extend(u32::from(*v).to_le_bytes()),
        (Value::String(v), Type::String) => put_bytes(v.as_bytes(), out)?,
        (Value::List(items), Type::List(ty)) => {
            put_length(items.len(), out)?;
            for (index, item) in items.iter().enumerate() {
                encode(item, ty, out).map_err(|error| error.within(index))?;
            }
        }
        (Value::Tuple(items), Type::Tuple(types)) if items.len() == types.len() => {
            for (index, (item, ty)) in items.iter().zip(types).enumerate() {
                encode(item, ty, out).map_err(|error| error.within(index))?;
            }
        }
        (Value::Record(values), Type::Record(fields)) if values.len() == fields.len() => {
            for ((name, value), field) in values.iter().zip(fields) {
                if *name != field.name {
                    return Err(EncodeError::wanted(
                        ty,
                        format_args!("a record with the field `{name}` in this place"),
                    ));
                }
                encode(value, &field.ty, out).map_err(|error| error.within(name))?;
            }
        }
        (Value::Variant(name, payload), Type::Variant(cases)) => {
            let Some((index, wanted)) = find_case(cases, name) else {
                return Err(refused(value, ty));
            };
            put_length(index, out)?;
            encode_payload(payload, wanted, out).map_err(|error| error.within(name))?;
        }
        (Value::Enum(name), Type::Enum(names)) => match names.iter().position(|n| n == name) {
            Some(index) => put_length(index, out)?,
            None => return Err(refused(value, ty)),
        },
        (Value::Option(None), Type::Option(_)) => out.push(0),
        (Value::Option(Some(some)), Type::Option(ty)) => {
            out.push(1);
            encode(some, ty, out)?;
        }
        (Value::Result(Ok(payload)), Type::Result { ok, .. }) => {
            out.push(0);
            encode_payload(payload, ok.as_deref(), out).map_err(|error| error.within("ok"))?;
        }
        (Value::Result(Err(payload)), Type::Result { err, .. }) => {
            out.push(1);
            encode_payload(payload, err.as_deref(), out).map_err(|error| error.within("err"))?;
        }
        (Value::Flags(set), Type::Flags(names)) => {
            let head = out.len();
            out.resize(head + flag_bytes(names.len()), 0);
            for name in set {
                let Some(bit) = names.iter().position(|n| n == name) else {
                    return Err(refused(value, ty));
                };
                out[head + bit / 8] |= 1 << (bit % 8);
            }
        }
        (Value::Shared(handle), Type::Borrow(object)) if handle.object() == *object => {
            out.extend(handle.to_bytes());
        }
        _ => return Err(refused(value, ty)),
    }
    Ok(())
}

fn encode_payload(
    payload: &Option<Box<Value>>,
    ty: Option<&Type>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    match (payload, ty) {
        (Some(value), Some(ty)) => encode(value, ty, out),
        (None, None) => Ok(()),
        (Some(value), None) => Err(refused(value, &NOTHING)),
        (None, Some(ty)) => Err(EncodeError::wanted(ty, "nothing")),
    }
}

fn refused(value: &Value, ty: &Type) -> EncodeError {
    EncodeError::wanted(ty, format_args!("the value {value:?}"))
}

/// Takes a value of type `ty` from `input`.
pub(super) fn decode(input: &mut &[u8], ty: &Type) -> Result<Value, DecodeError> {
    Ok(match ty {
        Type::Bool => Value::Bool(take_bool(input)?),
        Type::S8 => Value::S8(i8::from_le_bytes(take(input)?)),
        Type::U8 => Value::U8(u8::from_le_bytes(take(input)?)),
        Type::S16 => Value::S16(i16::from_le_bytes(take(input)?)),
        Type::U16 => Value::U16(u16::from_le_bytes(take(input)?)),
        Type::S32 => Value::S32(i32::from_le_bytes(take(input)?)),
        Type::U32 => Value::U32(u32::from_le_bytes(take(input)?)),
        Type::S64 => Value::S64(i64::from_le_bytes(take(input)?)),
        Type::U64 => Value::U64(u64::from_le_bytes(take(input)?)),
        Type::F32 => Value::F32(f32::from_le_bytes(take(input)?)),
        Type::F64 => Value::F64(f64::from_le_bytes(take(input)?)),
        Type::Char => Value::Char(take_char(input)?),
        Type::String => Value::String(take_str(input)?.to_owned()),
        Type::List(item) => {
            let count = take_count(input)?;
            Value::List(
                (0..count)
                    .map(|_| decode(input, item))
                    .collect::<Result<_, _>>()?,
            )
        }
        Type::Tuple(types) => Value::Tuple(
            types
                .iter()
                .map(|ty| decode(input, ty))
                .collect::<Result<_, _>>()?,
        ),
        Type::Record(fields) => {
            let field =
                |field: &crate::types::Field| Ok((field.name.clone(), decode(input, &field.ty)?));
            Value::Record(
                fields
                    .iter()
                    .map(field)
                    .collect::<Result<_, DecodeError>>()?,
            )
        }
        Type::Variant(cases) => {
            let case = &cases[take_case(input, cases.len())?];
            Value::Variant(case.name.clone(), decode_payload(input, case.ty.as_ref())?)
        }
        Type::Enum(names) => Value::Enum(names[take_case(input, names.len())?].clone()),
        Type::Option(some) => match take_bool(input)? {
            false => Value::Option(None),
            true => Value::Option(decode_payload(input, Some(some))?),
        },
        Type::Result { ok, err } => Value::Result(match take_bool(input)? {
            false => Ok(decode_payload(input, ok.as_deref())?),
            true => Err(decode_payload(input, err.as_deref())?),
        }),
        Type::Flags(names) => {
            let bits = take_slice(input, flag_bytes(names.len()))?;
            let set = names
                .iter()
                .enumerate()
                .filter(|(bit, _)| bits[bit / 8] >> (bit % 8) & 1 == 1);
            Value::Flags(set.map(|(_, name)| name.clone()).collect())
        }
        // Objects are lent to a job, and never come back: this is for whoever asks what fits a parameter.
        Type::Borrow(object) => Value::Shared(Handle::from_bytes(*object, take(input)?)),
    })
}

fn decode_payload(input: &mut &[u8], ty: Option<&Type>) -> Result<Option<Box<Value>>, DecodeError> {
    ty.map(|ty| decode(input, ty).map(Box::new)).transpose()
}

/// Whether this is the visitor that asks for a whole [`Value`].
pub(super) fn wants_value<'de, V: Visitor<'de>>() -> bool {
    typeid::of::<V>() == std::any::TypeId::of::<ValueVisitor>()
}

/// Travels to a worker only; to read or write a value as text, see [`value::json`](crate::value::json).
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct("Value", &Carried(self))
    }
}

/// A value on its way through serde to the codec's [`encode`].
pub(super) struct Carried<'a>(pub(super) &'a Value);

impl Serialize for Carried<'_> {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom(
            "a dynamic value can only be given to a job, not written in another format",
        ))
    }
}

/// Comes from a worker only; to read or write a value as text, see [`value::json`](crate::value::json).
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_newtype_struct("Value", ValueVisitor)
    }
}

struct ValueVisitor;

impl Visitor<'_> for ValueVisitor {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a WIT value from a worker")
    }
}
