//! What a parent and its compile helper say to each other: one request, one answer.
//!
//! Each is a head of this module and then bytes: the component in the request, the machine code in the answer. Both
//! travel in shared memory that the parent made, so that nobody waits for the other to read. The helper is held to be
//! hostile, as the component may have won: its head is read into our own memory, in bounds, before it is looked at.

use crate::lockdown::Sandbox;
use crate::types::Description;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

/// How long a head may be, in bytes: hundreds of times what the largest of our examples needs, and little enough that a
/// head that was made to unfold in memory stays within a few hundred megabytes.
pub(super) const MAX_HEAD_BYTES: u32 = 4 << 20;

/// What the helper is to do, before the component's bytes.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Request {
    /// What to call the component in an error's text.
    pub(super) name: String,
    /// Whether the machine code counts fuel.
    pub(super) fuel: bool,
    /// Whether to add sweeps.
    pub(super) sweeps: bool,
    /// How much processor time the helper may use, all threads together.
    pub(super) processor_seconds: u64,
    /// How much memory it may use.
    pub(super) memory_bytes: u64,
    /// How long its answer may be.
    pub(super) answer_bytes: u64,
    /// What has to stand around the helper's process.
    pub(super) sandbox: Sandbox,
}

/// What the helper found, before the machine code.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// It compiled, and this many bytes of machine code follow.
    Compiled {
        description: Description,
        code_bytes: u64,
    },
    /// It didn't, and nothing follows.
    Refused(Refusal),
}

/// Why something doesn't compile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    /// It is a core module.
    CoreModule,
    /// It is no valid component, for this reason.
    Invalid(String),
    /// The machine doesn't give the walls that are wanted: these are missing.
    Unprotected(String),
}

/// Writes a head: our version and the length, each as four little-endian bytes, then the message.
pub(super) fn write_head(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let message = postcard::to_stdvec(message).map_err(io::Error::other)?;
    let length = u32::try_from(message.len())
        .ok()
        .filter(|length| *length <= MAX_HEAD_BYTES);
    let length = length.ok_or_else(|| nonsense("the message is too long"))?;
    to.write_all(&crate::wire::VERSION.to_le_bytes())?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&message)
}

/// Reads a head, and leaves the reader at what follows.
pub(super) fn read_head<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut number = [0; 4];
    let cut_short = |_| nonsense("its message is cut short");
    from.read_exact(&mut number).map_err(cut_short)?;
    if u32::from_le_bytes(number) != crate::wire::VERSION {
        return Err(nonsense("it speaks another version"));
    }
    from.read_exact(&mut number).map_err(cut_short)?;
    let length = u32::from_le_bytes(number);
    if length > MAX_HEAD_BYTES {
        return Err(nonsense("its message is longer than a message may be"));
    }
    let mut message = vec![0; length as usize];
    from.read_exact(&mut message).map_err(cut_short)?;
    postcard::from_bytes(&message).map_err(|_| nonsense("its message cannot be understood"))
}

fn nonsense(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
