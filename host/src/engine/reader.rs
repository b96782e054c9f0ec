//! Encoded arguments, read from front to back. The bytes come from the parent, who is trusted; a length that leads past
//! their end is an error all the same, never a panic and never an allocation.

/// Arguments that don't decode as the function's types.
#[derive(Debug, thiserror::Error)]
#[error("its arguments don't decode: {0}")]
pub(super) struct Undecodable(pub(super) &'static str);

/// What is left of the arguments.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    /// The next bytes of a fixed width.
    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Undecodable> {
        let (array, rest) = self
            .0
            .split_first_chunk()
            .ok_or(Undecodable("they end early"))?;
        self.0 = rest;
        Ok(*array)
    }

    /// The next bytes.
    pub(super) fn slice(&mut self, bytes: usize) -> Result<&'a [u8], Undecodable> {
        let split = self.0.split_at_checked(bytes);
        let (slice, rest) = split.ok_or(Undecodable("they end early"))?;
        self.0 = rest;
        Ok(slice)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Undecodable> {
        let length = self.length()?;
        let bytes = self.slice(length);
        let bytes = bytes.map_err(|_| Undecodable("a list is longer than they are"))?;
        str::from_utf8(bytes).map_err(|_| Undecodable("a string is not UTF-8"))
    }

    pub(super) fn char(&mut self) -> Result<char, Undecodable> {
        char::from_u32(u32::from_le_bytes(self.array()?)).ok_or(Undecodable("a char is none"))
    }

    /// A `bool`, or whether an option has a value, or whether a result is its `err` case.
    #[inline]
    pub(super) fn bool(&mut self) -> Result<bool, Undecodable> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Undecodable("a bool is neither 0 nor 1")),
        }
    }

    /// The number of items in a list, or the index of a case.
    #[inline]
    pub(super) fn length(&mut self) -> Result<usize, Undecodable> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// How many bytes are left. Each item of a list takes at least one.
    pub(super) fn left(&self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(super) fn end(self) -> Result<(), Undecodable> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Undecodable("bytes are left over"))
        }
    }
}

/// Appends the number of items in a list, or the index of a case.
#[inline]
pub(super) fn put_length(length: usize, out: &mut Vec<u8>) {
    // A guest's memory ends at 4 GiB, so that no list in it has more items than that.
    let length = u32::try_from(length).expect("a 32-bit memory holds no longer list");
    out.extend_from_slice(&length.to_le_bytes());
}

/// Appends a text. One that a guest has in UTF-16 takes up to one and a half times as many bytes here.
pub(super) fn put_text(text: &str, out: &mut Vec<u8>) -> wasmtime::Result<()> {
    if u32::try_from(text.len()).is_err() {
        return Err(wasmtime::Error::msg("a text is longer than 4 GiB"));
    }
    put_length(text.len(), out);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}
