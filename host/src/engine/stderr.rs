//! What a guest writes to its standard error: each piece goes to whoever loaded the guest, and the last bytes are kept for
//! the report of a fault.

use super::written::{PIECE_BYTES, Stdout, Written};
use crate::job::STDERR_KEPT;
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::pipe::SinkOutputStream;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Where a guest's standard error goes besides the reports: called with each piece that the guest writes.
pub(super) type StderrSink = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// A guest's standard error. All clones are the same stream.
#[derive(Clone)]
pub(super) struct Stderr {
    sink: StderrSink,
    kept: Arc<Kept>,
    /// What is written here and to the standard output, if that is limited.
    written: Option<Written>,
}

#[derive(Default)]
struct Kept {
    /// Whether anything was written since [`Stderr::forget`], so that a silent job costs no lock.
    any: AtomicBool,
    bytes: Mutex<Vec<u8>>,
}

impl Stderr {
    pub(super) fn new(sink: StderrSink, limit_bytes: Option<u64>) -> Self {
        Stderr {
            sink,
            kept: Arc::default(),
            written: limit_bytes.map(Written::new),
        }
    }

    /// The standard output that shares its limit, if there is one.
    pub(super) fn stdout(&self) -> Option<Stdout> {
        self.written.clone().map(Stdout)
    }

    /// A job begins: what earlier ones wrote isn't its own.
    pub(super) fn forget(&self) {
        self.written.iter().for_each(Written::forget);
        if self.kept.any.load(Ordering::Relaxed) {
            self.kept.any.store(false, Ordering::Relaxed);
            self.bytes().clear();
        }
    }

    /// Whether anything was written since [`forget`](Stderr::forget).
    pub(super) fn has_any(&self) -> bool {
        self.kept.any.load(Ordering::Relaxed)
    }

    /// The last [`STDERR_KEPT`] bytes since [`forget`](Stderr::forget).
    pub(super) fn last(&self) -> String {
        let bytes = self.bytes();
        let mut text = String::from_utf8_lossy(last(&bytes)).into_owned();
        // Each byte that isn't UTF-8 became a sign of three bytes.
        let surplus = text.len().saturating_sub(STDERR_KEPT);
        text.drain(..text.ceil_char_boundary(surplus));
        text
    }

    pub(super) fn write(&self, piece: &[u8]) {
        (self.sink)(piece);
        self.kept.any.store(true, Ordering::Relaxed);
        let mut bytes = self.bytes();
        if bytes.len() + piece.len() > 2 * STDERR_KEPT {
            let kept = last(&bytes).to_vec();
            *bytes = kept;
        }
        bytes.extend_from_slice(last(piece));
    }

    /// Writes a whole line.
    ///
    /// # Errors
    ///
    /// It was too much, which stops the guest.
    pub(super) fn line(&self, line: &str) -> wasmtime::Result<()> {
        let Some(written) = &self.written else {
            self.write(line.as_bytes());
            return Ok(());
        };
        self.write(written.count(line.as_bytes()));
        written.limit().map_err(wasmtime::Error::new)
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.kept
            .bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn last(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.len().saturating_sub(STDERR_KEPT)..]
}

impl IsTerminal for Stderr {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stderr {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    /// Only WASI 0.3 asks for this kind of stream, and isn't linked.
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        SinkOutputStream.async_stream()
    }
}

#[async_trait]
impl OutputStream for Stderr {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match &self.written {
            None => Stderr::write(self, &bytes),
            Some(written) => {
                Stderr::write(self, written.count(&bytes));
                written.check()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PIECE_BYTES)
    }
}

#[async_trait]
impl Pollable for Stderr {
    async fn ready(&mut self) {}
}
