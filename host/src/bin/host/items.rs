//! The jobs that are written on the command line: WAVE values, tuples and ranges, all checked before the first job runs.

use crate::exit::Failure;
use crate::form::Form;
use host::value::Problem;
use host::{Type, Value};
use std::ops::Range;

/// Checked items, in their order. Ranges stay as they are until their numbers are asked for.
#[derive(Debug)]
pub(crate) struct Items {
    items: Vec<Item>,
    form: Form,
}

#[derive(Debug)]
enum Item {
    Value(Value),
    Numbers(Range<i128>),
}

impl Items {
    /// Reads items of this form; the first that is wrong fails them all.
    pub(crate) fn read(texts: &[String], form: Form) -> Result<Items, Failure> {
        let item = |(i, text): (usize, &String)| {
            let text = text.trim();
            Item::read(text, &form, &format!("item {}, `{text}`", i + 1))
        };
        let items = texts
            .iter()
            .enumerate()
            .map(item)
            .collect::<Result<_, _>>()?;
        Ok(Items { items, form })
    }

    /// Reads the arguments of a single call.
    pub(crate) fn call(arguments: &str, form: Form) -> Result<Items, Failure> {
        let item = Item::read(arguments, &form, &format!("`{arguments}`"))?;
        Ok(Items {
            items: vec![item],
            form,
        })
    }

    /// How many jobs these are.
    pub(crate) fn count(&self) -> u64 {
        let one = |item: &Item| match item {
            Item::Value(_) => 1,
            Item::Numbers(range) => u64::try_from(range.end - range.start).unwrap_or(0),
        };
        self.items.iter().map(one).fold(0, u64::saturating_add)
    }

    /// The arguments of each job.
    pub(crate) fn arguments(self) -> impl Iterator<Item = Vec<Value>> + Send {
        let Items { items, form } = self;
        items.into_iter().flat_map(move |item| {
            let (value, numbers) = match item {
                Item::Value(value) => (Some(form.arguments(value)), 0..0),
                Item::Numbers(range) => (None, range),
            };
            let ty = form.ty.clone();
            let numbers = numbers.map(move |n| {
                vec![number(n, &ty).expect("both ends were checked, and this is between")]
            });
            value.into_iter().chain(numbers)
        })
    }
}

impl Item {
    fn read(text: &str, form: &Form, place: &str) -> Result<Item, Failure> {
        let Some(range) = range(text) else {
            return form.parse(text).map(Item::Value).map_err(|error| {
                let failure = form.misfit(place, &error);
                let wants_string = matches!(&error.problem, Problem::Mismatch { wanted, .. } if wanted == "string");
                match wants_string || form.ty == Type::String {
                    true => failure.hint("write a string in double quotes, inside the shell's own: '\"like this\"'"),
                    false => failure,
                }
            });
        };
        let ends_fit = range.is_empty()
            || (number(range.start, &form.ty).is_some()
                && number(range.end - 1, &form.ty).is_some());
        if ends_fit && number(0, &form.ty).is_some() {
            return Ok(Item::Numbers(range));
        }
        let found = format!("{text}, a range of whole numbers");
        Err(form.misfit(
            place,
            &Problem::Mismatch {
                wanted: form.ty.to_string(),
                found,
            }
            .into(),
        ))
    }
}

/// Reads `0..12`, or `1..=12` with its end; anything else is not a range.
fn range(text: &str) -> Option<Range<i128>> {
    let (start, end) = text.split_once("..")?;
    let start = start.trim_end().parse().ok()?;
    let end = match end.strip_prefix('=') {
        Some(last) => last.trim_start().parse::<i128>().ok()?.checked_add(1)?,
        None => end.trim_start().parse().ok()?,
    };
    Some(start..end)
}

/// A whole number as a value of this type, if the type has it.
fn number(n: i128, ty: &Type) -> Option<Value> {
    // Floats have all whole numbers up to the width of their mantissa, and then only some.
    let exact = |bits: u32| n.unsigned_abs() <= 1 << bits;
    match ty {
        Type::S8 => n.try_into().ok().map(Value::S8),
        Type::U8 => n.try_into().ok().map(Value::U8),
        Type::S16 => n.try_into().ok().map(Value::S16),
        Type::U16 => n.try_into().ok().map(Value::U16),
        Type::S32 => n.try_into().ok().map(Value::S32),
        Type::U32 => n.try_into().ok().map(Value::U32),
        Type::S64 => n.try_into().ok().map(Value::S64),
        Type::U64 => n.try_into().ok().map(Value::U64),
        Type::F32 => exact(f32::MANTISSA_DIGITS).then_some(Value::F32(n as f32)),
        Type::F64 => exact(f64::MANTISSA_DIGITS).then_some(Value::F64(n as f64)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
