//! What passes in one call: encoded arguments on their way in, an encoded result on its way out.
//!
//! What is short lies in memory as a whole. What is too long for the channel comes and goes by a stream, piece by piece, so
//! that it is copied once from the channel into the guest and once back, while the other process works at its other end.
//! This module doesn't know what the bytes mean.

use super::reader::{Reader, Undecodable};
use std::borrow::Cow;
use std::io;
use wasmtime::Result;

/// Where long arguments come from and long results go.
pub(crate) trait Stream {
    /// Fills `into` with the next bytes of the arguments, and waits for them.
    fn read(&mut self, into: &mut [u8]) -> io::Result<()>;

    /// Sends a result, which is these pieces one after the other. `false` if this one has to be given back as a whole.
    fn write(&mut self, pieces: &[&[u8]]) -> io::Result<bool>;
}

/// The arguments and the result of one call.
pub(crate) struct Passing<'a> {
    /// The arguments that are here.
    arguments: Reader<'a>,
    /// How many bytes of arguments come after them, by the stream.
    later: usize,
    /// Where the result is appended, unless it was streamed.
    pub(super) result: &'a mut Vec<u8>,
    pub(super) stream: Option<&'a mut dyn Stream>,
}

impl<'a> Passing<'a> {
    /// All in memory.
    pub(crate) fn new(arguments: &'a [u8], result: &'a mut Vec<u8>) -> Passing<'a> {
        Passing {
            arguments: Reader::new(arguments),
            later: 0,
            result,
            stream: None,
        }
    }

    /// The same with a way for long results, and for so many bytes of arguments that are still to come.
    pub(crate) fn streamed(self, later: usize, stream: &'a mut dyn Stream) -> Passing<'a> {
        Passing {
            later,
            stream: Some(stream),
            ..self
        }
    }

    /// Fills `into` with the next bytes.
    pub(super) fn fill(&mut self, into: &mut [u8]) -> Result<()> {
        let here = self.arguments.left().min(into.len());
        let (now, later) = into.split_at_mut(here);
        now.copy_from_slice(self.arguments.slice(here)?);
        if later.is_empty() {
            return Ok(());
        }
        self.later = (self.later.checked_sub(later.len())).ok_or(Undecodable("they end early"))?;
        let stream = self.stream.as_mut().ok_or(Undecodable("they end early"))?;
        Ok(stream.read(later)?)
    }

    /// The next bytes of a fixed width.
    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        if self.later == 0 {
            return Ok(self.arguments.array()?);
        }
        let mut array = [0; N];
        self.fill(&mut array)?;
        Ok(array)
    }

    /// A `bool`, or whether an option has a value, or whether a result is its `err` case.
    pub(super) fn bool(&mut self) -> Result<bool> {
        let byte = self.array::<1>()?;
        Ok(Reader::new(&byte).bool()?)
    }

    pub(super) fn char(&mut self) -> Result<char> {
        let bytes = self.array::<4>()?;
        Ok(Reader::new(&bytes).char()?)
    }

    /// The number of items in a list, or the index of a case.
    pub(super) fn length(&mut self) -> Result<usize> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    /// A text. It is checked before it passes on, so one that comes in pieces is gathered.
    pub(super) fn text(&mut self) -> Result<Cow<'a, str>> {
        if self.later == 0 {
            return Ok(self.arguments.text()?.into());
        }
        let length = self.length()?;
        if length > self.left() {
            return Err(Undecodable("a list is longer than they are").into());
        }
        let mut text = vec![0; length];
        self.fill(&mut text)?;
        let text = String::from_utf8(text).map_err(|_| Undecodable("a string is not UTF-8"))?;
        Ok(text.into())
    }

    /// How many bytes are left. Each item of a list takes at least one.
    pub(super) fn left(&self) -> usize {
        self.arguments.left() + self.later
    }

    pub(super) fn end(&self) -> Result<()> {
        match self.left() {
            0 => Ok(()),
            _ => Err(Undecodable("bytes are left over").into()),
        }
    }

    /// All arguments, for those who need them in one piece.
    pub(super) fn whole(&mut self) -> Result<Cow<'a, [u8]>> {
        if self.later == 0 {
            return Ok(self.arguments.slice(self.arguments.left())?.into());
        }
        let mut arguments = vec![0; self.left()];
        self.fill(&mut arguments)?;
        Ok(arguments.into())
    }
}
