//! How other programs come in: a socket at a path, and a key that they have to know.
//!
//! The path is one that only its user may connect to. The key is asked for besides, because a path can be bound by somebody else
//! before we come or after we are gone, and because a folder's rights are easily wrong. It never passes the socket: each side
//! sends the other a number that was never used before, and gets it back hashed with the key (HMAC-SHA256). So neither whoever
//! listens, nor who serves a false socket at the path, learns anything that lets him in.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

/// A key, and what is hashed with one.
pub(super) type Secret = [u8; 32];

/// How long a program has to show that it knows the key.
pub(super) const PROOF_TIME: Duration = Duration::from_secs(5);

/// The socket at which programs come in.
pub(super) struct Gate {
    door: OwnedFd,
    key: Secret,
    seed: Secret,
    opened: u64,
}

impl AsFd for Gate {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.door.as_fd()
    }
}

/// A program that has not shown yet that it knows the key.
pub(super) struct Guest {
    challenge: Secret,
    deadline: Instant,
}

/// What became of a guest.
pub(super) enum Step {
    /// It has said nothing yet.
    Waits,
    /// It does not know the key, or is gone.
    Refused,
    Knows,
}

impl Gate {
    /// The seed is what challenges are made of. Nobody else may know it.
    pub(super) fn new(door: OwnedFd, key: Secret, seed: Secret) -> Gate {
        Gate {
            door,
            key,
            seed,
            opened: 0,
        }
    }

    /// Lets the next program up to the gate, if one waits.
    pub(super) fn open(&mut self) -> Option<(OwnedFd, Guest)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let control = rustix::net::accept_with(&self.door, flags).ok()?;
        self.opened += 1;
        let challenge = authenticate(&self.seed, &[b"challenge", &self.opened.to_le_bytes()]);
        let guest = Guest {
            challenge,
            deadline: Instant::now() + PROOF_TIME,
        };
        let sent = rustix::net::send(&control, &guest.challenge, SendFlags::NOSIGNAL);
        sent.is_ok().then_some((control, guest))
    }
}

impl Guest {
    /// Until when it has to have shown it.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Takes what it says, and shows it in turn that we know the key, too.
    pub(super) fn step(&mut self, gate: &Gate, control: BorrowedFd<'_>) -> Step {
        let mut said = [0; 64];
        match rustix::net::recv(control, &mut said, RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN | Errno::INTR) => return Step::Waits,
            Ok((_, 64)) => {}
            Ok(_) | Err(_) => return Step::Refused,
        }
        let (theirs, proof) = said.split_at(32);
        let expected = authenticate(&gate.key, &[b"program", &self.challenge, theirs]);
        if !same(&expected, proof) {
            return Step::Refused;
        }
        let ours = authenticate(&gate.key, &[b"manager", theirs, &self.challenge]);
        match rustix::net::send(control, &ours, SendFlags::NOSIGNAL) {
            Ok(_) => Step::Knows,
            Err(_) => Step::Refused,
        }
    }
}

/// Shows a manager that we know its key, and asks for the same.
///
/// # Errors
/// What went wrong, for people.
pub(super) fn enter(control: BorrowedFd<'_>, key: &Secret, ours: &Secret) -> Result<(), String> {
    let receive = || {
        let mut said = [0; 32];
        match rustix::net::recv(control, &mut said, RecvFlags::empty()) {
            Ok((_, 32)) => Ok(said),
            Ok((_, 0)) => Err("it hung up: the key is another one".to_owned()),
            Ok(_) => Err("it said something that no manager says".to_owned()),
            Err(Errno::AGAIN) => Err(format!("it said nothing for {} s", PROOF_TIME.as_secs())),
            Err(error) => Err(error.to_string()),
        }
    };
    let challenge = receive()?;
    let proof = authenticate(key, &[b"program", &challenge, ours]);
    let said = [ours.as_slice(), &proof].concat();
    rustix::net::send(control, &said, SendFlags::NOSIGNAL).map_err(|error| error.to_string())?;
    match same(
        &authenticate(key, &[b"manager", ours, &challenge]),
        &receive()?,
    ) {
        true => Ok(()),
        false => Err("it does not know the key itself: somebody else serves there".to_owned()),
    }
}

/// HMAC-SHA256. *Source*: RFC 2104.
pub(super) fn authenticate(key: &Secret, parts: &[&[u8]]) -> Secret {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block
            .iter_mut()
            .zip(key)
            .for_each(|(byte, key)| *byte ^= key);
        block
    };
    let mut inner = Sha256::new().chain_update(pad(0x36));
    parts.iter().for_each(|part| inner.update(part));
    let outer = Sha256::new().chain_update(pad(0x5c));
    outer.chain_update(inner.finalize()).finalize().into()
}

/// Compares without telling by its time where the two differ.
fn same(one: &Secret, other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_standard() {
        // RFC 4231, test case 1, whose key is filled up with zeros as the standard says.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let hash = authenticate(&key, &[b"Hi ", b"There"]);
        assert_eq!(hash[..8], [0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53]);
    }

    #[test]
    fn secrets_are_the_same_only_if_every_bit_is() {
        let secret = [7; 32];
        assert!(same(&secret, &[7; 32]));
        for bit in 0..256 {
            let mut other = secret;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!same(&secret, &other));
        }
        assert!(!same(&secret, &[7; 31]));
    }
}
