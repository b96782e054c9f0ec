//! One cell of the matrix, on the worker's side: an honest worker up to one step of its life, at which it does one misdeed.
//!
//! Which step and which misdeed, `matrix` says, and what has to become of it.

use super::channel::*;
use super::matrix::{MISDEEDS, Misdeed, STEPS, Step, TARGET_LENGTH, TARGETS};
use super::worker::takes_token;
use std::path::PathBuf;
use std::time::Duration;

/// A job that nobody is asked first, so that an answer to it is wrong.
const STRAY: u32 = 7;
/// How long the pieces of a drip are apart.
const DRIP: Duration = Duration::from_millis(1);

pub(super) fn serve(channel: Channel, tokens: PathBuf, step_and_misdeed: &str) {
    let (step, misdeed) = step_and_misdeed.split_once(' ').unwrap();
    let mut cell = Cell {
        channel,
        tokens: Some(tokens),
        step: STEPS[step.parse::<usize>().unwrap()],
        misdeed: MISDEEDS[misdeed.parse::<usize>().unwrap()],
    };
    cell.reach(Step::BeforeGreeting, None);
    if cell.step == Step::Greeting && cell.takes_token() {
        cell.greet_badly();
    } else {
        say(&READY);
    }
    cell.reach(Step::Idle, None);
    cell.work();
}

/// An answer that is due, and how much of it was told.
struct Due {
    kind: u8,
    job: u32,
    frame: Vec<u8>,
    told: usize,
}

struct Cell {
    channel: Channel,
    /// Where to look whether this worker is the one that misbehaves; `None` after that.
    tokens: Option<PathBuf>,
    step: Step,
    misdeed: Misdeed,
}

impl Cell {
    fn work(mut self) {
        loop {
            if self.channel.answered > 0 && self.channel.is_empty() {
                self.channel.set(PARKED, 1);
                self.reach(Step::Nap, None);
            }
            let (kind, job, length) = self.channel.head();
            let payload = self.channel.payload(length);
            match kind {
                CHUNK => self.reach(Step::ChunkHead, None),
                SWEEP => self.list(job, &payload),
                _ => self.job(job, payload),
            }
        }
    }

    /// Squares a number; of everything else it says what it was told.
    fn job(&mut self, job: u32, payload: Vec<u8>) {
        let number = payload.first_chunk().filter(|_| payload.len() == 8);
        let number = number.copied().map(i64::from_le_bytes);
        let answer = number.map_or(payload, |n| n.wrapping_mul(n).to_le_bytes().to_vec());
        let is_long = answer.len() >= TARGET_LENGTH;
        let mut due = Due {
            kind: VALUE,
            job,
            frame: frame(VALUE, job, &answer),
            told: 0,
        };
        let meets = |step| match step {
            Step::LastAnswer => number == Some(TARGETS.1),
            Step::LongAnswer => is_long,
            _ => number == Some(TARGETS.0),
        };
        if meets(Step::Request) {
            self.reach(Step::Request, Some(&mut due));
        }
        self.channel.start_job(monotonic());
        for step in [Step::Started, Step::LastAnswer] {
            if meets(step) {
                self.reach(step, Some(&mut due));
            }
        }
        if self.step == Step::MidAnswer && meets(Step::MidAnswer) {
            // The head says how long it is, and not yet whose.
            self.tell(&mut due, 4);
            self.reach(Step::MidAnswer, Some(&mut due));
        }
        if self.step == Step::LongAnswer && is_long {
            let half = due.frame.len() / 2;
            self.tell(&mut due, half);
            self.reach(Step::LongAnswer, Some(&mut due));
        }
        self.finish(&mut due);
        self.channel.set(STARTED, 0);
        self.channel.answered += 1;
        if meets(Step::Between) {
            self.reach(Step::Between, None);
        }
    }

    /// Squares a list of numbers, one half after the other.
    fn list(&mut self, job: u32, list: &[u8]) {
        let numbers = list[4..].as_chunks().0.iter().copied();
        let squares: Vec<i64> = numbers
            .map(i64::from_le_bytes)
            .map(|n| n.wrapping_mul(n))
            .collect();
        self.channel.start_job(monotonic());
        let half = squares.len() / 2;
        for (first, squares) in [(0, &squares[..half]), (half, &squares[half..])] {
            if squares.is_empty() {
                continue;
            }
            let job = job + first as u32;
            let count = (squares.len() as u32).to_le_bytes();
            let bytes = squares.iter().flat_map(|square| square.to_le_bytes());
            let results: Vec<u8> = count.into_iter().chain(bytes).collect();
            let mut due = Due {
                kind: VALUES,
                job,
                frame: frame(VALUES, job, &results),
                told: 0,
            };
            if first > 0 {
                self.reach(Step::List, Some(&mut due));
            }
            self.finish(&mut due);
        }
        self.channel.set(STARTED, 0);
        self.channel.answered += squares.len() as u64;
    }

    fn tell(&mut self, due: &mut Due, bytes: usize) {
        let piece = &due.frame[due.told..(due.told + bytes).min(due.frame.len())];
        self.channel.put(piece);
        self.channel.publish();
        due.told += piece.len();
    }

    fn finish(&mut self, due: &mut Due) {
        self.tell(due, usize::MAX / 2);
    }

    fn takes_token(&mut self) -> bool {
        self.tokens.take_if(|tokens| takes_token(tokens)).is_some()
    }

    /// Does the misdeed, if it is for this step and for this worker.
    fn reach(&mut self, step: Step, due: Option<&mut Due>) {
        if self.step != step || !self.takes_token() {
            return;
        }
        match self.misdeed {
            Misdeed::Kill => kill(),
            Misdeed::Exit0 => std::process::exit(0),
            Misdeed::Exit1 => std::process::exit(1),
            Misdeed::Close => close(),
            Misdeed::Silence => rest(),
            _ => {}
        }
        match due {
            Some(due) => self.misanswer(due),
            None => self.speak_unasked(),
        }
    }

    /// A misdeed where no answer is due. It goes on as if nothing had been.
    fn speak_unasked(&mut self) {
        let said = match self.misdeed {
            Misdeed::Garbage => vec![0xff; 64],
            Misdeed::Oversized => header(VALUE, STRAY, u32::MAX).to_vec(),
            Misdeed::Truncated => header(VALUE, STRAY, 8)[..4].to_vec(),
            Misdeed::Replay => frame(VALUE, STRAY, &[0; 8]),
            Misdeed::WrongJob => frame(VALUE, 1000, &[0; 8]),
            Misdeed::TwoAnswers => frame(VALUE, STRAY, &[0; 8]).repeat(2),
            _ => {
                for _ in 0..20 {
                    say(&[1]);
                    self.channel.ring();
                    std::thread::sleep(DRIP);
                }
                return;
            }
        };
        self.channel.put(&said);
        if self.step == Step::BeforeGreeting {
            // A bell would be its greeting.
            self.channel.set(PUBLISHED, self.channel.published);
        } else {
            self.channel.publish();
        }
    }

    /// A misdeed instead of the rest of an answer, or behind it where it is too late for that.
    fn misanswer(&mut self, due: &mut Due) {
        let (kind, job) = (due.kind, due.job);
        let (fresh, long) = (due.told == 0, due.frame.len() > TARGET_LENGTH);
        let piece = if long { 64 } else { 1 };
        match self.misdeed {
            Misdeed::Garbage => {
                let rest = due.frame.len() - due.told;
                self.channel.put(&vec![0xff; rest]);
                self.channel.publish();
                due.told += rest;
            }
            Misdeed::Truncated => {
                let half = (due.frame.len() - due.told) / 2;
                self.tell(due, half);
                rest();
            }
            Misdeed::Oversized => {
                if !fresh {
                    self.finish(due);
                }
                self.channel.put(&header(kind, job, u32::MAX));
                self.channel.publish();
                rest();
            }
            Misdeed::Replay | Misdeed::WrongJob => {
                let other = match self.misdeed {
                    Misdeed::Replay => job.wrapping_sub(1),
                    _ => job + 1000,
                };
                if long {
                    self.finish(due);
                }
                let other = frame(kind, other, &due.frame[8..]);
                let told = if long { 0 } else { due.told };
                self.channel.put(&other[told..]);
                self.channel.publish();
                due.told = due.frame.len();
            }
            Misdeed::TwoAnswers => {
                let twice = [&due.frame[due.told..], &due.frame].concat();
                self.channel.put(&twice);
                self.channel.publish();
                due.told = due.frame.len();
            }
            _ => {
                while due.told < due.frame.len() {
                    self.tell(due, piece);
                    std::thread::sleep(DRIP);
                }
            }
        }
    }

    fn greet_badly(&mut self) {
        match self.misdeed {
            Misdeed::Kill => kill(),
            Misdeed::Exit0 => std::process::exit(0),
            Misdeed::Exit1 => std::process::exit(1),
            Misdeed::Close => close(),
            Misdeed::Silence => rest(),
            Misdeed::Garbage => say(&[7, 7, 7]),
            Misdeed::Oversized => say(&[9; 5000]),
            Misdeed::Truncated => say(&READY[..1]),
            Misdeed::Replay => READY.chunks(3).cycle().take(2).for_each(say),
            Misdeed::WrongJob => say(&[0, 77, 0]),
            Misdeed::TwoAnswers => [&READY[..], b"\x01\x09not today"].into_iter().for_each(say),
            Misdeed::Drip => READY.chunks(1).for_each(say),
        }
    }
}
