//! The functions of objects that live in a manager: each asks it over the worker's channel, and turns its answer into what the guest
//! wants.

mod functions;

use super::bindings::{collections, kinds, of_plain, plain, sync};
use super::{Home, Lent, Thing, Waited};
use crate::shared::{
    Buf, Client, Datum, Id, Key, ManagerError, OnDict, OnList, OnLock, OnQueue, OnValue, Reply,
    Request, object_of_bytes, object_to_bytes,
};
use crate::types::Object;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use wasmtime::component::Resource;
use wasmtime::{Error, Result};

/// The manager did not do what a job asked of an object.
#[derive(Debug, thiserror::Error)]
#[error("the {0}: {1}")]
pub(in super::super) struct Refused(
    pub(in super::super) Object,
    pub(in super::super) ManagerError,
);

type Unless<T> = std::result::Result<T, collections::Unavailable>;

impl Lent {
    /// Which object of the manager the handle stands for, if it is one.
    #[inline]
    pub(super) fn managed<T>(&self, handle: &Resource<T>) -> Option<Id> {
        match self.thing(handle.rep())?.home {
            Home::Manager(id) => Some(id),
            Home::Memory(_) => None,
        }
    }

    /// Which object of the manager it is, of a kind that lives nowhere else.
    fn id<T>(&self, handle: &Resource<T>) -> Result<Id> {
        let id = self.managed(handle);
        id.ok_or_else(|| Error::msg("an object of another job"))
    }

    fn kind<T>(&self, handle: &Resource<T>) -> Object {
        let thing = self.thing(handle.rep());
        // Where there is none, whoever asks has told so.
        thing.map_or(Object::Dict, |thing| thing.object)
    }

    fn client(&self) -> Result<MutexGuard<'_, Client>> {
        match &self.homes.manager {
            Some((client, _)) => Ok(client.lock().unwrap_or_else(PoisonError::into_inner)),
            None => Err(Error::msg(
                "the pool has no manager: give it one with `Builder::manager`",
            )),
        }
    }

    fn ask<T>(&self, handle: &Resource<T>, request: &Request) -> Result<Reply> {
        let reply = self.client()?.ask(request);
        reply.map_err(|error| Error::new(Refused(self.kind(handle), error)))
    }

    /// What a manager never answers.
    #[cold]
    fn nonsense<T, R>(&self, handle: &Resource<R>) -> Result<T> {
        let error = ManagerError::Gone("it answered something else than it was asked".into());
        Err(Error::new(Refused(self.kind(handle), error)))
    }

    /// The trap of a job whose time was over while it waited at an object of the manager.
    #[cold]
    pub(super) fn waited_managed<T>(&self, handle: &Resource<T>) -> Error {
        Error::new(Waited(format!("{} of the manager", self.kind(handle))))
    }

    /// For how many nanoseconds one waits who gives it so many, or as long as the job may run.
    fn patience(&self, timeout: Option<u64>) -> Option<u64> {
        let left = self.deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            // The engine's own clock ends the job a moment later, which could not say what it waited for.
            u64::try_from(left.saturating_sub(Duration::from_millis(1)).as_nanos())
                .unwrap_or(u64::MAX)
        });
        [timeout, left].into_iter().flatten().min()
    }

    /// Nothing came in the time that was given; an error if it was the job's own that is over.
    fn too_late<T, R>(
        &self,
        handle: &Resource<R>,
        timeout: Option<u64>,
        otherwise: T,
    ) -> Result<T> {
        match timeout.is_none()
            || self.patience(timeout) < timeout && self.patience(None) == Some(0)
        {
            true => Err(self.waited_managed(handle)),
            false => Ok(otherwise),
        }
    }

    // Handles.

    /// A handle of the guest's own.
    fn give<K: 'static>(&mut self, object: Object, id: Id) -> Result<Resource<K>> {
        let number = self.note(Thing {
            object,
            home: Home::Manager(id),
            is_own: true,
        });
        // What could not be noted is not had either.
        if number.is_err() {
            let _ = self.client()?.tell(&Request::Release(vec![id]));
        }
        Ok(Resource::new_own(number?))
    }

    /// The guest has dropped a handle, or given it away.
    pub(super) fn let_go<T>(&mut self, handle: &Resource<T>) -> Result<()> {
        let place = handle.rep().wrapping_sub(self.first);
        let Some(slot) = self.objects.get_mut(place as usize) else {
            return Ok(());
        };
        if let Some(thing) = slot.take_if(|thing| thing.is_own) {
            self.free.push(place);
            if let Home::Manager(id) = thing.home {
                // A manager that is gone has nothing of it any more.
                let _ = self.client()?.tell(&Request::Release(vec![id]));
            }
        }
        Ok(())
    }

    /// The job is over: gives back what it has at the manager.
    pub(super) fn end_managed(&mut self, things: &[Option<Thing>]) {
        let own: Vec<Id> = (things.iter().flatten())
            .filter(|thing| thing.is_own)
            .filter_map(|thing| match thing.home {
                Home::Manager(id) => Some(id),
                Home::Memory(_) => None,
            })
            .collect();
        let held = std::mem::take(&mut self.held);
        if own.is_empty() && held.is_empty() {
            return;
        }
        let Ok(mut client) = self.client() else {
            return;
        };
        // Where the manager is gone there is nothing to give back.
        for id in held {
            let _ = client.ask(&Request::Lock(id, OnLock::Abandon));
        }
        if !own.is_empty() {
            let _ = client.tell(&Request::Release(own));
        }
    }

    fn make<K: 'static>(&mut self, object: Object) -> Result<Resource<K>> {
        let made = self.client()?.ask(&Request::Make(object, 0));
        match made {
            Ok(Reply::Made(id)) => self.give(object, id),
            Ok(_) => Err(Error::msg("the manager made nothing")),
            Err(error) => Err(Error::new(Refused(object, error))),
        }
    }

    fn share_again<K: 'static>(&mut self, handle: &Resource<K>) -> Result<Resource<K>> {
        let (id, object) = (self.id(handle)?, self.kind(handle));
        self.ask(handle, &Request::Share(id, object))?;
        self.give(object, id)
    }

    // Items.

    /// The bytes of an item, and the handle that was given away with it.
    fn pack(&self, datum: collections::Datum) -> Result<(Buf, Option<u32>)> {
        let number = match &datum {
            collections::Datum::Dict(dict) => dict.rep(),
            collections::Datum::List(list) => list.rep(),
            collections::Datum::Namespace(namespace) => namespace.rep(),
            _ => {
                let bytes = plain(datum).and_then(|datum| datum.to_bytes());
                return Ok((bytes.unwrap_or_default().into(), None));
            }
        };
        let bytes = self.thing(number).and_then(|thing| match thing.home {
            Home::Manager(id) => object_to_bytes(thing.object, id),
            Home::Memory(_) => None,
        });
        let bytes = bytes.ok_or_else(|| Error::msg("an object of another job"))?;
        Ok((bytes.into(), Some(number)))
    }

    /// What was given away is not the guest's any more.
    fn gave(&mut self, numbers: impl IntoIterator<Item = Option<u32>>) -> Result<()> {
        for number in numbers.into_iter().flatten() {
            self.let_go(&Resource::<kinds::Dict>::new_own(number))?;
        }
        Ok(())
    }

    fn unpack<T>(&mut self, of: &Resource<T>, item: &Buf) -> Result<collections::Datum> {
        if let Some((object, id)) = object_of_bytes(&item.0) {
            return Ok(match object {
                Object::Dict => collections::Datum::Dict(self.give(object, id)?),
                Object::List => collections::Datum::List(self.give(object, id)?),
                _ => collections::Datum::Namespace(self.give(object, id)?),
            });
        }
        match Datum::from_bytes(&item.0).and_then(of_plain) {
            Some(datum) => Ok(datum),
            None => self.nonsense(of),
        }
    }

    fn item<T>(&mut self, of: &Resource<T>, reply: Reply) -> Result<Option<collections::Datum>> {
        match reply {
            Reply::Item(Some(item)) => self.unpack(of, &item).map(Some),
            Reply::Item(None) => Ok(None),
            _ => self.nonsense(of),
        }
    }

    fn there<T>(&mut self, of: &Resource<T>, reply: Reply) -> Result<collections::Datum> {
        match self.item(of, reply)? {
            Some(item) => Ok(item),
            None => self.nonsense(of),
        }
    }

    pub(super) fn count<T>(&self, of: &Resource<T>, reply: Reply) -> Result<u64> {
        match reply {
            Reply::Count(count) => Ok(count),
            _ => self.nonsense(of),
        }
    }

    pub(super) fn flag<T>(&self, of: &Resource<T>, reply: Reply) -> Result<bool> {
        match reply {
            Reply::Flag(flag) => Ok(flag),
            _ => self.nonsense(of),
        }
    }

    fn keys<T>(&self, of: &Resource<T>, reply: Reply) -> Result<Vec<Key>> {
        let Reply::Items(keys) = reply else {
            return self.nonsense(of);
        };
        let keys: Option<Vec<Key>> = keys.iter().map(|key| Key::from_bytes(&key.0)).collect();
        keys.map_or_else(|| self.nonsense(of), Ok)
    }

    fn on_dict<T>(&self, dict: &Resource<T>, what: OnDict) -> Result<Reply> {
        let request = Request::Dict(self.id(dict)?, self.kind(dict), what);
        self.ask(dict, &request)
    }

    fn on_list(&self, list: &Resource<kinds::List>, what: OnList) -> Result<Reply> {
        self.ask(list, &Request::List(self.id(list)?, what))
    }

    /// Puts an item somewhere, by a request that `what` makes of it.
    fn put(
        &mut self,
        item: collections::Datum,
        ask: impl FnOnce(&Self, Buf) -> Result<Reply>,
    ) -> Result<Reply> {
        let (item, given) = self.pack(item)?;
        let reply = ask(self, item)?;
        self.gave([given])?;
        Ok(reply)
    }

    // What lives in shared memory as well.

    pub(super) fn number_of(
        &self,
        value: &Resource<kinds::Value>,
        id: Id,
        what: OnValue,
    ) -> Result<i64> {
        match self.ask(value, &Request::Value(id, what))? {
            Reply::Number(number) => Ok(number),
            _ => self.nonsense(value),
        }
    }

    pub(super) fn acquire_managed(
        &mut self,
        lock: &Resource<kinds::Lock>,
        id: Id,
        timeout: Option<u64>,
    ) -> Result<Option<sync::Acquired>> {
        let acquire = OnLock::Acquire(self.patience(timeout));
        match self.ask(lock, &Request::Lock(id, acquire))? {
            Reply::Acquired(is_abandoned) => {
                self.held.push(id);
                Ok(Some(match is_abandoned {
                    true => sync::Acquired::Abandoned,
                    false => sync::Acquired::Clean,
                }))
            }
            Reply::TooLate => self.too_late(lock, timeout, None),
            _ => self.nonsense(lock),
        }
    }

    pub(super) fn release_managed(&mut self, lock: &Resource<kinds::Lock>, id: Id) -> Result<()> {
        self.ask(lock, &Request::Lock(id, OnLock::Release))?;
        self.held.retain(|held| *held != id);
        Ok(())
    }

    pub(super) fn ask_queue(
        &self,
        queue: &Resource<kinds::Queue>,
        id: Id,
        what: OnQueue,
    ) -> Result<Reply> {
        self.ask(queue, &Request::Queue(id, what))
    }

    pub(super) fn put_managed(
        &mut self,
        queue: &Resource<kinds::Queue>,
        id: Id,
        item: collections::Datum,
        timeout: Option<u64>,
    ) -> Result<Unless<()>> {
        let patience = self.patience(timeout);
        let reply = self.put(item, |lent, item| {
            lent.ask_queue(queue, id, OnQueue::Put(item, patience))
        })?;
        match reply {
            Reply::Done => Ok(Ok(())),
            Reply::Closed => Ok(Err(collections::Unavailable::Closed)),
            Reply::TooLate => self.too_late(queue, timeout, Err(collections::Unavailable::Full)),
            _ => self.nonsense(queue),
        }
    }

    pub(super) fn get_managed(
        &mut self,
        queue: &Resource<kinds::Queue>,
        id: Id,
        timeout: Option<u64>,
    ) -> Result<Unless<collections::Datum>> {
        match self.ask_queue(queue, id, OnQueue::Get(self.patience(timeout)))? {
            Reply::Item(Some(item)) => Ok(Ok(self.unpack(queue, &item)?)),
            Reply::Closed => Ok(Err(collections::Unavailable::Closed)),
            Reply::TooLate => self.too_late(queue, timeout, Err(collections::Unavailable::Empty)),
            _ => self.nonsense(queue),
        }
    }

    pub(super) fn join_managed(
        &mut self,
        queue: &Resource<kinds::Queue>,
        id: Id,
        timeout: Option<u64>,
    ) -> Result<bool> {
        match self.ask_queue(queue, id, OnQueue::Join(self.patience(timeout)))? {
            Reply::Done => Ok(true),
            Reply::TooLate => self.too_late(queue, timeout, false),
            _ => self.nonsense(queue),
        }
    }
}
