//! A thread for code of the embedding program, which may take long or panic: it holds up nothing but what is given to the same
//! thread after it.

use super::task::Callback;
use crossbeam_channel::Sender;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

/// A thread that starts with the first piece of code it is given.
pub(super) struct Aside {
    name: &'static str,
    thread: Mutex<Option<(Sender<Callback>, JoinHandle<()>)>>,
}

impl Aside {
    pub(super) const fn new(name: &'static str) -> Aside {
        Aside {
            name,
            thread: Mutex::new(None),
        }
    }

    /// Runs this when all is done that was given before.
    pub(super) fn run(&self, code: Callback) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            *thread = self.start();
        }
        match &*thread {
            Some((sender, _)) => drop(sender.send(code)),
            // Where no thread can be had, this one has to do.
            None => {
                drop(thread);
                code();
            }
        }
    }

    fn start(&self) -> Option<(Sender<Callback>, JoinHandle<()>)> {
        let (sender, receiver) = crossbeam_channel::unbounded::<Callback>();
        let run = move || {
            for code in receiver {
                // Code that panics has told so already, and ends only itself.
                let _ = catch_unwind(AssertUnwindSafe(code));
            }
        };
        let thread = std::thread::Builder::new()
            .name(self.name.into())
            .spawn(run);
        thread.ok().map(|thread| (sender, thread))
    }

    /// Waits until all is done that was given so far, and ends the thread.
    pub(super) fn finish(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some((sender, thread)) = thread else {
            return;
        };
        drop(sender);
        // Code that drops the pool must not wait for itself.
        if thread.thread().id() != std::thread::current().id() {
            let _ = thread.join();
        }
    }
}
