//! What a collection holds, and its bytes: a tag and what follows from it.

use super::managed::{Dict, Hub, Id, List, Managed, Namespace};
use crate::types::Object;
use std::sync::Arc;

/// An item of a collection.
///
/// Objects can be put into others of the same manager. A [`Queue`](super::Queue) in shared memory takes none.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Datum {
    /// Nothing.
    None,
    /// A boolean.
    Boolean(bool),
    /// A signed number.
    Integer(i64),
    /// An unsigned number.
    Unsigned(u64),
    /// A floating-point number.
    Float(f64),
    /// A text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Anything else, as JSON text.
    Json(String),
    /// A dict of a manager.
    Dict(Dict),
    /// A list of a manager.
    List(List),
    /// A namespace of a manager.
    Namespace(Namespace),
}

/// The first of the tags of objects, in the order of [`NESTING`].
const FIRST_OBJECT: u8 = 8;
/// The objects that can be in others.
const NESTING: [Object; 3] = [Object::Dict, Object::List, Object::Namespace];

/// The bytes of an item that is an object of a manager.
pub(crate) fn object_to_bytes(object: Object, id: Id) -> Option<Vec<u8>> {
    let place = NESTING.iter().position(|nesting| *nesting == object)?;
    let mut bytes = vec![FIRST_OBJECT + place as u8];
    bytes.extend(id.0);
    Some(bytes)
}

/// Which object these bytes of an item are, if they are one.
pub(crate) fn object_of_bytes(bytes: &[u8]) -> Option<(Object, Id)> {
    let (tag, rest) = bytes.split_first()?;
    let place = tag.checked_sub(FIRST_OBJECT)?;
    let object = NESTING.get(usize::from(place))?;
    Some((*object, Id(rest.try_into().ok()?)))
}

impl Datum {
    /// The bytes for a manager; `None` for an object that is not there.
    pub(super) fn to_managed(&self, hub: &Arc<Hub>) -> Option<Vec<u8>> {
        let object = match self {
            Datum::Dict(Dict(object)) | Datum::List(List(object)) => object,
            Datum::Namespace(Namespace(object)) => object,
            _ => return self.to_bytes(),
        };
        let (of, object, id) = object.parts();
        match Arc::ptr_eq(of, hub) {
            true => object_to_bytes(object, id),
            false => None,
        }
    }

    /// What these bytes from a manager are, which has given us the object if they are one.
    pub(super) fn from_managed(bytes: &[u8], hub: &Arc<Hub>) -> Option<Datum> {
        let Some((object, id)) = object_of_bytes(bytes) else {
            return Datum::from_bytes(bytes);
        };
        let had = Managed::had(hub, object, id);
        Some(match object {
            Object::Dict => Datum::Dict(Dict(had)),
            Object::List => Datum::List(List(had)),
            _ => Datum::Namespace(Namespace(had)),
        })
    }

    /// Its bytes, unless it is an object.
    pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
        let with = |tag: u8, bytes: &[u8]| {
            let mut all = Vec::with_capacity(1 + bytes.len());
            all.push(tag);
            all.extend_from_slice(bytes);
            all
        };
        Some(match self {
            Datum::None => with(0, &[]),
            Datum::Boolean(boolean) => with(1, &[u8::from(*boolean)]),
            Datum::Integer(number) => with(2, &number.to_le_bytes()),
            Datum::Unsigned(number) => with(3, &number.to_le_bytes()),
            Datum::Float(number) => with(4, &number.to_le_bytes()),
            Datum::Text(text) => with(5, text.as_bytes()),
            Datum::Bytes(bytes) => with(6, bytes),
            Datum::Json(text) => with(7, text.as_bytes()),
            Datum::Dict(_) | Datum::List(_) | Datum::Namespace(_) => return None,
        })
    }

    /// Whether these bytes are an item that is no object.
    pub(crate) fn is_one(bytes: &[u8]) -> bool {
        match bytes {
            [5 | 7, text @ ..] => std::str::from_utf8(text).is_ok(),
            [6, ..] => true,
            _ => Datum::from_bytes(bytes).is_some(),
        }
    }

    /// What these bytes are, if they are anything but an object.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Datum> {
        let (tag, rest) = bytes.split_first()?;
        let text = || String::from_utf8(rest.to_vec()).ok();
        Some(match tag {
            0 if rest.is_empty() => Datum::None,
            1 => match rest {
                [0] => Datum::Boolean(false),
                [1] => Datum::Boolean(true),
                _ => return None,
            },
            2 => Datum::Integer(i64::from_le_bytes(rest.try_into().ok()?)),
            3 => Datum::Unsigned(u64::from_le_bytes(rest.try_into().ok()?)),
            4 => Datum::Float(f64::from_le_bytes(rest.try_into().ok()?)),
            5 => Datum::Text(text()?),
            6 => Datum::Bytes(rest.to_vec()),
            7 => Datum::Json(text()?),
            _ => return None,
        })
    }
}

impl From<bool> for Datum {
    fn from(boolean: bool) -> Datum {
        Datum::Boolean(boolean)
    }
}

impl From<i32> for Datum {
    fn from(number: i32) -> Datum {
        Datum::Integer(number.into())
    }
}

impl From<i64> for Datum {
    fn from(number: i64) -> Datum {
        Datum::Integer(number)
    }
}

impl From<u64> for Datum {
    fn from(number: u64) -> Datum {
        Datum::Unsigned(number)
    }
}

impl From<f64> for Datum {
    fn from(number: f64) -> Datum {
        Datum::Float(number)
    }
}

impl From<&str> for Datum {
    fn from(text: &str) -> Datum {
        Datum::Text(text.to_owned())
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Datum {
        Datum::Text(text)
    }
}

impl From<Vec<u8>> for Datum {
    fn from(bytes: Vec<u8>) -> Datum {
        Datum::Bytes(bytes)
    }
}

impl From<Dict> for Datum {
    fn from(dict: Dict) -> Datum {
        Datum::Dict(dict)
    }
}

impl From<List> for Datum {
    fn from(list: List) -> Datum {
        Datum::List(list)
    }
}

impl From<Namespace> for Datum {
    fn from(namespace: Namespace) -> Datum {
        Datum::Namespace(namespace)
    }
}
