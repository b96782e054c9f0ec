//! Amounts as people write them: `4`, `50%`, `200ms`, `64MiB`. Each reader is one option's `value_parser`.

use host::Dir;
use std::fmt::Display;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// How many workers to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workers {
    /// This many.
    Count(usize),
    /// This share of the available processors.
    Percent(usize),
}

impl Workers {
    /// The number for this many available processors: rounded down, but at least 1.
    pub(crate) fn of(self, available: usize) -> usize {
        match self {
            Workers::Count(n) => n,
            Workers::Percent(percent) => (available.saturating_mul(percent) / 100).max(1),
        }
    }
}

/// More processes than these are a slip of the finger: a machine has some thousands of them in all.
const MOST_WORKERS: usize = 4096;

/// Reads `4` or `50%`.
pub(crate) fn workers(text: &str) -> Result<Workers, String> {
    let (number, of) = match text.strip_suffix('%') {
        Some(number) => (number, Workers::Percent as fn(usize) -> Workers),
        None => (text, Workers::Count as fn(usize) -> Workers),
    };
    match number.parse::<NonZeroUsize>() {
        Ok(n) if n.get() > MOST_WORKERS => Err(format!("write a number up to {MOST_WORKERS}")),
        Ok(n) => Ok(of(n.get())),
        Err(_) => Err("write a number from 1, or a share of the processors such as `50%`".into()),
    }
}

/// Reads `auto`, which gives `None`, or a number of jobs.
pub(crate) fn chunk(text: &str) -> Result<Option<u32>, String> {
    match text.parse::<NonZeroU32>() {
        _ if text == "auto" => Ok(None),
        Ok(n) => Ok(Some(n.get())),
        Err(_) => Err("write `auto` or a number from 1".into()),
    }
}

/// Reads `200ms`, `1.5s`, `2m`, `1h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 4] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let seconds = with_unit(text, &UNITS).ok_or(format!(
        "write a time with its unit, such as {}",
        suggest(text, "ms", "s")
    ))?;
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| "write a shorter time")?;
    if time.is_zero() {
        Err("write a time above 0".into())
    } else {
        Ok(time)
    }
}

/// Reads `64MiB`, `1GiB`, `512KiB`, as a number of bytes.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 3] = [("KiB", 1024.0), ("MiB", 1048576.0), ("GiB", 1073741824.0)];
    let bytes = with_unit(text, &UNITS).ok_or(format!(
        "write a size with its unit, such as {}",
        suggest(text, "MiB", "GiB")
    ))?;
    if bytes < 1.0 {
        Err("write a size above 0".into())
    } else {
        Ok(bytes as u64)
    }
}

/// Reads `HOST::GUEST` or `HOST::GUEST:ro`.
pub(crate) fn dir(text: &str) -> Result<Dir, String> {
    let (pair, read_only) = match text.strip_suffix(":ro") {
        Some(pair) => (pair, true),
        None => (text, false),
    };
    let (host, guest) = match pair.split_once("::") {
        Some((host, guest)) if !host.is_empty() && !guest.is_empty() => {
            (PathBuf::from(host), guest.to_string())
        }
        _ => {
            return Err(
                "write `HOST::GUEST` or `HOST::GUEST:ro`, such as `./data::/data:ro`".into(),
            );
        }
    };
    // Whoever meant to let the guest only read must not let it write.
    if guest.contains(':') {
        return Err(format!(
            "what follows the guest's path may only be `:ro`, this is `{guest}`"
        ));
    }
    if !host.is_dir() {
        return Err(format!("there is no directory `{}`", host.display()));
    }
    Ok(Dir {
        host,
        guest,
        read_only,
    })
}

/// Reads `NAME=VALUE`.
pub(crate) fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("write `NAME=VALUE`".into()),
    }
}

fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    // Digits and one point, so neither a sign nor the other notations that Rust reads.
    let digits = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    number
        .parse::<f64>()
        .ok()
        .filter(|_| digits)
        .map(|n| n * factor)
}

/// Two spellings to choose from, with the number that was typed if it was one.
fn suggest(text: &str, small: &str, large: &str) -> String {
    let number = if text.parse::<u32>().is_ok() {
        text
    } else {
        "2"
    };
    format!("`{number}{small}` or `{number}{large}`")
}

/// Reads `name=what`.
pub(crate) fn named<T: FromStr>(text: &str) -> Result<(String, T), String>
where
    T::Err: Display,
{
    let (name, what) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or("write a name, an equals sign, and what it is at first")?;
    let what = what.parse().map_err(|error| format!("{error}"))?;
    Ok((name.to_owned(), what))
}

/// Numbers with commas between them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Numbers<T>(pub(crate) Vec<T>);

impl<T: FromStr> FromStr for Numbers<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Numbers<T>, T::Err> {
        let numbers = text.split(',').map(|number| number.trim().parse());
        numbers.collect::<Result<_, _>>().map(Numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_a_number_or_a_share_of_the_processors() {
        assert_eq!(workers("4"), Ok(Workers::Count(4)));
        assert_eq!(workers("50%").map(|w| w.of(8)), Ok(4));
        assert_eq!(workers("10%").map(|w| w.of(2)), Ok(1), "at least one");
        assert_eq!(workers("200%").map(|w| w.of(3)), Ok(6));
        for wrong in ["0", "0%", "-1", "", "%", "four", "1.5"] {
            assert!(workers(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_chunk_is_measured_or_a_number() {
        assert_eq!(chunk("auto"), Ok(None));
        assert_eq!(chunk("16"), Ok(Some(16)));
        assert!(chunk("0").is_err());
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(
            duration("200"),
            Err("write a time with its unit, such as `200ms` or `200s`".into())
        );
        for wrong in [
            "",
            "s",
            "-1s",
            "1e3s",
            "1 s",
            "1d",
            "0ms",
            "1.2.3s",
            "99999999999999999999h",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("0.5KiB"), Ok(512));
        assert_eq!(
            size("64"),
            Err("write a size with its unit, such as `64MiB` or `64GiB`".into())
        );
        for wrong in ["", "64MB", "-1MiB", "0GiB", "MiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_directory_names_both_sides_and_whether_it_may_be_written() {
        let here = |guest: &str, read_only| {
            Ok(Dir {
                host: ".".into(),
                guest: guest.into(),
                read_only,
            })
        };
        assert_eq!(dir(".::/data"), here("/data", false));
        assert_eq!(dir(".::/data:ro"), here("/data", true));
        assert!(dir("./data").is_err());
        assert!(dir("::/data").is_err());
        assert!(dir("./no/such/place::/data").is_err_and(|e| e.contains("no directory")));
    }

    #[test]
    fn a_variable_may_have_an_empty_value_but_no_empty_name() {
        assert_eq!(variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(variable("A="), Ok(("A".into(), "".into())));
        assert!(variable("A").is_err());
        assert!(variable("=b").is_err());
    }
}
