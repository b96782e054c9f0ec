//! Why a text is not a value of the type that is wanted. WAVE and JSON share these errors, but no code.

use crate::types::Field;
use std::fmt;

/// A text that is not a value of the wanted type: where in the value, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TextError {
    /// The place inside the value, such as `.tags[2]`; empty for the value as a whole.
    pub path: String,
    /// What is wrong at that place.
    pub problem: Problem,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The text breaks the rules of its notation, so there is no value to look at.
    #[error("this is not {notation}: {reason}")]
    Syntax {
        /// `WAVE` or `JSON`.
        notation: &'static str,
        /// What its parser says.
        reason: String,
    },
    /// Something else stands where a value of a certain type should.
    #[error("wanted {wanted}, found {found}")]
    Mismatch {
        /// The type in WIT, or `nothing`.
        wanted: String,
        /// The text that stands there, shortened.
        found: String,
    },
    /// A record without one of its fields, and that field is no option.
    #[error("the field `{0}` is missing")]
    MissingField(String),
    /// A field, case or flag whose name the type doesn't have.
    #[error("there is no {kind} `{name}`, only {}", list(known))]
    UnknownName {
        /// `field`, `case` or `flag`.
        kind: &'static str,
        /// The name that was given.
        name: String,
        /// The names that the type has.
        known: Vec<String>,
    },
}

impl TextError {
    pub(super) fn syntax(notation: &'static str, reason: impl fmt::Display) -> Self {
        Problem::Syntax {
            notation,
            reason: reason.to_string(),
        }
        .into()
    }

    pub(super) fn mismatch(wanted: impl fmt::Display, found: &str) -> Self {
        Problem::Mismatch {
            wanted: wanted.to_string(),
            found: shortened(found),
        }
        .into()
    }

    pub(super) fn unknown<'a>(
        kind: &'static str,
        name: &str,
        known: impl IntoIterator<Item = &'a String>,
    ) -> Self {
        let known = known.into_iter().cloned().collect();
        Problem::UnknownName {
            kind,
            name: name.to_string(),
            known,
        }
        .into()
    }

    pub(super) fn unknown_field(name: &str, fields: &[Field]) -> Self {
        Self::unknown("field", name, fields.iter().map(|field| &field.name))
    }

    /// The same problem, seen from the list or tuple whose item has it.
    pub(super) fn in_item(mut self, index: usize) -> Self {
        self.path.insert_str(0, &format!("[{index}]"));
        self
    }

    /// The same problem, seen from the record, variant, option or result around it.
    pub(super) fn in_name(mut self, name: &str) -> Self {
        self.path.insert_str(0, &format!(".{name}"));
        self
    }
}

impl From<Problem> for TextError {
    fn from(problem: Problem) -> Self {
        TextError {
            path: String::new(),
            problem,
        }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.problem)?;
        if !self.path.is_empty() {
            write!(f, " at `{}`", self.path)?;
        }
        Ok(())
    }
}

/// How many characters of a wrong text an error repeats: enough to recognise it, and still one line of a terminal.
const SHOWN: usize = 60;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None if text.is_empty() => "nothing".to_string(),
        None => format!("`{text}`"),
    }
}

fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
