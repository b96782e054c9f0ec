//! The socket at which other programs find a manager, and the file with its key.

use super::StartManagerError;
use super::gate::Secret;
use super::start::system;
use rustix::fd::OwnedFd;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// How many programs may wait at the door.
const BACKLOG: i32 = 16;

/// A socket, and the path where it is.
pub(super) struct Door {
    pub(super) socket: OwnedFd,
    pub(super) place: Place,
}

/// The path of a socket. Dropping it takes the socket away from there.
#[derive(Debug)]
pub(super) struct Place(PathBuf);

impl Door {
    pub(super) fn new(path: &Path) -> Result<Door, StartManagerError> {
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

pub(super) fn socket() -> Result<OwnedFd, Errno> {
    rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
}

/// The key in this file, which is made if it is missing and may be.
pub(super) fn key(path: &Path, may_make: bool) -> Result<Secret, StartManagerError> {
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

pub(super) fn random() -> Result<Secret, StartManagerError> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| StartManagerError::System {
            what: "random numbers".into(),
            error,
        })?;
    Ok(bytes)
}
