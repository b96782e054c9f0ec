//! What the cache keeps: entries that were used lately, and no more of them than a disk can spare.
//!
//! Whoever fills the cache prunes it. Several programs may do so at once, and none waits for another: an entry that one
//! removes under another's hands is an entry that is compiled again. A program that has loaded an entry has a copy of it.

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, statat, unlinkat};
use std::time::{Duration, SystemTime};

/// What may stay in a cache folder.
pub(super) struct Bounds {
    /// For how long after its last use.
    pub(super) unused: Duration,
    /// How many bytes all entries may have together.
    pub(super) bytes: u64,
}

/// A month, so that what runs with the month's end stays; and some hundred components of the usual size.
pub(super) const BOUNDS: Bounds = Bounds {
    unused: Duration::from_secs(30 * 24 * 3600),
    bytes: 1 << 30,
};

/// How old a draft is that nobody will finish: many times what it takes to write one.
const ABANDONED: Duration = Duration::from_secs(3600);

/// One file of ours in the folder.
struct Entry {
    name: String,
    age: Duration,
    bytes: u64,
}

/// Removes what goes beyond the bounds, the longest unused first, but not `fresh`, which was just written. What cannot be
/// removed stays: whoever fills the cache next tries again.
pub(super) fn prune(folder: &OwnedFd, fresh: &str, bounds: &Bounds) {
    let mut entries = entries(folder);
    entries.retain(|entry| {
        let limit = match entry.name.starts_with('.') {
            true => ABANDONED,
            false => bounds.unused,
        };
        let stays = entry.age <= limit || entry.name == fresh;
        if !stays {
            remove(folder, entry);
        }
        stays
    });
    // By name as well, so that all who prune at once agree on the order.
    entries.sort_by(|a, b| a.age.cmp(&b.age).then_with(|| a.name.cmp(&b.name)));
    let mut total: u64 = entries.iter().map(|entry| entry.bytes).sum();
    // A draft in the making counts, but it is its writer's.
    let removable = |entry: &&Entry| entry.name != fresh && !entry.name.starts_with('.');
    for entry in entries.iter().rev().filter(removable) {
        if total <= bounds.bytes {
            return;
        }
        remove(folder, entry);
        total -= entry.bytes;
    }
}

fn remove(folder: &OwnedFd, entry: &Entry) {
    // Somebody else may have done it already.
    let _ = unlinkat(folder, &*entry.name, AtFlags::empty());
}

/// The entries and drafts in the folder. Other files, which only its user can have put there, are none of our business.
fn entries(folder: &OwnedFd) -> Vec<Entry> {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let names = Dir::read_from(folder).into_iter().flatten().flatten();
    let entry = |name: String| {
        let stat = statat(folder, &*name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let used = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or_default());
        (FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile).then(|| Entry {
            name,
            // A file from the future is a new one, to be on the safe side.
            age: now.saturating_sub(used),
            bytes: u64::try_from(stat.st_size).unwrap_or_default(),
        })
    };
    names
        .filter_map(|found| found.file_name().to_str().ok().map(str::to_owned))
        .filter(|name| is_ours(name))
        .filter_map(entry)
        .collect()
}

/// Whether this is the name of an entry, `KEY.code`, or of a draft, `.KEY.code.…`.
fn is_ours(name: &str) -> bool {
    let (name, draft) = match name.strip_prefix('.') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let key_and_rest = name.split_once(".code");
    key_and_rest.is_some_and(|(key, rest)| {
        key.len() == 64
            && key.bytes().all(|byte| byte.is_ascii_hexdigit())
            && match draft {
                true => rest.starts_with('.'),
                false => rest.is_empty(),
            }
    })
}
