//! The two sides, as far as they sleep and wake: in what order the worker and the pool take the protocol's steps.
//!
//! This is the one part of the model that does not ship, but is written after what does: [`Worker`] after `run` and `finish`
//! in `worker.rs` and after `worker/line.rs`, [`Parent`] after `feed`, `flush`, `collect`, `sleep` and `has_work` in `link.rs` and the leader's
//! `sleep` in `pool/shared.rs`. A request is one byte, its job, and so is each piece of its answer.

use super::channel::{Bell, ParentBell, Reader, Writer, ends};
use super::protocol::OutOfBounds;
use std::collections::VecDeque;
use std::sync::Arc;

/// Marks the last request of a chunk.
const LAST: u8 = 0x80;
/// A request that has no answer: the worker is to go home.
const GO_HOME: u8 = 0x7f;
/// More answers than any parent waits for.
const ALL_ANSWERS: u64 = u64::MAX >> 16;

/// A parent and a worker with rings of so many bytes between them.
pub(crate) fn channel<const C: usize>() -> (Parent<C>, Worker<C>) {
    let ((requests, answers), (own, peer)) = ends();
    let to_parent = Arc::new(ParentBell::new());
    let parent = Parent {
        requests,
        answers,
        to_parent: to_parent.clone(),
        unsent: Vec::new(),
        in_flight: VecDeque::new(),
        asked: 0,
        naps: 0,
        answered: Vec::new(),
        bite: C,
    };
    let worker = Worker {
        bell: Bell::new(&own),
        requests: peer,
        answers: own,
        to_parent,
        answered: 0,
    };
    (parent, worker)
}

pub(crate) struct Worker<const C: usize> {
    requests: Reader<C>,
    answers: Writer<C>,
    bell: Bell<C>,
    to_parent: Arc<ParentBell>,
    answered: u64,
}

impl<const C: usize> Worker<C> {
    /// Answers each job with so many bytes, until it is told to go home. Says what jobs it was asked.
    pub(crate) fn run(&mut self, answer_bytes: usize) -> Vec<u8> {
        let mut jobs = Vec::new();
        loop {
            match self.serve(answer_bytes) {
                GO_HOME => return jobs,
                job => jobs.push(job),
            }
        }
    }

    /// Answers one job.
    pub(crate) fn serve(&mut self, answer_bytes: usize) -> u8 {
        if !self.requests.has(1).expect("sound indices") {
            self.requests.give_back();
            self.wait(|worker| worker.requests.has(1));
        }
        let request = self.requests.peek(1)[0];
        self.requests.release(1);
        let job = request & !LAST;
        if job != GO_HOME {
            self.answered += 1;
            self.send(&vec![job; answer_bytes], request & LAST != 0);
        }
        job
    }

    fn send(&mut self, mut bytes: &[u8], is_last: bool) {
        loop {
            let written = self.answers.write(bytes).expect("sound indices");
            bytes = &bytes[written..];
            self.answers.publish();
            if bytes.is_empty() {
                break;
            }
            if self.bell.due(ALL_ANSWERS) {
                self.to_parent.ring();
            }
            self.wait(|worker| worker.answers.space().map(|space| space > 0));
        }
        let awaited = if is_last {
            self.requests.give_back();
            self.answered
        } else if self.answers.is_half_full() {
            ALL_ANSWERS
        } else {
            return;
        };
        if self.bell.due(awaited) {
            self.to_parent.ring();
        }
    }

    /// Without the spinning: who looks less often only sleeps more often.
    fn wait(&mut self, ready: impl Fn(&mut Self) -> Result<bool, OutOfBounds>) {
        if self.bell.due(ALL_ANSWERS) {
            self.to_parent.ring();
        }
        let block = |worker: &mut Self, seen| {
            worker.bell.wait(seen);
            Ok(())
        };
        Bell::park(self, |worker| &worker.bell, ready, block).expect("sound indices");
    }
}

pub(crate) struct Parent<const C: usize> {
    requests: Writer<C>,
    answers: Reader<C>,
    pub(crate) to_parent: Arc<ParentBell>,
    unsent: Vec<u8>,
    in_flight: VecDeque<Chunk>,
    /// Jobs in all.
    asked: u64,
    naps: u16,
    /// The bytes of all answers.
    pub(crate) answered: Vec<u8>,
    /// How many of them it takes at a time at most.
    pub(crate) bite: usize,
}

/// Jobs that are not all answered yet.
struct Chunk {
    /// How many answers there will be in all when they are.
    until: u64,
    missing_bytes: usize,
}

impl<const C: usize> Parent<C> {
    /// Sends a chunk of jobs, each of which will be answered with so many bytes.
    pub(crate) fn feed(&mut self, jobs: &[u8], answer_bytes: usize) {
        self.asked += jobs.len() as u64;
        self.in_flight.push_back(Chunk {
            until: self.asked,
            missing_bytes: jobs.len() * answer_bytes,
        });
        self.unsent.extend_from_slice(jobs);
        *self.unsent.last_mut().expect("a chunk has jobs") |= LAST;
        self.flush();
    }

    /// Tells the worker that there will be no more.
    pub(crate) fn dismiss(&mut self) {
        self.unsent.push(GO_HOME);
        self.flush();
        assert!(self.unsent.is_empty(), "all that was asked was answered");
    }

    fn flush(&mut self) {
        if self.unsent.is_empty() {
            return;
        }
        let written = self.requests.write(&self.unsent).expect("sound indices");
        self.unsent.drain(..written);
        if written > 0 {
            self.requests.publish();
            self.requests.ring();
        }
    }

    /// Takes the answers that are there, and sends what there is space for. Says whether there were answers.
    pub(crate) fn collect(&mut self) -> bool {
        let taken = self
            .answers
            .take(&mut self.answered, self.bite)
            .expect("sound indices");
        if taken > 0 && self.answers.may_have_filled() {
            self.requests.ring();
        }
        let mut left = taken;
        while left > 0 {
            let front = self.in_flight.front_mut().expect("somebody asked for it");
            let row = front.missing_bytes.min(left);
            front.missing_bytes -= row;
            left -= row;
            if front.missing_bytes == 0 {
                self.in_flight.pop_front();
            }
        }
        self.flush();
        taken > 0
    }

    /// Waits for so many bytes of answers in all, asleep wherever there is nothing to do.
    pub(crate) fn wait(&mut self, bytes: usize) {
        loop {
            self.collect();
            if self.answered.len() >= bytes {
                break;
            }
            if self.falls_asleep() {
                self.to_parent.wait();
                self.wake();
                self.to_parent.hear();
            }
        }
    }

    /// Says that this side sleeps, unless there is something to do.
    pub(crate) fn falls_asleep(&mut self) -> bool {
        self.sleep();
        let has_work = self.has_work();
        if has_work {
            self.wake();
        }
        !has_work
    }

    /// Asks for another bell while another thread sleeps; `false` if that one has to be woken instead.
    pub(crate) fn resleeps(&mut self) -> bool {
        self.sleep();
        !self.has_work()
    }

    fn sleep(&mut self) {
        if let Some(front) = self.in_flight.front() {
            self.naps += 1;
            self.requests.sleep(front.until, self.naps);
        }
    }

    fn has_work(&mut self) -> bool {
        self.answers.available().expect("sound indices") > 0
            || !self.unsent.is_empty() && self.requests.space().expect("sound indices") > 0
    }

    pub(crate) fn wake(&mut self) {
        if !self.in_flight.is_empty() {
            self.requests.wake();
        }
    }
}
