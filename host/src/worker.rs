//! The child's life: take what the parent gives, load the guest, serve jobs until the parent, or its end, kills this process.
//!
//! A worker doesn't know that it has siblings. It trusts its parent, and nothing of what its guest says or does: the
//! engine holds that.

mod line;
mod log_lines;
mod meter;
mod start;
mod streaming;

use crate::engine::{Guest, Passing};
use crate::job::{Cause, FaultReport};
use crate::lockdown::{self, Missing};
use crate::ring::{self, Desk, Log, Reader};
use crate::wire::{self, ChunkHead, Header, Hello, Kind};
use line::Line;
use meter::Meter;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::time::ClockId;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use streaming::Streaming;

/// Serves the parent at the other end of standard input. Returns only if it cannot begin.
pub(crate) fn serve() -> i32 {
    let stdin = std::io::stdin();
    let control = stdin.as_fd();
    let (mut server, walls) = match start::server(control) {
        Ok(started) => started,
        Err(error) => {
            let reason = format!("{error:#}");
            let hello = match error.downcast::<Missing>() {
                Ok(missing) => Hello::Unprotected(missing.to_string()),
                Err(_) => Hello::Failed(reason.clone()),
            };
            if say(control, &hello).is_err() {
                // Nobody listens at the other end: somebody started this by hand.
                let _ = std::io::stderr().write_all(format!("error: {reason}\n").as_bytes());
            }
            return 1;
        }
    };
    if say(
        control,
        &Hello::Ready {
            version: wire::VERSION,
            walls,
        },
    )
    .is_err()
    {
        return 1;
    }
    // The panic has told on stderr what it is; unwound to `main` it would end in calls that this process may not make.
    let broken = catch_unwind(AssertUnwindSafe(|| server.run()));
    lockdown::leave(if broken.is_ok() { 1 } else { PANICKED })
}

/// How a worker exits after a panic of its own code, as every Rust program does.
const PANICKED: i32 = 101;

/// How large a buffer may be that is kept from job to job, in bytes.
const KEPT_BYTES: usize = ring::CAPACITY;

struct Server {
    requests: Reader,
    line: Line,
    log: Arc<Log>,
    desk: Arc<Desk>,
    guest: Guest,
    timed: bool,
    accounts: bool,
    max_result_bytes: u32,
}

fn say(control: BorrowedFd<'_>, hello: &Hello) -> anyhow::Result<()> {
    let mut packet = postcard::to_stdvec(hello)?;
    if packet.len() > Hello::MAX_BYTES {
        packet = postcard::to_stdvec(&Hello::Failed("the reason is too long to be told".into()))?;
    }
    rustix::net::send(control, &packet, SendFlags::NOSIGNAL)?;
    Ok(())
}

impl Server {
    /// Serves until the process is killed, or the channel makes no sense.
    fn run(&mut self) -> Errno {
        let mut chunk = ChunkHead::default();
        let mut buffers = Buffers::default();
        loop {
            let there = self.wait_for(Header::BYTES);
            let served = there.and_then(|()| self.serve_frame(&mut chunk, &mut buffers));
            if let Err(error) = served {
                return error;
            }
        }
    }

    fn serve_frame(&mut self, chunk: &mut ChunkHead, buffers: &mut Buffers) -> Result<(), Errno> {
        let header = self.requests.peek(Header::BYTES).first_chunk().copied();
        let header = header.and_then(Header::decode).ok_or(Errno::IO)?;
        let Buffers { answer, long } = &mut *buffers;
        match header.kind {
            Kind::Chunk => {
                let frame_bytes = header.frame_bytes();
                self.wait_for(frame_bytes)?;
                let head = self.requests.peek(frame_bytes)[Header::BYTES..].first_chunk();
                *chunk = ChunkHead::decode(*head.ok_or(Errno::IO)?);
                self.requests.release(frame_bytes);
            }
            Kind::Sweep => {
                self.gather(&header, long)?;
                let list = &long[header.payload()];
                self.sweep(chunk, header.job, list, answer)?;
            }
            Kind::Job | Kind::Batch => self.job(chunk, &header, buffers)?,
            Kind::Value | Kind::Fault | Kind::Refused | Kind::Values => return Err(Errno::IO),
        }
        buffers.shrink(&header);
        Ok(())
    }

    /// Runs a job, or a batch of them, and answers.
    fn job(
        &mut self,
        chunk: &mut ChunkHead,
        header: &Header,
        Buffers { answer, long }: &mut Buffers,
    ) -> Result<(), Errno> {
        let is_batch = header.kind == Kind::Batch;
        let kind = if is_batch { Kind::Values } else { Kind::Value };
        let jobs = if is_batch { chunk.jobs } else { 1 };
        let frame_bytes = header.frame_bytes();
        // Arguments that fit the ring are read where they lie, longer ones as they come. Where time counts they are there
        // before it begins: a job doesn't pay for the time that its parent takes.
        let is_here = frame_bytes <= ring::CAPACITY;
        let is_gathered = !is_here && (self.timed || self.accounts);
        if is_gathered {
            self.gather(header, long)?;
        } else if is_here {
            self.wait_for(frame_bytes)?;
        }
        self.guest
            .begin(wire::index(chunk.first, header.job), chunk.attempt);
        // Without a time limit nobody asks when the job started, only whether one runs.
        self.line.set_started(if self.timed {
            meter::nanoseconds(ClockId::Monotonic)
        } else {
            1 << 16
        });
        self.desk.begin(self.line.answered);
        self.log.clear();
        answer.clear();
        let meter = self.accounts.then(Meter::start);
        let mut call = |arguments: &[u8], later, streaming: &mut Streaming<'_>| {
            wire::put_frame(kind, header.job, answer, |result| {
                let passing = Passing::new(arguments, result).streamed(later, streaming);
                self.guest.call(chunk.function, passing)
            })
        };
        // What follows a batch's results depends on their number, an account comes after the result it tells of, and where time
        // counts a job doesn't pay for the time that its parent takes.
        let head = (!is_batch && !self.accounts && !self.timed).then_some(*header);
        let mut streaming = Streaming::new(&mut self.line, head, self.max_result_bytes);
        let (result, was_streamed) = if is_here {
            let result = call(
                &self.requests.peek(frame_bytes)[header.payload()],
                0,
                &mut streaming,
            );
            (result, streaming.end()?)
        } else if is_gathered {
            let result = call(&long[header.payload()], 0, &mut streaming);
            (result, streaming.end()?)
        } else {
            self.requests.release(Header::BYTES);
            streaming.take_from(&mut self.requests, frame_bytes - Header::BYTES);
            let result = call(&[], header.length as usize, &mut streaming);
            (result, streaming.end()?)
        };
        let account = meter.map(|meter| meter.stop(self.guest.used()));
        if is_here {
            self.requests.release(frame_bytes);
        }
        chunk.jobs = chunk.jobs.saturating_sub(jobs);
        self.line.answered += u64::from(jobs);
        if was_streamed {
            return self.finish(chunk.jobs == 0);
        }
        let result = result.and_then(|()| self.check_length(answer));
        if is_batch {
            let results = answer.get(Header::BYTES..).and_then(<[u8]>::first_chunk);
            if result.is_err() || results.is_none_or(|&count| u32::from_le_bytes(count) != jobs) {
                answer.clear();
                put_refusal(header.job, answer);
            }
        } else if let Err(report) = result {
            answer.clear();
            put_report(header.job, &report, answer);
        }
        if let Some(account) = account {
            wire::append(answer, &account.encode());
        }
        self.send(answer, chunk.jobs == 0)
    }

    /// Calls a function for all jobs of a list, and answers as it goes.
    fn sweep(
        &mut self,
        chunk: &mut ChunkHead,
        first: u32,
        list: &[u8],
        answer: &mut Vec<u8>,
    ) -> Result<(), Errno> {
        // Their number is also in the chunk's head.
        let mut arguments = list.get(4..).ok_or(Errno::IO)?;
        let mut job = first;
        while chunk.jobs > 0 {
            self.line.set_started(1 << 16);
            self.log.clear();
            answer.clear();
            let mut swept = Ok((0, Ok(())));
            let put = wire::put_frame(Kind::Values, job, answer, |results| {
                let count = results.len();
                results.extend_from_slice(&[0; 4]);
                swept = self
                    .guest
                    .sweep(chunk.function, chunk.jobs, &mut arguments, results);
                let done = swept.as_ref().map_or(0, |(done, _)| *done);
                results[count..count + 4].copy_from_slice(&done.to_le_bytes());
                Ok::<_, wire::TooLong>(())
            });
            put.map_err(|_| Errno::IO)?;
            let (done, failed) = swept.map_err(|_| Errno::IO)?;
            chunk.jobs -= done;
            self.line.answered += u64::from(done);
            job += done;
            if done > 0 {
                self.send(answer, chunk.jobs == 0)?;
            }
            if let Err(report) = failed {
                answer.clear();
                put_report(job, &report, answer);
                chunk.jobs -= 1;
                self.line.answered += 1;
                job += 1;
                self.send(answer, chunk.jobs == 0)?;
            }
        }
        Ok(())
    }

    fn check_length(&self, answer: &[u8]) -> Result<(), FaultReport> {
        // The frame itself is filled up to eight bytes, so it is the header that tells.
        let header = answer.first_chunk().copied().and_then(Header::decode);
        let length = header.map_or(0, |header| header.length);
        if length <= self.max_result_bytes {
            return Ok(());
        }
        Err(FaultReport {
            cause: Cause::Result(format!(
                "it is {length} bytes long, and may have {}",
                self.max_result_bytes
            )),
            backtrace: Vec::new(),
            stderr: String::new(),
        })
    }

    /// Takes a frame out of the ring, as it comes.
    fn gather(&mut self, header: &Header, frame: &mut Vec<u8>) -> Result<(), Errno> {
        let frame_bytes = header.frame_bytes();
        frame.clear();
        frame.reserve_exact(frame_bytes);
        while frame.len() < frame_bytes {
            self.wait_for(1)?;
            let there = self.requests.available().map_err(|_| Errno::IO)?;
            let piece = there.min(frame_bytes - frame.len());
            frame.extend_from_slice(self.requests.peek(piece));
            self.requests.release(piece);
            if frame_bytes > ring::CAPACITY {
                self.requests.give_back();
            }
        }
        Ok(())
    }

    /// Sends an answer.
    #[inline]
    fn send(&mut self, answer: &[u8], is_last: bool) -> Result<(), Errno> {
        self.line.write(answer)?;
        self.finish(is_last)
    }

    /// Wakes the parent if the answer that was sent was the last of a chunk and is waited for.
    #[inline]
    fn finish(&mut self, is_last: bool) -> Result<(), Errno> {
        if is_last {
            self.requests.give_back();
        }
        self.line.finish(is_last)
    }

    #[inline]
    fn wait_for(&mut self, bytes: usize) -> Result<(), Errno> {
        let rest = || self.guest.rest();
        self.line.wait_for(bytes, &mut self.requests, rest)
    }
}

/// What is used again from job to job.
#[derive(Default)]
struct Buffers {
    answer: Vec<u8>,
    long: Vec<u8>,
}

impl Buffers {
    /// What a long job needed is not kept for the short ones that follow.
    fn shrink(&mut self, header: &Header) {
        if self.answer.len().max(header.frame_bytes()) <= ring::CAPACITY
            && self.answer.capacity().max(self.long.capacity()) > KEPT_BYTES
        {
            *self = Buffers::default();
        }
    }
}

fn put_refusal(job: u32, answer: &mut Vec<u8>) {
    let nothing = |_: &mut Vec<u8>| Ok::<_, wire::TooLong>(());
    wire::put_frame(Kind::Refused, job, answer, nothing).expect("nothing is not too long");
}

fn put_report(job: u32, report: &FaultReport, answer: &mut Vec<u8>) {
    let put = wire::put_frame(Kind::Fault, job, answer, |payload| {
        let mut bytes = postcard::to_stdvec(report)?;
        if bytes.len() > FaultReport::MAX_BYTES as usize {
            // A guest can choose the names of its functions, and so the length of a backtrace.
            bytes = postcard::to_stdvec(&FaultReport {
                cause: Cause::Result("the report of its fault is too long".into()),
                backtrace: Vec::new(),
                stderr: String::new(),
            })?;
        }
        payload.extend_from_slice(&bytes);
        Ok::<_, anyhow::Error>(())
    });
    put.expect("a report in memory can always be written to memory");
}
