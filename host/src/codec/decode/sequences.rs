//! Lists, tuples, and flags by their names: values that come one after the other.

use super::take::{take_count, take_slice};
use super::{DecodeError, Decoder, Integers, bulk, flag_bytes};
use crate::types::{Field, Type};
use serde::de::value::SeqDeserializer;
use serde::de::{self, DeserializeSeed, Visitor};

impl<'de> Decoder<'_, '_, 'de> {
    /// A sequence of any length: a list of scalars in one piece where that can be, else item by item.
    #[inline]
    pub(super) fn sequence<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if let Type::List(item) = self.ty {
            let input = &mut *self.input;
            let list = bulk::decode_list::<V>(item, |size| {
                let count = take_count(input)?;
                take_slice(
                    input,
                    count
                        .checked_mul(size)
                        .ok_or(DecodeError::Malformed("a list is too long"))?,
                )
            });
            if let Some(list) = list {
                return list;
            }
        }
        self.items(visitor, "sequence")
    }

    /// The items of a list or a tuple, or the names of the flags that are set.
    pub(super) fn items<V: Visitor<'de>>(
        self,
        visitor: V,
        rust: &str,
    ) -> Result<V::Value, DecodeError> {
        let Decoder {
            ty,
            input,
            integers,
        } = self;
        match ty {
            Type::List(item) => {
                let left = take_count(input)?;
                visitor.visit_seq(&mut Sequence {
                    types: Types::All(item, left),
                    input,
                    integers,
                })
            }
            Type::Tuple(types) => {
                let mut sequence = Sequence {
                    types: Types::Each(types),
                    input,
                    integers,
                };
                let value = visitor.visit_seq(&mut sequence)?;
                match sequence.types {
                    Types::Each([]) => Ok(value),
                    _ => Err(DecodeError::Mismatch(format!(
                        "`{ty}` has more items than the Rust {rust}"
                    ))),
                }
            }
            Type::Flags(names) => {
                let bits = take_slice(input, flag_bytes(names.len()))?;
                let set = names
                    .iter()
                    .enumerate()
                    .filter(|(bit, _)| bits[bit / 8] >> (bit % 8) & 1 == 1);
                visitor.visit_seq(SeqDeserializer::new(set.map(|(_, name)| name.as_str())))
            }
            _ => Decoder {
                ty,
                input,
                integers,
            }
            .mismatch(rust),
        }
    }
}

/// The types of the items that are left.
pub(super) enum Types<'t> {
    All(&'t Type, usize),
    Each(&'t [Type]),
    Fields(&'t [Field]),
}

/// Items, as serde takes them.
pub(super) struct Sequence<'t, 'i, 'de> {
    pub(super) types: Types<'t>,
    pub(super) input: &'i mut &'de [u8],
    pub(super) integers: Integers,
}

impl<'de> de::SeqAccess<'de> for &mut Sequence<'_, '_, 'de> {
    type Error = DecodeError;
    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        let ty = match &mut self.types {
            Types::All(_, 0) | Types::Each([]) | Types::Fields([]) => return Ok(None),
            Types::All(ty, left) => {
                *left -= 1;
                *ty
            }
            Types::Each([ty, rest @ ..]) => {
                self.types = Types::Each(rest);
                ty
            }
            Types::Fields([field, rest @ ..]) => {
                self.types = Types::Fields(rest);
                &field.ty
            }
        };
        seed.deserialize(Decoder {
            ty,
            input: self.input,
            integers: self.integers,
        })
        .map(Some)
    }
    fn size_hint(&self) -> Option<usize> {
        Some(match &self.types {
            Types::All(_, left) => *left,
            Types::Each(types) => types.len(),
            Types::Fields(fields) => fields.len(),
        })
    }
}
