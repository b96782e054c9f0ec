//! The pool's own thread: it starts workers, notices when they die, replaces them, and drives when no caller does.
//!
//! All workers are started from this one thread, and so is the fork server, whose parent is theirs: the kernel's parent-death
//! signal is sent when the thread that started a process ends, not when the process does. The keeper runs no code of the embedding program.

use super::driver::{Driver, Leader, START_TIME, State};
use super::shared::{Shared, drain};
use super::told::News;
use crate::link::{Link, StartError, Starter};
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Deaths that nobody ordered, more than this many or twice the workers within [`WINDOW`], make the keeper wait before
/// it starts the next one. *Source*: the restart intensity of Erlang's supervisors.
const LOSSES: usize = 5;
const WINDOW: Duration = Duration::from_secs(10);
/// The first wait, doubled with each further loss or failure up to the last.
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LAST_WAIT: Duration = Duration::from_secs(5);
/// How many starts may fail in a row, with no worker alive, before the pool is given up.
const FAILED_STARTS: u32 = 3;

pub(super) struct Keeper {
    shared: Arc<Shared>,
    starter: Starter,
    /// How many workers may start at a time: as many as there are processors, as more would only take those from each other and all
    /// be ready late; and one for whoever waits for something else.
    most_starting: usize,
    /// Starts that failed in a row.
    failures: u32,
    not_before: Option<Instant>,
    /// The last loss of a worker that nobody meant to lose.
    last_loss: Option<Instant>,
    /// Told once of how the first start went.
    first: Option<crossbeam_channel::Sender<Result<(), StartError>>>,
}

impl Keeper {
    pub(super) fn new(
        shared: Arc<Shared>,
        starter: Starter,
        first: crossbeam_channel::Sender<Result<(), StartError>>,
    ) -> Keeper {
        let processors = shared.driver().processors;
        Keeper {
            most_starting: processors + 1,
            shared,
            starter,
            failures: 0,
            not_before: None,
            last_loss: None,
            first: Some(first),
        }
    }

    /// Keeps the pool until it is terminated.
    pub(super) fn run(mut self) {
        let shared = self.shared.clone();
        loop {
            self.fill_seats();
            let mut driver = shared.driver();
            let leaving = std::mem::take(&mut driver.leaving);
            if driver.state == State::Terminated {
                drop(driver);
                return;
            }
            if !leaving.is_empty() {
                drop(driver);
                drop(leaving);
                continue;
            }
            self.greet(&mut driver);
            driver.pump();
            driver.vacate_spent();
            let leads = driver.leader == Leader::Nobody && driver.is_unattended();
            if leads {
                driver.sleep();
                if driver.has_work() {
                    driver.wake();
                    continue;
                }
                driver.leader = Leader::Keeper;
            }
            let patience = self.patience(&mut driver, leads);
            drop(driver);
            self.sleep(leads, patience);
        }
    }

    /// Sleeps until something is to be done; takes note of what it was.
    fn sleep(&mut self, leads: bool, patience: Option<Duration>) {
        let shared = self.shared.clone();
        let timeout = patience.map(|patience| Timespec {
            tv_sec: patience.as_secs().min(i64::MAX as u64) as i64,
            tv_nsec: patience.subsec_nanos().into(),
        });
        let mut sources = vec![
            PollFd::new(&shared.keeper_bell, PollFlags::IN),
            PollFd::new(&*shared.ends, PollFlags::IN),
            PollFd::new(&*shared.bells, PollFlags::IN),
        ];
        sources.truncate(if leads { 3 } else { 2 });
        // An interrupted wait is one without events.
        let _ = poll(&mut sources, timeout.as_ref());
        let mut driver = shared.driver();
        drain(&shared.keeper_bell);
        let mut events = Vec::with_capacity(64);
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let _ = epoll::wait(
            &*shared.ends,
            rustix::buffer::spare_capacity(&mut events),
            Some(&now),
        );
        for event in events {
            driver.heed(event);
        }
        // A caller may have taken over the lead, and the waking, in the meantime.
        if leads && driver.leader == Leader::Keeper {
            driver.leader = Leader::Nobody;
            driver.wake();
            for event in shared.bells_within(Some(Duration::ZERO)) {
                shared.heed(&mut driver, event);
            }
        }
    }

    fn patience(&self, driver: &mut Driver, leads: bool) -> Option<Duration> {
        let starting = driver.starting();
        let vacant = starting < self.most_starting && !self.vacancies(driver).is_empty();
        let waits = [
            (starting > 0).then_some(START_TIME / 10),
            vacant.then(|| {
                self.not_before.map_or(Duration::ZERO, |time| {
                    time.saturating_duration_since(Instant::now())
                })
            }),
            if leads { driver.next_check() } else { None },
            (leads && driver.may_have_early_answers()).then_some(Duration::from_millis(2)),
        ];
        waits.into_iter().flatten().min()
    }

    /// Starts a process for each empty seat, unless too many died lately.
    fn fill_seats(&mut self) {
        let shared = self.shared.clone();
        let mut driver = shared.driver();
        let empty = self.vacancies(&driver);
        if empty.is_empty() {
            return;
        }
        let workers = driver.target;
        // A guest that broke its worker on purpose may have learned of its addresses. It finds others when it tries again.
        let last_loss = driver.losses.back().copied();
        if self.last_loss != last_loss {
            self.last_loss = last_loss;
            self.starter.change_addresses();
        }
        let starting = driver.starting();
        self.wait_after_losses(&mut driver);
        drop(driver);
        if self.not_before.is_some_and(|time| Instant::now() < time) {
            return;
        }
        let room = self.most_starting.saturating_sub(starting);
        for index in empty.into_iter().take(room) {
            match Link::start(&shared.launch, &mut self.starter, index as u32, workers) {
                Ok(link) => {
                    let mut driver = shared.driver();
                    if driver.state == State::Terminated {
                        return;
                    }
                    driver.install(index, link);
                }
                Err(error) => {
                    let mut driver = shared.driver();
                    return self.failed(&mut driver, error);
                }
            }
        }
    }

    fn wait_after_losses(&mut self, driver: &mut Driver) {
        while driver
            .losses
            .front()
            .is_some_and(|loss| loss.elapsed() > WINDOW)
        {
            driver.losses.pop_front();
        }
        let allowed = LOSSES.max(2 * driver.target);
        if self.failures == 0 && self.not_before.is_none_or(|time| time < Instant::now()) {
            self.not_before = match driver.losses.len().checked_sub(allowed) {
                Some(over @ 1..) => {
                    let last = driver.losses.back().copied().unwrap_or_else(Instant::now);
                    Some(last + wait(over as u32))
                }
                _ => None,
            };
        }
    }

    /// Looks which of the starting workers are ready.
    fn greet(&mut self, driver: &mut Driver) {
        for index in 0..driver.seats.len() {
            let starting = driver.seats[index].link.is_some() && !driver.seats[index].ready;
            match driver.greet(index) {
                Err(error) => self.failed(driver, error),
                Ok(()) if starting && driver.seats[index].ready => {
                    self.failures = 0;
                    self.not_before = None;
                    driver.start_failed = false;
                    self.shared.idle.notify_all();
                    if let Some(first) = self.first.take() {
                        // The builder may have given up waiting.
                        let _ = first.send(Ok(()));
                    }
                    if driver.asleep {
                        self.shared.nudge();
                    }
                }
                Ok(()) => {}
            }
        }
    }

    /// Waits longer after each failure; gives the pool up when no worker is left and none can be started.
    fn failed(&mut self, driver: &mut Driver, error: StartError) {
        self.failures += 1;
        let reason = error.to_string();
        driver.tell(|| News::NoStart { reason });
        driver.start_failed = true;
        self.shared.idle.notify_all();
        self.not_before = Some(Instant::now() + wait(self.failures));
        // Others that were begun may still succeed.
        if self.has_no_hope(driver) && driver.starting() == 0 {
            driver.terminate(State::Broken(error.to_string()));
            if let Some(first) = self.first.take() {
                let _ = first.send(Err(error));
            }
        }
    }

    /// Whether no worker serves, and so many failed to start that no other will: one, if none was ever ready.
    fn has_no_hope(&self, driver: &Driver) -> bool {
        let enough = if self.first.is_some() {
            1
        } else {
            FAILED_STARTS
        };
        self.failures >= enough && !driver.seats.iter().any(|seat| seat.ready)
    }

    /// The seats that a worker should be started for.
    fn vacancies(&self, driver: &Driver) -> Vec<usize> {
        let is_over = matches!(driver.state, State::Terminated | State::Broken(_));
        // Those that were begun are waited for.
        let waits = self.has_no_hope(driver) && driver.starting() > 0;
        if is_over || waits || driver.has_lost_the_only_one() {
            return Vec::new();
        }
        (0..driver.target.min(driver.seats.len()))
            .filter(|&index| driver.seats[index].link.is_none())
            .collect()
    }
}

/// The wait after so many failures.
fn wait(failures: u32) -> Duration {
    FIRST_WAIT
        .saturating_mul(1 << (failures - 1).min(9))
        .min(LAST_WAIT)
}
