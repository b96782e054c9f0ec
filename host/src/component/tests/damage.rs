//! Machine code in the cache that is damaged, of another version, or changed under the reader's hands is never used.

use super::{Stored, bytes, memory, stored};
use crate::component::key::Key;
use sha2::{Digest, Sha256};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

/// Where the digest stands in a file, which is over everything else.
const DIGEST: std::ops::Range<usize> = 56..88;

/// Numbers that look random and are the same in every run.
fn numbers(below: usize) -> impl Iterator<Item = usize> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    })
}

/// Writes a file whose digest is right, whatever else it says.
fn write_with_digest(stored: &Stored, mut file: Vec<u8>) {
    let digest = Sha256::digest([&file[..DIGEST.start], &file[DIGEST.end..]].concat());
    file[DIGEST].copy_from_slice(&digest);
    fs::write(&stored.path, file).unwrap();
}

#[test]
fn a_file_that_was_cut_short_or_made_longer_is_not_used() {
    let stored = stored("cut-short");
    let whole = fs::read(&stored.path).unwrap();
    let cuts = (0..100)
        .map(|i| whole.len() * i / 100)
        .chain(whole.len() - 4..whole.len());
    for length in cuts {
        fs::write(&stored.path, &whole[..length]).unwrap();
        assert!(
            stored.folder.cache().load(&stored.key).is_none(),
            "cut to {length} bytes"
        );
    }
    fs::write(&stored.path, [&whole[..], b"\0"].concat()).unwrap();
    assert!(stored.folder.cache().load(&stored.key).is_none());
    fs::write(&stored.path, &whole).unwrap();
    assert!(
        stored.folder.cache().load(&stored.key).is_some(),
        "the whole file is used again"
    );
}

#[test]
fn a_file_with_one_wrong_bit_is_not_used() {
    let stored = stored("wrong-bit");
    let whole = fs::read(&stored.path).unwrap();
    let cache = stored.folder.cache();
    // Every bit of the two heads, and as many again anywhere.
    let anywhere = numbers(whole.len() * 8).take(1000);
    for bit in (0..(56 + 32) * 8).chain(anywhere) {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&stored.path, damaged).unwrap();
        assert!(
            cache.load(&stored.key).is_none(),
            "bit {bit} of {}",
            whole.len() * 8
        );
    }
}

#[test]
fn a_file_of_another_component_under_this_name_is_not_used() {
    let stored = stored("another");
    let other = Key([8; 32]);
    fs::rename(
        &stored.path,
        stored.path.with_file_name(format!("{}.code", other.hex())),
    )
    .unwrap();
    assert!(stored.folder.cache().load(&other).is_none());
}

#[test]
fn a_link_a_pipe_or_a_folder_in_the_place_of_the_file_is_not_used() {
    let stored = stored("no-file");
    let elsewhere = stored.path.with_extension("elsewhere");
    fs::rename(&stored.path, &elsewhere).unwrap();
    symlink(&elsewhere, &stored.path).unwrap();
    assert!(stored.folder.cache().load(&stored.key).is_none(), "link");
    fs::remove_file(&stored.path).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &stored.path, rustix::fs::Mode::RWXU).unwrap();
    assert!(stored.folder.cache().load(&stored.key).is_none(), "pipe");
    fs::remove_file(&stored.path).unwrap();
    fs::create_dir(&stored.path).unwrap();
    assert!(stored.folder.cache().load(&stored.key).is_none(), "folder");
    let stored_again =
        stored
            .folder
            .cache()
            .store(&stored.key, &stored.description, &memory(&stored.code));
    assert!(stored_again.is_err(), "a file cannot replace a folder");
    assert_eq!(
        fs::read_dir(&stored.folder.0).unwrap().count(),
        2,
        "no draft stays behind"
    );
}

#[test]
fn a_file_that_others_can_write_is_not_used() {
    let stored = stored("others-file");
    fs::set_permissions(&stored.path, Permissions::from_mode(0o620)).unwrap();
    assert!(stored.folder.cache().load(&stored.key).is_none());
}

#[test]
fn a_file_of_another_format_is_not_used_although_nothing_in_it_is_wrong() {
    let stored = stored("format");
    let whole = fs::read(&stored.path).unwrap();
    write_with_digest(&stored, whole.clone());
    assert!(stored.folder.cache().load(&stored.key).is_some());
    // The first bytes tell another program's file, the four behind them another format.
    for byte in 0..12 {
        let mut other = whole.clone();
        other[byte] = other[byte].wrapping_add(1);
        write_with_digest(&stored, other);
        assert!(
            stored.folder.cache().load(&stored.key).is_none(),
            "byte {byte}"
        );
    }
}

#[test]
fn lengths_that_do_not_add_up_are_refused_although_the_digest_is_right() {
    let stored = stored("lengths");
    let whole = fs::read(&stored.path).unwrap();
    // Four bytes of the description's length, eight of the code's.
    for byte in 12..24 {
        for bit in 0..8 {
            let mut other = whole.clone();
            other[byte] ^= 1 << bit;
            write_with_digest(&stored, other);
            assert!(
                stored.folder.cache().load(&stored.key).is_none(),
                "bit {bit} of byte {byte}"
            );
        }
    }
}

#[test]
fn what_was_loaded_stays_as_it_was_when_the_file_is_overwritten() {
    let stored = stored("overwritten");
    let found = stored.folder.cache().load(&stored.key).unwrap();
    let file = File::options().write(true).open(&stored.path).unwrap();
    let length = file.metadata().unwrap().len() as usize;
    file.write_all_at(&vec![0xcc; length], 0).unwrap();
    file.set_len(0).unwrap();
    assert!(bytes(found.code) == stored.code);
}

#[test]
fn a_file_that_is_overwritten_while_it_is_loaded_is_the_old_one_or_none() {
    let stored = stored("under-hands");
    let whole = fs::read(&stored.path).unwrap();
    let file = File::options().write(true).open(&stored.path).unwrap();
    let cache = stored.folder.cache();
    let done = AtomicBool::new(false);
    let (mut used, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Damages one byte after the other, and mends it.
            let mut places = numbers(whole.len());
            while !done.load(Ordering::Relaxed) {
                let place = places.next().unwrap();
                file.write_all_at(&[!whole[place]], place as u64).unwrap();
                std::thread::yield_now();
                file.write_all_at(&whole[place..=place], place as u64)
                    .unwrap();
                std::thread::park_timeout(std::time::Duration::from_micros(300));
            }
        });
        // As often as it takes for both to happen, and no longer than a test may take.
        for _ in 0..20_000 {
            match cache.load(&stored.key) {
                Some(found) => {
                    assert!(bytes(found.code) == stored.code, "changed code was used");
                    used += 1;
                }
                None => refused += 1,
            }
            if used >= 100 && refused >= 100 {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(used > 0 && refused > 0, "{used} used, {refused} refused");
}
