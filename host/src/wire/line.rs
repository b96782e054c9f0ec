//! What a guest logs, as it goes from its worker to the parent: a length in four bytes and the encoded line.

use crate::job::Level;
use serde::{Deserialize, Serialize};

/// How long a context and a message may be, in bytes. What is longer is cut.
pub(crate) const CONTEXT_BYTES: usize = 256;
pub(crate) const MESSAGE_BYTES: usize = 16 << 10;

/// A line of a guest's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) level: Level,
    /// The job's place in its input.
    pub(crate) job: u64,
    pub(crate) context: String,
    pub(crate) message: String,
}

impl Line {
    pub(crate) fn new(level: Level, job: u64, mut context: String, mut message: String) -> Line {
        context.truncate(context.floor_char_boundary(CONTEXT_BYTES));
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
        Line {
            level,
            job,
            context,
            message,
        }
    }

    /// Makes `bytes` those of this line.
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.extend([0; 4]);
        let whole = postcard::to_extend(self, std::mem::take(bytes));
        *bytes = whole.expect("a line is made of what can be written");
        // It was cut to much less than four bytes can count.
        let length = (bytes.len() - 4) as u32;
        bytes[..4].copy_from_slice(&length.to_le_bytes());
    }

    /// The lines that these bytes are, all of them whole; `None` if they are something else.
    pub(crate) fn decode_all(mut bytes: &[u8]) -> Option<Vec<Line>> {
        let mut lines = Vec::new();
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_first_chunk()?;
            let (line, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            let line: Line = postcard::from_bytes(line).ok()?;
            let fits = line.context.len() <= CONTEXT_BYTES && line.message.len() <= MESSAGE_BYTES;
            lines.push(Some(line).filter(|_| fits)?);
            bytes = rest;
        }
        Some(lines)
    }
}
