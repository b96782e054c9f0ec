//! Work on objects that other jobs work on at the same time: the tutorial's race and its cure, and what tests look at.

wit_bindgen::generate!({
    path: ["../../wit/job", "../../wit/shared", "../../wit/sharing"],
    world: "pool:sharing/shared-guest",
    generate_all,
});

use exports::pool::sharing::shared::Guest;
use pool::job::job;
use pool::shared::collections::{Datum, Dict, Key, List, Namespace, Queue};
use pool::shared::memory::{Array, Value};
use pool::shared::sync::{Acquired, Barrier, Broken, Condition, Event, Lock, Rlock, Semaphore};
use std::cell::RefCell;

struct Shared;
export!(Shared);

/// Holds a lock until it is dropped.
struct Held<'a>(&'a Lock);

impl<'a> Held<'a> {
    fn new(lock: &'a Lock) -> Held<'a> {
        lock.acquire();
        Held(lock)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Guest for Shared {
    fn add(total: &Value, guard: &Lock, times: u32) {
        for _ in 0..times {
            let _held = Held::new(guard);
            total.set(total.get() + 1);
        }
    }

    fn subtract(total: &Value, guard: &Lock, times: u32) {
        for _ in 0..times {
            let _held = Held::new(guard);
            total.set(total.get() - 1);
        }
    }

    fn add_unlocked(total: &Value, times: u32) {
        for _ in 0..times {
            total.set(total.get() + 1);
        }
    }

    fn subtract_unlocked(total: &Value, times: u32) {
        for _ in 0..times {
            total.set(total.get() - 1);
        }
    }

    fn fetch_add(total: &Value, times: u32) -> i64 {
        (0..times).fold(0, |_, _| total.fetch_add(1))
    }

    fn get(total: &Value, times: u32) -> i64 {
        (0..times).fold(0, |_, _| total.get())
    }

    fn ask(times: u32) -> u32 {
        (0..times).fold(0, |_, _| job::attempt())
    }

    fn who() -> (u64, u32, u32, u32) {
        (
            job::index(),
            job::attempt(),
            job::worker(),
            job::process_id(),
        )
    }

    fn acquire_release(guard: &Lock, times: u32) {
        for _ in 0..times {
            guard.acquire();
            guard.release();
        }
    }

    fn take_turns(turn: &Value, changed: &Condition, side: u32, times: u32) {
        for _ in 0..times {
            changed.acquire();
            while turn.get() % 2 != i64::from(side) {
                changed.wait(None);
            }
            turn.set(turn.get() + 1);
            changed.notify(1);
            changed.release();
        }
    }

    fn hold(guard: &Lock, held: &Event, released: &Event) -> bool {
        let abandoned = guard.acquire() == Acquired::Abandoned;
        held.set();
        released.wait(None);
        guard.release();
        abandoned
    }

    fn hold_and_trap(guard: &Lock, held: &Event) {
        guard.acquire();
        held.set();
        panic!("with the lock in its hand");
    }

    fn hold_and_return(guard: &Lock) {
        guard.acquire();
    }

    fn release_unheld(guard: &Lock) {
        guard.release();
    }

    fn acquire_twice(guard: &Lock) {
        guard.acquire();
        guard.acquire();
    }

    fn add_nested(total: &Value, guard: &Rlock, depth: u32) {
        for _ in 0..depth {
            guard.acquire();
        }
        total.set(total.get() + 1);
        for _ in 0..depth {
            guard.release();
        }
    }

    fn in_few(permits: &Semaphore, inside: &Value, most: &Value, times: u32) {
        for _ in 0..times {
            permits.acquire();
            let now = inside.fetch_add(1) + 1;
            let mut known = most.get();
            while now > known {
                known = most.compare_exchange(known, now);
            }
            inside.fetch_add(-1);
            permits.release();
        }
    }

    fn take_and_trap(permits: &Semaphore) {
        permits.acquire();
        panic!("with a permit in its hand");
    }

    fn meet(all: &Barrier) -> Result<u32, String> {
        all.wait(None).map_err(|broken| match broken {
            Broken::Aborted => "aborted".into(),
            Broken::Reset => "reset".into(),
        })
    }

    fn put_evens(evens: &Queue, numbers: Vec<i64>) {
        for number in numbers.into_iter().filter(|n| n % 2 == 0) {
            put(evens, Datum::Integer(number));
        }
        put(evens, Datum::None);
    }

    fn take_all(evens: &Queue) -> Vec<i64> {
        let numbers = std::iter::from_fn(|| match take(evens) {
            Datum::Integer(number) => Some(number),
            _ => None,
        });
        numbers.collect()
    }

    fn produce(numbers: &Queue, count: u32) {
        for number in 0..count.into() {
            put(numbers, Datum::Integer(number));
        }
    }

    fn consume(numbers: &Queue, count: u32) -> i64 {
        let mut sum = 0;
        for _ in 0..count {
            if let Datum::Integer(number) = take(numbers) {
                sum += number;
            }
            numbers.task_done();
        }
        sum
    }

    fn fill(numbers: &Array, number: i64, times: u32) {
        let all = vec![number; numbers.len() as usize];
        for _ in 0..times {
            numbers.write(0, &all);
        }
    }

    fn numbers(numbers: &Array) -> Vec<i64> {
        numbers.read(0, numbers.len())
    }

    fn count_words(into: &Dict, words: String) {
        for word in words.split_whitespace() {
            into.add(&text(word), 1);
        }
    }

    fn set_get(into: &Dict, name: String, times: u32) -> i64 {
        let key = text(&name);
        let mut sum = 0;
        for number in 0..times.into() {
            into.set(&key, Datum::Integer(number));
            if let Some(Datum::Integer(number)) = into.get(&key) {
                sum += number;
            }
        }
        sum
    }

    fn collect(into: &List, numbers: Vec<i64>) {
        for number in numbers {
            into.push(Datum::Integer(number));
        }
    }

    fn nest(into: &Dict, name: String, numbers: Vec<i64>) {
        let list = List::new();
        list.extend(numbers.into_iter().map(Datum::Integer).collect());
        into.set(&text(&name), Datum::List(list));
    }

    fn sums(of: &Dict) -> Vec<(String, i64)> {
        let named = of.entries().into_iter().filter_map(|entry| match entry {
            (Key::Text(name), Datum::List(list)) => Some((name, sum(&list))),
            _ => None,
        });
        named.collect()
    }

    fn outlive(of: &Dict, name: String, taken: &Event) -> i64 {
        let Some(Datum::List(list)) = of.get(&text(&name)) else {
            panic!("no list `{name}`");
        };
        taken.set();
        while of.contains(&text(&name)) {}
        sum(&list)
    }

    fn introduce(to: &Namespace, name: String, other: String) -> Option<String> {
        to.set(&name, Datum::Text(name.clone()));
        match to.get(&other) {
            Some(Datum::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn flood(into: &List, bytes: u32) {
        let text = "x".repeat(bytes as usize);
        loop {
            into.push(Datum::Text(text.clone()));
        }
    }

    fn hoard() -> u32 {
        let mut all = Vec::new();
        loop {
            all.push(Dict::new());
        }
    }

    fn remember(it: &Dict) {
        KEPT.with(|kept| *kept.borrow_mut() = Some(it.share()));
    }

    fn recall() -> u64 {
        KEPT.with(|kept| kept.borrow().as_ref().map_or(0, Dict::len))
    }

    fn churn(all: &Dict, pairs: &List, items: &Queue, total: &Value, guard: &Lock, times: u32) {
        for n in 0..i64::from(times) {
            let number = || Datum::Integer(n);
            all.update(vec![(text("a"), number()), (text("b"), number())]);
            all.get(&text("a"));
            all.add(&text("sum"), 2);
            pairs.extend(vec![number(), number()]);
            if pairs.len() > 100 {
                pairs.clear();
            }
            put(items, number());
            take(items);
            let inner = List::new();
            inner.push(number());
            all.set(&text("inner"), Datum::List(inner));
            total.fetch_add(2);
            if guard.acquire() == Acquired::Abandoned {
                // Whoever had it may have come as far as to `x`.
                all.set(&text("y"), all.get(&text("x")).unwrap_or(Datum::None));
            }
            all.set(&text("x"), number());
            all.set(&text("y"), number());
            guard.release();
        }
    }

    fn item(of: &List, index: u64) -> i64 {
        match of.get(index) {
            Datum::Integer(number) => number,
            _ => 0,
        }
    }
}

thread_local! {
    /// What `remember` keeps.
    static KEPT: RefCell<Option<Dict>> = const { RefCell::new(None) };
}

fn text(name: &str) -> Key {
    Key::Text(name.into())
}

fn sum(list: &List) -> i64 {
    let numbers = list.slice(0, list.len()).into_iter();
    numbers
        .map(|item| match item {
            Datum::Integer(number) => number,
            _ => 0,
        })
        .sum()
}

fn put(queue: &Queue, item: Datum) {
    queue
        .put(item, None)
        .expect("an open queue takes what one waits for");
}

fn take(queue: &Queue) -> Datum {
    queue
        .get(None)
        .expect("an open queue gives what one waits for")
}
