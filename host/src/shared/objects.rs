//! The objects as embedders hold them. Each can be cloned, used by any thread, and passed to jobs as an argument; it is
//! gone when the last clone is dropped.

mod collections;
mod memory;
mod sync;

pub use collections::Queue;
pub use memory::{Array, ArrayF64, Value, ValueF64, ValueU64};
pub use sync::{Barrier, Condition, Event, Lock, LockGuard, RLock, Semaphore};

use super::managed::{Dict, List, ManagedLock, ManagedQueue, ManagedValue, Namespace};
use super::room::Room;
use super::sleep::Until;
use super::slot::{Party, Place};
use super::{Failure, Shared, SharedError};
use crate::types::Object;
use crate::value::{self, Handle};
use serde::{Serialize, Serializer};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An object of a room, as long as somebody has it.
#[derive(Debug)]
struct Held {
    room: Arc<Room>,
    object: Object,
    place: Place,
}

impl Held {
    fn new(
        shared: &Shared,
        object: Object,
        parts: u32,
        fill: impl FnOnce(super::slot::Slot<'_>),
    ) -> Result<Arc<Held>, SharedError> {
        let room = shared.0.clone();
        let place = room.make(object, parts, fill)?;
        Ok(Arc::new(Held {
            room,
            object,
            place,
        }))
    }

    fn own(&self) -> &Party {
        self.room.own()
    }

    fn set_name(&self, name: &str) {
        self.room.slot(self.place).set_name(name);
    }

    fn handle(&self) -> Handle {
        Handle::new(
            self.object,
            [
                self.room.id(),
                self.place.at,
                self.place.generation,
                self.place.parts,
            ],
        )
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.unmake(self.place);
    }
}

/// What cannot happen to an object that is held by this program, unless a worker that was taken over has spoiled it.
fn sound<T>(done: Result<T, Failure>) -> T {
    done.unwrap_or_else(|failure| panic!("a shared object: {failure}"))
}

fn until(timeout: Duration) -> Until {
    Instant::now().checked_add(timeout)
}

/// What every kind of object has: a name, and a way to travel to a job.
macro_rules! objects {
    ($($object:ident)*) => {$(
        impl $object {
            /// Names the object, for the errors of jobs that wait for it. The first 48 bytes are kept.
            pub fn named(self, name: &str) -> Self {
                self.0.set_name(name);
                self
            }

            /// What stands for the object in a dynamic list of arguments.
            pub fn handle(&self) -> value::Value {
                value::Value::Shared(self.0.handle())
            }
        }

        /// Travels to a job as a handle, where a function takes a `borrow` of this kind of object.
        impl Serialize for $object {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.handle().serialize(serializer)
            }
        }
    )*};
}

objects!(Value ValueU64 ValueF64 Array ArrayF64 Lock RLock Semaphore Event Condition Barrier Queue);

/// What every object of a manager has: a way to travel to a job.
macro_rules! managed {
    ($($object:ident)*) => {$(
        impl $object {
            /// What stands for the object in a dynamic list of arguments.
            pub fn handle(&self) -> value::Value {
                value::Value::Shared(self.0.handle())
            }
        }

        /// Travels to a job as a handle, where a function takes a `borrow` of this kind of object.
        impl Serialize for $object {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.handle().serialize(serializer)
            }
        }
    )*};
}

managed!(Dict List Namespace ManagedQueue ManagedValue ManagedLock);
