//! What a dict does besides, so that it can be a bucket of `wasi:keyvalue`: many keys at one moment, pages of keys, and numbers that
//! are written in digits.

use super::table::Table;
use super::{Asker, Done, Store, misuse};
use crate::shared::{Buf, Datum, Id, Reply};
use crate::types::Object;

/// How many keys are on a page at most, so that no answer is long. To find them takes a look at each.
const PAGE_KEYS: usize = 1000;
/// How many bytes of keys are on a page, but for one long key.
const PAGE_BYTES: usize = 64 << 10;

impl Table {
    /// The keys from this number on, as many as are on a page, and the number of the next.
    pub(super) fn page(&self, from: u64) -> Reply {
        let mut keys = self.since(from);
        if keys.len() > PAGE_KEYS {
            // Only those on the page and the next have to be in order.
            keys.select_nth_unstable_by_key(PAGE_KEYS, |(came, _)| *came);
            keys.truncate(PAGE_KEYS + 1);
        }
        keys.sort_unstable_by_key(|(came, _)| *came);
        let mut bytes = 0;
        let fits = |(place, (_, key)): (usize, &(u64, &Buf))| {
            bytes += key.0.len();
            place < PAGE_KEYS && (place == 0 || bytes <= PAGE_BYTES)
        };
        let count = keys
            .iter()
            .enumerate()
            .map(fits)
            .take_while(|fits| *fits)
            .count();
        let next = keys.get(count).map(|(came, _)| *came);
        keys.truncate(count);
        Reply::Page(keys.into_iter().map(|(_, key)| key.clone()).collect(), next)
    }
}

impl Store {
    pub(super) fn get_many(&mut self, who: Asker, of: (Id, Object), keys: &[Buf]) -> Done {
        let table = self.table(of.0, of.1)?;
        let item = |key| table.get(key).map(|item| &item.bytes);
        let lengths: Vec<usize> = (keys.iter())
            .map(|key| item(key).map_or(0, |bytes| bytes.0.len()))
            .collect();
        // Before they are copied: one long item can be asked for a thousand times.
        self.check_length(lengths.into_iter())?;
        let table = self.table(of.0, of.1)?;
        let items: Vec<Option<Buf>> = (keys.iter())
            .map(|key| table.get(key).map(|item| item.bytes.clone()))
            .collect();
        let give = |item: Option<Buf>| item.map(|item| self.give(who.party, item));
        Ok(Reply::Found(items.into_iter().map(give).collect()))
    }

    pub(super) fn increment(&mut self, who: Asker, of: (Id, Object), key: Buf, by: i64) -> Done {
        let table = self.table(of.0, of.1)?;
        let was = match table.get(&key) {
            None => Datum::Bytes(b"0".to_vec()),
            Some(item) => Datum::from_bytes(&item.bytes.0).unwrap_or(Datum::None),
        };
        let number = match &was {
            Datum::Integer(number) => Some(*number),
            Datum::Bytes(digits) => std::str::from_utf8(digits).ok().and_then(parse),
            Datum::Text(digits) => parse(digits),
            _ => None,
        };
        let number = number.ok_or_else(|| misuse("it increments what is no signed number"))?;
        let sum = number.checked_add(by).ok_or_else(|| {
            misuse(format!(
                "{number} and {by} are too much for a number of 64 bits"
            ))
        })?;
        // It stays what it was, so that those who know it as a dict find what they put there.
        let now = match was {
            Datum::Integer(_) => Datum::Integer(sum),
            Datum::Text(_) => Datum::Text(sum.to_string()),
            _ => Datum::Bytes(sum.to_string().into_bytes()),
        };
        self.put(who, of, key, now.to_bytes().unwrap_or_default().into())?;
        Ok(Reply::Number(sum))
    }
}

fn parse(digits: &str) -> Option<i64> {
    digits.parse().ok()
}
