//! Who has which object, and what lies in collections: objects go when nobody has them any more, and items take with them what only
//! they held.

use super::{Account, Asker, Body, ITEM_COST, OBJECT_COST, Store, misuse};
use crate::shared::{Buf, Datum, Id, Key, ManagerError, Reply, object_of_bytes};
use crate::types::Object;

/// What lies in a collection.
pub(super) struct Item {
    pub(super) bytes: Buf,
    payer: Account,
    cost: u64,
}

impl Store {
    pub(super) fn kind(&self, id: Id) -> Result<Object, ManagerError> {
        let entry = self.objects.get(&id).ok_or(ManagerError::NoObject)?;
        Ok(match entry.body {
            Body::Dict(_) => Object::Dict,
            Body::Namespace(_) => Object::Namespace,
            Body::List(_) => Object::List,
            Body::Queue(_) => Object::Queue,
            Body::Value(_) => Object::Value,
            Body::Lock(_) => Object::Lock,
        })
    }

    #[inline]
    pub(super) fn body(&mut self, id: Id) -> Result<&mut Body, ManagerError> {
        match self.objects.get_mut(&id) {
            Some(entry) => Ok(&mut entry.body),
            None => Err(ManagerError::NoObject),
        }
    }

    pub(super) fn have(&mut self, party: u64, id: Id) {
        if let Some(entry) = self.objects.get_mut(&id) {
            entry.had += 1;
            let times = self.parties.entry(party).or_default().entry(id);
            *times.or_default() += 1;
        }
    }

    pub(super) fn let_go(&mut self, party: u64, id: Id) {
        let Some(ids) = self.parties.get_mut(&party) else {
            return;
        };
        // Who says so of what it never had takes it from nobody.
        let Some(times) = ids.get_mut(&id) else {
            return;
        };
        *times -= 1;
        if *times == 0 {
            ids.remove(&id);
        }
        self.unhave(id, 1);
    }

    /// One has it no longer, so often. If it was the last, the object goes, and what only it held.
    pub(super) fn unhave(&mut self, id: Id, times: u64) {
        // A list and no recursion: objects may nest as deep as there are objects.
        let mut lost = vec![(id, times)];
        while let Some((id, times)) = lost.pop() {
            let Some(entry) = self.objects.get_mut(&id) else {
                continue;
            };
            entry.had = entry.had.saturating_sub(times);
            if entry.had > 0 {
                continue;
            }
            let Some(entry) = self.objects.remove(&id) else {
                continue;
            };
            self.accounts.refund(entry.payer, OBJECT_COST, 1);
            let (items, waiters) = match entry.body {
                Body::Dict(table) | Body::Namespace(table) => (table.into_items(), Vec::new()),
                Body::List(row) => (row.into_items(), Vec::new()),
                Body::Queue(queue) => queue.into_parts(),
                Body::Value(_) => continue,
                Body::Lock(lock) => {
                    if let Some(holder) = lock.holder() {
                        self.note_released(holder, id);
                    }
                    (Vec::new(), lock.into_waiters())
                }
            };
            for waiter in waiters {
                let gone = Reply::Refused(ManagerError::NoObject);
                self.woken.push((waiter.client, gone));
            }
            for item in items {
                self.accounts.refund(item.payer, item.cost, 0);
                lost.extend(object_of_bytes(&item.bytes.0).map(|(_, id)| (id, 1)));
            }
        }
    }

    /// Takes an item in: it has to be one, its room is paid for, and what it refers to is held from now on.
    pub(super) fn admit(
        &mut self,
        who: Asker,
        key: Option<&Buf>,
        bytes: Buf,
    ) -> Result<Item, ManagerError> {
        if let Some(key) = key
            && Key::from_bytes(&key.0).is_none()
        {
            return Err(misuse("a key that is none"));
        }
        let nested = object_of_bytes(&bytes.0);
        match nested {
            Some((object, id)) if self.kind(id)? != object => return Err(ManagerError::OtherKind),
            None if !Datum::is_one(&bytes.0) => return Err(misuse("an item that is none")),
            _ => {}
        }
        let cost = ITEM_COST + (bytes.0.len() + key.map_or(0, |key| key.0.len())) as u64;
        self.accounts.charge(who.account, cost, 0)?;
        if let Some((_, id)) = nested
            && let Some(entry) = self.objects.get_mut(&id)
        {
            entry.had += 1;
        }
        Ok(Item {
            bytes,
            payer: who.account,
            cost,
        })
    }

    /// Takes in all or none.
    pub(super) fn admit_all<'a>(
        &mut self,
        who: Asker,
        all: impl IntoIterator<Item = (Option<&'a Buf>, Buf)>,
    ) -> Result<Vec<Item>, ManagerError> {
        let mut items = Vec::new();
        for (key, bytes) in all {
            match self.admit(who, key, bytes) {
                Ok(item) => items.push(item),
                Err(error) => {
                    self.dismiss(items);
                    return Err(error);
                }
            }
        }
        Ok(items)
    }

    /// What was taken out of a collection is not there any more.
    pub(super) fn dismiss(&mut self, items: impl IntoIterator<Item = Item>) {
        for item in items {
            self.accounts.refund(item.payer, item.cost, 0);
            if let Some((_, id)) = object_of_bytes(&item.bytes.0) {
                self.unhave(id, 1);
            }
        }
    }

    /// An item on its way out: if it is an object, the party has it from now on.
    pub(super) fn give(&mut self, party: u64, bytes: Buf) -> Buf {
        if let Some((_, id)) = object_of_bytes(&bytes.0) {
            self.have(party, id);
        }
        bytes
    }

    /// An item that is taken out and given away.
    pub(super) fn hand_over(&mut self, party: u64, item: Item) -> Buf {
        let bytes = self.give(party, item.bytes.clone());
        self.dismiss([item]);
        bytes
    }

    /// Whether so many bytes can be sent at a time.
    pub(super) fn check_length(
        &self,
        bytes: impl Iterator<Item = usize>,
    ) -> Result<(), ManagerError> {
        let bytes: u64 = bytes.map(|bytes| bytes as u64 + 4).sum();
        match bytes <= self.most_bytes {
            true => Ok(()),
            false => Err(ManagerError::TooLong {
                bytes,
                most: self.most_bytes,
            }),
        }
    }
}
