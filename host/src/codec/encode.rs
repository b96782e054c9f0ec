//! Rust values to bytes, by serde and the WIT type.
//!
//! The type leads: each value that serde hands over must fit the type at its place, or the error names both. An integer
//! of any Rust type fits any WIT integer that can hold its value, so that plain literals just work.

use super::bulk;
use super::{NOTHING, dynamic, flag_bytes, same_name};
use crate::types::{Case, Field, Type};
use serde::ser::{self, Serialize, Serializer};
use std::fmt;

/// Appends `value` as a value of type `ty` to `out`. After an error `out` ends in an unfinished value.
pub(crate) fn encode<T: Serialize + ?Sized>(
    value: &T,
    ty: &Type,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    value.serialize(Encoder { ty, out })
}

/// A Rust value does not fit the WIT type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError {
    /// Where in the value: field names and item numbers, outermost first; empty for the value itself.
    pub path: String,
    /// What was wanted, and what was there.
    pub message: String,
}

impl EncodeError {
    pub(super) fn wanted(ty: &Type, found: impl fmt::Display) -> EncodeError {
        EncodeError {
            path: String::new(),
            message: format!("`{ty}` is wanted, not {found}"),
        }
    }

    pub(super) fn within(mut self, place: impl fmt::Display) -> EncodeError {
        self.path = format!(".{place}{}", self.path);
        self
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "at `{}`: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for EncodeError {}

impl ser::Error for EncodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        EncodeError {
            path: String::new(),
            message: message.to_string(),
        }
    }
}

struct Encoder<'a> {
    ty: &'a Type,
    out: &'a mut Vec<u8>,
}

/// Writes a length or an index, which the codec holds in 32 bits.
pub(super) fn put_length(length: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let length = u32::try_from(length).map_err(|_| EncodeError {
        path: String::new(),
        message: format!("a length of {length} is over the limit of {}", u32::MAX),
    })?;
    out.extend_from_slice(&length.to_le_bytes());
    Ok(())
}

/// Writes a string or a list of bytes: its length, then itself.
pub(super) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    put_length(bytes.len(), out)?;
    out.extend_from_slice(bytes);
    Ok(())
}

impl<'a> Encoder<'a> {
    fn refuse<T>(&self, found: impl fmt::Display) -> Result<T, EncodeError> {
        Err(EncodeError::wanted(self.ty, found))
    }

    #[inline]
    fn integer<I>(self, value: I) -> Result<(), EncodeError>
    where
        I: Copy + fmt::Display + Into<i128>,
        i8: TryFrom<I>,
        u8: TryFrom<I>,
        i16: TryFrom<I>,
        u16: TryFrom<I>,
        i32: TryFrom<I>,
        u32: TryFrom<I>,
        i64: TryFrom<I>,
        u64: TryFrom<I>,
    {
        macro_rules! put {
            ($type:ty) => {
                if let Ok(value) = <$type>::try_from(value) {
                    self.out.extend_from_slice(&value.to_le_bytes());
                    return Ok(());
                }
            };
        }
        match self.ty {
            Type::S64 => put!(i64),
            Type::U64 => put!(u64),
            Type::S32 => put!(i32),
            Type::U32 => put!(u32),
            Type::S16 => put!(i16),
            Type::U16 => put!(u16),
            Type::S8 => put!(i8),
            Type::U8 => put!(u8),
            // An integer fits a float that can hold it exactly: 2^24 and 2^53 are the ends of the unbroken range.
            Type::F64 if value.into().unsigned_abs() <= 1 << 53 => {
                self.out
                    .extend_from_slice(&(value.into() as f64).to_le_bytes());
                return Ok(());
            }
            Type::F32 if value.into().unsigned_abs() <= 1 << 24 => {
                self.out
                    .extend_from_slice(&(value.into() as f32).to_le_bytes());
                return Ok(());
            }
            _ => {}
        }
        self.refuse(format_args!("the integer {value}"))
    }

    fn case(&mut self, name: &str) -> Result<&'a Type, EncodeError> {
        let (index, ty) = match self.ty {
            Type::Variant(cases) => {
                let index = cases.iter().position(|case| same_name(&case.name, name));
                (index, index.and_then(|i| cases[i].ty.as_ref()))
            }
            Type::Enum(names) => (names.iter().position(|n| same_name(n, name)), None),
            Type::Result { ok, .. } if name == "Ok" => {
                self.out.push(0);
                return Ok(ok.as_deref().unwrap_or(&NOTHING));
            }
            Type::Result { err, .. } if name == "Err" => {
                self.out.push(1);
                return Ok(err.as_deref().unwrap_or(&NOTHING));
            }
            _ => (None, None),
        };
        match index {
            Some(index) => put_length(index, self.out)?,
            None => return self.refuse(format_args!("the case `{name}`")),
        }
        Ok(ty.unwrap_or(&NOTHING))
    }
}

impl<'a> Serializer for Encoder<'a> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Entries<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Fields<'a>;

    fn serialize_bool(self, v: bool) -> Result<(), EncodeError> {
        match self.ty {
            Type::Bool => self.out.push(u8::from(v)),
            _ => return self.refuse(format_args!("the bool {v}")),
        }
        Ok(())
    }
    fn serialize_i8(self, v: i8) -> Result<(), EncodeError> {
        self.integer(v)
    }
    fn serialize_i16(self, v: i16) -> Result<(), EncodeError> {
        self.integer(v)
    }
    #[inline]
    fn serialize_i32(self, v: i32) -> Result<(), EncodeError> {
        self.integer(v)
    }
    #[inline]
    fn serialize_i64(self, v: i64) -> Result<(), EncodeError> {
        self.integer(v)
    }
    fn serialize_i128(self, v: i128) -> Result<(), EncodeError> {
        self.integer(v)
    }
    fn serialize_u8(self, v: u8) -> Result<(), EncodeError> {
        self.integer(v)
    }
    fn serialize_u16(self, v: u16) -> Result<(), EncodeError> {
        self.integer(v)
    }
    #[inline]
    fn serialize_u32(self, v: u32) -> Result<(), EncodeError> {
        self.integer(v)
    }
    #[inline]
    fn serialize_u64(self, v: u64) -> Result<(), EncodeError> {
        self.integer(v)
    }
    fn serialize_f32(self, v: f32) -> Result<(), EncodeError> {
        match self.ty {
            Type::F32 => self.out.extend_from_slice(&v.to_le_bytes()),
            Type::F64 => self.out.extend_from_slice(&f64::from(v).to_le_bytes()),
            _ => return self.refuse(format_args!("the 32-bit float {v}")),
        }
        Ok(())
    }
    #[inline]
    fn serialize_f64(self, v: f64) -> Result<(), EncodeError> {
        match self.ty {
            Type::F64 => self.out.extend_from_slice(&v.to_le_bytes()),
            _ => return self.refuse(format_args!("the 64-bit float {v}")),
        }
        Ok(())
    }
    fn serialize_char(self, v: char) -> Result<(), EncodeError> {
        match self.ty {
            Type::Char => self.out.extend_from_slice(&u32::from(v).to_le_bytes()),
            _ => return self.refuse(format_args!("the character {v:?}")),
        }
        Ok(())
    }
    fn serialize_str(self, v: &str) -> Result<(), EncodeError> {
        match self.ty {
            Type::String => put_bytes(v.as_bytes(), self.out),
            _ => self.refuse("a string"),
        }
    }
    fn serialize_bytes(self, v: &[u8]) -> Result<(), EncodeError> {
        match self.ty {
            Type::List(item) if **item == Type::U8 => put_bytes(v, self.out),
            _ => self.refuse("bytes"),
        }
    }
    fn serialize_none(self) -> Result<(), EncodeError> {
        match self.ty {
            Type::Option(_) => self.out.push(0),
            _ => return self.refuse("`None`"),
        }
        Ok(())
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        match self.ty {
            Type::Option(some) => {
                self.out.push(1);
                encode(value, some, self.out)
            }
            _ => self.refuse("an `Option`"),
        }
    }
    fn serialize_unit(self) -> Result<(), EncodeError> {
        match self.ty {
            Type::Tuple(items) if items.is_empty() => Ok(()),
            _ => self.refuse("`()`"),
        }
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), EncodeError> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(
        mut self,
        _: &'static str,
        _: u32,
        case: &'static str,
    ) -> Result<(), EncodeError> {
        match self.case(case)? {
            Type::Tuple(items) if items.is_empty() => Ok(()),
            payload => {
                Err(EncodeError::wanted(payload, "a case that carries nothing").within(case))
            }
        }
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        match bulk::as_value(value) {
            Some(value) => dynamic::encode(value, self.ty, self.out),
            None => value.serialize(self),
        }
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        case: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        let ty = self.case(case)?;
        encode(value, ty, self.out).map_err(|error| error.within(case))
    }
    fn serialize_seq(self, length: Option<usize>) -> Result<Items<'a>, EncodeError> {
        let items = match self.ty {
            Type::List(item) => ItemTypes::All(item),
            Type::Tuple(types) => ItemTypes::Each(types),
            Type::Flags(names) => ItemTypes::Flags(names),
            _ => return self.refuse("a sequence"),
        };
        Items::start(self, items, length)
    }
    fn serialize_tuple(self, length: usize) -> Result<Items<'a>, EncodeError> {
        self.serialize_seq(Some(length))
    }
    fn serialize_tuple_struct(
        self,
        _: &'static str,
        length: usize,
    ) -> Result<Items<'a>, EncodeError> {
        self.serialize_seq(Some(length))
    }
    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        case: &'static str,
        length: usize,
    ) -> Result<Items<'a>, EncodeError> {
        let ty = self.case(case)?;
        Encoder { ty, out: self.out }
            .serialize_seq(Some(length))
            .map_err(|error| error.within(case))
    }
    fn serialize_map(self, length: Option<usize>) -> Result<Entries<'a>, EncodeError> {
        match self.ty {
            Type::Record(_) | Type::Flags(_) => Ok(Entries::Fields {
                fields: Fields::start(self)?,
                key: String::new(),
            }),
            Type::List(item) => match &**item {
                Type::Tuple(pair) if pair.len() == 2 => {
                    let items = ItemTypes::All(item);
                    Ok(Entries::Pairs {
                        pair,
                        items: Items::start(self, items, length)?,
                    })
                }
                _ => self.refuse("a map"),
            },
            _ => self.refuse("a map"),
        }
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'a>, EncodeError> {
        Fields::start(self)
    }
    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        case: &'static str,
        _: usize,
    ) -> Result<Fields<'a>, EncodeError> {
        let ty = self.case(case)?;
        Fields::start(Encoder { ty, out: self.out }).map_err(|error| error.within(case))
    }
    fn collect_seq<I>(self, items: I) -> Result<(), EncodeError>
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
    fn is_human_readable(&self) -> bool {
        false
    }
}

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
    fn start(
        encoder: Encoder<'a>,
        types: ItemTypes<'a>,
        length: Option<usize>,
    ) -> Result<Self, EncodeError> {
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

    fn finish(self) -> Result<(), EncodeError> {
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
    fn start(encoder: Encoder<'a>) -> Result<Self, EncodeError> {
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
            Entries::Pairs { pair, items } => encode(name, &pair[0], items.out),
        }
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        match self {
            Entries::Fields { fields, key } => fields.field(key, value),
            Entries::Pairs { pair, items } => {
                items.count += 1;
                encode(value, &pair[1], items.out)
            }
        }
    }
    fn end(self) -> Result<(), EncodeError> {
        match self {
            Entries::Fields { fields, .. } => fields.finish(),
            Entries::Pairs { items, .. } => items.finish(),
        }
    }
}

/// The index of the case of this name, and what it carries.
pub(super) fn find_case<'t>(cases: &'t [Case], name: &str) -> Option<(usize, Option<&'t Type>)> {
    let index = cases.iter().position(|case| case.name == name)?;
    Some((index, cases[index].ty.as_ref()))
}
