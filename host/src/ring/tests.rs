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
    let bell = Bell::new(&worker_writer);
    assert!(!writer.peer_sleeps());
    bell.park(true);
    assert!(writer.peer_sleeps());
    bell.park(false);
    assert!(!writer.peer_sleeps());
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
