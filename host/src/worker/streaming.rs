//! Arguments and results that are too long to be in a ring at once: they come and go piece by piece while the job is called.

use super::line::Line;
use crate::engine::Stream;
use crate::ring::Reader;
use crate::wire::{Header, Kind};
use rustix::io::Errno;
use std::io;

/// How much of long arguments is taken before the parent gets its space back, in bytes, so that it fills one piece while
/// another is copied.
const PIECE_BYTES: usize = 32 << 10;

/// The streams of one job.
pub(super) struct Streaming<'s> {
    line: &'s mut Line,
    /// Where the arguments come from, and how many bytes of their frame are still to come.
    incoming: Option<(&'s mut Reader, usize)>,
    /// The request whose answer may be streamed.
    request: Option<Header>,
    max_result_bytes: u32,
    was_sent: bool,
    broken: Result<(), Errno>,
}

impl<'s> Streaming<'s> {
    /// For a job whose arguments are here.
    pub(super) fn new(
        line: &'s mut Line,
        request: Option<Header>,
        max_result_bytes: u32,
    ) -> Streaming<'s> {
        Streaming {
            line,
            incoming: None,
            request,
            max_result_bytes,
            was_sent: false,
            broken: Ok(()),
        }
    }

    /// Takes arguments from there: so many bytes with what fills the frame up.
    pub(super) fn take_from(&mut self, requests: &'s mut Reader, bytes: usize) {
        self.incoming = Some((requests, bytes));
    }

    /// Takes what is left of the arguments, and says whether the answer was sent. Fails if the channel makes no sense.
    pub(super) fn end(mut self) -> Result<bool, Errno> {
        self.broken?;
        self.take_rest()?;
        Ok(self.was_sent)
    }

    /// Takes what is left of the frame: a parent believes no answer to a request that it has not sent to the end.
    fn take_rest(&mut self) -> Result<(), Errno> {
        while let Some((_, 1..)) = self.incoming {
            self.next(usize::MAX, |_| ())?;
        }
        Ok(())
    }

    /// Gives the next bytes of arguments to `to`, some but no more than `most`, and says how many.
    fn next(&mut self, most: usize, to: impl FnOnce(&[u8])) -> Result<usize, Errno> {
        let (requests, left) = self.incoming.as_mut().ok_or(Errno::IO)?;
        self.line.wait_for(1, requests, || ())?;
        let there = requests.available().map_err(|_| Errno::IO)?;
        let piece = there.min(*left).min(most).min(PIECE_BYTES);
        to(requests.peek(piece));
        requests.release(piece);
        requests.give_back();
        *left -= piece;
        Ok(piece)
    }

    fn fill(&mut self, mut into: &mut [u8]) -> Result<(), Errno> {
        while !into.is_empty() {
            let read = self.next(into.len(), |piece| {
                into[..piece.len()].copy_from_slice(piece)
            })?;
            into = &mut into[read..];
        }
        Ok(())
    }

    fn send(&mut self, header: Header, pieces: &[&[u8]]) -> Result<(), Errno> {
        self.take_rest()?;
        self.was_sent = true;
        self.line.write(&header.encode())?;
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            self.line.write(piece)?;
        }
        let filling = header.frame_bytes() - header.payload().end;
        self.line.write(&[0; 8][..filling])
    }
}

impl Stream for Streaming<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<()> {
        Ok(self
            .fill(into)
            .inspect_err(|errno| self.broken = Err(*errno))?)
    }

    fn write(&mut self, pieces: &[&[u8]]) -> io::Result<bool> {
        let length = pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        let (Some(request), true) = (self.request, length <= self.max_result_bytes.into()) else {
            return Ok(false);
        };
        let header = Header {
            kind: Kind::Value,
            job: request.job,
            length: length as u32,
        };
        self.send(header, pieces)
            .inspect_err(|errno| self.broken = Err(*errno))?;
        Ok(true)
    }
}
