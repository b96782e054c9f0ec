//! Jobs that say how far they are, and that return when nobody wants their result any more.

use crate::{builder, fault, process, program, until, within};
use host::{Cause, Exit, Handle, Pool, Process, Ready};
use rustix::process::Signal;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(20);

fn pool(grace: Duration) -> Pool {
    let pool = builder("polite").workers(1).grace(grace);
    pool.build().unwrap()
}

/// A job that works until it is asked to stop, and has begun to.
fn working(pool: &Pool) -> Handle<u64> {
    let handle: Handle<u64> = pool.submit("until-cancelled", ()).unwrap();
    until("it reports", LONG, || handle.progress().is_some());
    handle
}

#[test]
fn a_handle_tells_how_far_its_job_says_that_it_is() {
    within(LONG, || {
        let pool = pool(LONG);
        let handle = working(&pool);
        let before = handle.progress().unwrap();
        assert_eq!((before.job, before.total), (0, None));
        until("it comes further", LONG, || {
            handle.progress().unwrap().done > before.done
        });
        let worker = &pool.stats().workers[0];
        assert!(worker.progress.unwrap().done > before.done);
        let other: Handle<u64> = pool.submit("add-up", (1_000,)).unwrap();
        assert_eq!(
            other.progress(),
            None,
            "one that has not begun says nothing"
        );
        assert!(handle.cancel());
        assert!(handle.wait().unwrap() > before.done);
        assert_eq!(other.wait(), Ok(999 * 1000 / 2));
        assert_eq!(pool.stats().workers[0].progress, None);
    });
}

#[test]
fn a_job_knows_its_total_and_its_place_among_others() {
    within(LONG, || {
        let pool = pool(LONG);
        let most = 1 << 40;
        let handle: Handle<Vec<u64>> = pool.map_async("add-up", [10, most, most]).unwrap();
        until("the second reports", LONG, || {
            handle.progress().is_some_and(|progress| progress.job == 1)
        });
        let progress = handle.progress().unwrap();
        assert_eq!(progress.total, Some(most));
        assert!(progress.done < most);
        pool.ask_to_stop();
        let sums = handle.wait().unwrap();
        assert_eq!(sums[0], 45);
        assert!(sums[1] > 0, "it returned what it had");
        assert_eq!(
            sums[2], 0,
            "one that is asked before it begins returns at once"
        );
    });
}

#[test]
fn a_polite_job_that_is_cancelled_returns_and_its_worker_stays() {
    within(LONG, || {
        let pool = pool(LONG);
        let pid = pool.stats().workers[0].pid;
        let handle = working(&pool);
        let queued: Handle<u64> = pool.submit("until-cancelled", ()).unwrap();
        assert!(queued.cancel());
        assert_eq!(fault(queued.wait()).cause, Cause::Cancelled);
        assert!(handle.cancel());
        assert!(handle.wait().unwrap() > 0);
        let asked: bool = pool.apply("is-cancelled", ()).unwrap();
        assert!(!asked, "the next job is wanted");
        let stats = pool.stats();
        assert_eq!((stats.workers[0].pid, stats.workers_lost), (pid, 0));
    });
}

#[test]
fn a_job_that_does_not_listen_is_ended_when_its_grace_is_over() {
    within(LONG, || {
        let grace = Duration::from_millis(200);
        let pool = pool(grace);
        let stubborn: Handle<()> = pool.submit("stubborn", ()).unwrap();
        until("it works", LONG, || stubborn.progress().is_some());
        let asked = Instant::now();
        assert!(stubborn.cancel());
        assert_eq!(fault(stubborn.wait()).cause, Cause::Cancelled);
        let took = asked.elapsed();
        assert!(took >= grace && took < Duration::from_secs(2), "{took:?}");
        assert_eq!(pool.apply("add-up", (10,)), Ok(45_u64));
    });
}

#[test]
fn without_grace_and_without_an_import_a_cancelled_job_ends_at_once() {
    within(LONG, || {
        let none = pool(Duration::ZERO);
        let handle = working(&none);
        assert!(handle.cancel());
        assert_eq!(fault(handle.wait()).cause, Cause::Cancelled);
        let deaf = builder("faults")
            .workers(1)
            .grace(Duration::from_secs(3600));
        let deaf = deaf.build().unwrap();
        let spin: Handle<()> = deaf.submit("spin", ()).unwrap();
        until("it spins", LONG, || deaf.stats().workers[0].busy);
        assert!(spin.cancel());
        assert_eq!(fault(spin.wait()).cause, Cause::Cancelled);
    });
}

#[test]
fn what_a_job_reports_before_it_fails_is_not_the_next_ones() {
    within(LONG, || {
        let pool = pool(LONG);
        let reported = (u64::MAX, Some(u64::MAX));
        let cause = fault(pool.apply::<()>("report-and-trap", reported)).cause;
        assert!(matches!(cause, Cause::Trap(_)), "{cause}");
        assert_eq!(pool.stats().workers[0].progress, None);
        let handle = working(&pool);
        assert_eq!(handle.progress().unwrap().total, None);
        process::send(pool.stats().workers[0].pid, Signal::KILL);
        // It may run again, in another worker.
        until("a worker was lost", LONG, || pool.stats().workers_lost == 1);
        handle.cancel();
        drop(handle.wait());
    });
}

#[test]
fn a_process_that_is_terminated_may_return_and_one_that_is_killed_may_not() {
    within(LONG, || {
        let start = || {
            let ready = Ready::start(builder("polite").grace(LONG)).unwrap();
            let process: Process<u64> = ready.as_job(7).run("until-cancelled", ()).unwrap();
            until("it works", LONG, || process.progress().is_some());
            process
        };
        let polite = start();
        assert_eq!(polite.progress().unwrap().job, 7);
        polite.terminate();
        assert!(polite.join().unwrap() > 0);
        let killed = start();
        killed.kill();
        assert!(killed.join_timeout(LONG));
        assert_eq!(killed.exit(), Some(Exit::Failed(Cause::Cancelled)));
        let fault = fault(killed.join());
        assert_eq!((fault.cause, fault.job), (Cause::Cancelled, 7));
    });
}

#[test]
fn the_first_ctrl_c_lets_polite_jobs_return_what_they_have() {
    for command in [
        ["call", "polite", "until-cancelled()", "--verbose"],
        ["process", "polite", "until-cancelled()", "--verbose"],
    ] {
        let mut child = Command::new(program())
            .args(command)
            .env("XDG_CACHE_HOME", crate::cache())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let pid = child.id();
        within(LONG, move || {
            let mut lines = stderr.lines().map(Result::unwrap);
            let far = lines.find(|line| line.contains("job 0 at ")).unwrap();
            assert!(far.contains(": job 0 at "), "{far}");
            process::send(pid, Signal::INT);
            lines.for_each(drop);
        });
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{command:?}");
        let steps: u64 = String::from_utf8(output.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        assert!(steps > 0);
    }
}

#[test]
fn jobs_of_host_process_have_their_places_on_the_command_line() {
    let output = Command::new(program())
        .args([
            "process",
            "shared",
            "who()",
            "who()",
            "release-unheld(l)",
            "--lock",
            "l",
        ])
        .env("XDG_CACHE_HOME", crate::cache())
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let places: Vec<&str> = stdout.lines().map(|line| &line[..2]).collect();
    assert_eq!(places, ["(0", "(1"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("error: job 2 (attempt 1"), "{stderr}");
}
