//! The loop of the manager: over all channels while there is anything to do, then asleep until somebody rings.
//!
//! It has one thread, so that each request is done before the next. Between two requests it looks for more for a while, as
//! whoever asked once will soon ask again, and to be woken costs fifty times what an answer takes.

use super::gate::{Gate, Guest, Step};
use super::peer::{Broken, Peer};
use super::store::{Account, Asker, ManagerLimits, PROGRAM, Store};
use crate::ring;
use crate::shared::{Reply, Whose, longest};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::SealFlags;
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

/// For how long the manager looks for requests before it sleeps: as long as it takes to be woken.
const LOOKING: Duration = Duration::from_micros(60);
/// How often it looks between two looks at the clock.
const LOOKS: u32 = 64;
/// How long it may be busy before it looks who came, who is gone and whose time is over.
const BUSY: Duration = Duration::from_millis(1);
/// Programs that have not shown that they know the key. More have to wait at the door.
const STRANGERS: usize = 16;

/// A connection of a program, by which channels come.
struct Program {
    control: OwnedFd,
    party: u64,
    /// What it has still to show; `None` once it has.
    guest: Option<Guest>,
}

pub(super) struct Server {
    store: Store,
    limits: ManagerLimits,
    gate: Option<Gate>,
    programs: Vec<Program>,
    /// In the order of their clients' numbers.
    peers: Vec<Peer>,
    /// How many clients and programs there ever were.
    came: u64,
}

/// Who has something to say.
#[derive(Clone, Copy)]
enum Source {
    Door,
    Program(usize),
    Peer(usize),
}

impl Server {
    /// Serves the program at the other end of `control`, and whoever comes by the gate.
    pub(super) fn new(
        control: OwnedFd,
        limits: ManagerLimits,
        seed: [u8; 32],
        gate: Option<Gate>,
    ) -> Server {
        let first = Program {
            control,
            party: 1,
            guest: None,
        };
        Server {
            store: Store::new(&limits, seed),
            limits,
            gate,
            programs: vec![first],
            peers: Vec::new(),
            came: 1,
        }
    }

    /// Until the program that started us is gone.
    pub(super) fn run(&mut self) {
        let mut last = Instant::now();
        let mut looked = last;
        let mut looks = 0;
        loop {
            if self.pump() {
                looks = LOOKS;
                last = Instant::now();
            } else if looks < LOOKS {
                looks += 1;
                std::hint::spin_loop();
                continue;
            } else {
                looks = 0;
            }
            let now = Instant::now();
            let rests = now.duration_since(last) >= LOOKING;
            if rests || now.duration_since(looked) >= BUSY {
                if !self.look(rests) {
                    return;
                }
                looked = Instant::now();
                last = looked;
            }
        }
    }

    /// Does what is asked on all channels, a turn each. Whether there was anything.
    fn pump(&mut self) -> bool {
        let mut worked = false;
        let mut broken = Vec::new();
        for peer in &mut self.peers {
            match peer.pump(&mut self.store) {
                Ok(did) => worked |= did,
                Err(Broken) => broken.push(peer.asker.client),
            }
        }
        if worked {
            self.deliver();
        }
        for client in broken {
            self.part_with(client);
        }
        worked
    }

    /// Answers those whose waiting is over.
    fn deliver(&mut self) {
        // To part with one may wake others.
        loop {
            let woken = self.store.take_woken();
            if woken.is_empty() {
                return;
            }
            for (client, reply) in woken {
                let place = self
                    .peers
                    .binary_search_by_key(&client, |peer| peer.asker.client);
                if let Ok(place) = place
                    && self.peers[place].answer(&reply).is_err()
                {
                    self.part_with(client);
                }
            }
        }
    }

    /// Looks who came, who is gone and whose time is over; sleeps until one of these where it `rests`. False when there is
    /// nobody to serve any more.
    fn look(&mut self, rests: bool) -> bool {
        let now = Instant::now();
        let mut timeout = Duration::ZERO;
        let mut is_asleep = false;
        if rests {
            for peer in &mut self.peers {
                peer.sleep();
            }
            is_asleep = true;
            let mut has_work = false;
            for peer in &mut self.peers {
                // One that is broken is found so when it is pumped.
                has_work |= peer.has_more() || peer.has_work().unwrap_or(true);
            }
            if !has_work {
                timeout = Duration::MAX;
            }
        }
        let next = (self.peers.iter().filter_map(Peer::waits_until))
            .chain(
                self.programs
                    .iter()
                    .filter_map(|program| program.guest.as_ref().map(Guest::deadline)),
            )
            .min();
        if let Some(next) = next {
            timeout = timeout.min(next.saturating_duration_since(now));
        }
        let ready = self.ready(timeout);
        if is_asleep {
            for peer in &self.peers {
                peer.wake();
            }
        }
        self.heed(ready) && {
            self.end_waits(Instant::now());
            self.deliver();
            true
        }
    }

    /// Who has something to say, within this time.
    fn ready(&self, timeout: Duration) -> Vec<Source> {
        let mut sources = Vec::with_capacity(1 + self.programs.len() + self.peers.len());
        let mut fds = Vec::with_capacity(sources.capacity());
        if let Some(gate) = &self.gate {
            let strangers = self
                .programs
                .iter()
                .filter(|program| program.guest.is_some());
            if strangers.count() < STRANGERS {
                sources.push(Source::Door);
                fds.push(PollFd::new(gate, PollFlags::IN));
            }
        }
        for (place, program) in self.programs.iter().enumerate() {
            sources.push(Source::Program(place));
            fds.push(PollFd::new(&program.control, PollFlags::IN));
        }
        for (place, peer) in self.peers.iter().enumerate() {
            sources.push(Source::Peer(place));
            fds.push(PollFd::from_borrowed_fd(peer.bells(), PollFlags::IN));
        }
        let timeout = (timeout < Duration::MAX).then(|| Timespec {
            tv_sec: timeout.as_secs().min(i64::MAX as u64) as i64,
            tv_nsec: timeout.subsec_nanos().into(),
        });
        // An interrupted wait is one in which nobody came.
        if poll(&mut fds, timeout.as_ref()).is_err() {
            return Vec::new();
        }
        (sources.into_iter().zip(&fds))
            .filter(|(_, fd)| !fd.revents().is_empty())
            .map(|(source, _)| source)
            .collect()
    }

    /// Hears who has something to say. False if the first program is gone, for which we are here.
    fn heed(&mut self, ready: Vec<Source>) -> bool {
        let mut gone = Vec::new();
        let mut left = Vec::new();
        for source in ready {
            match source {
                Source::Peer(place) => {
                    let peer = &self.peers[place];
                    if !peer.take_bells() {
                        gone.push(peer.asker.client);
                    }
                }
                Source::Program(place) => {
                    if !self.hear(place) {
                        left.push(self.programs[place].party);
                    }
                }
                Source::Door => {
                    if let Some((control, guest)) = self.gate.as_mut().and_then(Gate::open) {
                        self.came += 1;
                        self.programs.push(Program {
                            control,
                            party: self.came,
                            guest: Some(guest),
                        });
                    }
                }
            }
        }
        for client in gone {
            self.part_with(client);
        }
        for party in left {
            if party == 1 {
                return false;
            }
            self.say_goodbye(party);
        }
        true
    }

    /// Takes what a program says. False when it is gone.
    fn hear(&mut self, place: usize) -> bool {
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
    }

    /// A client is gone, or is to be: it hangs up.
    fn part_with(&mut self, client: u64) {
        let place = self
            .peers
            .binary_search_by_key(&client, |peer| peer.asker.client);
        let Ok(place) = place else { return };
        let peer = self.peers.remove(place);
        if let Some(id) = peer.waits_at() {
            self.store.give_up(client, id);
        }
        self.store.forget_client(client);
        // A program's party lasts as long as the program.
        if self
            .programs
            .iter()
            .all(|program| program.party != peer.asker.party)
        {
            self.store.forget_party(peer.asker.party);
        }
    }

    /// A program is gone, and its own channels with it. Those of its workers go by themselves.
    fn say_goodbye(&mut self, party: u64) {
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

    /// Tells those whose time is over, and turns away who did not show a key in time.
    fn end_waits(&mut self, now: Instant) {
        let mut broken = Vec::new();
        for peer in &mut self.peers {
            let is_over = peer.waits_until().is_some_and(|until| until <= now);
            if let (true, Some(id)) = (is_over, peer.waits_at()) {
                self.store.give_up(peer.asker.client, id);
                if peer.answer(&Reply::TooLate).is_err() {
                    broken.push(peer.asker.client);
                }
            }
        }
        for client in broken {
            self.part_with(client);
        }
        self.programs.retain(|program| {
            let deadline = program.guest.as_ref().map(Guest::deadline);
            deadline.is_none_or(|deadline| deadline > now)
        });
    }
}

/// Whether this is memory of a channel that cannot shrink under us.
fn is_channel_memory(memory: &OwnedFd) -> bool {
    let sealed = rustix::fs::fcntl_get_seals(memory);
    let length = rustix::fs::fstat(memory).map(|stat| stat.st_size);
    sealed.is_ok_and(|seals| seals.contains(SealFlags::SHRINK))
        && length.is_ok_and(|length| length == ring::FILE_BYTES as i64)
}
