//! Values as WAVE text, the notation of `wasmtime run --invoke`: `{name: "x", tags: ["a"], at: some(3)}`.
//!
//! The grammar is that of the `wasm-wave` crate. What it read is fitted to a [`Type`] here, because the crate's own
//! conversion passes over record fields that the type doesn't have, and cannot tell where in a value a mistake is.

mod write;

#[cfg(test)]
mod tests;

use super::{Handle, TextError, Value};
use crate::types::{Case, Field, Type};
use std::str::FromStr;
use wasm_wave::ast::{Node, NodeType};
use wasm_wave::untyped::UntypedValue;

/// Reads a value of this type.
///
/// Whole numbers are accepted for floats. As in all of WAVE, `some` and `ok` may be left out where no doubt is
/// possible, and so may record fields that are `none`.
///
/// # Errors
/// Says what is wrong and where, if the text is not WAVE or the value not of this type.
pub fn parse(text: &str, ty: &Type) -> Result<Value, TextError> {
    parse_with(text, ty, |_| None)
}

/// As [`parse`], where the names of shared objects may stand for them.
///
/// # Errors
/// As for [`parse`]; also if a name is that of no object, or of one of another kind.
pub fn parse_with(
    text: &str,
    ty: &Type,
    objects: impl Fn(&str) -> Option<Handle>,
) -> Result<Value, TextError> {
    // A function without parameters takes an empty tuple, which the grammar doesn't have.
    if *ty == Type::Tuple(vec![]) && text.split_whitespace().collect::<String>() == "()" {
        return Ok(Value::Tuple(vec![]));
    }
    let parsed = UntypedValue::parse(text).map_err(|error| {
        let before = text.get(..error.span().start).unwrap_or(text);
        let place = format_args!(
            "{} at character {}",
            error.kind(),
            before.chars().count() + 1
        )
        .to_string();
        TextError::syntax(
            "WAVE",
            error
                .detail()
                .map_or(place.clone(), |detail| format!("{place}, {detail}")),
        )
    })?;
    let source = Source {
        text,
        objects: &objects,
    };
    read(parsed.node(), ty, source)
}

/// Splits a call such as `product(1, 2, 3)` into the function's name and its arguments, `(1, 2, 3)`, which
/// [`parse`] reads as a tuple of the parameters' types.
///
/// # Errors
/// If there are no parentheses behind a name.
pub fn split_call(text: &str) -> Result<(&str, &str), TextError> {
    match text.trim().split_once('(') {
        Some((name, rest)) if rest.ends_with(')') && !name.trim().is_empty() => {
            Ok((name.trim_end(), &text.trim()[name.len()..]))
        }
        _ => Err(TextError::mismatch(
            "a call such as `name(1, \"two\")`",
            text.trim(),
        )),
    }
}

/// The text that is read, and what names in it stand for.
#[derive(Clone, Copy)]
struct Source<'a> {
    text: &'a str,
    objects: &'a dyn Fn(&str) -> Option<Handle>,
}

impl<'a> Source<'a> {
    fn of(&self, node: &Node) -> &'a str {
        &self.text[node.span()]
    }
}

fn read(node: &Node, ty: &Type, source: Source<'_>) -> Result<Value, TextError> {
    let found = source.of(node);
    let wrong = |_| TextError::mismatch(ty, found);
    Ok(match ty {
        Type::Bool => Value::Bool(node.as_bool().map_err(wrong)?),
        Type::S8 => Value::S8(node.as_number(source.text).map_err(wrong)?),
        Type::U8 => Value::U8(node.as_number(source.text).map_err(wrong)?),
        Type::S16 => Value::S16(node.as_number(source.text).map_err(wrong)?),
        Type::U16 => Value::U16(node.as_number(source.text).map_err(wrong)?),
        Type::S32 => Value::S32(node.as_number(source.text).map_err(wrong)?),
        Type::U32 => Value::U32(node.as_number(source.text).map_err(wrong)?),
        Type::S64 => Value::S64(node.as_number(source.text).map_err(wrong)?),
        Type::U64 => Value::U64(node.as_number(source.text).map_err(wrong)?),
        Type::F32 => Value::F32(read_float(node, ty, source)?),
        Type::F64 => Value::F64(read_float(node, ty, source)?),
        Type::Char => Value::Char(node.as_char(source.text).map_err(wrong)?),
        Type::String => Value::String(node.as_str(source.text).map_err(wrong)?.into_owned()),
        Type::List(item) => {
            let items = node.as_list().map_err(wrong)?.enumerate();
            Value::List(
                items
                    .map(|(i, node)| read(node, item, source).map_err(|e| e.in_item(i)))
                    .collect::<Result<_, _>>()?,
            )
        }
        Type::Tuple(types) => {
            let items = node.as_tuple().map_err(wrong)?;
            if items.len() != types.len() {
                return Err(TextError::mismatch(ty, found));
            }
            let items = items.zip(types).enumerate();
            Value::Tuple(
                items
                    .map(|(i, (node, ty))| read(node, ty, source).map_err(|e| e.in_item(i)))
                    .collect::<Result<_, _>>()?,
            )
        }
        Type::Record(fields) => read_record(node, fields, ty, source)?,
        Type::Variant(cases) => {
            let (name, payload) = node.as_variant(source.text).map_err(wrong)?;
            let case = cases.iter().find(|case| case.name == name);
            let Some(Case { ty, .. }) = case else {
                return Err(TextError::unknown(
                    "case",
                    name,
                    cases.iter().map(|case| &case.name),
                ));
            };
            Value::Variant(
                name.to_string(),
                read_payload(name, payload, ty.as_ref(), source)?,
            )
        }
        Type::Enum(names) => {
            let name = node.as_enum(source.text).map_err(wrong)?;
            if !names.iter().any(|known| known == name) {
                return Err(TextError::unknown("case", name, names));
            }
            Value::Enum(name.to_string())
        }
        Type::Option(some) => Value::Option(match node.ty() {
            NodeType::OptionSome => {
                read_payload("some", node.as_option().map_err(wrong)?, Some(some), source)?
            }
            NodeType::OptionNone => None,
            _ if plain(some) => Some(Box::new(read(node, some, source)?)),
            _ => return Err(TextError::mismatch(ty, found)),
        }),
        Type::Result { ok, err } => Value::Result(match (node.as_result(), ok.as_deref()) {
            (Ok(Ok(payload)), ok) => Ok(read_payload("ok", payload, ok, source)?),
            (Ok(Err(payload)), _) => Err(read_payload("err", payload, err.as_deref(), source)?),
            (Err(_), Some(ok)) if plain(ok) => Ok(Some(Box::new(read(node, ok, source)?))),
            (Err(_), _) => return Err(TextError::mismatch(ty, found)),
        }),
        Type::Flags(names) => {
            let set = node
                .as_flags(source.text)
                .map_err(wrong)?
                .map(|name| name.trim_start_matches('%'))
                .collect::<Vec<_>>();
            if let Some(unknown) = set
                .iter()
                .find(|name| !names.iter().any(|known| known == *name))
            {
                return Err(TextError::unknown("flag", unknown, names));
            }
            Value::Flags(
                names
                    .iter()
                    .filter(|name| set.contains(&name.as_str()))
                    .cloned()
                    .collect(),
            )
        }
        Type::Borrow(object) => match (source.objects)(found) {
            Some(handle) if handle.object() == *object => Value::Shared(handle),
            Some(other) => {
                let wanted = format_args!("the name of a {object}, not of a {}", other.object());
                return Err(TextError::mismatch(wanted, found));
            }
            None => {
                let wanted = format_args!("the name of a {object} that was made");
                return Err(TextError::mismatch(wanted, found));
            }
        },
    })
}

fn read_float<T: FromStr + Into<f64> + Copy>(
    node: &Node,
    ty: &Type,
    source: Source<'_>,
) -> Result<T, TextError> {
    let found = source.of(node);
    let number: T = node
        .as_number(source.text)
        .map_err(|_| TextError::mismatch(ty, found))?;
    // Rust reads a number that is too large as infinity; here only `inf` means that.
    let infinite: f64 = number.into();
    if infinite.is_infinite() && !found.ends_with("inf") {
        return Err(TextError::mismatch(ty, found));
    }
    Ok(number)
}

fn read_record(
    node: &Node,
    fields: &[Field],
    ty: &Type,
    source: Source<'_>,
) -> Result<Value, TextError> {
    let found = source.of(node);
    // An empty pair of braces is read as flags; it may as well be a record all of whose fields are `none`.
    let empty = node
        .as_flags(source.text)
        .is_ok_and(|mut names| names.next().is_none());
    let given: Vec<(&str, &Node)> = match node.as_record(source.text) {
        Ok(given) => given.collect(),
        Err(_) if empty => vec![],
        Err(_) => return Err(TextError::mismatch(ty, found)),
    };
    if let Some((name, _)) = given
        .iter()
        .find(|(name, _)| !fields.iter().any(|field| field.name == *name))
    {
        return Err(TextError::unknown_field(name, fields));
    }
    let field = |field: &Field| {
        let value = match given.iter().find(|(name, _)| field.name == *name) {
            Some((name, node)) => read(node, &field.ty, source).map_err(|e| e.in_name(name))?,
            None if matches!(field.ty, Type::Option(_)) => Value::Option(None),
            None => return Err(super::Problem::MissingField(field.name.clone()).into()),
        };
        Ok((field.name.clone(), value))
    };
    Ok(Value::Record(
        fields.iter().map(field).collect::<Result<_, TextError>>()?,
    ))
}

fn read_payload(
    case: &str,
    payload: Option<&Node>,
    ty: Option<&Type>,
    source: Source<'_>,
) -> Result<Option<Box<Value>>, TextError> {
    let read = match (payload, ty) {
        (None, None) => Ok(None),
        (Some(node), Some(ty)) => read(node, ty, source).map(|value| Some(Box::new(value))),
        (None, Some(ty)) => Err(TextError::mismatch(ty, "")),
        (Some(node), None) => Err(TextError::mismatch("nothing", source.of(node))),
    };
    read.map_err(|e| e.in_name(case))
}

/// Whether `some` or `ok` may be left out before a value of this type.
fn plain(ty: &Type) -> bool {
    !matches!(ty, Type::Option(_) | Type::Result { .. })
}
