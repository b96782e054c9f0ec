//! One channel to a manager: asks, and waits for the answer.
//!
//! The [`ring`] is a worker's, with the manager in the place of the parent: it trusts nobody at the other end, and who asks
//! trusts it. As between parent and worker, a side that waits looks for a while and then sleeps until the other rings.

use super::words::{self, ManagerError, Reply, Request};
use crate::ring::{self, Bell, OutOfBounds, Reader, Writer};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

/// More than any manager waits for.
const ALL: u64 = u64::MAX >> 16;

/// How large a buffer may be that is kept from one request to the next, in bytes.
const KEPT_BYTES: usize = ring::CAPACITY;

/// What a channel is made of: two memories and the socket of bells, which hangs up when the manager ends.
pub(crate) struct Ends {
    pub(crate) requests: OwnedFd,
    pub(crate) replies: OwnedFd,
    pub(crate) bells: OwnedFd,
}

/// The end of a channel that asks.
pub(crate) struct Client {
    bells: OwnedFd,
    requests: Writer,
    replies: Reader,
    bell: Bell,
    spins: u32,
    request: Vec<u8>,
    reply: Vec<u8>,
    is_gone: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// Looks so often for an answer before it sleeps.
    pub(crate) fn new(ends: Ends, spins: u32) -> rustix::io::Result<Client> {
        // The manager can seal its own memory against us; so it is the one that it writes.
        let (requests, replies) = ring::worker(&ends.replies, &ends.requests)?;
        Ok(Client {
            bell: Bell::new(&requests),
            bells: ends.bells,
            requests,
            replies,
            spins,
            request: Vec::new(),
            reply: Vec::new(),
            is_gone: false,
        })
    }

    /// The socket of bells.
    pub(crate) fn bells(&self) -> BorrowedFd<'_> {
        self.bells.as_fd()
    }

    /// Whether nothing can be asked any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Reply, ManagerError> {
        let answered = self.send(request).and_then(|()| self.receive());
        let reply = answered
            .and_then(|()| postcard::from_bytes(&self.reply[4..]).map_err(|_| Errno::BADMSG));
        if self.reply.capacity().max(self.request.capacity()) > KEPT_BYTES {
            (self.request, self.reply) = (Vec::new(), Vec::new());
        }
        match reply {
            Ok(Reply::Refused(error)) => Err(error),
            Ok(reply) => Ok(reply),
            Err(error) => Err(self.gone(error)),
        }
    }

    /// Says something that has no answer.
    pub(crate) fn tell(&mut self, request: &Request) -> Result<(), ManagerError> {
        self.send(request).map_err(|error| self.gone(error))
    }

    #[cold]
    fn gone(&mut self, error: Errno) -> ManagerError {
        self.is_gone = true;
        ManagerError::Gone(match error {
            Errno::PIPE | Errno::CONNRESET => "it hung up".into(),
            Errno::BADMSG => "it answered what no manager answers".into(),
            other => format!("its channel failed: {other}"),
        })
    }

    fn send(&mut self, request: &Request) -> Result<(), Errno> {
        if self.is_gone {
            return Err(Errno::PIPE);
        }
        let mut frame = std::mem::take(&mut self.request);
        words::frame(request, &mut frame);
        let sent = self.write(&frame);
        self.request = frame;
        sent
    }

    /// Writes all of it, in pieces if it is longer than the space.
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), Errno> {
        loop {
            let written = self.requests.write(bytes).map_err(damaged)?;
            bytes = &bytes[written..];
            self.requests.publish();
            if self.bell.due(ALL) {
                self.ring()?;
            }
            if bytes.is_empty() {
                return Ok(());
            }
            self.wait(|client| client.requests.space().map(|space| space > 0))?;
        }
    }

    /// Takes one frame, in pieces if it is longer than the ring.
    fn receive(&mut self) -> Result<(), Errno> {
        self.reply.clear();
        while words::framed(&self.reply).is_none_or(|length| self.reply.len() < length) {
            self.wait(|client| client.replies.has(1))?;
            self.replies.take(&mut self.reply).map_err(damaged)?;
            // A long answer goes on when there is room, for which the manager may sleep.
            if words::framed(&self.reply).is_some_and(|length| length > ring::CAPACITY)
                && self.bell.due(ALL)
            {
                self.ring()?;
            }
        }
        Ok(())
    }

    /// Spins until `ready`, and when that takes too long, sleeps until the manager rings. Fails when it hangs up.
    #[inline]
    fn wait(
        &mut self,
        ready: impl Fn(&mut Self) -> Result<bool, OutOfBounds>,
    ) -> Result<(), Errno> {
        for _ in 0..=self.spins {
            if ready(self).map_err(damaged)? {
                return Ok(());
            }
            std::hint::spin_loop();
        }
        Bell::park(
            self,
            |client| &client.bell,
            |client| ready(client).map_err(damaged),
            |client, _| match rustix::net::recv(&client.bells, &mut [0; 8], RecvFlags::empty()) {
                Ok((_, 0)) => Err(Errno::PIPE),
                Ok(_) | Err(Errno::INTR) => Ok(()),
                Err(error) => Err(error),
            },
        )
    }

    fn ring(&self) -> Result<(), Errno> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        match rustix::net::send(&self.bells, &[1], flags) {
            // A full socket means that the manager has bells enough to hear.
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn damaged(_: OutOfBounds) -> Errno {
    Errno::BADMSG
}
