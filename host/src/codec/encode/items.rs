//! Lists, tuples, and flags by their names: values that come one after the other.

use super::{EncodeError, Encoder, bulk, encode, flag_bytes, put_length, same_name};
use crate::types::Type;
use serde::ser::{self, Serialize, Serializer};

impl Encoder<'_> {
    /// Writes a sequence: a list of scalars in one piece where that can be, else item by item.
    pub(super) fn collect<I>(self, items: I) -> Result<(), EncodeError>
    where
        I: IntoIterator,
        <I as IntoIterator>::Item: Serialize,
    {
        if let Type::List(item) = self.ty
            && let Some((length, bytes)) = bulk::list_bytes(&items, item)
        {
            put_length(length, self.out)?;
            self.out.extend_from_slice(bytes);
            return Ok(());
        }
        let items = items.into_iter();
        let length = match items.size_hint() {
            (low, Some(high)) if low == high => Some(low),
            _ => None,
        };
        let mut sequence = self.serialize_seq(length)?;
        for item in items {
            sequence.item(&item)?;
        }
        sequence.finish()
    }
}

/// The types of the items.
enum ItemTypes<'a> {
    All(&'a Type),
    Each(&'a [Type]),
    Flags(&'a [String]),
}

/// The items of a sequence, as they come.
pub(super) struct Items<'a> {
    types: ItemTypes<'a>,
    whole: &'a Type,
    out: &'a mut Vec<u8>,
    /// Where the count, or the bits of the flags, stand in `out`.
    head: usize,
    count: usize,
}

impl<'a> Items<'a> {
    /// Items for whatever sequence the type is.
    pub(super) fn of(encoder: Encoder<'a>, length: Option<usize>) -> Result<Self, EncodeError> {
        let types = match encoder.ty {
            Type::List(item) => ItemTypes::All(item),
            Type::Tuple(types) => ItemTypes::Each(types),
            Type::Flags(names) => ItemTypes::Flags(names),
            _ => return encoder.refuse("a sequence"),
        };
        let Encoder { ty: whole, out } = encoder;
        let head = out.len();
        match types {
            ItemTypes::All(_) => put_length(length.unwrap_or(0), out)?,
            ItemTypes::Flags(names) => out.resize(head + flag_bytes(names.len()), 0),
            ItemTypes::Each(_) => {}
        }
        Ok(Items {
            types,
            whole,
            out,
            head,
            count: 0,
        })
    }

    #[inline]
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let index = self.count;
        self.count += 1;
        let ty = match &self.types {
            ItemTypes::All(ty) => ty,
            ItemTypes::Each(types) if index < types.len() => &types[index],
            ItemTypes::Each(_) => return Ok(()), // `finish` says how many there were
            ItemTypes::Flags(names) => {
                let mut name = Vec::new();
                encode(value, &Type::String, &mut name)?;
                let name = String::from_utf8_lossy(&name[4..]);
                let Some(bit) = names.iter().position(|n| same_name(n, &name)) else {
                    return Err(EncodeError::wanted(
                        self.whole,
                        format_args!("the flag `{name}`"),
                    ));
                };
                self.out[self.head + bit / 8] |= 1 << (bit % 8);
                return Ok(());
            }
        };
        encode(value, ty, self.out).map_err(|error| error.within(index))
    }

    /// Writes the first half of an item that is a pair.
    pub(super) fn first<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
        ty: &Type,
    ) -> Result<(), EncodeError> {
        encode(value, ty, self.out)
    }

    /// Writes the second half, which completes the item.
    pub(super) fn second<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
        ty: &Type,
    ) -> Result<(), EncodeError> {
        self.count += 1;
        encode(value, ty, self.out)
    }

    pub(super) fn finish(self) -> Result<(), EncodeError> {
        match &self.types {
            ItemTypes::All(_) => {
                let mut length = Vec::with_capacity(4);
                put_length(self.count, &mut length)?;
                self.out[self.head..self.head + 4].copy_from_slice(&length);
            }
            ItemTypes::Each(types) if types.len() != self.count => {
                return Err(EncodeError::wanted(
                    self.whole,
                    format_args!("{} items", self.count),
                ));
            }
            ItemTypes::Each(_) | ItemTypes::Flags(_) => {}
        }
        Ok(())
    }
}

macro_rules! items {
    ($($trait:ident $method:ident),*) => { $(
        impl ser::$trait for Items<'_> {
            type Ok = ();
            type Error = EncodeError;
            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
                self.item(value)
            }
            fn end(self) -> Result<(), EncodeError> {
                self.finish()
            }
        }
    )* };
}
items!(SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field);
