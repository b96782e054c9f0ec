//! Where a long list of numbers lands as it comes from a worker, and then is the `Vec` that was asked for.
//!
//! A number has no wrong bytes, so there is nothing to look at between the channel's memory and the list: each byte is
//! copied once. How many numbers there will be is a claim, which whoever makes room for them has compared with the limit.

#![expect(
    unsafe_code,
    reason = "memory is filled as bytes and becomes a list of numbers"
)]

use super::bulk::{self, Plain};
use super::decode::{DecodeError, decode};
use crate::types::Type;
use serde::de::DeserializeOwned;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

/// Room for some numbers, which is filled from front to back.
#[derive(Debug)]
pub(crate) struct Landing {
    start: NonNull<u8>,
    /// That of an array of such numbers, as long as a `Vec` of them would have.
    layout: Layout,
    bytes: usize,
    filled: usize,
}

// SAFETY: the memory is its own, and belongs to no thread.
unsafe impl Send for Landing {}

/// How wide the items are of a result that can land; `None` for any other.
pub(crate) fn item_bytes(ty: &Type) -> Option<u8> {
    let Type::List(item) = ty else {
        return None;
    };
    match **item {
        Type::S8 | Type::U8 => Some(1),
        Type::S16 | Type::U16 => Some(2),
        Type::S32 | Type::U32 | Type::F32 => Some(4),
        Type::S64 | Type::U64 | Type::F64 => Some(8),
        _ => None,
    }
}

impl Landing {
    /// Room for so many numbers of 1, 2, 4 or 8 bytes. `None` for none, and for more than there are addresses.
    pub(crate) fn new(item_bytes: u8, count: usize) -> Option<Landing> {
        let bytes = count
            .checked_mul(item_bytes.into())
            .filter(|&bytes| bytes > 0)?;
        let layout = Layout::from_size_align(bytes, item_bytes.into()).ok()?;
        // SAFETY: the layout is not empty.
        let start = NonNull::new(unsafe { alloc(layout) });
        let start = start.unwrap_or_else(|| handle_alloc_error(layout));
        want_large_pages(start, bytes);
        Some(Landing {
            start,
            layout,
            bytes,
            filled: 0,
        })
    }

    /// How many bytes it is to have in all.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many bytes are still to come.
    pub(crate) fn left(&self) -> usize {
        self.bytes - self.filled
    }

    /// Lets `fill` write the next bytes, no more than `most`, and says how many it was. Of what it is given, `fill` gives back
    /// the part that it wrote.
    pub(crate) fn fill<E>(
        &mut self,
        most: usize,
        fill: impl for<'s> FnOnce(&'s mut [MaybeUninit<u8>]) -> Result<&'s mut [u8], E>,
    ) -> Result<usize, E> {
        let length = self.left().min(most);
        // SAFETY: so many bytes behind the filled ones are in the memory, which nobody else has.
        let room: &mut [MaybeUninit<u8>] = unsafe {
            std::slice::from_raw_parts_mut(self.start.as_ptr().add(self.filled).cast(), length)
        };
        let place = room.as_ptr().cast::<u8>();
        let written = fill(room)?;
        // What stands here as a slice of bytes is initialised, and no longer than what was given.
        assert!(
            std::ptr::eq(place, written.as_ptr()),
            "it gave back what it was given"
        );
        let written = written.len();
        self.filled += written;
        Ok(written)
    }

    /// The list as what is wanted of it: itself if that is a `Vec` of just these numbers.
    pub(crate) fn decode<R: DeserializeOwned>(self, ty: &Type) -> Result<R, DecodeError> {
        let item = match ty {
            Type::List(item) if self.left() == 0 => &**item,
            _ => return Err(DecodeError::Malformed("the value is cut short")),
        };
        let list = match item {
            Type::S8 => self.list::<i8, R>(),
            Type::U8 => self.list::<u8, R>(),
            Type::S16 => self.list::<i16, R>(),
            Type::U16 => self.list::<u16, R>(),
            Type::S32 => self.list::<i32, R>(),
            Type::U32 => self.list::<u32, R>(),
            Type::S64 => self.list::<i64, R>(),
            Type::U64 => self.list::<u64, R>(),
            Type::F32 => self.list::<f32, R>(),
            Type::F64 => self.list::<f64, R>(),
            _ => Err(self),
        };
        list.or_else(|this| decode(&this.encoded(), ty))
    }

    /// As `R`, if that is a `Vec<T>`, and `T` as wide as the numbers are.
    fn list<T: Plain, R>(self) -> Result<R, Landing> {
        let is_asked = typeid::of::<R>() == typeid::of::<Vec<T>>();
        let count = self.bytes / size_of::<T>();
        if !is_asked || self.left() > 0 || Layout::array::<T>(count) != Ok(self.layout) {
            return Err(self);
        }
        let this = ManuallyDrop::new(self);
        // SAFETY: the memory was allocated with the layout of so many `T`, all its bytes are initialised and any bytes are a
        // `T`. It is the vector's from here on.
        let list = unsafe { Vec::from_raw_parts(this.start.as_ptr().cast::<T>(), count, count) };
        Ok(bulk::same(list).expect("the types were compared"))
    }

    /// The same list as the codec writes it.
    pub(crate) fn encoded(&self) -> Vec<u8> {
        // SAFETY: so many bytes were filled, and are borrowed with `self`.
        let items = unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.filled) };
        let count = (self.filled / self.layout.align()) as u32;
        [&count.to_le_bytes(), items].concat()
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and given to no vector.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// What a large page of this processor takes, in bytes.
const LARGE_PAGE_BYTES: usize = 2 << 20;

/// Asks for large pages where memory is large enough for some. To touch 16 MiB for the first time took 3 ms in small ones, in a
/// virtual machine in November 2026, as long as to copy them.
fn want_large_pages(start: NonNull<u8>, bytes: usize) {
    let before = start.as_ptr().align_offset(LARGE_PAGE_BYTES);
    let large = bytes.saturating_sub(before) / LARGE_PAGE_BYTES * LARGE_PAGE_BYTES;
    if large > 0 {
        // SAFETY: the range is inside memory that was just allocated, and the advice changes nothing in it.
        let advised = unsafe {
            let start = start.as_ptr().add(before).cast();
            rustix::mm::madvise(start, large, rustix::mm::Advice::LinuxHugepage)
        };
        // Where the system has no such pages, small ones do.
        let _ = advised;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn landed(item_bytes: u8, bytes: &[u8]) -> Landing {
        let mut landing = Landing::new(item_bytes, bytes.len() / usize::from(item_bytes)).unwrap();
        for piece in bytes.chunks(3) {
            let filled = landing.fill(piece.len(), |room| {
                Ok::<_, ()>(room.write_copy_of_slice(piece))
            });
            assert_eq!(filled, Ok(piece.len()));
        }
        landing
    }

    #[test]
    fn bytes_become_the_list_that_is_asked_for() {
        let bytes: Vec<u8> = (0..48).collect();
        let list = |item| Type::List(Box::new(item));
        assert_eq!(landed(1, &bytes).decode(&list(Type::U8)), Ok(bytes.clone()));
        let words: Vec<i64> = landed(8, &bytes).decode(&list(Type::S64)).unwrap();
        assert_eq!(words[1], i64::from_le_bytes([8, 9, 10, 11, 12, 13, 14, 15]));
        // A wider type holds the same numbers, and is no such list.
        let wider: Vec<i64> = landed(2, &bytes).decode(&list(Type::U16)).unwrap();
        assert_eq!((wider.len(), wider[0]), (24, 256));
        let narrower = landed(8, &bytes).decode::<Vec<u8>>(&list(Type::S64));
        assert!(matches!(narrower, Err(DecodeError::Mismatch(_))));
    }

    #[test]
    fn a_list_that_is_not_full_is_none() {
        let mut landing = Landing::new(4, 2).unwrap();
        let filled = landing.fill(usize::MAX, |room| {
            Ok::<_, ()>(room[..4].write_copy_of_slice(&[7; 4]))
        });
        assert_eq!(filled, Ok(4));
        assert_eq!(landing.left(), 4);
        let cut = landing.decode::<Vec<u32>>(&Type::List(Box::new(Type::U32)));
        assert_eq!(cut, Err(DecodeError::Malformed("the value is cut short")));
    }

    #[test]
    fn there_is_no_room_for_nothing_or_for_too_much() {
        assert!(Landing::new(1, 0).is_none());
        assert!(Landing::new(8, usize::MAX).is_none());
    }
}
