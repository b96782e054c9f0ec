//! The kinds of shared objects that a function can take: the resources of `pool:shared`.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A kind of shared object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Object {
    /// `memory.value`, a signed number.
    Value,
    /// `memory.value-u64`, an unsigned number.
    ValueU64,
    /// `memory.value-f64`, a floating-point number.
    ValueF64,
    /// `memory.array`, signed numbers.
    Array,
    /// `memory.array-f64`, floating-point numbers.
    ArrayF64,
    /// `sync.lock`.
    Lock,
    /// `sync.rlock`, a lock that its holder can acquire again.
    Rlock,
    /// `sync.semaphore`.
    Semaphore,
    /// `sync.event`.
    Event,
    /// `sync.condition`.
    Condition,
    /// `sync.barrier`.
    Barrier,
    /// `collections.queue`.
    Queue,
    /// `collections.dict`, items by keys.
    Dict,
    /// `collections.list`, items in a row.
    List,
    /// `collections.namespace`, items by names.
    Namespace,
}

impl Object {
    /// All kinds.
    pub const ALL: [Object; 15] = [
        Object::Value,
        Object::ValueU64,
        Object::ValueF64,
        Object::Array,
        Object::ArrayF64,
        Object::Lock,
        Object::Rlock,
        Object::Semaphore,
        Object::Event,
        Object::Condition,
        Object::Barrier,
        Object::Queue,
        Object::Dict,
        Object::List,
        Object::Namespace,
    ];

    /// The name in WIT.
    pub fn name(self) -> &'static str {
        match self {
            Object::Value => "value",
            Object::ValueU64 => "value-u64",
            Object::ValueF64 => "value-f64",
            Object::Array => "array",
            Object::ArrayF64 => "array-f64",
            Object::Lock => "lock",
            Object::Rlock => "rlock",
            Object::Semaphore => "semaphore",
            Object::Event => "event",
            Object::Condition => "condition",
            Object::Barrier => "barrier",
            Object::Queue => "queue",
            Object::Dict => "dict",
            Object::List => "list",
            Object::Namespace => "namespace",
        }
    }

    /// The kind of this name in WIT. Names are unique over the interfaces of `pool:shared`.
    pub(crate) fn of_name(name: &str) -> Option<Object> {
        Object::ALL.into_iter().find(|object| object.name() == name)
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
