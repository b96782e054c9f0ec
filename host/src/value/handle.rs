//! What stands for a shared object on its way to a job: its kind, and where its worker finds it.

use crate::types::Object;

/// A shared object, as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    object: Object,
    place: [u32; 4],
}

impl Handle {
    /// How many bytes its place takes.
    pub(crate) const BYTES: usize = 16;

    pub(crate) fn new(object: Object, place: [u32; 4]) -> Handle {
        Handle { object, place }
    }

    /// What kind of object it is.
    pub fn object(&self) -> Object {
        self.object
    }

    pub(crate) fn from_bytes(object: Object, bytes: [u8; Handle::BYTES]) -> Handle {
        let (pieces, _) = bytes.as_chunks::<4>();
        let mut place = [0; 4];
        for (number, piece) in place.iter_mut().zip(pieces) {
            *number = u32::from_le_bytes(*piece);
        }
        Handle { object, place }
    }

    pub(crate) fn to_bytes(self) -> [u8; Handle::BYTES] {
        let mut bytes = [0; Handle::BYTES];
        for (piece, number) in bytes.chunks_exact_mut(4).zip(self.place) {
            piece.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }
}
