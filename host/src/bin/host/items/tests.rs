use super::*;
use crate::form::Named;
use host::{Field, Function};

fn function(types: &[Type]) -> Function {
    let params = types
        .iter()
        .map(|ty| Field {
            name: "x".into(),
            ty: ty.clone(),
        })
        .collect();
    Function {
        interface: None,
        name: "f".into(),
        params,
        result: None,
    }
}

fn items(texts: &[&str], ty: Type) -> Result<Items, Failure> {
    let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
    Items::read(&texts, Form::item(&function(&[ty]), &Named::default())?)
}

fn check(texts: &[&str], ty: Type, arguments: &str) {
    let items = items(texts, ty).unwrap_or_else(|e| panic!("{e:?}"));
    let count = items.count();
    let all: Vec<String> = items.arguments().map(|args| args[0].to_string()).collect();
    assert_eq!(all.join(" "), arguments);
    assert_eq!(count, all.len() as u64);
}

fn refused(texts: &[&str], ty: Type, message: &str) {
    let failure = items(texts, ty)
        .map(|items| items.count())
        .expect_err("should be refused");
    assert_eq!((failure.code, failure.message.as_str()), (2, message));
}

#[test]
fn values_and_ranges_mix() {
    check(&["7", "1..=3", "-1..1", "9"], Type::S64, "7 1 2 3 -1 0 9");
    check(&["0..2", "1.5", " -2..=-1 "], Type::F64, "0 1 1.5 -2 -1");
    check(&["5..5", "5..3", "5..=4"], Type::U8, "");
    check(&["\"1..3\""], Type::String, "\"1..3\"");
}

#[test]
fn a_range_is_never_spread_out_in_memory() {
    let items = items(&["0..18446744073709551615"], Type::U64).unwrap();
    assert_eq!(items.count(), u64::MAX);
    assert_eq!(items.arguments().nth(2), Some(vec![Value::U64(2)]));
}

#[test]
fn a_range_must_fit_with_both_ends() {
    check(
        &["0..256"],
        Type::U8,
        &(0..256)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(" "),
    );
    refused(
        &["1", "0..=256"],
        Type::U8,
        "`f` cannot take item 2, `0..=256`: wanted u8, found 0..=256, a range of whole numbers",
    );
    refused(
        &["-1..3"],
        Type::U8,
        "`f` cannot take item 1, `-1..3`: wanted u8, found -1..3, a range of whole numbers",
    );
    refused(
        &["0..=16777217"],
        Type::F32,
        "`f` cannot take item 1, `0..=16777217`: wanted f32, found 0..=16777217, a range of whole numbers",
    );
    refused(
        &["1..3"],
        Type::List(Box::new(Type::S64)),
        "`f` cannot take item 1, `1..3`: wanted list<s64>, found 1..3, a range of whole numbers",
    );
    refused(
        &["3..3"],
        Type::String,
        "`f` cannot take item 1, `3..3`: wanted string, found 3..3, a range of whole numbers",
    );
}

#[test]
fn the_first_wrong_item_is_named_with_what_was_wanted() {
    refused(
        &["1", "\"x\"", "\"y\""],
        Type::S64,
        "`f` cannot take item 2, `\"x\"`: wanted s64, found `\"x\"`",
    );
    let hint = items(&["hello"], Type::String).expect_err("no quotes").hint;
    assert!(hint.is_some_and(|hint| hint.contains("double quotes")));
}

#[test]
fn tuples_have_all_arguments() {
    let form = Form::tuple(&function(&[Type::S64, Type::String]), &Named::default());
    let items = Items::read(&["(1, \"a\")".into()], form.clone()).unwrap();
    assert_eq!(
        items.arguments().next(),
        Some(vec![Value::S64(1), Value::String("a".into())])
    );
    let failure = Items::read(&["(1)".into()], form)
        .map(|_| ())
        .expect_err("one is missing");
    assert_eq!(
        failure.message,
        "`f` cannot take item 1, `(1)`: it takes 2 arguments, `f: func(x: s64, x: string)`"
    );
    let none = Items::call("()", Form::tuple(&function(&[]), &Named::default())).unwrap();
    assert_eq!(none.arguments().collect::<Vec<_>>(), [Vec::<Value>::new()]);
}

#[test]
fn map_wants_a_function_of_one_parameter() {
    let failure = Form::item(&function(&[Type::S64, Type::S64]), &Named::default())
        .map(|_| ())
        .expect_err("two");
    assert_eq!(failure.code, 2);
    assert!(failure.hint.is_some_and(|hint| hint.contains("starmap")));
    assert!(Form::item(&function(&[]), &Named::default()).is_err());
}
