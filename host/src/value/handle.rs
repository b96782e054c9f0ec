//! What stands for a shared object on its way to a job: its kind, and where its worker finds it.

use crate::types::Object;

/// A shared object, as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    object: Object,
    /// The number of its manager; 0 where it is in shared memory.
    manager: u32,
    place: [u8; 16],
}

impl Handle {
    /// How many bytes its place takes.
    pub(crate) const BYTES: usize = 20;

    /// An object in shared memory.
    pub(crate) fn new(object: Object, place: [u32; 4]) -> Handle {
        let mut bytes = [0; 16];
        for (piece, number) in bytes.chunks_exact_mut(4).zip(place) {
            piece.copy_from_slice(&number.to_le_bytes());
        }
        Handle {
            object,
            manager: 0,
            place: bytes,
        }
    }

    /// An object of a manager.
    pub(crate) fn managed(object: Object, manager: u32, id: [u8; 16]) -> Handle {
        Handle {
            object,
            manager,
            place: id,
        }
    }

    /// What kind of object it is.
    pub fn object(&self) -> Object {
        self.object
    }

    pub(crate) fn from_bytes(object: Object, bytes: [u8; Handle::BYTES]) -> Handle {
        let [m0, m1, m2, m3, place @ ..] = bytes;
        Handle {
            object,
            manager: u32::from_le_bytes([m0, m1, m2, m3]),
            place,
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; Handle::BYTES] {
        let mut bytes = [0; Handle::BYTES];
        bytes[..4].copy_from_slice(&self.manager.to_le_bytes());
        bytes[4..].copy_from_slice(&self.place);
        bytes
    }
}
