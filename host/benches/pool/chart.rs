//! The chart: how many times better than Python's own pool, on a scale where each step is ten times the last one.
//!
//! Bars begin at 1, which is `multiprocessing.Pool`; what is slower goes to the left.

use crate::figure::{Line, digits};
use crate::report::Report;
use std::fmt::Write;

/// A measure that the chart shows, and what is 1 for it.
struct Group {
    title: &'static str,
    row: u8,
    /// How the measure begins.
    measure: &'static str,
    /// The row that has the baseline, and its name there.
    baseline: (u8, &'static str),
}

const GROUPS: [Group; 7] = [
    Group {
        title: "A tiny job there and back",
        row: 1,
        measure: "`apply square`",
        baseline: (1, "Python `Pool.apply`"),
    },
    Group {
        title: "A million tiny jobs",
        row: 3,
        measure: "`map square`",
        baseline: (3, "Python `Pool.map`"),
    },
    Group {
        title: "Tiny jobs in batches",
        row: 16,
        measure: "`map square`",
        baseline: (3, "Python `Pool.map`"),
    },
    Group {
        title: "Lists of a thousand cubes",
        row: 6,
        measure: "`map cubes`",
        baseline: (6, "Python `Pool.map`"),
    },
    Group {
        title: "16 MiB there and back",
        row: 7,
        measure: "16 MiB",
        baseline: (7, "Python `Pool.apply`"),
    },
    Group {
        title: "Start to the first result",
        row: 9,
        measure: "build to the first result, 2",
        baseline: (9, "Python `Pool`, forked"),
    },
    Group {
        title: "Memory of an idle worker",
        row: 11,
        measure: "private memory",
        baseline: (11, "Python `Pool`, forked"),
    },
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

    let mut svg = Drawing(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {0}\" width=\"{WIDTH}\" height=\"{0}\" \
         font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{0}\" rx=\"10\" fill=\"#ffffff\"/>\n",
        bottom + 34.0
    ));
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
        at += 44.0 + 6.6 * words.chars().count() as f64;
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
            svg.text((LEFT - 10.0, y + 13.0), NAME, &bar.name);
            svg.bar((from, y), ((to - from).max(1.5), BAR), colour(&bar.name));
            let label = format!("{} ×  ·  {}", digits(bar.times), bar.figure);
            svg.text((to + 8.0, y + 13.0), LABEL, &label);
            y += STEP;
        }
        y += GAP;
    }
    svg.0 + "</svg>\n"
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

struct Drawing(String);

impl Drawing {
    // Writing to a string cannot fail.

    fn text(&mut self, (x, y): (f64, f64), style: &str, words: &str) {
        let words = words.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            self.0,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{words}</text>"
        );
    }

    fn bar(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str) {
        let _ = writeln!(
            self.0,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" rx=\"2\" fill=\"{colour}\"/>"
        );
    }

    fn line(&mut self, x: f64, from: f64, to: f64, colour: &str, width: f64) {
        let _ = writeln!(
            self.0,
            "<line x1=\"{x:.1}\" y1=\"{from}\" x2=\"{x:.1}\" y2=\"{to}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        );
    }
}
