//! What a guest finds behind the imports of `pool:shared`: the objects that its job was given.
//!
//! A guest's handle is the place of an object in the list of what was lent to the running job. Wasmtime lets it use none but those,
//! and only until its function returns.

mod bindings;

use crate::shared::{Failure, Party, Place, Until};
use crate::types::Object;
use std::time::{Duration, Instant};
use wasmtime::component::Resource;

pub(super) use bindings::{link, resource};

/// The objects of the running job, and who works on them.
pub(super) struct Lent {
    party: Option<Party>,
    room: u32,
    objects: Vec<(Object, Place)>,
    /// How long a job may run.
    limit: Option<Duration>,
    /// When the running job has to be over.
    deadline: Option<Instant>,
}

/// A job was waiting for something when its time was over.
#[derive(Clone, Debug, thiserror::Error)]
#[error("still waiting for the {0}")]
pub(super) struct Waited(pub(super) String);

impl Lent {
    pub(super) fn new(party: Option<(Party, u32)>, limit: Option<Duration>) -> Lent {
        let (party, room) = party.map_or((None, 0), |(party, room)| (Some(party), room));
        Lent {
            party,
            room,
            objects: Vec::new(),
            limit,
            deadline: None,
        }
    }

    /// Takes note of an object that the next job may use, and says by which number.
    pub(super) fn lend(&mut self, object: Object, handle: [u32; 4]) -> wasmtime::Result<u32> {
        let [room, at, generation, parts] = handle;
        if self.party.is_none() || room != self.room {
            return Err(wasmtime::Error::new(Stranger(object)));
        }
        if self.objects.is_empty() {
            self.deadline = self
                .limit
                .and_then(|limit| Instant::now().checked_add(limit));
        }
        let place = Place {
            at,
            generation,
            parts,
        };
        self.objects.push((object, place));
        Ok(self.objects.len() as u32 - 1)
    }

    /// The job is over, well or not: gives back what it still has.
    pub(super) fn end(&mut self, well: bool) {
        let Some(party) = &self.party else { return };
        for (object, place) in self.objects.drain(..) {
            match object {
                Object::Lock | Object::Rlock => party.abandon(place),
                Object::Condition => party.abandon_condition(place),
                Object::Semaphore if well => party.spend_permits(place),
                Object::Semaphore => party.return_permits(place),
                _ => {}
            }
        }
    }

    /// Who works here, and on which object.
    #[inline]
    fn at<T>(&self, handle: &Resource<T>) -> wasmtime::Result<(&Party, Place, Object)> {
        let lent = self.objects.get(handle.rep() as usize);
        match (&self.party, lent) {
            (Some(party), Some((object, place))) => Ok((party, *place, *object)),
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
    "the {0} is in other shared memory than the pool's: give the pool that memory with `Builder::shared`"
)]
pub(super) struct Stranger(Object);
