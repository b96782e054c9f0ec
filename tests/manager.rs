//! Objects that live in a manager: a process of its own, asked by jobs in many workers and by this program.

use crate::{builder, cache, fault, process, program, until, within};
use host::shared::{Acquired, Datum, Key, Unavailable};
use host::{Cause, Handle, Limits, Manager, ManagerError, ManagerLimits, Pool, StartManagerError};
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(20);
/// Within this time of a manager's death everybody who waits for it has to know.
const SOON: Duration = Duration::from_secs(1);

fn manager() -> Manager {
    Manager::builder().program(program()).start().unwrap()
}

fn limited(limits: ManagerLimits) -> Manager {
    let builder = Manager::builder().program(program());
    builder.limits(limits).start().unwrap()
}

/// A pool whose workers are all there, so that as many jobs run at the same time.
fn pool(manager: &Manager, workers: usize) -> Pool {
    let pool = builder("shared").workers(workers).manager(manager);
    let pool = pool.build().unwrap();
    pool.wait_ready();
    pool
}

fn numbers(list: &host::shared::List) -> Vec<i64> {
    let items = list.slice(0, u64::MAX).unwrap();
    items
        .into_iter()
        .map(|item| match item {
            Datum::Integer(number) => number,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn jobs_of_several_workers_count_words_in_one_dict() {
    let manager = manager();
    let pool = pool(&manager, 2);
    let counts = manager.dict().unwrap();
    let texts = ["a b a", "b c", "a"].repeat(20);
    let jobs = texts.iter().map(|text| (&counts, text));
    let _: Vec<()> = pool.starmap("count-words", jobs).unwrap();
    let mut entries = counts.entries().unwrap();
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    let count = |word: &str, count: i64| (Key::from(word), Datum::Integer(count));
    assert_eq!(entries, [count("a", 60), count("b", 40), count("c", 20)]);
}

#[test]
fn a_dict_keeps_items_of_every_kind_in_the_order_of_their_keys() {
    let manager = manager();
    let dict = manager.dict().unwrap();
    let items = [
        Datum::None,
        Datum::Boolean(true),
        Datum::Integer(-1),
        Datum::Unsigned(u64::MAX),
        Datum::Float(0.5),
        Datum::Text("text".into()),
        Datum::Bytes(vec![0, 255]),
        Datum::Json("{}".into()),
    ];
    for (place, item) in items.iter().enumerate() {
        dict.set(place as i64, item.clone()).unwrap();
    }
    dict.set(2, items[2].clone()).unwrap();
    let keys: Vec<Key> = (0..8_i64).map(Key::from).collect();
    assert_eq!(dict.keys().unwrap(), keys);
    let entries = dict.entries().unwrap();
    assert!(entries.iter().map(|(_, item)| item).eq(&items));
    assert_eq!(dict.remove(3).unwrap(), Some(items[3].clone()));
    assert_eq!((dict.len().unwrap(), dict.get(3).unwrap()), (7, None));
    assert!(!dict.contains("3").unwrap());
    assert_eq!(dict.get_or_set(3, 1).unwrap(), Datum::Integer(1));
    assert_eq!(dict.add(3, 4).unwrap(), 5);
    assert!(matches!(dict.add(5, 4), Err(ManagerError::Misuse(_))));
    assert!(dict.replace(3, Some(Datum::Integer(5)), "new").unwrap());
    assert!(!dict.replace(3, None, "newer").unwrap());
    dict.clear().unwrap();
    assert!(dict.is_empty().unwrap());
}

#[test]
fn a_list_is_pushed_to_cut_and_read_by_places() {
    let manager = manager();
    let list = manager.list().unwrap();
    list.extend(0..5).unwrap();
    list.push(5).unwrap();
    list.insert(0, -1).unwrap();
    assert_eq!(list.remove(1).unwrap(), Datum::Integer(0));
    list.set(1, 10).unwrap();
    assert_eq!(numbers(&list), [-1, 10, 2, 3, 4, 5]);
    assert_eq!(list.slice(4, 9).unwrap().len(), 2);
    assert_eq!(list.pop().unwrap(), Some(Datum::Integer(5)));
    let outside = ManagerError::Outside { index: 5, len: 5 };
    assert_eq!(list.get(5), Err(outside));
}

#[test]
fn an_inner_list_outlives_the_clearing_of_its_dict_while_somebody_has_it() {
    let manager = manager();
    let pool = pool(&manager, 2);
    let (dict, taken) = (manager.dict().unwrap(), pool.shared().event().unwrap());
    let () = pool.apply("nest", (&dict, "a", vec![1_i64, 2])).unwrap();
    let Some(Datum::List(ours)) = dict.get("a").unwrap() else {
        panic!("no list");
    };
    let sums: Vec<(String, i64)> = pool.apply("sums", (&dict,)).unwrap();
    assert_eq!(sums, [("a".to_owned(), 3)]);
    let sum: Handle<i64> = pool.submit("outlive", (&dict, "a", &taken)).unwrap();
    assert!(taken.wait_within(LONG));
    ours.push(3).unwrap();
    dict.clear().unwrap();
    assert_eq!(sum.wait(), Ok(6));
    assert_eq!(numbers(&ours), [1, 2, 3]);
}

#[test]
fn a_namespace_holds_what_jobs_name() {
    let manager = manager();
    let pool = pool(&manager, 1);
    let namespace = manager.namespace().unwrap();
    namespace.set("b", "of the program").unwrap();
    let other: Option<String> = pool.apply("introduce", (&namespace, "a", "b")).unwrap();
    assert_eq!(other.as_deref(), Some("of the program"));
    assert_eq!(namespace.names().unwrap(), ["b", "a"]);
}

#[test]
fn functions_that_take_a_queue_a_number_or_a_lock_take_those_of_a_manager() {
    let manager = manager();
    let pool = pool(&manager, 2);
    let queue = manager.queue(4).unwrap();
    let put: Handle<()> = pool.submit("produce", (&queue, 1000)).unwrap();
    let sum: i64 = pool.apply("consume", (&queue, 1000)).unwrap();
    put.wait().unwrap();
    assert_eq!(sum, 999 * 1000 / 2);
    assert_eq!(queue.join(Some(LONG)), Ok(true));
    let (total, guard) = (manager.value(100).unwrap(), manager.lock().unwrap());
    let add: Handle<()> = pool.submit("add", (&total, &guard, 500)).unwrap();
    let subtract: Handle<()> = pool.submit("subtract", (&total, &guard, 500)).unwrap();
    add.wait().unwrap();
    subtract.wait().unwrap();
    assert_eq!(total.get(), Ok(100));
    assert_eq!(pool.apply::<i64>("fetch-add", (&total, 10)), Ok(109));
}

#[test]
fn who_waits_at_a_queue_of_a_manager_is_told_in_time() {
    let manager = manager();
    let queue = manager.queue(1).unwrap();
    let short = Some(Duration::from_millis(5));
    assert_eq!(queue.get(short), Ok(Err(Unavailable::Empty)));
    assert_eq!(queue.put(1, None), Ok(Ok(())));
    assert_eq!(queue.put(2, short), Ok(Err(Unavailable::Full)));
    assert_eq!(queue.get(None), Ok(Ok(Datum::Integer(1))));
    let waiting = std::thread::spawn({
        let queue = queue.clone();
        move || queue.get(None)
    });
    queue.close().unwrap();
    assert_eq!(waiting.join().unwrap(), Ok(Err(Unavailable::Closed)));
}

#[test]
fn a_job_that_waits_at_a_manager_beyond_its_time_says_for_what() {
    let manager = manager();
    let limits = Limits {
        timeout: Some(Duration::from_millis(100)),
        ..Limits::default()
    };
    let pool = builder("shared").manager(&manager).limits(limits);
    let pool = pool.build().unwrap();
    let queue = manager.queue(1).unwrap();
    let cause = fault(pool.apply::<i64>("consume", (&queue, 1))).cause;
    let Cause::Waiting { object, .. } = &cause else {
        panic!("{cause:?}");
    };
    assert_eq!(object, "queue of the manager");
}

#[test]
fn a_lock_of_a_manager_is_free_and_says_so_when_its_holder_dies_or_forgets_it() {
    let manager = manager();
    let pool = pool(&manager, 1);
    let event = || pool.shared().event().unwrap();
    let (held, released) = (event(), event());
    let guard = manager.lock().unwrap();
    let job: Handle<bool> = pool.submit("hold", (&guard, &held, &released)).unwrap();
    assert!(held.wait_within(LONG));
    assert!(
        guard
            .lock(Some(Duration::from_millis(5)))
            .unwrap()
            .is_none()
    );
    process::send(pool.stats().workers[0].pid, Signal::KILL);
    let ours = guard.lock(Some(LONG)).unwrap().unwrap();
    assert_eq!(ours.acquired(), Acquired::Abandoned);
    drop(ours);
    assert!(matches!(fault(job.wait()).cause, Cause::WorkerLost(_)));
    let () = pool.apply("hold-and-return", (&guard,)).unwrap();
    let ours = guard.lock(Some(LONG)).unwrap().unwrap();
    assert_eq!(ours.acquired(), Acquired::Abandoned);
    drop(ours);
    let trap = fault(pool.apply::<()>("release-unheld", (&guard,))).cause;
    assert!(trap.to_string().contains("does not hold"), "{trap}");
}

#[test]
fn a_killed_manager_fails_every_job_that_waits_for_it_within_a_second() {
    within(LONG, || {
        let manager = manager();
        let pool = pool(&manager, 2);
        let queue = manager.queue(1).unwrap();
        let dict = manager.dict().unwrap();
        let waits: Handle<i64> = pool.submit("consume", (&queue, 1)).unwrap();
        let works: Handle<i64> = pool.submit("set-get", (&dict, "a", u32::MAX)).unwrap();
        let ours = std::thread::spawn({
            let queue = queue.clone();
            move || queue.get(None)
        });
        until("the jobs are at work", LONG, || {
            dict.contains("a").unwrap() && pool.stats().workers.iter().all(|worker| worker.busy)
        });
        process::send(manager.pid().unwrap(), Signal::KILL);
        let killed = Instant::now();
        for job in [waits, works] {
            let cause = fault(job.wait()).cause;
            assert!(matches!(cause, Cause::NoManager(_)), "{cause}");
        }
        let gone = ours.join().unwrap().unwrap_err();
        assert!(killed.elapsed() < SOON, "{:?}", killed.elapsed());
        let text = "the manager is gone: it was killed by signal 9 (SIGKILL)";
        assert_eq!(gone.to_string(), text);
        assert_eq!(dict.get("a").unwrap_err().to_string(), text);
    });
}

#[test]
fn what_is_full_is_a_fault_of_the_job_and_others_go_on() {
    let manager = limited(ManagerLimits {
        pool_bytes: 1 << 20,
        pool_objects: 100,
        item_bytes: 1 << 20,
        ..ManagerLimits::default()
    });
    let (flooding, other) = (pool(&manager, 1), pool(&manager, 1));
    let list = manager.list().unwrap();
    let cause = fault(flooding.apply::<()>("flood", (&list, 1000))).cause;
    let text = "the manager is full: for the jobs of one pool it may keep 1048576 bytes";
    assert_eq!(cause.to_string(), text);
    let cause = fault(flooding.apply::<u32>("hoard", ())).cause;
    // The bytes of a list that is full leave no room for an object either.
    assert!(matches!(cause, Cause::ManagerFull(_)), "{cause}");
    list.clear().unwrap();
    let cause = fault(flooding.apply::<u32>("hoard", ())).cause;
    let text = "the manager is full: for the jobs of one pool it may keep 100 objects";
    assert_eq!(cause.to_string(), text);
    let () = other.apply("collect", (&list, vec![1_i64])).unwrap();
    assert_eq!(numbers(&list), [1]);
    // What the failed job had is gone with it.
    let dict = manager.dict().unwrap();
    for name in ["a", "b"] {
        let () = flooding.apply("nest", (&dict, name, vec![1_i64])).unwrap();
    }
    let long = dict.set("a", "x".repeat(2 << 20)).unwrap_err();
    assert!(matches!(long, ManagerError::TooLong { .. }), "{long}");
}

#[test]
fn a_handle_of_an_earlier_job_stands_for_nothing() {
    let manager = manager();
    let pool = pool(&manager, 1);
    let dict = manager.dict().unwrap();
    let () = pool.apply("remember", (&dict,)).unwrap();
    let cause = fault(pool.apply::<u64>("recall", ())).cause;
    assert!(cause.to_string().contains("another job"), "{cause}");
}

#[test]
fn mistakes_with_objects_of_a_manager_are_faults_that_say_what_was_wrong() {
    let (manager, another) = (manager(), self::manager());
    let pool = pool(&manager, 1);
    let list = manager.list().unwrap();
    let cause = fault(pool.apply::<i64>("item", (&list, 7_u64))).cause;
    let text = "the guest trapped: the list: index 7 is outside: it has 0 items";
    assert_eq!(cause.to_string(), text);
    let foreign = another.list().unwrap();
    let cause = fault(pool.apply::<i64>("item", (&foreign, 0_u64))).cause;
    assert!(cause.to_string().contains("Builder::manager"), "{cause}");
    assert_eq!(list.push(foreign), Err(ManagerError::OtherManager));
    let alone = builder("shared").workers(1).build().unwrap();
    let cause = fault(alone.apply::<u32>("hoard", ())).cause;
    assert!(cause.to_string().contains("has no manager"), "{cause}");
}

#[test]
fn a_manager_is_locked_down_and_has_one_thread() {
    let manager = manager();
    let pid = manager.pid().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    for line in [
        "Seccomp:\t2",
        "Seccomp_filters:\t1",
        "NoNewPrivs:\t1",
        "CapEff:\t0000000000000000",
        "Threads:\t1",
    ] {
        assert!(
            status.lines().any(|found| found == line),
            "{line}: {status}"
        );
    }
    drop(manager);
    assert!(process::is_gone(pid));
}

#[test]
fn the_program_serves_until_it_is_interrupted() {
    let folder = cache().join(format!("served-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let mut served = Command::new(program())
        .args(["manager", "--listen"])
        .arg(&path)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stderr = BufReader::new(served.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("serves at"), "{line}");
    for rights in [&path, &folder.join("socket.key")] {
        let mode = std::fs::metadata(rights).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{rights:?}");
    }
    let connected = Manager::connect(&path).unwrap();
    let dict = connected.dict().unwrap();
    process::send(served.id(), Signal::INT);
    assert_eq!(served.wait().unwrap().code(), Some(0));
    assert!(!path.exists());
    assert!(matches!(dict.len(), Err(ManagerError::Gone(_))));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_stopped_manager_does_not_keep_the_program_from_ending() {
    within(2 * LONG, || {
        let mut run = Command::new(program())
            .args(["starmap", "shared", "set-get"])
            .args([r#"(d,"x",1)"#, r#"(d,"x",4000000000)"#])
            .args(["--dict=d", "--value=v=7", "--timeout=3s", "--workers=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(run.stdout.take().unwrap());
        let mut printed = String::new();
        // From here on the worker serves, and asks the manager again and again.
        stdout.read_line(&mut printed).unwrap();
        let children = process::children(run.id());
        let manager = |pid: &u32| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.starts_with(b"host-manager"))
        };
        let manager = children.iter().copied().find(manager).unwrap();
        process::send(manager, Signal::STOP);
        stdout.read_to_string(&mut printed).unwrap();
        let shown = "\nd = \"the manager gives no answer\"\nv = 7\n";
        assert!(printed.ends_with(shown), "{printed}");
        assert_eq!(run.wait().unwrap().code(), Some(3));
        until("nobody is left", LONG, || {
            let ended = |&pid: &u32| process::is_gone(pid) || process::is_in_state(pid, "Z");
            children.iter().all(ended)
        });
    });
}

#[test]
fn programs_meet_at_a_socket_if_they_have_its_key() {
    let folder = cache().join(format!("manager-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let builder = || Manager::builder().program(program());
    let served = builder().serve(&path).unwrap();
    let taken = builder().serve(&path).unwrap_err();
    assert!(matches!(taken, StartManagerError::Taken(_)), "{taken}");
    let connected = Manager::connect(&path).unwrap();
    let dict = served.dict().unwrap();
    served.root().unwrap().set("counts", dict.clone()).unwrap();
    let pool = pool(&connected, 1);
    let found = connected.root().unwrap().get("counts").unwrap();
    let Some(Datum::Dict(found)) = found else {
        panic!("{found:?}");
    };
    let () = pool.apply("count-words", (&found, "a a")).unwrap();
    assert_eq!(dict.get("a"), Ok(Some(Datum::Integer(2))));
    let wrong = folder.join("wrong");
    std::fs::write(&wrong, [7; 32]).unwrap();
    let refused = builder().key_file(&wrong).connect(&path).unwrap_err();
    assert!(
        refused.to_string().contains("the key is another one"),
        "{refused}"
    );
    drop(served);
    assert!(!path.exists());
    assert!(matches!(found.len(), Err(ManagerError::Gone(_))));
    std::fs::remove_dir_all(folder).unwrap();
}
