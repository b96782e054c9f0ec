//! Machine code from an earlier run: a folder that only this user can write, with one file for each key.
//!
//! A file is a [`Header`], the description, the machine code. Wasmtime runs machine code without looking at it, so a
//! file that isn't exactly what was written, or was written for another key, is no file: the component is compiled
//! again and the file replaced. A file's time of change is that of its last use, give or take a day, by which `prune`
//! knows what to remove. Nothing here knows how machine code is made.

use super::exchange::MAX_HEAD_BYTES;
use super::key::Key;
use super::prune::{self, prune};
use super::{Component, ComponentError};
use crate::sealed;
use crate::types::Description;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, openat, renameat, unlinkat};
use rustix::process::geteuid;
use sha2::{Digest, Sha256};
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// The version of the files. Raise it with every change of [`Header`], of [`Description`] or of the types in it, and of what
/// is added to components.
pub(super) const FORMAT: u32 = 5;

/// The first bytes of a file, so that a file of another program is known as such.
const MAGIC: [u8; 8] = *b"host\0mc\n";

/// How exactly the last use is known: most loads write nothing.
const NOTED_EVERY: Duration = Duration::from_secs(24 * 3600);

/// The cache folder, open: whoever renames it or one of its parents now changes nothing for us.
pub(super) struct Cache {
    folder: OwnedFd,
    path: PathBuf,
}

impl Cache {
    /// Opens the folder, and makes it if needed; `None` where there is none and none can be made.
    ///
    /// # Errors
    /// Where somebody else can write to the folder, and so could choose what machine code we run.
    pub(super) fn open(explicit: Option<&Path>) -> Result<Option<Cache>, ComponentError> {
        let path = explicit.map_or_else(default_folder, |path| Ok(path.to_owned()))?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        let opened = made.and_then(|()| {
            let folder = openat(
                CWD,
                &path,
                OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            Ok((fstat(&folder)?, folder))
        });
        let Ok((stat, folder)) = opened else {
            return Ok(None);
        };
        match written_by_others(&stat) {
            Some(reason) => Err(ComponentError::Untrusted {
                folder: path,
                reason,
            }),
            None => Ok(Some(Cache { folder, path })),
        }
    }

    /// What is stored for this key; `None` if nothing is, or nothing that can be trusted.
    pub(super) fn load(&self, key: &Key) -> Option<Component> {
        let name = file_name(key);
        // The last two flags keep a link or a pipe in the file's place from leading or holding us elsewhere.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = openat(&self.folder, &name, flags, Mode::empty()).ok()?;
        let stat = fstat(&file).ok()?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile
            || written_by_others(&stat).is_some()
        {
            return None;
        }
        let file = File::from(file);
        let (description, code) = read(&file, u64::try_from(stat.st_size).ok()?, key).ok()?;
        note_use(&file);
        Some(Component {
            description,
            code: code.into(),
            cached_at: Some(self.path.join(name)),
        })
    }

    /// Stores a component, and gives the file's path.
    pub(super) fn store(
        &self,
        key: &Key,
        description: &Description,
        code: &File,
    ) -> io::Result<PathBuf> {
        let name = file_name(key);
        // Written under a name that nobody reads, then renamed: two programs that fill the cache at once each put a
        // whole file there, and the second replaces the first by its equal.
        let draft = draft_name(&name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(&self.folder, &draft, flags, Mode::RUSR | Mode::WUSR)?;
        let stored = write(file.into(), key, description, code)
            .and_then(|()| Ok(renameat(&self.folder, &draft, &self.folder, &name)?));
        if stored.is_err() {
            // If that fails too, the file is still one that nobody reads.
            let _ = unlinkat(&self.folder, &draft, AtFlags::empty());
        }
        prune(&self.folder, &name, &prune::BOUNDS);
        stored.map(|()| self.path.join(name))
    }
}

/// What precedes the description and the machine code; little-endian on disk, in this order.
struct Header {
    description_bytes: u32,
    code_bytes: u64,
    key: Key,
}

impl Header {
    const BYTES: usize = MAGIC.len() + 4 + 4 + 8 + 32;

    fn to_bytes(&self) -> Vec<u8> {
        let numbers = [
            &FORMAT.to_le_bytes()[..],
            &self.description_bytes.to_le_bytes(),
            &self.code_bytes.to_le_bytes(),
        ];
        [&MAGIC[..], &numbers.concat(), &self.key.0].concat()
    }
}

/// The SHA-256 over everything else in the file stands between the header and the description.
const DIGEST_BYTES: usize = 32;

fn write(mut file: File, key: &Key, description: &Description, code: &File) -> io::Result<()> {
    let description = postcard::to_stdvec(description).map_err(io::Error::other)?;
    let header = Header {
        description_bytes: u32::try_from(description.len()).map_err(io::Error::other)?,
        code_bytes: code.metadata()?.len(),
        key: *key,
    };
    let header = header.to_bytes();
    file.write_all(&header)?;
    file.write_all(&digest(&header, &description, code)?)?;
    file.write_all(&description)?;
    sealed::for_each_piece(code, |piece| file.write_all(piece))
}

fn read(mut file: &File, length_bytes: u64, key: &Key) -> io::Result<(Description, File)> {
    let mut header = [0; Header::BYTES];
    file.read_exact(&mut header)?;
    let mut expected = [0; DIGEST_BYTES];
    file.read_exact(&mut expected)?;

    let description_bytes = u32::from_le_bytes(field(&header, MAGIC.len() + 4));
    let code_bytes = u64::from_le_bytes(field(&header, MAGIC.len() + 8));
    let known = Header {
        description_bytes,
        code_bytes,
        key: *key,
    }
    .to_bytes()
        == header;
    let before_code = Header::BYTES as u64 + DIGEST_BYTES as u64 + u64::from(description_bytes);
    if !known
        || description_bytes > MAX_HEAD_BYTES
        || before_code.checked_add(code_bytes) != Some(length_bytes)
    {
        return Err(damaged());
    }

    let mut description = vec![0; description_bytes as usize];
    file.read_exact(&mut description)?;
    let code = sealed::copy_of_rest("host-code", file, code_bytes)?;
    if digest(&header, &description, &code)? != expected {
        return Err(damaged());
    }
    Ok((
        postcard::from_bytes(&description).map_err(|_| damaged())?,
        code,
    ))
}

/// Marks the file as used just now.
fn note_use(file: &File) {
    let noted = file.metadata().and_then(|metadata| metadata.modified());
    let recently = noted.is_ok_and(|noted| noted.elapsed().is_ok_and(|age| age < NOTED_EVERY));
    if !recently {
        // Where that fails, the file is removed too early and made again.
        let _ = file.set_modified(SystemTime::now());
    }
}

fn digest(header: &[u8], description: &[u8], code: &File) -> io::Result<[u8; DIGEST_BYTES]> {
    let mut hash = Sha256::new();
    hash.update(header);
    hash.update(description);
    sealed::for_each_piece(code, |piece| {
        hash.update(piece);
        Ok(())
    })?;
    Ok(hash.finalize().into())
}

/// The bytes of a number in the header.
fn field<const N: usize>(header: &[u8; Header::BYTES], at: usize) -> [u8; N] {
    std::array::from_fn(|i| header[at + i])
}

fn damaged() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the cache file is damaged, or was written for another component",
    )
}

/// Who else may write a file or folder, if somebody may.
fn written_by_others(stat: &Stat) -> Option<String> {
    let (owner, us) = (stat.st_uid, geteuid().as_raw());
    if owner != us {
        return Some(format!("it belongs to user {owner}, and this is user {us}"));
    }
    let mode = stat.st_mode & 0o7777;
    (mode & 0o022 != 0).then(|| format!("others may write to it (its mode is {mode:04o})"))
}

/// *Source*: the XDG Base Directory Specification, which says that a relative path in the variable is to be ignored.
fn default_folder() -> Result<PathBuf, ComponentError> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let named = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(absolute);
    let in_home = || {
        std::env::home_dir()
            .filter(absolute)
            .map(|home| home.join(".cache"))
    };
    Ok(named
        .or_else(in_home)
        .ok_or(ComponentError::NoHome)?
        .join("host"))
}

fn file_name(key: &Key) -> String {
    format!("{}.code", key.hex())
}

/// A name that no other thread or program uses: a process that died may have left a draft under its number.
fn draft_name(name: &str) -> String {
    static DRAFTS: AtomicU64 = AtomicU64::new(0);
    let draft = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let nanos = SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |time| time.as_nanos());
    format!(".{name}.{}.{draft}.{nanos:x}", std::process::id())
}
