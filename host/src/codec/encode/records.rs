//! Records, flags as fields of `bool`, and maps as lists of pairs: values that go by names or keys.

use super::items::Items;
use super::{EncodeError, Encoder, encode, flag_bytes, same_name};
use crate::types::{Field, Type};
use serde::ser::{self, Serialize};

/// The fields of a record, or flags as fields of `bool`, in whatever order they come.
pub(super) struct Fields<'a> {
    whole: &'a Type,
    out: &'a mut Vec<u8>,
    head: usize,
    /// How many fields stand in `out` already, in their declared order.
    next: usize,
    /// Fields that came too early, already encoded.
    early: Vec<(usize, Vec<u8>)>,
}

impl<'a> Fields<'a> {
    pub(super) fn start(encoder: Encoder<'a>) -> Result<Self, EncodeError> {
        let head = encoder.out.len();
        match encoder.ty {
            Type::Record(_) => {}
            Type::Flags(names) => encoder.out.resize(head + flag_bytes(names.len()), 0),
            _ => return encoder.refuse("a struct"),
        }
        Ok(Fields {
            whole: encoder.ty,
            out: encoder.out,
            head,
            next: 0,
            early: Vec::new(),
        })
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), EncodeError> {
        match self.whole {
            Type::Record(fields) => match fields.get(self.next) {
                Some(field) if same_name(&field.name, name) => {
                    encode(value, &field.ty, self.out).map_err(|error| error.within(name))?;
                    self.next += 1;
                    Ok(())
                }
                _ => self.early(fields, name, value),
            },
            Type::Flags(names) => {
                let Some(bit) = names.iter().position(|n| same_name(n, name)) else {
                    return Err(EncodeError::wanted(
                        self.whole,
                        format_args!("the flag `{name}`"),
                    ));
                };
                let mut set = Vec::new();
                encode(value, &Type::Bool, &mut set).map_err(|error| error.within(name))?;
                self.out[self.head + bit / 8] |= set[0] << (bit % 8);
                Ok(())
            }
            _ => Err(EncodeError::wanted(self.whole, "a struct")),
        }
    }

    fn early<T: Serialize + ?Sized>(
        &mut self,
        fields: &[Field],
        name: &str,
        value: &T,
    ) -> Result<(), EncodeError> {
        let place = fields.iter().position(|field| same_name(&field.name, name));
        let Some(place) =
            place.filter(|&p| p >= self.next && !self.early.iter().any(|(early, _)| *early == p))
        else {
            return Err(EncodeError::wanted(
                self.whole,
                format_args!("a record with the field `{name}`"),
            ));
        };
        self.put_early(fields);
        let mut bytes = Vec::new();
        encode(value, &fields[place].ty, &mut bytes).map_err(|error| error.within(name))?;
        self.early.push((place, bytes));
        self.put_early(fields);
        Ok(())
    }

    /// Writes the fields whose turn it is.
    fn put_early(&mut self, fields: &[Field]) {
        while self.next < fields.len() {
            let Some(found) = self.early.iter().position(|(place, _)| *place == self.next) else {
                return;
            };
            self.out.extend_from_slice(&self.early.swap_remove(found).1);
            self.next += 1;
        }
    }

    fn finish(mut self) -> Result<(), EncodeError> {
        let Type::Record(fields) = self.whole else {
            return Ok(());
        };
        loop {
            self.put_early(fields);
            match fields.get(self.next) {
                None => return Ok(()),
                Some(Field {
                    ty: Type::Option(_),
                    ..
                }) => self.out.push(0),
                Some(field) => {
                    return Err(EncodeError::wanted(
                        self.whole,
                        format_args!("a record without the field `{}`", field.name),
                    ));
                }
            }
            self.next += 1;
        }
    }
}

macro_rules! fields {
    ($($trait:ident),*) => { $(
        impl ser::$trait for Fields<'_> {
            type Ok = ();
            type Error = EncodeError;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), EncodeError> {
                self.field(name, value)
            }
            fn end(self) -> Result<(), EncodeError> {
                self.finish()
            }
        }
    )* };
}
fields!(SerializeStruct, SerializeStructVariant);

/// A map: a record or flags by name, or a list of pairs.
pub(super) enum Entries<'a> {
    Fields { fields: Fields<'a>, key: String },
    Pairs { pair: &'a [Type], items: Items<'a> },
}

impl<'a> Entries<'a> {
    pub(super) fn start(encoder: Encoder<'a>, length: Option<usize>) -> Result<Self, EncodeError> {
        match encoder.ty {
            Type::Record(_) | Type::Flags(_) => Ok(Entries::Fields {
                fields: Fields::start(encoder)?,
                key: String::new(),
            }),
            Type::List(item) => match &**item {
                Type::Tuple(pair) if pair.len() == 2 => Ok(Entries::Pairs {
                    pair,
                    items: Items::of(encoder, length)?,
                }),
                _ => encoder.refuse("a map"),
            },
            _ => encoder.refuse("a map"),
        }
    }
}

impl ser::SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = EncodeError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), EncodeError> {
        match self {
            Entries::Fields { key, .. } => {
                let mut bytes = Vec::new();
                encode(name, &Type::String, &mut bytes)?;
                *key = String::from_utf8_lossy(&bytes[4..]).into_owned();
                Ok(())
            }
            Entries::Pairs { pair, items } => items.first(name, &pair[0]),
        }
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        match self {
            Entries::Fields { fields, key } => fields.field(key, value),
            Entries::Pairs { pair, items } => items.second(value, &pair[1]),
        }
    }
    fn end(self) -> Result<(), EncodeError> {
        match self {
            Entries::Fields { fields, .. } => fields.finish(),
            Entries::Pairs { items, .. } => items.finish(),
        }
    }
}
