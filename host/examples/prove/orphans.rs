//! Orphans: whatever a program is doing when it dies, nothing of its pool is left.

use super::processes::{of_session, until};
use anyhow::{Context, Result, bail, ensure};
use host::{Builder, Pool};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Where it dies. At each point it says so, and does nothing more that matters.
const POINTS: [&str; 10] = [
    "before",
    "building",
    "idle",
    "apply",
    "map",
    "imap",
    "submitted",
    "callback",
    "resizing",
    "terminating",
];
/// How it dies.
const DEATHS: [&str; 3] = ["killed", "stopped and killed", "panicking"];

/// A job of so many milliseconds ends with its worker.
const FOREVER: u64 = 1 << 40;
/// How long anything of it may be left.
const LEFT: Duration = Duration::from_secs(1);

/// Lets a program die in each way at each point, and looks for what is left. `victim` gives the command of a program that
/// goes to [`die_at`] with what it was given.
///
/// # Errors
/// Something is left.
pub(crate) fn run(victim: impl Fn(&str) -> Result<Command>) -> Result<String> {
    let mut slowest = Duration::ZERO;
    for point in POINTS {
        for death in DEATHS {
            let victim = victim(&format!("{point}:{death}"))?;
            let left = one(victim, point, death)
                .with_context(|| format!("{death}, at the point `{point}`"))?;
            slowest = slowest.max(left);
        }
    }
    Ok(format!(
        "{} points × {} deaths: nothing left, after {} ms at most",
        POINTS.len(),
        DEATHS.len(),
        slowest.as_millis()
    ))
}

fn one(mut program: Command, point: &str, death: &str) -> Result<Duration> {
    // A session of its own marks all processes that come from it.
    let mut victim = program
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let session = victim.id();
    let said = victim.stdout.take().context("it has no output")?;
    let mut lines = BufReader::new(said).lines();
    let there = lines.any(|line| line.is_ok_and(|line| line == point));
    ensure!(there, "it never came there");
    match death {
        "killed" => victim.kill()?,
        "stopped and killed" => {
            super::processes::send(session, rustix::process::Signal::STOP)?;
            victim.kill()?;
        }
        _ => {}
    }
    victim.wait()?;
    until("processes are left", LEFT, || {
        Ok(of_session(session)?.is_empty())
    })
}

/// The life of a victim: sets up what its point wants, says so, and waits for its end or panics.
///
/// # Errors
/// It could not come so far.
pub(crate) fn die_at(point: &str, builder: fn() -> Builder) -> Result<()> {
    rustix::process::setsid()?;
    let (point, death) = point.split_once(':').context("no such point")?;
    let here = || -> ! {
        println!("{point}");
        if death == "panicking" {
            panic!("at the point `{point}`");
        }
        loop {
            std::thread::park();
        }
    };
    if point == "before" {
        here();
    }
    let build = move || builder().component("faults").workers(4).build();
    if point == "building" {
        std::thread::spawn(move || {
            loop {
                drop(build());
            }
        });
        here();
    }
    let pool = Arc::new(build()?);
    let elsewhere = |call: fn(&Pool)| {
        let pool = pool.clone();
        std::thread::spawn(move || call(&pool));
    };
    match point {
        "idle" => here(),
        "apply" => elsewhere(|pool| drop(pool.apply::<()>("sleep", (FOREVER,)))),
        "map" => elsewhere(|pool| drop(pool.map::<()>("sleep", [FOREVER; 8]))),
        "imap" => {
            let mut results = pool.imap::<u32, _>("maybe-trap", 0_u32..)?;
            results.next();
            here();
        }
        "submitted" => {
            let _handle = pool.map_async::<()>("sleep", [FOREVER; 8])?;
            here();
        }
        "callback" => {
            let (told, tell) = std::sync::mpsc::channel();
            pool.submit::<u32>("maybe-trap", (1_u32,))?
                .on_done(move |_| told.send(()).unwrap_or_default());
            tell.recv()?;
        }
        "resizing" => pool.resize(8),
        "terminating" => {
            let _handle = pool.map_async::<()>("sleep", [FOREVER; 8])?;
            elsewhere(Pool::terminate);
        }
        other => bail!("no point is called {other}"),
    }
    here()
}
