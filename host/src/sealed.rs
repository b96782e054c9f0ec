//! Memory that looks like a file: shared with another process by its descriptor, and fixed for ever once sealed.
//!
//! Whoever checks bytes that another process can still change has checked nothing, so the order is: copy, seal, check.
//! This module knows nothing of what the bytes are. The [`ring`](crate::ring)'s memories, which are written as long as
//! they live, are not of this kind.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};
use std::os::unix::fs::FileExt;

/// Empty memory that can be written. The name is what `/proc` shows.
pub(crate) fn create(name: &str) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Nobody executes this file as a program; kernels before 6.3 can't be told so.
    match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => Ok(memfd_create(name, flags)?.into()),
        memory => Ok(memory?.into()),
    }
}

/// Memory that `write` fills and that nobody can change afterwards, we included. Its position is the beginning.
pub(crate) fn filled(
    name: &str,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<File> {
    let mut memory = create(name)?;
    write(&mut memory)?;
    memory.rewind()?;
    fcntl_add_seals(
        &memory,
        SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL,
    )?;
    Ok(memory)
}

/// The rest of a file, in sealed memory of its own.
///
/// # Errors
/// `InvalidData` unless the rest has exactly this length.
pub(crate) fn copy_of_rest(name: &str, from: &File, length_bytes: u64) -> io::Result<File> {
    filled(name, |memory| {
        // One byte more than may be there tells a file that is too long.
        let copied = io::copy(&mut from.take(length_bytes.saturating_add(1)), memory)?;
        if copied == length_bytes {
            Ok(())
        } else {
            Err(io::Error::new(
                ErrorKind::InvalidData,
                "the file has another length than it says",
            ))
        }
    })
}

/// Hands the contents out piece by piece, and leaves the file's position, which whoever has the memory shares, alone.
pub(crate) fn for_each_piece(
    memory: &File,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    // Large enough that the calls don't show beside the hashing, small enough to stay in the processor's cache.
    let mut piece = vec![0; 128 << 10];
    let mut offset = 0;
    loop {
        match memory.read_at(&mut piece, offset) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                each(&piece[..length])?;
                offset += length as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_was_filled_reads_from_its_beginning_and_cannot_be_changed() {
        let mut memory = filled("host-test", |memory| memory.write_all(b"fixed")).unwrap();
        assert!(memory.write_all(b"F").is_err());
        assert!(memory.set_len(1).is_err());
        assert!(memory.set_len(9).is_err());
        let mut text = String::new();
        memory.read_to_string(&mut text).unwrap();
        assert_eq!(text, "fixed");
    }

    #[test]
    fn a_copy_is_as_long_as_was_said_or_refused() {
        let mut memory = filled("host-test", |memory| memory.write_all(b"0123456789")).unwrap();
        for (length, fits) in [(6, true), (5, false), (7, false), (u64::MAX, false)] {
            memory.seek(io::SeekFrom::Start(4)).unwrap();
            let copy = copy_of_rest("host-test", &memory, length);
            assert_eq!(copy.is_ok(), fits, "{length}");
        }
    }

    #[test]
    fn pieces_are_the_whole_and_do_not_move_the_position() {
        let bytes: Vec<u8> = (0..300_000u32).map(|i| i as u8).collect();
        let mut memory = filled("host-test", |memory| memory.write_all(&bytes)).unwrap();
        let mut pieces = Vec::new();
        for_each_piece(&memory, |piece| {
            pieces.extend_from_slice(piece);
            Ok(())
        })
        .unwrap();
        assert_eq!(pieces, bytes);
        assert_eq!(memory.stream_position().unwrap(), 0);
    }
}
