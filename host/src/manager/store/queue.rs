//! Queues: first in, first out, and those who wait for an item, for room, or for all to be done with, in the order in which
//! they came.

use super::{Asker, Body, Item, Ran, Store, Waiter, misuse};
use crate::shared::{Buf, Id, ManagerError, OnQueue, Reply};
use std::collections::VecDeque;

pub(super) struct Queue {
    items: VecDeque<Item>,
    most: usize,
    is_closed: bool,
    /// Items that were put and are not done with.
    unfinished: u64,
    /// Who waits for an item. Nobody does while there is one.
    getters: VecDeque<Waiter>,
    /// Who waits for room, with what. Nobody does while there is room.
    putters: VecDeque<(Waiter, Item)>,
    /// Who waits for all to be done with.
    joiners: Vec<Waiter>,
}

impl Queue {
    pub(super) fn new(most: u32) -> Queue {
        Queue {
            items: VecDeque::new(),
            most: most.max(1) as usize,
            is_closed: false,
            unfinished: 0,
            getters: VecDeque::new(),
            putters: VecDeque::new(),
            joiners: Vec::new(),
        }
    }

    /// The item that the client waited to put, if it did.
    pub(super) fn give_up(&mut self, client: u64) -> Option<Item> {
        self.getters.retain(|getter| getter.client != client);
        self.joiners.retain(|joiner| joiner.client != client);
        let place = (self.putters.iter()).position(|(putter, _)| putter.client == client)?;
        self.putters.remove(place).map(|(_, item)| item)
    }

    pub(super) fn into_parts(self) -> (Vec<Item>, Vec<Waiter>) {
        let mut items = Vec::from(self.items);
        let mut waiters = Vec::from(self.getters);
        waiters.extend(self.joiners);
        for (putter, item) in self.putters {
            waiters.push(putter);
            items.push(item);
        }
        (items, waiters)
    }
}

impl Store {
    fn queue(&mut self, id: Id) -> Result<&mut Queue, ManagerError> {
        match self.body(id)? {
            Body::Queue(queue) => Ok(queue),
            _ => Err(ManagerError::OtherKind),
        }
    }

    pub(super) fn on_queue(
        &mut self,
        who: Asker,
        id: Id,
        what: OnQueue,
    ) -> Result<Ran, ManagerError> {
        let queue = self.queue(id)?;
        Ok(Ran::Answered(match what {
            OnQueue::Put(item, timeout) => return self.put_item(who, id, item, timeout),
            OnQueue::Get(timeout) => return self.get_item(who, id, timeout),
            OnQueue::Size => Reply::Count(queue.items.len() as u64),
            OnQueue::IsFull => Reply::Flag(queue.items.len() >= queue.most),
            OnQueue::TaskDone => {
                queue.unfinished = (queue.unfinished.checked_sub(1)).ok_or_else(|| {
                    misuse("`task-done` is called more often than items were put")
                })?;
                if queue.unfinished == 0 {
                    let joiners = std::mem::take(&mut queue.joiners);
                    self.wake_all(joiners, || Reply::Done);
                }
                Reply::Done
            }
            OnQueue::Join(timeout) => {
                if queue.unfinished > 0 {
                    queue.joiners.push(who.waiter());
                    return Ok(Ran::Waits(id, timeout));
                }
                Reply::Done
            }
            OnQueue::Close => {
                queue.is_closed = true;
                let putters = std::mem::take(&mut queue.putters);
                let getters = std::mem::take(&mut queue.getters);
                let (putters, items): (Vec<_>, Vec<_>) = putters.into_iter().unzip();
                self.wake_all(getters.into_iter().chain(putters), || Reply::Closed);
                self.dismiss(items);
                Reply::Done
            }
        }))
    }

    fn put_item(
        &mut self,
        who: Asker,
        id: Id,
        item: Buf,
        timeout: Option<u64>,
    ) -> Result<Ran, ManagerError> {
        if self.queue(id)?.is_closed {
            return Ok(Ran::Answered(Reply::Closed));
        }
        let item = self.admit(who, None, item)?;
        let queue = self.queue(id)?;
        if queue.items.len() >= queue.most {
            queue.putters.push_back((who.waiter(), item));
            return Ok(Ran::Waits(id, timeout));
        }
        queue.unfinished += 1;
        match queue.getters.pop_front() {
            Some(getter) => {
                let item = self.hand_over(getter.party, item);
                self.woken.push((getter.client, Reply::Item(Some(item))));
            }
            None => queue.items.push_back(item),
        }
        Ok(Ran::Answered(Reply::Done))
    }

    fn get_item(&mut self, who: Asker, id: Id, timeout: Option<u64>) -> Result<Ran, ManagerError> {
        let queue = self.queue(id)?;
        let Some(item) = queue.items.pop_front() else {
            if queue.is_closed {
                return Ok(Ran::Answered(Reply::Closed));
            }
            queue.getters.push_back(who.waiter());
            return Ok(Ran::Waits(id, timeout));
        };
        if let Some((putter, item)) = queue.putters.pop_front() {
            queue.items.push_back(item);
            queue.unfinished += 1;
            self.woken.push((putter.client, Reply::Done));
        } else if queue.items.len() < queue.items.capacity() / 8 {
            queue.items.shrink_to(2 * queue.items.len());
        }
        let item = self.hand_over(who.party, item);
        Ok(Ran::Answered(Reply::Item(Some(item))))
    }

    pub(super) fn wake_all(
        &mut self,
        waiters: impl IntoIterator<Item = Waiter>,
        reply: impl Fn() -> Reply,
    ) {
        let woken = waiters.into_iter().map(|waiter| (waiter.client, reply()));
        self.woken.extend(woken);
    }
}

impl Asker {
    pub(super) fn waiter(self) -> Waiter {
        Waiter {
            client: self.client,
            party: self.party,
        }
    }
}
