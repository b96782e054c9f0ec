//! How much a job writes to its standard output and error together, where that is limited.

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::pipe::SinkOutputStream;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// How much a guest may write at a time, in bytes. Wasmtime allocates that much if a guest asks for zeros to be written.
pub(super) const PIECE_BYTES: usize = 64 << 10;

/// What a job has written and may write. All clones count together.
#[derive(Clone)]
pub(super) struct Written {
    limit: u64,
    bytes: Arc<AtomicU64>,
}

/// The guest wrote more than so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {0} bytes written")]
pub(super) struct TooMuchWritten(pub(super) u64);

impl Written {
    pub(super) fn new(limit: u64) -> Written {
        Written {
            limit,
            bytes: Arc::default(),
        }
    }

    /// A job begins.
    pub(super) fn forget(&self) {
        self.bytes.store(0, Ordering::Relaxed);
    }

    /// Counts a piece, and gives as much of it as may be written.
    pub(super) fn count<'a>(&self, piece: &'a [u8]) -> &'a [u8] {
        let before = self.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
        let left = self.limit.saturating_sub(before).min(piece.len() as u64);
        &piece[..left as usize]
    }

    /// # Errors
    ///
    /// It was too much, which stops the guest.
    pub(super) fn limit(&self) -> Result<(), TooMuchWritten> {
        match self.bytes.load(Ordering::Relaxed) <= self.limit {
            true => Ok(()),
            false => Err(TooMuchWritten(self.limit)),
        }
    }

    /// The same for a stream.
    pub(super) fn check(&self) -> StreamResult<()> {
        let within = self.limit().map_err(wasmtime::Error::new);
        within.map_err(StreamError::Trap)
    }
}

/// A standard output that goes nowhere, and is counted.
#[derive(Clone)]
pub(super) struct Stdout(pub(super) Written);

impl IsTerminal for Stdout {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stdout {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    /// Only WASI 0.3 asks for this kind of stream, and isn't linked.
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        SinkOutputStream.async_stream()
    }
}

#[async_trait]
impl OutputStream for Stdout {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.count(&bytes);
        self.0.check()
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PIECE_BYTES)
    }
}

#[async_trait]
impl Pollable for Stdout {
    async fn ready(&mut self) {}
}
