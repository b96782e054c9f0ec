//! How a value is written as WAVE. Reading it back needs the type; writing needs the value alone.
//!
//! The `wasm-wave` crate's own writer leaves out fields that are `none` and escapes more than it must; a result is
//! easier to read with every field shown, and accents as they are.

use crate::value::Value;
use std::fmt::{self, Write};
use wasm_wave::lex::Keyword;

/// WAVE text, which [`parse`](super::parse) reads back. A function without a result gives `()`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(value) => write!(f, "{value}"),
            Value::S8(value) => write!(f, "{value}"),
            Value::U8(value) => write!(f, "{value}"),
            Value::S16(value) => write!(f, "{value}"),
            Value::U16(value) => write!(f, "{value}"),
            Value::S32(value) => write!(f, "{value}"),
            Value::U32(value) => write!(f, "{value}"),
            Value::S64(value) => write!(f, "{value}"),
            Value::U64(value) => write!(f, "{value}"),
            Value::F32(value) => write_float(f, *value),
            Value::F64(value) => write_float(f, *value),
            Value::Char(value) => write_quoted(f, '\'', value.encode_utf8(&mut [0; 4])),
            Value::String(value) => write_quoted(f, '"', value),
            Value::List(items) => write_all(f, ["[", "]"], items, |f, item| write!(f, "{item}")),
            Value::Tuple(items) => write_all(f, ["(", ")"], items, |f, item| write!(f, "{item}")),
            Value::Record(fields) => write_all(f, ["{", "}"], fields, |f, (name, value)| {
                write!(f, "{name}: {value}")
            }),
            Value::Shared(handle) => write!(f, "<{}>", handle.object()),
            Value::Flags(names) => write_all(f, ["{", "}"], names, |f, name| f.write_str(name)),
            Value::Enum(name) => write_case(f, name, None),
            Value::Variant(name, payload) => write_case(f, name, payload.as_deref()),
            Value::Option(Some(value)) => write!(f, "some({value})"),
            Value::Option(None) => f.write_str("none"),
            Value::Result(Ok(Some(value))) => write!(f, "ok({value})"),
            Value::Result(Ok(None)) => f.write_str("ok"),
            Value::Result(Err(Some(value))) => write!(f, "err({value})"),
            Value::Result(Err(None)) => f.write_str("err"),
        }
    }
}

/// The fewest digits that read back as the same number, with an exponent where there would be many zeros.
fn write_float<T: fmt::Display + fmt::LowerExp + Into<f64> + Copy>(
    f: &mut fmt::Formatter<'_>,
    number: T,
) -> fmt::Result {
    let size = number.into().abs();
    match size {
        _ if size.is_nan() => f.write_str("nan"),
        _ if size == 0.0 || size.is_infinite() || (1e-5..1e16).contains(&size) => {
            write!(f, "{number}")
        }
        _ => write!(f, "{number:e}"),
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, quote: char, text: &str) -> fmt::Result {
    f.write_char(quote)?;
    let special = |c: char| c == quote || c == '\\' || c.is_control();
    let mut rest = text;
    while let Some(at) = rest.find(special) {
        let (before, from) = rest.split_at(at);
        f.write_str(before)?;
        let mut chars = from.chars();
        match chars.next() {
            Some('\n') => f.write_str("\\n")?,
            Some('\r') => f.write_str("\\r")?,
            Some('\t') => f.write_str("\\t")?,
            Some(c) if c.is_control() => write!(f, "{}", c.escape_unicode())?,
            Some(c) => write!(f, "\\{c}")?,
            None => {}
        }
        rest = chars.as_str();
    }
    f.write_str(rest)?;
    f.write_char(quote)
}

fn write_all<T>(
    f: &mut fmt::Formatter<'_>,
    [open, close]: [&str; 2],
    items: &[T],
    each: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_str(open)?;
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        each(f, item)?;
    }
    f.write_str(close)
}

fn write_case(f: &mut fmt::Formatter<'_>, name: &str, payload: Option<&Value>) -> fmt::Result {
    // A case may be called as one of WAVE's own words; the sign says that it is a name.
    if Keyword::decode(name).is_some() {
        f.write_char('%')?;
    }
    f.write_str(name)?;
    payload.map_or(Ok(()), |value| write!(f, "({value})"))
}
