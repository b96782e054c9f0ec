//! README.md is true: its console blocks print what they say, its code is the example, its exit codes are those of the help.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn readme() -> String {
    fs::read_to_string(project().join("README.md")).unwrap()
}

#[test]
fn every_command_prints_what_the_readme_says() {
    let readme = readme();
    let blocks = blocks(&readme, "console");
    assert!(blocks.len() >= 5, "the blocks have moved");
    for block in blocks {
        for (command, expected) in commands(block) {
            let printed = run(command);
            assert!(
                matches(
                    &steady(&printed).lines().collect::<Vec<_>>(),
                    &steady(&expected).lines().collect::<Vec<_>>()
                ),
                "$ {command}\nREADME.md says\n{expected}\nand the program\n{printed}"
            );
        }
    }
}

#[test]
fn the_ten_lines_are_the_example_hello() {
    let example = fs::read_to_string(project().join("host/examples/hello.rs")).unwrap();
    let (_, main) = example.split_once("\n\n").unwrap();
    let readme = readme();
    assert!(
        blocks(&readme, "rust").contains(&main.trim()),
        "README.md has other code than host/examples/hello.rs"
    );
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let help = run("host --help");
    let (_, codes) = help.split_once("Exit codes:\n").unwrap();
    let readme = readme();
    for line in codes.lines() {
        let (code, meaning) = line.trim().split_once("  ").unwrap();
        let row = format!("| {code} | {} |", meaning.trim());
        assert!(readme.contains(&row), "README.md lacks the row {row}");
    }
}

/// What stands in the fenced blocks of this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("\n```{language}\n");
    text.split(&fence)
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap())
        .collect()
}

/// The commands of a block, each with what it prints.
fn commands(block: &str) -> Vec<(&str, String)> {
    let mut commands: Vec<(&str, String)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command, String::new())),
            (None, Some((_, printed))) => *printed += &format!("{line}\n"),
            (None, None) => panic!("a block begins with a command, not with {line:?}"),
        }
    }
    commands
}

/// What a command prints on both of its outputs, in the order in which it does.
fn run(command: &str) -> String {
    let program = crate::program();
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let output = Command::new("bash")
        .args(["-c", &format!("exec 2>&1 </dev/null\n{command}")])
        .current_dir(project())
        .env("PATH", path)
        .env(
            "XDG_CACHE_HOME",
            concat!(env!("CARGO_TARGET_TMPDIR"), "/readme"),
        )
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The text with a 0 for each number that is another one in each run: times, processes, who did which job.
fn steady(text: &str) -> String {
    let mut steady = String::new();
    let mut rest = text;
    while let Some(place) = [" in ", "pid ", "worker "]
        .iter()
        .filter_map(|before| rest.find(before).map(|place| place + before.len()))
        .min()
    {
        let (before, after) = rest.split_at(place);
        steady += before;
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        if rest.len() < after.len() {
            steady.push('0');
        }
    }
    steady + rest
}

/// Whether lines are as expected; an expected line `...` stands for any number of lines.
fn matches(lines: &[&str], expected: &[&str]) -> bool {
    match (lines, expected) {
        (_, ["...", after @ ..]) => {
            (0..=lines.len()).any(|skipped| matches(&lines[skipped..], after))
        }
        ([line, lines @ ..], [wanted, expected @ ..]) => line == wanted && matches(lines, expected),
        _ => lines.is_empty() && expected.is_empty(),
    }
}
