//! What a guest finds behind the import of `pool:job`: which job is running, and where.

use super::ours;
use wasmtime::Result;
use wasmtime::component::{HasData, Linker};

/// The running job.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Running {
    pub(super) index: u64,
    pub(super) attempt: u32,
    pub(super) worker: u32,
}

wasmtime::component::bindgen!({
    path: "../wit/job",
    world: "all",
    imports: { default: trappable },
});

use pool::job::job;

/// Provides the interface; `get` finds the running job.
pub(super) fn link<T: 'static>(
    linker: &mut Linker<T>,
    get: fn(&mut T) -> &mut Running,
) -> anyhow::Result<()> {
    job::add_to_linker::<T, HasRunning>(linker, get).map_err(ours)
}

struct HasRunning;

impl HasData for HasRunning {
    type Data<'a> = &'a mut Running;
}

impl job::Host for Running {
    #[inline]
    fn index(&mut self) -> Result<u64> {
        Ok(self.index)
    }

    #[inline]
    fn attempt(&mut self) -> Result<u32> {
        Ok(self.attempt)
    }

    #[inline]
    fn worker(&mut self) -> Result<u32> {
        Ok(self.worker)
    }

    #[inline]
    fn process_id(&mut self) -> Result<u32> {
        Ok(std::process::id())
    }
}
