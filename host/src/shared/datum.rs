//! What a collection holds, and its bytes: a tag and what follows from it.

/// An item of a [`Queue`](super::Queue).
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
}

impl Datum {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let with = |tag: u8, bytes: &[u8]| {
            let mut all = Vec::with_capacity(1 + bytes.len());
            all.push(tag);
            all.extend_from_slice(bytes);
            all
        };
        match self {
            Datum::None => with(0, &[]),
            Datum::Boolean(boolean) => with(1, &[u8::from(*boolean)]),
            Datum::Integer(number) => with(2, &number.to_le_bytes()),
            Datum::Unsigned(number) => with(3, &number.to_le_bytes()),
            Datum::Float(number) => with(4, &number.to_le_bytes()),
            Datum::Text(text) => with(5, text.as_bytes()),
            Datum::Bytes(bytes) => with(6, bytes),
            Datum::Json(text) => with(7, text.as_bytes()),
        }
    }

    /// What these bytes are, if they are anything.
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
