//! Where the workers sit: who comes, who greets, who has to leave.

use super::{Driver, WorkerLink};
use crate::job::{Cause, Totals};
use crate::link::StartError;
use crate::pool::task::{LONG_JOB, Task};
use crate::pool::told::News;
use rustix::event::epoll;
use rustix::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a worker may take to be ready, unless the initializer has a time limit of its own.
pub(in crate::pool) const START_TIME: Duration = Duration::from_secs(10);

/// A place for one worker.
#[derive(Default)]
pub(in crate::pool) struct Seat {
    pub(in crate::pool) link: Option<WorkerLink>,
    pub(in crate::pool) ready: bool,
    /// When the process was started, or, with jobs in flight, when the front job's turn came.
    pub(super) since: Option<Instant>,
    /// Why we killed it ourselves, and how many answers it had given by then: with more of them it was in another job
    /// when it died, and that job is innocent.
    pub(super) killed_for: Option<(Cause, u64)>,
    /// Whether that is told and counted already, although its process may not have ended yet.
    pub(super) is_told: bool,
    /// When it is killed for a running job, which was cancelled and asked to stop, and how many jobs were answered before that one.
    pub(super) killed_at: Option<(u64, Instant)>,
    /// Jobs answered in this place, over all its workers.
    pub(in crate::pool) jobs: u64,
    /// What they used.
    pub(in crate::pool) usage: Totals,
    /// The processor time of the workers that sat here before, as the kernel tells it, where that is asked for.
    pub(in crate::pool) past_cpu: Duration,
    /// Where jobs give account: since when the worker has time that no job has claimed, and how much it had before that.
    pub(super) unclaimed: (Option<Instant>, Duration),
    /// Tells this worker from those that sat here before.
    pub(super) generation: u64,
}

impl Seat {
    /// Whether it has a worker that takes jobs, and was not just killed.
    pub(in crate::pool) fn serves(&self) -> bool {
        self.ready && self.killed_for.is_none()
    }

    /// Whether its worker has jobs that are not answered.
    #[inline]
    pub(super) fn is_at_work(&self) -> bool {
        self.ready && self.link.as_ref().is_some_and(|link| link.chunks() > 0)
    }

    /// Whether nobody wants the job any more that its worker does.
    #[inline]
    pub(super) fn has_cancelled(&self) -> bool {
        let running = self.link.as_ref().and_then(|link| link.running());
        running.is_some_and(|(chunk, _)| chunk.owner.is_cancelled())
    }

    /// Whether a chunk of the task `next` may wait here behind one of `front`: never behind a job that takes long, and
    /// may go on for ever, while another worker could become free.
    pub(super) fn ends_soon(&self, front: &Arc<Task>, next: &Arc<Task>) -> bool {
        (Arc::ptr_eq(front, next) || front.depth() > 1)
            && self.since.is_some_and(|since| since.elapsed() < LONG_JOB)
    }
}

impl Driver {
    /// How many workers are started and not ready.
    pub(in crate::pool) fn starting(&self) -> usize {
        let starts = |seat: &&Seat| seat.link.is_some() && !seat.ready;
        self.seats.iter().filter(starts).count()
    }

    /// Whether the worker has done all that it may, or is one too many.
    pub(super) fn is_spent(&self, index: usize) -> bool {
        let Some(link) = &self.seats[index].link else {
            return false;
        };
        link.chunks() == 0
            && (index >= self.target || self.rules.max_jobs.is_some_and(|max| link.asked() >= max))
    }

    /// Makes room for so many workers. The keeper starts those that are missing.
    pub(in crate::pool) fn resize(&mut self, workers: usize) {
        self.target = workers;
        if self.seats.len() < workers {
            self.seats.resize_with(workers, Seat::default);
        }
        self.vacate_spent();
        self.keeper_wanted = true;
    }

    /// Ends workers that are one too many and have nothing to do.
    pub(in crate::pool) fn vacate_spent(&mut self) {
        for index in 0..self.seats.len() {
            if self.is_spent(index) {
                self.vacate(index);
            }
        }
    }

    /// Ends a worker that has nothing to do.
    pub(super) fn vacate(&mut self, index: usize) {
        // What its guest logged last still comes.
        let _ = self.take_lines(index);
        if let Some(link) = self.seats[index].link.take() {
            self.note_processor_time(index, &link);
            self.unwatch(&link);
            self.seats[index].ready = false;
            self.leaving.push(link);
            self.keeper_wanted = true;
        }
    }

    /// Puts a process that was just started into its seat.
    pub(in crate::pool) fn install(&mut self, index: usize, link: WorkerLink) {
        self.counts.started += 1;
        if self.stopping {
            link.cancel_all();
        }
        let Some(seat) = self.seats.get_mut(index) else {
            return;
        };
        let generation = self.counts.started & u64::from(u32::MAX);
        // Should watching fail for want of memory, the start's time limit ends the worker. Its process is watched as
        // well as its socket, because a child of it may have the socket, too, and live on.
        for descriptor in [link.control(), link.process()] {
            let _ = epoll::add(
                &*self.ends,
                descriptor,
                watched(index, generation),
                epoll::EventFlags::IN,
            );
        }
        *seat = Seat {
            link: Some(link),
            since: Some(Instant::now()),
            jobs: seat.jobs,
            usage: seat.usage,
            past_cpu: seat.past_cpu,
            generation,
            ..Seat::default()
        };
    }

    /// Asks the kernel once more for the processor time of a worker that is about to be buried.
    pub(super) fn note_processor_time(&mut self, index: usize, link: &WorkerLink) {
        if self.rules.account.is_some() {
            let time = link.processor_time();
            self.seats[index].past_cpu += time.unwrap_or_default();
        }
    }

    /// Looks whether the starting worker in this seat is ready. Its failure gives the seat back.
    pub(in crate::pool) fn greet(&mut self, index: usize) -> Result<(), StartError> {
        let seat = &mut self.seats[index];
        let Some(link) = seat.link.as_mut().filter(|_| !seat.ready) else {
            return Ok(());
        };
        let failed = match link.greet() {
            Ok(true) => {
                let data = watched(index, seat.generation);
                let _ = epoll::modify(
                    &*self.ends,
                    link.control(),
                    data,
                    epoll::EventFlags::empty(),
                );
                match watch(&self.bells, link, data) {
                    Ok(()) => {
                        seat.ready = true;
                        let (worker, pid) = (index, link.pid());
                        self.tell(|| News::Ready { worker, pid });
                        return Ok(());
                    }
                    // Nobody would hear it.
                    Err(error) => StartError::System {
                        what: "to watch a worker",
                        error: error.into(),
                    },
                }
            }
            Ok(false) if seat.since.is_none_or(|since| since.elapsed() < START_TIME) => {
                return Ok(());
            }
            Ok(false) => link.silent(START_TIME),
            Err(error) => error,
        };
        self.counts.lost += 1;
        self.vacate(index);
        Err(failed)
    }

    pub(super) fn unwatch(&self, link: &WorkerLink) {
        // A descriptor that is in neither set any more is just as well.
        let _ = epoll::delete(&*self.bells, link.control().as_fd());
        let _ = epoll::delete(&*self.ends, link.control().as_fd());
        let _ = epoll::delete(&*self.ends, link.process().as_fd());
    }
}

/// Has a ready worker's bell and its end watched.
fn watch(bells: &OwnedFd, link: &mut WorkerLink, data: epoll::EventData) -> rustix::io::Result<()> {
    epoll::add(bells, link.control(), data, epoll::EventFlags::RDHUP)?;
    if let Some(bell) = link.take_bell() {
        // Each ring is told once, and is not taken.
        let rung = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(bells, bell, epoll::EventData::new_u64(BELL), rung)?;
    }
    Ok(())
}

/// What epoll says of any worker's bell.
const BELL: u64 = u64::MAX - 1;

/// Whether a worker rang, and no more.
pub(super) fn is_bell(event: &epoll::Event) -> bool {
    event.data.u64() == BELL
}

/// What epoll is to say of this worker.
fn watched(index: usize, generation: u64) -> epoll::EventData {
    epoll::EventData::new_u64(generation << 32 | index as u64)
}
