//! One channel, from the manager's side: takes requests, has them done, writes the answers. It never waits.

use super::store::{Asker, Ran, Store};
use crate::ring::{self, OutOfBounds, Reader, Writer};
use crate::shared::{Id, ManagerError, Reply, frame, framed};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{RecvFlags, SendFlags};
use std::time::{Duration, Instant};

/// How many requests of one client are done before it is another's turn.
const TURN: u32 = 64;
/// How large a buffer may be that is kept, in bytes.
const KEPT_BYTES: usize = 2 * ring::CAPACITY;

/// A client said what none says.
#[derive(Debug)]
pub(super) struct Broken;

impl From<OutOfBounds> for Broken {
    fn from(_: OutOfBounds) -> Broken {
        Broken
    }
}

pub(super) struct Peer {
    pub(super) asker: Asker,
    bells: OwnedFd,
    requests: Reader,
    replies: Writer,
    /// Taken from the ring, but not done yet.
    inbox: Vec<u8>,
    /// Answered, but not in the ring yet; how much of it is.
    outbox: Vec<u8>,
    sent: usize,
    /// How much is to come of a frame that is too long, and how long it is.
    skipping: Option<(usize, usize)>,
    waiting: Option<(Id, Option<Instant>)>,
    naps: u16,
    most_bytes: usize,
}

impl Peer {
    /// A channel whose memories were looked at. No request may be longer than `most_bytes`.
    pub(super) fn new(
        asker: Asker,
        bells: OwnedFd,
        memories: (&OwnedFd, &OwnedFd),
        most_bytes: usize,
    ) -> rustix::io::Result<Peer> {
        let (replies, requests) = ring::parent(memories.0, memories.1)?;
        Ok(Peer {
            asker,
            bells,
            requests,
            replies,
            inbox: Vec::new(),
            outbox: Vec::new(),
            sent: 0,
            skipping: None,
            waiting: None,
            naps: 0,
            most_bytes,
        })
    }

    pub(super) fn bells(&self) -> BorrowedFd<'_> {
        self.bells.as_fd()
    }

    /// What its messages take that are on their way.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.inbox.capacity() + self.outbox.capacity()
    }

    /// At which object this client waits.
    pub(super) fn waits_at(&self) -> Option<Id> {
        self.waiting.map(|(id, _)| id)
    }

    /// Until when this client waits, if it does and not for ever.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        self.waiting.and_then(|(_, until)| until)
    }

    /// Does what is asked, as much as it is this client's turn. Whether there was anything.
    #[inline]
    pub(super) fn pump(&mut self, store: &mut Store) -> Result<bool, Broken> {
        let mut worked = !self.outbox.is_empty() && self.flush()?;
        if self.is_closed() {
            return Ok(worked);
        }
        // No more is taken while a whole request is there, so that nobody fills our memory.
        if !self.has_more() && self.requests.available()? > 0 {
            self.requests.take(&mut self.inbox)?;
            // A long request goes on when there is room, for which the client may sleep.
            if !self.has_more() {
                self.ring();
            }
        } else if self.inbox.is_empty() {
            return Ok(worked);
        }
        let mut done = 0;
        for _ in 0..TURN {
            let Some(frame) = self.next_frame(done)? else {
                break;
            };
            worked = true;
            self.run(store, frame.clone())?;
            done = frame.end;
            if self.is_closed() {
                break;
            }
        }
        self.inbox.drain(..done);
        if self.inbox.is_empty() && self.inbox.capacity() > KEPT_BYTES {
            self.inbox = Vec::new();
        }
        Ok(worked || done > 0)
    }

    /// Whether nothing is taken from this client now: it has not read its answer, or waits for one.
    fn is_closed(&self) -> bool {
        self.waiting.is_some() || !self.outbox.is_empty()
    }

    /// The next whole frame behind so many bytes that are done. Of one that is too long there is only the place where it ends.
    fn next_frame(&mut self, done: usize) -> Result<Option<std::ops::Range<usize>>, Broken> {
        let there = self.inbox.len() - done;
        if let Some((left, length)) = self.skipping {
            if there < left {
                // Nothing of it is kept.
                self.inbox.truncate(done);
                self.skipping = Some((left - there, length));
                return Ok(None);
            }
            return Ok(Some(done..done + left));
        }
        let Some(length) = framed(&self.inbox[done..]) else {
            return Ok(None);
        };
        if length > self.most_bytes {
            self.skipping = Some((length, length));
            return self.next_frame(done);
        }
        Ok((there >= length).then_some(done..done + length))
    }

    #[inline]
    fn run(&mut self, store: &mut Store, place: std::ops::Range<usize>) -> Result<(), Broken> {
        if let Some((_, length)) = self.skipping.take() {
            return self.answer(&Reply::Refused(ManagerError::TooLong {
                bytes: length as u64,
                most: self.most_bytes as u64,
            }));
        }
        let request = self.inbox.get(place.start + 4..place.end);
        let request = request.and_then(|bytes| postcard::from_bytes(bytes).ok());
        match store.run(self.asker, request.ok_or(Broken)?) {
            Ran::Answered(reply) => self.answer(&reply),
            Ran::Silent => Ok(()),
            Ran::Waits(id, timeout) => {
                let until = timeout
                    .map(Duration::from_nanos)
                    .and_then(|timeout| Instant::now().checked_add(timeout));
                self.waiting = Some((id, until));
                Ok(())
            }
        }
    }

    /// Answers what this client asked.
    pub(super) fn answer(&mut self, reply: &Reply) -> Result<(), Broken> {
        self.waiting = None;
        frame(reply, &mut self.outbox);
        self.flush()?;
        Ok(())
    }

    /// Writes what there is room for. Whether there was any.
    fn flush(&mut self) -> Result<bool, Broken> {
        let written = self.replies.write(&self.outbox[self.sent..])?;
        if written == 0 {
            return Ok(false);
        }
        self.replies.publish();
        self.sent += written;
        if self.sent == self.outbox.len() {
            self.sent = 0;
            match self.outbox.capacity() <= KEPT_BYTES {
                true => self.outbox.clear(),
                false => self.outbox = Vec::new(),
            }
        }
        self.ring();
        Ok(true)
    }

    /// Wakes the client if it sleeps.
    fn ring(&self) {
        if self.replies.peer_sleeps() {
            // A full socket has woken the client already; one that is closed shows when the manager next looks at it.
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            let _ = rustix::net::send(&self.bells, &[1], flags);
        }
    }

    /// Says that the manager sleeps until something is asked. Look for requests once more before you block.
    pub(super) fn sleep(&mut self) {
        self.naps = self.naps.wrapping_add(1);
        self.replies.sleep(0, self.naps);
    }

    /// Says that the manager is awake.
    pub(super) fn wake(&self) {
        self.replies.wake();
    }

    /// Whether there is something to do.
    pub(super) fn has_work(&mut self) -> Result<bool, Broken> {
        Ok(if !self.outbox.is_empty() {
            self.replies.space()? > 0
        } else {
            self.waiting.is_none() && self.requests.available()? > 0
        })
    }

    /// Whether whole requests were left over when its turn was over.
    pub(super) fn has_more(&self) -> bool {
        !self.is_closed()
            && self.skipping.is_none()
            && framed(&self.inbox).is_some_and(|length| length <= self.inbox.len())
    }

    /// Takes the bells that rang. False when the client is gone.
    pub(super) fn take_bells(&self) -> bool {
        // More bells than these are no matter: they wake us once more for nothing.
        for _ in 0..4 {
            match rustix::net::recv(&self.bells, &mut [0; 8], RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return false,
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => break,
                Err(_) => return false,
            }
        }
        true
    }
}
