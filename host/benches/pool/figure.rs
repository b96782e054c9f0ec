//! What was measured, and how it reads: figures with units, goals, and ratios that always mean "so many times better".

use serde::{Deserialize, Serialize};
use std::fmt;

/// One measure, with all that it is compared with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    /// The row that it belongs to.
    pub row: u8,
    pub measure: String,
    pub unit: Unit,
    pub value: Option<f64>,
    pub goal: Option<Goal>,
    pub beside: Vec<Beside>,
}

/// What stands beside a measure, in the same unit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Beside {
    pub name: String,
    /// `None` if it is not installed.
    pub value: Option<f64>,
    /// How many times better ours should be.
    pub goal: Option<Goal>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Unit {
    Seconds,
    JobsPerSecond,
    BytesPerSecond,
    Bytes,
    /// A part of a whole, shown in per cent.
    Share,
    /// Things that happened, of which fewer are better.
    Events,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Line {
    pub(crate) fn new(measure: impl Into<String>, unit: Unit, value: Option<f64>) -> Line {
        Line {
            row: 0,
            measure: measure.into(),
            unit,
            value,
            goal: None,
            beside: Vec::new(),
        }
    }

    pub(crate) fn goal(mut self, goal: Goal) -> Line {
        self.goal = Some(goal);
        self
    }

    pub(crate) fn beside(mut self, name: &str, value: Option<f64>) -> Line {
        self.beside.push(Beside {
            name: name.into(),
            value,
            goal: None,
        });
        self
    }

    /// As [`Line::beside`], where ours should be at least so many times better.
    pub(crate) fn better_than(mut self, name: &str, value: Option<f64>, times: f64) -> Line {
        self = self.beside(name, value);
        if let Some(beside) = self.beside.last_mut() {
            beside.goal = Some(Goal::AtLeast(times));
        }
        self
    }

    /// How many times better ours is: faster, or smaller.
    pub(crate) fn ratio(&self, beside: &Beside) -> Option<f64> {
        Some(self.unit.times_better(self.value?, beside.value?))
    }

    pub(crate) fn falls_short(&self) -> bool {
        !met(self.goal, self.value)
    }

    pub(crate) fn falls_short_of(&self, beside: &Beside) -> bool {
        !met(beside.goal, self.ratio(beside))
    }
}

/// Whether a goal is met. What was not measured falls short of nothing.
fn met(goal: Option<Goal>, value: Option<f64>) -> bool {
    match (goal, value) {
        (Some(Goal::AtMost(most)), Some(value)) => value <= most,
        (Some(Goal::AtLeast(least)), Some(value)) => value >= least,
        _ => true,
    }
}

impl Unit {
    /// How many times better one figure is than another.
    pub(crate) fn times_better(self, figure: f64, than: f64) -> f64 {
        match self {
            Unit::Seconds | Unit::Bytes | Unit::Events => than / figure,
            Unit::JobsPerSecond | Unit::BytesPerSecond | Unit::Share => figure / than,
        }
    }

    /// A figure as people read it, to three digits.
    pub(crate) fn show(self, value: f64) -> String {
        let scales: &[(f64, &str)] = match self {
            Unit::Seconds => &[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")],
            Unit::JobsPerSecond => &[(1e9, "G/s"), (1e6, "M/s"), (1e3, "k/s"), (1.0, "/s")],
            Unit::BytesPerSecond => &[(GIB, "GiB/s"), (MIB, "MiB/s")],
            Unit::Bytes => &[(GIB, "GiB"), (MIB, "MiB"), (1024.0, "KiB")],
            Unit::Share => &[(0.01, "%")],
            Unit::Events => &[(1.0, "")],
        };
        if value == 0.0 {
            return "0".into();
        }
        let fits = scales.iter().find(|(scale, _)| value >= 0.9995 * scale);
        let (scale, name) = fits.or(scales.last()).copied().unwrap_or((1.0, ""));
        format!("{} {name}", digits(value / scale))
            .trim_end()
            .into()
    }

    pub(crate) fn show_goal(self, goal: Goal) -> String {
        match goal {
            Goal::AtMost(0.0) => "0".into(),
            Goal::AtMost(most) => format!("≤ {}", self.show(most)),
            Goal::AtLeast(least) => format!("≥ {}", self.show(least)),
        }
    }
}

const MIB: f64 = 1024.0 * 1024.0;
const GIB: f64 = 1024.0 * MIB;

/// Three digits, without zeros at the end that say nothing.
pub(crate) fn digits(value: f64) -> String {
    let decimals = (2 - value.abs().max(0.01).log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').into(),
        false => text,
    }
}

/// For the terminal: the measure on a line, and each comparison on one below it.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = self.value.map_or("–".into(), |value| self.unit.show(value));
        write!(f, "   {:66} {figure:>11}", self.measure)?;
        if let Some(goal) = self.goal {
            write!(f, "   goal {}", self.unit.show_goal(goal))?;
        }
        writeln!(
            f,
            "{}",
            if self.falls_short() {
                ", falls short"
            } else {
                ""
            }
        )?;
        for beside in &self.beside {
            let Some(value) = beside.value else {
                writeln!(
                    f,
                    "     {:64} not installed: run host/benches/peers/install",
                    beside.name
                )?;
                continue;
            };
            let ratio = self.ratio(beside).map_or("–".into(), digits);
            write!(
                f,
                "     {:64} {:>11}   {ratio} ×",
                beside.name,
                self.unit.show(value)
            )?;
            if let Some(Goal::AtLeast(least)) = beside.goal {
                write!(f, ", goal ≥ {} ×", digits(least))?;
            }
            writeln!(
                f,
                "{}",
                if self.falls_short_of(beside) {
                    ", falls short"
                } else {
                    ""
                }
            )?;
        }
        Ok(())
    }
}
