//! Values there and back through a real guest: every type of WIT, typed and dynamic, random and extreme, small and huge.

use crate::{PATIENCE, builder, check, pool, within};
use host::{Case, Field, Limits, Pool, Type, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};
use std::sync::OnceLock;

/// One pool for all these tests: what they ask of it is a few thousand calls.
fn types() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| pool("types"))
}

/// A random value of this type.
fn any_value(ty: &Type) -> BoxedStrategy<Value> {
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
        // A NaN differs from itself, so it has a test of its own.
        Type::F32 => any::<f32>()
            .prop_map(|n| Value::F32(if n.is_nan() { f32::INFINITY } else { n }))
            .boxed(),
        Type::F64 => any::<f64>()
            .prop_map(|n| Value::F64(if n.is_nan() { -0.0 } else { n }))
            .boxed(),
        Type::Char => any::<char>().prop_map(Value::Char).boxed(),
        Type::String => vec(any::<char>(), 0..20)
            .prop_map(|chars| Value::String(chars.into_iter().collect()))
            .boxed(),
        Type::List(item) => vec(any_value(item), 0..6).prop_map(Value::List).boxed(),
        Type::Tuple(items) => items
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
        Type::Variant(cases) => {
            let case = |Case { name, ty }: Case| (Just(name), any_payload(ty.as_ref()));
            let case = select(cases.clone()).prop_flat_map(case);
            case.prop_map(|(name, payload)| Value::Variant(name, payload))
                .boxed()
        }
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
        other => panic!("values of `{other}` are not tested"),
    }
}

fn any_payload(ty: Option<&Type>) -> BoxedStrategy<Option<Box<Value>>> {
    match ty {
        Some(ty) => any_value(ty)
            .prop_map(|value| Some(Box::new(value)))
            .boxed(),
        None => Just(None).boxed(),
    }
}

/// Runs a property on random values, the same ones each time, so that a failure is one for everybody.
fn for_any<T: std::fmt::Debug>(values: impl Strategy<Value = T>, cases: u32, property: impl Fn(T)) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(Default::default()),
    );
    runner
        .run(&values, |value| {
            property(value);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_random_value_of_every_type_comes_back_unchanged() {
    let pool = types();
    let mut echoes = 0;
    for function in &pool.description().functions {
        let Some(name) = function.name.strip_prefix("echo-") else {
            continue;
        };
        if name == "nothing" {
            continue;
        }
        let ty = &function.params[0].ty;
        let echo = pool.func::<Vec<Value>, Value>(&function.name).unwrap();
        // Many at once, as one chunk of jobs.
        for_any(vec(any_value(ty), 1..40), 20, |values| {
            let arguments = values.iter().map(|value| vec![value.clone()]);
            assert_eq!(echo.map(arguments).unwrap(), values);
        });
        let single = pool.func::<Value, Value>(&function.name);
        for_any(any_value(ty), 5, |value| {
            assert_eq!(
                pool.map::<Value>(&function.name, [&value]).unwrap(),
                std::slice::from_ref(&value)
            );
            if let Ok(single) = &single {
                assert_eq!(single.apply(value.clone()).unwrap(), value);
            }
        });
        echoes += 1;
    }
    assert_eq!(echoes, 33, "echo functions without `echo-nothing`");
}

#[test]
fn a_random_value_written_as_json_or_wave_comes_back_through_the_guest() {
    use host::value::{json, wave};
    let pool = types();
    let function = pool
        .description()
        .functions
        .iter()
        .find(|function| function.name == "echo-deep")
        .unwrap();
    let ty = &function.params[0].ty;
    let echo = pool.func::<Vec<Value>, Value>("echo-deep").unwrap();
    for_any(any_value(ty), 100, |value| {
        let back = echo
            .apply(vec![wave::parse(&value.to_string(), ty).unwrap()])
            .unwrap();
        assert_eq!(back, value);
        let text = json::AsJson(&value).to_string();
        let back = echo
            .apply(vec![json::parse(text.as_bytes(), ty).unwrap()])
            .unwrap();
        assert_eq!(back, value);
    });
}

#[test]
fn random_typed_lists_come_back_unchanged() {
    let pool = types();
    for_any(vec(vec(any::<u8>(), 0..3000), 1..10), 20, |lists| {
        check(pool, "echo-list-u8", &lists, &lists)
    });
    for_any(vec(vec(any::<i64>(), 0..300), 1..10), 20, |lists| {
        check(pool, "echo-list-s64", &lists, &lists)
    });
    for_any(vec(any::<String>(), 0..50), 20, |texts| {
        check(pool, "echo-string", &texts, &texts)
    });
    for_any(vec(vec(any::<String>(), 0..9), 1..10), 20, |lists| {
        check(pool, "echo-list-string", &lists, &lists)
    });
    for_any(vec(vec(vec(any::<i64>(), 0..9), 0..9), 1..5), 20, |lists| {
        check(pool, "echo-list-list", &lists, &lists)
    });
}

#[test]
fn the_ends_of_every_range_come_back() {
    let pool = types();
    check(
        pool,
        "echo-s8",
        &[i8::MIN, -1, 0, i8::MAX],
        &[i8::MIN, -1, 0, i8::MAX],
    );
    check(pool, "echo-u8", &[0, u8::MAX], &[0, u8::MAX]);
    check(
        pool,
        "echo-s16",
        &[i16::MIN, i16::MAX],
        &[i16::MIN, i16::MAX],
    );
    check(pool, "echo-u16", &[0, u16::MAX], &[0, u16::MAX]);
    check(
        pool,
        "echo-s32",
        &[i32::MIN, i32::MAX],
        &[i32::MIN, i32::MAX],
    );
    check(pool, "echo-u32", &[0, u32::MAX], &[0, u32::MAX]);
    check(
        pool,
        "echo-s64",
        &[i64::MIN, i64::MAX],
        &[i64::MIN, i64::MAX],
    );
    check(pool, "echo-u64", &[0, u64::MAX], &[0, u64::MAX]);
    check(pool, "echo-bool", &[true, false], &[true, false]);
    let chars = ['\0', 'a', '\u{d7ff}', '\u{e000}', '🦀', char::MAX];
    check(pool, "echo-char", &chars, &chars);
    let texts = ["", "\0", "a\0b", "é", "e\u{301}", "🦀🦀"].map(str::to_owned);
    check(pool, "echo-string", &texts, &texts);
    check(pool, "echo-list-u8", &[vec![0_u8; 0]], &[vec![0_u8; 0]]);
    check(
        pool,
        "echo-list-list",
        &[vec![], vec![vec![0_i64; 0]]],
        &[vec![], vec![vec![0_i64; 0]]],
    );
}

#[test]
fn floats_come_back_bit_by_bit_and_nan_as_some_nan() {
    let pool = types();
    let bits32 = [
        f32::INFINITY,
        f32::NEG_INFINITY,
        0.0,
        -0.0,
        f32::MIN_POSITIVE,
        f32::from_bits(1),
        f32::MAX,
        0.1,
    ];
    let bits64 = [
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.0,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        f64::MAX,
        0.1,
    ];
    let back: Vec<f32> = pool.map("echo-f32", bits32).unwrap();
    assert_eq!(back.map_bits(f32::to_bits), bits32.map(f32::to_bits));
    let back: Vec<f64> = pool.map("echo-f64", bits64).unwrap();
    assert_eq!(back.map_bits(f64::to_bits), bits64.map(f64::to_bits));
    let back: Vec<Vec<f64>> = pool.map("echo-list-f64", [bits64.to_vec()]).unwrap();
    assert_eq!(back[0].map_bits(f64::to_bits), bits64.map(f64::to_bits));
    for nan in [f64::NAN, -f64::NAN, f64::from_bits(0x7ff0_0000_0000_0001)] {
        assert!(pool.map::<f64>("echo-f64", [nan]).unwrap()[0].is_nan());
        assert!(pool.map::<f32>("echo-f32", [nan as f32]).unwrap()[0].is_nan());
        assert!(pool.map::<Vec<f64>>("echo-list-f64", [[nan]]).unwrap()[0][0].is_nan());
    }
}

trait MapBits<T> {
    fn map_bits<B>(&self, bits: fn(T) -> B) -> Vec<B>;
}

impl<T: Copy> MapBits<T> for Vec<T> {
    fn map_bits<B>(&self, bits: fn(T) -> B) -> Vec<B> {
        self.iter().copied().map(bits).collect()
    }
}

/// Bytes without a pattern that a lost or doubled piece would leave intact.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut noise = Vec::with_capacity(bytes + 8);
    while noise.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.truncate(bytes);
    noise
}

#[test]
fn sizes_around_the_channels_come_back_whole() {
    let pool = types();
    // The ring holds 256 KiB; a frame's header and a list's length take a few bytes of it.
    let sizes = [256 << 10, 128 << 10, 512 << 10]
        .into_iter()
        .flat_map(|size| (size - 20)..(size + 12));
    let lists: Vec<Vec<u8>> = sizes.map(|size| noise(size, size as u64)).collect();
    let back = pool.imap::<Vec<u8>, _>("echo-list-u8", &lists).unwrap();
    for (back, list) in back.zip(&lists) {
        assert!(back.unwrap() == *list, "{} bytes", list.len());
    }
}

#[test]
fn many_lists_of_middling_size_come_back_in_order() {
    let pool = types();
    for chunk in [None, Some(8)] {
        let own = chunk.map(|chunk| builder("types").chunk(chunk).build().unwrap());
        let pool = own.as_ref().unwrap_or(pool);
        let lists = |n: u64| noise(if n.is_multiple_of(5) { 10 } else { 64 << 10 }, n + 1);
        let back = pool
            .imap::<Vec<u8>, _>("echo-list-u8", (0..500).map(lists))
            .unwrap();
        let mut count = 0;
        for (n, back) in back.enumerate() {
            assert!(back.unwrap() == lists(n as u64), "list {n}");
            count += 1;
        }
        assert_eq!(count, 500);
    }
}

#[test]
fn a_hundred_megabytes_go_there_and_back() {
    within(4 * PATIENCE, || {
        let limits = Limits {
            memory_bytes: 2 << 30,
            ..Limits::default()
        };
        let pool = builder("types").workers(1).limits(limits).build().unwrap();
        let echo = pool.func::<&[u8], Vec<u8>>("echo-list-u8").unwrap();
        let bytes: &'static [u8] = noise(100_000_000, 7).leak();
        assert!(echo.apply(bytes).unwrap() == bytes);
        // And small ones behind it.
        assert_eq!(
            echo.map([&bytes[..3], &bytes[5..9]]).unwrap(),
            [&bytes[..3], &bytes[5..9]]
        );
        assert_eq!(pool.stats().workers_lost, 0);
    });
}
