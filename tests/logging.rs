//! What guests log, and what becomes of a pool, as `tracing` events in this process, and as lines of the program.

use crate::{builder, cache, fault, process, program, until, within};
use host::{Cause, Limits, Pool};
use rustix::process::Signal;
use std::fmt::Debug;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

const LONG: Duration = Duration::from_secs(20);

/// An event, its fields in the order of their names.
#[derive(Clone, Debug, PartialEq)]
struct Heard {
    target: String,
    level: Level,
    fields: Vec<(String, String)>,
}

impl Heard {
    fn field(&self, name: &str) -> &str {
        let field = self.fields.iter().find(|(field, _)| field == name);
        field.map_or("", |(_, value)| value)
    }
}

/// Keeps all events.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<Heard>>>);

impl Ear {
    fn heard(&self, target: &str) -> Vec<Heard> {
        let heard = self.0.lock().unwrap();
        let of_target = heard.iter().filter(|heard| heard.target == target);
        of_target.cloned().collect()
    }
}

struct Fields<'a>(&'a mut Vec<(String, String)>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name().to_owned(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

impl Subscriber for Ear {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Vec::new();
        event.record(&mut Fields(&mut fields));
        self.0.lock().unwrap().push(Heard {
            target: event.metadata().target().to_owned(),
            level: *event.metadata().level(),
            fields,
        });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A pool of one worker that is built where this ear listens.
fn pool(ear: &Ear, limits: Limits) -> Pool {
    tracing::subscriber::with_default(ear.clone(), || {
        let pool = builder("polite").workers(1).limits(limits);
        pool.build().unwrap()
    })
}

#[test]
fn each_line_that_a_guest_logs_is_an_event_that_says_who_wrote_it() {
    let ear = Ear::default();
    let pool = pool(&ear, Limits::default());
    let pid = pool.stats().workers[0].pid.to_string();
    let forged = "text\n worker=7 job=9";
    let jobs = [("a", "one"), ("", forged)];
    let _: Vec<()> = pool.starmap("log", jobs).unwrap();
    drop(pool);
    let heard = ear.heard("guest");
    let levels = [
        Level::TRACE,
        Level::DEBUG,
        Level::INFO,
        Level::WARN,
        Level::ERROR,
        Level::ERROR,
    ];
    assert_eq!(heard.len(), 12, "{heard:?}");
    for (place, heard) in heard.iter().enumerate() {
        assert_eq!(heard.level, levels[place % 6]);
        let job = place / 6;
        let names = ["worker", "pid", "job", "context", "message"];
        let fields = names.map(|name| heard.field(name));
        assert_eq!(
            fields,
            ["0", &pid, &job.to_string(), jobs[job].0, jobs[job].1]
        );
        assert_eq!(heard.fields.len(), 5);
    }
}

#[test]
fn lines_of_a_job_that_still_runs_are_heard_and_so_are_the_last_of_a_killed_worker() {
    within(LONG, || {
        let ear = Ear::default();
        let pool = pool(&ear, Limits::default());
        // It writes some lines, and then no more.
        let lines = pool.submit::<()>("log-many", (100, 50)).unwrap();
        let endless = pool.submit::<()>("stubborn", ()).unwrap();
        lines.wait().unwrap();
        until("all lines are heard", LONG, || {
            ear.heard("guest").len() == 100
        });
        until("it runs", LONG, || endless.progress().is_some());
        process::send(pool.stats().workers[0].pid, Signal::KILL);
        until("it is told", LONG, || {
            let heard = ear.heard("host");
            let lost = heard.iter().filter(|heard| heard.level == Level::WARN);
            lost.clone()
                .any(|heard| heard.field("how").contains("SIGKILL"))
        });
        drop(pool);
    });
}

#[test]
fn a_flood_is_heard_in_order_and_what_is_lost_of_it_is_counted() {
    within(LONG, || {
        let ear = Ear::default();
        let pool = pool(&ear, Limits::default());
        let count = 20_000;
        let () = pool.apply("log-many", (count, 200)).unwrap();
        let is_long = |heard: &&Heard| heard.field("message").len() > 200;
        until("each is heard or counted", LONG, || {
            // How many were lost is told with the next that comes through.
            let () = pool.apply("log-many", (1, 0)).unwrap();
            let heard = ear.heard("guest");
            let lost = heard
                .iter()
                .filter_map(|heard| heard.field("lines").parse::<usize>().ok());
            heard.iter().filter(is_long).count() + lost.sum::<usize>() >= count as usize
        });
        let heard = ear.heard("guest");
        let number = |heard: &Heard| {
            heard
                .field("message")
                .split(' ')
                .next()?
                .parse::<u32>()
                .ok()
        };
        let numbers: Vec<u32> = heard.iter().filter(is_long).filter_map(number).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        assert!(numbers.len() > 1000, "{}", numbers.len());
    });
}

#[test]
fn what_a_guest_may_write_bounds_what_it_may_log() {
    let ear = Ear::default();
    let limits = Limits {
        log_bytes: Some(1000),
        ..Limits::default()
    };
    let pool = pool(&ear, limits);
    let cause = fault(pool.apply::<()>("log-many", (1000, 80))).cause;
    assert_eq!(cause, Cause::Log(1000));
    drop(pool);
    let lines = ear.heard("guest").len();
    assert!((5..15).contains(&lines), "{lines}");
}

#[test]
fn long_lines_are_cut_and_a_pool_that_nobody_listens_to_logs_as_well() {
    let ear = Ear::default();
    let listened = pool(&ear, Limits::default());
    let () = listened.apply("log-many", (3, 1 << 20)).unwrap();
    drop(listened);
    let heard = ear.heard("guest");
    let lengths: Vec<usize> = heard
        .iter()
        .map(|heard| heard.field("message").len())
        .collect();
    assert_eq!(lengths, [16 << 10; 3]);
    let alone = builder("polite").build().unwrap();
    assert_eq!(alone.apply("log-many", (10_000, 100)), Ok(()));
}

#[test]
fn the_program_shows_what_guests_log_from_a_level_on_and_nothing_that_moves_a_cursor() {
    let call = "log(\"db\\u{1b}[2J\", \"a\\nerror: b\")";
    let run = |options: &[&str]| {
        let output = Command::new(program())
            .args(["call", "polite", call, "--quiet"])
            .args(options)
            .env("XDG_CACHE_HOME", cache())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let line = |level: &str| format!("worker 1, job 0: [{level} db\\u{{1b}}[2J] a\\nerror: b\n");
    let usual = ["info", "warn", "error", "error"].map(line).concat();
    assert_eq!(run(&[]), usual);
    assert_eq!(run(&["--log-level", "error"]), line("error").repeat(2));
    assert_eq!(run(&["--log-level", "off"]), "");
    let all = run(&["--log-level", "trace"]);
    assert!(all.contains(&line("trace")), "{all}");
    assert!(
        all.contains("worker 1: [debug] the worker is ready"),
        "{all}"
    );
}
