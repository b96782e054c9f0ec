//! Values as JSON, for input and output by the line.
//!
//! | WIT | JSON |
//! |---|---|
//! | `bool`, `string` | the same |
//! | `s8` … `u64` | a number without a fraction; 64 bits are kept exactly |
//! | `f32`, `f64` | a number in its shortest form; `"nan"`, `"inf"`, `"-inf"` |
//! | `char` | a string of one character |
//! | `list`, `tuple` | an array |
//! | `record` | an object; a field that is an option may be missing, a field that the type doesn't have is an error |
//! | `variant` | `"case"`, or `{"case": payload}` if the case carries something |
//! | `enum` | `"case"` |
//! | `option` | `null` or the value; where that is an option itself, `null` or `{"some": value}` |
//! | `result` | `{"ok": value}` or `{"err": value}`, with `null` where the type has nothing |
//! | `flags` | an array of the names that are set |

mod write;

#[cfg(test)]
mod tests;

pub use write::AsJson;

use super::{Problem, TextError, Value};
use crate::types::{Case, Field, Type};
use serde_json::{Map, Value as Json};

/// Reads a value of this type from JSON text.
///
/// # Errors
/// Says what is wrong and where, if the text is not JSON or the value not of this type.
pub fn parse(text: &[u8], ty: &Type) -> Result<Value, TextError> {
    let json =
        serde_json::from_slice(text).map_err(|error| TextError::syntax("JSON", reason(&error)))?;
    from_json(&json, ty)
}

/// Reads a value of this type from parsed JSON.
///
/// # Errors
/// Says what is wrong and where, if the value is not of this type.
pub fn from_json(json: &Json, ty: &Type) -> Result<Value, TextError> {
    read(json, ty)?.ok_or_else(|| TextError::mismatch(ty, &json.to_string()))
}

/// `None` says that something else than this type stands here; an error says more, or comes from further inside.
fn read(json: &Json, ty: &Type) -> Result<Option<Value>, TextError> {
    Ok(match (ty, json) {
        (Type::Bool, Json::Bool(value)) => Some(Value::Bool(*value)),
        (Type::S8, Json::Number(_)) => integer(json).map(Value::S8),
        (Type::U8, Json::Number(_)) => integer(json).map(Value::U8),
        (Type::S16, Json::Number(_)) => integer(json).map(Value::S16),
        (Type::U16, Json::Number(_)) => integer(json).map(Value::U16),
        (Type::S32, Json::Number(_)) => integer(json).map(Value::S32),
        (Type::U32, Json::Number(_)) => integer(json).map(Value::U32),
        (Type::S64, Json::Number(_)) => integer(json).map(Value::S64),
        (Type::U64, Json::Number(_)) => integer(json).map(Value::U64),
        // A number beyond the range of 32 bits would become infinite.
        (Type::F32, _) => float(json)
            .filter(|n| !n.is_finite() || (*n as f32).is_finite())
            .map(|n| Value::F32(n as f32)),
        (Type::F64, _) => float(json).map(Value::F64),
        (Type::Char, Json::String(text)) => {
            let mut chars = text.chars();
            chars
                .next()
                .filter(|_| chars.as_str().is_empty())
                .map(Value::Char)
        }
        (Type::String, Json::String(text)) => Some(Value::String(text.clone())),
        (Type::List(item), Json::Array(items)) => {
            let items = items
                .iter()
                .enumerate()
                .map(|(i, json)| from_json(json, item).map_err(|e| e.in_item(i)));
            Some(Value::List(items.collect::<Result<_, _>>()?))
        }
        (Type::Tuple(types), Json::Array(items)) if items.len() == types.len() => {
            let items = items.iter().zip(types).enumerate();
            let items = items.map(|(i, (json, ty))| from_json(json, ty).map_err(|e| e.in_item(i)));
            Some(Value::Tuple(items.collect::<Result<_, _>>()?))
        }
        (Type::Record(fields), Json::Object(given)) => Some(read_record(given, fields)?),
        (Type::Variant(cases), Json::String(name)) => Some(read_case(name, None, cases)?),
        (Type::Variant(cases), Json::Object(given)) => match sole(given) {
            Some((name, payload)) => Some(read_case(name, Some(payload), cases)?),
            None => None,
        },
        (Type::Enum(names), Json::String(name)) => match names.contains(name) {
            true => Some(Value::Enum(name.clone())),
            false => return Err(TextError::unknown("case", name, names)),
        },
        (Type::Option(_), Json::Null) => Some(Value::Option(None)),
        (Type::Option(some), json) if !matches!(**some, Type::Option(_)) => {
            Some(Value::Option(Some(Box::new(from_json(json, some)?))))
        }
        (Type::Option(some), Json::Object(given)) => match sole(given) {
            Some(("some", json)) => Some(Value::Option(read_payload("some", json, Some(some))?)),
            _ => None,
        },
        (Type::Result { ok, err }, Json::Object(given)) => match sole(given) {
            Some(("ok", json)) => Some(Value::Result(Ok(read_payload("ok", json, ok.as_deref())?))),
            Some(("err", json)) => Some(Value::Result(Err(read_payload(
                "err",
                json,
                err.as_deref(),
            )?))),
            _ => None,
        },
        (Type::Flags(names), Json::Array(items)) => read_flags(items, names)?,
        _ => None,
    })
}

/// What the parser says. Of its place only the column is kept where there is but one line: a line of a larger file.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.strip_suffix(&format!(" at line 1 column {}", error.column())) {
        Some(what) => format!("{what} at character {}", error.column()),
        None => text,
    }
}

fn integer<T: TryFrom<i128>>(json: &Json) -> Option<T> {
    let number = json
        .as_i64()
        .map(i128::from)
        .or_else(|| json.as_u64().map(i128::from))?;
    number.try_into().ok()
}

fn float(json: &Json) -> Option<f64> {
    match json.as_str() {
        None => json.as_f64(),
        Some("nan") => Some(f64::NAN),
        Some("inf") => Some(f64::INFINITY),
        Some("-inf") => Some(f64::NEG_INFINITY),
        Some(_) => None,
    }
}

fn read_record(given: &Map<String, Json>, fields: &[Field]) -> Result<Value, TextError> {
    if let Some(name) = given
        .keys()
        .find(|name| !fields.iter().any(|field| field.name == **name))
    {
        return Err(TextError::unknown_field(name, fields));
    }
    let field = |Field { name, ty }: &Field| {
        let value = match given.get(name) {
            Some(json) => from_json(json, ty).map_err(|e| e.in_name(name))?,
            None if matches!(ty, Type::Option(_)) => Value::Option(None),
            None => return Err(Problem::MissingField(name.clone()).into()),
        };
        Ok((name.clone(), value))
    };
    Ok(Value::Record(
        fields.iter().map(field).collect::<Result<_, TextError>>()?,
    ))
}

fn read_case(name: &str, payload: Option<&Json>, cases: &[Case]) -> Result<Value, TextError> {
    let Some(Case { ty, .. }) = cases.iter().find(|case| case.name == name) else {
        return Err(TextError::unknown(
            "case",
            name,
            cases.iter().map(|case| &case.name),
        ));
    };
    let payload = match (payload, ty) {
        (None, None) => None,
        (Some(json), Some(ty)) => read_payload(name, json, Some(ty))?,
        (None, Some(ty)) => return Err(TextError::mismatch(ty, "").in_name(name)),
        (Some(json), None) => {
            return Err(TextError::mismatch("nothing", &json.to_string()).in_name(name));
        }
    };
    Ok(Value::Variant(name.to_string(), payload))
}

fn read_payload(
    case: &str,
    json: &Json,
    ty: Option<&Type>,
) -> Result<Option<Box<Value>>, TextError> {
    match ty {
        Some(ty) => from_json(json, ty)
            .map(|value| Some(Box::new(value)))
            .map_err(|e| e.in_name(case)),
        None if json.is_null() => Ok(None),
        None => Err(TextError::mismatch("null", &json.to_string()).in_name(case)),
    }
}

fn read_flags(items: &[Json], names: &[String]) -> Result<Option<Value>, TextError> {
    let Some(set) = items
        .iter()
        .map(Json::as_str)
        .collect::<Option<Vec<&str>>>()
    else {
        return Ok(None);
    };
    if let Some(unknown) = set
        .iter()
        .find(|name| !names.iter().any(|known| known == *name))
    {
        return Err(TextError::unknown("flag", unknown, names));
    }
    Ok(Some(Value::Flags(
        names
            .iter()
            .filter(|name| set.contains(&name.as_str()))
            .cloned()
            .collect(),
    )))
}

/// The only entry of an object that has one.
fn sole(object: &Map<String, Json>) -> Option<(&str, &Json)> {
    let mut entries = object.iter();
    entries
        .next()
        .filter(|_| entries.next().is_none())
        .map(|(name, json)| (name.as_str(), json))
}
