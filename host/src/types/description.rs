//! What a component offers, and the function that a caller means by a name.
//!
//! A name may be as short as it is unique: `square`, `arith/square`, `pool:tasks/arith/square`, or in full
//! `pool:tasks/arith@0.1.0#square`.

use super::{Function, Type};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// How many candidates an error's text lists: as many as fit a few lines of a terminal.
const CANDIDATES_SHOWN: usize = 12;

/// What a component exports and imports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The functions that can be called, in the order of the component's exports.
    pub functions: Vec<Function>,
    /// Exported functions that cannot be called from another process, by full name, each with the reason.
    pub uncallable: Vec<(String, String)>,
    /// The imported interfaces and functions, by name.
    pub imports: Vec<String>,
    /// For each of these functions which of the component's added functions sweeps it, that is calls it for many jobs in
    /// a row.
    pub sweeps: Vec<Option<u32>>,
    /// The component's world in WIT, with every interface that it names.
    pub wit: String,
}

/// Why a name doesn't lead to a function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// No exported function has this name.
    #[error("no function `{name}`{}{}", exported(candidates), did_you_mean(suggestion.as_deref()))]
    Unknown {
        /// The name that was given.
        name: String,
        /// The function that was probably meant.
        suggestion: Option<String>,
        /// All functions that can be called, each by its shortest name.
        candidates: Vec<String>,
    },
    /// Several interfaces have a function of this name.
    #[error(
        "several functions are called `{name}`: write {}",
        list(candidates, " or ")
    )]
    Ambiguous {
        /// The name that was given.
        name: String,
        /// The functions that have it, each by its shortest name.
        candidates: Vec<String>,
    },
    /// The function is there, but its arguments or its result cannot leave the guest's process.
    #[error("the function `{name}` cannot be called from another process: {reason}")]
    Uncallable {
        /// The function's full name.
        name: String,
        /// What stands in the way.
        reason: String,
    },
}

impl Description {
    /// The function beside this one that does the same for a list: `f-batch: func(list<T>) -> list<R>` for
    /// `f: func(T) -> R`.
    pub(crate) fn batch_of(&self, function: &Function) -> Option<usize> {
        let [param] = &function.params[..] else {
            return None;
        };
        // A list may be done twice, which shared objects would show.
        if function.takes_objects() {
            return None;
        }
        let result = function.result.as_ref()?;
        let list_of = |list: &Type, item: &Type| matches!(list, Type::List(of) if **of == *item);
        let is_batch = |other: &Function| {
            other.interface == function.interface
                && other.name.strip_suffix("-batch") == Some(&function.name)
                && matches!(&other.params[..], [list] if list_of(&list.ty, &param.ty))
                && other
                    .result
                    .as_ref()
                    .is_some_and(|list| list_of(list, result))
        };
        self.functions.iter().position(is_batch)
    }

    /// The index in [`functions`](Self::functions) of the function that this name means.
    ///
    /// # Errors
    /// [`FindError`], with the names that would have worked.
    pub fn find(&self, name: &str) -> Result<usize, FindError> {
        // A function of the world has no longer name than its bare one, so that one has to mean it.
        if let Some(exact) = self
            .functions
            .iter()
            .position(|function| function.full_name() == name)
        {
            return Ok(exact);
        }
        let called = |function: &Function| names(function).any(|known| known == name);
        let found: Vec<usize> = (0..self.functions.len())
            .filter(|&index| called(&self.functions[index]))
            .collect();
        match found[..] {
            [one] => Ok(one),
            [] => Err(self.uncallable(name).unwrap_or_else(|| self.unknown(name))),
            _ => {
                let shortest = self.shortest_names();
                let candidates = found
                    .into_iter()
                    .map(|index| shortest[index].clone())
                    .collect();
                Err(FindError::Ambiguous {
                    name: name.to_owned(),
                    candidates,
                })
            }
        }
    }

    fn uncallable(&self, name: &str) -> Option<FindError> {
        let (full, reason) = self.uncallable.iter().find(|(full, _)| {
            let (interface, function) = full
                .rsplit_once('#')
                .map_or((None, &full[..]), |(i, f)| (Some(i), f));
            names_in(interface, function).any(|known| known == name)
        })?;
        Some(FindError::Uncallable {
            name: full.clone(),
            reason: reason.clone(),
        })
    }

    fn unknown(&self, name: &str) -> FindError {
        let suggestion = closest(name, self.functions.iter().flat_map(names));
        FindError::Unknown {
            name: name.to_owned(),
            suggestion,
            candidates: self.shortest_names(),
        }
    }

    /// For each function the shortest name that means it and no other.
    fn shortest_names(&self) -> Vec<String> {
        let mut bearers: HashMap<String, usize> = HashMap::new();
        for name in self.functions.iter().flat_map(names) {
            *bearers.entry(name).or_default() += 1;
        }
        let shortest =
            |function: &Function| names(function).find(|name| bearers.get(name) == Some(&1));
        self.functions
            .iter()
            .map(|function| shortest(function).unwrap_or_else(|| function.full_name()))
            .collect()
    }
}

fn names(function: &Function) -> impl Iterator<Item = String> + use<> {
    names_in(function.interface.as_deref(), &function.name)
}

/// All names of a function, from the shortest to the full one, each once.
fn names_in(interface: Option<&str>, function: &str) -> impl Iterator<Item = String> + use<> {
    let mut names = vec![function.to_owned()];
    if let Some(interface) = interface {
        let unversioned = interface
            .split_once('@')
            .map_or(interface, |(name, _)| name);
        let last = |name: &str| {
            name.rsplit_once('/')
                .map_or(name, |(_, last)| last)
                .to_owned()
        };
        for prefix in [
            last(unversioned),
            last(interface),
            unversioned.to_owned(),
            interface.to_owned(),
        ] {
            names.push(format!("{prefix}/{function}"));
        }
        names.push(format!("{interface}#{function}"));
        names.dedup();
    }
    names.into_iter()
}

/// The name that was probably meant: the one with the fewest typing errors, at most one in three letters.
pub(crate) fn closest(word: &str, names: impl Iterator<Item = impl AsRef<str>>) -> Option<String> {
    let allowed = (word.len() / 3).max(1);
    names
        // The lengths are compared first, because they are cheap and a hostile component can export many long names.
        .filter(|name| name.as_ref().len().abs_diff(word.len()) <= allowed)
        .map(|name| (strsim::osa_distance(word, name.as_ref()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name.as_ref().to_owned())
}

pub(crate) fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

fn exported(candidates: &[String]) -> String {
    match candidates {
        [] => ": the component exports no function that can be called".into(),
        _ => format!(": the component exports {}", list(candidates, ", ")),
    }
}

fn list(names: &[String], separator: &str) -> String {
    let shown: Vec<_> = names
        .iter()
        .take(CANDIDATES_SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = names.len() - shown.len();
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    shown.join(separator) + &rest
}

#[cfg(test)]
mod tests;
