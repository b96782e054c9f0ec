//! `host manager`: keeps objects for the programs of this user, until Ctrl-C.

use crate::args::ManagerArgs;
use crate::exit::{self, Failure};
use crate::output;
use host::{Manager, ManagerLimits, StartManagerError};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use std::io::Read;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) fn manager(args: ManagerArgs) -> Result<u8, Failure> {
    let mut signals = watch().map_err(Failure::pool)?;
    let watched = signals.try_clone().map_err(Failure::pool)?;
    let mut limits = ManagerLimits::default();
    if let Some(memory) = args.memory {
        limits.bytes = memory;
        limits.pool_bytes = limits.pool_bytes.min(memory);
    }
    let mut builder = Manager::builder()
        .limits(limits)
        .sandbox(args.sandbox.mode.into());
    if let Some(key_file) = args.key_file {
        builder = builder.key_file(key_file);
    }
    let manager = builder.serve(&args.listen)?;
    output::note(&format!(
        "a manager (pid {}) serves at {}; Ctrl-C ends it",
        manager.pid().unwrap_or_default(),
        args.listen.display()
    ));
    let interrupted = Arc::new(AtomicBool::new(false));
    let watch = std::thread::spawn({
        let (manager, interrupted) = (manager.clone(), interrupted.clone());
        move || {
            // One signal is one byte.
            if signals.read_exact(&mut [0]).is_ok() {
                interrupted.store(true, Ordering::Relaxed);
                manager.stop();
            }
        }
    });
    manager.wait();
    // The socket goes with the last who has the manager, which has to be before the program ends.
    let _ = watched.shutdown(Shutdown::Both);
    let _ = watch.join();
    match (interrupted.load(Ordering::Relaxed), manager.root()) {
        (false, Err(error)) => Err(Failure::pool(error)),
        _ => Ok(exit::DONE),
    }
}

/// What becomes readable when somebody asks the program to end.
fn watch() -> std::io::Result<UnixStream> {
    let (signals, handler) = UnixStream::pair()?;
    pipe::register(SIGINT, handler.try_clone()?)?;
    pipe::register(SIGTERM, handler)?;
    Ok(signals)
}

impl From<StartManagerError> for Failure {
    fn from(error: StartManagerError) -> Self {
        match error {
            StartManagerError::Unprotected(_) => Failure::unprotected(error),
            StartManagerError::Taken(_) => Failure::command_line(error),
            _ => Failure::pool(error),
        }
    }
}
