//! The functions that take any bytes. Each says in its own words what must hold whatever they are.
//!
//! Bytes that are merely random are refused at their first word. So they are read as a script: which type there is, what was
//! asked, and pieces of answers of which most are nearly right.

use crate::codec::{decode, encode};
use crate::job::FaultReport;
use crate::link::{Answers, Asked, Chunk, Encoded, Flight};
use crate::ring;
use crate::types::{Case, Description, Field, Type};
use crate::value::{Value, json, wave};
use crate::wire::{Header, Hello, Line, TooLong};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The longest result that the pool of these answers takes.
const MAX_RESULT_BYTES: u32 = 512;

/// Bytes that decide; when they are used up, zeros.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or_default()
    }

    fn below(&mut self, most: u8) -> u8 {
        self.byte() % most
    }

    fn take(&mut self, most: u8) -> &'a [u8] {
        let length = usize::from(self.below(most)).min(self.0.len());
        self.0.split_off(..length).unwrap_or_default()
    }

    /// A type, nested no deeper than this.
    fn ty(&mut self, depth: u8) -> Type {
        let kinds = if depth == 0 { 15 } else { 21 };
        let names = |count: u8| (0..count).map(|n| format!("n{n}"));
        match self.below(kinds) {
            0 => Type::Bool,
            1 => Type::S8,
            2 => Type::U8,
            3 => Type::S16,
            4 => Type::U16,
            5 => Type::S32,
            6 => Type::U32,
            7 => Type::S64,
            8 => Type::U64,
            9 => Type::F32,
            10 => Type::F64,
            11 => Type::Char,
            12 => Type::String,
            13 => Type::Enum(names(1 + self.below(20)).collect()),
            14 => Type::Flags(names(1 + self.below(70)).collect()),
            15 => Type::List(Box::new(self.ty(depth - 1))),
            16 => Type::Option(Box::new(self.ty(depth - 1))),
            17 => Type::Result {
                ok: self.maybe(depth).map(Box::new),
                err: self.maybe(depth).map(Box::new),
            },
            18 => Type::Tuple((0..1 + self.below(4)).map(|_| self.ty(depth - 1)).collect()),
            19 => {
                let fields = names(1 + self.below(4));
                let field = |name| Field {
                    name,
                    ty: self.ty(depth - 1),
                };
                Type::Record(fields.map(field).collect())
            }
            _ => {
                let cases = names(1 + self.below(4));
                let case = |name| Case {
                    name,
                    ty: self.maybe(depth),
                };
                Type::Variant(cases.map(case).collect())
            }
        }
    }

    fn maybe(&mut self, depth: u8) -> Option<Type> {
        (self.below(2) == 1).then(|| self.ty(depth - 1))
    }
}

/// Answers: each job that was asked is delivered once, or given back once.
pub(crate) fn link(bytes: &[u8]) {
    let mut script = Script(bytes);
    let mut flight = Flight::new(MAX_RESULT_BYTES, 0);
    // Also across the end of what a header holds of an index.
    let start = [0, (1 << 24) - 5, u64::from(u32::MAX) - 2][usize::from(script.below(3))];
    let mut next = start;
    for owner in 0..1 + script.below(4) {
        let chunk = match script.below(3) {
            0 => Chunk::new(owner, 0, next),
            1 => Chunk::list(owner, 0, next, Asked::AsBatch),
            _ => Chunk::list(owner, 0, next, Asked::AsSweep),
        };
        let mut chunk = chunk;
        for _ in 0..1 + script.below(8) {
            let arguments = script.take(40);
            let pushed = chunk.push(|payload| {
                payload.extend_from_slice(arguments);
                Ok::<_, TooLong>(())
            });
            pushed.expect("such arguments are not too long");
            next += 1;
        }
        flight.push(chunk);
    }
    let mut room = match script.below(4) {
        0 => 4 * usize::from(script.byte()),
        _ => usize::MAX,
    };
    let sent = flight.send(|frames| {
        let sent = frames.len().min(room);
        room -= sent;
        Ok::<_, TooLong>(sent)
    });
    sent.expect("it never fails");

    let mut outcomes: Vec<u64> = Vec::new();
    while !script.0.is_empty() {
        let piece = answer(&mut script, &flight);
        flight.inbox().extend_from_slice(&piece);
        let read = flight.read(|_, answers| take(answers, &mut outcomes));
        assert!(flight.answered() <= next - start, "more answers than jobs");
        if read.is_err() {
            break;
        }
        assert!(
            flight.inbox().len() <= 8 + MAX_RESULT_BYTES.max(FaultReport::MAX_BYTES) as usize,
            "what is no whole answer yet is kept"
        );
    }
    let refused: Vec<_> = std::iter::from_fn(|| flight.take_refused()).collect();
    let (running, waiting) = flight.give_back(true);
    for chunk in refused.into_iter().chain(running).chain(waiting) {
        outcomes.extend(chunk.first..chunk.first + u64::from(chunk.count));
    }
    outcomes.sort_unstable();
    assert!(outcomes.into_iter().eq(start..next), "each job once");
}

/// Some bytes of answers, most of them nearly what is wanted next.
fn answer(script: &mut Script<'_>, flight: &Flight<u8>) -> Vec<u8> {
    let next = flight.front().map_or(0, |(chunk, answered)| {
        (chunk.first + u64::from(answered)) as u32
    });
    let (kind, job) = match script.below(8) {
        0 => return script.take(64).to_vec(),
        1 => (script.byte(), next),
        2 => (3, next.wrapping_add(script.byte().into())),
        3 => (4, next),
        4 => (6, next),
        5 | 6 => (8, next),
        _ => (3, next),
    };
    let mut payload = script.take(80).to_vec();
    if kind == 8 {
        let left = flight
            .front()
            .map_or(0, |(chunk, answered)| chunk.count - answered);
        let told = left.wrapping_sub(u32::from(script.byte() >> 6));
        payload = [&told.to_le_bytes()[..], &payload].concat();
    }
    let length = match script.below(16) {
        0 => u32::MAX >> script.below(32),
        _ => payload.len() as u32,
    };
    let head = u64::from(length) | u64::from(job & 0xff_ffff) << 32 | u64::from(kind) << 56;
    let mut frame = head.to_le_bytes().to_vec();
    frame.extend(payload);
    frame.resize(frame.len().next_multiple_of(8), 0);
    frame
}

fn take(mut answers: Answers, outcomes: &mut Vec<u64>) {
    let (first, count) = (answers.first, u64::from(answers.count));
    assert!(count > 0);
    if let Some(list) = answers.list() {
        let told = list.first_chunk().copied().map(u32::from_le_bytes);
        assert_eq!(told.map(u64::from), Some(count));
        // Numbers are what is swept; the rest of the list is what it says, or no list.
        let _ = decode::<Vec<i64>>(list, &Type::List(Box::new(Type::S64)));
    } else {
        for job in first..first + count {
            let answer = answers.next().expect("as many answers as it says");
            assert_eq!(answer.job, job);
            if let Ok(Encoded::Bytes(bytes)) = answer.result {
                let _ = decode::<String>(bytes, &Type::String);
            }
        }
        assert!(answers.next().is_none(), "and no more");
    }
    outcomes.extend(first..first + count);
}

/// A type, and bytes of a value of it: what decodes comes back from its own bytes, and takes no more memory than they let
/// one expect.
pub(crate) fn codec(bytes: &[u8]) {
    let mut script = Script(bytes);
    let ty = script.ty(3);
    let encoded = script.0;
    if let Ok(value) = decode::<Value>(encoded, &ty) {
        let own = bytes_of(&value, &ty);
        let again: Value = decode(&own, &ty).expect("its own bytes");
        assert_eq!(bytes_of(&again, &ty), own, "{ty}");
    }
    // What Rust types take what they are given in one piece or item by item.
    let _ = decode::<Vec<u64>>(encoded, &Type::List(Box::new(Type::U64)));
    let _ = decode::<Vec<u16>>(encoded, &Type::List(Box::new(Type::U8)));
    let _ = decode::<Vec<Option<String>>>(encoded, &ty);
    let _ = decode::<Vec<(char, bool)>>(encoded, &ty);
    let _ = decode::<Result<f32, String>>(encoded, &ty);
}

fn bytes_of(value: &Value, ty: &Type) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, ty, &mut bytes).expect("a value of this type");
    bytes
}

/// A type, and text: what is read as a value comes back from what is written of it.
pub(crate) fn text(bytes: &[u8]) {
    let mut script = Script(bytes);
    let ty = script.ty(2);
    let written = script.0;
    if let Ok(value) = json::parse(written, &ty) {
        let text = json::AsJson(&value).to_string();
        let again = json::parse(text.as_bytes(), &ty).expect("its own text");
        assert_eq!(bytes_of(&again, &ty), bytes_of(&value, &ty), "{text}");
    }
    let Ok(written) = str::from_utf8(written) else {
        return;
    };
    let _ = wave::split_call(written);
    if let Ok(value) = wave::parse(written, &ty) {
        let text = value.to_string();
        let again = wave::parse(&text, &ty).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(bytes_of(&again, &ty), bytes_of(&value, &ty), "{text}");
    }
}

/// The messages that no job waits for, lines of a log among them: what is read is written as something that is read as the same.
pub(crate) fn messages(bytes: &[u8]) {
    let mut script = Script(bytes);
    match script.below(4) {
        0 => message::<Hello>(script.0),
        1 => message::<FaultReport>(script.0),
        2 => message::<Description>(script.0),
        _ => message::<Type>(script.0),
    }
    let mut own = Vec::new();
    for line in Line::decode_all(script.0).unwrap_or_default() {
        line.encode(&mut own);
        assert_eq!(Line::decode_all(&own), Some(vec![line]));
    }
    if let Some(header) = script.0.first_chunk().copied().and_then(Header::decode) {
        assert_eq!(Header::decode(header.encode()), Some(header));
    }
}

fn message<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(message) = postcard::from_bytes::<T>(bytes) else {
        return;
    };
    let own = postcard::to_stdvec(&message).expect("memory takes it");
    let again: T = postcard::from_bytes(&own).expect("its own bytes");
    assert_eq!(postcard::to_stdvec(&again).expect("memory takes it"), own);
}

/// Where a ring's words begin in its memory, and how far they are apart.
const WORDS: u64 = ring::CAPACITY as u64;

/// Answers that a hostile worker rewrites, as well as what it says of them, while and after the parent reads. Gives how many
/// were values, and how many nonsense: each is one or the other.
pub(crate) fn races(answers: u64) -> (u64, u64) {
    let (requests, memory) = ring::memories().expect("there is memory");
    let (_writer, mut reader) = ring::parent(&requests, &memory).expect("it can be mapped");
    let taken = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| rewrite(&memory, &taken, &done));
        let (mut values, mut nonsense) = (0, 0);
        while values + nonsense < answers {
            let mut flight = Flight::new(MAX_RESULT_BYTES, 0);
            let mut chunk = Chunk::new((), 0, 0);
            let pushed = chunk.push(|_| Ok::<_, TooLong>(()));
            pushed.expect("nothing is not too long");
            flight.push(chunk);
            let sent = flight.send(|frames| Ok::<_, TooLong>(frames.len()));
            sent.expect("it never fails");
            // A claim that cannot be is refused before a byte is read, and stands there until the next one: it is no race.
            let Ok(length) = reader.take(flight.inbox()) else {
                continue;
            };
            taken.fetch_add(length as u64, Ordering::Relaxed);
            let mut outcomes = Vec::new();
            let read = flight.read(|(), answers| take(answers, &mut outcomes));
            match (read, &outcomes[..]) {
                // Nothing was there yet, or less than an answer.
                (Ok(()), []) => {}
                (_, [0]) => values += 1,
                (Err(_), []) => nonsense += 1,
                (read, outcomes) => panic!("{read:?} with {outcomes:?}"),
            }
        }
        done.store(true, Ordering::Relaxed);
        (values, nonsense)
    })
}

/// Writes answers to job 0, and things that are none, wherever the reader may be, until it is done.
fn rewrite(memory: &impl rustix::fd::AsFd, taken: &AtomicU64, done: &AtomicBool) {
    let put = |bytes: &[u8], place: u64| {
        rustix::io::pwrite(memory, bytes, place).expect("the worker can write its memory");
    };
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while !done.load(Ordering::Relaxed) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let taken = taken.load(Ordering::Relaxed);
        let place = taken.next_multiple_of(16) % WORDS;
        let right = 8 | 3 << 56;
        let head = match state >> 61 {
            0 => state,
            1 => right | 1 << (state % 64),
            _ => right,
        };
        put(&[head.to_le_bytes(), state.to_le_bytes()].concat(), place);
        let ahead = match state >> 58 & 7 {
            0 => state,
            1 => state % (2 * WORDS),
            // So that the next answer begins where one was written.
            _ => 16 + taken.next_multiple_of(16) - taken,
        };
        // The first of the words is how much is published.
        put(&taken.wrapping_add(ahead).to_le_bytes(), WORDS);
    }
}
