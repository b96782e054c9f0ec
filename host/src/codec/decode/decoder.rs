//! What serde asks for, answered by what the WIT type says is there. Numbers are read here; what has parts is handed on.

use super::take::{take, take_bool, take_case, take_char, take_count, take_slice, take_str};
use super::{DecodeError, Decoder, Integers, bulk, dynamic};
use crate::types::Type;
use serde::de::{Deserializer, Visitor};

impl<'de> Decoder<'_, '_, 'de> {
    fn visit_number<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::S8 => visitor.visit_i8(i8::from_le_bytes(take(self.input)?)),
            Type::U8 => visitor.visit_u8(u8::from_le_bytes(take(self.input)?)),
            Type::S16 => visitor.visit_i16(i16::from_le_bytes(take(self.input)?)),
            Type::U16 => visitor.visit_u16(u16::from_le_bytes(take(self.input)?)),
            Type::S32 => visitor.visit_i32(i32::from_le_bytes(take(self.input)?)),
            Type::U32 => visitor.visit_u32(u32::from_le_bytes(take(self.input)?)),
            Type::S64 => visitor.visit_i64(i64::from_le_bytes(take(self.input)?)),
            Type::U64 => visitor.visit_u64(u64::from_le_bytes(take(self.input)?)),
            Type::F32 => visitor.visit_f32(f32::from_le_bytes(take(self.input)?)),
            Type::F64 => visitor.visit_f64(f64::from_le_bytes(take(self.input)?)),
            _ => self.mismatch("number"),
        }
    }

    /// Any integer type will do while types are compared for arguments; zero is a value of each.
    fn any_integer<V: Visitor<'de>>(self, visitor: V, rust: &str) -> Result<V::Value, DecodeError> {
        let bytes = match self.ty {
            Type::S8 | Type::U8 => 1,
            Type::S16 | Type::U16 => 2,
            Type::S32 | Type::U32 | Type::F32 => 4,
            Type::S64 | Type::U64 | Type::F64 => 8,
            _ => return self.mismatch(rust),
        };
        if self.integers == Integers::Exact {
            return self.mismatch(rust);
        }
        take_slice(self.input, bytes)?;
        visitor.visit_u8(0)
    }
}

macro_rules! number {
    ($($method:ident $visit:ident $rust:ident: $exact:ident $(, $wider:ident)*;)*) => { $(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            match self.ty {
                Type::$exact => visitor.$visit($rust::from_le_bytes(take(self.input)?)),
                $(Type::$wider)|* => self.visit_number(visitor),
                _ => self.any_integer(visitor, stringify!($rust)),
            }
        }
    )* };
}

impl<'de> Deserializer<'de> for Decoder<'_, '_, 'de> {
    type Error = DecodeError;

    number! {
        deserialize_i16 visit_i16 i16: S16, S8, U8;
        deserialize_u16 visit_u16 u16: U16, U8;
        deserialize_i32 visit_i32 i32: S32, S16, U16, S8, U8;
        deserialize_u32 visit_u32 u32: U32, U16, U8;
        deserialize_i64 visit_i64 i64: S64, S32, U32, S16, U16, S8, U8;
        deserialize_u64 visit_u64 u64: U64, U32, U16, U8;
    }
    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if *self.ty == Type::S8 {
            self.visit_number(visitor)
        } else {
            self.any_integer(visitor, "i8")
        }
    }
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if *self.ty == Type::U8 {
            self.visit_number(visitor)
        } else {
            self.any_integer(visitor, "u8")
        }
    }
    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if matches!(self.ty, Type::F32 | Type::F64) {
            self.any_integer(visitor, "i128")
        } else {
            self.visit_number(visitor)
        }
    }
    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_u64(visitor)
    }
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match (self.ty, self.integers) {
            (Type::F32, _) => self.visit_number(visitor),
            (Type::F64, Integers::Any) => {
                take::<8>(self.input)?;
                visitor.visit_f32(0.0)
            }
            _ => self.mismatch("f32"),
        }
    }
    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match (self.ty, self.integers) {
            (Type::F64, _) => visitor.visit_f64(f64::from_le_bytes(take(self.input)?)),
            (Type::F32, Integers::Exact) => self.visit_number(visitor),
            _ => self.mismatch("f64"),
        }
    }
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::Bool => visitor.visit_bool(take_bool(self.input)?),
            _ => self.mismatch("bool"),
        }
    }
    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::Char => visitor.visit_char(take_char(self.input)?),
            _ => self.mismatch("char"),
        }
    }
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::String => visitor.visit_borrowed_str(take_str(self.input)?),
            Type::Enum(names) => {
                let case = take_case(self.input, names.len())?;
                visitor.visit_str(&names[case])
            }
            _ => self.mismatch("string"),
        }
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::List(item) if **item == Type::U8 => {
                let length = take_count(self.input)?;
                visitor.visit_borrowed_bytes(take_slice(self.input, length)?)
            }
            _ => self.mismatch("byte string"),
        }
    }
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_bytes(visitor)
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::Option(some) if take_bool(self.input)? => {
                visitor.visit_some(Decoder { ty: some, ..self })
            }
            Type::Option(_) => visitor.visit_none(),
            _ => self.mismatch("Option"),
        }
    }
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::Tuple(items) if items.is_empty() => visitor.visit_unit(),
            _ => self.mismatch("()"),
        }
    }
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_unit(visitor)
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if dynamic::wants_value::<V>() {
            let value = dynamic::decode(self.input, self.ty)?;
            return bulk::same(value).ok_or(DecodeError::Malformed("a value is not one"));
        }
        visitor.visit_newtype_struct(self)
    }
    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.sequence(visitor)
    }
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::Tuple(types) if types.len() == length => self.items(visitor, "tuple"),
            // A list of whatever length is no Rust array or tuple of a fixed one, but bytes of it may be tried.
            _ => self.mismatch(&format!("tuple of {length}")),
        }
    }
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(length, visitor)
    }
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.fields(&[], visitor)
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::Record(_) | Type::Flags(_) => self.fields(fields, visitor),
            _ => self.mismatch("struct"),
        }
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        cases: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.case(cases, visitor)
    }
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        dynamic::decode(self.input, self.ty)?;
        visitor.visit_unit()
    }
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.ty {
            Type::Bool => self.deserialize_bool(visitor),
            Type::Char => self.deserialize_char(visitor),
            Type::String => self.deserialize_str(visitor),
            Type::Tuple(items) if items.is_empty() => self.deserialize_unit(visitor),
            Type::List(_) | Type::Tuple(_) | Type::Flags(_) => self.items(visitor, "value"),
            Type::Record(_) => self.deserialize_map(visitor),
            Type::Option(_) => self.deserialize_option(visitor),
            Type::Variant(_) | Type::Enum(_) | Type::Result { .. } => {
                self.deserialize_enum("", &[], visitor)
            }
            _ => self.visit_number(visitor),
        }
    }
    fn is_human_readable(&self) -> bool {
        false
    }
}
