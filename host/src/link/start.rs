//! How a worker comes to be, from its parent's side: what it is sent, when it is ready, and why there may be none.

use super::starter::Starter;
use super::{Flight, Link};
use crate::job::End;
use crate::ring::{self, LineReader};
use crate::role::NoChildren;
use crate::shared::{Hub, ManagerError, Seat, Shared, SharedError, Whose};
use crate::wire::{self, Account, Hello};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

/// What all workers of a pool are started with.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The component's machine code, in sealed memory.
    pub(crate) code: OwnedFd,
    /// The encoded [`wire::Start`], in sealed memory.
    pub(crate) start: OwnedFd,
    /// The longest result, in bytes. A worker that announces more is lying.
    pub(crate) max_result_bytes: u32,
    /// The objects that its jobs share.
    pub(crate) shared: Option<Shared>,
    /// Whether each answer ends with an account.
    pub(crate) account: bool,
    /// Whether the guest may log.
    pub(crate) logs: bool,
    /// The manager of more of them, and the pool's number there.
    pub(crate) manager: Option<(Arc<Hub>, u32)>,
}

/// A worker could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The program may not start workers, or cannot serve as one.
    #[error(transparent)]
    NoChildren(#[from] NoChildren),
    /// The system refused a process, a descriptor or memory.
    #[error("the system refused {what}: {error}")]
    System {
        /// What was asked of it.
        what: &'static str,
        /// Its answer.
        #[source]
        error: std::io::Error,
    },
    /// The worker said that it cannot serve.
    #[error("the worker cannot serve: {0}")]
    Refused(String),
    /// This machine does not give what [`Sandbox::Strict`](crate::Sandbox::Strict) wants.
    #[error("this machine cannot shut a worker in: {0}")]
    Unprotected(String),
    /// It would be one too many who work on the shared objects.
    #[error(transparent)]
    Shared(SharedError),
    /// It could have no channel to the manager.
    #[error(transparent)]
    Manager(ManagerError),
    /// The worker ended before it was ready.
    #[error("the worker ended before it was ready: {end}{}", said(.stderr))]
    Died {
        /// How it ended.
        end: End,
        /// What it wrote to its standard error.
        stderr: String,
    },
    /// The worker was not ready in time, and was killed.
    #[error("the worker was not ready after {} s{}", .after.as_secs_f64(), said(.stderr))]
    Silent {
        /// How long it was given.
        after: Duration,
        /// What it wrote to its standard error.
        stderr: String,
    },
}

fn said(stderr: &str) -> String {
    if stderr.trim().is_empty() {
        String::new()
    } else {
        format!("; it said: {}", stderr.trim())
    }
}

/// What the system refused.
pub(super) fn system(what: &'static str) -> impl Fn(Errno) -> StartError {
    move |error| StartError::System {
        what,
        error: error.into(),
    }
}

impl<O> Link<O> {
    /// Starts a worker for this place in the pool, which has so many. It is ready when [`Link::greet`] says so.
    pub(crate) fn start(
        launch: &Launch,
        starter: &mut Starter,
        slot: u32,
        workers: usize,
    ) -> Result<Link<O>, StartError> {
        let (requests, answers) = ring::memories().map_err(system("shared memory"))?;
        let (writer, reader) = ring::parent(&requests, &answers)
            .map_err(system("an address range for the channel"))?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(system("a descriptor to be woken by"))?;
        let mut descriptors = vec![
            requests.as_fd(),
            answers.as_fd(),
            bell.as_fd(),
            launch.code.as_fd(),
            launch.start.as_fd(),
        ];
        let seat = match &launch.shared {
            Some(shared) => {
                descriptors.push(shared.memory());
                Some(shared.seat().map_err(StartError::Shared)?)
            }
            None => None,
        };
        let channel = match &launch.manager {
            Some((hub, pool)) => {
                let channel = hub.channel(Whose::Pool(*pool));
                Some(channel.map_err(StartError::Manager)?)
            }
            None => None,
        };
        if let Some(ends) = &channel {
            descriptors.extend([
                ends.requests.as_fd(),
                ends.replies.as_fd(),
                ends.bells.as_fd(),
            ]);
        }
        let party = seat.as_ref().map_or(0, Seat::number);
        let mut numbers = [0; 8];
        numbers[..4].copy_from_slice(&slot.to_le_bytes());
        numbers[4..].copy_from_slice(&party.to_le_bytes());
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(9))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        let stderr = answers.try_clone().map_err(|error| StartError::System {
            what: "a descriptor",
            error,
        })?;
        let (process, control) = starter.start(workers, stderr)?;
        let numbers = [IoSlice::new(&numbers)];
        match rustix::net::sendmsg(&control, &numbers, &mut ancillary, SendFlags::NOSIGNAL) {
            // How a process ended that does not hear it any more shows when it should greet.
            Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => {}
            Err(error) => return Err(system("to send descriptors")(error)),
        }
        Ok(Link {
            process,
            control,
            bell: Some(bell),
            requests: writer,
            lines: launch.logs.then(|| LineReader::new(&reader)),
            answers: reader,
            walls: Vec::new(),
            flight: Flight::new(
                launch.max_result_bytes,
                if launch.account { Account::BYTES } else { 0 },
            ),
            asked: 0,
            naps: 0,
            apart: false,
            rung: false,
            claim: (u64::MAX, 0),
            shares: seat.is_some() || launch.manager.is_some(),
            _seat: seat,
        })
    }

    /// Whether the worker is ready for jobs. Does not wait.
    pub(crate) fn greet(&mut self) -> Result<bool, StartError> {
        let mut packet = [0; Hello::MAX_BYTES];
        let mut receive = || rustix::net::recv(&self.control, &mut packet, RecvFlags::DONTWAIT);
        let received = match receive() {
            Err(Errno::AGAIN | Errno::INTR) if !self.process.has_ended() => return Ok(false),
            // It may have greeted and ended since that look.
            Err(Errno::AGAIN | Errno::INTR) => receive(),
            received => received,
        };
        let length = received
            .map_or(0, |(_, length)| length)
            .min(Hello::MAX_BYTES);
        if length == 0 {
            let stderr = String::from_utf8_lossy(&self.requests.stderr()).into_owned();
            return Err(StartError::Died {
                end: self.process.reap(),
                stderr,
            });
        }
        match postcard::from_bytes(&packet[..length]) {
            Ok(Hello::Ready {
                version: wire::VERSION,
                walls,
            }) => {
                self.walls = walls;
                Ok(true)
            }
            Ok(Hello::Unprotected(missing)) => Err(StartError::Unprotected(missing)),
            Ok(Hello::Ready { version, .. }) => Err(StartError::Refused(format!(
                "it speaks version {version} of the protocol, not {}: name the worker program of this very build",
                wire::VERSION
            ))),
            Ok(Hello::Failed(reason)) => Err(StartError::Refused(reason)),
            Err(_) => Err(StartError::Refused(
                "it greeted with something that is no greeting".into(),
            )),
        }
    }

    /// The error of a worker that was not ready after `after`.
    pub(crate) fn silent(&self, after: Duration) -> StartError {
        StartError::Silent {
            after,
            stderr: String::from_utf8_lossy(&self.requests.stderr()).into_owned(),
        }
    }
}
