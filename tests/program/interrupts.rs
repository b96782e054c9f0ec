//! Ctrl-C in every state of a run: once where it can finish what it has, and twice always, within two seconds.

use super::{Folder, PATIENCE, Running, children, gone_within, host, line};
use crate::process;
use crate::until;
use rustix::process::{Pid, Signal};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
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
        found = children(parent).into_iter().find(|pid| {
            fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| name.trim() == "host-compiler")
        });
        found.is_some()
    });
    found.unwrap()
}

fn stop(pid: u32) {
    rustix::process::kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::STOP).unwrap();
}
