//! How a guest waits: on its own thread, driven by a runtime without threads.
//!
//! wasmtime-wasi would start a Tokio runtime with a thread for each core at the first blocking call. A worker has one
//! thread and may not be allowed another, so each thread that serves guests enters a small runtime of its own. Timers fire
//! only while that runtime itself is waited on; the one interface that waits for timers is `wasi:io/poll`, and this module
//! implements it.

use std::cell::LazyCell;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use wasmtime::Result;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll as waiting;
use wasmtime_wasi::p2::bindings::sync::io::poll;

thread_local! {
    /// This thread's runtime, entered for good: wasmtime-wasi finds it and starts none. It is never dropped, because the
    /// guard that says "entered" must not outlive it.
    static RUNTIME: LazyCell<&'static Runtime> = LazyCell::new(|| {
        let mut builder = Builder::new_current_thread();
        // Files are read on this thread. A guest that writes or polls a file needs one thread more, which stays, as a worker
        // cannot start another; sockets are refused.
        builder
            .enable_time()
            .max_blocking_threads(1)
            .thread_keep_alive(Duration::MAX);
        let runtime = Box::leak(Box::new(builder.build().expect("a runtime without threads and sockets needs nothing")));
        std::mem::forget(runtime.enter());
        runtime
    });
}

/// Makes wasmtime-wasi use this thread's runtime. It costs a nanosecond after the first time.
pub(super) fn enter() {
    RUNTIME.with(|runtime| {
        LazyCell::force(runtime);
    });
}

/// Starts the thread for files, and returns when it runs and waits for something to do.
pub(super) fn start_thread() -> anyhow::Result<()> {
    enter();
    RUNTIME.with(|runtime| Ok(runtime.block_on(runtime.spawn_blocking(|| ()))?))
}

/// `wasi:io/poll` on this thread.
pub(super) struct Polls<'a>(pub(super) &'a mut ResourceTable);

/// What `add_to_linker` wants to know of [`Polls`].
pub(super) struct HasPolls;

impl HasData for HasPolls {
    type Data<'a> = Polls<'a>;
}

impl poll::Host for Polls<'_> {
    fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> Result<Vec<u32>> {
        RUNTIME.with(|runtime| runtime.block_on(waiting::Host::poll(self.0, pollables)))
    }
}

impl poll::HostPollable for Polls<'_> {
    fn ready(&mut self, pollable: Resource<DynPollable>) -> Result<bool> {
        RUNTIME.with(|runtime| runtime.block_on(waiting::HostPollable::ready(self.0, pollable)))
    }

    fn block(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        RUNTIME.with(|runtime| runtime.block_on(waiting::HostPollable::block(self.0, pollable)))
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        waiting::HostPollable::drop(self.0, pollable)
    }
}
