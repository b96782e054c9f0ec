//! What is asked of a manager and what it answers, and the bytes of both.
//!
//! A frame is the length of a message in four bytes, and the message. Each request has one reply, but for
//! [`Request::Release`], which has none; whoever has asked waits for the reply before it asks again.

use crate::types::Object;
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// Which object, as its manager numbered it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Id(pub(crate) [u8; 16]);

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever reads a log must not be able to use the object.
        f.write_str("an object's number")
    }
}

/// Bytes that are copied in one piece: a key, or a [`Datum`](super::super::Datum).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Buf(pub(crate) Box<[u8]>);

impl From<Vec<u8>> for Buf {
    fn from(bytes: Vec<u8>) -> Buf {
        Buf(bytes.into())
    }
}

impl Serialize for Buf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Buf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Buf, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Buf;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Buf, E> {
                Ok(Buf(bytes.into()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// What can be asked. A time is in nanoseconds from the moment at which the manager hears of it; `None` is for ever.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// A new object, which whoever asks then has. A queue holds so many items at most.
    Make(Object, u32),
    /// To have the namespace of all programs.
    Root,
    /// How much the manager keeps. Only programs may ask.
    Size,
    /// To have the object once more.
    Share(Id, Object),
    /// No longer to have these objects. Nothing is answered.
    Release(Vec<Id>),
    Dict(Id, Object, OnDict),
    List(Id, OnList),
    Queue(Id, OnQueue),
    Value(Id, OnValue),
    Lock(Id, OnLock),
}

/// What can be done with a dict, and with a namespace, whose keys are texts.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum OnDict {
    Get(Buf),
    Set(Buf, Buf),
    /// Gives what was there.
    Remove(Buf),
    Contains(Buf),
    Len,
    Clear,
    Keys,
    Entries,
    Update(Vec<(Buf, Buf)>),
    /// Gives what is there, and puts it there first if nothing was.
    GetOrSet(Buf, Buf),
    /// Adds to a signed number, 0 if nothing was there. Gives the sum.
    Add(Buf, i64),
    /// Puts the second item there if the first was, or nothing where it is `None`. Gives whether it did.
    Replace(Buf, Option<Buf>, Buf),
    /// Gives what is there for each key, at one moment.
    GetMany(Vec<Buf>),
    /// Takes all of them away, and gives nothing.
    RemoveMany(Vec<Buf>),
    /// A page of the keys, from the one with this number on. Numbers count the keys as they came.
    KeysFrom(u64),
    /// Adds to a number that is written in decimal digits, 0 if nothing was there. Gives the sum.
    Increment(Buf, i64),
}

/// What can be done with a list.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum OnList {
    Len,
    Get(u64),
    Set(u64, Buf),
    Push(Buf),
    Pop,
    Insert(u64, Buf),
    Remove(u64),
    /// From the first place on, so many.
    Slice(u64, u64),
    Extend(Vec<Buf>),
    Clear,
}

/// What can be done with a queue.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum OnQueue {
    Put(Buf, Option<u64>),
    Get(Option<u64>),
    Size,
    IsFull,
    TaskDone,
    Join(Option<u64>),
    Close,
}

/// What can be done with a number. All but `Set` give what it was before.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum OnValue {
    Get,
    Set(i64),
    Add(i64),
    /// Sets the second number if it is the first.
    Exchange(i64, i64),
}

/// What can be done with a lock.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum OnLock {
    Acquire(Option<u64>),
    Release,
    /// Releases it if this client has it, and says so to the next holder.
    Abandon,
}

/// What is answered.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Reply {
    Done,
    Made(Id),
    Flag(bool),
    Number(i64),
    Count(u64),
    Item(Option<Buf>),
    Items(Vec<Buf>),
    Entries(Vec<(Buf, Buf)>),
    /// For each key in turn.
    Found(Vec<Option<Buf>>),
    /// Some keys, and the number of the next, if there are more.
    Page(Vec<Buf>, Option<u64>),
    /// How many objects, bytes and clients there are.
    Size(u64, u64, u64),
    /// A lock; whether its last holder ended without releasing it.
    Acquired(bool),
    /// The time to wait was over.
    TooLate,
    /// The queue takes and gives nothing any more.
    Closed,
    Refused(ManagerError),
}

/// What an item is found by: a text, a number or bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Key {
    /// A text.
    Text(String),
    /// A signed number.
    Integer(i64),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Key {
    pub(crate) fn to_buf(&self) -> Buf {
        let with = |tag: u8, bytes: &[u8]| Buf([&[tag], bytes].concat().into());
        match self {
            Key::Text(text) => with(0, text.as_bytes()),
            Key::Integer(number) => with(1, &number.to_le_bytes()),
            Key::Bytes(bytes) => with(2, bytes),
        }
    }

    /// What key these bytes are, if they are one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Key> {
        let (tag, rest) = bytes.split_first()?;
        Some(match tag {
            0 => Key::Text(String::from_utf8(rest.to_vec()).ok()?),
            1 => Key::Integer(i64::from_le_bytes(rest.try_into().ok()?)),
            2 => Key::Bytes(rest.to_vec()),
            _ => return None,
        })
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Key {
        Key::Text(text.to_owned())
    }
}

impl From<String> for Key {
    fn from(text: String) -> Key {
        Key::Text(text)
    }
}

impl From<i64> for Key {
    fn from(number: i64) -> Key {
        Key::Integer(number)
    }
}

impl From<i32> for Key {
    fn from(number: i32) -> Key {
        Key::Integer(number.into())
    }
}

impl From<Vec<u8>> for Key {
    fn from(bytes: Vec<u8>) -> Key {
        Key::Bytes(bytes)
    }
}

/// Why something could not be done with an object of a manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum ManagerError {
    /// There is no manager to be had.
    #[error("the manager cannot be had: {0}")]
    Unreachable(String),
    /// There was one, and it ended.
    #[error("the manager is gone: {0}")]
    Gone(String),
    /// The object is not there any more, or never was.
    #[error("there is no such object: nobody has it any more, or nobody ever had")]
    NoObject,
    /// The number is one of another kind of object.
    #[error("it is an object of another kind")]
    OtherKind,
    /// An object of another manager can neither be used nor kept here.
    #[error("it is an object of another manager, or of none")]
    OtherManager,
    /// There is no such place in a list.
    #[error("index {index} is outside: it has {len} items")]
    Outside {
        /// The index that was asked for.
        index: u64,
        /// How many items there are.
        len: u64,
    },
    /// An item, a key or an answer of more bytes than there may be.
    #[error("{bytes} bytes at a time are too many: {most} may be sent to the manager and back")]
    TooLong {
        /// How many there are.
        bytes: u64,
        /// How many there may be.
        most: u64,
    },
    /// The manager, or what jobs of one pool may have of it, is full.
    #[error("the manager is full: {0}")]
    Full(String),
    /// What was asked makes no sense.
    #[error("{0}")]
    Misuse(String),
}

/// The longest frame, in bytes, of whoever limits items to so many.
pub(crate) fn longest(item_bytes: u32) -> usize {
    // A key and what else is in a request come on top.
    item_bytes as usize + (1 << 16)
}

/// Makes `frame` the frame of a message.
pub(crate) fn frame(message: &impl Serialize, frame: &mut Vec<u8>) {
    frame.clear();
    frame.extend([0; 4]);
    let whole = postcard::to_extend(message, std::mem::take(frame));
    *frame = whole.expect("messages are made of what can be written");
    // A longer one is refused before it gets here.
    let length = u32::try_from(frame.len() - 4).unwrap_or(u32::MAX);
    frame[..4].copy_from_slice(&length.to_le_bytes());
}

/// How long the frame is that these bytes begin with, if they are enough to tell.
pub(crate) fn framed(bytes: &[u8]) -> Option<usize> {
    let length = bytes.first_chunk()?;
    Some((u32::from_le_bytes(*length) as usize).saturating_add(4))
}
