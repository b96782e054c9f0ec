//! The manager's loop in a thread of the tests, and clients that say what none says: what a worker could that was taken over.

use super::server::Server;
use super::store::ManagerLimits;
use crate::ring::{self, Bell};
use crate::shared::{
    Buf, Client, Datum, Ends, Hub, Id, Key, ManagerError, OnDict, OnList, OnQueue, Reply, Request,
    Whose, frame,
};
use crate::types::Object;
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType,
};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const LIMITS: ManagerLimits = ManagerLimits {
    objects: 1000,
    bytes: 64 << 20,
    pool_objects: 500,
    pool_bytes: 32 << 20,
    item_bytes: 8 << 20,
    clients: 32,
};
const LONG: Duration = Duration::from_secs(20);

/// A manager that ends with its hub.
fn hub() -> Arc<Hub> {
    let (control, theirs) = pair();
    thread::spawn(|| Server::new(theirs, LIMITS, [7; 32], None).run());
    Arc::new(Hub::new(control, false))
}

fn pair() -> (rustix::fd::OwnedFd, rustix::fd::OwnedFd) {
    let flags = SocketFlags::CLOEXEC;
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
}

fn worker(hub: &Hub, pool: u32) -> Client {
    Client::new(hub.channel(Whose::Pool(pool)).unwrap(), 100).unwrap()
}

fn make(client: &mut Client, object: Object) -> Id {
    match client.ask(&Request::Make(object, 1)) {
        Ok(Reply::Made(id)) => id,
        other => panic!("{other:?}"),
    }
}

fn add(client: &mut Client, dict: Id) -> Result<Reply, ManagerError> {
    let add = OnDict::Add(Key::from("n").to_buf(), 1);
    client.ask(&Request::Dict(dict, Object::Dict, add))
}

/// Whether the manager has hung up at this socket, now or before long.
fn is_hung_up(ends: &Ends) -> bool {
    let mut polled = [rustix::event::PollFd::new(
        &ends.bells,
        rustix::event::PollFlags::IN,
    )];
    let limit = rustix::time::Timespec {
        tv_sec: LONG.as_secs() as i64,
        tv_nsec: 0,
    };
    rustix::event::poll(&mut polled, Some(&limit)).unwrap();
    matches!(
        rustix::net::recv(&ends.bells, &mut [0; 8], RecvFlags::DONTWAIT),
        Ok((_, 0)) | Err(Errno::CONNRESET)
    )
}

#[test]
fn who_says_nonsense_is_hung_up_on_and_others_are_served() {
    let hub = hub();
    let mut good = worker(&hub, 1);
    let dict = make(&mut good, Object::Dict);
    let mut wrong = Vec::new();
    frame(&"no request", &mut wrong);
    let empty = vec![0; 4];
    let mut cut = Vec::new();
    frame(&Request::Make(Object::Dict, 0), &mut cut);
    cut.pop();
    cut[0] -= 1;
    for nonsense in [wrong, empty, cut] {
        let ends = hub.channel(Whose::Pool(2)).unwrap();
        let (mut writer, _) = ring::worker(&ends.replies, &ends.requests).unwrap();
        let mut bell = Bell::new(&writer);
        writer.write(&nonsense).unwrap();
        writer.publish();
        if bell.due(u64::MAX >> 16) {
            rustix::net::send(&ends.bells, &[1], SendFlags::NOSIGNAL).unwrap();
        }
        assert!(is_hung_up(&ends), "{nonsense:?}");
        assert!(add(&mut good, dict).is_ok());
    }
}

#[test]
fn a_request_that_is_too_long_is_refused_and_the_next_is_served() {
    let hub = hub();
    let mut client = worker(&hub, 1);
    let dict = make(&mut client, Object::Dict);
    let set = |bytes: usize| {
        let item: Buf = Datum::Bytes(vec![7; bytes]).to_bytes().unwrap().into();
        Request::Dict(
            dict,
            Object::Dict,
            OnDict::Set(Key::from("n").to_buf(), item),
        )
    };
    for _ in 0..2 {
        let error = client.ask(&set(20 << 20)).unwrap_err();
        assert!(matches!(error, ManagerError::TooLong { .. }), "{error}");
        // Longer than the ring, there and back.
        assert_eq!(client.ask(&set(3 << 20)), Ok(Reply::Done));
        let get = OnDict::Get(Key::from("n").to_buf());
        let got = client.ask(&Request::Dict(dict, Object::Dict, get)).unwrap();
        let Reply::Item(Some(item)) = got else {
            panic!("{got:?}");
        };
        assert_eq!(item.0.len(), (3 << 20) + 1);
    }
}

#[test]
fn who_asks_without_end_and_reads_no_answer_keeps_nobody_waiting() {
    let hub = hub();
    let mut good = worker(&hub, 1);
    let dict = make(&mut good, Object::Dict);
    let ends = hub.channel(Whose::Pool(2)).unwrap();
    let (mut writer, _) = ring::worker(&ends.replies, &ends.requests).unwrap();
    let mut request = Vec::new();
    frame(&Request::Make(Object::Dict, 0), &mut request);
    let flood = request.repeat(20_000);
    let mut left: &[u8] = &flood;
    let started = Instant::now();
    for _ in 0..1000 {
        let written = writer.write(left).unwrap();
        writer.publish();
        left = &left[written..];
        add(&mut good, dict).unwrap();
    }
    assert!(started.elapsed() < LONG);
    let count = OnDict::Get(Key::from("n").to_buf());
    let count = good.ask(&Request::Dict(dict, Object::Dict, count)).unwrap();
    let thousand: Buf = Datum::Integer(1000).to_bytes().unwrap().into();
    assert_eq!(count, Reply::Item(Some(thousand)));
}

#[test]
fn clients_that_leave_long_answers_lying_are_hung_up_on_before_they_fill_the_memory() {
    let hub = hub();
    let mut good = worker(&hub, 1);
    let list = make(&mut good, Object::List);
    let item: Buf = Datum::Bytes(vec![7; 1 << 20]).to_bytes().unwrap().into();
    for _ in 0..7 {
        let push = Request::List(list, OnList::Push(item.clone()));
        assert_eq!(good.ask(&push), Ok(Reply::Done));
    }
    let slice = Request::List(list, OnList::Slice(0, 7));
    let mut greedy: Vec<Client> = (0..30).map(|_| worker(&hub, 2)).collect();
    for client in &mut greedy {
        client.tell(&slice).unwrap();
    }
    // 30 times 7 MiB are more than 16 times 8 MiB.
    let is_hung_up = |client: &Client| {
        let peeked = RecvFlags::DONTWAIT | RecvFlags::PEEK;
        matches!(
            rustix::net::recv(client.bells(), &mut [0; 8], peeked),
            Ok((_, 0)) | Err(Errno::CONNRESET)
        )
    };
    let deadline = Instant::now() + LONG;
    let dict = make(&mut good, Object::Dict);
    while greedy.iter().filter(|client| is_hung_up(client)).count() < 10 {
        add(&mut good, dict).unwrap();
        assert!(Instant::now() < deadline, "nobody was hung up on");
    }
    assert!(
        !greedy.iter().all(is_hung_up),
        "those within the bounds are served"
    );
}

#[test]
fn what_is_no_memory_of_a_channel_is_not_mapped() {
    let hub = hub();
    let (control, theirs) = pair();
    thread::spawn(|| Server::new(theirs, LIMITS, [7; 32], None).run());
    // Not sealed, so that it could shrink under the manager; and one that is too short.
    let unsealed = crate::sealed::create("host-test").unwrap();
    unsealed.set_len(ring::FILE_BYTES).unwrap();
    let short = crate::sealed::filled("host-test", |_| Ok(())).unwrap();
    for memory in [unsealed, short] {
        let (_, good) = ring::memories().unwrap();
        let (bells, far) = pair();
        let descriptors = [memory.as_fd(), good.as_fd(), far.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        let packet = [IoSlice::new(&[0; 4])];
        rustix::net::sendmsg(&control, &packet, &mut ancillary, SendFlags::NOSIGNAL).unwrap();
        drop(far);
        let (requests, replies) = ring::memories().unwrap();
        let ends = Ends {
            requests,
            replies,
            bells,
        };
        assert!(is_hung_up(&ends));
    }
    assert!(worker(&hub, 1).ask(&Request::Make(Object::Dict, 0)).is_ok());
}

#[test]
fn more_clients_than_may_be_are_hung_up_on_until_others_go() {
    let hub = hub();
    let mut clients: Vec<Client> = (0..LIMITS.clients).map(|_| worker(&hub, 1)).collect();
    let mut last = worker(&hub, 1);
    let gone = last.ask(&Request::Make(Object::Dict, 0)).unwrap_err();
    assert!(matches!(gone, ManagerError::Gone(_)), "{gone}");
    let dict = make(&mut clients[0], Object::Dict);
    // What only it had goes with it.
    clients.remove(0);
    let deadline = Instant::now() + LONG;
    loop {
        match add(&mut clients[0], dict) {
            Err(ManagerError::NoObject) => break,
            Ok(_) => assert!(Instant::now() < deadline, "it is still there"),
            Err(other) => panic!("{other}"),
        }
    }
    make(&mut worker(&hub, 1), Object::Dict);
}

#[test]
fn a_client_that_ends_while_it_waits_takes_no_item_with_it() {
    let hub = hub();
    let mut good = worker(&hub, 1);
    let queue = make(&mut good, Object::Queue);
    let mut waiting = worker(&hub, 2);
    let get = Request::Queue(queue, OnQueue::Get(Some(1_000_000)));
    assert_eq!(waiting.ask(&get), Ok(Reply::TooLate));
    // It asks once more and hangs up without waiting for the answer.
    waiting
        .tell(&Request::Queue(queue, OnQueue::Get(None)))
        .unwrap();
    drop(waiting);
    // When its party is gone, so is what it waited for.
    let mut other = worker(&hub, 2);
    make(&mut other, Object::Dict);
    let item: Buf = Datum::Integer(1).to_bytes().unwrap().into();
    let put = Request::Queue(queue, OnQueue::Put(item.clone(), None));
    let deadline = Instant::now() + LONG;
    loop {
        assert_eq!(good.ask(&put), Ok(Reply::Done));
        match good.ask(&Request::Queue(queue, OnQueue::Get(Some(1_000_000)))) {
            Ok(Reply::Item(Some(got))) if got == item => break,
            // The manager had not seen yet that the client is gone.
            Ok(Reply::TooLate) => assert!(Instant::now() < deadline),
            other => panic!("{other:?}"),
        }
    }
}
