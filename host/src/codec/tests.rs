use super::decode::DecodeError;
use super::{accepts, decode, encode, gives, only_list};
use crate::types::{Case, Field, Type};
use crate::value::Value;
use crate::value::arbitrary::{any_type, any_typed_value};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

fn bytes<T: Serialize + ?Sized>(value: &T, ty: &Type) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, ty, &mut out).unwrap_or_else(|error| panic!("{ty}: {error}"));
    out
}

fn refusal<T: Serialize + ?Sized>(value: &T, ty: &Type) -> String {
    encode(value, ty, &mut Vec::new())
        .expect_err("does not fit")
        .to_string()
}

fn list(item: Type) -> Type {
    Type::List(Box::new(item))
}

fn option(some: Type) -> Type {
    Type::Option(Box::new(some))
}

fn field(name: &str, ty: Type) -> Field {
    Field {
        name: name.into(),
        ty,
    }
}

fn case(name: &str, ty: Option<Type>) -> Case {
    Case {
        name: name.into(),
        ty,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_value_of_any_type_comes_back_from_its_bytes((ty, value) in any_typed_value()) {
        let encoded = bytes(&value, &ty);
        let back: Value = decode(&encoded, &ty).expect("its own bytes");
        // By its bytes and not by `==`, which no NaN would pass.
        prop_assert_eq!(bytes(&back, &ty), encoded);
    }

    #[test]
    fn a_value_cut_short_is_refused((ty, value) in any_typed_value(), cut in 0.0f64..1.0) {
        let encoded = bytes(&value, &ty);
        prop_assume!(!encoded.is_empty());
        let kept = (encoded.len() as f64 * cut) as usize;
        prop_assert!(decode::<Value>(&encoded[..kept], &ty).is_err());
    }

    #[test]
    fn any_bytes_decode_to_a_value_or_an_error(ty in any_type(), noise in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = decode::<Value>(&noise, &ty) {
            let again: Value = decode(&bytes(&value, &ty), &ty).expect("its own bytes");
            prop_assert_eq!(bytes(&again, &ty), bytes(&value, &ty));
        }
    }
}

#[test]
fn lists_of_scalars_are_their_memory() {
    let numbers = vec![1i64, -2, i64::MAX];
    let mut expected = vec![3, 0, 0, 0];
    expected.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
    assert_eq!(bytes(&numbers, &list(Type::S64)), expected);
    assert_eq!(bytes(&numbers[..], &list(Type::S64)), expected);
    assert_eq!(decode::<Vec<i64>>(&expected, &list(Type::S64)), Ok(numbers));
    // The same through serde, item by item, because the Rust type is another one.
    assert_eq!(
        bytes(&[1i32, -2], &list(Type::S64)),
        bytes(&[1i64, -2], &list(Type::S64))
    );
    assert_eq!(
        decode::<Vec<i64>>(&bytes(&[7u8], &list(Type::U8)), &list(Type::U8)),
        Ok(vec![7])
    );
}

#[test]
fn a_list_that_claims_more_than_its_bytes_is_refused_before_memory_is_taken() {
    let lie = u32::MAX.to_le_bytes();
    let malformed = DecodeError::Malformed("a list is longer than its bytes");
    assert_eq!(
        decode::<Vec<u64>>(&lie, &list(Type::U64)),
        Err(malformed.clone())
    );
    assert_eq!(
        decode::<Vec<String>>(&lie, &list(Type::String)),
        Err(malformed.clone())
    );
    assert_eq!(
        decode::<Value>(&lie, &list(Type::U64)),
        Err(malformed.clone())
    );
    assert_eq!(decode::<String>(&lie, &Type::String), Err(malformed));
}

#[test]
fn bytes_behind_the_value_are_refused() {
    assert!(matches!(
        decode::<u8>(&[1, 2], &Type::U8),
        Err(DecodeError::Malformed(_))
    ));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Person {
    first_name: String,
    age: Option<u32>,
    tags: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    BigCircle(f64),
    Rectangle(u32, u32),
    Label { text: String },
}

fn person() -> Type {
    // Another order than the Rust struct's.
    Type::Record(vec![
        field("tags", list(Type::String)),
        field("first-name", Type::String),
        field("age", option(Type::U32)),
    ])
}

fn shape() -> Type {
    Type::Variant(vec![
        case(
            "label",
            Some(Type::Record(vec![field("text", Type::String)])),
        ),
        case("big-circle", Some(Type::F64)),
        case("point", None),
        case("rectangle", Some(Type::Tuple(vec![Type::U32, Type::U32]))),
    ])
}

#[test]
fn structs_are_records_and_enums_are_variants_by_name() {
    let ada = Person {
        first_name: "Ada".into(),
        age: Some(36),
        tags: vec!["x".into()],
    };
    assert!(gives::<Person>(&person()) && accepts::<Person>(&person()));
    assert_eq!(decode(&bytes(&ada, &person()), &person()), Ok(ada));
    for value in [
        Shape::Point,
        Shape::BigCircle(2.5),
        Shape::Rectangle(3, 4),
        Shape::Label { text: "x".into() },
    ] {
        assert_eq!(decode(&bytes(&value, &shape()), &shape()), Ok(value));
    }
    assert!(gives::<Shape>(&shape()) && accepts::<Shape>(&shape()));
}

#[test]
fn maps_are_records_or_lists_of_pairs_and_flags_are_names_or_bools() {
    let pairs = list(Type::Tuple(vec![Type::String, Type::U32]));
    let counts = BTreeMap::from([("a".to_string(), 1u32), ("b".to_string(), 2)]);
    assert_eq!(decode(&bytes(&counts, &pairs), &pairs), Ok(counts.clone()));
    assert_eq!(
        bytes(&counts, &pairs),
        bytes(&[("a", 1u32), ("b", 2)], &pairs)
    );

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Access {
        read: bool,
        may_write: bool,
    }
    let flags = Type::Flags(vec!["read".into(), "may-write".into()]);
    let access = Access {
        read: false,
        may_write: true,
    };
    assert_eq!(bytes(&access, &flags), [2]);
    assert_eq!(bytes(&["may-write"], &flags), [2]);
    assert_eq!(decode(&[2], &flags), Ok(access));
    assert_eq!(
        decode(&[3], &flags),
        Ok(vec!["read".to_string(), "may-write".into()])
    );
}

#[test]
fn options_and_results_nest() {
    let nested = option(option(Type::U32));
    for value in [None, Some(None), Some(Some(3u32))] {
        assert_eq!(decode(&bytes(&value, &nested), &nested), Ok(value));
    }
    let result = Type::Result {
        ok: None,
        err: Some(Box::new(Type::String)),
    };
    for value in [Ok(()), Err("no".to_string())] {
        assert_eq!(decode(&bytes(&value, &result), &result), Ok(value));
    }
}

#[test]
fn an_integer_fits_whatever_holds_its_value() {
    assert_eq!(bytes(&7i32, &Type::U8), [7]);
    assert_eq!(bytes(&7u64, &Type::F64), 7f64.to_le_bytes());
    assert_eq!(
        refusal(&-1i32, &Type::U64),
        "`u64` is wanted, not the integer -1"
    );
    assert_eq!(
        refusal(&300u16, &Type::U8),
        "`u8` is wanted, not the integer 300"
    );
    assert_eq!(
        refusal(&u64::MAX, &Type::F64),
        "`f64` is wanted, not the integer 18446744073709551615"
    );
    assert_eq!(
        refusal(&1.5f64, &Type::F32),
        "`f32` is wanted, not the 64-bit float 1.5"
    );
}

#[test]
fn a_refusal_says_where() {
    let ty = list(person());
    let people = [BTreeMap::from([("tags", 1u32)])];
    assert_eq!(
        refusal(&people, &ty),
        "at `.0.tags`: `list<string>` is wanted, not the integer 1"
    );
    assert_eq!(
        refusal(&(1, 2, 3), &Type::Tuple(vec![Type::S64, Type::S64])),
        "`tuple<s64, s64>` is wanted, not 3 items"
    );
}

#[test]
fn a_rust_type_must_hold_all_that_a_result_can_be() {
    assert!(gives::<i64>(&Type::S32) && gives::<i64>(&Type::U32) && gives::<u64>(&Type::U64));
    assert!(!gives::<i64>(&Type::U64) && !gives::<i32>(&Type::S64) && !gives::<u32>(&Type::S8));
    assert!(gives::<f64>(&Type::F32) && !gives::<f32>(&Type::F64) && !gives::<f64>(&Type::S32));
    assert!(!gives::<String>(&Type::S64) && !gives::<i64>(&Type::String));
    assert!(gives::<(i64, String)>(&Type::Tuple(vec![
        Type::S64,
        Type::String
    ])));
    assert!(!gives::<(i64,)>(&Type::Tuple(vec![
        Type::S64,
        Type::String
    ])));
    assert!(!gives::<Vec<String>>(&list(Type::S64)) && !gives::<Shape>(&person()));
    assert!(gives::<Value>(&shape()) && gives::<()>(&super::NOTHING));
}

#[test]
fn an_argument_may_be_any_integer_and_may_be_borrowed() {
    assert!(accepts::<i32>(&Type::U64) && accepts::<u64>(&Type::S8) && accepts::<i32>(&Type::F64));
    assert!(accepts::<&str>(&Type::String) && accepts::<&[u8]>(&list(Type::U8)));
    assert!(
        !accepts::<f64>(&Type::S64)
            && !accepts::<String>(&Type::S64)
            && !accepts::<i64>(&Type::String)
    );
}

#[test]
fn a_type_that_refuses_a_sample_for_its_value_is_still_the_right_shape() {
    assert!(gives::<std::num::NonZeroU32>(&Type::U32));
    assert!(!gives::<std::num::NonZeroU32>(&Type::String));
}

#[test]
fn a_mismatch_in_any_case_of_any_type_within_is_found() {
    #[derive(Deserialize)]
    enum Right {
        #[expect(dead_code, reason = "only its type is of interest")]
        A(Option<u32>),
        B,
        #[expect(dead_code, reason = "only its type is of interest")]
        C(Colour),
    }
    #[derive(Deserialize)]
    enum Wrong {
        #[expect(dead_code, reason = "only its type is of interest")]
        A(Option<u32>),
        B,
        #[expect(dead_code, reason = "only its type is of interest")]
        C(TwoColours),
    }
    #[derive(Deserialize)]
    enum Colour {
        Red,
        Green,
        Blue,
    }
    #[derive(Deserialize)]
    enum TwoColours {
        Red,
        Green,
    }
    let colour = Type::Enum(["red", "green", "blue"].map(String::from).to_vec());
    let inner = Type::Variant(vec![
        case("a", Some(option(Type::U32))),
        case("b", None),
        case("c", Some(colour.clone())),
    ]);

    #[track_caller]
    fn check<Right, Wrong>(ty: Type)
    where
        Right: serde::de::DeserializeOwned,
        Wrong: serde::de::DeserializeOwned,
    {
        assert!(gives::<Right>(&ty) && accepts::<Right>(&ty), "{ty}");
        assert!(!gives::<Wrong>(&ty) && !accepts::<Wrong>(&ty), "{ty}");
    }
    check::<Right, Wrong>(inner.clone());
    check::<Option<Right>, Option<Wrong>>(option(inner.clone()));
    check::<Option<Colour>, Option<TwoColours>>(option(colour));
    check::<Vec<Option<Option<Right>>>, Vec<Option<Option<Wrong>>>>(list(option(option(
        inner.clone(),
    ))));
    let result = Type::Result {
        ok: Some(Box::new(inner.clone())),
        err: Some(Box::new(inner.clone())),
    };
    check::<Result<Right, Right>, Result<Wrong, Right>>(result.clone());
    check::<Result<Right, Right>, Result<Right, Wrong>>(result.clone());
    // Side by side, each with a different number of alternatives.
    let both = Type::Tuple(vec![option(inner), Type::Bool, result]);
    type Pair<A, B> = (Option<A>, bool, Result<Right, B>);
    check::<Pair<Right, Right>, Pair<Wrong, Right>>(both.clone());
    check::<Pair<Right, Right>, Pair<Right, Wrong>>(both);
}

#[test]
fn a_type_that_was_made_to_take_long_does_not() {
    let cases = |ty: Type| {
        let names = (0..50).map(|i| case(&format!("c{i}"), Some(ty.clone())));
        Type::Variant(names.collect())
    };
    let names = (0..200).map(|i| format!("c{i}"));
    let wide = cases(cases(Type::Enum(names.collect())));
    let begun = std::time::Instant::now();
    assert!(gives::<Value>(&wide));
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn arguments_that_are_one_list_of_numbers_are_its_bytes_in_every_shape() {
    let numbers = vec![1_i64, -2, 3];
    let seen = |(count, bytes): (usize, &[u8])| (count, bytes.to_vec());
    let ty = list(Type::S64);
    let tuple = Type::Tuple(vec![ty.clone()]);
    let encoded = bytes(&numbers, &ty)[4..].to_vec();
    let expected = Some((3, encoded));
    assert_eq!(only_list(&numbers, &ty).map(seen), expected);
    assert_eq!(only_list(&(&numbers,), &tuple).map(seen), expected);
    assert_eq!(only_list(&(&numbers[..],), &tuple).map(seen), expected);
    assert_eq!(only_list(&(numbers.clone(),), &tuple).map(seen), expected);
    // What is no such list, or not in the shape that the type has, is encoded like everything else.
    assert_eq!(only_list(&numbers, &tuple), None);
    assert_eq!(only_list(&(&numbers,), &ty), None);
    assert_eq!(
        only_list(&(&numbers,), &Type::Tuple(vec![list(Type::U64)])),
        None
    );
    assert_eq!(
        only_list(&(&numbers, 1), &Type::Tuple(vec![ty, Type::S32])),
        None
    );
    assert_eq!(only_list(&vec!["text"], &list(Type::String)), None);
}
