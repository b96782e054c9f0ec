//! Random types and random values of them, for the tests of everything that carries values.

use super::Value;
use crate::types::{Case, Field, Type};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Names with every difficulty: WAVE's own words, hyphens, digits.
const NAMES: [&str; 10] = [
    "a",
    "none",
    "some",
    "ok",
    "err",
    "true",
    "inf",
    "nan",
    "two-words",
    "x1-y2",
];

/// A random type, nested at most four deep.
pub(crate) fn any_type() -> impl Strategy<Value = Type> {
    let scalars = [
        Type::Bool,
        Type::S8,
        Type::U8,
        Type::S16,
        Type::U16,
        Type::S32,
        Type::U32,
        Type::S64,
        Type::U64,
        Type::F32,
        Type::F64,
        Type::Char,
        Type::String,
    ];
    let flags =
        (1..70_usize).prop_map(|n| Type::Flags((0..n).map(|i| format!("flag-{i}")).collect()));
    let leaf =
        prop_oneof![4 => select(scalars.to_vec()), 1 => names().prop_map(Type::Enum), 1 => flags];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let maybe = || proptest::option::of(inner.clone().prop_map(Box::new));
        let case_types = prop::collection::vec(proptest::option::of(inner.clone()), NAMES.len());
        prop_oneof![
            inner.clone().prop_map(|ty| Type::List(Box::new(ty))),
            inner.clone().prop_map(|ty| Type::Option(Box::new(ty))),
            (maybe(), maybe()).prop_map(|(ok, err)| Type::Result { ok, err }),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Type::Tuple),
            (names(), prop::collection::vec(inner.clone(), NAMES.len())).prop_map(
                |(names, types)| {
                    Type::Record(
                        names
                            .into_iter()
                            .zip(types)
                            .map(|(name, ty)| Field { name, ty })
                            .collect(),
                    )
                }
            ),
            (names(), case_types).prop_map(|(names, types)| {
                Type::Variant(
                    names
                        .into_iter()
                        .zip(types)
                        .map(|(name, ty)| Case { name, ty })
                        .collect(),
                )
            }),
        ]
    })
}

/// A random value of this type.
pub(crate) fn any_value(ty: &Type) -> BoxedStrategy<Value> {
    match ty {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::S8 => any::<i8>().prop_map(Value::S8).boxed(),
        Type::U8 => any::<u8>().prop_map(Value::U8).boxed(),
        Type::S16 => any::<i16>().prop_map(Value::S16).boxed(),
        Type::U16 => any::<u16>().prop_map(Value::U16).boxed(),
        Type::S32 => any::<i32>().prop_map(Value::S32).boxed(),
        Type::U32 => any::<u32>().prop_map(Value::U32).boxed(),
        Type::S64 => any::<i64>().prop_map(Value::S64).boxed(),
        Type::U64 => any::<u64>().prop_map(Value::U64).boxed(),
        // All numbers, infinities and the one `nan` that WIT knows, so not each of its bit patterns.
        Type::F32 => any::<u32>()
            .prop_map(|bits| Value::F32(one_nan(f32::from_bits(bits), f32::NAN)))
            .boxed(),
        Type::F64 => any::<u64>()
            .prop_map(|bits| Value::F64(one_nan(f64::from_bits(bits), f64::NAN)))
            .boxed(),
        Type::Char => any::<char>().prop_map(Value::Char).boxed(),
        Type::String => any_text().prop_map(Value::String).boxed(),
        Type::List(item) => prop::collection::vec(any_value(item), 0..5)
            .prop_map(Value::List)
            .boxed(),
        Type::Tuple(types) => types
            .iter()
            .map(any_value)
            .collect::<Vec<_>>()
            .prop_map(Value::Tuple)
            .boxed(),
        Type::Record(fields) => {
            let field = |Field { name, ty }: &Field| (Just(name.clone()), any_value(ty));
            fields
                .iter()
                .map(field)
                .collect::<Vec<_>>()
                .prop_map(Value::Record)
                .boxed()
        }
        Type::Variant(cases) => select(cases.clone())
            .prop_flat_map(|Case { name, ty }| {
                any_payload(ty.as_ref()).prop_map(move |v| Value::Variant(name.clone(), v))
            })
            .boxed(),
        Type::Enum(names) => select(names.clone()).prop_map(Value::Enum).boxed(),
        Type::Option(some) => proptest::option::of(any_value(some).prop_map(Box::new))
            .prop_map(Value::Option)
            .boxed(),
        Type::Result { ok, err } => prop_oneof![
            any_payload(ok.as_deref()).prop_map(|value| Value::Result(Ok(value))),
            any_payload(err.as_deref()).prop_map(|value| Value::Result(Err(value))),
        ]
        .boxed(),
        Type::Flags(names) => subsequence(names.clone(), 0..=names.len())
            .prop_map(Value::Flags)
            .boxed(),
        Type::Borrow(_) => unreachable!("no object is made at random"),
    }
}

/// A random type and a value of it.
pub(crate) fn any_typed_value() -> impl Strategy<Value = (Type, Value)> {
    any_type().prop_flat_map(|ty| (Just(ty.clone()), any_value(&ty)))
}

fn any_payload(ty: Option<&Type>) -> BoxedStrategy<Option<Box<Value>>> {
    match ty {
        Some(ty) => any_value(ty)
            .prop_map(|value| Some(Box::new(value)))
            .boxed(),
        None => Just(None).boxed(),
    }
}

fn any_text() -> impl Strategy<Value = String> {
    let awkward = select(
        "\"'\\\n\r\t\0{}[]é\u{301}\u{202e}\u{1f600}\u{7f}"
            .chars()
            .collect::<Vec<_>>(),
    );
    let chars = prop_oneof![any::<char>(), awkward, proptest::char::range(' ', '~')];
    prop::collection::vec(chars, 0..12).prop_map(|chars| chars.into_iter().collect())
}

fn names() -> impl Strategy<Value = Vec<String>> {
    subsequence(NAMES.map(String::from).to_vec(), 1..=NAMES.len()).prop_shuffle()
}

fn one_nan<T: PartialEq>(number: T, nan: T) -> T {
    #[expect(clippy::eq_op, reason = "only `nan` differs from itself")]
    let is_number = number == number;
    if is_number { number } else { nan }
}
