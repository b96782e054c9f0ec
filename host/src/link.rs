//! The parent's hold on one worker: start it, feed it, collect its answers, kill it, reap it.
//!
//! Everything a worker says is a claim, and checked here: what passes this file is one answer for each job that was
//! asked, in order. A link knows no other workers, makes no retries, and does not know what its jobs are for: each
//! chunk of them has an owner, which it hands back with the answers.
//!
//! Owning is reaping: dropping a link kills its process and waits for its end.

mod buffer;
mod chunk;

use crate::job::{End, FaultReport};
use crate::lockdown::WallReport;
use crate::ring::{self, Reader, Writer};
use crate::role::{self, NoChildren, Role};
use crate::shared::{Hub, ManagerError, Seat, Shared, SharedError, Whose};
use crate::wire::{self, Header, Hello, Kind};
use buffer::Buffer;
pub(crate) use chunk::{Answer, Answers, Asked, Chunk};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType,
};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

/// What all workers of a pool are started with.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The program to start; `None` for this same executable.
    pub(crate) program: Option<PathBuf>,
    /// The component's machine code, in sealed memory.
    pub(crate) code: OwnedFd,
    /// The encoded [`wire::Start`], in sealed memory.
    pub(crate) start: OwnedFd,
    /// The longest result, in bytes. A worker that announces more is lying.
    pub(crate) max_result_bytes: u32,
    /// The objects that its jobs share.
    pub(crate) shared: Option<Shared>,
    /// The manager of more of them, and the pool's number there.
    pub(crate) manager: Option<(Arc<Hub>, u32)>,
}

/// A worker could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The program may not start workers, or cannot serve as one.
    #[error(transparent)]
    NoChildren(#[from] NoChildren),
    /// The system refused a process, a descriptor or memory.
    #[error("the system refused {what}: {error}")]
    System {
        /// What was asked of it.
        what: &'static str,
        /// Its answer.
        #[source]
        error: std::io::Error,
    },
    /// The worker said that it cannot serve.
    #[error("the worker cannot serve: {0}")]
    Refused(String),
    /// This machine does not give what [`Sandbox::Strict`](crate::Sandbox::Strict) wants.
    #[error("this machine cannot shut a worker in: {0}")]
    Unprotected(String),
    /// It would be one too many who work on the shared objects.
    #[error(transparent)]
    Shared(SharedError),
    /// It could have no channel to the manager.
    #[error(transparent)]
    Manager(ManagerError),
    /// The worker ended before it was ready.
    #[error("the worker ended before it was ready: {end}{}", said(.stderr))]
    Died {
        /// How it ended.
        end: End,
        /// What it wrote to its standard error.
        stderr: String,
    },
    /// The worker was not ready in time, and was killed.
    #[error("the worker was not ready after {} s{}", .after.as_secs_f64(), said(.stderr))]
    Silent {
        /// How long it was given.
        after: Duration,
        /// What it wrote to its standard error.
        stderr: String,
    },
}

fn said(stderr: &str) -> String {
    if stderr.trim().is_empty() {
        String::new()
    } else {
        format!("; it said: {}", stderr.trim())
    }
}

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
    pid: Pid,
    process: OwnedFd,
    control: OwnedFd,
    requests: Writer,
    answers: Reader,
    max_result_bytes: u32,
    /// What stands around the process, as it said when it greeted.
    walls: Vec<WallReport>,
    /// Copied from the ring, but not yet a whole frame.
    inbox: Buffer,
    in_flight: VecDeque<Flying<O>>,
    /// Answers in all, and jobs in all.
    answered: u64,
    asked: u64,
    naps: u16,
    /// Whether the worker was woken for jobs, since somebody asked.
    woke: bool,
    /// Batches that the worker wants to be asked one by one.
    refused: Vec<Chunk<O>>,
    /// What the worker claims about the running job, since this many answers.
    claim: (u64, u64),
    reaped: bool,
    /// Its place among those who work on shared objects. It goes when the process is reaped, and what the worker held is
    /// free then.
    _seat: Option<Seat>,
}

struct Flying<O> {
    chunk: Chunk<O>,
    sent: usize,
    answered: u32,
}

impl<O> Link<O> {
    /// Starts a worker. It is ready when [`Link::greet`] says so.
    pub(crate) fn start(launch: &Launch, slot: u32) -> Result<Link<O>, StartError> {
        fn system(what: &'static str) -> impl Fn(Errno) -> StartError {
            move |error| StartError::System {
                what,
                error: error.into(),
            }
        }
        let (requests, answers) = ring::memories().map_err(system("shared memory"))?;
        let (writer, reader) = ring::parent(&requests, &answers)
            .map_err(system("an address range for the channel"))?;
        // Packets, so that a greeting can't be cut in two and each bell is one.
        let (control, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(system("a socket"))?;
        let mut descriptors = vec![
            requests.as_fd(),
            answers.as_fd(),
            launch.code.as_fd(),
            launch.start.as_fd(),
        ];
        let seat = match &launch.shared {
            Some(shared) => {
                descriptors.push(shared.memory());
                Some(shared.seat().map_err(StartError::Shared)?)
            }
            None => None,
        };
        let channel = match &launch.manager {
            Some((hub, pool)) => {
                let channel = hub.channel(Whose::Pool(*pool));
                Some(channel.map_err(StartError::Manager)?)
            }
            None => None,
        };
        if let Some(ends) = &channel {
            descriptors.extend([
                ends.requests.as_fd(),
                ends.replies.as_fd(),
                ends.bells.as_fd(),
            ]);
        }
        let party = seat.as_ref().map_or(0, Seat::number);
        let mut numbers = [0; 8];
        numbers[..4].copy_from_slice(&slot.to_le_bytes());
        numbers[4..].copy_from_slice(&party.to_le_bytes());
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        rustix::net::sendmsg(
            &control,
            &[IoSlice::new(&numbers)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )
        .map_err(system("to send descriptors"))?;
        let stderr = answers.try_clone().map_err(|error| StartError::System {
            what: "a descriptor",
            error,
        })?;
        let mut command = role::command(launch.program.as_deref(), Role::Worker)?;
        command
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::from(stderr));
        let child = command.spawn().map_err(|error| StartError::System {
            what: "a worker process",
            error,
        })?;
        let pid = Pid::from_child(&child);
        let process = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => process,
            Err(error) => {
                // Without a descriptor of the process it could not be watched: end it while it is still ours.
                let mut child = child;
                let _ = child.kill();
                let _ = child.wait();
                return Err(system("a descriptor of the worker process")(error));
            }
        };
        Ok(Link {
            pid,
            process,
            control,
            requests: writer,
            answers: reader,
            max_result_bytes: launch.max_result_bytes,
            walls: Vec::new(),
            inbox: Buffer::new(),
            in_flight: VecDeque::new(),
            answered: 0,
            asked: 0,
            naps: 0,
            woke: false,
            refused: Vec::new(),
            claim: (u64::MAX, 0),
            reaped: false,
            _seat: seat,
        })
    }

    /// Whether the worker is ready for jobs. Does not wait.
    pub(crate) fn greet(&mut self) -> Result<bool, StartError> {
        let mut packet = [0; Hello::MAX_BYTES];
        let mut receive = || rustix::net::recv(&self.control, &mut packet, RecvFlags::DONTWAIT);
        let received = match receive() {
            Err(Errno::AGAIN | Errno::INTR) if !self.has_ended() => return Ok(false),
            // It may have greeted and ended since that look.
            Err(Errno::AGAIN | Errno::INTR) => receive(),
            received => received,
        };
        let length = received
            .map_or(0, |(_, length)| length)
            .min(Hello::MAX_BYTES);
        if length == 0 {
            let stderr = String::from_utf8_lossy(&self.requests.stderr()).into_owned();
            return Err(StartError::Died {
                end: self.reap(),
                stderr,
            });
        }
        match postcard::from_bytes(&packet[..length]) {
            Ok(Hello::Ready {
                version: wire::VERSION,
                walls,
            }) => {
                self.walls = walls;
                Ok(true)
            }
            Ok(Hello::Unprotected(missing)) => Err(StartError::Unprotected(missing)),
            Ok(Hello::Ready { version, .. }) => Err(StartError::Refused(format!(
                "it speaks version {version} of the protocol, not {}: name the worker program of this very build",
                wire::VERSION
            ))),
            Ok(Hello::Failed(reason)) => Err(StartError::Refused(reason)),
            Err(_) => Err(StartError::Refused(
                "it greeted with something that is no greeting".into(),
            )),
        }
    }

    /// The error of a worker that was not ready after `after`.
    pub(crate) fn silent(&self, after: Duration) -> StartError {
        StartError::Silent {
            after,
            stderr: String::from_utf8_lossy(&self.requests.stderr()).into_owned(),
        }
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// What stands around the process. It said so before it had seen its guest.
    pub(crate) fn walls(&self) -> &[WallReport] {
        &self.walls
    }

    /// Readable when the worker greets or rings, hung up when it is gone and left its end to nobody.
    pub(crate) fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// Readable when the worker's process has ended.
    pub(crate) fn process(&self) -> BorrowedFd<'_> {
        self.process.as_fd()
    }

    /// Whether the worker's process has ended.
    pub(crate) fn has_ended(&self) -> bool {
        let mut process = [PollFd::new(&self.process, PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut process, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    /// How many jobs the worker has answered.
    pub(crate) fn answered(&self) -> u64 {
        self.answered
    }

    /// How many chunks are not answered yet.
    pub(crate) fn chunks(&self) -> usize {
        self.in_flight.len()
    }

    /// How many jobs the worker was ever asked.
    pub(crate) fn asked(&self) -> u64 {
        self.asked
    }

    /// The chunk whose jobs run now, and how many of them are answered.
    pub(crate) fn running(&self) -> Option<(&Chunk<O>, u32)> {
        self.in_flight
            .front()
            .map(|flying| (&flying.chunk, flying.answered))
    }

    /// Sends a chunk, or as much of it as the ring holds; [`Link::flush`] sends the rest. Says whether the worker had to be
    /// woken for it.
    pub(crate) fn feed(&mut self, mut chunk: Chunk<O>) -> Result<bool, Broken> {
        self.asked += u64::from(chunk.count);
        chunk.seal();
        self.in_flight.push_back(Flying {
            chunk,
            sent: 0,
            answered: 0,
        });
        self.flush()?;
        Ok(std::mem::take(&mut self.woke))
    }

    /// Sends what the ring had no space for before. Says whether there was any of it, and space.
    pub(crate) fn flush(&mut self) -> Result<bool, Broken> {
        let mut sent = false;
        // What is unsent stands at the end, so look for its start from there.
        let unsent = |flying: &Flying<O>| flying.sent < flying.chunk.frames.len();
        let first = self
            .in_flight
            .iter()
            .rposition(|flying| !unsent(flying))
            .map_or(0, |last| last + 1);
        for flying in self.in_flight.range_mut(first..) {
            let written = self
                .requests
                .write(&flying.chunk.frames[flying.sent..])
                .map_err(Broken::from)?;
            flying.sent += written;
            sent |= written > 0;
            if unsent(flying) {
                break;
            }
        }
        if sent {
            self.requests.publish();
            self.woke |= self.ring();
        }
        Ok(sent)
    }

    /// Takes the answers that are there and passes them on, a row of jobs of one chunk at a time. Does not wait.
    pub(crate) fn collect(&mut self, mut deliver: impl FnMut(&O, Answers)) -> Result<bool, Broken> {
        if self.answers.take(&mut self.inbox)? == 0 {
            return Ok(false);
        }
        // The worker may be waiting for the space that this gave back.
        self.ring();
        let mut start = 0;
        while start < self.inbox.len() {
            let row = self.row(start)?;
            if row.count == 0 {
                break;
            }
            let Some(flying) = self.in_flight.front_mut() else {
                break;
            };
            self.answered += u64::from(row.count);
            if row.is_refusal {
                start = row.end;
                let flying = self.in_flight.pop_front();
                self.refused.extend(flying.map(|flying| flying.chunk));
                continue;
            }
            let frames = if start == 0 && row.end == self.inbox.len() {
                std::mem::replace(&mut self.inbox, Buffer::new())
            } else {
                let mut frames = Buffer::new();
                frames.extend_from_slice(&self.inbox[start..row.end]);
                frames
            };
            let answers = flying.chunk.answers(flying.answered, &row, frames);
            deliver(&flying.chunk.owner, answers);
            flying.answered += row.count;
            if flying.answered == flying.chunk.count {
                self.in_flight.pop_front();
            }
            start = row.end;
        }
        let read = start.min(self.inbox.len());
        self.inbox.drain(..read);
        self.make_room();
        Ok(true)
    }

    /// Takes memory for the rest of a long answer at once, now that its length is known and was checked.
    fn make_room(&mut self) {
        let header = self.inbox.first_chunk().copied().and_then(Header::decode);
        if let Some(header) = header {
            self.inbox.grow(header.frame_bytes());
        }
    }

    /// Whether an answer or a chunk is on its way that is too long to be in the ring at once.
    pub(crate) fn is_streaming(&self) -> bool {
        !self.inbox.is_empty() || self.has_unsent()
    }

    fn has_unsent(&self) -> bool {
        (self.in_flight.back()).is_some_and(|flying| flying.sent < flying.chunk.frames.len())
    }

    /// The whole answers in the inbox from `start` on that belong to the front chunk.
    fn row(&self, start: usize) -> Result<Row, Broken> {
        let Some(flying) = self.in_flight.front() else {
            return Err(Broken("an answer that nobody asked for"));
        };
        if let Some(asked) = flying.chunk.asked() {
            return self.list(flying, asked, start);
        }
        let mut row = Row::at(start);
        let left = flying.chunk.count - flying.answered;
        while row.count < left {
            let Some(head) = self.inbox[row.end..].first_chunk() else {
                break;
            };
            let header = match self.check(*head, flying, row.count) {
                Ok(header) => header,
                // The answers before it are as good as any.
                Err(_) if row.count > 0 => break,
                Err(broken) => return Err(broken),
            };
            if self.inbox.len() - row.end < header.frame_bytes() {
                break;
            }
            row.end += header.frame_bytes();
            row.count += 1;
            row.has_fault |= header.kind == Kind::Fault;
        }
        Ok(row)
    }

    /// Whether this can be the head of the answer to a job that comes `ahead` jobs after those that are answered.
    #[inline]
    fn check(&self, head: [u8; 8], flying: &Flying<O>, ahead: u32) -> Result<Header, Broken> {
        let header = Header::decode(head).ok_or(Broken("a frame of an unknown kind"))?;
        let place = flying.answered + ahead;
        let most = match header.kind {
            Kind::Value => self.max_result_bytes,
            Kind::Fault => FaultReport::MAX_BYTES,
            Kind::Values | Kind::Refused => {
                return Err(Broken("an answer to many jobs that were asked one by one"));
            }
            Kind::Chunk | Kind::Job | Kind::Batch | Kind::Sweep => {
                return Err(Broken("a request in the place of an answer"));
            }
        };
        if header.job != (flying.chunk.first + u64::from(place)) as u32 & 0xff_ffff {
            return Err(Broken("an answer to another job than the one it was asked"));
        }
        if header.length > most {
            return Err(Broken("an answer that is longer than a worker makes them"));
        }
        if flying.sent < flying.chunk.frames.len() && place + 1 == flying.chunk.count {
            return Err(Broken("an answer to a job that it does not know yet"));
        }
        Ok(header)
    }

    /// The next whole answer in the inbox at `start` to jobs that are a list, if it is there.
    fn list(&self, flying: &Flying<O>, asked: Asked, start: usize) -> Result<Row, Broken> {
        let mut row = Row::at(start);
        let frame = &self.inbox[start..];
        let Some(head) = frame.first_chunk() else {
            return Ok(row);
        };
        let header = Header::decode(*head).ok_or(Broken("a frame of an unknown kind"))?;
        let most = match (header.kind, asked) {
            (Kind::Values, _) | (Kind::Refused, Asked::AsBatch) => self.max_result_bytes,
            (Kind::Fault, Asked::AsSweep) => FaultReport::MAX_BYTES,
            _ => {
                return Err(Broken(
                    "an answer of another kind than its jobs were asked for",
                ));
            }
        };
        let next = flying.chunk.first + u64::from(flying.answered);
        if header.job != next as u32 & 0xff_ffff || flying.sent < flying.chunk.frames.len() {
            return Err(Broken("an answer to another job than the one it was asked"));
        }
        if header.length > most {
            return Err(Broken("an answer that is longer than a worker makes them"));
        }
        if frame.len() < header.frame_bytes() {
            return Ok(row);
        }
        let left = flying.chunk.count - flying.answered;
        let count = frame[Header::BYTES..header.frame_bytes()].first_chunk();
        let count = count.map_or(0, |count| u32::from_le_bytes(*count));
        row.count = match (header.kind, asked) {
            (Kind::Fault, _) => 1,
            (Kind::Refused, _) => left,
            (_, Asked::AsSweep) if (1..=left).contains(&count) => count,
            (_, Asked::AsBatch) if count == left => count,
            _ => return Err(Broken("another number of results than it was asked jobs")),
        };
        row.end += header.frame_bytes();
        row.has_fault = header.kind == Kind::Fault;
        row.is_refusal = header.kind == Kind::Refused;
        row.is_list = header.kind == Kind::Values;
        Ok(row)
    }

    /// Takes back the batches whose jobs have to be asked one by one.
    pub(crate) fn take_refused(&mut self) -> Vec<Chunk<O>> {
        std::mem::take(&mut self.refused)
    }

    /// Says that this side sleeps until the front chunk is answered. Look for answers once more before you block.
    pub(crate) fn sleep(&mut self) {
        let Some(front) = self.in_flight.front() else {
            return;
        };
        self.naps = self.naps.wrapping_add(1);
        self.requests.sleep(
            self.answered + u64::from(front.chunk.count - front.answered),
            self.naps,
        );
    }

    /// Whether there are answers to collect, or there is space for what is not sent yet: no bell rings for that to one
    /// who fell asleep just as the space came.
    pub(crate) fn has_work(&mut self) -> Result<bool, Broken> {
        Ok(self.answers.available()? > 0 || self.has_unsent() && self.requests.space()? > 0)
    }

    /// Says that this side is awake.
    pub(crate) fn wake(&mut self) {
        self.requests.wake();
    }

    /// Takes the bells that rang. `false` if there will be no more, because the worker closed its end.
    pub(crate) fn take_bells(&self) -> bool {
        // More bells than these are no matter: they wake us once more for nothing.
        for _ in 0..4 {
            match rustix::net::recv(&self.control, &mut [0; 8], RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return false,
                Ok(_) => {}
                Err(_) => break,
            }
        }
        true
    }

    /// For how long the running job has been running, if one is, as the worker tells it.
    pub(crate) fn running_for(&mut self) -> Option<Duration> {
        let claimed =
            (self.requests.started(self.answered)).filter(|_| !self.in_flight.is_empty())?;
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
        // Only the first word on each job counts: a worker could go on to say that it has just started, or will start.
        if self.claim.0 != self.answered {
            self.claim = (self.answered, claimed.min(now));
        }
        Some(Duration::from_nanos(now.saturating_sub(self.claim.1)))
    }

    /// Kills the worker. It is gone when its control socket hangs up.
    pub(crate) fn kill(&self) {
        // It can only fail for a process that has ended already.
        let _ = rustix::process::pidfd_send_signal(&self.process, Signal::KILL);
    }

    /// Ends the worker and takes back what it did not answer. Where the front job is to `blame`, it ran, whatever the
    /// worker says.
    pub(crate) fn lose(mut self, broken: Option<Broken>, blame: bool) -> Lost<O>
    where
        O: Clone,
    {
        // Who speaks nonsense is not believed that it has started nothing.
        let ran = self.requests.started(self.answered).is_some() || broken.is_some() || blame;
        let log = String::from_utf8_lossy(&self.requests.log()).into_owned();
        let reaped = self.reap();
        let end = broken.map_or(reaped, |Broken(what)| End::Nonsense(what.into()));
        let mut running = None;
        let mut waiting = Vec::new();
        for (place, flying) in std::mem::take(&mut self.in_flight).into_iter().enumerate() {
            let mut rest = flying.chunk.skip(flying.answered);
            // Which of several jobs of a list ran is not known, and what is a list may run twice.
            let known =
                rest.asked().is_none() || rest.asked() == Some(Asked::AsSweep) && rest.count == 1;
            if place == 0 && ran && known {
                let behind = rest.split_off(1);
                running = Some((rest, log.clone()));
                waiting.extend(behind);
            } else {
                rest.losses += u32::from(place == 0);
                waiting.push(rest);
            }
        }
        Lost {
            end,
            running,
            waiting,
        }
    }

    /// Kills the process if it still runs, and waits for its end.
    fn reap(&mut self) -> End {
        if std::mem::replace(&mut self.reaped, true) {
            return End::Unknown;
        }
        self.kill();
        match rustix::process::waitid(WaitId::PidFd(self.process.as_fd()), WaitIdOptions::EXITED) {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => End::Exited(code),
                (None, Some(signal)) => End::Killed(signal),
                (None, None) => End::Unknown,
            },
            // The embedding program may wait for any child, ours included.
            Ok(None) | Err(_) => End::Unknown,
        }
    }

    /// Wakes the worker if it sleeps, and says whether it did.
    fn ring(&self) -> bool {
        let sleeps = self.requests.peer_sleeps();
        if sleeps {
            // A full socket has woken the worker already, a closed one shows in the next look at it.
            let _ = rustix::net::send(
                &self.control,
                &[1],
                SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
            );
        }
        sleeps
    }
}

impl<O> Drop for Link<O> {
    fn drop(&mut self) {
        self.reap();
    }
}

/// Whole answers in the inbox.
struct Row {
    count: u32,
    end: usize,
    has_fault: bool,
    is_refusal: bool,
    is_list: bool,
}

impl Row {
    fn at(start: usize) -> Row {
        Row {
            count: 0,
            end: start,
            has_fault: false,
            is_refusal: false,
            is_list: false,
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
