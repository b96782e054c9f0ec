//! Arguments and results that are longer than the channel holds at once.

use crate::{builder, fault, pool};
use host::{Builder, Cause, Isolation, Limits, Pool, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::time::Duration;

/// Many times what the channel holds, and no round number.
const LONG: usize = (5 << 20) + 3;

fn limited(limits: Limits) -> Builder {
    builder("types").limits(limits)
}

/// Pools whose jobs take their arguments and give their results in each way that there is.
fn pools() -> Vec<(&'static str, Pool)> {
    let timed = Limits {
        timeout: Some(Duration::from_secs(10)),
        ..Limits::default()
    };
    let pools = [
        ("plain", builder("types")),
        ("timed", limited(timed)),
        ("accounted", builder("types").account(true)),
        (
            "an instance for each job",
            builder("types").isolation(Isolation::InstancePerJob),
        ),
    ];
    let build = |(how, builder): (_, Builder)| (how, builder.build().unwrap());
    pools.into_iter().map(build).collect()
}

#[track_caller]
fn comes_back<T>(pool: &Pool, function: &str, value: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug + Send + 'static,
{
    let back: T = pool.apply(function, (value,)).unwrap();
    assert!(back == *value, "{function}");
    let short: T = pool.apply(function, (&back,)).unwrap();
    assert!(short == *value, "{function} again");
}

#[test]
fn values_longer_than_the_channel_come_back_as_they_were() {
    let bytes: Vec<u8> = (0..LONG).map(|n| ((n * n) >> 3) as u8).collect();
    let numbers: Vec<i64> = (0..LONG as i64 / 8).map(|n| n * n - 1000).collect();
    let floats: Vec<f64> = numbers.iter().map(|n| *n as f64 / 3.0).collect();
    let text: String = (0..LONG / 4)
        .map(|n| char::from(b'a' + (n % 26) as u8))
        .collect::<String>()
        + "äöü";
    let texts: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
    let lists: Vec<Vec<i64>> = (0..9).map(|n| numbers[..n * 20_000].to_vec()).collect();
    for (how, pool) in pools() {
        println!("{how}");
        comes_back(&pool, "echo-list-u8", &bytes);
        comes_back(&pool, "echo-list-s64", &numbers);
        comes_back(&pool, "echo-list-f64", &floats);
        comes_back(&pool, "echo-string", &text);
        comes_back(&pool, "echo-list-string", &texts);
        comes_back(&pool, "echo-list-list", &lists);
        let wider: Vec<i128> = pool.apply("echo-list-s64", (&numbers,)).unwrap();
        assert!(
            wider
                .iter()
                .zip(&numbers)
                .all(|(wide, number)| *wide == i128::from(*number))
        );
        let value: Value = pool.apply("echo-list-u8", (&bytes[..300_000],)).unwrap();
        assert!(matches!(value, Value::List(items) if items.len() == 300_000));
        // Others that are short travel before and behind.
        let mixed: Vec<&[u8]> = (0..40)
            .map(|n| if n % 7 == 3 { &bytes[..] } else { &bytes[..n] })
            .collect();
        let back: Vec<Vec<u8>> = pool.map("echo-list-u8", &mixed).unwrap();
        assert!(back == mixed, "{how}");
    }
}

#[test]
fn a_guest_that_has_no_room_for_its_arguments_loses_its_own_job_only() {
    let limits = Limits {
        memory_bytes: 4 << 20,
        ..Limits::default()
    };
    let pool = limited(limits).build().unwrap();
    let (long, short) = (vec![1_u8; 3 * LONG], vec![2_u8; 1000]);
    for _ in 0..3 {
        let lost = fault(pool.apply::<Vec<u8>>("echo-list-u8", (&long,)));
        assert_eq!(lost.cause, Cause::Memory(4 << 20));
        let back: Vec<u8> = pool.apply("echo-list-u8", (&short,)).unwrap();
        assert!(back == short);
    }
    assert_eq!(pool.stats().workers_lost, 0);
}

#[test]
fn a_long_result_over_the_limit_is_a_fault_before_any_of_it_travels() {
    let limits = Limits {
        result_bytes: 1 << 20,
        ..Limits::default()
    };
    let pool = limited(limits).build().unwrap();
    let (over, just) = (vec![1_u8; (1 << 20) - 3], vec![2_u8; (1 << 20) - 4]);
    for _ in 0..3 {
        let Cause::Result(why) = fault(pool.apply::<Vec<u8>>("echo-list-u8", (&over,))).cause
        else {
            panic!("it is over the limit")
        };
        assert_eq!(why, "it is 1048577 bytes long, and may have 1048576");
        let back: Vec<u8> = pool.apply("echo-list-u8", (&just,)).unwrap();
        assert!(back == just);
    }
}

#[test]
fn what_threads_send_at_once_does_not_mix() {
    let pool = pool("types");
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let pool = &pool;
            scope.spawn(move || {
                let bytes = vec![thread; LONG / 2];
                for _ in 0..5 {
                    let back: Vec<u8> = pool.apply("echo-list-u8", (&bytes,)).unwrap();
                    assert!(back == bytes);
                }
            });
        }
    });
}
