//! A result on its way out of the guest: from a core value, or from its memory.
//!
//! What lies there may be anything, so each place is compared with the memory before it is read. A long list of numbers is
//! not copied here: it goes from the guest's memory to where the result is wanted, with what is before and behind it.
//!
//! *Source*: Canonical ABI, `lift_flat` and `load`.

use super::{is_plain, payload};
use crate::engine::passing::Passing;
use crate::engine::reader::{put_length, put_text};
use wasmtime::component::__internal::wasmtime_environ::component::{StringEncoding, VariantInfo};
use wasmtime::component::__internal::{InterfaceType, LiftContext};
use wasmtime::component::Lift;
use wasmtime::{Error, Result, ValRaw};

/// How long a list has to be, in bytes, to go its own way: what a piece of a stream is.
const LONG_BYTES: usize = 64 << 10;

/// How many times as long as in memory a value is at most, but for the lists in it: an enum takes 1 byte there, and 4 here.
const MOST_EXPANSION: usize = 4;

/// Appends what the core value stands for to the result, or streams it.
pub(super) fn result(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    value: ValRaw,
    to: &mut Passing<'_>,
) -> Result<()> {
    let mut out = Output {
        bytes: to.result,
        long: Vec::new(),
    };
    let before = out.bytes.len();
    let abi = cx.types.canonical_abi(&ty);
    match abi.flat_count(1) {
        Some(_) => flat(cx, ty, value, &mut out)?,
        None => {
            let place = value.get_u32() as usize;
            if !place.is_multiple_of(abi.align32 as usize) {
                return Err(Error::msg("return pointer not aligned"));
            }
            load(cx, ty, place, &mut out)?;
        }
    }
    if out.long.is_empty() {
        return Ok(());
    }
    let Output { bytes, long } = out;
    let mut pieces = Vec::with_capacity(2 * long.len() + 1);
    let mut start = before;
    for (place, list) in &long {
        pieces.extend([&bytes[start..*place], list]);
        start = *place;
    }
    pieces.push(&bytes[start..]);
    let streamed = match &mut to.stream {
        Some(stream) => stream.write(&pieces)?,
        None => false,
    };
    let whole = (!streamed).then(|| pieces.concat());
    bytes.truncate(before);
    bytes.extend(whole.into_iter().flatten());
    Ok(())
}

/// An encoded value, without the long lists that belong at these places in it.
struct Output<'a, 'm> {
    bytes: &'a mut Vec<u8>,
    long: Vec<(usize, &'m [u8])>,
}

impl Output<'_, '_> {
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.bytes.extend_from_slice(&bytes);
    }

    /// Writes flags, whose bits lie in these bytes. Bits without a name don't count.
    fn flags(&mut self, names: usize, bits: &[u8]) {
        let bytes = names.div_ceil(8);
        self.bytes.extend_from_slice(&bits[..bytes]);
        if let Some(last) = self.bytes.last_mut().filter(|_| !names.is_multiple_of(8)) {
            *last &= (1 << (names % 8)) - 1;
        }
    }

    /// Writes which case it is, and says what that carries.
    fn case(
        &mut self,
        cx: &LiftContext<'_>,
        ty: InterfaceType,
        case: u32,
    ) -> Result<Option<InterfaceType>> {
        let payload = payload(cx.types, ty, case as usize)
            .ok_or_else(|| Error::msg(format!("discriminant {case} out of range")))?;
        match ty {
            InterfaceType::Option(_) | InterfaceType::Result(_) => self.bytes.push(case as u8),
            _ => self.put(case.to_le_bytes()),
        }
        Ok(payload)
    }
}

/// Reads a value that is one core value or none, as are those of types with parts that have no more.
fn flat(
    cx: &mut LiftContext<'_>,
    ty: InterfaceType,
    value: ValRaw,
    out: &mut Output<'_, '_>,
) -> Result<()> {
    let types = cx.types;
    let bits = value.get_u64();
    match ty {
        InterfaceType::Bool => out.put([(bits as u32 != 0).into()]),
        InterfaceType::S8 | InterfaceType::U8 => out.put([bits as u8]),
        InterfaceType::S16 | InterfaceType::U16 => out.put((bits as u16).to_le_bytes()),
        InterfaceType::S32 | InterfaceType::U32 | InterfaceType::Float32 => {
            out.put((bits as u32).to_le_bytes());
        }
        InterfaceType::S64 | InterfaceType::U64 | InterfaceType::Float64 => {
            out.put(bits.to_le_bytes());
        }
        InterfaceType::Char => out.put(u32::from(char::try_from(bits as u32)?).to_le_bytes()),
        InterfaceType::Record(i) => {
            let mut fields = types[i].fields.iter();
            return fields.try_for_each(|field| flat(cx, field.ty, value, out));
        }
        InterfaceType::Tuple(i) => {
            let mut items = types[i].types.iter();
            return items.try_for_each(|item| flat(cx, *item, value, out));
        }
        InterfaceType::Flags(i) => out.flags(types[i].names.len(), &bits.to_le_bytes()),
        _ => {
            // What it carries is no core value, so it is nothing.
            out.case(cx, ty, bits as u32)?;
        }
    }
    Ok(())
}

/// Reads a value from this place in memory.
fn load<'m>(
    cx: &mut LiftContext<'m>,
    ty: InterfaceType,
    place: usize,
    out: &mut Output<'_, 'm>,
) -> Result<()> {
    let types = cx.types;
    match ty {
        InterfaceType::Bool => out.put([(read::<1>(cx, place)? != [0]).into()]),
        InterfaceType::S8 | InterfaceType::U8 => out.put(read::<1>(cx, place)?),
        InterfaceType::S16 | InterfaceType::U16 => out.put(read::<2>(cx, place)?),
        InterfaceType::S32 | InterfaceType::U32 | InterfaceType::Float32 => {
            out.put(read::<4>(cx, place)?);
        }
        InterfaceType::S64 | InterfaceType::U64 | InterfaceType::Float64 => {
            out.put(read::<8>(cx, place)?);
        }
        InterfaceType::Char => {
            let char = char::try_from(number(cx, place)?)?;
            out.put(u32::from(char).to_le_bytes());
        }
        InterfaceType::String => return text(cx, place, out),
        InterfaceType::List(i) => return list(cx, types[i].element, place, out),
        InterfaceType::Record(i) => {
            let fields = types[i].fields.iter().map(|field| field.ty);
            return all(cx, fields, place, out);
        }
        InterfaceType::Tuple(i) => return all(cx, types[i].types.iter().copied(), place, out),
        InterfaceType::Flags(i) => {
            let size = types.canonical_abi(&ty).size32 as usize;
            let bits = slice(cx, place, size).ok_or_else(beyond)?;
            out.flags(types[i].names.len(), bits);
        }
        InterfaceType::Variant(i) => return variant(cx, ty, &types[i].info, place, out),
        InterfaceType::Enum(i) => return variant(cx, ty, &types[i].info, place, out),
        InterfaceType::Option(i) => return variant(cx, ty, &types[i].info, place, out),
        InterfaceType::Result(i) => return variant(cx, ty, &types[i].info, place, out),
        _ => return Err(Error::msg("a type without bytes was not refused")),
    }
    Ok(())
}

/// Reads fields that lie one after the other, each where its alignment puts it.
fn all<'m>(
    cx: &mut LiftContext<'m>,
    mut fields: impl Iterator<Item = InterfaceType>,
    place: usize,
    out: &mut Output<'_, 'm>,
) -> Result<()> {
    let types = cx.types;
    let mut end = 0;
    fields.try_for_each(|ty| {
        let offset = types.canonical_abi(&ty).next_field32_size(&mut end);
        load(cx, ty, place + offset, out)
    })
}

fn variant<'m>(
    cx: &mut LiftContext<'m>,
    ty: InterfaceType,
    info: &VariantInfo,
    place: usize,
    out: &mut Output<'_, 'm>,
) -> Result<()> {
    let case = match info.size.byte_size() {
        1 => read::<1>(cx, place)?[0].into(),
        2 => u16::from_le_bytes(read(cx, place)?).into(),
        _ => number(cx, place)?,
    };
    match out.case(cx, ty, case)? {
        Some(ty) => load(cx, ty, place + info.payload_offset32 as usize, out),
        None => Ok(()),
    }
}

fn list<'m>(
    cx: &mut LiftContext<'m>,
    item: InterfaceType,
    place: usize,
    out: &mut Output<'_, 'm>,
) -> Result<()> {
    let (start, count) = (number(cx, place)? as usize, number(cx, place + 4)? as usize);
    let abi = cx.types.canonical_abi(&item);
    let size = abi.size32 as usize;
    let items = count
        .checked_mul(size)
        .and_then(|bytes| slice(cx, start, bytes));
    let items = items.ok_or_else(|| Error::msg("list pointer/length out of bounds of memory"))?;
    if !start.is_multiple_of(abi.align32 as usize) {
        return Err(Error::msg("list pointer is not aligned"));
    }
    // Lists may share their memory, so that a few of them are more than all of it.
    let expansion = if is_plain(item) { 1 } else { MOST_EXPANSION };
    cx.consume_fuel_array(items.len(), expansion)?;
    put_length(count, out.bytes);
    if !is_plain(item) {
        return (0..count).try_for_each(|number| load(cx, item, start + number * size, out));
    }
    if items.len() < LONG_BYTES {
        out.bytes.extend_from_slice(items);
    } else {
        out.long.push((out.bytes.len(), items));
    }
    Ok(())
}

fn text(cx: &mut LiftContext<'_>, place: usize, out: &mut Output<'_, '_>) -> Result<()> {
    let pair = slice(cx, place, 8).ok_or_else(beyond)?;
    if cx.options().string_encoding != StringEncoding::Utf8 {
        let text = String::linear_lift_from_memory(cx, InterfaceType::String, pair)?;
        return put_text(&text, out.bytes);
    }
    let (start, length) = (number(cx, place)? as usize, number(cx, place + 4)? as usize);
    let text = slice(cx, start, length);
    let text = text.ok_or_else(|| Error::msg("string pointer/length out of bounds of memory"))?;
    cx.consume_fuel(length)?;
    put_text(str::from_utf8(text)?, out.bytes)
}

fn number(cx: &LiftContext<'_>, place: usize) -> Result<u32> {
    Ok(u32::from_le_bytes(read(cx, place)?))
}

fn read<const N: usize>(cx: &LiftContext<'_>, place: usize) -> Result<[u8; N]> {
    let bytes = cx.memory().get(place..).and_then(<[u8]>::first_chunk);
    bytes.copied().ok_or_else(beyond)
}

fn slice<'m>(cx: &LiftContext<'m>, place: usize, bytes: usize) -> Option<&'m [u8]> {
    cx.memory().get(place..)?.get(..bytes)
}

#[cold]
fn beyond() -> Error {
    Error::msg("pointer out of bounds of memory")
}
