//! Calls of the host: each is counted, and a guest that makes more of them than its job may is stopped.
//!
//! They are counted where every host function begins, when it asks for what stands behind it: an addition and a comparison.
//! Wasmtime's own hook is a feature of its build that makes every call into and out of every guest dearer, limited or not,
//! and counts the growing of memory and Wasmtime's other helpers as calls. *Source*: Wasmtime 48.0.8,
//! `runtime/vm/traphandlers.rs`, `maybe_catch_unwind`.
//!
//! What is asked there cannot fail. So a guest over its limit is stopped by the epoch, at its next loop or function, and,
//! should it come to its end before, there.

use super::instance::State;
use std::time::Instant;
use wasmtime::{Engine, Store, UpdateDeadline};

/// The calls of a job.
pub(super) struct Calls {
    engine: Engine,
    limit: Option<u64>,
    made: u64,
    /// When the job's time is over, if both its calls and its time are limited.
    ends: Option<Instant>,
}

/// The guest made more calls than these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {0} calls of the host")]
pub(super) struct TooManyCalls(pub(super) u64);

impl Calls {
    pub(super) fn new(engine: &Engine, limit: Option<u64>) -> Calls {
        Calls {
            engine: engine.clone(),
            limit,
            made: 0,
            ends: None,
        }
    }

    /// Whether a store has to [`watch`] them. Then the deadline of a job is kept here.
    pub(super) fn are_limited(&self) -> bool {
        self.limit.is_some()
    }

    /// A job begins, whose time is over then.
    pub(super) fn begin(&mut self, ends: Option<Instant>) {
        self.made = 0;
        self.ends = ends;
    }

    #[inline]
    pub(super) fn count(&mut self) {
        self.made += 1;
        if self.limit.is_some_and(|limit| self.made > limit) {
            // The deadline of a watched store is always the next epoch.
            self.engine.increment_epoch();
        }
    }

    /// How many the job has made.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// # Errors
    ///
    /// They are too many.
    #[inline]
    pub(super) fn check(&self) -> Result<(), TooManyCalls> {
        match self.limit {
            Some(limit) if self.made > limit => Err(TooManyCalls(limit)),
            _ => Ok(()),
        }
    }
}

/// Has the guest stopped when its calls are too many, or its time is over.
pub(super) fn watch(store: &mut Store<State>) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| {
        let calls = &store.data().calls;
        calls.check().map_err(wasmtime::Error::new)?;
        let is_over = calls.ends.is_some_and(|ends| Instant::now() >= ends);
        Ok(if is_over {
            UpdateDeadline::Interrupt
        } else {
            UpdateDeadline::Continue(1)
        })
    });
}
