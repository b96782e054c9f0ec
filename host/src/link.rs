//! The parent's hold on one worker: feed it, collect its answers, kill it.
//!
//! Everything a worker says is a claim, and checked here: what passes this file is one answer for each job that was
//! asked, in order. A link knows no other workers, makes no retries, and does not know what its jobs are for: each
//! chunk of them has an owner, which it hands back with the answers.

mod account;
mod buffer;
mod chunk;
mod flight;
mod loan;
mod process;
mod start;
mod starter;
mod waking;

use crate::job::{End, Progress};
use crate::lockdown::WallReport;
use crate::ring::{self, LineReader, Reader, Writer};
use crate::shared::Seat;
use crate::wire::Line;
pub(crate) use account::Bounds;
pub(crate) use chunk::{Answer, Answers, Asked, Chunk, Encoded};
pub(crate) use flight::Flight;
pub(crate) use loan::lend;
use process::Process;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
pub(crate) use start::Launch;
pub use start::StartError;
pub(crate) use starter::Starter;
use std::time::Duration;
use waking::Waking;

/// How much of what is long is moved at a time, in bytes: the worker copies one piece while the next is written, or writes one
/// while another is copied, and all of them stay in a core's cache.
const PIECE_BYTES: usize = 64 << 10;

/// What a lost worker gives back.
pub(crate) struct Lost<O> {
    /// How it ended.
    pub(crate) end: End,
    /// The job that ran, with what the guest last wrote to its standard error.
    pub(crate) running: Option<(Chunk<O>, String)>,
    /// The jobs that waited behind it, and can run elsewhere as if nothing had been; before them a list in which one ran,
    /// nobody knows which, as one more was lost with it.
    pub(crate) waiting: Vec<Chunk<O>>,
}

/// One worker process.
pub(crate) struct Link<O> {
    /// The first of all, so that it is reaped before its seat is free for another.
    process: Process,
    control: OwnedFd,
    /// By which the worker wakes this side, until it is watched.
    bell: Option<OwnedFd>,
    requests: Writer,
    answers: Reader,
    /// What the guest logs, if it may.
    lines: Option<LineReader>,
    /// What stands around the process, as it said when it greeted.
    walls: Vec<WallReport>,
    flight: Flight<O>,
    /// Jobs in all.
    asked: u64,
    naps: u16,
    /// Whether the worker has a processor to itself for what it was last given, and this thread another.
    apart: bool,
    /// Whether the worker was rung for, and has shown no sign since that it is awake.
    rung: bool,
    /// What the worker claims about the running job, since this many answers.
    claim: (u64, u64),
    /// Whether it works on objects with others.
    shares: bool,
    /// Its place among those who work on shared objects. It goes when the process is reaped, and what the worker held is
    /// free then.
    _seat: Option<Seat>,
}

impl<O> Link<O> {
    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How much processor time the process has had, as the kernel tells it.
    pub(crate) fn processor_time(&self) -> Option<Duration> {
        self.process.processor_time()
    }

    /// What stands around the process. It said so before it had seen its guest.
    pub(crate) fn walls(&self) -> &[WallReport] {
        &self.walls
    }

    /// By which the worker wakes this side, to be watched by a set that keeps its own hold of it: so it is watched for as long as the
    /// worker has it, and a pool of many workers has a descriptor less for each. Nothing takes what is written there, so that
    /// a worker cannot make anybody wait.
    pub(crate) fn take_bell(&mut self) -> Option<OwnedFd> {
        self.bell.take()
    }

    /// Readable when the worker greets, hung up when it is gone and left its end to nobody.
    pub(crate) fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// Readable when the worker's process has ended.
    pub(crate) fn process(&self) -> BorrowedFd<'_> {
        self.process.as_fd()
    }

    /// Whether the worker's process has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.process.has_ended()
    }

    /// How many jobs the worker has answered.
    pub(crate) fn answered(&self) -> u64 {
        self.flight.answered()
    }

    /// How many chunks are not answered yet.
    #[inline]
    pub(crate) fn chunks(&self) -> usize {
        self.flight.chunks()
    }

    /// How many jobs the worker was ever asked.
    pub(crate) fn asked(&self) -> u64 {
        self.asked
    }

    /// The chunk whose jobs run now, and how many of them are answered.
    #[inline]
    pub(crate) fn running(&self) -> Option<(&Chunk<O>, u32)> {
        self.flight.front()
    }

    /// How far the job that runs now says that it is: its place in its input, what is done, and of how much.
    pub(crate) fn progress(&self) -> Option<Progress> {
        let (chunk, answered) = self.flight.front()?;
        let (done, total) = self.requests.progress(self.flight.answered())?;
        let job = chunk.first + u64::from(answered);
        Some(Progress { job, done, total })
    }

    /// Asks the jobs of the chunk whose jobs run now to stop.
    pub(crate) fn cancel(&self) {
        if let Some((chunk, answered)) = self.flight.front() {
            let left = u64::from(chunk.count - answered);
            self.requests.cancel_until(self.flight.answered() + left);
        }
    }

    /// Asks all jobs to stop, those to come as well.
    pub(crate) fn cancel_all(&self) {
        self.requests.cancel_until(u64::MAX);
    }

    /// Sends a chunk, or as much of it as the ring holds; [`Link::flush`] sends the rest. Where the worker has to be woken, it is
    /// kept `apart` from this thread if both can run at the same time; but one that `has_rested` takes turns with this thread,
    /// if the chunk is short, and this says whether it was woken for that.
    pub(crate) fn feed(
        &mut self,
        chunk: Chunk<O>,
        apart: bool,
        has_rested: impl Fn() -> bool,
    ) -> Result<bool, Broken> {
        let is_short = chunk.bytes() <= PIECE_BYTES;
        self.asked += u64::from(chunk.count);
        self.apart = apart;
        self.flight.push(chunk);
        let mut in_turn = false;
        self.send(|| {
            in_turn = is_short && has_rested();
            match (in_turn, apart) {
                (true, _) => Waking::InTurn,
                (false, true) => Waking::Apart,
                (false, false) => Waking::Anywhere,
            }
        })?;
        Ok(in_turn)
    }

    /// Sends what the ring had no space for before. Says whether there was any of it, and space.
    pub(crate) fn flush(&mut self) -> Result<bool, Broken> {
        let waking = self.waking();
        self.send(|| waking)
    }

    /// Where the worker is to wake up if it falls asleep in the midst of something.
    fn waking(&self) -> Waking {
        if self.apart {
            Waking::Apart
        } else {
            Waking::Anywhere
        }
    }

    fn send(&mut self, mut waking: impl FnMut() -> Waking) -> Result<bool, Broken> {
        let (requests, worker) = (&mut self.requests, self.process.pid());
        let rung = &mut self.rung;
        self.flight.send(|frames| {
            let written = requests.write(&frames[..frames.len().min(PIECE_BYTES)])?;
            if written > 0 {
                requests.publish();
                let sleeps = requests.peer_sleeps();
                // Where it wakes up is settled by the first ring.
                match (sleeps, std::mem::replace(rung, sleeps)) {
                    (true, false) => waking().ring(worker, requests),
                    (true, true) => requests.ring_again(),
                    (false, _) => {}
                }
            }
            Ok(written)
        })
    }

    /// Takes the answers that are there and passes them on, a row of jobs of one chunk at a time. Does not wait.
    pub(crate) fn collect(&mut self, deliver: impl FnMut(&O, Answers)) -> Result<bool, Broken> {
        let answers = &mut self.answers;
        let taken = match self.flight.landing() {
            Some(landing) => landing.fill(PIECE_BYTES, |room| answers.take_into(room))?,
            None => answers.take(self.flight.inbox())?,
        };
        if taken == 0 {
            return Ok(false);
        }
        self.rung = false;
        if self.answers.may_have_filled() && self.requests.peer_sleeps() {
            (self.waking()).ring(self.process.pid(), &self.requests);
        }
        self.flight.read(deliver)?;
        Ok(true)
    }

    /// Whether the guest may log.
    #[inline]
    pub(crate) fn logs(&self) -> bool {
        self.lines.is_some()
    }

    /// Whether the guest has logged something.
    pub(crate) fn has_lines(&mut self) -> Result<bool, Broken> {
        match &mut self.lines {
            Some(lines) => Ok(lines.has_any()?),
            None => Ok(false),
        }
    }

    /// Takes what the guest has logged since, and how many lines did not come through.
    pub(crate) fn take_lines(&mut self) -> Result<(Vec<Line>, u64), Broken> {
        let Some(lines) = &mut self.lines else {
            return Ok((Vec::new(), 0));
        };
        let lost = lines.lost();
        if !lines.has_any()? {
            return Ok((Vec::new(), lost));
        }
        match Line::decode_all(&lines.take()?) {
            Some(lines) => Ok((lines, lost)),
            None => Err(Broken("a line of the log that is none")),
        }
    }

    /// Whether an answer or a chunk is on its way that is too long to be in the ring at once.
    pub(crate) fn is_streaming(&self) -> bool {
        self.flight.is_streaming()
    }

    /// Takes back a batch whose jobs have to be asked one by one, the last one first.
    pub(crate) fn take_refused(&mut self) -> Option<Chunk<O>> {
        self.flight.take_refused()
    }

    /// Says that this side sleeps until the front chunk is answered. Look for answers once more before you block.
    pub(crate) fn sleep(&mut self) {
        let Some((front, answered)) = self.flight.front() else {
            return;
        };
        self.naps = self.naps.wrapping_add(1);
        self.requests.sleep(
            self.flight.answered() + u64::from(front.count - answered),
            self.naps,
        );
    }

    /// Whether there are answers to collect, or there is space for what is not sent yet: no bell rings for that to one
    /// who fell asleep just as the space came.
    #[inline]
    pub(crate) fn has_work(&mut self) -> Result<bool, Broken> {
        Ok(self.answers.available()? > 0 || self.flight.has_unsent() && self.requests.space()? > 0)
    }

    /// Says that this side is awake.
    pub(crate) fn wake(&mut self) {
        self.requests.wake();
    }

    /// For how long the running job has been running, if one is, as the worker tells it.
    pub(crate) fn running_for(&mut self) -> Option<Duration> {
        let answered = self.flight.answered();
        let claimed = (self.requests.started(answered)).filter(|_| self.flight.chunks() > 0)?;
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
        // Only the first word on each job counts: a worker could go on to say that it has just started, or will start.
        if self.claim.0 != answered {
            self.claim = (answered, claimed.min(now));
        }
        Some(Duration::from_nanos(now.saturating_sub(self.claim.1)))
    }

    /// Kills the worker. It is gone when its control socket hangs up.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// Kills the worker for the job that it runs, which need not wait until the process is gone: that takes long where it had
    /// much memory. Gives back whose job it is, its index, how often it was started, and what the guest last wrote to its
    /// standard error; nothing if the job's end has to wait, because nobody knows which one it is, or because what the
    /// worker holds of shared objects is only free when it is gone.
    pub(crate) fn kill_and_give_up(&mut self) -> Option<(O, u64, u32, String)>
    where
        O: Clone,
    {
        self.kill();
        if self.shares {
            return None;
        }
        let (owner, job, attempt) = self.flight.give_up()?;
        let log = String::from_utf8_lossy(&self.requests.log()).into_owned();
        Some((owner, job, attempt, log))
    }

    /// Ends the worker and takes back what it did not answer. Where the front job is to `blame`, it ran, whatever the
    /// worker says.
    pub(crate) fn lose(mut self, broken: Option<Broken>, blame: bool) -> Lost<O>
    where
        O: Clone,
    {
        // Who speaks nonsense is not believed that it has started nothing.
        let started = self.requests.started(self.flight.answered()).is_some();
        let ran = started || broken.is_some() || blame;
        let log = String::from_utf8_lossy(&self.requests.log()).into_owned();
        let reaped = self.process.reap();
        let end = broken.map_or(reaped, |Broken(what)| End::Nonsense(what.into()));
        let (running, waiting) = self.flight.give_back(ran);
        Lost {
            end,
            running: running.map(|chunk| (chunk, log)),
            waiting,
        }
    }
}

/// The worker said what no worker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken(&'static str);

impl From<ring::OutOfBounds> for Broken {
    fn from(_: ring::OutOfBounds) -> Broken {
        Broken("an index of the ring that is out of bounds")
    }
}
