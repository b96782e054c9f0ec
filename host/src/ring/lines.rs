//! Lines on their way from a worker to its parent: one more ring, beside the answers, so that lines come before their job ends and
//! outlive the worker.
//!
//! It has the steps of the other rings, but nobody has to drain it: where a line finds no space, whoever writes it may drop it, and
//! count what was lost.

use super::protocol::{OutOfBounds, Reading, Writing};
use super::{LINES, Mapping, Reader, Word, Writer};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How many bytes of lines there are at most: some thousand short ones.
pub(crate) const LINES_BYTES: usize = 256 << 10;

/// The worker's end.
pub(crate) struct LineWriter {
    own: Arc<Mapping>,
    peer: Arc<Mapping>,
    index: Writing<LINES_BYTES>,
}

impl LineWriter {
    pub(crate) fn new(writer: &Writer) -> LineWriter {
        LineWriter {
            own: writer.own.clone(),
            peer: writer.peer.clone(),
            index: Writing::default(),
        }
    }

    /// Writes all of it, if there is space, and says whether there was.
    pub(crate) fn put(&mut self, line: &[u8]) -> Result<bool, OutOfBounds> {
        let taken = self.peer.word(Word::LinesTaken);
        if self.index.space(taken)? < line.len() {
            return Ok(false);
        }
        self.index.write(line.len(), taken, |place, _| {
            let (before, behind) = line.split_at(line.len().min(LINES_BYTES - place));
            self.own.put(LINES + place, before);
            self.own.put(LINES, behind);
        })?;
        self.index.publish(self.own.word(Word::LinesPublished));
        Ok(true)
    }

    /// One more line was dropped.
    pub(crate) fn lose(&self) {
        self.own
            .word(Word::LinesLost)
            .fetch_add(1, Ordering::Relaxed);
    }
}

/// The parent's end.
pub(crate) struct LineReader {
    own: Arc<Mapping>,
    peer: Arc<Mapping>,
    index: Reading<LINES_BYTES>,
    /// How many lost ones were told of.
    lost: u64,
}

impl LineReader {
    pub(crate) fn new(reader: &Reader) -> LineReader {
        LineReader {
            own: reader.own.clone(),
            peer: reader.peer.clone(),
            index: Reading::default(),
            lost: 0,
        }
    }

    /// Whether there are any.
    pub(crate) fn has_any(&mut self) -> Result<bool, OutOfBounds> {
        let published = self.peer.word(Word::LinesPublished);
        Ok(self.index.available(published)? > 0)
    }

    /// Takes all there are, copied once.
    pub(crate) fn take(&mut self) -> Result<Vec<u8>, OutOfBounds> {
        let mut lines = Vec::new();
        let (published, taken) = (
            self.peer.word(Word::LinesPublished),
            self.own.word(Word::LinesTaken),
        );
        self.index
            .take(usize::MAX, published, taken, |place, length| {
                let before = length.min(LINES_BYTES - place);
                lines = self.peer.copy(LINES + place, before);
                lines.extend(self.peer.copy(LINES, length - before));
            })?;
        Ok(lines)
    }

    /// How many were dropped since this was last asked, by the worker's word.
    pub(crate) fn lost(&mut self) -> u64 {
        let lost = self.peer.word(Word::LinesLost).load(Ordering::Relaxed);
        let before = std::mem::replace(&mut self.lost, lost);
        lost.saturating_sub(before)
    }
}
