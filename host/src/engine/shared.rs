//! What a guest finds behind the imports of `pool:shared`: the objects that its job was given.
//!
//! A guest's handle is the place of an object in the list of what was lent to the running job. Wasmtime lets it use none but those,
//! and only until its function returns.

mod bindings;
mod managed;

use crate::shared::{Failure, Homes, Id, Party, Place, Until};
use crate::types::Object;
use std::time::{Duration, Instant};
use wasmtime::component::Resource;

pub(super) use bindings::{link, resource};
pub(super) use managed::Refused;

/// The objects of the running job, and who works on them.
pub(super) struct Lent {
    homes: Homes,
    /// Their places in this list are what the guest's handles stand for, counted on from `first`. So a handle that the guest kept from an
    /// earlier job stands for nothing.
    objects: Vec<Option<Thing>>,
    first: u32,
    /// Places of the list that are free again.
    free: Vec<u32>,
    /// The managed locks that the job holds.
    held: Vec<Id>,
    /// How long a job may run.
    limit: Option<Duration>,
    /// When the running job has to be over.
    deadline: Option<Instant>,
}

/// An object that the job may use.
#[derive(Clone, Copy)]
struct Thing {
    object: Object,
    home: Home,
    /// The job has it itself, rather than that it was lent it.
    is_own: bool,
}

/// Where an object lives.
#[derive(Clone, Copy)]
enum Home {
    Memory(Place),
    Manager(Id),
}

/// How many objects a job may have handles to: more is a mistake that would only end with the worker's memory.
const MOST_HANDLES: usize = 1 << 16;

/// A job was waiting for something when its time was over.
#[derive(Clone, Debug, thiserror::Error)]
#[error("still waiting for the {0}")]
pub(super) struct Waited(pub(super) String);

impl Lent {
    pub(super) fn new(homes: Homes, limit: Option<Duration>) -> Lent {
        Lent {
            homes,
            objects: Vec::new(),
            first: 0,
            free: Vec::new(),
            held: Vec::new(),
            limit,
            deadline: None,
        }
    }

    /// Takes note of an object that the next job may use, and says by which number.
    pub(super) fn lend(
        &mut self,
        object: Object,
        manager: u32,
        place: [u8; 16],
    ) -> wasmtime::Result<u32> {
        let home = match (manager, &self.homes) {
            (0, Homes { memory, .. }) => {
                let mut numbers = [0; 4];
                for (number, bytes) in numbers.iter_mut().zip(place.as_chunks().0) {
                    *number = u32::from_le_bytes(*bytes);
                }
                let [room, at, generation, parts] = numbers;
                let place = Place {
                    at,
                    generation,
                    parts,
                };
                let is_here = memory.as_ref().is_some_and(|(_, here)| *here == room);
                is_here.then_some(Home::Memory(place))
            }
            (number, Homes { manager, .. }) => {
                let is_ours = manager.as_ref().is_some_and(|(_, ours)| *ours == number);
                is_ours.then_some(Home::Manager(Id(place)))
            }
        };
        let home = home.ok_or_else(|| wasmtime::Error::new(Stranger(object)))?;
        self.note(Thing {
            object,
            home,
            is_own: false,
        })
    }

    /// Takes note of an object, and says by which number.
    fn note(&mut self, thing: Thing) -> wasmtime::Result<u32> {
        if self.objects.is_empty() {
            self.deadline = self
                .limit
                .and_then(|limit| Instant::now().checked_add(limit));
        }
        if let Some(place) = self.free.pop() {
            self.objects[place as usize] = Some(thing);
            return Ok(self.first.wrapping_add(place));
        }
        if self.objects.len() >= MOST_HANDLES {
            return Err(wasmtime::Error::msg(format!(
                "it has handles to {MOST_HANDLES} shared objects, and no job may have more: drop some"
            )));
        }
        self.objects.push(Some(thing));
        Ok(self.first.wrapping_add(self.objects.len() as u32 - 1))
    }

    fn thing(&self, number: u32) -> Option<&Thing> {
        let place = number.wrapping_sub(self.first);
        self.objects.get(place as usize).and_then(Option::as_ref)
    }

    /// Whether the job has any objects.
    #[inline]
    pub(super) fn has_any(&self) -> bool {
        !self.objects.is_empty()
    }

    /// The job is over, well or not: gives back what it still has.
    pub(super) fn end(&mut self, well: bool) {
        // No number stands for two objects, but after four thousand million.
        self.first = self.first.wrapping_add(self.objects.len() as u32);
        self.free.clear();
        let things = std::mem::take(&mut self.objects);
        self.end_managed(&things);
        if let Some((party, _)) = &self.homes.memory {
            for thing in things.iter().flatten() {
                let Home::Memory(place) = thing.home else {
                    continue;
                };
                match thing.object {
                    Object::Lock | Object::Rlock => party.abandon(place),
                    Object::Condition => party.abandon_condition(place),
                    Object::Semaphore if well => party.spend_permits(place),
                    Object::Semaphore => party.return_permits(place),
                    _ => {}
                }
            }
        }
        // The memory of a short list serves the next job.
        if things.capacity() <= 1024 {
            self.objects = things;
            self.objects.clear();
        }
    }

    /// Who works here, and on which object in shared memory.
    #[inline]
    fn at<T>(&self, handle: &Resource<T>) -> wasmtime::Result<(&Party, Place, Object)> {
        match (&self.homes.memory, self.thing(handle.rep())) {
            (
                Some((party, _)),
                Some(&Thing {
                    object,
                    home: Home::Memory(place),
                    ..
                }),
            ) => Ok((party, place, object)),
            _ => Err(wasmtime::Error::msg("an object of another job")),
        }
    }

    /// Until when one waits who gives it so many nanoseconds, or for ever.
    fn until(&self, timeout: Option<u64>) -> Until {
        let asked = timeout
            .map(Duration::from_nanos)
            .and_then(|timeout| Instant::now().checked_add(timeout));
        match (asked, self.deadline) {
            (Some(asked), Some(deadline)) => Some(asked.min(deadline)),
            (asked, deadline) => asked.or(deadline),
        }
    }

    /// Whether the job itself has no time left, rather than the time that it gave to its waiting.
    fn is_over(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// What an operation gave; `None` if it could not be had in time.
    fn in_time<T, R>(
        &self,
        handle: &Resource<R>,
        done: Result<T, Failure>,
    ) -> wasmtime::Result<Option<T>> {
        match done {
            Ok(done) => Ok(Some(done)),
            Err(Failure::TooLate) if self.is_over() => Err(self.waited(handle)),
            Err(Failure::TooLate) => Ok(None),
            Err(failure) => Err(self.failed(handle, failure)),
        }
    }

    /// What an operation gave that does not wait, or waits for ever.
    #[inline]
    fn done<T, R>(&self, handle: &Resource<R>, done: Result<T, Failure>) -> wasmtime::Result<T> {
        match done {
            Ok(done) => Ok(done),
            Err(Failure::TooLate) => Err(self.waited(handle)),
            Err(failure) => Err(self.failed(handle, failure)),
        }
    }

    /// `found`, unless it is what it is because the job's own time is over.
    fn unless_over<T, R>(
        &self,
        handle: &Resource<R>,
        found: T,
        too_late: bool,
    ) -> wasmtime::Result<T> {
        match too_late && self.is_over() {
            true => Err(self.waited(handle)),
            false => Ok(found),
        }
    }

    #[cold]
    fn failed<R>(&self, handle: &Resource<R>, failure: Failure) -> wasmtime::Error {
        match self.at(handle) {
            Ok((party, place, object)) => wasmtime::Error::msg(format!(
                "the {}: {failure}",
                party.describe(place, object.name())
            )),
            Err(error) => error,
        }
    }

    /// The trap of a job whose time was over while it waited.
    #[cold]
    fn waited<R>(&self, handle: &Resource<R>) -> wasmtime::Error {
        match self.at(handle) {
            Ok((party, place, object)) => {
                wasmtime::Error::new(Waited(party.describe(place, object.name())))
            }
            Err(error) => error,
        }
    }
}

/// An object that this worker cannot reach.
#[derive(Debug, thiserror::Error)]
#[error(
    "the {0} is in other shared memory than the pool's, or in another manager: give the pool that memory with \
     `Builder::shared`, that manager with `Builder::manager`"
)]
pub(super) struct Stranger(Object);
