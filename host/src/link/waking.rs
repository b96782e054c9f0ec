//! Where a worker that sleeps wakes up. A pool whose workers are busy leaves that to the system; where there is a processor
//! for each of the two, the pool knows more than the system does.

use crate::ring::Writer;
use rustix::process::Pid;
use rustix::thread::{sched_getaffinity, sched_getcpu, sched_setaffinity};

/// Where a worker that sleeps is to wake up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waking {
    /// Wherever the system likes.
    Anywhere,
    /// Wherever the system likes; if it is this thread's processor, the two take turns: the worker leaves it to this thread
    /// when it is done.
    InTurn,
    /// Not on this thread's processor, as both are to run at the same time.
    ///
    /// The system tends to wake a process beside the one that wakes it, and takes a processor of a virtual machine that sleeps
    /// for one that its host gave to others. There the two of them would stay, as none of them is ever found waiting:
    /// 16 MiB to a worker and back took 9 ms in turns and 2 ms apart (measured 2026-11).
    Apart,
}

impl Waking {
    /// Wakes a worker that said that it sleeps.
    pub(super) fn ring(self, worker: Pid, requests: &Writer) {
        match self {
            Waking::Anywhere => requests.ring(false),
            Waking::InTurn => requests.ring(true),
            Waking::Apart => elsewhere(worker, || requests.ring(false)),
        }
    }
}

/// Keeps a process off this thread's processor for as long as it takes to `wake` it. It stays where it woke up, until the system
/// has a reason to move it; where it may run in the end is what it was.
fn elsewhere(process: Pid, wake: impl FnOnce()) {
    let apart = sched_getaffinity(Some(process)).ok().and_then(|all| {
        let mut others = all;
        others.unset(sched_getcpu());
        // This fails where there is no other one. Then they take turns, whether that is good or not.
        sched_setaffinity(Some(process), &others).ok().map(|()| all)
    });
    wake();
    if let Some(all) = apart {
        // It was allowed a moment ago; and the process may have ended.
        let _ = sched_setaffinity(Some(process), &all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::thread::{CpuSet, gettid};
    use std::sync::mpsc;

    /// Wakes another thread so often by `elsewhere`, and says how often that found itself on another processor, and where it may
    /// run in the end.
    fn wakes(times: usize, allowed: &CpuSet) -> (usize, CpuSet) {
        let (bell, rung) = mpsc::channel::<()>();
        let (to, from) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                to.send(gettid().as_raw_nonzero().get() as usize).unwrap();
                rung.iter().for_each(|()| to.send(sched_getcpu()).unwrap());
            });
            let sleeper = Pid::from_raw(from.recv().unwrap() as i32).unwrap();
            sched_setaffinity(Some(sleeper), allowed).unwrap();
            let wake = |_: &usize| {
                let here = sched_getcpu();
                elsewhere(sleeper, || bell.send(()).unwrap());
                from.recv().unwrap() != here
            };
            let apart = (0..times).filter(wake).count();
            let after = sched_getaffinity(Some(sleeper)).unwrap();
            drop(bell);
            (apart, after)
        })
    }

    #[test]
    fn a_process_wakes_up_elsewhere_and_may_run_where_it_might_before() {
        let all = sched_getaffinity(None).unwrap();
        let (apart, after) = wakes(100, &all);
        assert_eq!(after, all);
        // The system may move either of the two between two looks, but not each time.
        assert!(apart > 50 || all.count() == 1, "{apart} of 100");
    }

    #[test]
    fn a_process_that_has_no_other_processor_wakes_up_all_the_same() {
        let mut only = CpuSet::new();
        only.set(sched_getcpu());
        let (_, after) = wakes(100, &only);
        assert_eq!(after, only);
    }
}
