//! The hostile worker: it squares numbers like an honest one, and does one misdeed at one number or one list.
//!
//! Which deed, the pool tells it as a variable of the guest. What it does at each step of a worker's life is in `cell`.

use super::channel::*;
use super::{TARGET, cell};
use std::fs;
use std::path::PathBuf;

/// Serves the pool that started this process.
pub(super) fn serve() {
    let (channel, told) = Channel::receive();
    let deed = variable(&told, "DEED");
    let tokens = PathBuf::from(variable(&told, "TOKENS"));
    if let Some(step_and_misdeed) = deed.strip_prefix("cell ") {
        return cell::serve(channel, tokens, step_and_misdeed);
    }
    let worker = Worker {
        channel,
        early: deed.starts_with("early "),
        deed: deed.trim_start_matches("early ").to_string(),
        tokens,
    };
    worker.greet();
    worker.work();
}

/// Whether this worker is among those that misbehave.
pub(super) fn takes_token(tokens: &PathBuf) -> bool {
    let tokens = fs::read_dir(tokens).unwrap().flatten();
    tokens
        .into_iter()
        .any(|token| fs::remove_file(token.path()).is_ok())
}

struct Worker {
    channel: Channel,
    deed: String,
    early: bool,
    tokens: PathBuf,
}

impl Worker {
    fn greet(&self) {
        match self.deed.strip_prefix("greet: ") {
            Some("kill") => kill(),
            Some("exit") => std::process::exit(1),
            Some("garbage") => say(&[7, 7, 7]),
            Some("nothing") => say(&[1]),
            Some("long") => say(&[9; 5000]),
            Some("version") => say(&[0, 77, 0]),
            Some("sorry") => say(b"\x01\x09not today"),
            Some("leave a child") => {
                leave_a_child();
                kill();
            }
            Some(other) => panic!("no greeting is called {other}"),
            // The deed was done before, and no worker can take this one's place.
            None if self.deed == "kill for good" && !fs::exists(self.tokens.join("0")).unwrap() => {
                std::process::exit(1)
            }
            None => say(&READY),
        }
    }

    /// Squares numbers, and does its deed.
    fn work(mut self) {
        loop {
            let (kind, job, payload) = self.request();
            match kind {
                BATCH => {
                    // It has but one deed at a time in mind.
                    let jobs = u32::from_le_bytes(*payload.first_chunk().unwrap());
                    self.channel.answer(REFUSED, job, &[]);
                    self.channel.answered += u64::from(jobs);
                }
                SWEEP => self.sweep(job, &payload),
                JOB => self.job(job, payload),
                _ => {}
            }
        }
    }

    fn job(&mut self, job: u32, payload: Vec<u8>) {
        // Everything else than a number is a list, in which it finds nothing.
        let Ok(n) = payload.try_into().map(i64::from_le_bytes) else {
            self.channel.answer(VALUE, job, &[0; 4]);
            self.channel.answered += 1;
            return;
        };
        let square = n.wrapping_mul(n).to_le_bytes();
        let meant = n == TARGET && takes_token(&self.tokens);
        if !meant || !self.early {
            self.channel.start_job(monotonic());
        }
        if meant {
            self.misbehave(job, &square);
        } else {
            self.channel.answer(VALUE, job, &square);
        }
        self.channel.set(STARTED, 0);
        self.channel.answered += 1;
    }

    /// Squares the numbers of a list, and does its deed to the answer.
    fn sweep(&mut self, job: u32, list: &[u8]) {
        let (count, numbers) = list.split_first_chunk().unwrap();
        let count = u32::from_le_bytes(*count);
        let squares = numbers.as_chunks().0.iter().flat_map(|number| {
            let number = i64::from_le_bytes(*number);
            number.wrapping_mul(number).to_le_bytes()
        });
        let squares: Vec<u8> = squares.collect();
        let results = |told: u32| [&told.to_le_bytes()[..], &squares].concat();
        let all = results(count);
        let deed = if self.deed.starts_with("list: ") && takes_token(&self.tokens) {
            self.deed.clone()
        } else {
            String::new()
        };
        self.channel.start_job(monotonic());
        let channel = &mut self.channel;
        match &deed[..] {
            "" => channel.answer(VALUES, job, &all),
            "list: none" => channel.answer(VALUES, job, &results(0)),
            "list: too many" => channel.answer(VALUES, job, &results(count + 1)),
            "list: nothing" => channel.answer(VALUES, job, &[]),
            "list: refused" => channel.answer(REFUSED, job, &[]),
            "list: one value" => channel.answer(VALUE, job, &all),
            "list: wrong job" => channel.answer(VALUES, job + 1, &all),
            "list: half, then kill" => {
                let half = count / 2;
                let bytes = 4 + 8 * half as usize;
                channel.answer(VALUES, job, &results(half)[..bytes]);
                kill();
            }
            "list: short" => channel.answer(VALUES, job, &all[..all.len() - 8]),
            "list: kill" => kill(),
            other => panic!("no misdeed is called {other}"),
        }
        channel.set(STARTED, 0);
        channel.answered += u64::from(count);
    }

    fn misbehave(&mut self, job: u32, square: &[u8]) {
        let now = monotonic();
        let channel = &mut self.channel;
        let start = channel.published;
        match self.deed.as_str() {
            "kill" | "kill for good" => kill(),
            "exit 0" => std::process::exit(0),
            "exit 1" => std::process::exit(1),
            "close" => close(),
            "leave a child" => {
                leave_a_child();
                kill();
            }
            "half a frame" => {
                channel.put(&header(VALUE, job, 8));
                channel.publish();
                std::process::exit(1);
            }
            "started in the future" => {
                channel.start_job(now + (1 << 50));
                rest();
            }
            "started again and again" => loop {
                channel.set(STARTED, 0);
                channel.start_job(monotonic());
            },
            "request" => channel.answer(JOB, job, square),
            "oversized report" => {
                channel.put(&header(FAULT, job, 1 << 30));
                channel.publish();
                rest();
            }
            "published ahead" => self.claim(PUBLISHED, start + CAPACITY + 1),
            "published back" => self.claim(PUBLISHED, start.wrapping_sub(8)),
            "published to the end" => self.claim(PUBLISHED, u64::MAX),
            "garbage value" => channel.answer(VALUE, job, &[1; 21]),
            "empty value" => channel.answer(VALUE, job, &[]),
            "garbage report" => channel.answer(FAULT, job, &[255; 40]),
            "unknown kind" => channel.answer(9, job, square),
            "flood of bells" => {
                for _ in 0..20_000 {
                    channel.ring();
                }
                channel.answer(VALUE, job, square);
            }
            "parked" => {
                for lie in [0, 1, u64::MAX, 0].repeat(1000) {
                    channel.set(PARKED, lie);
                }
                channel.answer(VALUE, job, square);
            }
            "log length" => {
                channel.set(LOG_LENGTH, u64::MAX);
                channel.answer(VALUE, job, square);
            }
            other => panic!("no misdeed is called {other}"),
        }
    }

    /// The next request: its kind, its job and its payload.
    fn request(&mut self) -> (u8, u32, Vec<u8>) {
        let (kind, job, length) = self.channel.head();
        if length as u64 > CAPACITY && takes_token(&self.tokens) {
            let taken = self.channel.taken;
            // The parent looks at this word where an argument is longer than the ring.
            match self.deed.as_str() {
                "taken ahead" => self.claim(TAKEN, taken + CAPACITY + 1),
                "taken back" => self.claim(TAKEN, taken.wrapping_sub(64)),
                "taken to the end" => self.claim(TAKEN, u64::MAX),
                other => panic!("no misdeed in a long argument is called {other}"),
            }
        }
        (kind, job, self.channel.payload(length))
    }

    /// Writes an index that cannot be.
    fn claim(&self, word: u64, value: u64) {
        self.channel.set(word, value);
        self.channel.ring();
        rest();
    }
}
