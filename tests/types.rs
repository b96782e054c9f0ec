//! Rust types at the border: which fit which WIT types, how structs and enums travel, and what is said of a mismatch.

use crate::pool;
use host::{Error, FunctionError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Person {
    name: String,
    tags: Vec<String>,
    at: Option<u32>,
}

fn person() -> Person {
    Person {
        name: "Zoë".into(),
        tags: vec!["a".into(), String::new()],
        at: Some(3),
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Rectangle(u32, u32),
    Label(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Colour {
    Red,
    Green,
    Blue,
}

/// Calls a function that returns its argument, checked beforehand.
#[track_caller]
fn echo<T>(pool: &host::Pool, function: &str, values: impl IntoIterator<Item = T>)
where
    T: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + 'static,
{
    let values: Vec<T> = values.into_iter().collect();
    assert_eq!(pool.map::<T>(function, &values).unwrap(), values);
    let checked = pool.func::<T, T>(function).unwrap();
    assert_eq!(checked.map(values.clone()).unwrap(), values);
}

/// What is said when a function is asked for with these types.
#[track_caller]
fn mismatch<P, R>(pool: &host::Pool, function: &str) -> String
where
    P: Serialize + Deserialize<'static>,
    R: DeserializeOwned + Send + 'static,
{
    match pool.func::<P, R>(function) {
        Err(error @ FunctionError::Mismatch { .. }) => error.to_string(),
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("{function} may be called with these types"),
    }
}

#[test]
fn a_struct_is_a_record_in_whatever_order_its_fields_are() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Turned {
        at: Option<u32>,
        tags: Vec<String>,
        name: String,
    }
    let pool = pool("types");
    echo(&pool, "echo-record", [person()]);
    echo(
        &pool,
        "echo-list-record",
        [vec![], vec![person(), person()]],
    );
    let turned = Turned {
        at: None,
        tags: vec![],
        name: "x".into(),
    };
    echo(&pool, "echo-record", [turned.clone()]);
    let person: Person = pool.apply("echo-record", (turned,)).unwrap();
    assert_eq!(
        person,
        Person {
            name: "x".into(),
            tags: vec![],
            at: None
        }
    );
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Eight {
        id: u64,
        name: String,
        active: bool,
        score: f64,
        initial: char,
        level: i8,
        ratio: f32,
        note: String,
    }
    let eight = Eight {
        id: u64::MAX,
        name: "n".repeat(300),
        active: true,
        score: -0.1,
        initial: '🦀',
        level: -128,
        ratio: 1.5,
        note: "ü".into(),
    };
    echo(&pool, "echo-eight", [eight]);
}

#[test]
fn an_enum_is_a_variant_or_an_enum_and_rusts_names_fit_wits() {
    let pool = pool("types");
    echo(
        &pool,
        "echo-enum",
        [Colour::Red, Colour::Green, Colour::Blue],
    );
    echo(
        &pool,
        "echo-variant",
        [
            Shape::Point,
            Shape::Circle(0.5),
            Shape::Rectangle(3, u32::MAX),
            Shape::Label("l".into()),
        ],
    );
    type Deep = Vec<Option<Result<(Person, Shape), Vec<Colour>>>>;
    let deep: Deep = vec![
        None,
        Some(Ok((person(), Shape::Label(String::new())))),
        Some(Err(vec![Colour::Blue, Colour::Red])),
        Some(Err(vec![])),
    ];
    echo(&pool, "echo-deep", [deep, vec![]]);
}

#[test]
fn options_results_and_tuples_are_rusts_own() {
    let pool = pool("types");
    echo(
        &pool,
        "echo-option",
        [None, Some(String::new()), Some("x".to_owned())],
    );
    echo(
        &pool,
        "echo-nested-option",
        [None, Some(None), Some(Some(0_u32)), Some(Some(u32::MAX))],
    );
    echo(&pool, "echo-result", [Ok(3_u32), Err(String::from("no"))]);
    echo(&pool, "echo-result-ok", [Ok(3_u32), Err(())]);
    echo(&pool, "echo-result-err", [Ok(()), Err(String::from("no"))]);
    echo(&pool, "echo-result-none", [Ok::<(), ()>(()), Err(())]);
    echo(&pool, "echo-tuple", [(1_u32, String::from("x"), 2.5_f64)]);
    assert_eq!(pool.apply::<()>("echo-nothing", ()), Ok(()));
    assert_eq!(
        pool.func::<(), ()>("echo-nothing").unwrap().map([(); 3]),
        Ok(vec![(); 3])
    );
}

#[test]
fn flags_are_a_struct_of_bools_or_the_names_that_are_set() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Access {
        execute: bool,
        read: bool,
        write: bool,
    }
    let pool = pool("types");
    echo(
        &pool,
        "echo-flags",
        [Access {
            execute: true,
            read: false,
            write: true,
        }],
    );
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<String>>()
    };
    echo(
        &pool,
        "echo-flags",
        [
            names(&[]),
            names(&["read"]),
            names(&["read", "write", "execute"]),
        ],
    );
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct ManyFlags {
        low: BTreeSet<String>,
        high: BTreeSet<String>,
    }
    let many = ManyFlags {
        low: names(&["b0", "b31"]),
        high: names(&["b47"]),
    };
    echo(&pool, "echo-many-flags", [many]);
    assert!(matches!(
        pool.map::<BTreeSet<String>>("echo-flags", [names(&["fly"])]),
        Err(Error::Item { job: 0, .. })
    ));
}

#[test]
fn a_map_is_a_list_of_pairs() {
    let pool = crate::builder("faults")
        .env("A", "1")
        .env("B", "2")
        .build()
        .unwrap();
    let pairs = [("A", "1"), ("B", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(
        pool.apply::<HashMap<String, String>>("environment", ()),
        Ok(HashMap::from(pairs.clone()))
    );
    assert_eq!(
        pool.apply::<BTreeMap<String, String>>("environment", ()),
        Ok(BTreeMap::from(pairs.clone()))
    );
    let environment = pool
        .func::<(), HashMap<String, String>>("environment")
        .unwrap();
    assert_eq!(environment.apply(()), Ok(HashMap::from(pairs)));
}

#[test]
fn borrowed_arguments_need_no_copy() {
    let pool = pool("types");
    let text = String::from("borrowed");
    let echo = pool.func::<&str, String>("echo-string").unwrap();
    assert_eq!(
        echo.map([text.as_str(), &text[1..]]),
        Ok(vec!["borrowed".to_owned(), "orrowed".to_owned()])
    );
    let bytes = [1_u8, 2, 3];
    let echo = pool.func::<&[u8], Vec<u8>>("echo-list-u8").unwrap();
    assert_eq!(echo.apply(&bytes[1..]), Ok(vec![2, 3]));
    let echo = pool.func::<(&str,), String>("echo-string").unwrap();
    assert_eq!(echo.apply((&text,)), Ok(text.clone()));
}

#[test]
fn an_integer_fits_by_its_value_or_is_refused_with_its_place() {
    let pool = pool("types");
    assert_eq!(pool.map::<u8>("echo-u8", [0_i64, 255]), Ok(vec![0, 255]));
    for (job, items) in [(0, [256_i64, 1, 2]), (1, [1, -1, 2]), (2, [1, 2, i64::MAX])] {
        match pool.map::<u8>("echo-u8", items) {
            Err(Error::Item { job: found, error }) => {
                assert_eq!(found, job);
                assert!(
                    error.message.contains("u8")
                        && error.message.contains(&items[job as usize].to_string()),
                    "{error}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        pool.map::<i128>("echo-u64", [u64::MAX]),
        Ok(vec![i128::from(u64::MAX)])
    );
    assert!(matches!(
        pool.map::<u64>("echo-u64", [-1]),
        Err(Error::Item { job: 0, .. })
    ));
    assert_eq!(pool.map::<f64>("echo-f64", [3]), Ok(vec![3.0]));
    assert!(matches!(
        pool.map::<f64>("echo-f64", [(1_i64 << 53) + 1]),
        Err(Error::Item { job: 0, .. })
    ));
    // Where a value deep inside does not fit, its path is told.
    let items = vec![
        (String::from("x"), vec!["a"], Some(1_i64)),
        (String::from("y"), vec![], Some(-1)),
    ];
    #[derive(Serialize)]
    struct Loose {
        name: String,
        tags: Vec<&'static str>,
        at: Option<i64>,
    }
    let items: Vec<Loose> = items
        .into_iter()
        .map(|(name, tags, at)| Loose { name, tags, at })
        .collect();
    match pool.map::<Vec<Person>>("echo-list-record", [items]) {
        Err(Error::Item { job: 0, error }) => assert!(
            error.path.contains("1") && error.path.contains("at"),
            "{error}"
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_result_needs_a_rust_type_that_holds_every_value() {
    let pool = pool("arith");
    assert_eq!(pool.func::<u8, i128>("square").unwrap().apply(12), Ok(144));
    for (said, name) in [
        (mismatch::<i64, i32>(&pool, "square"), "i32"),
        (mismatch::<i64, u64>(&pool, "square"), "u64"),
        (mismatch::<i64, f64>(&pool, "square"), "f64"),
        (mismatch::<i64, String>(&pool, "square"), "String"),
        (mismatch::<i64, ()>(&pool, "square"), "()"),
    ] {
        assert!(
            said.contains("square: func(n: s64) -> s64") && said.contains(name),
            "{said}"
        );
    }
    assert!(matches!(
        pool.map::<i32>("square", [1]),
        Err(Error::Function(FunctionError::Mismatch { .. }))
    ));
    assert!(matches!(
        pool.submit::<i32>("square", (1,)),
        Err(Error::Function(FunctionError::Mismatch { .. }))
    ));
}

#[test]
fn a_mismatch_names_both_types() {
    let arith = pool("arith");
    for (said, name) in [
        (mismatch::<String, i64>(&arith, "square"), "String"),
        (mismatch::<(i64, i64), i64>(&arith, "square"), "(i64, i64)"),
        (mismatch::<(i64, i64), i64>(&arith, "product"), "(i64, i64)"),
        (mismatch::<Vec<String>, Vec<i64>>(&arith, "evens"), "String"),
    ] {
        assert!(said.contains("s64") && said.contains(name), "{said}");
    }
    #[derive(Serialize, Deserialize)]
    struct Misspelt {
        nam: String,
        tags: Vec<String>,
        at: Option<u32>,
    }
    #[derive(Serialize, Deserialize)]
    enum Oblong {
        Point,
        Circle(f64),
        Square(u32, u32),
        Label(String),
    }
    let types = pool("types");
    assert!(mismatch::<Misspelt, Person>(&types, "echo-record").contains("Misspelt"));
    assert!(mismatch::<Person, Misspelt>(&types, "echo-record").contains("Misspelt"));
    assert!(mismatch::<Shape, Oblong>(&types, "echo-variant").contains("Oblong"));
    assert!(
        mismatch::<Option<u32>, Option<u32>>(&types, "echo-nested-option")
            .contains("option<option<u32>>")
    );
    assert!(
        mismatch::<Result<u32, u32>, Result<u32, String>>(&types, "echo-result")
            .contains("Result<u32, u32>")
    );
}

#[test]
fn an_unknown_function_names_the_known_ones() {
    let pool = pool("arith");
    let said = pool.map::<i64>("sqare", [1]).unwrap_err().to_string();
    assert!(said.contains("square"), "{said}");
    for name in ["arith/square", "pool:tasks/arith@0.1.0#square"] {
        assert_eq!(pool.apply::<i64>(name, (3,)), Ok(9));
    }
    match pool.map::<i64>("product", [1]) {
        Err(Error::Function(FunctionError::Parameters { params: 3, .. })) => {}
        other => panic!("{other:?}"),
    }
}
