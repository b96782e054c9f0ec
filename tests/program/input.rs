//! Where items come from and where results go: files, pipes, and their ends.

use super::{Folder, host, line, lines};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn items_come_from_a_file_or_from_stdin() {
    let folder = Folder::new();
    let file = folder.file("items", "1\n\n   \n2\r\n3");
    host(&["map", "arith", "square", "--input", &file, "-q"])
        .run()
        .is(0, "1\n4\n9\n")
        .says_only("");
    line("map arith square --input -")
        .given("1\n2\n")
        .is(0, "1\n4\n")
        .says("2 jobs done");
    line("map arith square --input -")
        .given("")
        .is(0, "")
        .says("0 jobs done");
    line("starmap arith product --input -")
        .given("[1, 2, 3]\n[4,5,6]\n")
        .is(0, "6\n120\n");
    line("map arith evens --input -")
        .given("[1,2]\n[]\n")
        .is(0, "[2]\n[]\n");
    host(&["map", "arith", "square", "--input", "/no/such/file"])
        .run()
        .is(2, "")
        .says("/no/such/file");
    line("map arith square 1 --input -").given("1\n").is(2, "");
}

#[test]
fn the_text_of_many_lines_is_counted() {
    let documents = "\"One. Two two.\"\n\"Où es-tu? Là.\"\n";
    let told = line("map text stats --input - --format json").given(documents);
    assert_eq!(told.code, Some(0));
    let rows = told.json();
    assert_eq!(rows[0]["value"]["words"], 3);
    assert_eq!(
        rows[0]["value"]["frequent"][0],
        serde_json::json!({ "word": "two", "count": 2 })
    );
    assert_eq!(
        (
            &rows[1]["value"]["sentences"],
            &rows[1]["value"]["characters"]
        ),
        (&2.into(), &13.into())
    );
}

#[test]
fn a_wrong_line_ends_the_run_after_the_results_before_it() {
    let told = line("map arith square --input - -q").given("1\n\n2\nthree\n4\n");
    told.is(2, "1\n4\n")
        .says("error: `square` cannot take line 4 of stdin: ");
    line("map arith square --input - -q")
        .given("1\n2.5\n")
        .is(2, "1\n")
        .says("line 2 of stdin");
    line("map arith square --input - -q")
        .given(b"1\n\xff\n")
        .is(2, "1\n")
        .says("line 2 of stdin");
    line("starmap arith product --input - -q")
        .given("[1,2,3]\n[1,2]\n")
        .is(2, "6\n")
        .says("line 2 of stdin");
    // A failed job before the wrong line is told, too; the wrong line decides.
    line("map faults maybe-trap --input - -q")
        .given("7\nx\n")
        .is(2, "")
        .says("the number ends in 7")
        .says("line 2");
}

#[test]
fn results_come_while_the_input_is_silent() {
    for order in ["", " --unordered"] {
        let mut run = line(&format!("map faults sleep --input - -q{order}"));
        run.0.stdin(Stdio::piped());
        let mut running = run.start();
        let mut stdin = running.child().stdin.take().unwrap();
        let mut stdout = BufReader::new(running.child().stdout.take().unwrap());
        // Longer than anybody would wait for a result before he looks for the next line.
        for lines in ["30\n", "30\n30\n", "1\n30\n1\n"] {
            stdin.write_all(lines.as_bytes()).unwrap();
            for _ in lines.lines() {
                let mut result = String::new();
                stdout.read_line(&mut result).unwrap();
                assert_eq!(result, "()\n");
            }
        }
        drop(stdin);
        assert_eq!(running.ends().code(), Some(0));
    }
}

#[test]
fn who_waits_for_each_result_before_the_next_line_is_not_kept_waiting() {
    let mut run = line("map arith square --input - -q");
    run.0.stdin(Stdio::piped());
    let mut running = run.start();
    let mut stdin = running.child().stdin.take().unwrap();
    let mut stdout = BufReader::new(running.child().stdout.take().unwrap());
    let begun = Instant::now();
    for n in 0..1000 {
        writeln!(stdin, "{n}").unwrap();
        let mut result = String::new();
        stdout.read_line(&mut result).unwrap();
        assert_eq!(result, format!("{}\n", n * n));
    }
    // With each result at the next tick of the output, this would be 50 s.
    assert!(begun.elapsed() < Duration::from_secs(25));
    drop(stdin);
    assert_eq!(running.ends().code(), Some(0));
}

#[test]
fn a_long_input_takes_no_more_memory_than_a_short_one() {
    let peak_kib = |count: u32| {
        let input = lines(1..=count);
        let mut run = line("map arith square --input - -q");
        run.0.stdin(Stdio::piped());
        let mut running = run.start();
        let mut stdin = running.child().stdin.take().unwrap();
        let mut stdout = BufReader::new(running.child().stdout.take().unwrap());
        let pid = running.child().id();
        let writer = std::thread::spawn(move || {
            stdin.write_all(input.as_bytes()).unwrap();
        });
        let mut last = String::new();
        // It is not through yet, so it is there to be asked.
        for _ in 0..count - 20_000 {
            last.clear();
            stdout.read_line(&mut last).unwrap();
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let peak = status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap();
        let peak = peak
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap();
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        writer.join().unwrap();
        assert!(rest.ends_with(&format!("\n{}\n", u64::from(count) * u64::from(count))));
        assert_eq!(running.ends().code(), Some(0));
        peak
    };
    let (short, long) = (peak_kib(30_000), peak_kib(300_000));
    assert!(
        long < short + 8 * 1024,
        "{short} KiB for 30,000 lines, {long} KiB for 300,000"
    );
}

#[test]
fn a_reader_who_has_seen_enough_ends_the_run_quietly() {
    let mut running = line("map arith square 0..100000000").start();
    let mut first = String::new();
    BufReader::new(running.child().stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert_eq!(first, "0\n");
    assert_eq!(running.ends().code(), Some(0));
    let mut stderr = String::new();
    running
        .child()
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(stderr, "");
    for args in ["inspect arith", "--help", "completions bash"] {
        let mut running = line(args).start();
        drop(running.child().stdout.take());
        assert_eq!(running.ends().code(), Some(0), "{args}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let mut run = line("map arith square 1..=3 -q");
    run.0.stdout(
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap(),
    );
    let told = run.run();
    assert_eq!(told.code, Some(1));
    told.says("error: cannot write to stdout: ");
}
