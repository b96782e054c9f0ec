//! Arguments on their way into the guest: as core values where they are few, in its memory otherwise.
//!
//! *Source*: Canonical ABI, `lower_flat` and `store`.

use super::{MOST_FLAT, is_plain, lower_text, payload};
use crate::engine::passing::Passing;
use crate::engine::reader::Undecodable;
use std::slice::IterMut;
use wasmtime::component::__internal::wasmtime_environ::component::VariantInfo;
use wasmtime::component::__internal::{ComponentTypes, InterfaceType, LowerContext};
use wasmtime::{Error, Result, ValRaw};

/// Writes the core values that stand for all arguments together.
pub(super) fn arguments<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    from: &mut Passing<'_>,
    values: &mut [ValRaw; MOST_FLAT],
) -> Result<()> {
    let abi = cx.types.canonical_abi(&ty);
    if abi.flat_count(MOST_FLAT).is_some() {
        flat(cx, ty, from, &mut values.iter_mut())?;
    } else {
        let place = cx.realloc(0, 0, abi.align32, abi.size32 as usize)?;
        store(cx, ty, from, place)?;
        values[0] = ValRaw::u64(place as u64);
    }
    from.end()
}

/// Writes the next value as core values. A core value of 32 bits is written with 64, as it may stand where a case of
/// another type would have one of 64.
fn flat<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    from: &mut Passing<'_>,
    to: &mut IterMut<'_, ValRaw>,
) -> Result<()> {
    let types = cx.types;
    let mut put = |word: u64| put(to, ValRaw::u64(word));
    match ty {
        InterfaceType::Bool => put(from.bool()?.into()),
        InterfaceType::S8 => put((i8::from_le_bytes(from.array()?) as u32).into()),
        InterfaceType::U8 => put(u8::from_le_bytes(from.array()?).into()),
        InterfaceType::S16 => put((i16::from_le_bytes(from.array()?) as u32).into()),
        InterfaceType::U16 => put(u16::from_le_bytes(from.array()?).into()),
        InterfaceType::S32 | InterfaceType::U32 | InterfaceType::Float32 => {
            put(u32::from_le_bytes(from.array()?).into())
        }
        InterfaceType::S64 | InterfaceType::U64 | InterfaceType::Float64 => {
            put(u64::from_le_bytes(from.array()?))
        }
        InterfaceType::Char => put(u32::from(from.char()?).into()),
        InterfaceType::String => {
            let text = from.text()?;
            let mut place = lower_text(cx, &text)?.into_iter();
            place.try_for_each(|value| self::put(to, value))
        }
        InterfaceType::List(i) => {
            let (place, count) = list(cx, types[i].element, from)?;
            put(place as u64)?;
            put(count as u64)
        }
        InterfaceType::Record(i) => {
            let mut fields = types[i].fields.iter();
            fields.try_for_each(|field| flat(cx, field.ty, from, to))
        }
        InterfaceType::Tuple(i) => {
            let mut items = types[i].types.iter();
            items.try_for_each(|item| flat(cx, *item, from, to))
        }
        InterfaceType::Flags(i) => {
            let bits = flags(types[i].names.len(), from)?;
            let words = bits.chunks(4).take(to.len());
            for word in words {
                let mut bytes = [0; 4];
                bytes[..word.len()].copy_from_slice(word);
                self::put(to, ValRaw::u64(u32::from_le_bytes(bytes).into()))?;
            }
            Ok(())
        }
        _ => {
            let (case, payload, _) = case(types, ty, from)?;
            put(case as u64)?;
            let mut written = 1;
            if let Some(ty) = payload {
                flat(cx, ty, from, to)?;
                written += flat_count(types, ty);
            }
            // Other cases may have more core values than this one.
            (written..flat_count(types, ty)).try_for_each(|_| self::put(to, ValRaw::u64(0)))
        }
    }
}

/// Writes the next value into the guest's memory, where there is room for it.
fn store<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    from: &mut Passing<'_>,
    place: usize,
) -> Result<()> {
    let types = cx.types;
    match ty {
        InterfaceType::Bool => *cx.get(place) = [from.bool()?.into()],
        InterfaceType::S8 | InterfaceType::U8 => *cx.get(place) = from.array::<1>()?,
        InterfaceType::S16 | InterfaceType::U16 => *cx.get(place) = from.array::<2>()?,
        InterfaceType::S32 | InterfaceType::U32 | InterfaceType::Float32 => {
            *cx.get(place) = from.array::<4>()?;
        }
        InterfaceType::S64 | InterfaceType::U64 | InterfaceType::Float64 => {
            *cx.get(place) = from.array::<8>()?;
        }
        InterfaceType::Char => *cx.get(place) = u32::from(from.char()?).to_le_bytes(),
        InterfaceType::String => {
            let text = from.text()?;
            let [text, length] = lower_text(cx, &text)?.map(|value| value.get_u32());
            *cx.get(place) = text.to_le_bytes();
            *cx.get(place + 4) = length.to_le_bytes();
        }
        InterfaceType::List(i) => {
            let (items, count) = list(cx, types[i].element, from)?;
            *cx.get(place) = (items as u32).to_le_bytes();
            *cx.get(place + 4) = (count as u32).to_le_bytes();
        }
        InterfaceType::Record(i) => {
            let fields = types[i].fields.iter().map(|field| field.ty);
            return all(cx, fields, from, place);
        }
        InterfaceType::Tuple(i) => {
            return all(cx, types[i].types.iter().copied(), from, place);
        }
        InterfaceType::Flags(i) => {
            let bits = flags(types[i].names.len(), from)?;
            let size = types.canonical_abi(&ty).size32 as usize;
            let room = cx.as_slice_mut().get_mut(place..).unwrap_or_default();
            for (place, byte) in room
                .iter_mut()
                .zip(bits.into_iter().chain([0; 4]))
                .take(size)
            {
                *place = byte;
            }
        }
        _ => {
            let (case, payload, info) = case(types, ty, from)?;
            let case = (case as u32).to_le_bytes();
            match info.size.byte_size() {
                1 => *cx.get(place) = [case[0]],
                2 => *cx.get(place) = [case[0], case[1]],
                _ => *cx.get(place) = case,
            }
            if let Some(ty) = payload {
                return store(cx, ty, from, place + info.payload_offset32 as usize);
            }
        }
    }
    Ok(())
}

/// Writes fields one after the other, each where its alignment puts it.
fn all<T>(
    cx: &mut LowerContext<'_, T>,
    mut fields: impl Iterator<Item = InterfaceType>,
    from: &mut Passing<'_>,
    place: usize,
) -> Result<()> {
    let types = cx.types;
    let mut end = 0;
    fields.try_for_each(|ty| {
        let offset = types.canonical_abi(&ty).next_field32_size(&mut end);
        store(cx, ty, from, place + offset)
    })
}

/// Writes a list to where the guest wants it, and says where that is and how many items it has.
fn list<T>(
    cx: &mut LowerContext<'_, T>,
    item: InterfaceType,
    from: &mut Passing<'_>,
) -> Result<(usize, usize)> {
    let count = from.length()?;
    let abi = cx.types.canonical_abi(&item);
    let bytes = count.checked_mul(abi.size32 as usize);
    let least = if is_plain(item) { bytes } else { Some(count) };
    let (Some(bytes), Some(least)) = (bytes, least) else {
        return Err(Undecodable("a list is longer than they are").into());
    };
    if least > from.left() {
        return Err(Undecodable("a list is longer than they are").into());
    }
    let place = cx.realloc(0, 0, abi.align32, bytes)?;
    if is_plain(item) {
        from.fill(&mut cx.as_slice_mut()[place..][..bytes])?;
    } else {
        for number in 0..count {
            store(cx, item, from, place + number * abi.size32 as usize)?;
        }
    }
    Ok((place, count))
}

/// The bits of flags, in as few bytes as hold them.
fn flags(names: usize, from: &mut Passing<'_>) -> Result<Vec<u8>> {
    let mut bits = vec![0; names.div_ceil(8)];
    from.fill(&mut bits)?;
    match bits.last() {
        Some(last) if !names.is_multiple_of(8) && last >> (names % 8) != 0 => {
            Err(Undecodable("a flag is set that has no name").into())
        }
        _ => Ok(bits),
    }
}

/// Which case comes next, what it carries, and how such a type lies in memory.
fn case<'t>(
    types: &'t ComponentTypes,
    ty: InterfaceType,
    from: &mut Passing<'_>,
) -> Result<(usize, Option<InterfaceType>, &'t VariantInfo)> {
    let (case, info, unknown) = match ty {
        InterfaceType::Variant(i) => (from.length()?, &types[i].info, "a variant has no such case"),
        InterfaceType::Enum(i) => (from.length()?, &types[i].info, "an enum has no such case"),
        InterfaceType::Option(i) => (from.bool()?.into(), &types[i].info, ""),
        InterfaceType::Result(i) => (from.bool()?.into(), &types[i].info, ""),
        _ => return Err(Error::msg("a type without bytes was not refused")),
    };
    let payload = payload(types, ty, case).ok_or(Undecodable(unknown))?;
    Ok((case, payload, info))
}

fn flat_count(types: &ComponentTypes, ty: InterfaceType) -> usize {
    // Whoever comes here has room for all core values of the type that this one is a part of.
    types.canonical_abi(&ty).flat_count.map_or(0, usize::from)
}

fn put(to: &mut IterMut<'_, ValRaw>, value: ValRaw) -> Result<()> {
    let place = to
        .next()
        .ok_or_else(|| Error::msg("too many core values"))?;
    *place = value;
    Ok(())
}
