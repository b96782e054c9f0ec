//! Variants, enums and results: one of several cases, and what it carries.

use super::take::{take_bool, take_case};
use super::{DecodeError, Decoder, Integers, NOTHING, same_name};
use crate::types::Type;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};

impl<'de> Decoder<'_, '_, 'de> {
    /// The case that is there, for a Rust enum with these.
    pub(super) fn case<V: Visitor<'de>>(
        self,
        cases: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Decoder {
            ty,
            input,
            integers,
        } = self;
        let (name, payload) = match ty {
            Type::Variant(types) => {
                let case = &types[take_case(input, types.len())?];
                (case.name.as_str(), case.ty.as_ref())
            }
            Type::Enum(names) => (names[take_case(input, names.len())?].as_str(), None),
            Type::Result { ok, err } => match take_bool(input)? {
                false => ("Ok", ok.as_deref()),
                true => ("Err", err.as_deref()),
            },
            _ => {
                return Decoder {
                    ty,
                    input,
                    integers,
                }
                .mismatch("enum");
            }
        };
        let name = cases
            .iter()
            .find(|case| same_name(name, case))
            .copied()
            .unwrap_or(name);
        visitor.visit_enum(Case {
            name,
            payload: payload.unwrap_or(&NOTHING),
            input,
            integers,
        })
    }
}

/// A case, as serde takes it: first the name, then what it carries.
struct Case<'t, 'i, 'de> {
    name: &'t str,
    payload: &'t Type,
    input: &'i mut &'de [u8],
    integers: Integers,
}

impl<'t, 'i, 'de> de::EnumAccess<'de> for Case<'t, 'i, 'de> {
    type Error = DecodeError;
    type Variant = Decoder<'t, 'i, 'de>;
    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), DecodeError> {
        let case = seed.deserialize(self.name.into_deserializer())?;
        Ok((
            case,
            Decoder {
                ty: self.payload,
                input: self.input,
                integers: self.integers,
            },
        ))
    }
}

impl<'de> de::VariantAccess<'de> for Decoder<'_, '_, 'de> {
    type Error = DecodeError;
    fn unit_variant(self) -> Result<(), DecodeError> {
        <()>::deserialize(self)
    }
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        seed.deserialize(self)
    }
    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(length, visitor)
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_struct("", fields, visitor)
    }
}
