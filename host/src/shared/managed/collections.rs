//! Dicts, lists and namespaces in the hands of the embedding program.

use super::super::Datum;
use super::hub::{Hub, Managed, nonsense};
use super::words::{Buf, Key, ManagerError, OnDict, OnList, Reply, Request};
use crate::types::Object;
use std::sync::Arc;

/// Items by their keys: `pool:shared/collections.dict`. It keeps the order in which keys came.
///
/// It can be cloned, used by any thread, passed to jobs, and put into other objects of the same manager. It is gone when nobody has
/// it any more: no clone, no job and no other object. Every operation can fail with a [`ManagerError`].
#[derive(Clone, Debug, PartialEq)]
pub struct Dict(pub(in super::super) Arc<Managed>);

/// Items in a row: `pool:shared/collections.list`. What was said of [`Dict`] holds for it too.
#[derive(Clone, Debug, PartialEq)]
pub struct List(pub(in super::super) Arc<Managed>);

/// Items by names, as the attributes of an object: `pool:shared/collections.namespace`. What was said of [`Dict`] holds for it too.
#[derive(Clone, Debug, PartialEq)]
pub struct Namespace(pub(in super::super) Arc<Managed>);

type Done<T> = Result<T, ManagerError>;

impl Managed {
    fn on_dict(&self, what: OnDict) -> Done<Reply> {
        self.hub.ask(&Request::Dict(self.id, self.object, what))
    }

    fn on_list(&self, what: OnList) -> Done<Reply> {
        self.hub.ask(&Request::List(self.id, what))
    }

    pub(super) fn pack(&self, item: &Datum) -> Done<Buf> {
        match item.to_managed(&self.hub) {
            Some(bytes) => Ok(bytes.into()),
            None => Err(ManagerError::OtherManager),
        }
    }

    pub(super) fn unpack(&self, item: &Buf) -> Done<Datum> {
        Datum::from_managed(&item.0, &self.hub).ok_or_else(nonsense)
    }

    fn item(&self, reply: Reply) -> Done<Option<Datum>> {
        match reply {
            Reply::Item(item) => item.map(|item| self.unpack(&item)).transpose(),
            _ => Err(nonsense()),
        }
    }

    fn items(&self, reply: Reply) -> Done<Vec<Datum>> {
        match reply {
            Reply::Items(items) => items.iter().map(|item| self.unpack(item)).collect(),
            _ => Err(nonsense()),
        }
    }

    fn entries(&self, reply: Reply) -> Done<Vec<(Key, Datum)>> {
        let Reply::Entries(entries) = reply else {
            return Err(nonsense());
        };
        let entries = entries.iter().map(|(key, item)| {
            let key = Key::from_bytes(&key.0).ok_or_else(nonsense)?;
            Ok((key, self.unpack(item)?))
        });
        entries.collect()
    }

    fn there(&self, reply: Reply) -> Done<Datum> {
        self.item(reply)?.ok_or_else(nonsense)
    }
}

fn done(reply: Reply) -> Done<()> {
    match reply {
        Reply::Done => Ok(()),
        _ => Err(nonsense()),
    }
}

pub(super) fn flag(reply: Reply) -> Done<bool> {
    match reply {
        Reply::Flag(flag) => Ok(flag),
        _ => Err(nonsense()),
    }
}

pub(super) fn count(reply: Reply) -> Done<u64> {
    match reply {
        Reply::Count(count) => Ok(count),
        _ => Err(nonsense()),
    }
}

fn keys(reply: Reply) -> Done<Vec<Key>> {
    match reply {
        Reply::Items(keys) => (keys.iter())
            .map(|key| Key::from_bytes(&key.0).ok_or_else(nonsense))
            .collect(),
        _ => Err(nonsense()),
    }
}

impl Dict {
    pub(crate) fn make(hub: &Arc<Hub>) -> Done<Dict> {
        Managed::make(hub, Object::Dict, 0).map(Dict)
    }

    /// Where it is, and its number there.
    pub(crate) fn place(&self) -> (&Arc<Hub>, [u8; 16]) {
        (&self.0.hub, self.0.id.0)
    }

    /// The item of this key.
    pub fn get(&self, key: impl Into<Key>) -> Done<Option<Datum>> {
        let reply = self.0.on_dict(OnDict::Get(key.into().to_buf()))?;
        self.0.item(reply)
    }

    /// Puts an item there, in the place of what was there.
    pub fn set(&self, key: impl Into<Key>, item: impl Into<Datum>) -> Done<()> {
        // What nests has to live until the manager has heard of it.
        let item = item.into();
        let set = OnDict::Set(key.into().to_buf(), self.0.pack(&item)?);
        done(self.0.on_dict(set)?)
    }

    /// Takes an item away and gives it.
    pub fn remove(&self, key: impl Into<Key>) -> Done<Option<Datum>> {
        let reply = self.0.on_dict(OnDict::Remove(key.into().to_buf()))?;
        self.0.item(reply)
    }

    /// Whether there is an item of this key.
    pub fn contains(&self, key: impl Into<Key>) -> Done<bool> {
        flag(self.0.on_dict(OnDict::Contains(key.into().to_buf()))?)
    }

    /// How many items there are.
    pub fn len(&self) -> Done<u64> {
        count(self.0.on_dict(OnDict::Len)?)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> Done<bool> {
        Ok(self.len()? == 0)
    }

    /// Takes all away.
    pub fn clear(&self) -> Done<()> {
        done(self.0.on_dict(OnDict::Clear)?)
    }

    /// All keys, in the order in which they came.
    pub fn keys(&self) -> Done<Vec<Key>> {
        keys(self.0.on_dict(OnDict::Keys)?)
    }

    /// All keys with their items, as they are at one moment.
    pub fn entries(&self) -> Done<Vec<(Key, Datum)>> {
        let reply = self.0.on_dict(OnDict::Entries)?;
        self.0.entries(reply)
    }

    /// Puts many items there in one step.
    pub fn update<K: Into<Key>, D: Into<Datum>>(
        &self,
        entries: impl IntoIterator<Item = (K, D)>,
    ) -> Done<()> {
        let entries: Vec<(Key, Datum)> = (entries.into_iter())
            .map(|(key, item)| (key.into(), item.into()))
            .collect();
        let packed = (entries.iter())
            .map(|(key, item)| Ok((key.to_buf(), self.0.pack(item)?)))
            .collect::<Done<_>>()?;
        done(self.0.on_dict(OnDict::Update(packed))?)
    }

    /// The item of this key, which is put there first if there was none.
    pub fn get_or_set(&self, key: impl Into<Key>, item: impl Into<Datum>) -> Done<Datum> {
        let item = item.into();
        let get = OnDict::GetOrSet(key.into().to_buf(), self.0.pack(&item)?);
        let reply = self.0.on_dict(get)?;
        self.0.there(reply)
    }

    /// Adds to a signed number in one step, to 0 if there was none, and gives the sum. It wraps around.
    ///
    /// # Errors
    /// Also if something else than a signed number is there.
    pub fn add(&self, key: impl Into<Key>, by: i64) -> Done<i64> {
        match self.0.on_dict(OnDict::Add(key.into().to_buf(), by))? {
            Reply::Number(sum) => Ok(sum),
            _ => Err(nonsense()),
        }
    }

    /// Puts `to` there if `expected` is, `None` being nothing, in one step. Whether it did.
    pub fn replace(
        &self,
        key: impl Into<Key>,
        expected: Option<Datum>,
        to: impl Into<Datum>,
    ) -> Done<bool> {
        let to = to.into();
        let before = (expected.as_ref())
            .map(|item| self.0.pack(item))
            .transpose()?;
        let replace = OnDict::Replace(key.into().to_buf(), before, self.0.pack(&to)?);
        flag(self.0.on_dict(replace)?)
    }
}

impl Namespace {
    pub(crate) fn make(hub: &Arc<Hub>) -> Done<Namespace> {
        Managed::make(hub, Object::Namespace, 0).map(Namespace)
    }

    pub(crate) fn root(hub: &Arc<Hub>) -> Done<Namespace> {
        match hub.ask(&Request::Root)? {
            Reply::Made(id) => Ok(Namespace(Managed::had(hub, Object::Namespace, id))),
            _ => Err(nonsense()),
        }
    }

    /// What has this name.
    pub fn get(&self, name: &str) -> Done<Option<Datum>> {
        let reply = self.0.on_dict(OnDict::Get(Key::from(name).to_buf()))?;
        self.0.item(reply)
    }

    /// Gives this name to something.
    pub fn set(&self, name: &str, item: impl Into<Datum>) -> Done<()> {
        let item = item.into();
        let set = OnDict::Set(Key::from(name).to_buf(), self.0.pack(&item)?);
        done(self.0.on_dict(set)?)
    }

    /// Forgets a name, and gives what had it.
    pub fn remove(&self, name: &str) -> Done<Option<Datum>> {
        let reply = self.0.on_dict(OnDict::Remove(Key::from(name).to_buf()))?;
        self.0.item(reply)
    }

    /// All names, in the order in which they came.
    pub fn names(&self) -> Done<Vec<String>> {
        let name = |key| match key {
            Key::Text(name) => Ok(name),
            _ => Err(nonsense()),
        };
        let keys = keys(self.0.on_dict(OnDict::Keys)?)?;
        keys.into_iter().map(name).collect()
    }
}

impl List {
    pub(crate) fn make(hub: &Arc<Hub>) -> Done<List> {
        Managed::make(hub, Object::List, 0).map(List)
    }

    /// How many items there are.
    pub fn len(&self) -> Done<u64> {
        count(self.0.on_list(OnList::Len)?)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> Done<bool> {
        Ok(self.len()? == 0)
    }

    /// The item at this place.
    ///
    /// # Errors
    /// Also [`ManagerError::Outside`], here and below.
    pub fn get(&self, index: u64) -> Done<Datum> {
        let reply = self.0.on_list(OnList::Get(index))?;
        self.0.there(reply)
    }

    /// Puts an item in the place of the one that is there.
    pub fn set(&self, index: u64, item: impl Into<Datum>) -> Done<()> {
        let item = item.into();
        done(self.0.on_list(OnList::Set(index, self.0.pack(&item)?))?)
    }

    /// Puts an item at the end.
    pub fn push(&self, item: impl Into<Datum>) -> Done<()> {
        let item = item.into();
        done(self.0.on_list(OnList::Push(self.0.pack(&item)?))?)
    }

    /// Takes the last item.
    pub fn pop(&self) -> Done<Option<Datum>> {
        let reply = self.0.on_list(OnList::Pop)?;
        self.0.item(reply)
    }

    /// Puts an item before the one at this place, or at the end.
    pub fn insert(&self, index: u64, item: impl Into<Datum>) -> Done<()> {
        let item = item.into();
        let insert = OnList::Insert(index, self.0.pack(&item)?);
        done(self.0.on_list(insert)?)
    }

    /// Takes the item at this place.
    pub fn remove(&self, index: u64) -> Done<Datum> {
        let reply = self.0.on_list(OnList::Remove(index))?;
        self.0.there(reply)
    }

    /// So many items from this place on; fewer where it ends before.
    pub fn slice(&self, start: u64, count: u64) -> Done<Vec<Datum>> {
        let reply = self.0.on_list(OnList::Slice(start, count))?;
        self.0.items(reply)
    }

    /// Puts many items at the end in one step.
    pub fn extend<D: Into<Datum>>(&self, items: impl IntoIterator<Item = D>) -> Done<()> {
        let items: Vec<Datum> = items.into_iter().map(Into::into).collect();
        let packed = (items.iter())
            .map(|item| self.0.pack(item))
            .collect::<Done<_>>()?;
        done(self.0.on_list(OnList::Extend(packed))?)
    }

    /// Takes all away.
    pub fn clear(&self) -> Done<()> {
        done(self.0.on_list(OnList::Clear)?)
    }
}
