//! How much memory an instance may have: all its memories and tables together.

use super::sweep;
use wasmtime::{ResourceLimiter, Result};

/// What a place in a table takes, in bytes: a pointer to a function.
const TABLE_ELEMENT_BYTES: usize = size_of::<usize>();

/// The memory that an instance has and may have.
pub(super) struct MemoryLimit {
    limit_bytes: u64,
    used_bytes: u64,
    /// What was granted last, in bytes, in case that the system can't give it.
    granted_bytes: u64,
    /// Whether the memory of our loops is still to come, which is not the guest's.
    loops_to_come: bool,
    /// Whether the guest was refused memory since its job began.
    pub(super) refused: bool,
}

impl MemoryLimit {
    pub(super) fn new(limit_bytes: u64, has_loops: bool) -> Self {
        MemoryLimit {
            limit_bytes,
            loops_to_come: has_loops,
            used_bytes: 0,
            granted_bytes: 0,
            refused: false,
        }
    }

    /// What the instance has, and the most that it ever had: memories and tables don't shrink.
    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    /// Whether a memory or table may grow by this much. `within_own` is false where it would outgrow what the guest
    /// itself declared: that is refused too, but isn't this limit's doing.
    fn grow(&mut self, by_bytes: usize, within_own: bool) -> bool {
        let used_bytes = self.used_bytes.saturating_add(by_bytes as u64);
        if used_bytes > self.limit_bytes {
            self.refused = true;
            return false;
        }
        if within_own {
            self.used_bytes = used_bytes;
            self.granted_bytes = by_bytes as u64;
        }
        within_own
    }

    fn take_back(&mut self) {
        self.used_bytes -= std::mem::take(&mut self.granted_bytes);
        self.refused = true;
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        // The guest may have a memory just like it, which comes first: the sum is the same.
        let is_loops =
            current == 0 && desired as u64 == sweep::MEMORY_BYTES && maximum == Some(desired);
        if is_loops && std::mem::take(&mut self.loops_to_come) {
            return Ok(true);
        }
        Ok(self.grow(
            desired - current,
            maximum.is_none_or(|maximum| desired <= maximum),
        ))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> Result<()> {
        self.take_back();
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        let by_bytes = (desired - current).saturating_mul(TABLE_ELEMENT_BYTES);
        Ok(self.grow(by_bytes, maximum.is_none_or(|maximum| desired <= maximum)))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> Result<()> {
        self.take_back();
        Ok(())
    }
}
