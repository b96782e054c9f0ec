//! What a run prints of its jobs: results, faults, limits, and which worker did what.

use super::{Folder, host, line, lines, work};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Instant;

#[test]
fn map_prints_the_results_in_the_order_of_the_items() {
    let told = line("map arith square 1..=12 --workers 4").run();
    told.is(0, &lines((1..=12).map(|n| n * n)))
        .says(" on 4 workers\n");
}

#[test]
fn map_tells_which_worker_did_which_job() {
    let told = line("map arith square 0..12 --workers 4 -v")
        .run()
        .is(0, &lines((0..12).map(|n| n * n)));
    let work = work(&told.stderr);
    let calls: BTreeSet<String> = work.iter().map(|(_, _, call)| call.clone()).collect();
    assert_eq!(
        calls,
        (0..12)
            .map(|n| format!("square({n}) = {}", n * n))
            .collect()
    );
    let pids: BTreeMap<u32, u32> = work.iter().map(|&(worker, pid, _)| (pid, worker)).collect();
    let seats: BTreeSet<u32> = pids.values().copied().collect();
    assert_eq!(
        seats.len(),
        pids.len(),
        "each worker keeps its process: {work:?}"
    );
    assert!(seats.iter().all(|seat| (1..=4).contains(seat)));
}

#[test]
fn all_workers_get_jobs_and_get_them_again() {
    // 5 ms are long enough that one worker alone is not given all jobs.
    let told = line("map faults sleep 5 5 5 5 5 5 5 5 5 5 5 5 --workers 4 -v -q").run();
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let mut jobs = BTreeMap::new();
    for (_, pid, _) in work(&told.stderr) {
        *jobs.entry(pid).or_insert(0) += 1;
    }
    assert_eq!(jobs.values().sum::<i32>(), 12);
    // A worker that starts late on a busy machine may miss some, but not all of them.
    assert!(
        jobs.len() > 1 && jobs.values().any(|&count| count > 1),
        "{jobs:?}"
    );
}

#[test]
fn the_examples_of_the_front_page_give_what_they_promise() {
    let roots = "1\n1.41\n1.73\n2\n2.24\n2.45\n2.65\n2.83\n3\n3.16\n";
    line("map arith square-root 1..=10").run().is(0, roots);
    line("starmap arith product (1,2,3) (3,4,5)")
        .run()
        .is(0, "6\n60\n");
    let record = r#"{name: "x", tags: ["a"], at: some(3)}"#;
    host(&["call", "types", &format!("echo-record({record})")])
        .run()
        .is(0, &format!("{record}\n"))
        .says_only("");
}

#[test]
fn a_result_in_text_and_in_json() {
    host(&["call", "arith", "product(2, 3, -7)", "--format", "json"])
        .run()
        .is(0, "{\"job\":0,\"value\":-42}\n");
    host(&["call", "faults", "log(\"x\")", "--format", "json"])
        .run()
        .is(0, "{\"job\":0,\"value\":null}\n");
    host(&["call", "faults", "read-file(\"/none\")"])
        .run()
        .is(0, "err(\"No such file or directory (os error 44)\")\n");
}

#[test]
fn a_good_result_stands_beside_the_bad_ones() {
    let told = line("map faults maybe-trap 0..100 --format json --workers 4").run();
    assert_eq!(told.code, Some(3));
    let rows = told.json();
    assert_eq!(rows.len(), 100);
    for (n, row) in rows.iter().enumerate() {
        assert_eq!(row["job"], n);
        if n % 10 != 7 {
            assert_eq!(row["value"], n);
            continue;
        }
        let fault = &row["fault"];
        assert_eq!(
            (&fault["cause"], &fault["attempt"]),
            (&"trap".into(), &1.into())
        );
        let stderr = fault["stderr"].as_str().unwrap();
        assert!(
            stderr.contains(&format!("maybe-trap({n}): the number ends in 7")),
            "{stderr}"
        );
        assert!(fault["pid"].as_u64().is_some_and(|pid| pid > 1));
        assert!(
            fault["backtrace"].to_string().contains("maybe-trap"),
            "{fault}"
        );
    }
    told.says("90 done, 10 failed in ");
}

#[test]
fn a_failed_job_in_text_has_no_line_on_stdout_and_an_error_on_stderr() {
    let told = line("map faults maybe-trap 6 7 8 -q").run().is(3, "6\n8\n");
    let pid = told
        .stderr
        .split("pid ")
        .nth(1)
        .unwrap()
        .split(')')
        .next()
        .unwrap();
    assert!(told.stderr.starts_with(&format!(
        "error: job 1 (attempt 1, pid {pid}): the guest trapped: "
    )));
    told.says("its last words: maybe-trap(7): the number ends in 7\n  at ")
        .says("#maybe-trap\n");
}

#[test]
fn limits_end_a_job_and_name_themselves() {
    let begun = Instant::now();
    line("call faults spin() --timeout 200ms")
        .run()
        .is(3, "")
        .says("still running after 200 ms")
        .says("--timeout");
    let took = begun.elapsed();
    assert!((200..2000).contains(&took.as_millis()), "{took:?}");
    line("call faults sleep(60000) --timeout 100ms")
        .run()
        .is(3, "")
        .says("still running after 100 ms");
    line("call faults spin() --fuel 1000000")
        .run()
        .is(3, "")
        .says("out of fuel: it may use 1000000 units");
    line("call faults eat-memory() --memory 64MiB")
        .run()
        .is(3, "")
        .says("out of memory: it may use 64 MiB");
    for (call, limit, cause) in [
        ("spin()", "--timeout=50ms", "timeout"),
        ("spin()", "--fuel=1000", "fuel"),
        ("eat-memory()", "--memory=8MiB", "memory"),
        ("now()", "--host-calls=0", "host-calls"),
        ("flood-stdout(2000)", "--log-size=1KiB", "log"),
        ("unreachable()", "--memory=8MiB", "trap"),
        ("exit(1)", "--memory=8MiB", "exit"),
    ] {
        let told = host(&["call", "faults", call, limit, "--format", "json"]).run();
        assert_eq!(
            (told.code, &told.json()[0]["fault"]["cause"]),
            (Some(3), &cause.into()),
            "{call} {limit}"
        );
    }
}

#[test]
fn a_job_that_had_to_be_stopped_does_not_stop_the_others() {
    let told =
        line("map faults sleep 1 60000 2 60000 3 --timeout 100ms --workers 2 --format json").run();
    assert_eq!(told.code, Some(3));
    let causes: Vec<String> = told
        .json()
        .iter()
        .map(|row| row["fault"]["cause"].to_string())
        .collect();
    assert_eq!(
        causes,
        ["null", "\"timeout\"", "null", "\"timeout\"", "null"]
    );
}

#[test]
fn items_may_be_ranges_and_negative_and_mixed() {
    line("map arith square 3 -3 -2..=2 7..7 5..7 -q")
        .run()
        .is(0, "9\n9\n4\n1\n0\n1\n4\n25\n36\n")
        .says_only("");
    line("map arith square 4..1").run().is(0, "");
    line("map arith square-root 0.25 4 16..18")
        .run()
        .is(0, "0.5\n2\n4\n4.12\n");
    line("starmap arith product (-1,2,3) ( 1,1,1 )")
        .run()
        .is(2, "");
    line("map arith evens [1,2,-4] []")
        .run()
        .is(0, "[2, -4]\n[]\n");
}

#[test]
fn whatever_the_chunks_and_the_workers_the_results_are_the_same() {
    let squares = lines((0..500).map(|n| n * n));
    for options in [
        "--chunk 1",
        "--chunk 7 --workers 3",
        "--chunk 1000",
        "--chunk auto",
        "--workers 50%",
    ] {
        line(&format!("map arith square 0..500 -q {options}"))
            .run()
            .is(0, &squares)
            .says_only("");
    }
}

#[test]
fn unordered_results_are_the_same_results() {
    let told =
        line("map arith square 0..500 --unordered --workers 4 --chunk 3 --format json").run();
    assert_eq!(told.code, Some(0));
    let mut seen: Vec<(u64, u64)> = told
        .json()
        .iter()
        .map(|row| (row["job"].as_u64().unwrap(), row["value"].as_u64().unwrap()))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..500).map(|n| (n, n * n)).collect::<Vec<_>>());
    line("map faults sleep 300 1 --unordered --workers 2 -v")
        .run()
        .says("sleep(1)");
}

#[test]
fn a_worker_is_replaced_after_so_many_jobs() {
    let told = line("map arith square 0..9 --workers 1 --max-jobs-per-worker 2 -v").run();
    let told = told.is(0, &lines((0..9).map(|n| n * n)));
    let mut jobs = BTreeMap::new();
    for (_, pid, _) in work(&told.stderr) {
        *jobs.entry(pid).or_insert(0) += 1;
    }
    let mut counts: Vec<i32> = jobs.into_values().collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 2, 2, 2]);
}

#[test]
fn a_run_stops_after_as_many_failed_jobs_as_may_fail() {
    let told = line("map faults maybe-trap 0..1000 --max-fail 2 -q").run();
    let good: Vec<u32> = (0..17).filter(|n| n % 10 != 7).collect();
    told.is(3, &lines(good)).says("stopped after 2 failed jobs");
    line("map faults maybe-trap 0..6 --max-fail 1 -q")
        .run()
        .is(0, &lines(0..6))
        .says_only("");
}

#[test]
fn an_instance_for_each_job_remembers_nothing() {
    let calls = [
        "starmap",
        "faults",
        "counter",
        "()",
        "()",
        "()",
        "--workers",
        "1",
        "-q",
    ];
    host(&calls).run().is(0, "1\n2\n3\n");
    host(&[&calls[..], &["--instance", "job"]].concat())
        .run()
        .is(0, "1\n1\n1\n");
}

#[test]
fn a_guest_has_the_folders_and_variables_that_it_is_given_and_no_others() {
    let folder = Folder::new();
    folder.file("in", "hello\n");
    let given = format!("{}::/data", folder.path());
    let read = |dir: &str| host(&["call", "faults", "read-file(\"/data/in\")", "--dir", dir]).run();
    let write = |dir: &str| {
        host(&[
            "call",
            "faults",
            "write-file(\"/data/out\", \"x\")",
            "--dir",
            dir,
        ])
        .run()
    };
    read(&given).is(0, "ok(\"hello\\n\")\n");
    read(&format!("{given}:ro")).is(0, "ok(\"hello\\n\")\n");
    assert!(write(&format!("{given}:ro")).stdout.starts_with("err("));
    assert!(!folder.0.join("out").exists());
    write(&given).is(0, "ok\n");
    assert_eq!(fs::read(folder.0.join("out")).unwrap(), b"x");
    read("/no/such/folder::/data")
        .is(2, "")
        .says("there is no directory");

    let environment = ["call", "faults", "environment()"];
    host(&environment).env("SECRET", "x").run().is(0, "[]\n");
    host(&[&environment[..], &["--env", "A=b=c", "--env", "B="]].concat())
        .run()
        .is(0, "[(\"A\", \"b=c\"), (\"B\", \"\")]\n");
}

#[test]
fn quiet_is_quiet_and_verbose_is_not() {
    line("map arith square 1..=3 --quiet")
        .run()
        .is(0, "1\n4\n9\n")
        .says_only("");
    let told = line("map arith square 1..=3").run();
    assert!(
        told.stderr.starts_with("3 jobs done in ") && told.stderr.lines().count() == 1,
        "{}",
        told.stderr
    );
    let told = line("map arith square 1..=3 -v -q")
        .run()
        .is(0, "1\n4\n9\n");
    assert_eq!(work(&told.stderr).len(), 3);
    assert_eq!(told.stderr.lines().count(), 3, "{}", told.stderr);
    line("map faults maybe-trap 7 -v -q")
        .run()
        .is(3, "")
        .says("maybe-trap(7) failed: the guest trapped");
}
