//! How a manager is set up, started, found and ended, from the side of the program.
//!
//! The process is started by a thread that lives as long as it: the kernel ends a child with the thread that started it. The
//! same thread waits for its end, and tells everybody how it was.

use super::gate::{self, PROOF_TIME, Secret};
use super::process::{STDERR_BYTES, Start};
use super::{Inner, Manager, ManagerLimits};
use crate::job::End;
use crate::lockdown::Sandbox;
use crate::role::{self, NoChildren, Role};
use crate::sealed;
use crate::shared::Hub;
use crate::wire::{self, Hello};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a manager may take to be ready. It takes some milliseconds.
const START_TIME: Duration = Duration::from_secs(10);
/// How many programs may wait at the door.
const BACKLOG: i32 = 16;

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

fn system(what: impl Into<String>) -> impl FnOnce(Errno) -> StartManagerError {
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

/// The manager's process. Dropping it kills and reaps it.
#[derive(Debug)]
pub(super) struct Child {
    pid: Pid,
    process: Arc<OwnedFd>,
    keeper: Mutex<Option<JoinHandle<()>>>,
    /// Where others come in.
    place: Option<Place>,
}

impl Child {
    fn start(mut command: Command, hub: Arc<Hub>, last_words: File) -> io::Result<Child> {
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

/// A socket, and the path where it is.
struct Door {
    socket: OwnedFd,
    place: Place,
}

/// The path of a socket. Dropping it takes the socket away from there.
#[derive(Debug)]
struct Place(PathBuf);

impl Door {
    fn new(path: &Path) -> Result<Door, StartManagerError> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let address = SocketAddrUnix::new(&path).map_err(system("the path of a socket"))?;
        let socket = socket().map_err(system("a socket"))?;
        // The file gets the rights of the socket, so that nobody else can connect at any moment.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)
            .map_err(system("the rights of a socket"))?;
        let bound = match rustix::net::bind(&socket, &address) {
            // A socket whose program is gone lets nobody in, and is only in the way.
            Err(Errno::ADDRINUSE) if is_left_over(&address) => {
                rustix::fs::unlink(&path).map_err(system("to remove a socket of nobody"))?;
                rustix::net::bind(&socket, &address)
            }
            bound => bound,
        };
        match bound {
            Ok(()) => {}
            Err(Errno::ADDRINUSE) => return Err(StartManagerError::Taken(path)),
            Err(error) => return Err(system(format!("a socket at `{}`", path.display()))(error)),
        }
        let place = Place(path);
        let door = Door { socket, place };
        rustix::net::listen(&door.socket, BACKLOG).map_err(system("a socket"))?;
        Ok(door)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Where somebody else removed it there is nothing to do.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn is_left_over(address: &SocketAddrUnix) -> bool {
    let tried = socket().and_then(|socket| rustix::net::connect(socket, address));
    tried == Err(Errno::CONNREFUSED)
}

fn socket() -> Result<OwnedFd, Errno> {
    rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
}

/// The key in this file, which is made if it is missing and may be.
fn key(path: &Path, may_make: bool) -> Result<Secret, StartManagerError> {
    let failed = |what: &str| {
        let what = format!("{what} `{}`", path.display());
        move |error| StartManagerError::System { what, error }
    };
    if may_make {
        let made = (OpenOptions::new().write(true).create_new(true).mode(0o600)).open(path);
        match made {
            Ok(mut file) => {
                let key = random()?;
                file.write_all(&key).map_err(failed("to write the key"))?;
                return Ok(key);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("to make the key")(error)),
        }
    }
    let mut key = [0; 32];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut key))
        .map_err(failed("to read the key"))?;
    Ok(key)
}

fn random() -> Result<Secret, StartManagerError> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| StartManagerError::System {
            what: "random numbers".into(),
            error,
        })?;
    Ok(bytes)
}
