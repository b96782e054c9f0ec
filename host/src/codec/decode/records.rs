//! Records, flags as fields of `bool`, and lists of pairs as maps: values that go by names or keys.

use super::sequences::{Sequence, Types};
use super::take::{take_count, take_slice};
use super::{DecodeError, Decoder, Integers, flag_bytes, same_name};
use crate::types::{Field, Type};
use serde::de::value::{BorrowedStrDeserializer, MapDeserializer, StrDeserializer};
use serde::de::{self, DeserializeSeed, Visitor};

impl<'de> Decoder<'_, '_, 'de> {
    /// The fields of a record or of flags for a Rust struct with these, or the entries of a map.
    pub(super) fn fields<V: Visitor<'de>>(
        self,
        rust_names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Decoder {
            ty,
            input,
            integers,
        } = self;
        match ty {
            // Serde's structs take their fields in order as well, which spares the search for each name.
            Type::Record(fields)
                if fields.len() == rust_names.len()
                    && fields
                        .iter()
                        .zip(rust_names)
                        .all(|(field, name)| same_name(&field.name, name)) =>
            {
                visitor.visit_seq(&mut Sequence {
                    types: Types::Fields(fields),
                    input,
                    integers,
                })
            }
            Type::Record(fields) => visitor.visit_map(Map {
                fields,
                rust_names,
                input,
                integers,
            }),
            Type::Flags(names) => {
                let bits = take_slice(input, flag_bytes(names.len()))?;
                let entries = names.iter().enumerate().map(|(bit, name)| {
                    let rust = rust_names
                        .iter()
                        .find(|rust| same_name(name, rust))
                        .copied();
                    (rust.unwrap_or(name), bits[bit / 8] >> (bit % 8) & 1 == 1)
                });
                visitor.visit_map(MapDeserializer::new(entries))
            }
            Type::List(item) => match &**item {
                Type::Tuple(pair) if pair.len() == 2 => {
                    let left = take_count(input)?;
                    visitor.visit_map(Pairs {
                        pair,
                        left,
                        input,
                        integers,
                    })
                }
                _ => Decoder {
                    ty,
                    input,
                    integers,
                }
                .mismatch("map"),
            },
            _ => Decoder {
                ty,
                input,
                integers,
            }
            .mismatch("struct or map"),
        }
    }
}

/// A record whose Rust struct has other fields, or the same in another order.
struct Map<'t, 'i, 'de> {
    fields: &'t [Field],
    rust_names: &'static [&'static str],
    input: &'i mut &'de [u8],
    integers: Integers,
}

impl<'de> de::MapAccess<'de> for Map<'_, '_, 'de> {
    type Error = DecodeError;
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        let Some(field) = self.fields.first() else {
            return Ok(None);
        };
        match self
            .rust_names
            .iter()
            .find(|rust| same_name(&field.name, rust))
        {
            Some(name) => seed
                .deserialize(BorrowedStrDeserializer::new(name))
                .map(Some),
            None => seed
                .deserialize(StrDeserializer::new(&field.name))
                .map(Some),
        }
    }
    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        let [field, rest @ ..] = self.fields else {
            return Err(DecodeError::Malformed("no field is left"));
        };
        self.fields = rest;
        seed.deserialize(Decoder {
            ty: &field.ty,
            input: self.input,
            integers: self.integers,
        })
    }
}

/// A list of pairs as a map.
struct Pairs<'t, 'i, 'de> {
    pair: &'t [Type],
    left: usize,
    input: &'i mut &'de [u8],
    integers: Integers,
}

impl<'de> de::MapAccess<'de> for Pairs<'_, '_, 'de> {
    type Error = DecodeError;
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(Decoder {
            ty: &self.pair[0],
            input: self.input,
            integers: self.integers,
        })
        .map(Some)
    }
    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        seed.deserialize(Decoder {
            ty: &self.pair[1],
            input: self.input,
            integers: self.integers,
        })
    }
}
