//! Memory that looks like a file: shared with another process by its descriptor, and fixed for ever once sealed.
//!
//! Whoever checks bytes that another process can still change has checked nothing, so the order is: copy, seal, check.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;

/// Empty memory that can be written, and sealed later. The name is what `/proc` shows.
pub(super) fn create(name: &str) -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Nobody executes this file as a program; kernels before 6.3 can't be told so.
    match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => Ok(memfd_create(name, flags)?.into()),
        memory => Ok(memory?.into()),
    }
}

/// Makes the memory immutable, for us as for everybody else who has it.
pub(super) fn seal(memory: &File) -> io::Result<()> {
    Ok(fcntl_add_seals(
        memory,
        SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL,
    )?)
}

/// The rest of a file, in sealed memory of its own that begins at 0.
///
/// # Errors
/// `InvalidData` unless the rest has exactly this length.
pub(super) fn copy_of_rest(name: &str, from: &File, length_bytes: u64) -> io::Result<File> {
    let mut memory = create(name)?;
    let copied = io::copy(&mut from.take(length_bytes.saturating_add(1)), &mut memory)?;
    if copied != length_bytes {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the machine code has another length than announced",
        ));
    }
    memory.rewind()?;
    seal(&memory)?;
    Ok(memory)
}

/// Hands the contents out piece by piece, and leaves the file's position, which whoever has the memory shares, alone.
pub(super) fn for_each_piece(
    memory: &File,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    // Large enough that the calls don't show beside the hashing, small enough to stay in the processor's cache.
    let mut piece = vec![0; 128 << 10];
    let mut offset = 0;
    loop {
        let length = memory.read_at(&mut piece, offset)?;
        if length == 0 {
            return Ok(());
        }
        each(&piece[..length])?;
        offset += length as u64;
    }
}
