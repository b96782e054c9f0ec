//! What the threads of a pool share: its workers behind a lock, and the rules by which threads wait.
//!
//! **Driving.** The thread that waits for its jobs pumps the driver itself, so a job crosses no thread on its way. One
//! waiting thread at a time *leads*: it spins a little where a processor is free for it, then sleeps until a worker
//! rings. The others *follow*: they sleep until the leader delivers their outcomes, or hands them the lead as it
//! leaves. When jobs are under way and no caller leads, the keeper does. Whoever changes something while the leader
//! sleeps nudges it.

use super::aside::Aside;
use super::driver::{Driver, Jobs, Leader, Rules, State};
use super::task::{DEPTH, Home, Run, Task, Waiter};
use super::told::{MOST_WAITING, News, Subscriber};
use crate::link::{Asked, Launch};
use crate::types::{Description, FindError, Function, Type};
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// How long a leader spins before it sleeps: what it takes to wake a sleeping worker (44 µs, measured 2026-11) and to do a
/// short job in it, so that this thread need not be woken in its turn.
const SPIN: Duration = Duration::from_micros(120);
/// How often a spinning leader looks at the clock and lets others at the lock.
const SPIN_ROUNDS: u32 = 32;
/// How long the first answers of a chunk may lie before a sleeping leader looks.
const EARLY_LOOK: Duration = Duration::from_millis(2);

/// How many results a worker may be ahead of the reader where chunks have no fixed size, in jobs: enough to keep it
/// busy through a pause of the reader, and little memory.
const LOOK_AHEAD: u64 = 256;

/// A function's types as the codec wants them.
pub(super) struct Signature {
    /// All parameters, as a tuple.
    pub(super) arguments: Type,
    pub(super) result: Type,
    /// A list of such results, and how jobs may be asked as a list, and by which function, if there is a way.
    pub(super) results: Type,
    pub(super) list: Option<(Asked, u32)>,
}

pub(crate) struct Shared {
    pub(super) description: Description,
    pub(super) signatures: Vec<Signature>,
    pub(super) launch: Launch,
    pub(super) chunk: Option<u32>,
    driver: Mutex<Driver>,
    /// Told when the last task of a closed pool ends, and when a worker is ready or fails to be.
    pub(super) idle: Condvar,
    /// How many workers the pool should have.
    pub(super) target: AtomicUsize,
    terminated: AtomicBool,
    /// Threads that want the lock, for which a spinning leader makes room.
    wanting: AtomicUsize,
    pub(super) bells: Arc<OwnedFd>,
    pub(super) ends: Arc<OwnedFd>,
    /// Wakes the leader, wakes the keeper.
    nudge: Arc<OwnedFd>,
    pub(super) keeper_bell: OwnedFd,
    /// Runs callbacks, and calls the subscriber.
    pub(super) callbacks: Aside,
    told: Aside,
    subscriber: Arc<Subscriber>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("workers", &self.workers())
            .finish_non_exhaustive()
    }
}

/// Marks an event that no worker caused.
const NUDGE: u64 = u64::MAX;

impl Shared {
    pub(super) fn new(
        description: Description,
        launch: Launch,
        chunk: Option<u32>,
        workers: usize,
        rules: Rules,
    ) -> rustix::io::Result<Shared> {
        let bells = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let ends = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let nudge = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let keeper_bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(
            &*bells,
            &nudge,
            epoll::EventData::new_u64(NUDGE),
            epoll::EventFlags::IN,
        )?;
        let list = |place: usize, function: &Function| {
            let batch = description.batch_of(function).filter(|_| rules.lists);
            let sweep = description.sweeps.get(place).copied().flatten();
            let sweep = sweep.filter(|_| rules.lists);
            match (batch, sweep) {
                (Some(batch), _) => Some((Asked::AsBatch, batch as u32)),
                (None, Some(_)) => Some((Asked::AsSweep, place as u32)),
                (None, None) => None,
            }
        };
        let functions = description.functions.iter().enumerate();
        let signatures = functions.map(|(place, function)| Signature {
            results: Type::List(Box::new(
                (function.result.clone()).unwrap_or(crate::codec::NOTHING.clone()),
            )),
            list: list(place, function),
            arguments: Type::Tuple(
                function
                    .params
                    .iter()
                    .map(|param| param.ty.clone())
                    .collect(),
            ),
            result: function
                .result
                .clone()
                .unwrap_or(crate::codec::NOTHING.clone()),
        });
        Ok(Shared {
            signatures: signatures.collect(),
            description,
            launch,
            chunk,
            driver: Mutex::new(Driver::new(workers, rules, bells.clone(), ends.clone())),
            idle: Condvar::new(),
            target: AtomicUsize::new(workers),
            terminated: AtomicBool::new(false),
            wanting: AtomicUsize::new(0),
            bells,
            ends,
            nudge,
            keeper_bell,
            callbacks: Aside::new("host-callbacks"),
            told: Aside::new("host-told"),
            subscriber: Arc::new(Subscriber::here()),
        })
    }

    /// The driver, for as long as the guard lives. Those who have to be told of something are told after that.
    pub(super) fn driver(&self) -> Driving<'_> {
        let driver = self.driver.try_lock().unwrap_or_else(|held| match held {
            TryLockError::Poisoned(poisoned) => poisoned.into_inner(),
            TryLockError::WouldBlock => {
                self.wanting.fetch_add(1, Ordering::Relaxed);
                let driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner);
                self.wanting.fetch_sub(1, Ordering::Relaxed);
                driver
            }
        });
        Driving {
            shared: self,
            driver: Some(driver),
        }
    }

    /// The index of the function of this name.
    pub(super) fn find(&self, name: &str) -> Result<usize, FindError> {
        self.description.find(name)
    }

    /// How many workers the pool should have.
    pub(super) fn workers(&self) -> usize {
        self.target.load(Ordering::Relaxed)
    }

    /// How many items an iterator may be ahead of what was read from it.
    pub(super) fn look_ahead(&self) -> u64 {
        let each = self
            .chunk
            .map_or(LOOK_AHEAD, |chunk| DEPTH as u64 * u64::from(chunk));
        self.workers() as u64 * each
    }

    /// Adds jobs and gives them out if a worker is free.
    pub(super) fn submit(&self, chunks: impl IntoIterator<Item = Jobs>) {
        let mut driver = self.driver();
        let mut unattended = false;
        for chunk in chunks {
            unattended |= chunk.owner.home == Home::Handle;
            driver.submit(chunk);
        }
        let done = driver.counts.done;
        driver.pump();
        // What came home now may be the leader's, whose worker rings for later answers only after `resleep`.
        let came = driver.counts.done != done;
        if driver.asleep && (came || !driver.resleep()) {
            self.nudge();
        }
        driver.keeper_wanted |= unattended && driver.leader == Leader::Nobody;
    }

    /// Runs one job whose thread waits for it, in one hold of the lock where nobody else wants it: the shortest way there
    /// is. `None` if the pool takes no more jobs.
    pub(super) fn run(&self, job: Jobs) -> Option<Run> {
        let task = job.owner.clone();
        let mut driver = self.driver();
        if !driver.begin() {
            return None;
        }
        driver.submit(job);
        let (mut driver, _) = self.drive(driver, &[&task], None, || task.is_done());
        driver.tasks -= 1;
        drop(driver);
        task.into_only()
    }

    /// Waits until `ready`, or until `deadline`, driving the pool or following the thread that does. Says whether it
    /// is ready. `tasks` are those whose outcomes may make it so.
    pub(super) fn wait(
        &self,
        tasks: &[&Task],
        deadline: Option<Instant>,
        ready: impl Fn() -> bool,
    ) -> bool {
        self.drive(self.driver(), tasks, deadline, ready).1
    }

    fn drive<'a>(
        &'a self,
        mut driver: Driving<'a>,
        tasks: &[&Task],
        deadline: Option<Instant>,
        ready: impl Fn() -> bool,
    ) -> (Driving<'a>, bool) {
        let mut spin_since = None;
        let mut leading = false;
        let done = loop {
            driver.pump();
            if ready() {
                break true;
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break false;
            }
            if !leading && driver.leader == Leader::Caller {
                driver = self.follow(driver, tasks, deadline);
                continue;
            }
            leading = true;
            driver.leader = Leader::Caller;
            let since = *spin_since.get_or_insert_with(Instant::now);
            // What streams through a ring comes and goes as fast as both sides copy: to sleep would take longer.
            let soon = driver.spare_processors() > 0 || driver.is_streaming();
            // A worker that is woken may be put on this very processor, to begin when this thread leaves it.
            if soon && !driver.woke && since.elapsed() < SPIN {
                let answered = (0..SPIN_ROUNDS).any(|_| {
                    std::hint::spin_loop();
                    driver.has_work()
                });
                if self.wanting.load(Ordering::Relaxed) > 0 {
                    drop(driver);
                    std::thread::yield_now();
                    driver = self.driver();
                }
                if answered {
                    spin_since = None;
                }
                continue;
            }
            driver = self.sleep(driver, deadline);
        };
        // A follower that was given the lead, and found its own jobs done, passes it on.
        if leading || driver.leader == Leader::Nobody {
            self.resign(&mut driver);
        }
        (driver, done)
    }

    /// Sleeps as the leader until a worker rings or somebody nudges.
    fn sleep<'a>(&'a self, mut driver: Driving<'a>, deadline: Option<Instant>) -> Driving<'a> {
        driver.sleep();
        if driver.has_work() {
            driver.wake();
            return driver;
        }
        let mut patience =
            deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if driver.may_have_early_answers() {
            patience = Some(patience.map_or(EARLY_LOOK, |patience| patience.min(EARLY_LOOK)));
        }
        if let Some(check) = driver.next_check() {
            patience = Some(patience.map_or(check, |patience| patience.min(check)));
        }
        drop(driver);
        let events = self.bells_within(patience);
        driver = self.driver();
        driver.wake();
        for event in events {
            self.heed(&mut driver, event);
        }
        driver
    }

    /// The bells that ring within `patience`.
    pub(super) fn bells_within(&self, patience: Option<Duration>) -> Vec<epoll::Event> {
        let mut events = Vec::with_capacity(16);
        let timeout = patience.map(|patience| Timespec {
            tv_sec: patience.as_secs().min(i64::MAX as u64) as i64,
            tv_nsec: patience.subsec_nanos().into(),
        });
        // An interrupted wait is one without events.
        let _ = epoll::wait(&*self.bells, spare_capacity(&mut events), timeout.as_ref());
        events
    }

    pub(super) fn heed(&self, driver: &mut Driver, event: epoll::Event) {
        if event.data.u64() == NUDGE {
            let _ = rustix::io::read(&self.nudge, &mut [0; 8]);
        } else {
            driver.heed(event);
        }
    }

    /// Sleeps until the leader has something for one of our tasks, or leaves.
    fn follow<'a>(
        &'a self,
        mut driver: Driving<'a>,
        tasks: &[&Task],
        deadline: Option<Instant>,
    ) -> Driving<'a> {
        let this = std::thread::current();
        // Those that are done already were not enough for the caller, who looked under this same lock.
        tasks
            .iter()
            .for_each(|task| drop(task.await_by(Waiter::Thread(this.clone()))));
        driver.followers.push(this.clone());
        if driver.asleep {
            self.nudge();
        }
        drop(driver);
        match deadline {
            Some(deadline) => {
                std::thread::park_timeout(deadline.saturating_duration_since(Instant::now()))
            }
            None => std::thread::park(),
        }
        driver = self.driver();
        tasks.iter().for_each(|task| task.forget(this.id()));
        driver
            .followers
            .retain(|follower| follower.id() != this.id());
        driver
    }

    /// Lets the thread that waits for this task see that its source has something again.
    pub(super) fn rouse(&self, task: &Task) {
        let mut driver = self.driver();
        let waiters = task.arrive();
        // Who follows is told; else it may be the leader who waits.
        driver.news |= waiters.is_empty();
        driver.notes.extend(waiters);
    }

    /// Ends all workers, and every job that has no outcome yet.
    pub(super) fn terminate(&self) {
        let mut driver = self.driver();
        self.terminated.store(true, Ordering::Relaxed);
        driver.terminate(State::Terminated);
        // Some wait for no job, but for an item that would become one.
        let followers = std::mem::take(&mut driver.followers);
        (driver.notes).extend(followers.into_iter().map(Waiter::Thread));
        if driver.asleep {
            self.nudge();
        }
        driver.keeper_wanted = true;
    }

    /// Whether somebody has terminated the pool.
    pub(super) fn is_terminated(&self) -> bool {
        self.terminated.load(Ordering::Relaxed)
    }

    /// Leaves the lead to a follower, or to the keeper if there is anything left to watch.
    fn resign(&self, driver: &mut Driver) {
        driver.leader = Leader::Nobody;
        // The keeper may have slept as the leader before this thread took over: nobody does now.
        if driver.asleep {
            driver.wake();
        }
        match driver.followers.pop() {
            Some(follower) => driver.notes.push(Waiter::Thread(follower)),
            None => driver.keeper_wanted |= driver.is_unattended(),
        }
    }

    /// Wakes the leader.
    pub(super) fn nudge(&self) {
        ring(&self.nudge);
    }

    /// Wakes the keeper.
    pub(super) fn call_keeper(&self) {
        ring(&self.keeper_bell);
    }

    /// Tells the embedding program's subscriber what happened.
    fn tell(&self, news: Vec<News>, untold: Arc<AtomicUsize>) {
        let (subscriber, nudge) = (self.subscriber.clone(), self.nudge.clone());
        self.told.run(Box::new(move || {
            let is_line = |news: &&News| matches!(news, News::Line { .. });
            let lines = news.iter().filter(is_line).count();
            // Also where the subscriber panics, there is room again.
            let before = untold.fetch_sub(lines, Ordering::Relaxed);
            if before >= MOST_WAITING && before - lines < MOST_WAITING {
                ring(&nudge);
            }
            subscriber.tell(news);
        }));
    }

    /// Waits until all callbacks have run that were given so far, and takes no more.
    pub(super) fn finish_callbacks(&self) {
        self.callbacks.finish();
        self.told.finish();
    }

    /// Notes that a task that began has ended.
    pub(super) fn end(&self) {
        self.driver().tasks -= 1;
    }
}

/// The driver, locked.
pub(super) struct Driving<'a> {
    shared: &'a Shared,
    driver: Option<MutexGuard<'a, Driver>>,
}

impl<'a> Driving<'a> {
    /// Waits for `idle` with the lock released.
    pub(super) fn wait_idle(mut self) -> Driving<'a> {
        if let Some(driver) = self.driver.take() {
            let driver = self
                .shared
                .idle
                .wait(driver)
                .unwrap_or_else(PoisonError::into_inner);
            self.driver = Some(driver);
        }
        self
    }
}

impl std::ops::Deref for Driving<'_> {
    type Target = Driver;
    fn deref(&self) -> &Driver {
        self.driver
            .as_deref()
            .expect("the lock is held until the guard is dropped")
    }
}

impl std::ops::DerefMut for Driving<'_> {
    fn deref_mut(&mut self) -> &mut Driver {
        self.driver
            .as_deref_mut()
            .expect("the lock is held until the guard is dropped")
    }
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        let Some(mut driver) = self.driver.take() else {
            return;
        };
        if driver.has_nothing_to_tell() {
            return;
        }
        let notes = std::mem::take(&mut driver.notes);
        let told = std::mem::take(&mut driver.told);
        let untold = (!told.is_empty()).then(|| driver.untold.clone());
        let keeper_wanted = std::mem::take(&mut driver.keeper_wanted);
        let nudge = driver.asleep && std::mem::take(&mut driver.news);
        let idle = driver.is_idle();
        drop(driver);
        if nudge {
            self.shared.nudge();
        }
        if keeper_wanted {
            self.shared.call_keeper();
        }
        if let Some(untold) = untold {
            self.shared.tell(told, untold);
        }
        for waiter in notes {
            waiter.tell(|callback| self.shared.callbacks.run(callback));
        }
        if idle {
            self.shared.idle.notify_all();
        }
    }
}

fn ring(event: &OwnedFd) {
    let _ = rustix::io::write(event.as_fd(), &1u64.to_ne_bytes());
}

/// Takes what rang.
pub(super) fn drain(event: &OwnedFd) {
    let _ = rustix::io::read(event.as_fd(), &mut [0; 8]);
}
