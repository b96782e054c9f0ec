//! What a manager keeps: its objects, who has each of them, and what it costs whom. It knows no processes and moves no bytes.
//!
//! Who asks is a *client*, one channel. Objects are had by a *party*: a worker, or all channels of one program. An object is there
//! as long as a party has it or another object holds it, and no longer. What points at itself in a circle therefore stays; the
//! limits bound that, as they bound everything.
//!
//! Each request is done as a whole before the next, so nobody ever finds an object between two states.

mod accounts;
mod bucket;
mod holding;
mod lock;
mod queue;
mod row;
mod table;
#[cfg(test)]
mod tests;

pub(super) use accounts::{Account, PROGRAM};

use crate::shared::{Id, ManagerError, OnValue, Reply, Request};
use crate::types::Object;
use accounts::Accounts;
use holding::Item;
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
    clients: u64,
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
            clients: 0,
            woken: Vec::new(),
        }
    }

    /// Does what is asked.
    pub(super) fn run(&mut self, who: Asker, request: Request) -> Ran {
        let done = match request {
            Request::Make(object, most) => self.make(who, object, most),
            Request::Root => self.root(who),
            Request::Size if who.account == PROGRAM => {
                let (objects, bytes) = self.size();
                Ok(Reply::Size(objects, bytes, self.clients))
            }
            Request::Size => Err(misuse("only a program may ask how much there is")),
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
    fn size(&self) -> (u64, u64) {
        (self.objects.len() as u64, self.accounts.bytes())
    }

    /// Takes note of how many clients there are.
    pub(super) fn set_clients(&mut self, clients: usize) {
        self.clients = clients as u64;
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
}

fn misuse(text: impl Into<String>) -> ManagerError {
    ManagerError::Misuse(text.into())
}
