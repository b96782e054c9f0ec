//! Queues in the hands of the embedding program.

use super::super::{Datum, Failure, Shared, SharedError, Unavailable, queue};
use super::{Held, sound, until};
use crate::types::Object;
use std::sync::Arc;
use std::time::Duration;

/// How many bytes of items a queue holds unless one says otherwise: some ten thousand numbers.
const BYTES: u32 = 256 << 10;

/// First in, first out, for jobs and threads: `pool:shared/collections.queue`.
#[derive(Clone, Debug)]
pub struct Queue(pub(super) Arc<Held>);

impl Shared {
    /// A queue of so many items at most, which together have no more than 256 KiB.
    ///
    /// # Errors
    /// The memory is full.
    pub fn queue(&self, most: u32) -> Result<Queue, SharedError> {
        self.queue_with_bytes(most, BYTES)
    }

    /// A queue of so many items at most, which together have no more than so many bytes, rounded up to a power of two. A
    /// number takes 13 of them, a text 9 more than it has.
    ///
    /// # Errors
    /// The memory is full.
    pub fn queue_with_bytes(&self, most: u32, bytes: u32) -> Result<Queue, SharedError> {
        // At most half of what a mark can count, so that a full ring is told from an empty one.
        let ring = bytes.clamp(64, 1 << 30).next_power_of_two();
        let fill = |slot: super::super::slot::Slot<'_>| queue::make(slot, most.max(1));
        Held::new(self, Object::Queue, ring, fill).map(Queue)
    }
}

impl Queue {
    /// Puts an item at the end; waits for room.
    ///
    /// # Errors
    /// [`Unavailable::Closed`].
    ///
    /// # Panics
    /// The item is longer than the queue ever has room for, or an object of a manager, here and below.
    pub fn put(&self, item: impl Into<Datum>) -> Result<(), Unavailable> {
        sound(self.0.own().put(self.0.place, &plain(item), None))
    }

    /// Puts an item at the end, if there is room within this time.
    ///
    /// # Errors
    /// [`Unavailable::Full`], [`Unavailable::Closed`].
    pub fn put_within(&self, item: impl Into<Datum>, timeout: Duration) -> Result<(), Unavailable> {
        let item = plain(item);
        sound(self.0.own().put(self.0.place, &item, until(timeout)))
    }

    /// Takes the first item; waits for one.
    ///
    /// # Errors
    /// [`Unavailable::Closed`], once all is taken.
    pub fn get(&self) -> Result<Datum, Unavailable> {
        self.take(None)
    }

    /// Takes the first item, if there is one within this time.
    ///
    /// # Errors
    /// [`Unavailable::Empty`], [`Unavailable::Closed`].
    pub fn get_within(&self, timeout: Duration) -> Result<Datum, Unavailable> {
        self.take(Some(timeout))
    }

    fn take(&self, timeout: Option<Duration>) -> Result<Datum, Unavailable> {
        let item = sound(self.0.own().get(self.0.place, timeout.and_then(until)))?;
        Ok(sound(Datum::from_bytes(&item).ok_or(Failure::Damaged)))
    }

    /// How many items there are now.
    pub fn size(&self) -> u32 {
        sound(self.0.own().queue_size(self.0.place))
    }

    /// Whether as many items are there as may be.
    pub fn is_full(&self) -> bool {
        self.size() >= sound(self.0.own().queue_room(self.0.place))
    }

    /// Says that one of the items that were taken is done with.
    ///
    /// # Panics
    /// All that were put are.
    pub fn task_done(&self) {
        sound(self.0.own().task_done(self.0.place, None));
    }

    /// Waits until each item that was put is done with.
    pub fn join(&self) {
        sound(self.0.own().join_queue(self.0.place, None));
    }

    /// Waits until each item that was put is done with; false if not within this time.
    pub fn join_within(&self, timeout: Duration) -> bool {
        sound(self.0.own().join_queue(self.0.place, until(timeout)))
    }

    /// From now on nothing can be put. Items that are there can still be taken.
    pub fn close(&self) {
        sound(self.0.own().close_queue(self.0.place));
    }
}

/// The bytes of what is no object: shared memory does not count who has one.
fn plain(item: impl Into<Datum>) -> Vec<u8> {
    let bytes = item.into().to_bytes();
    bytes.expect("an object of a manager is put only into others of it, and into a `ManagedQueue`")
}
