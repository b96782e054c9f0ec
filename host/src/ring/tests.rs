use super::*;

/// Both sides of one channel, in one process.
fn channel() -> (Writer, Reader, Writer, Reader) {
    let (requests, answers) = memories().expect("two memories");
    let (parent_writer, parent_reader) = parent(&requests, &answers).expect("the parent's ends");
    let (worker_writer, worker_reader) = worker(requests, answers).expect("the worker's ends");
    (parent_writer, parent_reader, worker_writer, worker_reader)
}

#[test]
fn what_is_published_comes_out_and_nothing_else() {
    let (mut writer, _, _, mut reader) = channel();
    assert_eq!(writer.write(b"eins zwei"), Ok(9));
    assert_eq!(reader.available(), Ok(0));
    writer.publish();
    assert_eq!(reader.available(), Ok(9));
    assert_eq!(reader.peek(4), b"eins");
    reader.release(5);
    let mut rest = Vec::new();
    assert_eq!(reader.take(&mut rest), Ok(4));
    assert_eq!(rest, b"zwei");
}

#[test]
fn a_full_ring_takes_no_more_until_space_is_given_back() {
    let (mut writer, _, _, mut reader) = channel();
    assert_eq!(writer.write(&vec![1; CAPACITY + 1]), Ok(CAPACITY));
    writer.publish();
    assert_eq!(writer.write(&[2]), Ok(0));
    assert_eq!(reader.available(), Ok(CAPACITY));
    reader.release(3);
    assert_eq!(writer.write(&[2; 9]), Ok(0), "released, but not given back");
    reader.give_back();
    assert_eq!(writer.write(&[2; 9]), Ok(3));
}

#[test]
fn a_stream_many_times_the_capacity_arrives_in_order_between_two_threads() {
    let (mut writer, _, _, mut reader) = channel();
    const BYTES: usize = 20 * CAPACITY + 12_345;
    let sender = std::thread::spawn(move || {
        let stream: Vec<u8> = (0..BYTES).map(|i| (i * 7 % 251) as u8).collect();
        let mut rest = &stream[..];
        while !rest.is_empty() {
            let length = rest.len().min(1 + rest.len() % 70_000);
            let written = writer.write(&rest[..length]).expect("sound indices");
            writer.publish();
            rest = &rest[written..];
            std::thread::yield_now();
        }
    });
    let mut received = Vec::new();
    while received.len() < BYTES {
        if reader.take(&mut received).expect("sound indices") == 0 {
            std::thread::yield_now();
        }
    }
    sender.join().expect("the sender ends");
    assert!(
        received
            .iter()
            .enumerate()
            .all(|(i, &byte)| byte == (i * 7 % 251) as u8)
    );
}

#[test]
fn an_index_out_of_bounds_is_an_error_on_both_ends() {
    let (mut parent_writer, mut parent_reader, worker_writer, worker_reader) = channel();
    // The worker claims that more was answered than fits, or less than was taken.
    let claim = |word, value| worker_writer.own.word(word).store(value, Ordering::Release);
    claim(Word::Published, CAPACITY as u64 + 1);
    assert_eq!(parent_reader.available(), Err(OutOfBounds));
    claim(Word::Published, 8);
    assert_eq!(parent_reader.take(&mut Vec::new()), Ok(8));
    claim(Word::Published, 0);
    assert_eq!(parent_reader.available(), Err(OutOfBounds));
    // It claims to have taken what was never written.
    claim(Word::Taken, 1);
    assert_eq!(parent_writer.space(), Err(OutOfBounds));
    drop(worker_reader);
}

/// What a hostile peer may claim of a ring of four bytes: all that can be near, and the ends of the numbers.
const CLAIMS: [u64; 13] = [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// Calls `check` with every row of three steps, each a claim and one of `operations`.
fn every_three_steps(operations: usize, check: impl Fn([(u64, usize); 3])) {
    let steps: Vec<(u64, usize)> = CLAIMS
        .iter()
        .flat_map(|&claim| (0..operations).map(move |operation| (claim, operation)))
        .collect();
    for &first in &steps {
        for &second in &steps {
            for &third in &steps {
                check([first, second, third]);
            }
        }
    }
}

#[test]
fn whatever_the_reader_claims_the_writer_stays_inside_the_ring() {
    const LENGTHS: [usize; 4] = [1, 3, 4, 9];
    every_three_steps(LENGTHS.len() + 2, |steps| {
        let (mut writing, taken) = (Writing::<4>::default(), AtomicU64::new(0));
        // What it may write without another look, and after one.
        let (mut written, mut known) = (0, 0);
        for (claim, operation) in steps {
            taken.store(claim, Ordering::Relaxed);
            let is_sound = claim <= written && written - claim <= 4;
            let space = if is_sound {
                Ok(4 - (written - claim) as usize)
            } else {
                Err(OutOfBounds)
            };
            let left = 4 - (written - known) as usize;
            let mut looks = true;
            match LENGTHS.get(operation) {
                Some(&length) => {
                    looks = left < length;
                    let fits = if looks { space } else { Ok(left) };
                    let fits = fits.map(|space| space.min(length));
                    let mut copied = None;
                    let result = writing.write(length, &taken, |place, length| {
                        copied = Some((place, length))
                    });
                    assert_eq!(result, fits, "{steps:?}");
                    let place = written as usize % 4;
                    assert_eq!(copied, fits.ok().map(|length| (place, length)), "{steps:?}");
                    written += fits.unwrap_or(0) as u64;
                }
                None if operation == LENGTHS.len() => {
                    assert_eq!(writing.space(&taken), space, "{steps:?}");
                }
                None => {
                    looks = left < 2;
                    let is_half_full = looks && space.is_ok_and(|space| space < 2);
                    assert_eq!(writing.is_half_full(&taken), is_half_full, "{steps:?}");
                }
            }
            if looks && is_sound {
                known = claim;
            }
        }
    });
}

#[test]
fn whatever_the_writer_claims_the_reader_takes_no_more_than_a_ring_full() {
    const LENGTHS: [usize; 4] = [1, 3, 4, 9];
    every_three_steps(LENGTHS.len() + 3, |steps| {
        let (mut reading, published) = (Reading::<4>::default(), AtomicU64::new(0));
        let given_back = AtomicU64::new(0);
        let (mut taken, mut known) = (0, 0);
        for (claim, operation) in steps {
            published.store(claim, Ordering::Relaxed);
            let is_sound = claim >= taken && claim - taken <= 4;
            let available = if is_sound {
                Ok((claim - taken) as usize)
            } else {
                Err(OutOfBounds)
            };
            let mut looks = true;
            match LENGTHS.get(operation) {
                Some(&length) => {
                    looks = known - taken < length as u64;
                    let has = if looks {
                        available.map(|available| available >= length)
                    } else {
                        Ok(true)
                    };
                    assert_eq!(reading.has(length, &published), has, "{steps:?}");
                }
                None if operation == LENGTHS.len() => {
                    assert_eq!(reading.available(&published), available, "{steps:?}");
                }
                None if operation == LENGTHS.len() + 1 => {
                    let mut copied = None;
                    let copy = |place, length| copied = Some((place, length));
                    let result = reading.take(usize::MAX, &published, &given_back, copy);
                    assert_eq!(result, available, "{steps:?}");
                    let place = taken as usize % 4;
                    let some = available.ok().filter(|&length| length > 0);
                    assert_eq!(copied, some.map(|length| (place, length)), "{steps:?}");
                    taken += available.unwrap_or(0) as u64;
                }
                // What is known to be there is read in place.
                None => {
                    looks = false;
                    let length = (known - taken) as usize;
                    assert_eq!(reading.peek(length), taken as usize % 4);
                    reading.release(length);
                    taken = known;
                }
            }
            if looks && is_sound {
                known = claim;
            }
        }
    });
}

#[test]
fn the_worker_cannot_map_the_requests_for_writing_nor_shrink_any_memory() {
    let (requests, answers) = memories().expect("two memories");
    let ends = parent(&requests, &answers).expect("the parent's ends");
    assert!(Mapping::new(&requests, ProtFlags::READ | ProtFlags::WRITE).is_err());
    assert!(rustix::fs::ftruncate(&requests, 0).is_err());
    assert!(rustix::fs::ftruncate(&answers, 0).is_err());
    assert!(rustix::fs::fcntl_add_seals(&answers, SealFlags::WRITE).is_err());
    drop(ends);
}

#[test]
fn a_bell_is_due_once_a_nap_and_only_after_enough_answers() {
    let (writer, _, worker_writer, _) = channel();
    let mut bell = Bell::new(&worker_writer);
    assert!(!bell.due(100), "the parent is awake");
    writer.sleep(10, 1);
    assert!(!bell.due(9));
    assert!(bell.due(10));
    assert!(!bell.due(11), "once is enough");
    writer.sleep(10, 2);
    assert!(bell.due(11), "another nap");
    writer.wake();
    assert!(!bell.due(12));
}

#[test]
fn a_parked_worker_shows_until_it_wakes() {
    let (writer, _, worker_writer, _) = channel();
    // A worker, as far as this needs one: its bell, and how often it looked and blocked.
    let mut worker = (Bell::new(&worker_writer), 0, 0);
    assert!(!writer.peer_sleeps());
    let woken: Result<(), OutOfBounds> = Bell::park(
        &mut worker,
        |worker| &worker.0,
        |worker| {
            assert!(writer.peer_sleeps(), "it said so before it looks");
            worker.1 += 1;
            Ok(worker.1 == 3)
        },
        |worker, _| {
            worker.2 += 1;
            assert_eq!(worker.1, worker.2, "it looked before it blocks");
            Ok(())
        },
    );
    assert_eq!(woken, Ok(()));
    assert_eq!((worker.1, worker.2), (3, 2));
    assert!(!writer.peer_sleeps());
    let lost = Bell::park(
        &mut worker,
        |worker| &worker.0,
        |_| Ok(false),
        |_, _| Err(OutOfBounds),
    );
    assert_eq!(lost, Err(OutOfBounds));
    assert!(!writer.peer_sleeps(), "nor does one whose parent hung up");
}

#[test]
fn a_ring_wakes_a_parked_worker_whether_it_blocks_already_or_not() {
    let (mut writer, _, worker_writer, mut requests) = channel();
    assert!(!writer.peer_sleeps(), "nobody sleeps");
    let mut late = Some(Bell::new(&worker_writer));
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut worker = (late.take().unwrap(), &mut requests);
            let woken = Bell::park(
                &mut worker,
                |worker| &worker.0,
                |worker| Ok::<_, Errno>(worker.1.available().unwrap() > 0),
                |worker, seen| worker.0.wait(seen),
            );
            (woken, worker.0.is_beside_parent())
        });
        while !writer.peer_sleeps() {
            std::thread::yield_now();
        }
        writer.write(b"a job").unwrap();
        writer.publish();
        assert!(writer.peer_sleeps());
        writer.ring(false);
        assert_eq!(worker.join().unwrap(), (Ok(()), false));
    });
    // The parent rings between the look and the block.
    let mut worker = (Bell::new(&worker_writer), 0);
    let woken: Result<(), Errno> = Bell::park(
        &mut worker,
        |worker| &worker.0,
        |worker| {
            worker.1 += 1;
            assert!(writer.peer_sleeps());
            writer.ring(true);
            Ok(worker.1 == 2)
        },
        |worker, seen| worker.0.wait(seen),
    );
    assert_eq!((woken, worker.1), (Ok(()), 2));
}

#[test]
fn a_worker_that_had_rested_knows_whether_its_parent_rang_beside_it() {
    let (writer, _, worker_writer, _) = channel();
    let mut bell = Bell::new(&worker_writer);
    let mut ring = |has_rested| {
        let woken: Result<(), Errno> = Bell::park(
            &mut bell,
            |bell| bell,
            |_| {
                let sleeps = writer.peer_sleeps();
                writer.ring(has_rested);
                Ok(sleeps)
            },
            |_, _| unreachable!("somebody rang"),
        );
        woken.unwrap();
        bell.is_beside_parent()
    };
    assert!(!ring(false), "it had not rested");
    // Between the ring and the look the system may move this thread to another processor, but not each time.
    let looks = if cfg!(target_arch = "x86_64") {
        1000
    } else {
        0
    };
    assert_eq!((0..looks).any(|_| ring(true)), looks > 0);
}

#[test]
fn the_log_keeps_the_end_of_what_was_written_and_forgets_on_request() {
    let (writer, _, worker_writer, _) = channel();
    let log = Log::new(&worker_writer);
    log.append(b"one ");
    log.append(b"two");
    assert_eq!(writer.log(), b"one two");
    log.clear();
    assert_eq!(writer.log(), b"");
    let flood: Vec<u8> = (0..10 * PAGE + 5).map(|i| (i % 251) as u8).collect();
    for piece in flood.chunks(777) {
        log.append(piece);
    }
    assert_eq!(writer.log(), &flood[flood.len() - PAGE..]);
    log.append(&flood);
    assert_eq!(writer.log(), &flood[flood.len() - PAGE..]);
}

#[test]
fn progress_is_read_whole_and_of_the_job_that_was_asked_for() {
    let (parent, _, worker, _) = channel();
    let desk = Desk::new(&worker);
    assert_eq!(parent.progress(0), None);
    desk.report(1, None);
    assert_eq!(parent.progress(0), Some((1, None)));
    assert_eq!(parent.progress(1), None, "it was another job's");
    desk.begin(1);
    assert_eq!(parent.progress(1), None, "it has said nothing yet");
    desk.report(u64::MAX, Some(0));
    assert_eq!(parent.progress(1), Some((u64::MAX, Some(0))));
    let reporting = std::thread::spawn(move || {
        for done in 0..1_000_000 {
            desk.report(done, Some(done));
        }
    });
    let mut seen = 0;
    while !reporting.is_finished() {
        let Some((done, total)) = parent.progress(1) else {
            continue;
        };
        assert!(total == Some(done) || (done, total) == (u64::MAX, Some(0)));
        seen += 1;
    }
    assert!(reporting.join().is_ok());
    assert_eq!(parent.progress(1), Some((999_999, Some(999_999))));
    assert!(seen > 0);
}

#[test]
fn jobs_are_asked_to_stop_up_to_an_answer_and_never_asked_less() {
    let (parent, _, worker, _) = channel();
    let desk = Desk::new(&worker);
    assert!(!desk.is_cancelled());
    parent.cancel_until(2);
    parent.cancel_until(1);
    for (answered, is_cancelled) in [(0, true), (1, true), (2, false)] {
        desk.begin(answered);
        assert_eq!(desk.is_cancelled(), is_cancelled, "{answered}");
    }
    parent.cancel_until(u64::MAX);
    assert!(desk.is_cancelled());
}

#[test]
fn lines_come_whole_around_the_end_of_their_ring_and_what_finds_no_space_is_counted() {
    let (_, parent, worker, _) = channel();
    let (mut writer, mut reader) = (LineWriter::new(&worker), LineReader::new(&parent));
    assert_eq!(reader.has_any(), Ok(false));
    let line = |number: usize| vec![number as u8; 100_000];
    for number in 0..20 {
        assert_eq!(writer.put(&line(number)), Ok(true));
        assert_eq!(reader.has_any(), Ok(true));
        assert!(reader.take() == Ok(line(number)), "{number}");
    }
    assert_eq!(writer.put(&line(1)), Ok(true));
    assert_eq!(writer.put(&line(2)), Ok(true));
    assert_eq!(writer.put(&line(3)), Ok(false));
    writer.lose();
    assert_eq!((reader.lost(), reader.lost()), (1, 0));
    assert!(reader.take() == Ok([line(1), line(2)].concat()));
    assert_eq!(writer.put(&line(3)), Ok(true));
}

#[test]
fn a_length_of_lines_that_cannot_be_is_refused() {
    let (_, parent, worker, _) = channel();
    let mut reader = LineReader::new(&parent);
    for lie in [lines::LINES_BYTES as u64 + 1, u64::MAX] {
        worker
            .own
            .word(Word::LinesPublished)
            .store(lie, Ordering::Relaxed);
        assert_eq!(reader.has_any(), Err(OutOfBounds));
        assert_eq!(reader.take(), Err(OutOfBounds));
    }
}
