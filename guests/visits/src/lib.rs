//! Counts visits in a bucket of `wasi:keyvalue`: a component for any host, which imports nothing of the pool.

wit_bindgen::generate!({
    path: ["../../wit/wasi-keyvalue", "../../wit/visits"],
    world: "example:visits/visits-guest",
    generate_all,
});

use exports::example::visits::visits::Guest;
use std::cell::RefCell;
use wasi::keyvalue::atomics::{self, Cas, CasError};
use wasi::keyvalue::batch;
use wasi::keyvalue::store::{self, Bucket, Error};

struct Visits;
export!(Visits);

/// The bucket that is meant where none is named.
const VISITS: &str = "visits";

thread_local! {
    static KEPT: RefCell<Option<Bucket>> = const { RefCell::new(None) };
    static HOARD: RefCell<(Vec<Bucket>, Vec<Cas>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

fn told(error: Error) -> String {
    match error {
        Error::NoSuchStore => "no such store".into(),
        Error::AccessDenied => "access denied".into(),
        Error::Other(what) => what,
    }
}

fn open(bucket: &str) -> Result<Bucket, String> {
    store::open(bucket).map_err(told)
}

impl Guest for Visits {
    fn visit(page: String) -> Result<i64, String> {
        atomics::increment(&open(VISITS)?, &page, 1).map_err(told)
    }

    fn sign(page: String, name: String) -> Result<u32, String> {
        let bucket = open(VISITS)?;
        let mut noted = Cas::new(&bucket, &page).map_err(told)?;
        for tries in 1.. {
            let mut names = noted.current().map_err(told)?.unwrap_or_default();
            names.extend(name.as_bytes());
            match atomics::swap(noted, &names) {
                Ok(()) => return Ok(tries),
                Err(CasError::CasFailed(newer)) => noted = newer,
                Err(CasError::StoreError(error)) => return Err(told(error)),
            }
        }
        unreachable!("somebody else cannot win for ever")
    }

    fn set(bucket: String, key: String, value: Vec<u8>) -> Result<(), String> {
        open(&bucket)?.set(&key, &value).map_err(told)
    }

    fn get(bucket: String, key: String) -> Result<Option<Vec<u8>>, String> {
        open(&bucket)?.get(&key).map_err(told)
    }

    fn forget(bucket: String, key: String) -> Result<(bool, bool), String> {
        let bucket = open(&bucket)?;
        let before = bucket.exists(&key).map_err(told)?;
        bucket.delete(&key).map_err(told)?;
        Ok((before, bucket.exists(&key).map_err(told)?))
    }

    fn increment(bucket: String, key: String, delta: i64) -> Result<i64, String> {
        atomics::increment(&open(&bucket)?, &key, delta).map_err(told)
    }

    fn keys(bucket: String) -> Result<(Vec<String>, u32), String> {
        let bucket = open(&bucket)?;
        let (mut keys, mut pages, mut cursor) = (Vec::new(), 0, None);
        loop {
            let page = bucket.list_keys(cursor.as_deref()).map_err(told)?;
            keys.extend(page.keys);
            pages += 1;
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok((keys, pages));
            }
        }
    }

    fn page(bucket: String, cursor: String) -> Result<u32, String> {
        let page = open(&bucket)?.list_keys(Some(&cursor)).map_err(told)?;
        Ok(page.keys.len() as u32)
    }

    fn many(
        bucket: String,
        set: Vec<(String, Vec<u8>)>,
        delete: Vec<String>,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, String> {
        let bucket = open(&bucket)?;
        let keys: Vec<String> = set.iter().map(|(key, _)| key.clone()).collect();
        batch::set_many(&bucket, &set).map_err(told)?;
        batch::delete_many(&bucket, &delete).map_err(told)?;
        batch::get_many(&bucket, &keys).map_err(told)
    }

    fn swap_late(
        bucket: String,
        key: String,
    ) -> Result<(Option<Vec<u8>>, Option<Vec<u8>>), String> {
        let bucket = open(&bucket)?;
        let noted = Cas::new(&bucket, &key).map_err(told)?;
        bucket.set(&key, b"somebody else's").map_err(told)?;
        let found = match atomics::swap(noted, b"late") {
            Ok(()) => None,
            Err(CasError::CasFailed(newer)) => newer.current().map_err(told)?,
            Err(CasError::StoreError(error)) => return Err(told(error)),
        };
        Ok((found, bucket.get(&key).map_err(told)?))
    }

    fn visit_kept(page: String) -> Result<i64, String> {
        KEPT.with_borrow_mut(|kept| {
            if kept.is_none() {
                *kept = Some(open(VISITS)?);
            }
            let bucket = kept.as_ref().expect("it was opened just now");
            atomics::increment(bucket, &page, 1).map_err(told)
        })
    }

    fn visit_on(page: String) -> Result<i64, String> {
        let bucket = open(VISITS)?;
        loop {
            atomics::increment(&bucket, &page, 1).map_err(told)?;
        }
    }

    fn hoard(bucket: String, times: u32) -> Result<u32, String> {
        for _ in 0..times {
            let bucket = open(&bucket)?;
            HOARD.with_borrow_mut(|(buckets, _)| buckets.push(bucket));
        }
        Ok(times)
    }

    fn hoard_values(bucket: String, key: String, times: u32) -> Result<u32, String> {
        let bucket = open(&bucket)?;
        for _ in 0..times {
            let noted = Cas::new(&bucket, &key).map_err(told)?;
            HOARD.with_borrow_mut(|(_, values)| values.push(noted));
        }
        Ok(times)
    }
}
