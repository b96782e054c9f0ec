//! What guests log, on stderr: a line each, which says who wrote it.
//!
//! A guest chooses the words and nothing else of such a line: what could move a terminal's cursor or begin another line is written as an
//! escape.

use crate::output;
use std::fmt::{Debug, Write};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// What is shown where nothing else is asked for.
const USUAL: LevelFilter = LevelFilter::INFO;

/// Shows what guests log from this level on, and, where a level was asked for, what becomes of workers.
pub(crate) fn show(asked: Option<LevelFilter>) {
    let guests = Targets::new().with_target("guest", asked.unwrap_or(USUAL));
    let wanted = guests.with_target("host", asked.unwrap_or(LevelFilter::OFF));
    let shown = tracing_subscriber::registry().with(Stderr.with_filter(wanted));
    // A tour shows from its first step on.
    let _ = tracing::subscriber::set_global_default(shown);
}

struct Stderr;

impl<S: Subscriber> Layer<S> for Stderr {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let level = event.metadata().level().as_str().to_lowercase();
        output::aside(&said.line(&level));
    }
}

/// The parts of a line.
#[derive(Default)]
struct Said {
    worker: Option<u64>,
    job: Option<u64>,
    context: String,
    message: String,
    /// What else is said, such as how a worker ended.
    more: String,
}

impl Said {
    fn line(&self, level: &str) -> String {
        let worker = self.worker.map(|worker| format!("worker {}", worker + 1));
        let job = self.job.map(|job| format!("job {job}"));
        let who: Vec<String> = worker.into_iter().chain(job).collect();
        let gap = if self.context.is_empty() { "" } else { " " };
        let Said {
            context,
            message,
            more,
            ..
        } = self;
        let colon = if who.is_empty() { "" } else { ": " };
        format!(
            "{}{colon}[{level}{gap}{context}] {message}{more}",
            who.join(", ")
        )
    }
}

impl Visit for Said {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "worker" => self.worker = Some(value),
            "job" => self.job = Some(value),
            "pid" => {}
            _ => self.record_str(field, &value.to_string()),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "context" => self.context = harmless(value),
            "message" => self.message = harmless(value),
            _ => {
                let _ = write!(self.more, ": {}", harmless(value));
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // The words of an event come so, as they are.
        self.record_str(field, &format!("{value:?}"));
    }
}

/// The text with an escape in the place of each character that is no sign.
fn harmless(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() || BENDS_TEXT.contains(&c) {
            true => all.extend(c.escape_default()),
            false => all.push(c),
        }
    }
    all
}

/// Signs that have no width, and turn the direction of what follows or end the line.
const BENDS_TEXT: [char; 13] = [
    '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}',
    '\u{2067}', '\u{2068}', '\u{2069}', '\u{2028}', '\u{2029}',
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_can_write_no_escape_and_no_second_line() {
        assert_eq!(
            harmless("a\u{1b}[2J\r\nerror: é\u{9b}\u{202e}"),
            "a\\u{1b}[2J\\r\\nerror: é\\u{9b}\\u{202e}"
        );
    }

    #[test]
    fn a_line_says_who_wrote_it() {
        let mut said = Said {
            worker: Some(0),
            job: Some(3),
            context: "db".into(),
            message: "slow".into(),
            more: String::new(),
        };
        assert_eq!(said.line("warn"), "worker 1, job 3: [warn db] slow");
        (said.job, said.context) = (None, String::new());
        said.more = ": it ended".into();
        assert_eq!(said.line("warn"), "worker 1: [warn] slow: it ended");
    }
}
