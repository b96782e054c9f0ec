//! What a worker was asked and has not answered yet, and its answers as they come.
//!
//! The bytes that lie here are a copy of what the worker wrote, and a claim: no kind, no job, no length and no number of
//! results counts before it was compared with what was asked. This file moves no bytes and knows no process; it is tried
//! with any bytes at all.

use super::Broken;
use super::buffer::Buffer;
use super::chunk::{Answers, Asked, Chunk};
use crate::codec::Landing;
use crate::job::FaultReport;
use crate::ring;
use crate::wire::{Header, Kind};
use std::collections::VecDeque;

pub(crate) struct Flight<O> {
    chunks: VecDeque<Flying<O>>,
    /// How many of them were sent as a whole: the first ones.
    whole: usize,
    /// Copied from the ring, but not yet a whole frame.
    inbox: Buffer,
    /// The front answer, where it is a long list of numbers, and how many bytes fill its frame up behind them.
    landing: Option<(Landing, usize)>,
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
            whole: 0,
            inbox: Buffer::new(),
            landing: None,
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
    #[inline]
    pub(crate) fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// The chunk whose jobs run now, and how many of them are answered.
    #[inline]
    pub(crate) fn front(&self) -> Option<(&Chunk<O>, u32)> {
        let front = self.chunks.front();
        front.map(|flying| (&flying.chunk, flying.answered))
    }

    /// Adds a chunk that is to be sent.
    #[inline]
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
        while let Some(flying) = self.chunks.get_mut(self.whole) {
            let bytes = flying.chunk.bytes();
            while flying.sent < bytes {
                let written = flying.chunk.after(flying.sent, &mut write)?;
                flying.sent += written;
                sent |= written > 0;
                if written == 0 {
                    return Ok(sent);
                }
            }
            self.whole += 1;
        }
        Ok(sent)
    }

    /// Whether an answer or a chunk is on its way that is too long to be in the ring at once.
    pub(crate) fn is_streaming(&self) -> bool {
        !self.inbox.is_empty() || self.landing.is_some() || self.has_unsent()
    }

    #[inline]
    pub(crate) fn has_unsent(&self) -> bool {
        self.whole < self.chunks.len()
    }

    /// Where the next bytes of answers go, if not into the inbox, before they are [read](Flight::read).
    #[inline]
    pub(crate) fn landing(&mut self) -> Option<&mut Landing> {
        let landing = self.landing.as_mut().map(|(landing, _)| landing);
        landing.filter(|landing| landing.left() > 0)
    }

    /// Where bytes of answers are appended, to be [read](Flight::read).
    pub(crate) fn inbox(&mut self) -> &mut Vec<u8> {
        &mut self.inbox
    }

    /// Passes on the whole answers in the inbox, a row of jobs of one chunk at a time.
    pub(crate) fn read(&mut self, mut deliver: impl FnMut(&O, Answers)) -> Result<(), Broken> {
        let Some(mut start) = self.land(&mut deliver) else {
            return Ok(());
        };
        while start < self.inbox.len() {
            let row = self.row(start)?;
            if row.count == 0 {
                break;
            }
            let Some(flying) = self.chunks.front() else {
                break;
            };
            if row.is_refusal {
                start = row.end;
                self.answered += u64::from(row.count);
                let flying = self.pop_front();
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
            self.pass_on(answers, &mut deliver);
            start = row.end;
        }
        let read = start.min(self.inbox.len());
        self.inbox.drain(..read);
        self.make_room();
        Ok(())
    }

    /// Passes on the answer that landed, if one did and is whole, and says from where on the inbox has other answers. `None`
    /// if more of this one is to come.
    fn land(&mut self, deliver: &mut impl FnMut(&O, Answers)) -> Option<usize> {
        let Some((landing, filling)) = &self.landing else {
            return Some(0);
        };
        if landing.left() > 0 || self.inbox.len() < *filling {
            return None;
        }
        let (landing, filling) = self.landing.take()?;
        let flying = self.chunks.front()?;
        let row = Row {
            count: 1,
            ..Row::at(0)
        };
        let answers = flying.chunk.answers(flying.answered, &row, Buffer::new());
        self.pass_on(answers.landed(landing), deliver);
        Some(filling)
    }

    /// Passes on answers of the front chunk, without one that comes too late.
    #[inline]
    fn pass_on(&mut self, mut answers: Answers, deliver: &mut impl FnMut(&O, Answers)) {
        let Some(flying) = self.chunks.front_mut() else {
            return;
        };
        let count = answers.count;
        if self.given_up == Some(self.answered) {
            answers.next();
        }
        if answers.count > 0 {
            deliver(&flying.chunk.owner, answers);
        }
        self.answered += u64::from(count);
        flying.answered += count;
        if flying.answered == flying.chunk.count {
            self.pop_front();
        }
    }

    /// Takes out the front chunk, which was answered, and so had been sent.
    #[inline]
    fn pop_front(&mut self) -> Option<Flying<O>> {
        self.whole = self.whole.saturating_sub(1);
        self.chunks.pop_front()
    }

    /// Takes memory for the rest of a long answer at once, now that its length is known and was checked.
    fn make_room(&mut self) {
        // With the number of items, by which a list may land.
        let head: Option<&[u8; Header::BYTES + 4]> = self.inbox.first_chunk();
        let header = head.and_then(|head| Header::decode(*head.first_chunk()?));
        let Some(header) = header.filter(|header| header.frame_bytes() > self.inbox.len()) else {
            return;
        };
        match self.room_to_land(&header) {
            Some(landing) => {
                self.inbox.clear();
                self.landing = Some((landing, header.frame_bytes() - header.payload().end));
            }
            None => self.inbox.grow(header.frame_bytes()),
        }
    }

    /// Memory for an answer that is too long for the ring, where it is a list of numbers, with those that are here.
    fn room_to_land(&self, header: &Header) -> Option<Landing> {
        let front = self.chunks.front()?;
        let item_bytes = front
            .chunk
            .item_bytes
            .filter(|_| front.chunk.asked().is_none())?;
        let is_long = header.frame_bytes() > ring::CAPACITY;
        if !is_long || header.kind != Kind::Value || self.account_bytes > 0 {
            return None;
        }
        let (count, numbers) = self.inbox.get(Header::BYTES..)?.split_first_chunk()?;
        let mut landing = Landing::new(item_bytes, u32::from_le_bytes(*count) as usize)?;
        // A length that is not that of so many numbers is found when the bytes are decoded.
        if landing.bytes() + count.len() != header.length as usize {
            return None;
        }
        let here = numbers.len().min(landing.left());
        let copied = landing.fill(here, |room| {
            Ok::<_, Broken>(room.write_copy_of_slice(&numbers[..here]))
        });
        copied.ok().filter(|&copied| copied == numbers.len())?;
        Some(landing)
    }

    /// Takes back a batch whose jobs have to be asked one by one, the last one first.
    #[inline]
    pub(crate) fn take_refused(&mut self) -> Option<Chunk<O>> {
        self.refused.pop()
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
        self.whole = 0;
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
        if self.whole == 0 && place + 1 == flying.chunk.count {
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
        if header.job != next as u32 & 0xff_ffff || self.whole == 0 {
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
mod tests;
