//! Where a component comes from, and its bytes.
//!
//! Nothing here looks into the bytes: what they are is the compile helper's business.

use super::{ComponentError, embedded};
use crate::types::closest;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// How large a component may be, in bytes: a Python interpreter with its libraries has 18 MB, and this much is still read
/// into memory without a second thought.
pub(super) const MAX_COMPONENT_BYTES: u64 = 256 << 20;

/// Where a component comes from.
///
/// ```
/// use host::Source;
/// assert!(matches!(Source::from("target/my_task.wasm"), Source::Named(_)));
/// assert!(matches!(Source::from(&b"(component)"[..]), Source::Bytes(_)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A path to a .wasm or .wat file, or, where there is no such file, the name of an embedded example such as `arith`.
    Named(PathBuf),
    /// A component in memory, binary or text.
    Bytes(Vec<u8>),
}

impl From<&str> for Source {
    fn from(name: &str) -> Self {
        Source::Named(name.into())
    }
}

impl From<String> for Source {
    fn from(name: String) -> Self {
        Source::Named(name.into())
    }
}

impl From<&Path> for Source {
    fn from(path: &Path) -> Self {
        Source::Named(path.into())
    }
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Self {
        Source::Named(path)
    }
}

impl From<Vec<u8>> for Source {
    fn from(bytes: Vec<u8>) -> Self {
        Source::Bytes(bytes)
    }
}

impl From<&[u8]> for Source {
    fn from(bytes: &[u8]) -> Self {
        Source::Bytes(bytes.into())
    }
}

/// As an error's text names it.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Named(path) => write!(f, "`{}`", path.display()),
            Source::Bytes(_) => f.write_str("the component in memory"),
        }
    }
}

impl Source {
    /// The component's bytes, binary or text.
    pub(super) fn read(&self) -> Result<Cow<'_, [u8]>, ComponentError> {
        let invalid = |reason| {
            Err(ComponentError::Invalid {
                component: self.to_string(),
                reason,
            })
        };
        let bytes = match self {
            Source::Named(path) => read_named(path)?,
            Source::Bytes(bytes) => Cow::Borrowed(&bytes[..]),
        };
        if bytes.is_empty() {
            return invalid("it is empty".into());
        }
        if bytes.len() as u64 > MAX_COMPONENT_BYTES {
            return invalid(format!(
                "it is larger than {} MiB",
                MAX_COMPONENT_BYTES >> 20
            ));
        }
        Ok(bytes)
    }
}

/// A file comes before an example of the same name, but a directory doesn't: `arith` in `guests/` is the example.
fn read_named(path: &Path) -> Result<Cow<'static, [u8]>, ComponentError> {
    let example = bare_word(path).and_then(embedded::find);
    match (fs::metadata(path), example) {
        (Ok(metadata), _) if metadata.is_file() => read_file(path).map(Cow::Owned),
        (_, Some(example)) => Ok(Cow::Borrowed(example)),
        (Ok(metadata), None) => Err(io::Error::other(match metadata.is_dir() {
            true => "it is a directory: give the path of a .wasm or .wat file",
            false => "it is not a regular file",
        })),
        (Err(error), None) if error.kind() == io::ErrorKind::NotFound => return Err(missing(path)),
        (Err(error), None) => Err(error),
    }
    .map_err(|source| ComponentError::Unreadable {
        path: path.into(),
        source,
    })
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than may be there tells a file that is too large, even one that grows while we read.
    File::open(path)?
        .take(MAX_COMPONENT_BYTES + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn missing(path: &Path) -> ComponentError {
    let suggestion = bare_word(path).and_then(|word| closest(word, embedded::names()));
    ComponentError::Missing {
        name: path.display().to_string(),
        suggestion,
    }
}

/// The name, if it has no folder in it.
fn bare_word(path: &Path) -> Option<&str> {
    (path.file_name() == Some(path.as_os_str()))
        .then_some(path.as_os_str())
        .and_then(OsStr::to_str)
}
