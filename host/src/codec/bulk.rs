//! Lists of scalars and dynamic values, recognised behind serde's generic types and moved in one piece.
//!
//! Serde hands a `Vec<i64>` over item by item, which costs a nanosecond each; in the codec's bytes such a list is one
//! copy. Whether a generic `T` is a `Vec<i64>` is a question of types that Rust answers at compile time by
//! [`typeid`], also for types with lifetimes. Here and in `landing` is the codec's unsafe code.

#![expect(
    unsafe_code,
    reason = "a generic type found to be a concrete one is reinterpreted as that type"
)]

use super::decode::DecodeError;
use super::dynamic::Carried;
use crate::types::Type;
use crate::value::Value;
use serde::de::{Deserialize, Deserializer, Visitor};
use std::any::TypeId;
use std::mem::{ManuallyDrop, size_of, size_of_val, transmute_copy};

const _: () = assert!(
    cfg!(target_endian = "little"),
    "the codec's bytes are the memory of a little-endian machine"
);

/// A scalar whose bytes in memory are its bytes in the codec.
///
/// # Safety
/// Every pattern of `size_of::<Self>()` bytes is a value, and the type has no padding.
pub(super) unsafe trait Plain: Copy + for<'de> Deserialize<'de> + 'static {}

macro_rules! plain {
    ($($scalar:ty),*) => { $(
        // SAFETY: integers and floats have neither padding nor invalid patterns.
        unsafe impl Plain for $scalar {}
    )* };
}
plain!(i8, u8, i16, u16, i32, u32, i64, u64, f32, f64);

/// The bytes of `sequence`, and how many items they are, if it is a `&[T]` or `&Vec<T>` of exactly the scalar `item`.
pub(super) fn list_bytes<'a, S>(sequence: &'a S, item: &Type) -> Option<(usize, &'a [u8])> {
    fn of<'a, T: Plain, S>(sequence: &'a S) -> Option<(usize, &'a [u8])> {
        let id = typeid::of::<S>();
        let items: &[T] = if id == TypeId::of::<&'static Vec<T>>() {
            // SAFETY: but for its lifetime, `S` is `&Vec<T>`, and the lifetime is cut to that of our own borrow.
            unsafe { &*std::ptr::from_ref(sequence).cast::<&'a Vec<T>>() }
        } else if id == TypeId::of::<&'static [T]>() {
            // SAFETY: as above, with `&[T]`.
            unsafe { &*std::ptr::from_ref(sequence).cast::<&'a [T]>() }
        } else {
            return None;
        };
        Some(bytes_of(items))
    }
    match item {
        Type::S8 => of::<i8, S>(sequence),
        Type::U8 => of::<u8, S>(sequence),
        Type::S16 => of::<i16, S>(sequence),
        Type::U16 => of::<u16, S>(sequence),
        Type::S32 => of::<i32, S>(sequence),
        Type::U32 => of::<u32, S>(sequence),
        Type::S64 => of::<i64, S>(sequence),
        Type::U64 => of::<u64, S>(sequence),
        Type::F32 => of::<f32, S>(sequence),
        Type::F64 => of::<f64, S>(sequence),
        _ => None,
    }
}

/// The same for arguments that are such a list and nothing else, by itself or as a tuple of one.
pub(crate) fn only_list<'a, P>(arguments: &'a P, ty: &Type) -> Option<(usize, &'a [u8])> {
    fn of<'a, T: Plain, P>(arguments: &'a P, in_tuple: bool) -> Option<(usize, &'a [u8])> {
        let id = typeid::of::<P>();
        if in_tuple == (id == TypeId::of::<Vec<T>>()) {
            return None;
        }
        let arguments = std::ptr::from_ref(arguments);
        let items: &[T] = if id == TypeId::of::<(&'static Vec<T>,)>() {
            // SAFETY: but for its lifetime, `P` is `(&Vec<T>,)`, and the lifetime is cut to that of our own borrow.
            unsafe { &*arguments.cast::<(&'a Vec<T>,)>() }.0
        } else if id == TypeId::of::<(&'static [T],)>() {
            // SAFETY: as above, with `(&[T],)`.
            unsafe { &*arguments.cast::<(&'a [T],)>() }.0
        } else if id == TypeId::of::<(Vec<T>,)>() {
            // SAFETY: `P` is `(Vec<T>,)`, borrowed as long as our own borrow.
            &unsafe { &*arguments.cast::<(Vec<T>,)>() }.0
        } else if id == TypeId::of::<Vec<T>>() {
            // SAFETY: as above, with `Vec<T>`.
            unsafe { &*arguments.cast::<Vec<T>>() }
        } else {
            return None;
        };
        Some(bytes_of(items))
    }
    let (list, in_tuple) = match ty {
        Type::Tuple(params) if params.len() == 1 => (&params[0], true),
        single => (single, false),
    };
    let Type::List(item) = list else {
        return None;
    };
    match **item {
        Type::S8 => of::<i8, P>(arguments, in_tuple),
        Type::U8 => of::<u8, P>(arguments, in_tuple),
        Type::S16 => of::<i16, P>(arguments, in_tuple),
        Type::U16 => of::<u16, P>(arguments, in_tuple),
        Type::S32 => of::<i32, P>(arguments, in_tuple),
        Type::U32 => of::<u32, P>(arguments, in_tuple),
        Type::S64 => of::<i64, P>(arguments, in_tuple),
        Type::U64 => of::<u64, P>(arguments, in_tuple),
        Type::F32 => of::<f32, P>(arguments, in_tuple),
        Type::F64 => of::<f64, P>(arguments, in_tuple),
        _ => None,
    }
}

/// How many items these are, and their bytes.
fn bytes_of<T: Plain>(items: &[T]) -> (usize, &[u8]) {
    // SAFETY: `Plain` types have no padding, so all their bytes are initialised; the borrow keeps them alive.
    let bytes = unsafe { std::slice::from_raw_parts(items.as_ptr().cast(), size_of_val(items)) };
    (items.len(), bytes)
}

/// Decodes a list of the scalar `item` in one copy if `visitor` is serde's own for `Vec<T>` of exactly that scalar.
/// A visitor of somebody else's that makes a `Vec<T>` may look at each item, so it is left to do so.
pub(super) fn decode_list<'de, V: Visitor<'de>>(
    item: &Type,
    mut take: impl FnMut(usize) -> Result<&'de [u8], DecodeError>,
) -> Option<Result<V::Value, DecodeError>> {
    fn of<'de, T: Plain, V: Visitor<'de>>(
        take: &mut impl FnMut(usize) -> Result<&'de [u8], DecodeError>,
    ) -> Option<Result<V::Value, DecodeError>> {
        if typeid::of::<V>() != visitor_of_vec::<T>()? {
            return None;
        }
        let bytes = match take(size_of::<T>()) {
            Ok(bytes) => bytes,
            Err(error) => return Some(Err(error)),
        };
        let mut items = Vec::<T>::with_capacity(bytes.len() / size_of::<T>());
        // SAFETY: the new memory holds that many items, does not overlap the input, and any bytes are a `T`.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), items.as_mut_ptr().cast(), bytes.len());
            items.set_len(bytes.len() / size_of::<T>());
        }
        same(items).map(Ok)
    }
    match item {
        Type::S8 => of::<i8, V>(&mut take),
        Type::U8 => of::<u8, V>(&mut take),
        Type::S16 => of::<i16, V>(&mut take),
        Type::U16 => of::<u16, V>(&mut take),
        Type::S32 => of::<i32, V>(&mut take),
        Type::U32 => of::<u32, V>(&mut take),
        Type::S64 => of::<i64, V>(&mut take),
        Type::U64 => of::<u64, V>(&mut take),
        Type::F32 => of::<f32, V>(&mut take),
        Type::F64 => of::<f64, V>(&mut take),
        _ => None,
    }
}

/// The dynamic value behind a generic reference, if that is what it is.
pub(super) fn as_value<T: ?Sized>(value: &T) -> Option<&Value> {
    if typeid::of::<T>() != TypeId::of::<Carried<'static>>() {
        return None;
    }
    // SAFETY: but for its lifetime, `T` is `Carried`, and what that borrows outlives the borrow of it.
    Some(unsafe { &*std::ptr::from_ref(value).cast::<Carried<'_>>() }.0)
}

/// `value` as a `B`, if `A` and `B` are the same type.
pub(super) fn same<A: 'static, B>(value: A) -> Option<B> {
    if typeid::of::<B>() != TypeId::of::<A>() {
        return None;
    }
    let value = ManuallyDrop::new(value);
    // SAFETY: `B` is `A`, and `A` has no lifetimes, so this is a move.
    Some(unsafe { transmute_copy::<A, B>(&value) })
}

/// The type of the visitor with which serde itself reads a `Vec<T>`, found by asking it to read one.
fn visitor_of_vec<T: Plain>() -> Option<TypeId> {
    match Vec::<T>::deserialize(AskVisitor) {
        Ok(_) => None,
        Err(Visited(id)) => id,
    }
}

struct AskVisitor;

#[derive(Debug)]
struct Visited(Option<TypeId>);

impl<'de> Deserializer<'de> for AskVisitor {
    type Error = Visited;
    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Visited> {
        Err(Visited(Some(typeid::of::<V>())))
    }
    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl std::fmt::Display for Visited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("asked for its visitor")
    }
}

impl std::error::Error for Visited {}

impl serde::de::Error for Visited {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Visited(None)
    }
}
