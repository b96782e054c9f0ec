//! What serde hands over, compared with what the WIT type wants. Numbers are written here; what has parts is handed on.

use super::items::Items;
use super::records::{Entries, Fields};
use super::{EncodeError, Encoder, bulk, dynamic, encode, put_bytes};
use crate::types::Type;
use serde::ser::{Serialize, Serializer};
use std::fmt;

impl Encoder<'_> {
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
        Items::of(self, length)
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
        Entries::start(self, length)
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
        self.collect(items)
    }
    fn is_human_readable(&self) -> bool {
        false
    }
}
