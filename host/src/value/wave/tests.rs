use super::*;
use crate::value::arbitrary::any_typed_value;
use proptest::prelude::*;

fn record() -> Type {
    let field = |name: &str, ty| Field {
        name: name.into(),
        ty,
    };
    Type::Record(vec![
        field("name", Type::String),
        field("tags", Type::List(Box::new(Type::String))),
        field("at", Type::Option(Box::new(Type::U8))),
    ])
}

fn check(text: &str, ty: Type, printed: &str) {
    let value = parse(text, &ty).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(value.to_string(), printed);
}

fn refused(text: &str, ty: &Type, error: &str) {
    assert_eq!(
        parse(text, ty)
            .map(|v| v.to_string())
            .map_err(|e| e.to_string()),
        Err(error.to_string())
    );
}

#[test]
fn numbers_are_read_and_written_in_their_shortest_form() {
    check("-3", Type::S8, "-3");
    check("3", Type::F64, "3");
    check(" 1.410 ", Type::F64, "1.41");
    check("0.1", Type::F32, "0.1");
    check("16777217", Type::F32, "16777216");
    check("1e300", Type::F64, "1e300");
    check("-0", Type::F64, "-0");
    check("0.000001", Type::F32, "1e-6");
    check("-inf", Type::F32, "-inf");
    check("nan", Type::F64, "nan");
    check("18446744073709551615", Type::U64, "18446744073709551615");
}

#[test]
fn characters_are_escaped_only_where_they_must_be() {
    check(r"'\u{1F44B}'", Type::Char, "'👋'");
    check(r"'\''", Type::Char, r"'\''");
    check("'\"'", Type::Char, "'\"'");
    check(
        r#""it\'s \"é\"\n\\\u{7f}""#,
        Type::String,
        r#""it's \"é\"\n\\\u{7f}""#,
    );
}

#[test]
fn records_may_leave_out_what_is_none_and_are_printed_whole() {
    check(
        r#"{tags: ["a"], name: "x"}"#,
        record(),
        r#"{name: "x", tags: ["a"], at: none}"#,
    );
    check(
        r#"{name: "x", tags: [], at: 3}"#,
        record(),
        r#"{name: "x", tags: [], at: some(3)}"#,
    );
    let optional = Type::Record(vec![Field {
        name: "a".into(),
        ty: Type::Option(Box::new(Type::Bool)),
    }]);
    check("{}", optional.clone(), "{a: none}");
    check("{:}", optional, "{a: none}");
}

#[test]
fn nested_options_and_all_forms_of_result_keep_their_cases() {
    let nested = Type::Option(Box::new(Type::Option(Box::new(Type::U8))));
    check("none", nested.clone(), "none");
    check("some(none)", nested.clone(), "some(none)");
    check("some(some(1))", nested.clone(), "some(some(1))");
    refused("1", &nested, "wanted option<option<u8>>, found `1`");
    let result = |ok: Option<Type>, err: Option<Type>| Type::Result {
        ok: ok.map(Box::new),
        err: err.map(Box::new),
    };
    check("ok", result(None, None), "ok");
    check("err", result(None, None), "err");
    check("ok(1)", result(Some(Type::U8), None), "ok(1)");
    check("err(\"e\")", result(None, Some(Type::String)), "err(\"e\")");
    check("5", result(Some(Type::U8), Some(Type::String)), "ok(5)");
    refused(
        "err",
        &result(None, Some(Type::U8)),
        "wanted u8, found nothing at `.err`",
    );
    refused(
        "ok(1)",
        &result(None, None),
        "wanted nothing, found `1` at `.ok`",
    );
}

#[test]
fn names_that_are_words_of_wave_carry_a_sign() {
    check("%none", Type::Enum(vec!["none".into()]), "%none");
    check(
        "{b, %true}",
        Type::Flags(vec!["true".into(), "a".into(), "b".into()]),
        "{true, b}",
    );
    check("()", Type::Tuple(vec![]), "()");
}

#[test]
fn an_error_says_what_is_wrong_and_where() {
    refused("\"x\"", &Type::S64, "wanted s64, found `\"x\"`");
    refused("300", &Type::U8, "wanted u8, found `300`");
    refused("1e400", &Type::F64, "wanted f64, found `1e400`");
    refused("hello", &Type::String, "wanted string, found `hello`");
    refused(
        "{name: \"x\", tags: [\"a\", \"b\", 3]}",
        &record(),
        "wanted string, found `3` at `.tags[2]`",
    );
    refused("{name: \"x\"}", &record(), "the field `tags` is missing");
    refused(
        "{nam: \"x\"}",
        &record(),
        "there is no field `nam`, only `name`, `tags`, `at`",
    );
    refused(
        "red",
        &Type::Enum(vec!["blue".into()]),
        "there is no case `red`, only `blue`",
    );
    refused(
        "(1, 2)",
        &Type::Tuple(vec![Type::U8]),
        "wanted tuple<u8>, found `(1, 2)`",
    );
    refused(
        "[1, 2",
        &Type::List(Box::new(Type::U8)),
        "this is not WAVE: unexpected end of input at character 6",
    );
    refused(
        "1 2",
        &Type::U8,
        "this is not WAVE: trailing characters after value at character 3",
    );
}

#[test]
fn a_call_is_a_name_and_a_tuple() {
    assert_eq!(split_call("square(3)"), Ok(("square", "(3)")));
    assert_eq!(
        split_call(" ns:pkg/i@1.0.0#f (1, \"(\") "),
        Ok(("ns:pkg/i@1.0.0#f", "(1, \"(\")"))
    );
    assert_eq!(split_call("spin()"), Ok(("spin", "()")));
    assert!(split_call("square").is_err());
    assert!(split_call("(1)").is_err());
    assert!(split_call("f(1").is_err());
}

proptest! {
    #[test]
    fn any_value_is_read_back_as_it_was_written((ty, value) in any_typed_value()) {
        let text = value.to_string();
        let read = parse(&text, &ty);
        // Compared as debug text, in which `nan` equals itself and -0 differs from 0.
        prop_assert_eq!(format!("{read:?}"), format!("{:?}", Ok::<_, TextError>(value)), "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_panic((ty, _) in any_typed_value(), text in "[-\\[\\]{}()a-z0-9\"':,.% ]{0,20}") {
        let _ = parse(&text, &ty);
        let _ = split_call(&text);
    }
}
