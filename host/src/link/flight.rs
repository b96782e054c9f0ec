//! What a worker was asked and has not answered yet, and its answers as they come.
//!
//! The bytes that lie here are a copy of what the worker wrote, and a claim: no kind, no job, no length and no number of
//! results counts before it was compared with what was asked. This file moves no bytes and knows no process; it is tried
//! with any bytes at all.

use super::Broken;
use super::buffer::Buffer;
use super::chunk::{Answers, Asked, Chunk};
use crate::job::FaultReport;
use crate::wire::{Header, Kind};
use std::collections::VecDeque;

pub(crate) struct Flight<O> {
    chunks: VecDeque<Flying<O>>,
    /// Copied from the ring, but not yet a whole frame.
    inbox: Buffer,
    /// The longest result. A worker that announces more is lying.
    max_result_bytes: u32,
    /// How many bytes of each answer to a job by itself are its account.
    account_bytes: u32,
    /// Answers in all.
    answered: u64,
    /// The number of the answer that comes too late to count, if it still comes: its job has an outcome.
    given_up: Option<u64>,
    /// Batches that the worker wants to be asked one by one.
    refused: Vec<Chunk<O>>,
}

struct Flying<O> {
    chunk: Chunk<O>,
    sent: usize,
    answered: u32,
}

impl<O> Flying<O> {
    /// Whether it is known which job runs when one does. Of several jobs of a list it is not, and what is a list may run twice.
    fn knows_job(&self) -> bool {
        let left = self.chunk.count - self.answered;
        match self.chunk.asked() {
            None => true,
            Some(Asked::AsSweep) => left == 1,
            Some(Asked::AsBatch) => false,
        }
    }
}

impl<O> Flight<O> {
    pub(crate) fn new(max_result_bytes: u32, account_bytes: u32) -> Flight<O> {
        Flight {
            chunks: VecDeque::new(),
            inbox: Buffer::new(),
            max_result_bytes,
            account_bytes,
            answered: 0,
            given_up: None,
            refused: Vec::new(),
        }
    }

    /// How many answers there were in all.
    pub(crate) fn answered(&self) -> u64 {
        self.answered
    }

    /// How many chunks are not answered yet.
    pub(crate) fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// The chunk whose jobs run now, and how many of them are answered.
    pub(crate) fn front(&self) -> Option<(&Chunk<O>, u32)> {
        let front = self.chunks.front();
        front.map(|flying| (&flying.chunk, flying.answered))
    }

    /// Adds a chunk that is to be sent.
    pub(crate) fn push(&mut self, mut chunk: Chunk<O>) {
        chunk.seal();
        self.chunks.push_back(Flying {
            chunk,
            sent: 0,
            answered: 0,
        });
    }

    /// Sends what is not sent yet by `write`, which says how much of it there was space for. Says whether anything went.
    pub(crate) fn send<E>(
        &mut self,
        mut write: impl FnMut(&[u8]) -> Result<usize, E>,
    ) -> Result<bool, E> {
        let mut sent = false;
        // What is unsent stands at the end, so look for its start from there.
        let unsent = |flying: &Flying<O>| flying.sent < flying.chunk.frames.len();
        let first = self
            .chunks
            .iter()
            .rposition(|flying| !unsent(flying))
            .map_or(0, |last| last + 1);
        for flying in self.chunks.range_mut(first..) {
            let written = write(&flying.chunk.frames[flying.sent..])?;
            flying.sent += written;
            sent |= written > 0;
            if unsent(flying) {
                break;
            }
        }
        Ok(sent)
    }

    /// Whether an answer or a chunk is on its way that is too long to be in the ring at once.
    pub(crate) fn is_streaming(&self) -> bool {
        !self.inbox.is_empty() || self.has_unsent()
    }

    pub(crate) fn has_unsent(&self) -> bool {
        (self.chunks.back()).is_some_and(|flying| flying.sent < flying.chunk.frames.len())
    }

    /// Where bytes of answers are appended, to be [read](Flight::read).
    pub(crate) fn inbox(&mut self) -> &mut Vec<u8> {
        &mut self.inbox
    }

    /// Passes on the whole answers in the inbox, a row of jobs of one chunk at a time.
    pub(crate) fn read(&mut self, mut deliver: impl FnMut(&O, Answers)) -> Result<(), Broken> {
        let mut start = 0;
        while start < self.inbox.len() {
            let row = self.row(start)?;
            if row.count == 0 {
                break;
            }
            let Some(flying) = self.chunks.front_mut() else {
                break;
            };
            let is_late = self.given_up == Some(self.answered);
            self.answered += u64::from(row.count);
            if row.is_refusal {
                start = row.end;
                let flying = self.chunks.pop_front();
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
            let mut answers = flying.chunk.answers(flying.answered, &row, frames);
            if is_late {
                answers.next();
            }
            if answers.count > 0 {
                deliver(&flying.chunk.owner, answers);
            }
            flying.answered += row.count;
            if flying.answered == flying.chunk.count {
                self.chunks.pop_front();
            }
            start = row.end;
        }
        let read = start.min(self.inbox.len());
        self.inbox.drain(..read);
        self.make_room();
        Ok(())
    }

    /// Takes memory for the rest of a long answer at once, now that its length is known and was checked.
    fn make_room(&mut self) {
        let header = self.inbox.first_chunk().copied().and_then(Header::decode);
        if let Some(header) = header {
            self.inbox.grow(header.frame_bytes());
        }
    }

    /// Takes back the batches whose jobs have to be asked one by one.
    pub(crate) fn take_refused(&mut self) -> Vec<Chunk<O>> {
        std::mem::take(&mut self.refused)
    }

    /// Gives up on the job that runs, if it is known which one that is: its answer will not count. Gives back whose it is, its
    /// index, and how often it was started.
    pub(crate) fn give_up(&mut self) -> Option<(O, u64, u32)>
    where
        O: Clone,
    {
        let front = self.chunks.front().filter(|front| front.knows_job())?;
        self.given_up = Some(self.answered);
        let (chunk, answered) = (&front.chunk, front.answered);
        let attempt = if answered == 0 { chunk.attempts + 1 } else { 1 };
        Some((
            chunk.owner.clone(),
            chunk.first + u64::from(answered),
            attempt,
        ))
    }

    /// Takes back what is not answered: the job that `ran`, if one did, and those that waited behind it; before them a list in
    /// which one ran, nobody knows which.
    pub(crate) fn give_back(&mut self, ran: bool) -> (Option<Chunk<O>>, Vec<Chunk<O>>)
    where
        O: Clone,
    {
        let mut running = None;
        let mut waiting = Vec::new();
        for (place, flying) in std::mem::take(&mut self.chunks).into_iter().enumerate() {
            let known = flying.knows_job();
            let mut rest = flying.chunk.skip(flying.answered);
            if place == 0 && known && self.given_up == Some(self.answered) {
                waiting.extend(rest.split_off(1));
            } else if place == 0 && ran && known {
                let behind = rest.split_off(1);
                running = Some(rest);
                waiting.extend(behind);
            } else {
                rest.losses += u32::from(place == 0);
                waiting.push(rest);
            }
        }
        (running, waiting)
    }

    /// The whole answers in the inbox from `start` on that belong to the front chunk.
    fn row(&self, start: usize) -> Result<Row, Broken> {
        let Some(flying) = self.chunks.front() else {
            return Err(Broken("an answer that nobody asked for"));
        };
        if let Some(asked) = flying.chunk.asked() {
            return self.list(flying, asked, start);
        }
        let mut row = Row {
            is_accounted: self.account_bytes > 0,
            ..Row::at(start)
        };
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
        if header.length > most.saturating_add(self.account_bytes) {
            return Err(Broken("an answer that is longer than a worker makes them"));
        }
        if header.length < self.account_bytes {
            return Err(Broken("an answer without its account"));
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
        let payload = &frame[Header::BYTES..Header::BYTES + header.length as usize];
        // The zeros that fill a frame up are the worker's, too, and need not be zeros.
        let count = payload.first_chunk();
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
}

/// Whole answers in the inbox.
pub(super) struct Row {
    pub(super) count: u32,
    end: usize,
    pub(super) has_fault: bool,
    is_refusal: bool,
    pub(super) is_list: bool,
    pub(super) is_accounted: bool,
}

impl Row {
    fn at(start: usize) -> Row {
        Row {
            count: 0,
            end: start,
            has_fault: false,
            is_refusal: false,
            is_list: false,
            is_accounted: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{self, TooLong};

    #[test]
    fn a_list_that_is_too_short_for_its_number_of_results_is_nonsense() {
        for length in 1..4 {
            let mut flight = Flight::new(100, 0);
            let mut chunk = Chunk::list((), 0, 0, Asked::AsSweep);
            chunk.push(|_| Ok::<_, TooLong>(())).unwrap();
            flight.push(chunk);
            flight
                .send(|frames| Ok::<_, TooLong>(frames.len()))
                .unwrap();
            let payload = |bytes: &mut Vec<u8>| {
                bytes.resize(bytes.len() + length, 1);
                Ok::<_, TooLong>(())
            };
            wire::put_frame(Kind::Values, 0, flight.inbox(), payload).unwrap();
            // What fills the frame up would make it the one result that was asked for.
            let end = flight.inbox().len();
            flight.inbox()[end - 8..].copy_from_slice(&1_u64.to_le_bytes());
            assert!(flight.read(|(), _| ()).is_err(), "{length} bytes");
        }
    }
    /// Three jobs under way, and the first answered.
    fn one_of_three() -> Flight<()> {
        let mut flight = Flight::new(100, 0);
        let mut chunk = Chunk::new((), 0, 7);
        (0..3).for_each(|_| chunk.push(|_| Ok::<_, TooLong>(())).unwrap());
        flight.push(chunk);
        flight
            .send(|frames| Ok::<_, TooLong>(frames.len()))
            .unwrap();
        answer(&mut flight, 7);
        assert_eq!(delivered(&mut flight), [(7, 1)]);
        flight
    }

    fn answer(flight: &mut Flight<()>, job: u32) {
        wire::put_frame(Kind::Value, job, flight.inbox(), |_| Ok::<_, TooLong>(())).unwrap();
    }

    fn delivered(flight: &mut Flight<()>) -> Vec<(u64, u32)> {
        let mut rows = Vec::new();
        flight
            .read(|(), answers| rows.push((answers.first, answers.count)))
            .unwrap();
        rows
    }

    #[test]
    fn the_answer_to_a_job_that_was_given_up_does_not_count_and_those_behind_it_do() {
        for answers in [&[8][..], &[8, 9]] {
            let mut flight = one_of_three();
            assert_eq!(flight.give_up(), Some(((), 8, 1)));
            answers.iter().for_each(|&job| answer(&mut flight, job));
            let behind = &[(9, 1)][..answers.len() - 1];
            assert_eq!(delivered(&mut flight), behind);
            assert_eq!(flight.answered(), 1 + answers.len() as u64);
        }
    }

    #[test]
    fn a_job_that_was_given_up_is_not_given_back() {
        let mut flight = one_of_three();
        flight.give_up();
        let (running, waiting) = flight.give_back(true);
        assert!(running.is_none());
        let waiting: Vec<_> = (waiting.iter())
            .map(|chunk| (chunk.first, chunk.count, chunk.losses))
            .collect();
        assert_eq!(waiting, [(9, 1, 0)]);
    }

    #[test]
    fn nobody_gives_up_one_job_of_several_in_a_list() {
        for (asked, jobs, known) in [
            (Asked::AsSweep, 2, false),
            (Asked::AsSweep, 1, true),
            (Asked::AsBatch, 1, false),
        ] {
            let mut flight = Flight::new(100, 0);
            let mut chunk = Chunk::list((), 0, 0, asked);
            (0..jobs).for_each(|_| chunk.push(|_| Ok::<_, TooLong>(())).unwrap());
            flight.push(chunk);
            assert_eq!(flight.give_up().is_some(), known);
        }
    }
}
