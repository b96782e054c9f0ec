//! A process dies at each moment of each operation on each object: the object is as before or as after, never between, the
//! others go on, and nobody waits for ever.
//!
//! The processes are forked off the tests and killed at every change that they make to the memory and at every call of the system
//! (`step_tests` has how). Their burial is the one that a worker has: its seat is dropped. What is found afterwards has a
//! name, and each test says which there may be: all of them, the first and the last included, have to come up.

mod lock_tests;
mod number_tests;
mod permit_tests;
mod queue_tests;
mod stop_tests;
mod wait_tests;

use super::step_tests::{Life, Traced, stop_after};
use super::{Party, Place, Seat, Shared, Until};
use crate::types::Object;
use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::fs;
use std::sync::mpsc;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// How long a test waits for what has to come.
const LONG: Duration = Duration::from_secs(20);
/// A time that is over soon, for what must not come.
const SHORT: Duration = Duration::from_millis(1);

fn within(time: Duration) -> Until {
    Some(Instant::now() + time)
}

/// A stage for one death: some memory, who will die, and others.
struct Stage {
    shared: Shared,
    victim: RefCell<Option<Seat>>,
    /// How many moments it lives on.
    moments: u32,
    life: Cell<Option<Life>>,
}

impl Stage {
    fn make(&self, object: Object, parts: u32) -> Place {
        self.shared.0.make(object, parts, |_| {}).unwrap()
    }

    /// What the victim did before.
    fn before<T>(&self, work: impl FnOnce(&Party) -> T) -> T {
        work(&self.victim.borrow().as_ref().unwrap().party)
    }

    /// Somebody who lives.
    fn other(&self) -> Seat {
        self.shared.seat().unwrap()
    }

    /// A process works as the victim until its moment has come, and stands still. If it sleeps, `meanwhile` wakes it.
    fn stop(&self, work: impl FnOnce(&Party), meanwhile: impl FnOnce()) -> Traced {
        self.before(|party| {
            let (process, life) =
                stop_after(self.moments, &party.segment, || work(party), meanwhile);
            self.life.set(Some(life));
            process
        })
    }

    /// As `stop`, and it is killed and buried.
    fn strike(&self, work: impl FnOnce(&Party), meanwhile: impl FnOnce()) {
        drop(self.stop(work, meanwhile));
        drop(self.victim.take());
    }

    /// As `strike`, where nothing makes it sleep.
    fn strike_awake(&self, work: impl FnOnce(&Party)) {
        self.strike(work, || panic!("it sleeps"));
    }
}

/// Whoever sleeps looks by himself after a second, so that one whom nobody woke goes on, but not in this time.
const AWAKE: Duration = Duration::from_millis(900);

/// Plays with deaths at one moment after the other until one comes too late. `play` says what was found.
#[track_caller]
fn each_death<F: PartialEq + Debug>(may_find: &[F], play: impl Fn(&Stage) -> F) {
    let play_at = |moments| {
        let shared = Shared::with_bytes(1 << 20).unwrap();
        let stage = Stage {
            victim: RefCell::new(Some(shared.seat().unwrap())),
            shared,
            moments,
            life: Cell::new(None),
        };
        let begun = Instant::now();
        let found = play(&stage);
        let is_awake = begun.elapsed() < AWAKE;
        is_awake.then(|| (found, stage.life.get().expect("somebody struck")))
    };
    let mut found = Vec::new();
    for moments in 0.. {
        // A machine that is busy with something else may be slow once, but not each time.
        let played = (0..3).find_map(|_| play_at(moments));
        let (now, life) = played.unwrap_or_else(|| panic!("nobody was woken, moment {moments}"));
        found.push(now);
        if life == Life::Ended {
            break;
        }
    }
    println!("killed at {} moments", found.len() - 1);
    let expected = (may_find.first(), may_find.last());
    assert_eq!((found.first(), found.last()), expected, "{found:?}");
    assert!(may_find.iter().all(|one| found.contains(one)), "{found:?}");
    assert!(found.iter().all(|one| may_find.contains(one)), "{found:?}");
}

/// Has a thread do something, and returns when it sleeps in that.
fn asleep<'s, T: Send + 's>(
    scope: &'s Scope<'s, '_>,
    wait: impl FnOnce() -> T + Send + 's,
) -> ScopedJoinHandle<'s, T> {
    let (tell, told) = mpsc::channel();
    let thread = scope.spawn(move || {
        tell.send(rustix::thread::gettid()).unwrap();
        wait()
    });
    let id = told.recv().unwrap().as_raw_pid();
    let sleeps = || {
        let stat = fs::read_to_string(format!("/proc/self/task/{id}/stat"));
        stat.is_ok_and(|stat| stat.contains(") S "))
    };
    while !sleeps() && !thread.is_finished() {
        std::thread::yield_now();
    }
    thread
}
