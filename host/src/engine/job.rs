//! What a guest finds behind the import of `pool:job`: which job is running, and where; how to say how far it is, and whether it is
//! still wanted.

use super::ours;
use super::stderr::StderrSink;
use crate::wire::Line;
use std::sync::Arc;
use wasmtime::Result;
use wasmtime::component::{HasData, Linker};

/// The running job.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Running {
    pub(super) index: u64,
    pub(super) attempt: u32,
    pub(super) worker: u32,
}

/// Whoever loaded the guest, as a running job reaches them.
#[derive(Clone)]
pub(crate) struct Caller {
    /// Takes each piece that the guest writes to its standard error.
    pub(crate) stderr: StderrSink,
    /// Takes each line that the guest logs.
    pub(crate) log: Arc<dyn Fn(&Line) + Send + Sync>,
    /// Takes how far the job is.
    pub(crate) report: Arc<dyn Fn(u64, Option<u64>) + Send + Sync>,
    /// Whether the job is asked to stop.
    pub(crate) is_cancelled: Arc<dyn Fn() -> bool + Send + Sync>,
}

#[cfg(test)]
impl Caller {
    /// One that hears nothing and asks for nothing.
    pub(crate) fn nobody() -> Caller {
        Caller {
            stderr: Arc::new(|_| ()),
            log: Arc::new(|_| ()),
            report: Arc::new(|_, _| ()),
            is_cancelled: Arc::new(|| false),
        }
    }
}

/// A job with whom it works for.
pub(super) struct Job {
    pub(super) running: Running,
    pub(super) caller: Caller,
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
    get: fn(&mut T) -> &mut Job,
) -> anyhow::Result<()> {
    job::add_to_linker::<T, HasJob>(linker, get).map_err(ours)
}

struct HasJob;

impl HasData for HasJob {
    type Data<'a> = &'a mut Job;
}

impl job::Host for Job {
    #[inline]
    fn index(&mut self) -> Result<u64> {
        Ok(self.running.index)
    }

    #[inline]
    fn attempt(&mut self) -> Result<u32> {
        Ok(self.running.attempt)
    }

    #[inline]
    fn worker(&mut self) -> Result<u32> {
        Ok(self.running.worker)
    }

    #[inline]
    fn process_id(&mut self) -> Result<u32> {
        Ok(std::process::id())
    }

    #[inline]
    fn report_progress(&mut self, done: u64, total: Option<u64>) -> Result<()> {
        (self.caller.report)(done, total);
        Ok(())
    }

    #[inline]
    fn is_cancelled(&mut self) -> Result<bool> {
        Ok((self.caller.is_cancelled)())
    }
}
