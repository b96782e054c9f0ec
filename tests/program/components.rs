//! Components on their way to a run: cache, compiling, inspecting, and what `host bench` and the help tell.

use super::{Folder, host, line};
use serde_json::Value as Json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[test]
fn an_empty_cache_is_filled_by_two_programs_at_once() {
    let folder = Folder::new();
    let start = || {
        host(&["map", "arith", "square", "1..=3", "-q"])
            .env("XDG_CACHE_HOME", folder.path())
            .start()
    };
    for running in [start(), start()] {
        running.told().is(0, "1\n4\n9\n").says_only("");
    }
    let cache = folder.0.join("host");
    assert_eq!(
        fs::metadata(&cache).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let before: Vec<_> = fs::read_dir(&cache)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    let told = host(&["compile", "arith"])
        .env("XDG_CACHE_HOME", folder.path())
        .run();
    assert_eq!(told.code, Some(0));
    let file = Path::new(told.stdout.trim_end());
    assert!(
        file.starts_with(&cache) && file.is_file(),
        "{}",
        file.display()
    );
    let after: Vec<_> = fs::read_dir(&cache)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        before, after,
        "it was there already, and no scraps beside it"
    );
}

#[test]
fn compiling_is_for_runs_with_the_same_options() {
    let folder = Folder::new();
    let with = |args: &str| line(args).env("XDG_CACHE_HOME", folder.path()).run();
    let plain = with("compile arith");
    let fuelled = with("compile arith --fuel");
    let fresh = with("compile arith --instance job");
    assert_eq!(
        (plain.code, fuelled.code, fresh.code),
        (Some(0), Some(0), Some(0))
    );
    assert_ne!(plain.stdout, fuelled.stdout);
    assert_ne!(plain.stdout, fresh.stdout);
    let files = || fs::read_dir(folder.0.join("host")).unwrap().count();
    assert_eq!(files(), 3);
    with("call arith square(3) --instance job").is(0, "9\n");
    with("call arith square(3) --fuel 1000000").is(0, "9\n");
    with("call arith square(3)").is(0, "9\n");
    assert_eq!(files(), 3, "nothing was compiled again");
}

#[test]
fn without_a_cache_the_component_is_compiled_each_time() {
    host(&["call", "arith", "square(3)"])
        .env("XDG_CACHE_HOME", "/proc/none")
        .run()
        .is(0, "9\n");
    host(&["compile", "arith"])
        .env("XDG_CACHE_HOME", "/proc/none")
        .run()
        .is(1, "")
        .says("hint: ");
    let mut run = host(&["call", "arith", "square(3)"]);
    run.0.env_clear();
    run.run().is(0, "9\n").says_only("");
}

#[test]
fn bench_has_a_line_for_each_way_to_do_the_same_jobs() {
    let told = line("bench arith cubes 100 200 --jobs 50 --workers 2 --format json").run();
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let lines = told.json();
    let ways: Vec<_> = lines
        .iter()
        .map(|line| {
            (
                line["mode"].as_str().unwrap(),
                line["workers"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(ways, [("one by one", 1), ("map", 1), ("map", 2)]);
    for line in &lines {
        assert_eq!(line["jobs"], 50);
        for figure in ["seconds", "jobs_per_second", "speed_up"] {
            assert!(line[figure].as_f64().unwrap() > 0.0, "{line}");
        }
    }
    assert_eq!(lines[0]["speed_up"], 1.0);
}

#[test]
fn bench_is_a_table_for_people() {
    let told = line("bench arith product (1,2,3) --jobs 20 --workers 3").run();
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert_eq!(&lines[..2], ["product, 20 jobs", ""]);
    let heads = [
        "",
        "one by one",
        "map, 1 worker",
        "map, 2 workers",
        "map, 3 workers",
    ];
    for (line, head) in lines[2..].iter().zip(heads) {
        assert!(line.starts_with(&format!("{head:16}")), "{line}");
        assert_eq!(line.len(), lines[2].len(), "columns stand below each other");
    }
    assert_eq!(lines.len(), 2 + heads.len());
}

#[test]
fn bench_ends_with_the_first_failed_job_or_before_the_first() {
    line("bench faults maybe-trap 1 2 7 --jobs 9")
        .run()
        .is(3, "")
        .says("unreachable");
    line("bench arith sqare 1")
        .run()
        .is(2, "")
        .says("did you mean `square`?");
    line("bench arith square 1..1")
        .run()
        .is(2, "")
        .says("nothing to measure");
}

#[test]
fn inspect_shows_functions_and_imports() {
    let told = line("inspect arith").run();
    assert_eq!(told.code, Some(0));
    assert!(
        told.stdout
            .starts_with("functions:\n  pool:tasks/arith@0.1.0\n    square: func(n: s64) -> s64\n")
    );
    assert!(told.stdout.contains("\nimports:\n  wasi:") && told.stdout.contains("\nwit:\n"));
    let json: Json =
        serde_json::from_str(&line("inspect arith --format json").run().stdout).unwrap();
    assert_eq!(
        json["functions"][0]["full_name"],
        "pool:tasks/arith@0.1.0#square"
    );
    assert!(
        line("inspect bare")
            .run()
            .stdout
            .contains("imports: none\n")
    );
}

#[test]
fn each_shell_gets_completions_with_the_commands_but_not_the_private_one() {
    for shell in ["bash", "fish", "zsh", "elvish", "powershell"] {
        let told = host(&["completions", shell]).run();
        assert_eq!(told.code, Some(0), "{shell}");
        assert!(
            told.stdout.contains("starmap") && told.stdout.contains("max-fail"),
            "{shell}"
        );
    }
    line("completions tcsh").run().is(2, "");
}

#[test]
fn help_lists_the_exit_codes_and_hides_the_worker() {
    let help = line("--help").run();
    assert_eq!(help.code, Some(0));
    for code in ["0  ", "1  ", "2  ", "3  ", "124", "130"] {
        assert!(
            help.stdout.contains(&format!("\n  {code}  ")),
            "{}",
            help.stdout
        );
    }
    assert!(!help.stdout.contains("\n  worker"), "{}", help.stdout);
    for wrong in [
        "",
        "map",
        "map arith",
        "map arith square",
        "nap arith square 1",
        "map arith square 1 --chunk 0",
    ] {
        let told = line(wrong).run().is(2, "");
        assert!(!told.stderr.is_empty(), "{wrong}");
    }
}
