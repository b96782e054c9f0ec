//! What a manager keeps, without processes: who has what, what goes when, and what is full.

use super::*;
use crate::shared::{Buf, Datum, Key, OnDict, OnList, OnLock, OnQueue, object_to_bytes};

const LIMITS: ManagerLimits = ManagerLimits {
    objects: 50,
    bytes: 100_000,
    pool_objects: 20,
    pool_bytes: 40_000,
    item_bytes: 4096,
    clients: 10,
};

fn store() -> Store {
    Store::new(&LIMITS, [7; 32])
}

/// A worker of a pool; client, party and account have the same number.
fn worker(number: u64) -> Asker {
    Asker {
        client: number,
        party: number,
        account: number,
    }
}

fn done(store: &mut Store, who: Asker, request: Request) -> Reply {
    match store.run(who, request) {
        Ran::Answered(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn make(store: &mut Store, who: Asker, object: Object) -> Id {
    match done(store, who, Request::Make(object, 2)) {
        Reply::Made(id) => id,
        other => panic!("{other:?}"),
    }
}

fn number(number: i64) -> Buf {
    Datum::Integer(number).to_bytes().unwrap().into()
}

fn object(object: Object, id: Id) -> Buf {
    object_to_bytes(object, id).unwrap().into()
}

fn key(text: &str) -> Buf {
    Key::from(text).to_buf()
}

fn set(store: &mut Store, who: Asker, dict: Id, name: &str, item: Buf) -> Reply {
    let set = OnDict::Set(key(name), item);
    done(store, who, Request::Dict(dict, Object::Dict, set))
}

fn get(store: &mut Store, who: Asker, dict: Id, name: &str) -> Reply {
    let get = OnDict::Get(key(name));
    done(store, who, Request::Dict(dict, Object::Dict, get))
}

fn refused(reply: Reply) -> ManagerError {
    match reply {
        Reply::Refused(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_object_is_there_as_long_as_a_party_or_another_object_has_it() {
    let mut store = store();
    let (a, b) = (worker(1), worker(2));
    let outer = make(&mut store, a, Object::Dict);
    let inner = make(&mut store, a, Object::List);
    set(&mut store, a, outer, "inner", object(Object::List, inner));
    assert_eq!(store.run(a, Request::Release(vec![inner])), Ran::Silent);
    let len = || Request::List(inner, OnList::Len);
    assert_eq!(done(&mut store, b, len()), Reply::Count(0));
    // Who takes it out has it.
    get(&mut store, b, outer, "inner");
    done(
        &mut store,
        a,
        Request::Dict(outer, Object::Dict, OnDict::Clear),
    );
    assert_eq!(done(&mut store, b, len()), Reply::Count(0));
    store.forget_party(2);
    assert_eq!(refused(done(&mut store, a, len())), ManagerError::NoObject);
    store.forget_party(1);
    assert_eq!(store.size(), (0, 0));
}

#[test]
fn what_nests_deep_goes_with_the_outermost() {
    let mut store = store();
    let a = worker(1);
    let outer = make(&mut store, a, Object::Dict);
    let mut last = outer;
    for _ in 0..15 {
        let next = make(&mut store, a, Object::Dict);
        set(&mut store, a, last, "next", object(Object::Dict, next));
        store.run(a, Request::Release(vec![next]));
        last = next;
    }
    assert_eq!(store.size().0, 16);
    store.run(a, Request::Release(vec![outer]));
    assert_eq!(store.size(), (0, 0));
}

#[test]
fn nobody_releases_what_another_has() {
    let mut store = store();
    let (a, b) = (worker(1), worker(2));
    let dict = make(&mut store, a, Object::Dict);
    store.run(b, Request::Release(vec![dict, dict, Id([9; 16])]));
    assert_eq!(get(&mut store, b, dict, "x"), Reply::Item(None));
    store.run(a, Request::Release(vec![dict, dict]));
    assert_eq!(
        refused(get(&mut store, a, dict, "x")),
        ManagerError::NoObject
    );
}

#[test]
fn a_guessed_number_and_one_of_another_kind_are_refused() {
    let mut store = store();
    let a = worker(1);
    let dict = make(&mut store, a, Object::Dict);
    for bit in 0..128 {
        let mut guess = dict;
        guess.0[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            refused(get(&mut store, a, guess, "x")),
            ManagerError::NoObject
        );
    }
    let wrong = [
        Request::List(dict, OnList::Len),
        Request::Dict(dict, Object::Namespace, OnDict::Len),
        Request::Queue(dict, OnQueue::Size),
        Request::Value(dict, OnValue::Get),
        Request::Lock(dict, OnLock::Release),
        Request::Share(dict, Object::List),
    ];
    for request in wrong {
        let error = refused(done(&mut store, a, request));
        assert_eq!(error, ManagerError::OtherKind);
    }
    let fake = set(&mut store, a, dict, "x", object(Object::List, dict));
    assert_eq!(refused(fake), ManagerError::OtherKind);
    let rubbish = set(&mut store, a, dict, "x", Buf([5, 255].into()));
    assert!(matches!(refused(rubbish), ManagerError::Misuse(_)));
}

#[test]
fn what_jobs_of_a_pool_put_there_is_counted_and_given_back() {
    let mut store = store();
    let (a, b) = (worker(1), worker(2));
    let list = make(&mut store, a, Object::List);
    let push = |item: usize| Request::List(list, OnList::Push(vec![6; item].into()));
    let mut pushed = 0;
    let error = loop {
        match done(&mut store, a, push(1000)) {
            Reply::Done => pushed += 1,
            reply => break refused(reply),
        }
    };
    assert_eq!(pushed, (40_000 - 300) / 1100);
    assert!(matches!(error, ManagerError::Full(_)), "{error}");
    // Another pool has room, until all is full.
    assert_eq!(done(&mut store, b, push(1000)), Reply::Done);
    // All or none of many.
    let before = store.size();
    let many = OnList::Extend(vec![vec![6; 1000].into(); 40]);
    refused(done(&mut store, b, Request::List(list, many)));
    assert_eq!(store.size(), before);
    done(&mut store, b, Request::List(list, OnList::Clear));
    assert_eq!(done(&mut store, a, push(1000)), Reply::Done);
    for _ in 1..LIMITS.pool_objects {
        make(&mut store, a, Object::Value);
    }
    let error = refused(done(&mut store, a, Request::Make(Object::Value, 0)));
    assert_eq!(
        error.to_string(),
        "the manager is full: for the jobs of one pool it may keep 20 objects"
    );
}

#[test]
fn a_long_answer_is_refused_and_can_be_asked_in_pieces() {
    let mut store = store();
    let a = worker(1);
    let list = make(&mut store, a, Object::List);
    for _ in 0..6 {
        done(
            &mut store,
            a,
            Request::List(list, OnList::Push(vec![6; 1000].into())),
        );
    }
    let slice = |count| Request::List(list, OnList::Slice(0, count));
    let error = refused(done(&mut store, a, slice(6)));
    assert!(matches!(error, ManagerError::TooLong { .. }), "{error}");
    assert!(matches!(done(&mut store, a, slice(3)), Reply::Items(items) if items.len() == 3));
}

#[test]
fn items_go_to_those_who_wait_in_the_order_in_which_they_came() {
    let mut store = store();
    let (a, b, c) = (worker(1), worker(2), worker(3));
    let queue = make(&mut store, a, Object::Queue);
    let get = || Request::Queue(queue, OnQueue::Get(None));
    let put = |item: i64| Request::Queue(queue, OnQueue::Put(number(item), None));
    assert_eq!(store.run(a, get()), Ran::Waits(queue, None));
    assert_eq!(store.run(b, get()), Ran::Waits(queue, None));
    // The first gives up.
    store.give_up(1, queue);
    assert_eq!(done(&mut store, c, put(1)), Reply::Done);
    let woken = store.take_woken();
    assert_eq!(woken, [(2, Reply::Item(Some(number(1))))]);
    done(&mut store, c, put(2));
    done(&mut store, c, put(3));
    assert_eq!(store.run(c, put(4)), Ran::Waits(queue, None));
    assert_eq!(store.run(b, put(5)), Ran::Waits(queue, None));
    let before = store.size().1;
    store.give_up(3, queue);
    assert!(store.size().1 < before, "what was not put is not paid for");
    let taken = done(&mut store, a, get());
    assert_eq!(taken, Reply::Item(Some(number(2))));
    assert_eq!(store.take_woken(), [(2, Reply::Done)]);
    let rest: Vec<Reply> = (0..2).map(|_| done(&mut store, a, get())).collect();
    let items = [3, 5].map(|item| Reply::Item(Some(number(item))));
    assert_eq!(rest, items);
}

#[test]
fn all_are_done_with_when_each_item_is() {
    let mut store = store();
    let a = worker(1);
    let queue = make(&mut store, a, Object::Queue);
    let ask = |what| Request::Queue(queue, what);
    let ran = |store: &mut Store, what| done(store, a, ask(what));
    assert_eq!(ran(&mut store, OnQueue::Join(None)), Reply::Done);
    ran(&mut store, OnQueue::Put(number(1), None));
    let joins = store.run(worker(2), ask(OnQueue::Join(Some(9))));
    assert_eq!(joins, Ran::Waits(queue, Some(9)));
    ran(&mut store, OnQueue::TaskDone);
    assert_eq!(store.take_woken(), [(2, Reply::Done)]);
    assert!(matches!(
        refused(ran(&mut store, OnQueue::TaskDone)),
        ManagerError::Misuse(_)
    ));
}

#[test]
fn a_lock_goes_to_the_next_and_says_when_its_holder_was_lost() {
    let mut store = store();
    let (a, b, c) = (worker(1), worker(2), worker(3));
    let lock = make(&mut store, a, Object::Lock);
    let ask = |what| Request::Lock(lock, what);
    let acquire = || ask(OnLock::Acquire(None));
    assert_eq!(done(&mut store, a, acquire()), Reply::Acquired(false));
    assert!(matches!(
        refused(done(&mut store, a, acquire())),
        ManagerError::Misuse(_)
    ));
    assert!(matches!(
        refused(done(&mut store, b, ask(OnLock::Release))),
        ManagerError::Misuse(_)
    ));
    // To abandon what one does not hold is nothing.
    assert_eq!(done(&mut store, b, ask(OnLock::Abandon)), Reply::Done);
    assert_eq!(store.run(b, acquire()), Ran::Waits(lock, None));
    store.forget_client(1);
    assert_eq!(store.take_woken(), [(2, Reply::Acquired(true))]);
    assert_eq!(done(&mut store, b, ask(OnLock::Release)), Reply::Done);
    assert_eq!(done(&mut store, c, acquire()), Reply::Acquired(false));
    assert_eq!(done(&mut store, c, ask(OnLock::Abandon)), Reply::Done);
    assert_eq!(done(&mut store, b, acquire()), Reply::Acquired(true));
}

#[test]
fn who_waits_at_an_object_that_goes_is_told() {
    let mut store = store();
    let (a, b) = (worker(1), worker(2));
    for kind in [Object::Queue, Object::Lock] {
        let id = make(&mut store, a, kind);
        let wait = || match kind {
            Object::Queue => Request::Queue(id, OnQueue::Get(None)),
            _ => Request::Lock(id, OnLock::Acquire(None)),
        };
        if kind == Object::Lock {
            done(&mut store, a, wait());
        }
        assert_eq!(store.run(b, wait()), Ran::Waits(id, None));
        store.run(a, Request::Release(vec![id]));
        let gone = Reply::Refused(ManagerError::NoObject);
        assert_eq!(store.take_woken(), [(2, gone)]);
    }
    assert_eq!(store.size(), (0, 0));
    assert!(store.held.is_empty());
}

#[test]
fn only_programs_have_what_all_programs_have() {
    let mut store = store();
    let error = refused(done(&mut store, worker(5), Request::Root));
    assert!(matches!(error, ManagerError::Misuse(_)), "{error}");
    let program = Asker {
        account: PROGRAM,
        ..worker(5)
    };
    let Reply::Made(root) = done(&mut store, program, Request::Root) else {
        panic!("no namespace");
    };
    store.forget_party(5);
    assert_eq!(done(&mut store, program, Request::Root), Reply::Made(root));
}

/// A worker and its dict, and what it asks of it.
fn bucket() -> (Store, Asker, impl Fn(&mut Store, OnDict) -> Reply) {
    let (mut store, who) = (store(), worker(1));
    let dict = make(&mut store, who, Object::Dict);
    let ask =
        move |store: &mut Store, what| done(store, who, Request::Dict(dict, Object::Dict, what));
    (store, who, ask)
}

#[test]
fn keys_come_in_pages_in_the_order_in_which_they_came() {
    let limits = ManagerLimits {
        pool_bytes: 10 << 20,
        bytes: 10 << 20,
        ..LIMITS
    };
    let (_, who, ask) = bucket();
    let mut store = Store::new(&limits, [7; 32]);
    make(&mut store, who, Object::Dict);
    for number in 0..2500 {
        ask(
            &mut store,
            OnDict::Set(key(&number.to_string()), self::number(0)),
        );
    }
    ask(&mut store, OnDict::Remove(key("1")));
    let (mut found, mut from, mut pages) = (Vec::new(), Some(0), 0);
    while let Some(place) = from {
        let Reply::Page(keys, next) = ask(&mut store, OnDict::KeysFrom(place)) else {
            panic!("no page");
        };
        pages += 1;
        found.extend(keys);
        from = next;
        // What comes and goes between two pages changes nothing of the others.
        ask(&mut store, OnDict::Remove(key("2")));
    }
    let all = (0..2500).filter(|number| *number != 1);
    let all: Vec<Buf> = all.map(|number| key(&number.to_string())).collect();
    assert_eq!((found, pages), (all, 3));
    assert_eq!(
        ask(&mut store, OnDict::KeysFrom(u64::MAX)),
        Reply::Page(Vec::new(), None)
    );
}

#[test]
fn a_page_of_long_keys_is_short_but_never_empty() {
    let (_, who, ask) = bucket();
    let mut store = Store::new(&ManagerLimits::default(), [7; 32]);
    make(&mut store, who, Object::Dict);
    let long = |letter: &str| key(&letter.repeat(40 << 10));
    for letter in ["a", "b", "c"] {
        ask(&mut store, OnDict::Set(long(letter), number(0)));
    }
    assert_eq!(
        ask(&mut store, OnDict::KeysFrom(1)),
        Reply::Page(vec![long("b")], Some(2))
    );
    let longest = key(&"x".repeat(100 << 10));
    ask(&mut store, OnDict::Set(longest.clone(), number(0)));
    assert_eq!(
        ask(&mut store, OnDict::KeysFrom(3)),
        Reply::Page(vec![longest], None)
    );
}

#[test]
fn a_number_in_digits_is_incremented_and_stays_what_it_was() {
    let (mut store, _, ask) = bucket();
    let increment =
        |store: &mut Store, name: &str, by| ask(store, OnDict::Increment(key(name), by));
    let item = |store: &mut Store, name: &str| match ask(store, OnDict::Get(key(name))) {
        Reply::Item(Some(item)) => Datum::from_bytes(&item.0).unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(increment(&mut store, "new", -3), Reply::Number(-3));
    assert_eq!(item(&mut store, "new"), Datum::Bytes(b"-3".to_vec()));
    for (before, after) in [
        (Datum::Integer(5), Datum::Integer(6)),
        (Datum::Text("5".into()), Datum::Text("6".into())),
        (Datum::Bytes(b"05".to_vec()), Datum::Bytes(b"6".to_vec())),
    ] {
        let bytes = before.to_bytes().unwrap();
        ask(&mut store, OnDict::Set(key("n"), bytes.into()));
        assert_eq!(increment(&mut store, "n", 1), Reply::Number(6));
        assert_eq!(item(&mut store, "n"), after);
    }
    for wrong in [
        Datum::Text("five".into()),
        Datum::Bytes(vec![255]),
        Datum::Float(1.0),
        Datum::Integer(i64::MAX),
    ] {
        let bytes = wrong.to_bytes().unwrap();
        ask(&mut store, OnDict::Set(key("n"), bytes.into()));
        let error = refused(increment(&mut store, "n", 1));
        assert!(matches!(error, ManagerError::Misuse(_)), "{error}");
        assert_eq!(item(&mut store, "n"), wrong);
    }
}

#[test]
fn many_values_are_given_at_one_moment_or_refused_before_they_are_copied() {
    let (mut store, _, ask) = bucket();
    ask(&mut store, OnDict::Set(key("a"), vec![6; 1000].into()));
    let many = |count| OnDict::GetMany(vec![key("a"); count]);
    let Reply::Found(found) = ask(&mut store, OnDict::GetMany(vec![key("x"), key("a")])) else {
        panic!("nothing");
    };
    assert_eq!(found, [None, Some(vec![6; 1000].into())]);
    assert!(matches!(ask(&mut store, many(4)), Reply::Found(found) if found.len() == 4));
    let error = refused(ask(&mut store, many(5)));
    assert!(matches!(error, ManagerError::TooLong { .. }), "{error}");
    let before = store.size();
    assert_eq!(
        ask(
            &mut store,
            OnDict::RemoveMany(vec![key("x"), key("a"), key("a")])
        ),
        Reply::Done
    );
    assert!(store.size().1 < before.1, "its room is given back");
    assert_eq!(ask(&mut store, OnDict::Len), Reply::Count(0));
}
