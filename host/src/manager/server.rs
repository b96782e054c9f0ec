//! The loop of the manager: over all channels while there is anything to do, then asleep until somebody rings.
//!
//! It has one thread, so that each request is done before the next. Between two requests it looks for more for a while, as
//! whoever asked once will soon ask again, and to be woken costs fifty times what an answer takes.

mod programs;

use super::gate::{Gate, Guest};
use super::peer::{Broken, Peer};
use super::store::{ManagerLimits, Store};
use crate::shared::{Reply, longest};
use programs::Program;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use std::time::{Duration, Instant};

/// For how long the manager looks for requests before it sleeps: as long as it takes to be woken.
const LOOKING: Duration = Duration::from_micros(60);
/// How often it looks between two looks at the clock.
const LOOKS: u32 = 64;
/// How long it may be busy before it looks who came, who is gone and whose time is over.
const BUSY: Duration = Duration::from_millis(1);
/// How many of the longest messages may be on their way at a time, half read or not taken yet. More are those of clients that
/// mean to fill our memory.
pub(super) const LONG_MESSAGES: u64 = 16;
/// Programs that have not shown that they know the key. More have to wait at the door.
const STRANGERS: usize = 16;

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
            let worked = self.pump();
            if !worked && looks < LOOKS {
                looks += 1;
                std::hint::spin_loop();
                continue;
            }
            looks = 0;
            let now = Instant::now();
            if worked {
                last = now;
            }
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
        worked |= !broken.is_empty();
        for client in broken {
            self.part_with(client);
        }
        if worked {
            self.deliver();
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
            self.bound_buffers();
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

    /// Hangs up on those who leave most on its way, while it is more than may be.
    fn bound_buffers(&mut self) {
        let most = LONG_MESSAGES * longest(self.limits.item_bytes) as u64;
        loop {
            let buffered = |peer: &Peer| peer.buffered_bytes() as u64;
            if self.peers.iter().map(buffered).sum::<u64>() <= most {
                return;
            }
            let worst = self.peers.iter().max_by_key(|peer| peer.buffered_bytes());
            let Some(client) = worst.map(|peer| peer.asker.client) else {
                return;
            };
            self.part_with(client);
        }
    }

    /// A client is gone, or is to be: it hangs up.
    fn part_with(&mut self, client: u64) {
        let place = self
            .peers
            .binary_search_by_key(&client, |peer| peer.asker.client);
        let Ok(place) = place else { return };
        let peer = self.peers.remove(place);
        self.store.set_clients(self.peers.len());
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
