//! Dicts, lists and namespaces, function by function.

use super::super::Lent;
use super::super::bindings::{collections, kinds};
use crate::shared::{Buf, Key, OnDict, OnList, Reply};
use crate::types::Object;
use wasmtime::Result;
use wasmtime::component::Resource;

fn key(key: collections::Key) -> Buf {
    match key {
        collections::Key::Text(text) => Key::Text(text),
        collections::Key::Integer(number) => Key::Integer(number),
        collections::Key::Bytes(bytes) => Key::Bytes(bytes),
    }
    .to_buf()
}

fn of_key(key: Key) -> collections::Key {
    match key {
        Key::Text(text) => collections::Key::Text(text),
        Key::Integer(number) => collections::Key::Integer(number),
        Key::Bytes(bytes) => collections::Key::Bytes(bytes),
    }
}

impl collections::HostDict for Lent {
    fn new(&mut self) -> Result<Resource<kinds::Dict>> {
        self.make(Object::Dict)
    }

    fn share(&mut self, dict: Resource<kinds::Dict>) -> Result<Resource<kinds::Dict>> {
        self.share_again(&dict)
    }

    fn get(
        &mut self,
        dict: Resource<kinds::Dict>,
        of: collections::Key,
    ) -> Result<Option<collections::Datum>> {
        let reply = self.on_dict(&dict, OnDict::Get(key(of)))?;
        self.item(&dict, reply)
    }

    fn set(
        &mut self,
        dict: Resource<kinds::Dict>,
        of: collections::Key,
        item: collections::Datum,
    ) -> Result<()> {
        let set = |lent: &Self, item| lent.on_dict(&dict, OnDict::Set(key(of), item));
        self.put(item, set).map(|_| ())
    }

    fn remove(
        &mut self,
        dict: Resource<kinds::Dict>,
        of: collections::Key,
    ) -> Result<Option<collections::Datum>> {
        let reply = self.on_dict(&dict, OnDict::Remove(key(of)))?;
        self.item(&dict, reply)
    }

    fn contains(&mut self, dict: Resource<kinds::Dict>, of: collections::Key) -> Result<bool> {
        let reply = self.on_dict(&dict, OnDict::Contains(key(of)))?;
        self.flag(&dict, reply)
    }

    fn len(&mut self, dict: Resource<kinds::Dict>) -> Result<u64> {
        let reply = self.on_dict(&dict, OnDict::Len)?;
        self.count(&dict, reply)
    }

    fn clear(&mut self, dict: Resource<kinds::Dict>) -> Result<()> {
        self.on_dict(&dict, OnDict::Clear).map(|_| ())
    }

    fn keys(&mut self, dict: Resource<kinds::Dict>) -> Result<Vec<collections::Key>> {
        let reply = self.on_dict(&dict, OnDict::Keys)?;
        let keys = Lent::keys(self, &dict, reply)?;
        Ok(keys.into_iter().map(of_key).collect())
    }

    fn entries(
        &mut self,
        dict: Resource<kinds::Dict>,
    ) -> Result<Vec<(collections::Key, collections::Datum)>> {
        let Reply::Entries(entries) = self.on_dict(&dict, OnDict::Entries)? else {
            return self.nonsense(&dict);
        };
        let entries = entries.into_iter().map(|(key, item)| {
            let item = self.unpack(&dict, &item)?;
            match Key::from_bytes(&key.0) {
                Some(key) => Ok((of_key(key), item)),
                None => self.nonsense(&dict),
            }
        });
        entries.collect()
    }

    fn update(
        &mut self,
        dict: Resource<kinds::Dict>,
        entries: Vec<(collections::Key, collections::Datum)>,
    ) -> Result<()> {
        let mut given = Vec::new();
        let mut packed = Vec::new();
        for (of, item) in entries {
            let (item, gave) = self.pack(item)?;
            packed.push((key(of), item));
            given.push(gave);
        }
        self.on_dict(&dict, OnDict::Update(packed))?;
        self.gave(given)
    }

    fn get_or_set(
        &mut self,
        dict: Resource<kinds::Dict>,
        of: collections::Key,
        item: collections::Datum,
    ) -> Result<collections::Datum> {
        let get = |lent: &Self, item| lent.on_dict(&dict, OnDict::GetOrSet(key(of), item));
        let reply = self.put(item, get)?;
        self.there(&dict, reply)
    }

    fn add(&mut self, dict: Resource<kinds::Dict>, of: collections::Key, by: i64) -> Result<i64> {
        match self.on_dict(&dict, OnDict::Add(key(of), by))? {
            Reply::Number(sum) => Ok(sum),
            _ => self.nonsense(&dict),
        }
    }

    fn replace(
        &mut self,
        dict: Resource<kinds::Dict>,
        of: collections::Key,
        expected: Option<collections::Datum>,
        to: collections::Datum,
    ) -> Result<bool> {
        let expected = expected.map(|expected| self.pack(expected)).transpose()?;
        let (expected, given) = expected.map_or((None, None), |(item, gave)| (Some(item), gave));
        let replace = |lent: &Self, to| lent.on_dict(&dict, OnDict::Replace(key(of), expected, to));
        let reply = self.put(to, replace)?;
        self.gave([given])?;
        self.flag(&dict, reply)
    }

    fn drop(&mut self, handle: Resource<kinds::Dict>) -> Result<()> {
        self.let_go(&handle)
    }
}

impl collections::HostList for Lent {
    fn new(&mut self) -> Result<Resource<kinds::List>> {
        self.make(Object::List)
    }

    fn share(&mut self, list: Resource<kinds::List>) -> Result<Resource<kinds::List>> {
        self.share_again(&list)
    }

    fn len(&mut self, list: Resource<kinds::List>) -> Result<u64> {
        let reply = self.on_list(&list, OnList::Len)?;
        self.count(&list, reply)
    }

    fn get(&mut self, list: Resource<kinds::List>, index: u64) -> Result<collections::Datum> {
        let reply = self.on_list(&list, OnList::Get(index))?;
        self.there(&list, reply)
    }

    fn set(
        &mut self,
        list: Resource<kinds::List>,
        index: u64,
        item: collections::Datum,
    ) -> Result<()> {
        let set = |lent: &Self, item| lent.on_list(&list, OnList::Set(index, item));
        self.put(item, set).map(|_| ())
    }

    fn push(&mut self, list: Resource<kinds::List>, item: collections::Datum) -> Result<()> {
        let push = |lent: &Self, item| lent.on_list(&list, OnList::Push(item));
        self.put(item, push).map(|_| ())
    }

    fn pop(&mut self, list: Resource<kinds::List>) -> Result<Option<collections::Datum>> {
        let reply = self.on_list(&list, OnList::Pop)?;
        self.item(&list, reply)
    }

    fn insert(
        &mut self,
        list: Resource<kinds::List>,
        index: u64,
        item: collections::Datum,
    ) -> Result<()> {
        let insert = |lent: &Self, item| lent.on_list(&list, OnList::Insert(index, item));
        self.put(item, insert).map(|_| ())
    }

    fn remove(&mut self, list: Resource<kinds::List>, index: u64) -> Result<collections::Datum> {
        let reply = self.on_list(&list, OnList::Remove(index))?;
        self.there(&list, reply)
    }

    fn slice(
        &mut self,
        list: Resource<kinds::List>,
        start: u64,
        count: u64,
    ) -> Result<Vec<collections::Datum>> {
        let Reply::Items(items) = self.on_list(&list, OnList::Slice(start, count))? else {
            return self.nonsense(&list);
        };
        items.iter().map(|item| self.unpack(&list, item)).collect()
    }

    fn extend(
        &mut self,
        list: Resource<kinds::List>,
        items: Vec<collections::Datum>,
    ) -> Result<()> {
        let packed = items.into_iter().map(|item| self.pack(item));
        let (items, given): (Vec<_>, Vec<_>) =
            packed.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        self.on_list(&list, OnList::Extend(items))?;
        self.gave(given)
    }

    fn clear(&mut self, list: Resource<kinds::List>) -> Result<()> {
        self.on_list(&list, OnList::Clear).map(|_| ())
    }

    fn drop(&mut self, handle: Resource<kinds::List>) -> Result<()> {
        self.let_go(&handle)
    }
}

impl collections::HostNamespace for Lent {
    fn new(&mut self) -> Result<Resource<kinds::Namespace>> {
        self.make(Object::Namespace)
    }

    fn share(
        &mut self,
        namespace: Resource<kinds::Namespace>,
    ) -> Result<Resource<kinds::Namespace>> {
        self.share_again(&namespace)
    }

    fn get(
        &mut self,
        namespace: Resource<kinds::Namespace>,
        name: String,
    ) -> Result<Option<collections::Datum>> {
        let reply = self.on_dict(&namespace, OnDict::Get(Key::Text(name).to_buf()))?;
        self.item(&namespace, reply)
    }

    fn set(
        &mut self,
        namespace: Resource<kinds::Namespace>,
        name: String,
        item: collections::Datum,
    ) -> Result<()> {
        let name = Key::Text(name).to_buf();
        let set = |lent: &Self, item| lent.on_dict(&namespace, OnDict::Set(name, item));
        self.put(item, set).map(|_| ())
    }

    fn remove(
        &mut self,
        namespace: Resource<kinds::Namespace>,
        name: String,
    ) -> Result<Option<collections::Datum>> {
        let reply = self.on_dict(&namespace, OnDict::Remove(Key::Text(name).to_buf()))?;
        self.item(&namespace, reply)
    }

    fn names(&mut self, namespace: Resource<kinds::Namespace>) -> Result<Vec<String>> {
        let reply = self.on_dict(&namespace, OnDict::Keys)?;
        let keys = Lent::keys(self, &namespace, reply)?.into_iter();
        let names = keys.filter_map(|key| match key {
            Key::Text(name) => Some(name),
            _ => None,
        });
        Ok(names.collect())
    }

    fn drop(&mut self, handle: Resource<kinds::Namespace>) -> Result<()> {
        self.let_go(&handle)
    }
}
