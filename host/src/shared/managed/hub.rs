//! A program's hold on a manager: makes the channels of its own threads and of its workers.
//!
//! Each thread that asks takes a channel that nobody uses, or makes one more; so threads do not wait for each other, and one that
//! holds a lock or waits at a queue has its channel to itself.

use super::client::{Client, Ends};
use super::words::{Id, ManagerError, Reply, Request};
use crate::ring;
use crate::types::Object;
use crate::value::Handle;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType,
};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a thread looks for an answer before it sleeps: about 50 µs, what it costs to be woken.
const SPINS: u32 = 2000;
/// How many channels that nobody uses are kept.
const IDLE: usize = 16;
/// How long one waits to hear how a manager ended, whose process is ours and has hung up.
const HEARSAY: Duration = Duration::from_secs(1);

/// Who a channel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A thread of this program.
    Program,
    /// A worker of the pool of this number.
    Pool(u32),
}

impl Whose {
    fn to_bytes(self) -> [u8; 4] {
        match self {
            Whose::Program => 0,
            Whose::Pool(pool) => pool,
        }
        .to_le_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; 4]) -> Whose {
        match u32::from_le_bytes(bytes) {
            0 => Whose::Program,
            pool => Whose::Pool(pool),
        }
    }
}

/// A connection to a manager.
#[derive(Debug)]
pub(crate) struct Hub {
    /// What tells it from other connections of this program.
    number: u32,
    control: OwnedFd,
    idle: Mutex<Vec<Client>>,
    pools: AtomicU32,
    end: Mutex<End>,
    ended: Condvar,
}

#[derive(Debug)]
enum End {
    /// Nobody in this program will hear of it.
    Untold,
    /// It will be told.
    Awaited,
    Told(String),
}

impl Hub {
    /// A connection by this socket. `is_ours`: the manager is a process of this program, and [`Hub::tell_end`] will be
    /// called when it has ended.
    pub(crate) fn new(control: OwnedFd, is_ours: bool) -> Hub {
        static NUMBERS: AtomicU32 = AtomicU32::new(1);
        Hub {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            control,
            idle: Mutex::new(Vec::new()),
            pools: AtomicU32::new(1),
            end: Mutex::new(if is_ours { End::Awaited } else { End::Untold }),
            ended: Condvar::new(),
        }
    }

    /// Takes the manager's first packet. How long it is; 0 if it ended or said nothing in time.
    pub(crate) fn greeting(&self, packet: &mut [u8], within: Duration) -> usize {
        let mut control = [PollFd::new(&self.control, PollFlags::IN)];
        let within = Timespec {
            tv_sec: within.as_secs() as i64,
            tv_nsec: within.subsec_nanos().into(),
        };
        // Interrupted, it is as if it had said nothing; nobody does that to a program that starts.
        match poll(&mut control, Some(&within)) {
            Ok(1..) => rustix::net::recv(&self.control, packet, RecvFlags::DONTWAIT)
                .map_or(0, |(_, length)| length),
            _ => 0,
        }
    }

    /// What tells it from other connections of this program; not 0.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The number of one more pool.
    pub(crate) fn new_pool(&self) -> u32 {
        self.pools.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes a channel. The manager gets its ends of it; these are the others.
    pub(crate) fn channel(&self, whose: Whose) -> Result<Ends, ManagerError> {
        let refused = |error: Errno| {
            ManagerError::Unreachable(format!("the system refused a channel: {error}"))
        };
        // The manager is in the parent's place: it writes what the ring calls requests.
        let (replies, requests) = ring::memories().map_err(refused)?;
        let (bells, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(refused)?;
        let descriptors = [replies.as_fd(), requests.as_fd(), theirs.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        let whose = whose.to_bytes();
        let packet = [IoSlice::new(&whose)];
        match rustix::net::sendmsg(&self.control, &packet, &mut ancillary, SendFlags::NOSIGNAL) {
            Ok(_) => Ok(Ends {
                requests,
                replies,
                bells,
            }),
            Err(Errno::PIPE | Errno::CONNRESET) => Err(self.explain("it hung up".into())),
            Err(error) => Err(refused(error)),
        }
    }

    /// A channel for a thread of this program, to be given back.
    pub(super) fn client(&self) -> Result<Client, ManagerError> {
        if let Some(client) = lock(&self.idle).pop() {
            return Ok(client);
        }
        let ends = self.channel(Whose::Program)?;
        Client::new(ends, SPINS).map_err(|error| {
            ManagerError::Unreachable(format!("the system refused a channel: {error}"))
        })
    }

    pub(super) fn give_back(&self, client: Client) {
        let mut idle = lock(&self.idle);
        if !client.is_gone() && idle.len() < IDLE {
            idle.push(client);
        }
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(&self, request: &Request) -> Result<Reply, ManagerError> {
        self.ask_by(request, |client, request| client.ask(request))
    }

    /// Says something that has no answer.
    fn tell(&self, request: &Request) -> Result<(), ManagerError> {
        self.ask_by(request, |client, request| client.tell(request))
    }

    fn ask_by<T>(
        &self,
        request: &Request,
        ask: impl FnOnce(&mut Client, &Request) -> Result<T, ManagerError>,
    ) -> Result<T, ManagerError> {
        let mut client = self.client()?;
        let answer = ask(&mut client, request);
        self.give_back(client);
        answer.map_err(|error| self.explained(error))
    }

    pub(super) fn explained(&self, error: ManagerError) -> ManagerError {
        match error {
            ManagerError::Gone(how) => self.explain(how),
            error => error,
        }
    }

    /// How the manager ended, where that is known better than by its hanging up.
    #[cold]
    fn explain(&self, how: String) -> ManagerError {
        let is_awaited = |end: &mut End| matches!(end, End::Awaited);
        let waited = self
            .ended
            .wait_timeout_while(lock(&self.end), HEARSAY, is_awaited)
            .unwrap_or_else(PoisonError::into_inner);
        ManagerError::Gone(match &*waited.0 {
            End::Told(end) => end.clone(),
            End::Untold | End::Awaited => how,
        })
    }

    /// Takes note of how the manager ended.
    pub(crate) fn tell_end(&self, end: String) {
        *lock(&self.end) = End::Told(end);
        self.ended.notify_all();
        lock(&self.idle).clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done where one of these is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An object that this program has.
#[derive(Debug)]
pub(in super::super) struct Managed {
    pub(super) hub: Arc<Hub>,
    pub(super) object: Object,
    pub(super) id: Id,
}

impl Managed {
    /// A new object.
    pub(super) fn make(
        hub: &Arc<Hub>,
        object: Object,
        most: u32,
    ) -> Result<Arc<Managed>, ManagerError> {
        match hub.ask(&Request::Make(object, most))? {
            Reply::Made(id) => Ok(Managed::had(hub, object, id)),
            _ => Err(nonsense()),
        }
    }

    /// An object that the manager says we have now.
    pub(in super::super) fn had(hub: &Arc<Hub>, object: Object, id: Id) -> Arc<Managed> {
        Arc::new(Managed {
            hub: hub.clone(),
            object,
            id,
        })
    }

    /// Where it is, what it is, and which.
    pub(in super::super) fn parts(&self) -> (&Arc<Hub>, Object, Id) {
        (&self.hub, self.object, self.id)
    }

    pub(in super::super) fn handle(&self) -> Handle {
        Handle::managed(self.object, self.hub.number, self.id.0)
    }
}

impl PartialEq for Managed {
    fn eq(&self, other: &Managed) -> bool {
        self.id == other.id
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        // A manager that is gone has nothing of it any more.
        let _ = self.hub.tell(&Request::Release(vec![self.id]));
    }
}

/// The answer is none to what was asked.
#[cold]
pub(super) fn nonsense() -> ManagerError {
    ManagerError::Gone("it answered something else than it was asked".into())
}
