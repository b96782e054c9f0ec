//! The memory that objects live in, from the side of the program that makes it: which objects there are, who may work on
//! them, and what is left to do when one of those dies.

use super::segment::Segment;
use super::slot::{HEAD, OBJECTS, PARTIES, Party, Place, Slot};
use super::{barrier, condition, event, numbers, queue, semaphore, sleep, slot};
use crate::types::Object;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How large the memory is unless one says otherwise. Only what is used takes room on the machine.
const BYTES: usize = 64 << 20;
/// The number of the program's own party.
const OWN: u32 = 1;
/// The smallest slot, for a number: a head and two words.
const SMALLEST: usize = 2 * HEAD;

/// Memory for objects that jobs in several processes work on together.
///
/// Each pool has one of its own, [`Pool::shared`](crate::Pool::shared). To use objects in several pools or in a
/// [`Process`](crate::Process), make one and give it to them; but pools of different users should have none in common. A
/// clone is the same memory.
///
/// A worker that was taken over can write anything into this memory. Methods of objects panic where they find that an
/// object was spoiled so that it cannot be used.
#[derive(Clone, Debug)]
pub struct Shared(pub(super) Arc<Room>);

/// An object could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SharedError {
    /// The system refused memory.
    #[error("the system refused memory for shared objects: {0}")]
    System(#[from] io::Error),
    /// All of it is in use.
    #[error(
        "no room for {wanted} more bytes of shared objects: there are {bytes} in all; ask for more with `Shared::with_bytes`"
    )]
    NoRoom {
        /// What the object takes.
        wanted: u64,
        /// The size of the memory.
        bytes: u64,
    },
    /// An array of more numbers than any can have.
    #[error(
        "an array of {count} numbers is too long: it can have {}",
        super::numbers::MOST
    )]
    TooLong {
        /// How many it should have.
        count: usize,
    },
    /// Too many workers and threads use it at a time.
    #[error("more than {} workers and threads use the shared objects at a time", PARTIES - 1)]
    TooMany,
}

#[derive(Debug)]
pub(crate) struct Room {
    memory: OwnedFd,
    segment: Arc<Segment>,
    /// What tells it from other rooms of this program.
    id: u32,
    /// The party of this program, for what nobody holds for longer than a moment.
    own: Party,
    /// Parties of threads of this program, to be used again.
    visitors: Mutex<Vec<Party>>,
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    /// The live objects by the places of their slots.
    objects: BTreeMap<u32, (Object, Place)>,
    /// Slots to use again, by their size; those that were given back longest ago first.
    free: BTreeMap<usize, VecDeque<Place>>,
    /// Where nothing was yet.
    end: usize,
    /// Which parties there are.
    parties: Vec<bool>,
}

impl Shared {
    /// New memory, of 64 MiB. It takes room on the machine only where there are objects.
    ///
    /// # Errors
    /// The system gives no memory.
    pub fn new() -> Result<Shared, SharedError> {
        Shared::with_bytes(BYTES)
    }

    /// New memory of this size, at least 1 MiB and at most 4 GiB.
    ///
    /// # Errors
    /// The system gives no memory.
    pub fn with_bytes(bytes: usize) -> Result<Shared, SharedError> {
        static IDS: AtomicU32 = AtomicU32::new(1);
        let (memory, segment) = Segment::create(bytes.clamp(1 << 20, u32::MAX as usize & !4095))?;
        let segment = Arc::new(segment);
        slot::highest(&segment).store(OWN + 1, Ordering::SeqCst);
        let own = Party::new(segment.clone(), OWN);
        own.introduce(std::process::id(), None);
        Ok(Shared(Arc::new(Room {
            memory,
            segment,
            own,
            visitors: Mutex::new(Vec::new()),
            id: IDS.fetch_add(1, Ordering::Relaxed),
            table: Mutex::new(Table {
                objects: BTreeMap::new(),
                free: BTreeMap::new(),
                end: OBJECTS.next_multiple_of(SMALLEST),
                // Nobody, and this program.
                parties: vec![true; OWN as usize + 1],
            }),
        })))
    }

    /// How many objects there are.
    pub fn objects(&self) -> usize {
        self.0.table().objects.len()
    }

    /// What tells this memory from others of this program.
    pub(crate) fn id(&self) -> u32 {
        self.0.id
    }

    /// The memory, to be mapped by a worker.
    pub(crate) fn memory(&self) -> BorrowedFd<'_> {
        self.0.memory.as_fd()
    }

    /// A seat for one more worker or thread.
    pub(crate) fn seat(&self) -> Result<Seat, SharedError> {
        Room::seat(&self.0)
    }
}

impl Room {
    fn seat(self: &Arc<Room>) -> Result<Seat, SharedError> {
        Ok(Seat {
            party: self.new_party()?,
            room: self.clone(),
        })
    }

    /// The party of this program.
    pub(super) fn own(&self) -> &Party {
        &self.own
    }

    /// A party of its own for a thread of this program, as long as it holds something or waits.
    pub(super) fn visitor(self: &Arc<Room>) -> Result<Visitor, SharedError> {
        let used = self.visitors().pop();
        Ok(Visitor {
            party: used.map_or_else(|| self.new_party(), Ok)?,
            room: self.clone(),
        })
    }

    fn visitors(&self) -> MutexGuard<'_, Vec<Party>> {
        self.visitors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_party(&self) -> Result<Party, SharedError> {
        let mut table = self.table();
        let number = match table.parties.iter().position(|taken| !taken) {
            Some(number) => number,
            None if table.parties.len() == PARTIES as usize => {
                // One that no thread uses now is as good.
                return self.visitors().pop().ok_or(SharedError::TooMany);
            }
            None => {
                table.parties.push(true);
                table.parties.len() - 1
            }
        };
        table.parties[number] = true;
        slot::highest(&self.segment).fetch_max(number as u32 + 1, Ordering::SeqCst);
        let party = Party::new(self.segment.clone(), number as u32);
        party.introduce(std::process::id(), None);
        Ok(party)
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Makes an object of so many parts. `fill` gets its memory, which is full of zeros.
    pub(super) fn make(
        &self,
        object: Object,
        parts: u32,
        fill: impl FnOnce(Slot<'_>),
    ) -> Result<Place, SharedError> {
        let bytes = (HEAD + body_bytes(object, parts))
            .next_power_of_two()
            .max(SMALLEST);
        let mut table = self.table();
        let mut place = match table.free.get_mut(&bytes).and_then(VecDeque::pop_front) {
            Some(used) => {
                // In pieces, as it may be long.
                let zeros = [0; 4096];
                let body = used.at as usize + 8..used.at as usize + bytes;
                for at in body.clone().step_by(zeros.len()) {
                    let piece = zeros.len().min(body.end - at);
                    self.segment.write(at, &zeros[..piece]);
                }
                used
            }
            None => {
                let at = table.end.next_multiple_of(bytes.min(4096));
                if bytes > self.segment.bytes().saturating_sub(at) {
                    return Err(SharedError::NoRoom {
                        wanted: bytes as u64,
                        bytes: self.segment.bytes() as u64,
                    });
                }
                table.end = at + bytes;
                Place {
                    at: at as u32,
                    generation: 0,
                    parts,
                }
            }
        };
        place.parts = parts;
        place.generation = place.generation.wrapping_add(1).max(1);
        let slot = self.slot(place);
        slot.owner().forget();
        fill(slot);
        slot.generation().store(place.generation, Ordering::SeqCst);
        table.objects.insert(place.at, (object, place));
        Ok(place)
    }

    /// Forgets an object. Whoever still has its place finds it gone.
    pub(super) fn unmake(&self, place: Place) {
        let mut table = self.table();
        let Some((object, place)) = table.objects.remove(&place.at) else {
            return;
        };
        let slot = self.slot(place);
        slot.generation().store(0, Ordering::SeqCst);
        // Whoever still waits for it has to find out.
        slot.owner().vanish();
        match object {
            Object::Condition => condition::vanish(slot),
            Object::Semaphore => semaphore::vanish(slot),
            Object::Event => event::vanish(slot),
            Object::Barrier => barrier::vanish(slot),
            Object::Queue => queue::mend(slot),
            _ => {}
        }
        let bytes = (HEAD + body_bytes(object, place.parts))
            .next_power_of_two()
            .max(SMALLEST);
        table.free.entry(bytes).or_default().push_back(place);
    }

    pub(super) fn slot(&self, place: Place) -> Slot<'_> {
        Slot {
            segment: &self.segment,
            at: place.at as usize,
            generation: place.generation,
        }
    }

    /// Takes from a party what it had, finishes or undoes what it was at, and wakes everybody.
    fn bury(&self, dead: u32) {
        let mut table = self.table();
        for (object, place) in table.objects.values() {
            let slot = self.slot(*place);
            let had = slot.owner().party() == dead;
            match object {
                Object::Lock | Object::Rlock => {}
                Object::Condition => condition::mend(slot, dead),
                Object::Semaphore => semaphore::mend(slot, dead, had),
                Object::Event => event::mend(slot),
                Object::Barrier => barrier::mend(slot, dead, had),
                Object::Queue => queue::mend(slot),
                Object::Value | Object::ValueU64 | Object::ValueF64 => {}
                Object::Array | Object::ArrayF64 if had => numbers::mend(slot, place.parts),
                Object::Array | Object::ArrayF64 => {}
                Object::Dict | Object::List | Object::Namespace => {}
            }
            match object {
                Object::Lock | Object::Rlock | Object::Condition if had => slot.owner().abandon(),
                _ if had => slot.owner().release(),
                _ => {}
            }
            // It may have died when it had given it back and not yet woken the next.
            sleep::wake_all(slot.owner_word());
        }
        table.parties[dead as usize] = false;
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one worker or thread among those who work on the objects. When it is dropped, what its party had is taken
/// from it: drop it when the worker is dead.
#[derive(Debug)]
pub(crate) struct Seat {
    room: Arc<Room>,
    pub(crate) party: Party,
}

impl Seat {
    /// The number that the worker has to know.
    pub(crate) fn number(&self) -> u32 {
        self.party.number
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.bury(self.party.number);
    }
}

/// A thread of this program among those who work on the objects. Unlike a worker it cannot end without giving back what it
/// holds.
#[derive(Debug)]
pub(super) struct Visitor {
    room: Arc<Room>,
    pub(super) party: Party,
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.room.visitors().push(self.party.clone());
    }
}

/// How long an object is behind its head.
fn body_bytes(object: Object, parts: u32) -> usize {
    match object {
        Object::Value | Object::ValueU64 | Object::ValueF64 => numbers::VALUE_BYTES,
        Object::Array | Object::ArrayF64 => numbers::bytes(parts),
        Object::Lock | Object::Rlock | Object::Event => 8,
        Object::Semaphore => semaphore::BYTES,
        Object::Condition => condition::BYTES,
        Object::Barrier => barrier::BYTES,
        Object::Queue => queue::bytes(parts),
        Object::Dict | Object::List | Object::Namespace => unreachable!("only a manager has these"),
    }
}
