//! The way to call functions that are lent shared objects: arguments become Wasmtime's `Val`s and results come back from
//! them, along the WIT type. It takes any type, and costs 40 bytes and some 20 ns a value, which is why all other functions
//! have the [`canonical`](super::canonical) way.

use super::instance::{Call, State};
use super::passing::Passing;
use super::reader::{Reader, Undecodable, put_length, put_text};
use super::shared;
use crate::types::{Function, Object, Type};
use wasmtime::Store;
use wasmtime::component::{Func, ResourceAny, Val};

/// A [`Bind`](super::canonical::Bind) for every function.
pub(super) fn bind(function: Func, _store: &Store<State>) -> wasmtime::Result<Box<dyn Call>> {
    Ok(Box::new(Dynamic(function)))
}

struct Dynamic(Func);

impl Call for Dynamic {
    fn call(
        &self,
        store: &mut Store<State>,
        ty: &Function,
        passing: &mut Passing<'_>,
    ) -> wasmtime::Result<()> {
        let bytes = passing.whole()?;
        let mut reader = Reader::new(&bytes);
        let mut lender = Lender {
            store: &mut *store,
            handles: Vec::new(),
        };
        let arguments = ty
            .params
            .iter()
            .map(|param| decode(&param.ty, &mut reader, &mut lender))
            .collect::<Result<Vec<_>, _>>();
        let handles = lender.handles;
        // What a value is before the call doesn't matter.
        let mut values = [Val::Bool(false)];
        let values = &mut values[..ty.result.iter().len()];
        let called = arguments.and_then(|arguments| {
            reader.end()?;
            self.0.call(&mut *store, &arguments, values)
        });
        if !handles.is_empty() {
            take_back(store, handles);
        }
        called?;
        let result = &mut *passing.result;
        let start = result.len();
        for (ty, value) in ty.result.iter().zip(values) {
            encode(ty, value, result).inspect_err(|_| result.truncate(start))?;
        }
        Ok(())
    }
}

/// Lends shared objects to the guest, from when they are met among the arguments to the end of the call.
struct Lender<'a> {
    store: &'a mut Store<State>,
    handles: Vec<ResourceAny>,
}

impl Lender<'_> {
    fn lend(&mut self, object: Object, manager: u32, place: [u8; 16]) -> wasmtime::Result<Val> {
        let number = self.store.data_mut().lent.lend(object, manager, place)?;
        let resource = shared::resource(object, number, &mut *self.store)?;
        self.handles.push(resource);
        Ok(Val::Resource(resource))
    }
}

#[cold]
fn take_back(store: &mut Store<State>, handles: Vec<ResourceAny>) {
    for handle in handles {
        // After a trap the store takes no more calls, and goes as a whole.
        let _ = handle.resource_drop(&mut *store);
    }
}

fn decode(ty: &Type, bytes: &mut Reader<'_>, lender: &mut Lender<'_>) -> wasmtime::Result<Val> {
    Ok(match ty {
        Type::Bool => Val::Bool(bytes.bool()?),
        Type::S8 => Val::S8(i8::from_le_bytes(bytes.array()?)),
        Type::U8 => Val::U8(u8::from_le_bytes(bytes.array()?)),
        Type::S16 => Val::S16(i16::from_le_bytes(bytes.array()?)),
        Type::U16 => Val::U16(u16::from_le_bytes(bytes.array()?)),
        Type::S32 => Val::S32(i32::from_le_bytes(bytes.array()?)),
        Type::U32 => Val::U32(u32::from_le_bytes(bytes.array()?)),
        Type::S64 => Val::S64(i64::from_le_bytes(bytes.array()?)),
        Type::U64 => Val::U64(u64::from_le_bytes(bytes.array()?)),
        Type::F32 => Val::Float32(f32::from_le_bytes(bytes.array()?)),
        Type::F64 => Val::Float64(f64::from_le_bytes(bytes.array()?)),
        Type::Char => Val::Char(bytes.char()?),
        Type::String => Val::String(bytes.text()?.to_owned()),
        Type::List(item) => {
            let count = bytes.length()?;
            if count > bytes.left() {
                return Err(Undecodable("a list is longer than they are").into());
            }
            Val::List(
                (0..count)
                    .map(|_| decode(item, bytes, lender))
                    .collect::<Result<_, _>>()?,
            )
        }
        Type::Record(fields) => {
            let fields = fields
                .iter()
                .map(|field| Ok((field.name.clone(), decode(&field.ty, bytes, lender)?)));
            Val::Record(fields.collect::<wasmtime::Result<_>>()?)
        }
        Type::Tuple(items) => Val::Tuple(
            items
                .iter()
                .map(|item| decode(item, bytes, lender))
                .collect::<Result<_, _>>()?,
        ),
        Type::Variant(cases) => {
            let case = cases
                .get(bytes.length()?)
                .ok_or(Undecodable("a variant has no such case"))?;
            Val::Variant(case.name.clone(), payload(case.ty.as_ref(), bytes, lender)?)
        }
        Type::Enum(names) => Val::Enum(
            names
                .get(bytes.length()?)
                .ok_or(Undecodable("an enum has no such case"))?
                .clone(),
        ),
        Type::Option(some) => Val::Option(if bytes.bool()? {
            payload(Some(some), bytes, lender)?
        } else {
            None
        }),
        Type::Result { ok, err } => Val::Result(if bytes.bool()? {
            Err(payload(err.as_deref(), bytes, lender)?)
        } else {
            Ok(payload(ok.as_deref(), bytes, lender)?)
        }),
        Type::Flags(names) => {
            let mut set = Vec::new();
            for names in names.chunks(8) {
                let [bits] = bytes.array()?;
                if u32::from(bits) >> names.len() != 0 {
                    return Err(Undecodable("a flag is set that has no name").into());
                }
                set.extend(
                    names
                        .iter()
                        .enumerate()
                        .filter(|(i, _)| bits >> i & 1 == 1)
                        .map(|(_, name)| name.clone()),
                );
            }
            Val::Flags(set)
        }
        Type::Borrow(object) => {
            let manager = u32::from_le_bytes(bytes.array()?);
            lender.lend(*object, manager, bytes.array()?)?
        }
    })
}

fn payload(
    ty: Option<&Type>,
    bytes: &mut Reader<'_>,
    lender: &mut Lender<'_>,
) -> wasmtime::Result<Option<Box<Val>>> {
    ty.map(|ty| decode(ty, bytes, lender).map(Box::new))
        .transpose()
}

fn encode(ty: &Type, value: &Val, out: &mut Vec<u8>) -> Result<(), Mismatch> {
    match (ty, value) {
        (Type::Bool, Val::Bool(bool)) => out.push((*bool).into()),
        (Type::S8, Val::S8(number)) => out.extend(number.to_le_bytes()),
        (Type::U8, Val::U8(number)) => out.extend(number.to_le_bytes()),
        (Type::S16, Val::S16(number)) => out.extend(number.to_le_bytes()),
        (Type::U16, Val::U16(number)) => out.extend(number.to_le_bytes()),
        (Type::S32, Val::S32(number)) => out.extend(number.to_le_bytes()),
        (Type::U32, Val::U32(number)) => out.extend(number.to_le_bytes()),
        (Type::S64, Val::S64(number)) => out.extend(number.to_le_bytes()),
        (Type::U64, Val::U64(number)) => out.extend(number.to_le_bytes()),
        (Type::F32, Val::Float32(number)) => out.extend(number.to_le_bytes()),
        (Type::F64, Val::Float64(number)) => out.extend(number.to_le_bytes()),
        (Type::Char, Val::Char(char)) => out.extend(u32::from(*char).to_le_bytes()),
        (Type::String, Val::String(text)) => put_text(text, out).map_err(|_| Mismatch)?,
        (Type::List(item), Val::List(values)) => {
            put_length(values.len(), out);
            values
                .iter()
                .try_for_each(|value| encode(item, value, out))?;
        }
        (Type::Record(fields), Val::Record(values)) if fields.len() == values.len() => {
            fields
                .iter()
                .zip(values)
                .try_for_each(|(field, (_, value))| encode(&field.ty, value, out))?;
        }
        (Type::Tuple(items), Val::Tuple(values)) if items.len() == values.len() => {
            items
                .iter()
                .zip(values)
                .try_for_each(|(item, value)| encode(item, value, out))?;
        }
        (Type::Variant(cases), Val::Variant(name, value)) => {
            let index = cases
                .iter()
                .position(|case| case.name == *name)
                .ok_or(Mismatch)?;
            put_length(index, out);
            encode_payload(cases[index].ty.as_ref(), value.as_deref(), out)?;
        }
        (Type::Enum(names), Val::Enum(name)) => {
            put_length(
                names
                    .iter()
                    .position(|known| known == name)
                    .ok_or(Mismatch)?,
                out,
            );
        }
        (Type::Option(_), Val::Option(None)) => out.push(0),
        (Type::Option(some), Val::Option(Some(value))) => {
            out.push(1);
            encode(some, value, out)?;
        }
        (Type::Result { ok, .. }, Val::Result(Ok(value))) => {
            out.push(0);
            encode_payload(ok.as_deref(), value.as_deref(), out)?;
        }
        (Type::Result { err, .. }, Val::Result(Err(value))) => {
            out.push(1);
            encode_payload(err.as_deref(), value.as_deref(), out)?;
        }
        (Type::Flags(names), Val::Flags(set)) => {
            out.extend(names.chunks(8).map(|names| {
                names.iter().enumerate().fold(0, |bits, (i, name)| {
                    bits | u8::from(set.contains(name)) << i
                })
            }));
        }
        _ => return Err(Mismatch),
    }
    Ok(())
}

fn encode_payload(
    ty: Option<&Type>,
    value: Option<&Val>,
    out: &mut Vec<u8>,
) -> Result<(), Mismatch> {
    match (ty, value) {
        (Some(ty), Some(value)) => encode(ty, value, out),
        (None, None) => Ok(()),
        _ => Err(Mismatch),
    }
}

/// The guest's value is not of the type that the description names, which means that code and description belong to
/// different components.
#[derive(Debug, thiserror::Error)]
#[error("it is not of the type that the component was described with")]
struct Mismatch;
