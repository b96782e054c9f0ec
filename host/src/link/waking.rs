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
    /// Not on this thread's processor, as both are to run at the same time, and as far as this pool knows there is a processor for
    /// each.
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
/// has a reason to move it. Afterwards it may run where it might before; but the system takes that for somebody's wish from then
/// on, so it doesn't get those processors that its cpuset is given later.
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

    /// Lets `elsewhere` wake another thread, which may run on these processors only. Gives where it might run while it was
    /// woken, and where it may in the end.
    fn woken(allowed: &CpuSet) -> (CpuSet, CpuSet) {
        let (to, from) = mpsc::channel();
        let (bell, rung) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                to.send(gettid()).unwrap();
                rung.recv().unwrap_err();
            });
            let sleeper = from.recv().unwrap();
            sched_setaffinity(Some(sleeper), allowed).unwrap();
            let mut meanwhile = None;
            elsewhere(sleeper, || {
                meanwhile = Some(sched_getaffinity(Some(sleeper)).unwrap());
            });
            let after = sched_getaffinity(Some(sleeper)).unwrap();
            drop(bell);
            (meanwhile.unwrap(), after)
        })
    }

    #[test]
    fn a_process_is_woken_elsewhere_and_may_run_where_it_might_before() {
        // A thread that stays where it is.
        std::thread::spawn(|| {
            let all = sched_getaffinity(None).unwrap();
            let mut here = CpuSet::new();
            here.set(sched_getcpu());
            sched_setaffinity(None, &here).unwrap();
            let (meanwhile, after) = woken(&all);
            let mut others = all;
            others.unset(sched_getcpu());
            let others = if others.count() == 0 { all } else { others };
            assert_eq!((meanwhile, after), (others, all));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_process_that_has_no_other_processor_is_woken_all_the_same() {
        std::thread::spawn(|| {
            let mut only = CpuSet::new();
            only.set(sched_getcpu());
            sched_setaffinity(None, &only).unwrap();
            assert_eq!(woken(&only), (only, only));
        })
        .join()
        .unwrap();
    }
}
