//! The chart: how many times better than Python's own pool, on a scale where each step is ten times the last one.
//!
//! Bars begin at 1, which is `multiprocessing.Pool`; what is slower goes to the left.

mod drawing;

use crate::figure::{Line, digits};
use crate::report::Report;
use drawing::Drawing;

/// A measure that the chart shows, and what is 1 for it.
struct Group {
    title: &'static str,
    row: u8,
    /// How the measure begins.
    measure: &'static str,
    /// The row that has the baseline, and its name there.
    baseline: (u8, &'static str),
}

const fn group(
    title: &'static str,
    (row, measure): (u8, &'static str),
    baseline: (u8, &'static str),
) -> Group {
    Group {
        title,
        row,
        measure,
        baseline,
    }
}

const GROUPS: [Group; 7] = [
    group(
        "A tiny job there and back",
        (1, "`apply square`"),
        (1, "Python `Pool.apply`"),
    ),
    group(
        "A million tiny jobs",
        (3, "`map square`"),
        (3, "Python `Pool.map`"),
    ),
    group(
        "Tiny jobs in batches",
        (16, "`map square`"),
        (3, "Python `Pool.map`"),
    ),
    group(
        "Lists of a thousand cubes",
        (6, "`map cubes`"),
        (6, "Python `Pool.map`"),
    ),
    group(
        "16 MiB there and back",
        (7, "16 MiB"),
        (7, "Python `Pool.apply`"),
    ),
    group(
        "Start to the first result, 2 workers, code cached",
        (9, "build to the first result, 2"),
        (9, "Python `Pool`, forked"),
    ),
    group(
        "Private memory of a worker, of 16 idle",
        (11, "private memory"),
        (11, "Python `Pool`, forked"),
    ),
];

/// A bar: whose, its figure, and how many times better than the baseline.
struct Bar {
    name: String,
    figure: String,
    times: f64,
}

const WIDTH: f64 = 900.0;
/// Where names end and bars begin, and where bars end and only their figures go on.
const LEFT: f64 = 230.0;
const RIGHT: f64 = 730.0;
const TOP: f64 = 96.0;
const BAR: f64 = 17.0;
const STEP: f64 = 22.0;
const HEAD: f64 = 24.0;
const GAP: f64 = 16.0;

const OURS: &str = "#e8590c";
const NATIVE: &str = "#4c9a8a";
const PYTHON: &str = "#a5afba";

/// How texts look.
const TITLE: &str = r##"font-size="19" font-weight="600" fill="#1f2933""##;
const HEADING: &str = r##"font-weight="600" fill="#1f2933""##;
const NAME: &str = r##"text-anchor="end" fill="#323f4b""##;
const LABEL: &str = r##"fill="#323f4b""##;
const NOTE: &str = r##"fill="#52606d""##;
const SCALE: &str = r##"text-anchor="middle" fill="#52606d""##;
const FOOT: &str = r##"font-size="11" fill="#7b8794""##;
const OURS_NAME: &str = r##"text-anchor="end" font-weight="600" fill="#c2410c""##;
const BASE: &str = r##"text-anchor="end" font-size="12" fill="#7b8794""##;

pub(crate) fn svg(report: &Report) -> String {
    let groups: Vec<(&Group, String, Vec<Bar>)> = GROUPS
        .iter()
        .filter_map(|group| bars(report, group).map(|(base, bars)| (group, base, bars)))
        .collect();
    let all = || groups.iter().flat_map(|(_, _, bars)| bars);
    let decade = |times: f64| times.log10();
    let low = all()
        .map(|bar| decade(bar.times))
        .fold(0.0, f64::min)
        .floor();
    let high = all()
        .map(|bar| decade(bar.times))
        .fold(1.0, f64::max)
        .ceil();
    let x = |times: f64| LEFT + (decade(times) - low) / (high - low) * (RIGHT - LEFT);
    let rows: f64 = groups
        .iter()
        .map(|(_, _, bars)| HEAD + STEP * bars.len() as f64 + GAP)
        .sum();
    let bottom = TOP + rows;

    let mut svg = Drawing::new(WIDTH, bottom + 58.0);
    svg.text(
        (24.0, 36.0),
        TITLE,
        "How many times better than Python’s multiprocessing.Pool",
    );
    let legend = [
        (OURS, "this pool: sandboxed WebAssembly"),
        (PYTHON, "other pools of Python"),
        (NATIVE, "native code without a sandbox, in one process"),
    ];
    let mut at = 24.0;
    for (colour, words) in legend {
        svg.bar((at, 50.0), (11.0, 11.0), colour);
        svg.text((at + 17.0, 60.0), NOTE, words);
        // No font is at hand to be asked: a letter takes about so much.
        at += 44.0 + 6.9 * words.chars().count() as f64;
    }

    let mut step = low;
    while step <= high {
        let times = 10f64.powf(step);
        let (colour, width) = if step == 0.0 {
            ("#52606d", 1.6)
        } else {
            ("#e4e7eb", 1.0)
        };
        svg.line(x(times), TOP - 8.0, bottom, colour, width);
        svg.text(
            (x(times), bottom + 18.0),
            SCALE,
            &format!("{} ×", digits(times)),
        );
        step += 1.0;
    }

    let mut y = TOP;
    for (group, base, bars) in &groups {
        svg.text((24.0, y + 13.0), HEADING, group.title);
        svg.text((WIDTH - 24.0, y + 13.0), BASE, &format!("1 × is {base}"));
        y += HEAD;
        for bar in bars {
            let (from, to) = (x(bar.times).min(x(1.0)), x(bar.times).max(x(1.0)));
            let style = if bar.name == "host" { OURS_NAME } else { NAME };
            svg.text((LEFT - 10.0, y + 13.0), style, &bar.name);
            svg.bar((from, y), ((to - from).max(1.5), BAR), colour(&bar.name));
            let label = format!("{} ×, {}", digits(bar.times), bar.figure);
            svg.text((to + 8.0, y + 13.0), LABEL, &label);
            y += STEP;
        }
        y += GAP;
    }
    let note = format!(
        "{}, {}. Two workers unless it says otherwise; each step is ten times the last.",
        report.date, report.machine
    );
    svg.text((24.0, bottom + 44.0), FOOT, &note);
    svg.finish()
}

/// The baseline as words, and the bars of a group: ours first. `None` where there is nothing to compare with.
fn bars(report: &Report, group: &Group) -> Option<(String, Vec<Bar>)> {
    let find = |row| -> Option<&Line> {
        let mut lines = report.lines.iter().filter(|line| line.row == row);
        match row == group.row {
            true => lines.find(|line| line.measure.starts_with(group.measure)),
            false => lines.next(),
        }
    };
    let line = find(group.row)?;
    let (row, name) = group.baseline;
    let baseline = find(row)?
        .beside
        .iter()
        .find(|beside| beside.name == name)?;
    let value = baseline.value?;
    let bar = |name: &str, figure: f64| Bar {
        // That it is Python's, the colour tells.
        name: plain(name).replacen("Python ", "", 1),
        figure: line.unit.show(figure),
        times: line.unit.times_better(figure, value),
    };
    let mut bars = vec![bar("host", line.value?)];
    for beside in &line.beside {
        let peer = ["Python", "rayon", "numpy"]
            .iter()
            .any(|peer| beside.name.starts_with(peer));
        if let (true, Some(figure)) = (peer && beside.name != name, beside.value) {
            bars.push(bar(&beside.name, figure));
        }
    }
    Some((format!("{}: {}", plain(name), line.unit.show(value)), bars))
}

/// A name without its marks.
fn plain(name: &str) -> String {
    name.replace('`', "")
}

fn colour(name: &str) -> &'static str {
    match name {
        "host" => OURS,
        name if name.starts_with("rayon") || name.starts_with("numpy") => NATIVE,
        _ => PYTHON,
    }
}
