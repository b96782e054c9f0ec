use super::*;
use crate::link::Encoded;
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

/// An answer to job 0 whose payload is this, with something behind it that fills it up.
fn answer(payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    let header = Header {
        kind: Kind::Value,
        job: 0,
        length,
    };
    let mut frame = [&header.encode()[..], payload].concat();
    frame.resize(header.frame_bytes(), 0xff);
    frame
}

/// A flight of `jobs` jobs that each give a list of numbers so wide.
fn asked(jobs: u32, item_bytes: u8, max_result_bytes: u32) -> Flight<()> {
    let mut flight = Flight::new(max_result_bytes, 0);
    let mut chunk = Chunk::new((), 0, 0);
    chunk.item_bytes = Some(item_bytes);
    for _ in 0..jobs {
        chunk.push(|_| Ok::<_, TooLong>(())).unwrap();
    }
    flight.push(chunk);
    let sent = flight.send(|frames| Ok::<_, TooLong>(frames.len()));
    sent.unwrap();
    flight
}

/// Gives a flight the bytes of answers in pieces as a link does, and gathers the results.
fn arrive(
    flight: &mut Flight<()>,
    mut bytes: &[u8],
    piece: usize,
) -> Result<Vec<(Vec<u8>, bool)>, Broken> {
    let mut results = Vec::new();
    while !bytes.is_empty() {
        let next = &bytes[..piece.min(bytes.len())];
        let taken = match flight.landing() {
            Some(landing) => landing.fill(next.len(), |room| {
                let length = room.len();
                Ok::<_, Broken>(room.write_copy_of_slice(&next[..length]))
            })?,
            None => {
                flight.inbox().extend_from_slice(next);
                next.len()
            }
        };
        bytes = &bytes[taken..];
        flight.read(|(), mut answers| {
            while let Some(answer) = answers.next() {
                results.push(match answer.result.unwrap() {
                    Encoded::Bytes(bytes) => (bytes.to_vec(), false),
                    Encoded::Numbers(numbers) => (numbers.encoded(), true),
                });
            }
        })?;
    }
    Ok(results)
}

/// A list of numbers as its payload.
fn list(count: u32, item_bytes: u8) -> Vec<u8> {
    let bytes = count * u32::from(item_bytes);
    let numbers = (0..bytes).map(|n| n as u8).collect::<Vec<_>>();
    [&count.to_le_bytes()[..], &numbers].concat()
}

#[test]
fn a_long_list_lands_and_those_around_it_come_by_the_inbox() {
    for (item_bytes, long) in [(1, 300_001), (2, 200_003), (4, 70_001), (8, 40_000)] {
        let (short, long) = (list(5, item_bytes), list(long, item_bytes));
        let answers = [&short, &long, &short, &long];
        let frames: Vec<u8> = (0..4)
            .flat_map(|job| {
                let mut frame = answer(answers[job as usize]);
                frame[4] = job;
                frame
            })
            .collect();
        let expected = answers.map(|payload| (payload.clone(), payload.len() > 100));
        for piece in [1000, 8, 65_536, 1, 1_000_000] {
            let mut flight = asked(4, item_bytes, 1 << 20);
            let results = arrive(&mut flight, &frames, piece).unwrap();
            // In one piece with others, the whole frame was there before anything could land.
            let landed = results.iter().filter(|(_, landed)| *landed).count();
            assert!(landed == if piece < 1_000_000 { 2 } else { 0 }, "{piece}");
            let payloads =
                |all: &[(Vec<u8>, bool)]| all.iter().map(|(p, _)| p.clone()).collect::<Vec<_>>();
            assert!(
                payloads(&results) == payloads(&expected),
                "{item_bytes} and {piece}"
            );
            assert_eq!((flight.answered(), flight.is_streaming()), (4, false));
        }
    }
}

#[test]
fn a_list_that_is_not_as_long_as_it_says_does_not_land() {
    for count in [0, 299_999, 300_001, u32::MAX] {
        let mut payload = list(300_000, 1);
        payload[..4].copy_from_slice(&count.to_le_bytes());
        let mut flight = asked(1, 1, 1 << 20);
        let results = arrive(&mut flight, &answer(&payload), 1000).unwrap();
        assert!(
            results == [(payload, false)],
            "{count}: it is left to the decoder"
        );
    }
}

#[test]
fn a_list_beyond_the_limit_is_refused_before_there_is_memory_for_it() {
    let mut flight = asked(1, 8, 300_000);
    let frame = answer(&list(40_000, 8));
    assert!(arrive(&mut flight, &frame, 64).is_err());
    assert!(flight.landing().is_none());
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
    add_answer(&mut flight, 7);
    assert_eq!(delivered(&mut flight), [(7, 1)]);
    flight
}

fn add_answer(flight: &mut Flight<()>, job: u32) {
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
        answers.iter().for_each(|&job| add_answer(&mut flight, job));
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
