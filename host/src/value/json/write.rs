//! How a value is written as JSON, straight into the output and without a tree in between.

use crate::value::Value;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;

/// A value that is shown, or serialized by serde, as JSON; [`parse`](super::parse) reads it back.
#[derive(Clone, Copy, Debug)]
pub struct AsJson<'a>(pub &'a Value);

impl fmt::Display for AsJson<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Bool(value) => to.serialize_bool(*value),
            Value::S8(value) => to.serialize_i8(*value),
            Value::U8(value) => to.serialize_u8(*value),
            Value::S16(value) => to.serialize_i16(*value),
            Value::U16(value) => to.serialize_u16(*value),
            Value::S32(value) => to.serialize_i32(*value),
            Value::U32(value) => to.serialize_u32(*value),
            Value::S64(value) => to.serialize_i64(*value),
            Value::U64(value) => to.serialize_u64(*value),
            Value::F32(value) if value.is_finite() => to.serialize_f32(*value),
            Value::F64(value) if value.is_finite() => to.serialize_f64(*value),
            Value::F32(value) => to.serialize_str(unwritable(f64::from(*value))),
            Value::F64(value) => to.serialize_str(unwritable(*value)),
            Value::Char(value) => to.serialize_char(*value),
            Value::String(value) => to.serialize_str(value),
            Value::Enum(name) | Value::Variant(name, None) => to.serialize_str(name),
            Value::List(items) | Value::Tuple(items) => to.collect_seq(items.iter().map(AsJson)),
            Value::Record(fields) => {
                to.collect_map(fields.iter().map(|(name, value)| (name, AsJson(value))))
            }
            Value::Variant(name, Some(value)) => entry(to, name, Some(value)),
            Value::Option(None) => to.serialize_none(),
            Value::Option(Some(value)) if matches!(**value, Value::Option(_)) => {
                entry(to, "some", Some(value))
            }
            Value::Option(Some(value)) => AsJson(value).serialize(to),
            Value::Result(Ok(value)) => entry(to, "ok", value.as_deref()),
            Value::Result(Err(value)) => entry(to, "err", value.as_deref()),
            Value::Flags(names) => to.collect_seq(names),
            Value::Shared(handle) => to.collect_str(&format_args!("<{}>", handle.object())),
        }
    }
}

fn entry<S: Serializer>(to: S, name: &str, value: Option<&Value>) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(1))?;
    map.serialize_entry(name, &value.map(AsJson))?;
    map.end()
}

/// The name of a number that JSON cannot write.
fn unwritable(number: f64) -> &'static str {
    match number {
        f64::INFINITY => "inf",
        f64::NEG_INFINITY => "-inf",
        _ => "nan",
    }
}
