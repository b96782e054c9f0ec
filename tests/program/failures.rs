//! Programs, workers and guests that die, and machines that give too little.

use super::{Run, gone_within, host, line, lines};
use crate::program;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use serde_json::Value as Json;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn a_pool_that_can_start_no_worker_any_more_is_not_the_jobs_failure() {
    let mut running =
        line("map faults sleep 1 600000 600000 --workers 1 -v --chunk 1 --format json").start();
    let worker = running.workers(1)[0];
    let mut stdout = BufReader::new(running.child().stdout.take().unwrap());
    let mut printed = String::new();
    stdout.read_line(&mut printed).unwrap();
    let program = Pid::from_child(running.child());
    let none = Rlimit {
        current: Some(1),
        maximum: Some(1),
    };
    rustix::process::prlimit(Some(program), Resource::Nofile, none).unwrap();
    rustix::process::kill_process(Pid::from_raw(worker as i32).unwrap(), Signal::KILL).unwrap();
    stdout.read_to_string(&mut printed).unwrap();
    let told = running.told();
    assert_eq!(told.code, Some(1), "{printed}{}", told.stderr);
    let jobs: Vec<Json> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(jobs.len(), 3);
    assert_eq!(jobs[2]["fault"]["cause"], "no-worker", "{}", jobs[2]);
    told.says("\nsleep(600000) failed: no worker can be started: ");
}

#[test]
fn a_guest_that_exits_has_failed_its_job_whatever_the_code() {
    for code in ["0", "1"] {
        line(&format!("call faults exit({code})"))
            .run()
            .is(3, "")
            .says(&format!("the guest called `exit` with code {code}"));
    }
}

#[test]
fn a_killed_program_leaves_no_worker() {
    for call in ["spin()", "sleep(600000)"] {
        let mut running = host(&["call", "faults", call]).start();
        let workers = running.workers(1);
        running.signal(Signal::KILL);
        running.ends();
        gone_within(Duration::from_secs(1), &workers);
    }
    // Workers that are just being started, too.
    let mut running = line("map faults sleep 600000 --workers 20").start();
    let workers = running.workers(20);
    running.signal(Signal::KILL);
    running.ends();
    gone_within(Duration::from_secs(1), &workers);
}

#[test]
fn a_killed_worker_costs_no_result() {
    let mut running = line("map faults sleep 300 300 300 300 --workers 2 -q --format json").start();
    let victim = running.workers(2)[0];
    rustix::process::kill_process(Pid::from_raw(victim as i32).unwrap(), Signal::KILL).unwrap();
    let told = running.told();
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.stderr);
    assert_eq!(told.json().len(), 4);
}

#[test]
fn too_few_descriptors_are_an_error_or_a_smaller_pool_but_no_hang() {
    // The limit is inherited, so a shell sets it.
    let with = |descriptors: u32| {
        let run = line("");
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -n \"$0\"; exec \"$@\""])
            .arg(descriptors.to_string())
            .arg(program())
            .args(["map", "arith", "square", "1..=50", "--workers", "30", "-q"])
            .envs(
                run.0
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Run(command).run()
    };
    with(64).is(0, &lines((1..=50).map(|n| n * n)));
    with(12)
        .is(1, "")
        .says("error: ")
        .says("Too many open files");
    for descriptors in 4..40 {
        let told = with(descriptors);
        assert!(
            matches!(told.code, Some(0 | 1)),
            "{descriptors}: {:?} {}",
            told.code,
            told.stderr
        );
        assert_eq!(
            told.code == Some(0),
            told.stderr.is_empty(),
            "{descriptors}: {}",
            told.stderr
        );
    }
}
