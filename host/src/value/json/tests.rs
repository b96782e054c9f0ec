use super::*;
use crate::value::arbitrary::{any_type, any_typed_value};
use proptest::prelude::*;

fn check(text: &str, ty: Type, printed: &str) {
    let value = parse(text.as_bytes(), &ty).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(AsJson(&value).to_string(), printed);
}

fn refused(text: &str, ty: &Type, error: &str) {
    let read = parse(text.as_bytes(), ty)
        .map(|v| v.to_string())
        .map_err(|e| e.to_string());
    assert_eq!(read, Err(error.to_string()));
}

fn option(ty: Type) -> Type {
    Type::Option(Box::new(ty))
}

#[test]
fn numbers_are_exact_and_short() {
    check("18446744073709551615", Type::U64, "18446744073709551615");
    check("-9223372036854775808", Type::S64, "-9223372036854775808");
    check("3", Type::F64, "3.0");
    check("0.1", Type::F32, "0.1");
    check("\"-inf\"", Type::F32, "\"-inf\"");
    check("\"nan\"", Type::F64, "\"nan\"");
    refused("1.0", &Type::S64, "wanted s64, found `1.0`");
    refused("1e300", &Type::F32, "wanted f32, found `1e+300`");
    refused(
        "18446744073709551616",
        &Type::U64,
        "wanted u64, found `1.8446744073709552e+19`",
    );
}

#[test]
fn cases_options_and_results_have_the_forms_of_the_table() {
    let cases = Type::Variant(vec![
        Case {
            name: "none".into(),
            ty: None,
        },
        Case {
            name: "some".into(),
            ty: Some(option(Type::U8)),
        },
    ]);
    check("\"none\"", cases.clone(), "\"none\"");
    check("{\"some\":null}", cases.clone(), "{\"some\":null}");
    refused(
        "\"some\"",
        &cases,
        "wanted option<u8>, found nothing at `.some`",
    );
    refused(
        "{\"none\":1}",
        &cases,
        "wanted nothing, found `1` at `.none`",
    );
    refused(
        "{\"none\":1,\"some\":2}",
        &cases,
        "wanted variant { none, some(option<u8>) }, found `{\"none\":1,\"some\":2}`",
    );
    check("null", option(option(Type::U8)), "null");
    check(
        "{\"some\":null}",
        option(option(Type::U8)),
        "{\"some\":null}",
    );
    check(
        "{\"some\":{\"some\":1}}",
        option(option(option(Type::U8))),
        "{\"some\":{\"some\":1}}",
    );
    check("5", option(Type::U8), "5");
    refused(
        "5",
        &option(option(Type::U8)),
        "wanted option<option<u8>>, found `5`",
    );
    let result = Type::Result {
        ok: Some(Box::new(Type::U8)),
        err: None,
    };
    check("{\"ok\":1}", result.clone(), "{\"ok\":1}");
    check("{\"err\":null}", result.clone(), "{\"err\":null}");
    refused("{\"err\":1}", &result, "wanted null, found `1` at `.err`");
    check(
        "[\"b\",\"a\"]",
        Type::Flags(vec!["a".into(), "b".into()]),
        "[\"a\",\"b\"]",
    );
    check(
        "[1,\"é\"]",
        Type::Tuple(vec![Type::U8, Type::Char]),
        "[1,\"é\"]",
    );
}

#[test]
fn an_error_says_what_is_wrong_and_where() {
    let record = Type::Record(vec![
        Field {
            name: "tags".into(),
            ty: Type::List(Box::new(Type::String)),
        },
        Field {
            name: "at".into(),
            ty: option(Type::U8),
        },
    ]);
    check("{\"tags\":[]}", record.clone(), "{\"tags\":[],\"at\":null}");
    refused(
        "{\"tags\":[\"a\",\"b\",3]}",
        &record,
        "wanted string, found `3` at `.tags[2]`",
    );
    refused("{\"at\":1}", &record, "the field `tags` is missing");
    refused(
        "{\"tags\":[],\"to\":1}",
        &record,
        "there is no field `to`, only `tags`, `at`",
    );
    refused(
        "{\"tags\":[],\"at\":256}",
        &record,
        "wanted u8, found `256` at `.at`",
    );
    refused("\"ab\"", &Type::Char, "wanted char, found `\"ab\"`");
    refused(
        "{",
        &Type::Char,
        "this is not JSON: EOF while parsing an object at character 1",
    );
}

proptest! {
    #[test]
    fn any_value_is_read_back_as_it_was_written((ty, value) in any_typed_value()) {
        let text = AsJson(&value).to_string();
        let read = parse(text.as_bytes(), &ty);
        // Compared as debug text, in which `nan` equals itself and -0 differs from 0.
        prop_assert_eq!(format!("{read:?}"), format!("{:?}", Ok::<_, TextError>(value)), "{}", text);
    }

    #[test]
    fn any_f32_is_written_with_the_digits_that_it_needs_and_no_more(bits in any::<u32>()) {
        let number = f32::from_bits(bits);
        prop_assume!(number.is_finite());
        let text = AsJson(&Value::F32(number)).to_string();
        prop_assert_eq!(text.parse::<f32>().map(f32::to_bits), Ok(bits));
        prop_assert!(text.bytes().filter(u8::is_ascii_digit).count() <= 9 + 2 + 5, "{}", text);
        prop_assert_eq!(format!("{:?}", parse(text.as_bytes(), &Type::F32)), format!("Ok(F32({number:?}))"));
    }

    #[test]
    fn no_json_makes_the_reader_panic(ty in any_type(), (_, other) in any_typed_value()) {
        let _ = parse(AsJson(&other).to_string().as_bytes(), &ty);
    }
}
