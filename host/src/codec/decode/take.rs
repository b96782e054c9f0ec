//! The pieces that values are made of, taken from the front of bytes that may be anything.

use super::DecodeError;

/// Takes the next `N` bytes.
#[inline]
pub(crate) fn take<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], DecodeError> {
    let (head, tail) = input
        .split_first_chunk::<N>()
        .ok_or(DecodeError::Malformed("the value is cut short"))?;
    *input = tail;
    Ok(*head)
}

/// Takes the next `length` bytes.
pub(crate) fn take_slice<'de>(
    input: &mut &'de [u8],
    length: usize,
) -> Result<&'de [u8], DecodeError> {
    let (head, tail) = input
        .split_at_checked(length)
        .ok_or(DecodeError::Malformed("the value is cut short"))?;
    *input = tail;
    Ok(head)
}

/// Takes a count of items, each of which takes at least one of the bytes that follow.
pub(crate) fn take_count(input: &mut &[u8]) -> Result<usize, DecodeError> {
    let count = u32::from_le_bytes(take(input)?) as usize;
    if count > input.len() {
        Err(DecodeError::Malformed("a list is longer than its bytes"))
    } else {
        Ok(count)
    }
}

/// Takes the index of a case, which must be one of `cases`.
pub(crate) fn take_case(input: &mut &[u8], cases: usize) -> Result<usize, DecodeError> {
    let case = u32::from_le_bytes(take(input)?) as usize;
    if case < cases {
        Ok(case)
    } else {
        Err(DecodeError::Malformed("there is no such case"))
    }
}

/// Takes the byte that tells the two cases of an option or a result apart, or that is a bool.
pub(crate) fn take_bool(input: &mut &[u8]) -> Result<bool, DecodeError> {
    match take(input)? {
        [0] => Ok(false),
        [1] => Ok(true),
        _ => Err(DecodeError::Malformed("a yes or no is neither")),
    }
}

pub(crate) fn take_str<'de>(input: &mut &'de [u8]) -> Result<&'de str, DecodeError> {
    let length = take_count(input)?;
    std::str::from_utf8(take_slice(input, length)?)
        .map_err(|_| DecodeError::Malformed("a string is not UTF-8"))
}

pub(crate) fn take_char(input: &mut &[u8]) -> Result<char, DecodeError> {
    char::from_u32(u32::from_le_bytes(take(input)?))
        .ok_or(DecodeError::Malformed("a character is none"))
}
