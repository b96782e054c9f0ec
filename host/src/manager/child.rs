//! The process of a manager, from the side of the program that started it.
//!
//! A thread that lives as long as the process starts it, as the kernel ends a child with the thread that started it. The same
//! thread waits for its end, and tells everybody how it was.

use super::door::Place;
use super::process::STDERR_BYTES;
use crate::job::End;
use crate::shared::Hub;
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The manager's process. Dropping it kills and reaps it.
#[derive(Debug)]
pub(super) struct Child {
    pid: Pid,
    process: Arc<OwnedFd>,
    keeper: Mutex<Option<JoinHandle<()>>>,
    /// Where others come in.
    pub(super) place: Option<Place>,
}

impl Child {
    pub(super) fn start(
        mut command: Command,
        hub: Arc<Hub>,
        last_words: File,
    ) -> io::Result<Child> {
        let (tell, started) = crossbeam_channel::bounded(1);
        let keep = move || {
            let child = match command.spawn() {
                Ok(child) => child,
                Err(error) => return drop(tell.send(Err(error))),
            };
            // What is left of the command holds the child's ends open, which have to hang up with the child.
            drop(command);
            let pid = Pid::from_child(&child);
            let process = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
                Ok(process) => Arc::new(process),
                Err(error) => {
                    let mut child = child;
                    let _ = child.kill();
                    let _ = child.wait();
                    return drop(tell.send(Err(error.into())));
                }
            };
            let _ = tell.send(Ok((pid, process.clone())));
            let end = reap(&process);
            hub.tell_end(format!("{end}{}", said(&last_words)));
        };
        let keeper = std::thread::Builder::new()
            .name("host-manager".into())
            .spawn(keep)?;
        let (pid, process) = started
            .recv()
            .map_err(|_| io::Error::other("the thread that starts the manager ended"))??;
        Ok(Child {
            pid,
            process,
            keeper: Mutex::new(Some(keeper)),
            place: None,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    pub(super) fn kill(&self) {
        // It can only fail for a process that has ended already.
        let _ = rustix::process::pidfd_send_signal(&*self.process, Signal::KILL);
    }

    /// Waits for the end of the process.
    pub(super) fn wait(&self) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keeper) = keeper.take() {
            // It has nothing to panic about, and nothing to say.
            let _ = keeper.join();
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        self.wait();
    }
}

fn reap(process: &OwnedFd) -> End {
    match rustix::process::waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED) {
        Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => End::Exited(code),
            (None, Some(signal)) => End::Killed(signal),
            (None, None) => End::Unknown,
        },
        // The embedding program may wait for any child, ours included.
        Ok(None) | Err(_) => End::Unknown,
    }
}

fn said(last_words: &File) -> String {
    let mut bytes = vec![0; STDERR_BYTES as usize];
    let length = last_words.read_at(&mut bytes, 0).unwrap_or(0);
    match String::from_utf8_lossy(&bytes[..length]).trim() {
        "" => String::new(),
        words => format!("; it said: {words}"),
    }
}
