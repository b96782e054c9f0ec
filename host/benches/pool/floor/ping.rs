//! The least that a job in another process can cost: a number goes there through shared memory, the guest is called on it,
//! and the result comes back. No codec, no faults, no deadlines, one worker, one job at a time.

use super::guest::{ARITH, Guest};
use super::process::Process;
use super::shared_page::{self, SharedPage, Side};
use anyhow::Result;
use rustix::fd::AsFd;
use rustix::fs::MemfdFlags;
use rustix::thread::futex;
use std::process::Stdio;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// How both processes wait for each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// By looking all the time.
    Spinning,
    /// By a futex, so that each answer is two wakes of a sleeping process.
    Sleeping,
}

/// The other process, and the page that we share with it. Between pings it sleeps.
pub(crate) struct Ping {
    page: &'static SharedPage,
    process: Process,
}

impl Ping {
    pub(crate) fn start() -> Result<Ping> {
        let memory = rustix::fs::memfd_create("ping", MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&memory, shared_page::BYTES as u64)?;
        let page = shared_page::map(&memory)?;
        page.request.sleep.store(1, Relaxed);
        let mut ping = Ping {
            page,
            process: Process::answering(Stdio::from(memory))?,
        };
        // The first answer comes when the guest is loaded.
        ping.square(1, Wait::Sleeping)?;
        Ok(ping)
    }

    /// Lets the other process spin while a function runs, and sleep again afterwards.
    pub(crate) fn spinning<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.process.check()?;
        self.set(Wait::Spinning)?;
        let result = run(self);
        self.set(Wait::Sleeping)?;
        result
    }

    /// Tells the other process how to wait from now on, and waits until it has heard.
    fn set(&mut self, wait: Wait) -> Result<()> {
        let turn = self.page.answer.turn.load(Acquire);
        self.page
            .request
            .sleep
            .store(u32::from(wait == Wait::Sleeping), Relaxed);
        self.page.request.pass(1);
        futex::wake(&self.page.request.turn, futex::Flags::empty(), 1)?;
        self.page.answer.wait(turn, Wait::Spinning)?;
        Ok(())
    }

    /// One number there and back.
    pub(crate) fn square(&mut self, n: i64, wait: Wait) -> Result<i64> {
        let turn = self.page.answer.turn.load(Acquire);
        self.page.request.pass(n);
        if wait == Wait::Sleeping {
            futex::wake(&self.page.request.turn, futex::Flags::empty(), 1)?;
        }
        self.page.answer.wait(turn, wait)
    }
}

impl Side {
    fn pass(&self, n: i64) {
        self.value.store(n, Relaxed);
        self.turn
            .store(self.turn.load(Relaxed).wrapping_add(1), Release);
    }

    /// The number after this turn.
    fn wait(&self, turn: u32, wait: Wait) -> Result<i64> {
        while self.turn.load(Acquire) == turn {
            match wait {
                Wait::Spinning => std::hint::spin_loop(),
                Wait::Sleeping => {
                    match futex::wait(&self.turn, futex::Flags::empty(), turn, None) {
                        Ok(()) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
        Ok(self.value.load(Relaxed))
    }
}

/// The other half: answers until it is killed.
pub(super) fn answer(memory: impl AsFd) -> Result<()> {
    let page = shared_page::map(memory)?;
    let guest = Guest::new(ARITH)?;
    let mut instance = guest.instance()?;
    let square = instance.typed::<(i64,), (i64,)>(guest.function("square")?)?;
    let mut turn = 0;
    let mut wait = Wait::Sleeping;
    loop {
        let n = page.request.wait(turn, wait)?;
        turn = page.request.turn.load(Relaxed);
        // Read while the cache line is here. Later, it would be fetched back from who writes the next number.
        wait = match page.request.sleep.load(Relaxed) {
            0 => Wait::Spinning,
            _ => Wait::Sleeping,
        };
        let result = square.call(&mut instance.store, (n,));
        page.answer.pass(result.map_err(super::ours)?.0);
        if wait == Wait::Sleeping {
            futex::wake(&page.answer.turn, futex::Flags::empty(), 1)?;
        }
    }
}
