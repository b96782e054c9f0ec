//! How a manager is set up, started and found, from the side of the program.

use super::child::Child;
use super::door::{Door, key, random, socket};
use super::gate::{self, PROOF_TIME, Secret};
use super::process::Start;
use super::{Inner, Manager, ManagerLimits};
use crate::lockdown::Sandbox;
use crate::role::{self, NoChildren, Role};
use crate::sealed;
use crate::shared::Hub;
use crate::wire::{self, Hello};
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

/// How long a manager may take to be ready. It takes some milliseconds.
const START_TIME: Duration = Duration::from_secs(10);

/// A manager to be set up; from [`Manager::builder`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ManagerBuilder {
    program: Option<PathBuf>,
    limits: ManagerLimits,
    sandbox: Sandbox,
    key_file: Option<PathBuf>,
}

/// Why there is no manager.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartManagerError {
    /// The program may not start children, or cannot serve as one.
    #[error(transparent)]
    NoChildren(#[from] NoChildren),
    /// The system refused something.
    #[error("the system refused {what}: {error}")]
    System {
        /// What was asked of it.
        what: String,
        /// Its answer.
        #[source]
        error: io::Error,
    },
    /// The process said that it cannot serve, or ended.
    #[error("the manager cannot serve: {0}")]
    Refused(String),
    /// This machine does not give what [`Sandbox::Strict`] wants.
    #[error("this machine cannot shut a manager in: {0}")]
    Unprotected(String),
    /// Somebody else serves at the path.
    #[error("a manager serves at `{0}` already: connect to it, or choose another path")]
    Taken(PathBuf),
    /// Nobody serves at the path, or not with this key.
    #[error("no manager can be had at `{path}`: {reason}")]
    Unreachable {
        /// The path of the socket.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
}

pub(super) fn system(what: impl Into<String>) -> impl FnOnce(Errno) -> StartManagerError {
    let what = what.into();
    move |error| StartManagerError::System {
        what,
        error: error.into(),
    }
}

impl ManagerBuilder {
    /// The program to start as the manager, whose `main` begins with [`host::init()`](crate::init). Default: this same
    /// executable.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// How much it keeps at most.
    pub fn limits(mut self, limits: ManagerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// What has to stand around its process. Default: [`Sandbox::Strict`].
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.sandbox = sandbox;
        self
    }

    /// The file with the key of a socket. Whoever serves makes it where it is missing. Default: the socket's path and `.key`.
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key_file = Some(path.into());
        self
    }

    /// Starts a manager for this program and its pools.
    ///
    /// # Errors
    /// [`StartManagerError`]. Nothing is left behind.
    pub fn start(self) -> Result<Manager, StartManagerError> {
        self.launch(None)
    }

    /// Starts a manager for this program and for others, who connect to the socket at this path.
    ///
    /// # Errors
    /// [`StartManagerError`]. Nothing is left behind but the key.
    pub fn serve(self, path: impl AsRef<Path>) -> Result<Manager, StartManagerError> {
        let path = path.as_ref();
        let key = key(&self.key_beside(path), true)?;
        let door = Door::new(path)?;
        self.launch(Some((door, key)))
    }

    /// Connects to the manager that another program serves at this path. The limits and the sandbox are its own.
    ///
    /// # Errors
    /// [`StartManagerError`].
    pub fn connect(self, path: impl AsRef<Path>) -> Result<Manager, StartManagerError> {
        let path = path.as_ref();
        let unreachable = |reason: String| StartManagerError::Unreachable {
            path: path.to_owned(),
            reason,
        };
        let key = key(&self.key_beside(path), false)?;
        let control = socket().map_err(system("a socket"))?;
        let address = SocketAddrUnix::new(path).map_err(system("the path of a socket"))?;
        rustix::net::connect(&control, &address)
            .map_err(|error| unreachable(io::Error::from(error).to_string()))?;
        rustix::net::sockopt::set_socket_timeout(
            &control,
            rustix::net::sockopt::Timeout::Recv,
            Some(PROOF_TIME),
        )
        .map_err(system("a time limit"))?;
        gate::enter(control.as_fd(), &key, &random()?).map_err(unreachable)?;
        Ok(Manager(Arc::new(Inner {
            hub: Arc::new(Hub::new(control, false)),
            child: None,
        })))
    }

    fn key_beside(&self, path: &Path) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| {
            let mut file = path.as_os_str().to_owned();
            file.push(".key");
            file.into()
        })
    }

    fn launch(self, door: Option<(Door, Secret)>) -> Result<Manager, StartManagerError> {
        let (control, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(system("a socket"))?;
        let start = Start {
            version: wire::VERSION,
            limits: self.limits,
            sandbox: self.sandbox,
            key: door.as_ref().map(|(_, key)| *key),
        };
        let packet = postcard::to_stdvec(&start).unwrap_or_default();
        let descriptors: Vec<_> = door.iter().map(|(door, _)| door.socket.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let packet = [IoSlice::new(&packet)];
        rustix::net::sendmsg(&control, &packet, &mut ancillary, SendFlags::NOSIGNAL)
            .map_err(system("to send what to start"))?;
        let refused = |what: &str| {
            let what = what.to_owned();
            move |error| StartManagerError::System { what, error }
        };
        let stderr = sealed::create("host-manager-stderr").map_err(refused("memory"))?;
        let last_words = stderr.try_clone().map_err(refused("a descriptor"))?;
        let mut command = role::command(self.program.as_deref(), Role::Manager)?;
        command
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::from(stderr));
        let hub = Arc::new(Hub::new(control, true));
        let mut child =
            Child::start(command, hub.clone(), last_words).map_err(refused("a process"))?;
        // Dropped on an error, the child is killed and waited for.
        greeted(&hub, START_TIME)?;
        // From here on only the manager listens: where it is gone, nobody waits at the door in vain.
        child.place = door.map(|(door, _)| door.place);
        Ok(Manager(Arc::new(Inner {
            hub,
            child: Some(child),
        })))
    }
}

fn greeted(hub: &Hub, within: Duration) -> Result<(), StartManagerError> {
    let mut packet = [0; Hello::MAX_BYTES];
    let length = hub.greeting(&mut packet, within);
    match postcard::from_bytes(&packet[..length]) {
        Ok(Hello::Ready {
            version: wire::VERSION,
            ..
        }) => Ok(()),
        Ok(Hello::Ready { version, .. }) => Err(StartManagerError::Refused(format!(
            "it speaks version {version}, not {}: name the program of this very build",
            wire::VERSION
        ))),
        Ok(Hello::Unprotected(missing)) => Err(StartManagerError::Unprotected(missing)),
        Ok(Hello::Failed(reason)) => Err(StartManagerError::Refused(reason)),
        Err(_) => Err(StartManagerError::Refused(
            "it ended, or said nothing that makes sense, before it was ready".into(),
        )),
    }
}
