//! Where an object lies, who works on it, and what each object begins with.
//!
//! ```text
//!   memory:  │ parties: 1,024 × who they are │ objects: each in a slot of a power of two bytes … │
//!   object:  │ generation │ owner │ name, 48 bytes │ what it is made of …
//! ```
//!
//! A *party* is whoever can hold something: a worker, or a thread of the embedding program while it waits or holds. Its
//! number stands in what it holds, so that it can be taken from it when it dies.

use super::Failure;
use super::owner::Owner;
use super::segment::Segment;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How many parties there can be at a time; number 0 is nobody.
pub(super) const PARTIES: u32 = 1024;
/// What is known of a party: its process id, and its job's number plus one.
const PARTY_BYTES: usize = 16;
/// Where objects begin.
pub(super) const OBJECTS: usize = PARTIES as usize * PARTY_BYTES;
/// What every object begins with, in bytes.
pub(super) const HEAD: usize = 64;
/// How much of its name an object keeps, in bytes.
const NAME_BYTES: usize = 48;

/// Where an object lies. Whoever has this can reach the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where its slot begins, in bytes.
    pub(crate) at: u32,
    /// Which of the objects that lay there.
    pub(crate) generation: u32,
    /// How many parts it has: numbers of an array, bytes of a queue, jobs of a barrier.
    pub(crate) parts: u32,
}

/// Somebody who works on objects: a mapping of the memory, and a number in it.
#[derive(Clone, Debug)]
pub(crate) struct Party {
    pub(super) segment: Arc<Segment>,
    pub(super) number: u32,
}

impl Party {
    /// The party of this number, which only one process may be at a time.
    pub(crate) fn new(segment: Arc<Segment>, number: u32) -> Party {
        assert!(0 < number && number < PARTIES, "the number of a party");
        Party { segment, number }
    }

    /// Notes for others to read who this is.
    pub(crate) fn introduce(&self, pid: u32, job: Option<u64>) {
        let at = self.number as usize * PARTY_BYTES;
        self.segment.half(at).store(pid, Ordering::Relaxed);
        let job = job.map_or(0, |job| job.saturating_add(1));
        self.segment.word(at + 8).store(job, Ordering::Relaxed);
    }

    /// The object at this place.
    #[inline]
    pub(super) fn slot(&self, place: Place) -> Result<Slot<'_>, Failure> {
        let slot = Slot {
            segment: &self.segment,
            at: place.at as usize,
            generation: place.generation,
        };
        slot.check().map(|()| slot)
    }

    /// What to call an object and whoever holds it, for people.
    pub(crate) fn describe(&self, place: Place, what: &str) -> String {
        let Ok(slot) = self.slot(place) else {
            return what.to_owned();
        };
        let name = match slot.name() {
            name if name.is_empty() => what.to_owned(),
            name => format!("{what} `{name}`"),
        };
        match slot.owner().party() {
            // Whoever waits for a condition to change holds its lock, too.
            0 => name,
            own if own == self.number => name,
            holder => format!("{name}, which {} holds", who(&self.segment, holder)),
        }
    }
}

/// One more than the highest number that a party ever had: where nobody, who has number 0, would introduce himself.
pub(super) fn highest(segment: &Segment) -> &AtomicU32 {
    segment.half(0)
}

/// A party as it introduced itself.
fn who(segment: &Segment, party: u32) -> String {
    let at = (party % PARTIES) as usize * PARTY_BYTES;
    let pid = segment.half(at).load(Ordering::Relaxed);
    match segment.word(at + 8).load(Ordering::Relaxed) {
        0 => format!("the process {pid}"),
        job => format!("job {} (pid {pid})", job - 1),
    }
}

/// An object, by the mapping it is reached through.
#[derive(Clone, Copy)]
pub(super) struct Slot<'a> {
    pub(super) segment: &'a Segment,
    pub(super) at: usize,
    /// Which of the objects that lay there is meant.
    pub(super) generation: u32,
}

impl<'a> Slot<'a> {
    pub(super) fn generation(&self) -> &'a AtomicU32 {
        self.segment.half(self.at)
    }

    /// Whether the object is still there. Whoever has slept asks again.
    #[inline]
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self.generation().load(Ordering::SeqCst) == self.generation {
            true => Ok(()),
            false => Err(Failure::Gone),
        }
    }

    /// Who holds the object, or is at work on it.
    pub(super) fn owner(self) -> Owner<'a> {
        Owner(self)
    }

    /// The word of that.
    pub(super) fn owner_word(&self) -> &'a AtomicU32 {
        self.segment.half(self.at + 4)
    }

    fn name(&self) -> String {
        let mut bytes = [0; NAME_BYTES];
        self.segment.read(self.at + 8, &mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        text.trim_end_matches('\0').to_owned()
    }

    pub(super) fn set_name(&self, name: &str) {
        let mut bytes = [0; NAME_BYTES];
        let kept = name.floor_char_boundary(NAME_BYTES);
        bytes[..kept].copy_from_slice(&name.as_bytes()[..kept]);
        self.segment.write(self.at + 8, &bytes);
    }

    /// One more than the highest number that a party ever had here.
    pub(super) fn parties(&self) -> u32 {
        highest(self.segment).load(Ordering::Relaxed).min(PARTIES)
    }

    /// The `n`th 64-bit number of what it is made of.
    #[inline]
    pub(super) fn word(&self, n: usize) -> &'a AtomicU64 {
        self.segment.word(self.at + HEAD + 8 * n)
    }

    /// The `n`th 32-bit number of what it is made of.
    #[inline]
    pub(super) fn half(&self, n: usize) -> &'a AtomicU32 {
        self.segment.half(self.at + HEAD + 4 * n)
    }
}
