//! How far the running jobs say that they are: beside the bar, or, where who did which job is told, a line now and then.
//!
//! The numbers are a guest's, and may be any.

use host::Progress;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long at least between two lines of one job.
const PAUSE: Duration = Duration::from_secs(1);

/// Asks how far the jobs are, each with who is at it.
pub(crate) type Ask = Box<dyn Fn() -> Vec<(String, Progress)> + Send>;

/// What is shown of it.
pub(crate) enum Shown {
    /// A few words beside the bar.
    Words,
    /// A line for each job, when it has come further.
    Lines,
}

/// Looks at the running jobs.
pub(crate) struct Look {
    ask: Ask,
    shown: Shown,
    /// What was told last of whom, and when.
    told: BTreeMap<String, (Instant, String)>,
}

impl Look {
    pub(crate) fn new(ask: Ask, shown: Shown) -> Look {
        Look {
            ask,
            shown,
            told: BTreeMap::new(),
        }
    }

    /// What stands beside the bar now, and the lines that are to be told.
    pub(crate) fn take(&mut self) -> (String, Vec<String>) {
        let found = (self.ask)().into_iter();
        let found = found.map(
            |(
                who,
                Progress {
                    job, done, total, ..
                },
            )| { (who, format!("job {job} at {}", amount(done, total))) },
        );
        match self.shown {
            Shown::Words => (words(found), Vec::new()),
            Shown::Lines => (String::new(), self.lines(found, Instant::now())),
        }
    }

    fn lines(
        &mut self,
        found: impl Iterator<Item = (String, String)>,
        now: Instant,
    ) -> Vec<String> {
        let mut lines = Vec::new();
        for (who, far) in found {
            let is_due = (self.told.get(&who))
                .is_none_or(|(time, told)| *told != far && now.duration_since(*time) >= PAUSE);
            if is_due {
                lines.push(format!("{who}: {far}"));
                self.told.insert(who, (now, far));
            }
        }
        lines
    }
}

/// All of them in one short line.
fn words(found: impl Iterator<Item = (String, String)>) -> String {
    let all: Vec<String> = found.map(|(_, far)| far).collect();
    all.join("; ")
}

fn amount(done: u64, total: Option<u64>) -> String {
    match total {
        Some(total @ 1..) => {
            let share = u128::from(done) * 100 / u128::from(total);
            format!("{done} of {total}, {} %", share.min(100))
        }
        _ => done.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_numbers_of_a_guest_can_be_shown() {
        assert_eq!(amount(1, Some(3)), "1 of 3, 33 %");
        assert_eq!(amount(7, None), "7");
        assert_eq!(amount(7, Some(0)), "7");
        let most = u64::MAX;
        assert_eq!(amount(most, Some(1)), format!("{most} of 1, 100 %"));
    }

    #[test]
    fn a_job_has_one_line_a_second_and_none_where_nothing_is_new() {
        let mut look = Look::new(Box::new(Vec::new), Shown::Lines);
        let mut told = |after_ms, far: &str| {
            let found = [("a".to_owned(), far.to_owned())];
            let now = begun() + Duration::from_millis(after_ms);
            look.lines(found.into_iter(), now).join("")
        };
        assert_eq!(told(0, "1"), "a: 1");
        assert_eq!(told(500, "2"), "");
        assert_eq!(told(1000, "3"), "a: 3");
        assert_eq!(told(5000, "3"), "");
        assert_eq!(told(5001, "4"), "a: 4");
    }

    fn begun() -> Instant {
        static BEGUN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *BEGUN.get_or_init(Instant::now)
    }
}
