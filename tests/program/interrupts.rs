//! Ctrl-C in every state of a run: once where it can finish what it has, and twice always, within two seconds; and the run's
//! deadline, which is no other thing.

use super::{Folder, PATIENCE, Running, children, gone_within, host, line, lines};
use crate::process::{self, name};
use crate::until;
use rustix::process::{Pid, Signal};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, Stdio};
use std::time::{Duration, Instant};

/// How long a run may go on after the last Ctrl-C that it takes.
const END: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The compile helper is at work, for as long as it takes.
    Compiling,
    /// Everything is done that came so far.
    WaitingForInput,
    /// The jobs that run end soon.
    Running,
    /// A guest computes without end.
    Stuck,
    /// A worker can do nothing, not even end.
    Stopped,
    /// Nobody reads stdout.
    Printing,
    /// Nobody reads stdout and stderr, which are one pipe.
    Telling,
}

const STATES: [State; 7] = [
    State::Compiling,
    State::WaitingForInput,
    State::Running,
    State::Stuck,
    State::Stopped,
    State::Printing,
    State::Telling,
];

/// A run in some state, and what has to live as long.
struct Brought {
    running: Running,
    /// Its children, none of which may be left.
    children: Vec<u32>,
    _folder: Option<Folder>,
    _stdin: Option<ChildStdin>,
    _unread: Option<File>,
}

#[test]
fn ctrl_c_ends_a_run_in_every_state_once_where_it_can_and_twice_always() {
    for state in STATES {
        for presses in [1, 2] {
            let mut brought = bring_into(state);
            let (running, children) = (&mut brought.running, &brought.children);
            let ends_at_once = matches!(
                state,
                State::Compiling | State::WaitingForInput | State::Running
            );
            press(running);
            if presses == 2 && running.child().try_wait().unwrap().is_none() {
                press(running);
            }
            if presses == 1 && !ends_at_once {
                // It has promised to finish what runs, and that does not end.
                assert!(running.child().try_wait().unwrap().is_none(), "{state:?}");
                continue;
            }
            let asked = Instant::now();
            assert_eq!(running.ends().code(), Some(130), "{state:?}, {presses}");
            assert!(
                asked.elapsed() < END,
                "{state:?}, {presses}: {:?}",
                asked.elapsed()
            );
            gone_within(END, children);
        }
    }
}

/// Sends a Ctrl-C, and waits until it was taken, as two at a time could be one, or ended the run.
fn press(running: &mut Running) {
    let pid = running.child().id();
    running.signal(Signal::INT);
    until("the signal is taken", PATIENCE, || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let pending = status
            .lines()
            .find_map(|line| line.strip_prefix("ShdPnd:\t"));
        let pending = pending.map_or(0, |set| u64::from_str_radix(set, 16).unwrap());
        let ended = running.child().try_wait().unwrap().is_some();
        ended || pending & 1 << (Signal::INT.as_raw() - 1) == 0
    });
}

fn bring_into(state: State) -> Brought {
    let folder = (state == State::Compiling).then(Folder::new);
    let mut run = match state {
        State::Compiling => line("map faults sleep 1"),
        State::WaitingForInput => line("map arith square --input - --workers 2"),
        State::Running => host(
            &[
                &["map", "faults", "sleep", "--workers", "2", "1"],
                &["250"; 60][..],
            ]
            .concat(),
        ),
        State::Stuck => host(&["call", "faults", "spin()"]),
        State::Stopped => line("map faults sleep 1 600000 600000 --workers 2"),
        State::Printing | State::Telling => line("map arith square 0..100000000 --workers 2 -v"),
    };
    if let Some(folder) = &folder {
        run = run.env("XDG_CACHE_HOME", folder.path());
    }
    let mut unread = None;
    match state {
        State::WaitingForInput => drop(run.0.stdin(Stdio::piped())),
        State::Printing | State::Telling => {
            let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
            let other = match state {
                State::Telling => Stdio::from(write.try_clone().unwrap()),
                _ => Stdio::null(),
            };
            run.0.stdout(write).stderr(other);
            unread = Some(File::from(read));
        }
        _ => {}
    }
    let mut running = run.start();
    let stdin = running.child().stdin.take();
    let parent = running.child().id();
    match state {
        State::Compiling => stop(helper(parent)),
        State::WaitingForInput => drop(running.workers(2)),
        State::Running | State::Stopped => {
            let stdout = running.child().stdout.as_mut().unwrap();
            BufReader::new(stdout)
                .read_line(&mut String::new())
                .unwrap();
        }
        State::Stuck => {
            let worker = running.workers(1)[0];
            until("the guest computes", PATIENCE, || {
                process::processor_ms(worker) >= 60
            });
        }
        State::Printing | State::Telling => {
            let unread = unread.as_ref().unwrap();
            let mut before = 0;
            let mut since = Instant::now();
            // Full, or nearly, and nothing more comes.
            until("the pipe is full", PATIENCE, || {
                let there = rustix::io::ioctl_fionread(unread).unwrap();
                if there != before {
                    (before, since) = (there, Instant::now());
                }
                there > 60_000 && since.elapsed() > Duration::from_millis(100)
            });
        }
    }
    if state == State::Stopped {
        stop(running.workers(2)[0]);
    }
    Brought {
        children: children(parent),
        running,
        _folder: folder,
        _stdin: stdin,
        _unread: unread,
    }
}

/// The compile helper of this process. It takes its name after it has asked to be killed with its parent.
fn helper(parent: u32) -> u32 {
    let mut found = None;
    until("it compiles", PATIENCE, || {
        let mut children = children(parent).into_iter();
        found = children.find(|&pid| name(pid) == "host-compiler");
        found.is_some()
    });
    found.unwrap()
}

fn stop(pid: u32) {
    rustix::process::kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::STOP).unwrap();
}

#[test]
fn ctrl_c_ends_a_run_that_waits_for_input() {
    let mut run = line("map arith square --input -");
    run.0.stdin(Stdio::piped());
    let mut running = run.start();
    let mut stdin = running.child().stdin.take().unwrap();
    let mut stdout = BufReader::new(running.child().stdout.take().unwrap());
    stdin.write_all(lines(0..1000).as_bytes()).unwrap();
    let mut printed = String::new();
    stdout.read_line(&mut printed).unwrap();
    let workers = children(running.child().id());
    running.signal(Signal::INT);
    assert_eq!(running.ends().code(), Some(130));
    stdout.read_to_string(&mut printed).unwrap();
    let count = printed.lines().count();
    assert_eq!(
        printed,
        lines((0..count).map(|n| n * n)),
        "all that was done, and nothing torn"
    );
    gone_within(PATIENCE, &workers);
    let mut stderr = String::new();
    let mut pipe = running.child().stderr.take().unwrap();
    pipe.read_to_string(&mut stderr).unwrap();
    assert!(stderr.contains("interrupted: "), "{stderr}");
    assert!(
        // On a busy machine it may be no more than 1 job.
        stderr.contains(&format!("\n{count} job")),
        "{stderr}"
    );
    drop(stdin);
}

#[test]
fn ctrl_c_lets_the_running_jobs_finish() {
    let naps = ["250"; 60];
    let mut running = host(
        &[
            &[
                "map",
                "faults",
                "sleep",
                "--workers",
                "2",
                "--format",
                "json",
                "1",
            ],
            &naps[..],
        ]
        .concat(),
    )
    .start();
    let mut stdout = BufReader::new(running.child().stdout.take().unwrap());
    let mut printed = String::new();
    stdout.read_line(&mut printed).unwrap();
    running.signal(Signal::INT);
    let asked = Instant::now();
    stdout.read_to_string(&mut printed).unwrap();
    assert_eq!(running.ends().code(), Some(130));
    let count = printed.lines().count();
    assert_eq!(
        printed,
        lines((0..count).map(|job| format!("{{\"job\":{job},\"value\":null}}")))
    );
    assert!(
        (2..60).contains(&count),
        "one at least was running: {printed}"
    );
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "not all 7 s of the rest: {:?}",
        asked.elapsed()
    );
}

#[test]
fn a_second_ctrl_c_kills_what_runs() {
    let mut running = line("map faults sleep 1 600000 600000 --workers 2").start();
    let mut stderr = BufReader::new(running.child().stderr.take().unwrap());
    let workers = running.workers(2);
    // Before its first result it may still be about to start, and have nothing to wait for.
    let mut stdout = BufReader::new(running.child().stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    let mut caught = String::new();
    running.signal(Signal::INT);
    stderr.read_line(&mut caught).unwrap();
    assert!(caught.starts_with("interrupted: "), "{caught}");
    assert!(
        running.child().try_wait().unwrap().is_none(),
        "it waits for the job that runs"
    );
    let asked = Instant::now();
    running.signal(Signal::INT);
    assert_eq!(running.ends().code(), Some(130));
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "{:?}",
        asked.elapsed()
    );
    gone_within(Duration::from_secs(1), &workers);
}

#[test]
fn ctrl_c_lets_processes_finish_and_a_second_one_kills_them() {
    let start = |nap: &str| {
        let naps = ["sleep(1)".to_owned(), format!("sleep({nap})")];
        let mut running = host(&["process", "faults", &naps[0], &naps[1]]).start();
        let mut stdout = BufReader::new(running.child().stdout.take().unwrap());
        let mut printed = String::new();
        stdout.read_line(&mut printed).unwrap();
        running.signal(Signal::INT);
        (running, stdout, printed)
    };
    let (mut running, mut stdout, mut printed) = start("300");
    stdout.read_to_string(&mut printed).unwrap();
    assert_eq!(printed, "()\n()\n");
    assert_eq!(running.ends().code(), Some(130));

    let (mut running, ..) = start("600000");
    let processes = children(running.child().id());
    let mut stderr = BufReader::new(running.child().stderr.take().unwrap());
    let mut caught = String::new();
    stderr.read_line(&mut caught).unwrap();
    assert!(caught.starts_with("interrupted: "), "{caught}");
    running.signal(Signal::INT);
    assert_eq!(running.ends().code(), Some(130));
    gone_within(Duration::from_secs(1), &processes);
}

#[test]
fn ctrl_c_ends_the_tour() {
    let mut running = line("tour").start();
    let mut stdout = BufReader::new(running.child().stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    running.signal(Signal::INT);
    assert_eq!(running.ends().code(), Some(130));
}

#[test]
fn the_deadline_of_the_run_ends_it() {
    let told = line("map faults sleep 1 600000 --deadline 500ms --workers 2 --format json").run();
    told.is(124, "{\"job\":0,\"value\":null}\n")
        .says("the run's deadline passed after 0.5 s");
    // Also where the input does not come.
    let mut run = line("map arith square --input - --deadline 300ms");
    run.0.stdin(Stdio::piped());
    let mut running = run.start();
    let _stdin = running.child().stdin.take();
    assert_eq!(running.ends().code(), Some(124));
}

#[test]
fn ctrl_c_and_the_deadline_end_a_run_that_still_compiles() {
    let folder = Folder::new();
    let start = |more: &str| {
        let mut running = line(&format!("map faults sleep 1 {more}"))
            .env("XDG_CACHE_HOME", folder.path())
            .start();
        let parent = running.child().id();
        let begun = Instant::now();
        let compiler = loop {
            // This name it gives itself, after it has asked to be killed with its parent.
            let named = |&pid: &u32| name(pid) == "host-compiler";
            let mut compilers = children(parent).into_iter().filter(named);
            if let Some(compiler) = compilers.next() {
                break compiler;
            }
            assert!(begun.elapsed() < PATIENCE);
            std::thread::park_timeout(Duration::from_millis(1));
        };
        // It must not be done before it is told to stop.
        rustix::process::kill_process(Pid::from_raw(compiler as i32).unwrap(), Signal::STOP)
            .unwrap();
        (running, compiler)
    };
    let (mut running, compiler) = start("");
    running.signal(Signal::INT);
    assert_eq!(running.ends().code(), Some(130));
    gone_within(PATIENCE, &[compiler]);
    let (running, compiler) = start("--deadline 1s");
    running.told().is(124, "").says("the run's deadline passed");
    gone_within(PATIENCE, &[compiler]);
}
