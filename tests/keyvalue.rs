//! `wasi:keyvalue`: a component that was written for any host works on buckets, which are dicts of a manager.

use crate::{builder, fault, process, program, until, within};
use host::shared::{Datum, Dict};
use host::{BuildError, Cause, Handle, Manager, ManagerError, ManagerLimits, Pool};
use rustix::process::Signal;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(20);

/// A value of a bucket, if there is one.
type Value = Option<Vec<u8>>;

/// What a guest's function gives: errors of the store are values.
type Given<T> = Result<T, String>;

fn manager() -> Manager {
    Manager::builder().program(program()).start().unwrap()
}

/// A pool whose guest has a dict as its bucket `visits`.
fn pool(dict: &Dict, workers: usize) -> Pool {
    let builder = builder("visits").workers(workers).bucket("visits", dict);
    let pool = builder.build().unwrap();
    pool.wait_ready();
    pool
}

fn bytes(text: &str) -> Datum {
    Datum::Bytes(text.into())
}

#[test]
fn visits_that_several_workers_count_at_the_same_time_are_all_counted() {
    let manager = manager();
    let dict = manager.dict().unwrap();
    let pool = pool(&dict, 2);
    let pages = ["a", "b", "a"].repeat(100);
    let counts: Vec<Given<i64>> = pool.map("visit", &pages).unwrap();
    let mut of_a: Vec<i64> = (counts.into_iter().zip(&pages))
        .filter(|(_, page)| **page == "a")
        .map(|(count, _)| count.unwrap())
        .collect();
    of_a.sort_unstable();
    assert!(
        of_a.into_iter().eq(1..=200),
        "each increment gave its own sum"
    );
    assert_eq!(dict.get("a"), Ok(Some(bytes("200"))));
    assert_eq!(dict.get("b"), Ok(Some(bytes("100"))));
}

#[test]
fn swaps_of_several_workers_lose_no_name() {
    let manager = manager();
    let dict = manager.dict().unwrap();
    let pool = pool(&dict, 2);
    let names = ["x", "y"].repeat(100);
    let jobs = names.iter().map(|name| ("book", name));
    let tries: Vec<Given<u32>> = pool.starmap("sign", jobs).unwrap();
    assert!(tries.iter().all(Result::is_ok), "{tries:?}");
    let Ok(Some(Datum::Bytes(book))) = dict.get("book") else {
        panic!("no book");
    };
    let count = |name: u8| book.iter().filter(|letter| **letter == name).count();
    assert_eq!((count(b'x'), count(b'y')), (100, 100));
}

#[test]
fn a_swap_that_comes_late_fails_with_a_handle_that_knows_the_present_value() {
    let manager = manager();
    let pool = pool(&manager.dict().unwrap(), 1);
    let late: Given<(Value, Value)> = pool.apply("swap-late", ("visits", "k")).unwrap();
    let others = Some(b"somebody else's".to_vec());
    assert_eq!(late, Ok((others.clone(), others)));
}

#[test]
fn values_are_set_read_taken_away_and_listed() {
    let manager = manager();
    let dict = manager.dict().unwrap();
    let pool = pool(&dict, 1);
    let get = |key: &str| pool.apply::<Given<Option<Vec<u8>>>>("get", ("visits", key));
    let () = pool
        .apply::<Given<()>>("set", ("visits", "k", vec![0_u8, 255]))
        .unwrap()
        .unwrap();
    assert_eq!(get("k").unwrap(), Ok(Some(vec![0, 255])));
    assert_eq!(get("other").unwrap(), Ok(None));
    assert_eq!(dict.get("k"), Ok(Some(Datum::Bytes(vec![0, 255]))));
    for there in [true, false] {
        let forgot: Given<(bool, bool)> = pool.apply("forget", ("visits", "k")).unwrap();
        assert_eq!(forgot, Ok((there, false)));
    }
    let all = (0..1500).map(|number| (format!("k{number}"), "v"));
    dict.update(all.clone()).unwrap();
    // Keys that are no texts have no name for a guest.
    dict.set(7, "number").unwrap();
    let keys: Given<(Vec<String>, u32)> = pool.apply("keys", ("visits",)).unwrap();
    let expected: Vec<String> = all.map(|(key, _)| key).collect();
    assert_eq!(keys, Ok((expected, 2)));
    let wrong: Given<u32> = pool.apply("page", ("visits", "x")).unwrap();
    assert!(wrong.unwrap_err().contains("`x` is no cursor"));
}

#[test]
fn many_keys_are_set_taken_away_and_read_together() {
    let manager = manager();
    let pool = pool(&manager.dict().unwrap(), 1);
    let set = [("a", b"1"), ("b", b"2"), ("c", b"3")];
    let many: Given<Vec<(String, Option<Vec<u8>>)>> = pool
        .apply(
            "many",
            ("visits", set.map(|(k, v)| (k, v.to_vec())), ["b", "x"]),
        )
        .unwrap();
    let found = |key: &str, value: Option<&[u8]>| (key.to_owned(), value.map(<[u8]>::to_vec));
    assert_eq!(
        many,
        Ok(vec![
            found("a", Some(b"1")),
            found("b", None),
            found("c", Some(b"3"))
        ])
    );
}

#[test]
fn what_a_program_put_into_the_dict_a_guest_reads_as_letters_and_digits() {
    let manager = manager();
    let dict = manager.dict().unwrap();
    let pool = pool(&dict, 1);
    let list = manager.list().unwrap();
    for (item, value) in [
        (Datum::Text("text".into()), Ok("text")),
        (Datum::Json("[1]".into()), Ok("[1]")),
        (Datum::Integer(-5), Ok("-5")),
        (Datum::Unsigned(u64::MAX), Ok("18446744073709551615")),
        (Datum::Boolean(true), Err("neither bytes nor a text")),
        (Datum::List(list.clone()), Err("neither bytes nor a text")),
    ] {
        dict.set("k", item).unwrap();
        let got: Given<Option<Vec<u8>>> = pool.apply("get", ("visits", "k")).unwrap();
        match value {
            Ok(text) => assert_eq!(got, Ok(Some(text.into()))),
            Err(part) => assert!(got.unwrap_err().contains(part)),
        }
    }
    // Nobody but this program and the dict has the list: the guest that was given it has let go of it.
    dict.clear().unwrap();
    let before = manager.stats().unwrap().objects;
    drop(list);
    assert_eq!(manager.stats().unwrap().objects, before - 1);
    dict.set("n", 5).unwrap();
    let sum: Given<i64> = pool.apply("increment", ("visits", "n", 2)).unwrap();
    assert_eq!((sum, dict.add("n", 1)), (Ok(7), Ok(8)));
    dict.set("n", "five").unwrap();
    let sum: Given<i64> = pool.apply("increment", ("visits", "n", 2)).unwrap();
    assert!(sum.unwrap_err().contains("no signed number"));
}

#[test]
fn a_name_that_was_not_granted_is_no_store_and_a_guest_without_any_starts() {
    let none = builder("visits").workers(1).build().unwrap();
    let visit = |pool: &Pool| pool.apply::<Given<i64>>("visit", ("a",)).unwrap();
    assert_eq!(visit(&none), Err("no such store".into()));
    let manager = manager();
    let (one, two) = (manager.dict().unwrap(), manager.dict().unwrap());
    let pool = builder("visits").bucket("one", &one).bucket("two", &two);
    let pool = pool.manager(&manager).build().unwrap();
    assert_eq!(visit(&pool), Err("no such store".into()));
    let sum: Given<i64> = pool.apply("increment", ("two", "n", 4)).unwrap();
    assert_eq!(sum, Ok(4));
    assert_eq!(one.is_empty(), Ok(true));
}

#[test]
fn a_bucket_of_another_manager_is_refused_when_the_pool_is_built() {
    let (manager, another) = (manager(), self::manager());
    let dict = another.dict().unwrap();
    let builder = builder("visits").manager(&manager).bucket("visits", &dict);
    let refused = builder.build().unwrap_err();
    assert!(
        matches!(&refused, BuildError::Bucket(name) if name == "visits"),
        "{refused}"
    );
}

#[test]
fn a_bucket_that_is_open_serves_the_next_job_too() {
    let manager = manager();
    let pool = pool(&manager.dict().unwrap(), 1);
    for count in 1..=3 {
        let visits: Given<i64> = pool.apply("visit-kept", ("a",)).unwrap();
        assert_eq!(visits, Ok(count));
    }
}

#[test]
fn a_worker_killed_at_its_buckets_costs_its_job_alone_which_does_not_run_again() {
    within(LONG, || {
        let manager = manager();
        let dict = manager.dict().unwrap();
        let pool = pool(&dict, 1);
        let endless: Handle<Given<i64>> = pool.submit("visit-on", ("a",)).unwrap();
        until("it visits", LONG, || dict.contains("a").unwrap());
        process::send(pool.stats().workers[0].pid, Signal::KILL);
        let fault = fault(endless.wait());
        assert!(matches!(fault.cause, Cause::WorkerLost(_)), "{fault}");
        let count = match dict.get("a") {
            Ok(Some(Datum::Bytes(digits))) => String::from_utf8(digits).unwrap(),
            other => panic!("{other:?}"),
        };
        let next: Given<i64> = pool.apply("visit", ("a",)).unwrap();
        assert_eq!(next, Ok(count.parse::<i64>().unwrap() + 1));
    });
}

#[test]
fn a_killed_manager_ends_the_jobs_at_its_buckets_and_the_fault_says_so() {
    within(LONG, || {
        let manager = manager();
        let dict = manager.dict().unwrap();
        let pool = pool(&dict, 2);
        let jobs = ["a", "b"].map(|page| pool.submit::<Given<i64>>("visit-on", (page,)));
        until("both visit", LONG, || dict.len() == Ok(2));
        process::send(manager.pid().unwrap(), Signal::KILL);
        let killed = Instant::now();
        for job in jobs {
            let cause = fault(job.unwrap().wait()).cause;
            assert!(matches!(cause, Cause::NoManager(_)), "{cause}");
        }
        assert!(killed.elapsed() < Duration::from_secs(1));
        let later = fault(pool.apply::<Given<i64>>("visit", ("a",))).cause;
        assert!(matches!(later, Cause::NoManager(_)), "{later}");
    });
}

#[test]
fn a_guest_that_hoards_handles_or_fills_the_manager_costs_its_own_job() {
    let limits = ManagerLimits {
        pool_bytes: 4 << 20,
        item_bytes: 2 << 20,
        ..ManagerLimits::default()
    };
    let manager = Manager::builder().program(program()).limits(limits);
    let manager = manager.start().unwrap();
    let dict = manager.dict().unwrap();
    let pool = pool(&dict, 1);
    let worker = pool.stats().workers[0].pid;
    let cause = fault(pool.apply::<Given<u32>>("hoard", ("visits", 1 << 20))).cause;
    assert!(cause.to_string().contains("no free keys"), "{cause}");
    let long = vec![b'x'; 1 << 20];
    let set = |key: &str, value: &[u8]| pool.apply::<Given<()>>("set", ("visits", key, value));
    assert_eq!(set("long", &long), Ok(Ok(())));
    let cause = fault(pool.apply::<Given<u32>>("hoard-values", ("visits", "long", 100))).cause;
    assert!(cause.to_string().contains("more than 64 MiB"), "{cause}");
    let too_long = set("long", &[0; 3 << 20]).unwrap().unwrap_err();
    assert!(
        too_long.contains("bytes at a time are too many"),
        "{too_long}"
    );
    let mut filled = (0..10).map(|number| set(&number.to_string(), &long));
    let full = fault(filled.find(Result::is_err).unwrap()).cause;
    assert!(matches!(full, Cause::ManagerFull(_)), "{full}");
    dict.clear().unwrap();
    let sum: Given<i64> = pool.apply("increment", ("visits", "n", 1)).unwrap();
    assert_eq!(sum, Ok(1));
    assert_eq!(pool.stats().workers[0].pid, worker, "the worker stayed");
    assert!(!matches!(dict.len(), Err(ManagerError::Gone(_))));
}
