//! Objects that jobs in several processes work on together, and processes of one job.

use crate::process::{is_in_state, send};
use crate::{PATIENCE, builder, cache, program};
use host::shared::{Acquired, Datum, Event, Lock};
use host::{
    Builder, Cause, Error, Exit, Handle, Limits, Pool, Process, Ready, Shared, SharedError,
    SpawnError,
};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// A pool whose workers are all there, so that as many jobs run at the same time.
fn pool(workers: usize) -> Pool {
    let pool = builder("shared").workers(workers).build().unwrap();
    pool.wait_ready();
    pool
}

fn timed(timeout: Duration) -> Builder {
    let limits = Limits {
        timeout: Some(timeout),
        ..Limits::default()
    };
    builder("shared").workers(1).limits(limits)
}

fn kill(pid: u32) {
    send(pid, Signal::KILL);
}

fn cause<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Cause {
    match outcome {
        Err(Error::Job(fault)) => fault.cause,
        other => panic!("not a fault: {other:?}"),
    }
}

fn trap<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    match cause(outcome) {
        Cause::Trap(text) => text,
        other => panic!("not a trap: {other:?}"),
    }
}

/// Some worker that has a job.
fn busy_worker(pool: &Pool) -> u32 {
    loop {
        let workers = pool.stats().workers;
        match workers.iter().find(|worker| worker.busy) {
            Some(worker) => return worker.pid,
            None => std::thread::yield_now(),
        }
    }
}

/// A job that holds a lock until it is told.
fn hold(pool: &Pool, guard: &Lock) -> (Handle<bool>, Event) {
    let [held, released] = [(); 2].map(|()| pool.shared().event().unwrap());
    let holder = pool.submit("hold", (guard, &held, &released)).unwrap();
    assert!(held.wait_within(PATIENCE));
    (holder, released)
}

#[test]
fn with_the_lock_a_number_ends_where_it_began() {
    let pool = pool(2);
    let total = pool.shared().value(100).unwrap();
    let guard = pool.shared().lock().unwrap();
    let jobs: Vec<Handle<()>> = ["add", "subtract", "add", "subtract"]
        .map(|function| pool.submit(function, (&total, &guard, 10_000)).unwrap())
        .into();
    jobs.into_iter().for_each(|job| job.wait().unwrap());
    assert_eq!(total.get(), 100);
}

#[test]
fn atomic_steps_need_no_lock() {
    let pool = pool(2);
    let total = pool.shared().value(0).unwrap();
    let jobs = [(&total, 20_000); 4];
    let _: Vec<i64> = pool.starmap("fetch-add", jobs).unwrap();
    assert_eq!(total.get(), 80_000);
}

#[test]
fn threads_of_the_program_take_part() {
    let pool = pool(1);
    let total = pool.shared().value(0).unwrap();
    let guard = pool.shared().lock().unwrap();
    let job: Handle<()> = pool.submit("add", (&total, &guard, 5_000)).unwrap();
    for _ in 0..5_000 {
        let _held = guard.lock();
        total.set(total.get() + 1);
    }
    job.wait().unwrap();
    assert_eq!(total.get(), 10_000);
}

#[test]
fn a_lock_whose_holder_dies_is_free_and_says_so() {
    let pool = pool(2);
    let guard = pool.shared().lock().unwrap();
    let (holder, _released) = hold(&pool, &guard);
    let pid = busy_worker(&pool);
    let total = pool.shared().value(0).unwrap();
    let waiting: Handle<()> = pool.submit("add", (&total, &guard, 1)).unwrap();
    kill(pid);
    // Not tried again: what it did to shared objects would be done twice.
    assert!(matches!(cause(holder.wait()), Cause::WorkerLost(_)));
    waiting.wait().unwrap();
    assert_eq!(total.get(), 1);

    let (holder, _released) = hold(&pool, &guard);
    kill(busy_worker(&pool));
    let found = guard.lock_within(PATIENCE).unwrap().acquired();
    assert_eq!(found, Acquired::Abandoned);
    assert!(holder.wait().is_err());
    assert_eq!(guard.lock().acquired(), Acquired::Clean);
}

#[test]
fn a_lock_that_a_job_forgets_is_free_and_says_so() {
    let pool = pool(1);
    let guard = pool.shared().lock().unwrap();
    let held = pool.shared().event().unwrap();
    let text = trap(pool.apply::<()>("hold-and-trap", (&guard, &held)));
    assert!(text.contains("unreachable"), "{text}");
    assert_eq!(guard.lock().acquired(), Acquired::Abandoned);
    pool.apply::<()>("hold-and-return", (&guard,)).unwrap();
    assert_eq!(guard.lock().acquired(), Acquired::Abandoned);
}

#[test]
fn misuse_of_a_lock_is_a_trap_that_says_what_was_wrong() {
    let pool = pool(1);
    let guard = pool.shared().lock().unwrap().named("guard");
    let text = trap(pool.apply::<()>("release-unheld", (&guard,)));
    assert_eq!(
        text,
        "the lock `guard`: it is released by a job that does not hold it"
    );
    let text = trap(pool.apply::<()>("acquire-twice", (&guard,)));
    assert_eq!(
        text,
        "the lock `guard`: it is acquired by the job that holds it"
    );
}

#[test]
fn a_job_that_waits_beyond_its_time_names_the_lock_and_its_holder() {
    let holders = pool(1);
    let waiters = timed(Duration::from_millis(50))
        .shared(holders.shared())
        .build()
        .unwrap();
    let guard = holders.shared().lock().unwrap().named("guard");
    let total = holders.shared().value(0).unwrap();
    let (holder, released) = hold(&holders, &guard);
    let pid = busy_worker(&holders);
    let waiting = || cause(waiters.apply::<()>("add", (&total, &guard, 1)));
    let Cause::Waiting { limit, object } = waiting() else {
        panic!("{:?}", waiting());
    };
    assert_eq!(limit, Duration::from_millis(50));
    assert_eq!(
        object,
        format!("lock `guard`, which job 0 (pid {pid}) holds")
    );
    released.set();
    assert_eq!(holder.wait(), Ok(false));
    waiters.apply::<()>("add", (&total, &guard, 1)).unwrap();
    assert_eq!(total.get(), 1);
}

#[test]
fn whoever_waits_for_a_queue_or_a_barrier_has_its_time_as_well() {
    let pool = timed(Duration::from_millis(50)).build().unwrap();
    let queue = pool.shared().queue(1).unwrap().named("numbers");
    let barrier = pool.shared().barrier(2).unwrap().named("all");
    let objects = [
        cause(pool.apply::<Vec<i64>>("take-all", (&queue,))),
        cause(pool.apply::<Result<u32, String>>("meet", (&barrier,))),
    ];
    let named = |object: &str| Cause::Waiting {
        limit: Duration::from_millis(50),
        object: object.into(),
    };
    assert_eq!(objects, [named("queue `numbers`"), named("barrier `all`")]);
}

#[test]
fn a_worker_stopped_at_work_on_an_object_keeps_others_no_longer_than_their_time() {
    let limit = Duration::from_millis(200);
    let patience = Duration::from_secs(5);
    let stopped = timed(patience).build().unwrap();
    let others = timed(limit).shared(stopped.shared()).build().unwrap();
    // So large that who writes it is at work on it most of the time.
    let array = stopped.shared().array(&[0; 4096]).unwrap().named("numbers");
    let read = || others.apply::<Vec<i64>>("numbers", (&array,));
    read().unwrap();
    let job = stopped.submit::<()>("fill", (&array, 7, u32::MAX)).unwrap();
    while array.get(0) == 0 {
        std::thread::yield_now();
    }
    let pid = busy_worker(&stopped);
    let cause = loop {
        send(pid, Signal::STOP);
        while !is_in_state(pid, "T") {
            std::thread::yield_now();
        }
        match read() {
            Ok(_) => send(pid, Signal::CONT),
            late => break cause(late),
        }
    };
    let object = format!("array `numbers`, which job 0 (pid {pid}) holds");
    assert_eq!(cause, Cause::Waiting { limit, object });
    // Then its own time is over.
    assert_eq!(self::cause(job.wait()), Cause::Timeout(patience));
    assert_eq!(read().unwrap(), vec![7; 4096]);
}

/// Waits for a job to fail, and says why.
type End = Box<dyn FnOnce() -> Cause>;

/// Where a worker is stopped, the job that brings it there, and whether it is there.
type Story<'a> = (&'a str, &'a dyn Fn() -> End, &'a dyn Fn() -> bool);

fn end<T: std::fmt::Debug + 'static>(job: Result<Handle<T>, Error>) -> End {
    Box::new(|| cause(job.and_then(Handle::wait)))
}

#[test]
fn a_worker_that_is_stopped_ends_in_its_own_time_and_frees_what_it_held() {
    let limit = Duration::from_secs(1);
    let pool = timed(limit).build().unwrap();
    let memory = pool.shared();
    let (total, guard) = (memory.value(0).unwrap(), memory.lock().unwrap());
    let (queue, array) = (memory.queue(4).unwrap(), memory.array(&[0; 4096]).unwrap());
    let [held, never] = [(); 2].map(|()| memory.event().unwrap());
    // One that has not begun would only hand its job on.
    let stories: [Story<'_>; 5] = [
        (
            "taking and giving back a lock",
            &|| end(pool.submit::<()>("add", (&total, &guard, u32::MAX))),
            &|| total.get() > 0,
        ),
        (
            "asleep with a lock",
            &|| end(pool.submit::<bool>("hold", (&guard, &held, &never))),
            &|| held.is_set(),
        ),
        (
            "at work on an array",
            &|| end(pool.submit::<()>("fill", (&array, 7, u32::MAX))),
            &|| array.get(0) == 7,
        ),
        (
            "asleep until there is an item",
            &|| {
                queue.put(1).unwrap();
                end(pool.submit::<i64>("consume", (&queue, 2u32)))
            },
            &|| queue.size() == 0,
        ),
        (
            "asleep until there is room",
            &|| end(pool.submit::<()>("produce", (&queue, u32::MAX))),
            &|| queue.is_full(),
        ),
    ];
    for (place, submit, has_begun) in stories {
        pool.wait_ready();
        let begun = Instant::now();
        let end = submit();
        let pid = busy_worker(&pool);
        while !has_begun() {
            std::thread::yield_now();
        }
        send(pid, Signal::STOP);
        assert_eq!(end(), Cause::Timeout(limit), "{place}");
        let took = begun.elapsed();
        assert!(took < limit + Duration::from_secs(1), "{place}: {took:?}");
        assert!(guard.lock_within(PATIENCE).is_some(), "{place}");
        array.write(0, &[1]);
        while queue.get_within(Duration::ZERO).is_ok() {}
    }
}

#[test]
fn an_rlock_can_be_acquired_again_by_its_holder() {
    let pool = pool(2);
    let total = pool.shared().value(0).unwrap();
    let guard = pool.shared().rlock().unwrap();
    let jobs: Vec<(_, _, u32)> = (0..200).map(|n| (&total, &guard, 1 + n % 5)).collect();
    let _: Vec<()> = pool.starmap("add-nested", jobs).unwrap();
    assert_eq!(total.get(), 200);
}

#[test]
fn a_semaphore_lets_so_many_in() {
    let pool = pool(4);
    let permits = pool.shared().bounded_semaphore(2).unwrap();
    let [inside, most] = [(); 2].map(|()| pool.shared().value(0).unwrap());
    let jobs = vec![(&permits, &inside, &most, 500); 8];
    let _: Vec<()> = pool.starmap("in-few", jobs).unwrap();
    assert!((1..=2).contains(&most.get()), "{}", most.get());
    assert_eq!(permits.permits(), 2);
    trap(pool.apply::<()>("take-and-trap", (&permits,)));
    assert_eq!(permits.permits(), 2);
}

#[test]
fn jobs_take_turns_by_a_condition() {
    let pool = pool(2);
    let turn = pool.shared().value(0).unwrap();
    let changed = pool.shared().condition().unwrap();
    let sides: [Handle<()>; 2] = [0u32, 1].map(|side| {
        pool.submit("take-turns", (&turn, &changed, side, 300u32))
            .unwrap()
    });
    sides.into_iter().for_each(|side| side.wait().unwrap());
    assert_eq!(turn.get(), 600);
}

#[test]
fn a_barrier_lets_jobs_through_together_and_breaks_when_one_dies() {
    let pool = pool(3);
    let all = pool.shared().barrier(3).unwrap();
    let meet = || -> Vec<Handle<Result<u32, String>>> {
        (0..3)
            .map(|_| pool.submit("meet", (&all,)).unwrap())
            .collect()
    };
    let mut places: Vec<u32> = (meet().into_iter())
        .map(|job| job.wait().unwrap().unwrap())
        .collect();
    places.sort_unstable();
    assert_eq!(places, [0, 1, 2]);

    let two = [(); 2].map(|()| pool.submit::<Result<u32, String>>("meet", (&all,)).unwrap());
    while all.waiting() < 2 {
        std::thread::yield_now();
    }
    kill(busy_worker(&pool));
    let outcomes = two.map(Handle::wait);
    let lost = |outcome: &&Result<Result<u32, String>, Error>| outcome.is_err();
    assert_eq!(outcomes.iter().filter(lost).count(), 1, "{outcomes:?}");
    assert!(
        outcomes.contains(&Ok(Err("aborted".into()))),
        "{outcomes:?}"
    );
    all.reset();
    assert!(meet().into_iter().all(|job| job.wait().unwrap().is_ok()));
}

#[test]
fn a_queue_hands_items_over_in_order() {
    let pool = pool(2);
    let queue = pool.shared().queue(4).unwrap();
    let numbers: Vec<i64> = (0..1000).collect();
    let put: Handle<()> = pool.submit("put-evens", (&queue, numbers)).unwrap();
    let evens: Vec<i64> = pool.apply("take-all", (&queue,)).unwrap();
    put.wait().unwrap();
    assert_eq!(evens, (0..1000).step_by(2).collect::<Vec<i64>>());
}

#[test]
fn a_queue_has_one_taker_for_each_item_and_knows_when_all_are_done() {
    let pool = pool(4);
    let queue = pool.shared().queue(16).unwrap();
    let produce = [(); 2].map(|()| pool.submit::<()>("produce", (&queue, 5_000u32)).unwrap());
    let consume = [(); 2].map(|()| pool.submit::<i64>("consume", (&queue, 5_000u32)).unwrap());
    let sum: i64 = consume.map(|job| job.wait().unwrap()).iter().sum();
    produce.into_iter().for_each(|job| job.wait().unwrap());
    assert_eq!(sum, 2 * (0..5_000).sum::<i64>());
    assert_eq!(queue.size(), 0);
    assert!(queue.join_within(PATIENCE));
}

#[test]
fn a_program_feeds_jobs_through_a_queue() {
    let pool = pool(1);
    let queue = pool.shared().queue(2).unwrap();
    let evens: Handle<Vec<i64>> = pool.submit("take-all", (&queue,)).unwrap();
    for number in [2, 4, 6] {
        queue.put(number).unwrap();
    }
    queue.put(Datum::None).unwrap();
    assert_eq!(evens.wait(), Ok(vec![2, 4, 6]));
}

#[test]
fn arrays_are_shared_and_slices_are_whole() {
    let pool = pool(2);
    let array = pool.shared().array(&[0; 64]).unwrap();
    let fill: Vec<Handle<()>> = [7, 8]
        .map(|number| pool.submit("fill", (&array, number, 300)).unwrap())
        .into();
    for _ in 0..1000 {
        let numbers = array.to_vec();
        assert!(numbers.iter().all(|n| *n == numbers[0]), "{numbers:?}");
    }
    fill.into_iter().for_each(|job| job.wait().unwrap());
    let numbers: Vec<i64> = pool.apply("numbers", (&array,)).unwrap();
    assert_eq!(numbers, array.to_vec());
}

#[test]
fn objects_of_other_memory_are_refused_with_the_reason() {
    let pool = pool(1);
    let stranger = Shared::new().unwrap().value(1).unwrap();
    let cause = cause(pool.apply::<i64>("get", (&stranger, 1)));
    let Cause::Start(text) = &cause else {
        panic!("{cause:?}");
    };
    assert!(text.contains("give the pool that memory"), "{text}");
    let value = pool.shared().value(1).unwrap();
    let wrong = pool.apply::<()>("hold-and-return", (&value,));
    assert!(matches!(wrong, Err(Error::Item { .. })), "{wrong:?}");
}

#[test]
fn two_pools_share_what_both_were_given() {
    let memory = Shared::new().unwrap();
    let [a, b] = [(); 2].map(|()| {
        builder("shared")
            .workers(1)
            .shared(&memory)
            .build()
            .unwrap()
    });
    let total = memory.value(0).unwrap();
    let guard = memory.lock().unwrap();
    let jobs = [&a, &b].map(|pool| pool.submit::<()>("add", (&total, &guard, 3_000)).unwrap());
    jobs.into_iter().for_each(|job| job.wait().unwrap());
    assert_eq!(total.get(), 6_000);
}

#[test]
fn a_job_knows_which_it_is() {
    let pool = pool(2);
    let jobs: Vec<(u64, u32, u32, u32)> = pool.starmap("who", vec![(); 50]).unwrap();
    let pids: Vec<u32> = pool
        .stats()
        .workers
        .iter()
        .map(|worker| worker.pid)
        .collect();
    for (place, (index, attempt, worker, pid)) in jobs.into_iter().enumerate() {
        assert_eq!((index, attempt), (place as u64, 1));
        assert_eq!(pid, pids[worker as usize]);
    }
    // Asking which job it is, a function of numbers is not called for many at a time.
    let asked: Vec<u32> = pool.map("ask", 1..100).unwrap();
    assert!(asked.iter().all(|attempt| *attempt == 1));
}

/// What a worker that is killed at any moment of its work leaves behind must be whole: no increment of a job that came to its
/// end is lost, no lock stays held, and nobody waits for ever.
#[test]
fn increments_of_finished_jobs_are_all_there_however_workers_die() {
    const TIMES: i64 = 200;
    let pool = pool(3);
    let total = pool.shared().value(0).unwrap();
    let guard = pool.shared().lock().unwrap();
    let jobs: Vec<Handle<()>> = (0..400)
        .map(|_| pool.submit("add", (&total, &guard, TIMES as u32)).unwrap())
        .collect();
    let mut killed = 0;
    while !jobs.iter().all(Handle::is_done) {
        // A moment that differs each time, by what the pool does meanwhile.
        let stats = pool.stats();
        if let Some(worker) = stats
            .workers
            .iter()
            .filter(|worker| worker.ready)
            .nth(killed % 3)
            && killed < 25
        {
            kill(worker.pid);
            killed += 1;
        }
        std::thread::yield_now();
    }
    let done = jobs.into_iter().filter_map(|job| job.wait().ok()).count() as i64;
    // A job that was killed may have done any number of its increments, and one of them half.
    let lost = 400 - done;
    let total = total.get();
    assert!(
        (done * TIMES..=(done + lost) * TIMES).contains(&total),
        "{done} jobs done, {lost} lost, {total} counted"
    );
    assert!(guard.lock_within(PATIENCE).is_some());
}

#[test]
fn objects_come_and_go_without_growth() {
    let pool = pool(1);
    for n in 0..20_000 {
        let value = pool.shared().value(n).unwrap();
        if n % 200 == 0 {
            assert_eq!(pool.apply::<i64>("get", (&value, 1)), Ok(n));
        }
    }
    assert_eq!(pool.shared().objects(), 0);
    let many: Result<Vec<_>, SharedError> =
        (0..1_000_000).map(|n| pool.shared().value(n)).collect();
    assert!(matches!(many, Err(SharedError::NoRoom { .. })));
    assert_eq!(pool.shared().objects(), 0);
}

fn process(setup: Builder, function: &str, arguments: impl serde::Serialize) -> Process<i64> {
    Process::spawn_with(setup, function, arguments).unwrap()
}

#[test]
fn a_process_does_one_job_and_is_gone() {
    let square = process(builder("arith"), "square", (12,));
    assert_eq!(square.name(), "square");
    assert!(square.pid() > 0);
    assert!(square.join_timeout(PATIENCE));
    assert!(!square.is_alive());
    assert_eq!(square.exit(), Some(Exit::Returned));
    assert_eq!(square.join(), Ok(144));
}

#[test]
fn a_process_whose_job_fails_says_why() {
    let failing = process(builder("arith"), "square", (i64::MAX,));
    assert!(failing.join_timeout(PATIENCE));
    assert!(matches!(failing.exit(), Some(Exit::Failed(Cause::Trap(_)))));
    assert!(matches!(cause(failing.join()), Cause::Trap(_)));
}

#[test]
fn a_process_can_be_ended() {
    let held = Shared::new().unwrap();
    let setup = || builder("shared").shared(&held);
    let total = held.value(0).unwrap();
    let guard = held.lock().unwrap();
    let _mine = guard.lock();
    let waiting: Process<()> = Process::spawn_with(setup(), "add", (&total, &guard, 1)).unwrap();
    assert!(!waiting.join_timeout(Duration::from_millis(20)));
    assert!(waiting.is_alive());
    assert_eq!(waiting.exit(), None);
    waiting.kill();
    assert_eq!(cause(waiting.join()), Cause::Cancelled);

    let waiting: Process<()> = Process::spawn_with(setup(), "add", (&total, &guard, 1)).unwrap();
    kill(waiting.pid());
    assert!(matches!(cause(waiting.join()), Cause::WorkerLost(_)));
}

#[test]
fn processes_that_wait_for_their_jobs_are_ready_together() {
    let ready = [(); 2].map(|()| Ready::start(builder("arith")).unwrap().named("worker"));
    assert_ne!(ready[0].pid(), ready[1].pid());
    let jobs = ready.map(|ready| ready.run::<i64>("square", (3,)).unwrap());
    assert_eq!(jobs[0].name(), "worker");
    assert_eq!(jobs.map(|job| job.join().unwrap()), [9, 9]);
}

#[test]
fn a_process_for_a_wrong_call_is_refused() {
    let wrong = Process::<i64>::spawn_with(builder("arith"), "sqare", (3,));
    assert!(
        matches!(wrong, Err(SpawnError::Job(Error::Function(_)))),
        "{wrong:?}"
    );
    let setup = Pool::builder()
        .component("no-such-thing")
        .worker_program(program())
        .cache_dir(cache());
    let wrong = Process::<i64>::spawn_with(setup, "square", (3,));
    assert!(matches!(wrong, Err(SpawnError::Build(_))), "{wrong:?}");
}
