//! A run's figures as they are kept: in a file for the next run, and in BENCHMARKS.md and its chart for people.

use crate::chart;
use crate::figure::{Beside, Goal, Line, digits};
use crate::rows::ROWS;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Between these lines BENCHMARKS.md is written by the program, around them by people.
const BEGIN: &str = "<!-- figures: `cargo bench -- --write` writes what follows -->";
const END: &str = "<!-- end of figures -->";

/// Figures, and where and when they were measured.
#[derive(Serialize, Deserialize)]
pub(crate) struct Report {
    pub machine: String,
    pub date: String,
    pub lines: Vec<Line>,
}

impl Report {
    /// No figures yet, on this machine, today.
    pub(crate) fn new() -> Result<Report> {
        Ok(Report {
            machine: machine()?,
            date: told("date", &["+%-d %B %Y"])?,
            lines: Vec::new(),
        })
    }

    pub(crate) fn read(file: &Path) -> Result<Report> {
        let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no report", file.display()))
    }

    pub(crate) fn keep(&self, file: &Path) -> Result<()> {
        fs::write(file, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// Puts the lines of a row in the place of those that were there.
    pub(crate) fn replace(&mut self, row: u8, lines: Vec<Line>) {
        self.lines.retain(|line| line.row != row);
        self.lines.extend(lines);
        self.lines.sort_by_key(|line| line.row);
    }

    /// Writes the table and the chart.
    pub(crate) fn publish(&self) -> Result<()> {
        let measured = |number| self.lines.iter().any(|line| line.row == number);
        if let Some(row) = ROWS.iter().find(|row| !measured(row.number)) {
            bail!(
                "row {} was not measured: name no rows, or give the others by `--from`",
                row.number
            );
        }
        let file = project().join("BENCHMARKS.md");
        let page = fs::read_to_string(&file)?;
        let parts = page
            .split_once(BEGIN)
            .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
        let (before, after) =
            parts.context("BENCHMARKS.md has lost the marks around its figures")?;
        fs::write(
            &file,
            format!("{before}{BEGIN}\n\n{}\n{END}{after}", self.table()),
        )?;
        fs::write(project().join("host/docs/benchmarks.svg"), chart::svg(self))?;
        Ok(())
    }

    fn table(&self) -> String {
        let mut table = format!(
            "Measured on {} on {}.\n\n\
             | row | measure | goal | figure | beside | ratio | command |\n\
             |---|---|---|---|---|---|---|\n",
            self.date, self.machine
        );
        let mut last = 0;
        for line in &self.lines {
            let (row, command) = match line.row == last {
                true => (String::new(), String::new()),
                false => (
                    line.row.to_string(),
                    format!("`cargo bench -- {}`", line.row),
                ),
            };
            last = line.row;
            let goal = line
                .goal
                .map_or(String::new(), |goal| line.unit.show_goal(goal));
            let figure = line.value.map_or("–".into(), |value| line.unit.show(value));
            let figure = marked(figure, line.falls_short());
            let (beside, ratio) = line
                .beside
                .first()
                .map_or_else(Default::default, |first| compared(line, first));
            // Writing to a string cannot fail.
            let _ = writeln!(
                table,
                "| {row} | {} | {goal} | {figure} | {beside} | {ratio} | {command} |",
                line.measure
            );
            for other in line.beside.iter().skip(1) {
                let (beside, ratio) = compared(line, other);
                let _ = writeln!(table, "| | | | | {beside} | {ratio} | |");
            }
        }
        table
    }
}

/// What stands beside a measure, and how many times better ours is.
fn compared(line: &Line, beside: &Beside) -> (String, String) {
    let Some(value) = beside.value else {
        return (format!("{}: not installed", beside.name), String::new());
    };
    let ratio = line
        .ratio(beside)
        .map_or("–".into(), |ratio| format!("{} ×", digits(ratio)));
    let ratio = marked(ratio, line.falls_short_of(beside));
    let goal = match beside.goal {
        Some(Goal::AtLeast(least)) => format!(" (≥ {} ×)", digits(least)),
        _ => String::new(),
    };
    (
        format!("{}: {}", beside.name, line.unit.show(value)),
        ratio + &goal,
    )
}

fn marked(figure: String, short: bool) -> String {
    if short {
        format!("**{figure}, short**")
    } else {
        figure
    }
}

/// What the figures depend on, without a name that only we know.
fn machine() -> Result<String> {
    let processors = std::thread::available_parallelism()?;
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("x86-64", |(_, model)| model);
    let system = rustix::system::uname();
    let release = system.release().to_string_lossy();
    let release = release.split('-').next().unwrap_or_default();
    let rust = told("rustc", &["--version"])?;
    let rust = rust.split(' ').nth(1).unwrap_or_default();
    Ok(format!(
        "a machine with {processors} processors ({model}), Linux {release}, Rust {rust}"
    ))
}

/// What a program prints, without the end of the line.
fn told(program: &str, args: &[&str]) -> Result<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a program that only tells something"
    )]
    let output = Command::new(program).args(args).env("LC_ALL", "C").output();
    let output = output.with_context(|| format!("cannot run `{program}`"))?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
