//! First in, first out: items of any length in a ring of bytes.
//!
//! ```text
//!   put:   how many items were put, and where the next begins     │ one word, so that
//!   taken: how many items were taken, and where the next begins   │ each changes in one step
//!   ring:  length │ item │ length │ item …
//! ```
//!
//! An item is there when `put` says so, and gone when `taken` does. So a party that dies has put an item or not, and has taken one or not.

use super::Failure;
use super::guard::Guard;
use super::look::look;
use super::sleep::{self, Until};
use super::slot::{HEAD, Party, Place, Slot};
use std::sync::atomic::{AtomicU64, Ordering};

const PUT: usize = 0;
const TAKEN: usize = 1;
// From here on numbers of 32 bits.
/// How many items were done with.
const DONE: usize = 4;
/// How many items there may be.
const MOST: usize = 5;
/// Whether nothing more is put.
const CLOSED: usize = 6;
/// What one sleeps on until there is an item, until there is room, until all is done. The lowest bit: somebody does.
const ITEM: usize = 7;
const ROOM: usize = 8;
const END: usize = 9;
/// Where the ring begins, behind the head of the object.
const RING: usize = 64;
/// What stands before each item.
const LENGTH_BYTES: u32 = 4;

/// How long a queue with so many bytes of items is, without its head. The ring is a power of two.
pub(super) fn bytes(ring: u32) -> usize {
    RING + ring as usize
}

/// Makes a queue of fresh memory.
pub(super) fn make(slot: Slot<'_>, most: u32) {
    slot.half(MOST).store(most, Ordering::SeqCst);
}

/// Why nothing was put or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// There was no room all the time.
    #[error("the queue is full")]
    Full,
    /// There was nothing all the time.
    #[error("the queue is empty")]
    Empty,
    /// Nothing can be put any more, and all is taken.
    #[error("the queue is closed")]
    Closed,
}

/// A point in the stream of items: how many there were before it, and where it is.
#[derive(Clone, Copy, PartialEq)]
struct Mark {
    items: u32,
    at: u32,
}

impl Mark {
    fn load(word: &AtomicU64) -> Mark {
        let word = word.load(Ordering::SeqCst);
        Mark {
            items: (word >> 32) as u32,
            at: word as u32,
        }
    }

    fn store(self, word: &AtomicU64) {
        let mark = u64::from(self.items) << 32 | u64::from(self.at);
        word.store(mark, Ordering::SeqCst);
    }

    fn behind(self, bytes: u32) -> Mark {
        Mark {
            items: self.items.wrapping_add(1),
            at: self.at.wrapping_add(bytes),
        }
    }
}

impl Party {
    /// Puts an item at the end.
    ///
    /// # Errors
    /// [`Failure::TooLong`] if the queue never has room for it.
    pub(crate) fn put(
        &self,
        queue: Place,
        item: &[u8],
        until: Until,
    ) -> Result<Result<(), Unavailable>, Failure> {
        let slot = self.slot(queue)?;
        let ring = queue.parts;
        let bytes = u32::try_from(item.len())
            .ok()
            .and_then(|length| length.checked_add(LENGTH_BYTES))
            .filter(|bytes| *bytes <= ring)
            .ok_or(Failure::TooLong {
                bytes: item.len(),
                most: ring - LENGTH_BYTES,
            })?;
        loop {
            let seen = slot.half(ROOM).load(Ordering::SeqCst);
            {
                let _guard = match Guard::of(slot, self.number, until) {
                    Err(Failure::TooLate) => return Ok(Err(Unavailable::Full)),
                    guard => guard?,
                };
                if slot.half(CLOSED).load(Ordering::SeqCst) != 0 {
                    return Ok(Err(Unavailable::Closed));
                }
                let (put, taken) = (Mark::load(slot.word(PUT)), Mark::load(slot.word(TAKEN)));
                let items = put.items.wrapping_sub(taken.items);
                let used = put.at.wrapping_sub(taken.at);
                if items < slot.half(MOST).load(Ordering::SeqCst) && used <= ring - bytes {
                    let length = (item.len() as u32).to_le_bytes();
                    copy_in(slot, ring, put.at, &length);
                    copy_in(slot, ring, put.at.wrapping_add(LENGTH_BYTES), item);
                    put.behind(bytes).store(slot.word(PUT));
                    break;
                }
            }
            if self.sleep(slot, ROOM, seen, until).is_err() {
                return Ok(Err(Unavailable::Full));
            }
        }
        change(slot, ITEM);
        Ok(Ok(()))
    }

    /// Takes the first item.
    pub(crate) fn get(
        &self,
        queue: Place,
        until: Until,
    ) -> Result<Result<Vec<u8>, Unavailable>, Failure> {
        let slot = self.slot(queue)?;
        let ring = queue.parts;
        let item = loop {
            let seen = slot.half(ITEM).load(Ordering::SeqCst);
            {
                let _guard = match Guard::of(slot, self.number, until) {
                    Err(Failure::TooLate) => return Ok(Err(Unavailable::Empty)),
                    guard => guard?,
                };
                let (put, taken) = (Mark::load(slot.word(PUT)), Mark::load(slot.word(TAKEN)));
                if put.items != taken.items {
                    let mut length = [0; LENGTH_BYTES as usize];
                    copy_out(slot, ring, taken.at, &mut length);
                    let length = u32::from_le_bytes(length);
                    let used = put.at.wrapping_sub(taken.at);
                    let bytes = length.checked_add(LENGTH_BYTES);
                    let Some(bytes) = bytes.filter(|bytes| *bytes <= used && used <= ring) else {
                        return Err(Failure::Damaged);
                    };
                    let mut item = vec![0; length as usize];
                    copy_out(slot, ring, taken.at.wrapping_add(LENGTH_BYTES), &mut item);
                    taken.behind(bytes).store(slot.word(TAKEN));
                    break item;
                }
                if slot.half(CLOSED).load(Ordering::SeqCst) != 0 {
                    return Ok(Err(Unavailable::Closed));
                }
            }
            if self.sleep(slot, ITEM, seen, until).is_err() {
                return Ok(Err(Unavailable::Empty));
            }
        };
        change(slot, ROOM);
        Ok(Ok(item))
    }

    /// How many items there are.
    pub(crate) fn queue_size(&self, queue: Place) -> Result<u32, Failure> {
        let slot = self.slot(queue)?;
        let taken = Mark::load(slot.word(TAKEN)).items;
        let size = Mark::load(slot.word(PUT)).items.wrapping_sub(taken);
        // Some may have been taken between the two looks.
        Ok(size.min(slot.half(MOST).load(Ordering::SeqCst)))
    }

    /// How many items there may be.
    pub(crate) fn queue_room(&self, queue: Place) -> Result<u32, Failure> {
        Ok(self.slot(queue)?.half(MOST).load(Ordering::SeqCst))
    }

    /// One of the items that were taken is done with.
    ///
    /// # Errors
    /// [`Failure::Misuse`] if all were before.
    pub(crate) fn task_done(&self, queue: Place, until: Until) -> Result<(), Failure> {
        let slot = self.slot(queue)?;
        {
            let _guard = Guard::of(slot, self.number, until)?;
            let done = slot.half(DONE).load(Ordering::SeqCst);
            if done == Mark::load(slot.word(PUT)).items {
                return Err(Failure::Misuse(
                    "`task-done` is called more often than items were put",
                ));
            }
            slot.half(DONE)
                .store(done.wrapping_add(1), Ordering::SeqCst);
        }
        change(slot, END);
        Ok(())
    }

    /// Waits until every item is done with; false if not in time.
    pub(crate) fn join_queue(&self, queue: Place, until: Until) -> Result<bool, Failure> {
        let slot = self.slot(queue)?;
        let is_done = || slot.half(DONE).load(Ordering::SeqCst) == Mark::load(slot.word(PUT)).items;
        loop {
            slot.check()?;
            let seen = slot.half(END).load(Ordering::SeqCst);
            if is_done() {
                return Ok(true);
            }
            if self.sleep(slot, END, seen, until).is_err() {
                return Ok(is_done());
            }
        }
    }

    /// From now on nothing can be put.
    pub(crate) fn close_queue(&self, queue: Place) -> Result<(), Failure> {
        let slot = self.slot(queue)?;
        slot.half(CLOSED).store(1, Ordering::SeqCst);
        change(slot, ITEM);
        change(slot, ROOM);
        Ok(())
    }

    /// Looks for a while, then sleeps until what was `seen` changes.
    fn sleep(
        &self,
        slot: Slot<'_>,
        what: usize,
        seen: u32,
        until: Until,
    ) -> Result<(), sleep::TooLate> {
        let number = slot.half(what);
        let has_changed = || number.load(Ordering::SeqCst) | SLEEPERS != seen | SLEEPERS;
        if look(number, until, has_changed) {
            return Ok(());
        }
        let asleep = seen | SLEEPERS;
        match number.compare_exchange(seen, asleep, Ordering::SeqCst, Ordering::SeqCst) {
            Err(now) if now != asleep => Ok(()),
            _ => sleep::wait(number, asleep, until),
        }
    }
}

/// Somebody sleeps on the number.
const SLEEPERS: u32 = 1;

/// Tells those who sleep on it that something has changed.
fn change(slot: Slot<'_>, what: usize) {
    let number = slot.half(what);
    let changed = |seen: u32| Some((seen & !SLEEPERS).wrapping_add(2));
    let before = number.fetch_update(Ordering::SeqCst, Ordering::SeqCst, changed);
    if before.is_ok_and(|before| before & SLEEPERS != 0) {
        sleep::wake_all(number);
    }
}

/// Somebody died, perhaps before it told the others what it had changed.
pub(super) fn mend(slot: Slot<'_>) {
    for what in [ITEM, ROOM, END] {
        change(slot, what);
        sleep::wake_all(slot.half(what));
    }
}

fn copy_in(slot: Slot<'_>, ring: u32, at: u32, bytes: &[u8]) {
    let (place, first) = pieces(slot, ring, at, bytes.len());
    slot.segment.write(place, &bytes[..first]);
    slot.segment.write(slot.at + HEAD + RING, &bytes[first..]);
}

fn copy_out(slot: Slot<'_>, ring: u32, at: u32, bytes: &mut [u8]) {
    let (place, first) = pieces(slot, ring, at, bytes.len());
    slot.segment.read(place, &mut bytes[..first]);
    slot.segment
        .read(slot.at + HEAD + RING, &mut bytes[first..]);
}

/// Where bytes begin in the ring, and how many of them lie before its end; the others are at its start.
fn pieces(slot: Slot<'_>, ring: u32, at: u32, bytes: usize) -> (usize, usize) {
    let at = at as usize & (ring as usize - 1);
    let first = bytes.min(ring as usize - at);
    (slot.at + HEAD + RING + at, first)
}
