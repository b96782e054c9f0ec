//! What a manager keeps: its objects, who has each of them, and what it costs whom. It knows no processes and moves no bytes.
//!
//! Who asks is a *client*, one channel. Objects are had by a *party*: a worker, or all channels of one program. An object is there
//! as long as a party has it or another object holds it, and no longer. What points at itself in a circle therefore stays; the
//! limits bound that, as they bound everything.
//!
//! Each request is done as a whole before the next, so nobody ever finds an object between two states.

mod accounts;
mod lock;
mod queue;
mod row;
mod table;
#[cfg(test)]
mod tests;

pub(super) use accounts::{Account, PROGRAM};

use crate::shared::{
    Buf, Datum, Id, Key, ManagerError, OnLock, OnValue, Reply, Request, object_of_bytes,
};
use crate::types::Object;
use accounts::Accounts;
use lock::Lock;
use queue::Queue;
use row::Row;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use table::Table;

/// How much a manager keeps at most. The defaults keep a mistake in a guest from hurting the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagerLimits {
    /// How many objects there may be. Default: 1,000,000.
    pub objects: u64,
    /// How many bytes all items may take, each with its key and some 100 bytes of its own. Default: 1 GiB.
    pub bytes: u64,
    /// How many of the objects the jobs of one pool may have made. Default: 100,000.
    pub pool_objects: u64,
    /// How many of the bytes the jobs of one pool may have put there. Default: 512 MiB.
    pub pool_bytes: u64,
    /// How many bytes may be sent to the manager, and back, at a time: a key and an item, or many. Default: 16 MiB.
    pub item_bytes: u32,
    /// How many workers and threads may be connected at a time. Default: 1,000.
    pub clients: u32,
}

impl Default for ManagerLimits {
    fn default() -> ManagerLimits {
        ManagerLimits {
            objects: 1_000_000,
            bytes: 1 << 30,
            pool_objects: 100_000,
            pool_bytes: 512 << 20,
            item_bytes: 16 << 20,
            clients: 1000,
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) client: u64,
    pub(super) party: u64,
    pub(super) account: Account,
}

/// What became of a request.
#[derive(Debug, PartialEq)]
pub(super) enum Ran {
    Answered(Reply),
    /// It was one that has no answer.
    Silent,
    /// It waits at this object, for so many nanoseconds or for ever. The answer will be among the woken.
    Waits(Id, Option<u64>),
}

type Done = Result<Reply, ManagerError>;

pub(super) struct Store {
    objects: HashMap<Id, Entry>,
    /// How often each party has each object.
    parties: HashMap<u64, HashMap<Id, u64>>,
    /// The locks that a client holds.
    held: HashMap<u64, HashSet<Id>>,
    accounts: Accounts,
    most_bytes: u64,
    seed: [u8; 32],
    made: u64,
    root: Option<Id>,
    woken: Vec<(u64, Reply)>,
}

struct Entry {
    body: Body,
    /// How many have it, parties and objects, each as often as it does.
    had: u64,
    payer: Account,
}

enum Body {
    Dict(Table),
    Namespace(Table),
    List(Row),
    Queue(Queue),
    Value(i64),
    Lock(Lock),
}

/// What lies in a collection.
struct Item {
    bytes: Buf,
    payer: Account,
    cost: u64,
}

/// Who waits at an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiter {
    client: u64,
    party: u64,
}

/// The party that the manager itself is.
const ITSELF: u64 = 0;
/// What an item takes besides its bytes.
const ITEM_COST: u64 = 100;
/// What an object takes before anything is in it.
const OBJECT_COST: u64 = 300;

impl Store {
    /// The numbers of objects come from the seed, which nobody else may know.
    pub(super) fn new(limits: &ManagerLimits, seed: [u8; 32]) -> Store {
        Store {
            objects: HashMap::new(),
            parties: HashMap::new(),
            held: HashMap::new(),
            accounts: Accounts::new(limits),
            most_bytes: limits.item_bytes.into(),
            seed,
            made: 0,
            root: None,
            woken: Vec::new(),
        }
    }

    /// Does what is asked.
    pub(super) fn run(&mut self, who: Asker, request: Request) -> Ran {
        let done = match request {
            Request::Make(object, most) => self.make(who, object, most),
            Request::Root => self.root(who),
            Request::Share(id, object) => self.share(who, id, object),
            Request::Release(ids) => {
                for id in ids {
                    self.let_go(who.party, id);
                }
                return Ran::Silent;
            }
            Request::Dict(id, object, what) => self.on_dict(who, id, object, what),
            Request::List(id, what) => self.on_list(who, id, what),
            Request::Value(id, what) => self.on_value(id, what),
            Request::Queue(id, what) => match self.on_queue(who, id, what) {
                Ok(ran) => return ran,
                Err(error) => Err(error),
            },
            Request::Lock(id, what) => match self.on_lock(who, id, what) {
                Ok(ran) => return ran,
                Err(error) => Err(error),
            },
        };
        Ran::Answered(done.unwrap_or_else(Reply::Refused))
    }

    /// The answers to those who waited, since this was last asked.
    pub(super) fn take_woken(&mut self) -> Vec<(u64, Reply)> {
        std::mem::take(&mut self.woken)
    }

    /// This client waits no longer at that object.
    pub(super) fn give_up(&mut self, client: u64, id: Id) {
        let item = match self.objects.get_mut(&id).map(|entry| &mut entry.body) {
            Some(Body::Queue(queue)) => queue.give_up(client),
            Some(Body::Lock(lock)) => {
                lock.give_up(client);
                None
            }
            _ => None,
        };
        self.dismiss(item);
    }

    /// This client is gone. The locks that it held are free and say so.
    pub(super) fn forget_client(&mut self, client: u64) {
        for id in self.held.remove(&client).unwrap_or_default() {
            self.pass_on(id, true);
        }
    }

    /// This party is gone: it has nothing any more.
    pub(super) fn forget_party(&mut self, party: u64) {
        for (id, times) in self.parties.remove(&party).unwrap_or_default() {
            self.unhave(id, times);
        }
    }

    /// How many objects there are, and what all of them take in bytes.
    #[cfg(test)]
    fn size(&self) -> (usize, u64) {
        (self.objects.len(), self.accounts.bytes())
    }

    fn make(&mut self, who: Asker, object: Object, most: u32) -> Done {
        let body = match object {
            Object::Dict => Body::Dict(Table::default()),
            Object::Namespace => Body::Namespace(Table::default()),
            Object::List => Body::List(Row::default()),
            Object::Queue => Body::Queue(Queue::new(most)),
            Object::Value => Body::Value(0),
            Object::Lock => Body::Lock(Lock::default()),
            other => return Err(misuse(format!("a manager has no {other}"))),
        };
        self.accounts.charge(who.account, OBJECT_COST, 1)?;
        self.made += 1;
        let hash = Sha256::new()
            .chain_update(self.seed)
            .chain_update(self.made.to_le_bytes())
            .finalize();
        let id = Id(*hash.first_chunk().expect("a hash is longer"));
        let payer = who.account;
        self.objects.insert(
            id,
            Entry {
                body,
                had: 0,
                payer,
            },
        );
        self.have(who.party, id);
        Ok(Reply::Made(id))
    }

    /// The namespace of all programs, which nobody but the manager itself has to have.
    fn root(&mut self, who: Asker) -> Done {
        if who.account != PROGRAM {
            return Err(misuse("only a program may ask for what all programs have"));
        }
        let id = match self.root {
            Some(id) => id,
            None => {
                let itself = Asker {
                    party: ITSELF,
                    ..who
                };
                let Reply::Made(id) = self.make(itself, Object::Namespace, 0)? else {
                    unreachable!("what is made is answered");
                };
                *self.root.insert(id)
            }
        };
        self.have(who.party, id);
        Ok(Reply::Made(id))
    }

    fn share(&mut self, who: Asker, id: Id, object: Object) -> Done {
        if self.kind(id)? != object {
            return Err(ManagerError::OtherKind);
        }
        self.have(who.party, id);
        Ok(Reply::Done)
    }

    fn on_value(&mut self, id: Id, what: OnValue) -> Done {
        let Body::Value(number) = self.body(id)? else {
            return Err(ManagerError::OtherKind);
        };
        let was = *number;
        match what {
            OnValue::Get => {}
            OnValue::Set(to) => *number = to,
            OnValue::Add(by) => *number = was.wrapping_add(by),
            OnValue::Exchange(expected, to) if was == expected => *number = to,
            OnValue::Exchange(..) => {}
        }
        Ok(Reply::Number(was))
    }

    // Who has what.

    fn kind(&self, id: Id) -> Result<Object, ManagerError> {
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
    fn body(&mut self, id: Id) -> Result<&mut Body, ManagerError> {
        match self.objects.get_mut(&id) {
            Some(entry) => Ok(&mut entry.body),
            None => Err(ManagerError::NoObject),
        }
    }

    fn have(&mut self, party: u64, id: Id) {
        if let Some(entry) = self.objects.get_mut(&id) {
            entry.had += 1;
            let times = self.parties.entry(party).or_default().entry(id);
            *times.or_default() += 1;
        }
    }

    fn let_go(&mut self, party: u64, id: Id) {
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
    fn unhave(&mut self, id: Id, times: u64) {
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

    // Items.

    /// Takes an item in: it has to be one, its room is paid for, and what it refers to is held from now on.
    fn admit(&mut self, who: Asker, key: Option<&Buf>, bytes: Buf) -> Result<Item, ManagerError> {
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
    fn admit_all<'a>(
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
    fn dismiss(&mut self, items: impl IntoIterator<Item = Item>) {
        for item in items {
            self.accounts.refund(item.payer, item.cost, 0);
            if let Some((_, id)) = object_of_bytes(&item.bytes.0) {
                self.unhave(id, 1);
            }
        }
    }

    /// An item on its way out: if it is an object, the party has it from now on.
    fn give(&mut self, party: u64, bytes: Buf) -> Buf {
        if let Some((_, id)) = object_of_bytes(&bytes.0) {
            self.have(party, id);
        }
        bytes
    }

    /// An item that is taken out and given away.
    fn hand_over(&mut self, party: u64, item: Item) -> Buf {
        let bytes = self.give(party, item.bytes.clone());
        self.dismiss([item]);
        bytes
    }

    /// Whether so many bytes can be sent at a time.
    fn check_length(&self, bytes: impl Iterator<Item = usize>) -> Result<(), ManagerError> {
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

fn misuse(text: impl Into<String>) -> ManagerError {
    ManagerError::Misuse(text.into())
}
