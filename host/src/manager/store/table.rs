//! Dicts and namespaces: items by keys, in the order in which the keys came.

use super::{Asker, Body, Done, Item, Store, misuse};
use crate::shared::{Buf, Datum, Id, ManagerError, OnDict, Reply};
use crate::types::Object;
use std::collections::HashMap;

#[derive(Default)]
pub(super) struct Table {
    items: HashMap<Buf, (u64, Item)>,
    /// How many keys ever came.
    came: u64,
}

impl Table {
    pub(super) fn get(&self, key: &Buf) -> Option<&Item> {
        self.items.get(key).map(|(_, item)| item)
    }

    /// What was there before.
    fn set(&mut self, key: Buf, item: Item) -> Option<Item> {
        match self.items.get_mut(&key) {
            // A key keeps its place.
            Some((_, before)) => Some(std::mem::replace(before, item)),
            None => {
                self.items.insert(key, (self.came, item));
                self.came += 1;
                None
            }
        }
    }

    fn remove(&mut self, key: &Buf) -> Option<Item> {
        let (_, item) = self.items.remove(key)?;
        // A table that was large and is not any more is small again.
        if self.items.len() < self.items.capacity() / 8 {
            self.items.shrink_to(2 * self.items.len());
        }
        Some(item)
    }

    fn in_order(&self) -> Vec<(&Buf, &Item)> {
        let mut all: Vec<_> = self.items.iter().collect();
        all.sort_unstable_by_key(|(_, (came, _))| *came);
        all.into_iter()
            .map(|(key, (_, item))| (key, item))
            .collect()
    }

    /// The keys that came at this number and later, in any order, each with its number.
    pub(super) fn since(&self, from: u64) -> Vec<(u64, &Buf)> {
        let all = self.items.iter().map(|(key, (came, _))| (*came, key));
        all.filter(|(came, _)| *came >= from).collect()
    }

    pub(super) fn into_items(self) -> Vec<Item> {
        self.items.into_values().map(|(_, item)| item).collect()
    }
}

impl Store {
    #[inline]
    pub(super) fn table(&mut self, id: Id, object: Object) -> Result<&mut Table, ManagerError> {
        match (self.body(id)?, object) {
            (Body::Dict(table), Object::Dict) => Ok(table),
            (Body::Namespace(table), Object::Namespace) => Ok(table),
            _ => Err(ManagerError::OtherKind),
        }
    }

    pub(super) fn on_dict(&mut self, who: Asker, id: Id, object: Object, what: OnDict) -> Done {
        let table = self.table(id, object)?;
        Ok(match what {
            OnDict::Get(key) => {
                let item = table.get(&key).map(|item| item.bytes.clone());
                Reply::Item(item.map(|item| self.give(who.party, item)))
            }
            OnDict::Set(key, item) => {
                self.put(who, (id, object), key, item)?;
                Reply::Done
            }
            OnDict::Remove(key) => {
                let item = table.remove(&key);
                Reply::Item(item.map(|item| self.hand_over(who.party, item)))
            }
            OnDict::Contains(key) => Reply::Flag(table.get(&key).is_some()),
            OnDict::Len => Reply::Count(table.items.len() as u64),
            OnDict::Clear => {
                let items = std::mem::take(table).into_items();
                self.dismiss(items);
                Reply::Done
            }
            OnDict::Keys => {
                let keys: Vec<Buf> = (table.in_order().into_iter())
                    .map(|(key, _)| key.clone())
                    .collect();
                self.check_length(keys.iter().map(|key| key.0.len()))?;
                Reply::Items(keys)
            }
            OnDict::Entries => return self.entries(who, id, object),
            OnDict::Update(entries) => {
                let pairs = (entries.iter()).map(|(key, item)| (Some(key), item.clone()));
                let items = self.admit_all(who, pairs)?;
                for ((key, _), item) in entries.into_iter().zip(items) {
                    let before = self.table(id, object)?.set(key, item);
                    self.dismiss(before);
                }
                Reply::Done
            }
            OnDict::GetOrSet(key, item) => {
                let there = match table.get(&key) {
                    Some(there) => there.bytes.clone(),
                    None => {
                        self.put(who, (id, object), key, item.clone())?;
                        item
                    }
                };
                Reply::Item(Some(self.give(who.party, there)))
            }
            OnDict::Add(key, by) => {
                let was = match table.get(&key).map(|item| Datum::from_bytes(&item.bytes.0)) {
                    None => 0,
                    Some(Some(Datum::Integer(was))) => was,
                    Some(_) => return Err(misuse("it adds to what is no signed number")),
                };
                let sum = was.wrapping_add(by);
                let bytes = Datum::Integer(sum).to_bytes().unwrap_or_default();
                self.put(who, (id, object), key, bytes.into())?;
                Reply::Number(sum)
            }
            OnDict::Replace(key, expected, to) => {
                let is_so = table.get(&key).map(|item| &item.bytes) == expected.as_ref();
                if is_so {
                    self.put(who, (id, object), key, to)?;
                }
                Reply::Flag(is_so)
            }
            OnDict::GetMany(keys) => return self.get_many(who, (id, object), &keys),
            OnDict::RemoveMany(keys) => {
                let items: Vec<Item> = keys.iter().filter_map(|key| table.remove(key)).collect();
                self.dismiss(items);
                Reply::Done
            }
            OnDict::KeysFrom(from) => table.page(from),
            OnDict::Increment(key, by) => return self.increment(who, (id, object), key, by),
        })
    }

    pub(super) fn put(
        &mut self,
        who: Asker,
        (id, object): (Id, Object),
        key: Buf,
        item: Buf,
    ) -> Result<(), ManagerError> {
        let item = self.admit(who, Some(&key), item)?;
        let before = self.table(id, object)?.set(key, item);
        self.dismiss(before);
        Ok(())
    }

    fn entries(&mut self, who: Asker, id: Id, object: Object) -> Done {
        let table = self.table(id, object)?;
        let entries: Vec<(Buf, Buf)> = (table.in_order().into_iter())
            .map(|(key, item)| (key.clone(), item.bytes.clone()))
            .collect();
        self.check_length(entries.iter().map(|(key, item)| key.0.len() + item.0.len()))?;
        let give = |(key, item)| (key, self.give(who.party, item));
        Ok(Reply::Entries(entries.into_iter().map(give).collect()))
    }
}
