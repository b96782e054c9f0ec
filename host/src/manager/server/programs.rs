//! The programs at a manager, and the channels that they bring for their threads and workers.

use super::super::gate::{Guest, Step};
use super::super::peer::Peer;
use super::super::store::{Account, Asker, PROGRAM};
use super::Server;
use crate::ring;
use crate::shared::{Whose, longest};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::SealFlags;
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;

/// A connection of a program, by which channels come.
pub(super) struct Program {
    pub(super) control: OwnedFd,
    pub(super) party: u64,
    /// What it has still to show; `None` once it has.
    pub(super) guest: Option<Guest>,
}

impl Server {
    /// Takes what a program says. False when it is gone.
    pub(super) fn hear(&mut self, place: usize) -> bool {
        // As many as one says at a time; the rest is there at the next look.
        for _ in 0..16 {
            let program = &mut self.programs[place];
            if let (Some(guest), Some(gate)) = (&mut program.guest, &self.gate) {
                match guest.step(gate, program.control.as_fd()) {
                    Step::Waits => return true,
                    Step::Refused => return false,
                    Step::Knows => program.guest = None,
                }
                continue;
            }
            let mut whose = [0; 4];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let received = rustix::net::recvmsg(
                &program.control,
                &mut [IoSliceMut::new(&mut whose)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
            );
            match received {
                Ok(received) if received.bytes == whose.len() => {}
                Err(Errno::AGAIN | Errno::INTR) => return true,
                Ok(_) | Err(_) => return false,
            }
            let descriptors = ancillary.drain().flat_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect(),
                _ => Vec::new(),
            });
            // If they are not three, the system had no room for them: whoever waits for us there finds the channel hung up.
            if let Ok(ends) = <[OwnedFd; 3]>::try_from(descriptors.collect::<Vec<_>>()) {
                let party = self.programs[place].party;
                self.admit(party, Whose::from_bytes(whose), ends);
            }
        }
        true
    }

    /// Serves one more channel, unless it is none or one too many.
    fn admit(&mut self, program: u64, whose: Whose, [replies, requests, bells]: [OwnedFd; 3]) {
        if self.peers.len() >= self.limits.clients as usize
            || !is_channel_memory(&replies)
            || !is_channel_memory(&requests)
        {
            return;
        }
        self.came += 1;
        let (party, account) = match whose {
            Whose::Program => (program, PROGRAM),
            // Programs number their pools, each from 1.
            Whose::Pool(pool) => (self.came, program << 32 | Account::from(pool)),
        };
        let asker = Asker {
            client: self.came,
            party,
            account,
        };
        let most = longest(self.limits.item_bytes);
        self.peers
            .extend(Peer::new(asker, bells, (&replies, &requests), most));
        self.store.set_clients(self.peers.len());
    }

    /// A program is gone, and its own channels with it. Those of its workers go by themselves.
    pub(super) fn say_goodbye(&mut self, party: u64) {
        self.programs.retain(|program| program.party != party);
        let own: Vec<u64> = (self.peers.iter())
            .filter(|peer| peer.asker.party == party)
            .map(|peer| peer.asker.client)
            .collect();
        for client in own {
            self.part_with(client);
        }
        self.store.forget_party(party);
    }
}

/// Whether this is memory of a channel that cannot shrink under us.
fn is_channel_memory(memory: &OwnedFd) -> bool {
    let sealed = rustix::fs::fcntl_get_seals(memory);
    let length = rustix::fs::fstat(memory).map(|stat| stat.st_size);
    sealed.is_ok_and(|seals| seals.contains(SealFlags::SHRINK))
        && length.is_ok_and(|length| length == ring::FILE_BYTES as i64)
}
