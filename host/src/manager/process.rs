//! The life of a manager's process: take what the parent gives, give up all rights, serve.

use super::gate::{Gate, Secret, authenticate};
use super::server::{LONG_MESSAGES, Server};
use super::store::ManagerLimits;
use crate::lockdown::{self, Before, Lockdown, Missing, Sandbox, WallReport};
use crate::wire::{self, Hello};
use anyhow::{Context, bail, ensure};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a manager is started with, in one packet. The socket at which programs come in is with it, if there is one.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Start {
    pub(super) version: u32,
    pub(super) limits: ManagerLimits,
    pub(super) sandbox: Sandbox,
    /// What programs have to know who come in.
    pub(super) key: Option<Secret>,
}

impl Start {
    /// The longest packet, in bytes.
    pub(super) const MAX_BYTES: usize = 256;
}

/// What a manager needs beside its objects, in bytes: the code's own, and what is on its way through channels.
const OWN_BYTES: u64 = 512 << 20;
/// The longest last words, in bytes.
pub(super) const STDERR_BYTES: u64 = 64 << 10;
/// The descriptors of the process itself, and programs at the gate.
const DESCRIPTORS: u64 = 64;
/// How it exits after a panic of its own code, as every Rust program does.
const PANICKED: i32 = 101;

/// Serves the parent at the other end of standard input, and returns when it hangs up.
pub(crate) fn serve() -> i32 {
    let stdin = std::io::stdin();
    let control = stdin.as_fd();
    match start(control) {
        Ok((mut server, walls)) => {
            let version = wire::VERSION;
            if say(control, &Hello::Ready { version, walls }).is_err() {
                return 1;
            }
            // The panic has told on stderr what it is; unwound to `main` it would end in calls that this process may not make.
            let served = catch_unwind(AssertUnwindSafe(|| server.run()));
            lockdown::leave(served.map_or(PANICKED, |()| 0))
        }
        Err(error) => {
            let hello = match error.downcast_ref::<Missing>() {
                Some(missing) => Hello::Unprotected(missing.to_string()),
                None => Hello::Failed(format!("{error:#}")),
            };
            // If nobody listens at the other end, somebody started this by hand.
            let _ = say(control, &hello);
            1
        }
    }
}

fn say(control: BorrowedFd<'_>, hello: &Hello) -> anyhow::Result<()> {
    let packet = postcard::to_stdvec(hello)?;
    rustix::net::send(control, &packet, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn start(control: BorrowedFd<'_>) -> anyhow::Result<(Server, Vec<WallReport>)> {
    lockdown::arrive().context("cannot let go of what was inherited")?;
    let (start, door) = receive(control)?;
    ensure!(
        start.version == wire::VERSION,
        "the manager speaks version {}, its parent {}",
        wire::VERSION,
        start.version
    );
    // What has to be asked of the system, and what libraries ask on their own: a table's first key is a random number.
    let mut seed = [0; 32];
    let mut random = File::open("/dev/urandom").context("no random numbers")?;
    random.read_exact(&mut seed).context("no random numbers")?;
    drop(random);
    let gate = match (door, start.key) {
        (Some(door), Some(key)) => Some(Gate::new(door, key, authenticate(&seed, &[b"gate"]))),
        _ => None,
    };
    let serves_others = gate.is_some();
    let limits = start.limits;
    let before = Before {
        lifeline: Some(control),
        // Tables grow by doubling, and are there twice while they do; so do messages.
        memory_bytes: (limits.bytes.saturating_mul(3))
            .saturating_add(3 * LONG_MESSAGES * u64::from(limits.item_bytes))
            .saturating_add(OWN_BYTES),
        file_bytes: Some(STDERR_BYTES),
        descriptors: Some(DESCRIPTORS + u64::from(limits.clients)),
        dirs: Vec::new(),
    };
    let control = control.try_clone_to_owned()?;
    let server = Server::new(control, limits, authenticate(&seed, &[b"objects"]), gate);
    let walls = Lockdown::new(start.sandbox)?.manage(&before, serves_others)?;
    Ok((server, walls))
}

/// Takes the parent's one packet and the descriptor that may come with it.
fn receive(control: BorrowedFd<'_>) -> anyhow::Result<(Start, Option<OwnedFd>)> {
    let mut packet = [0; Start::MAX_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        control,
        &mut [IoSliceMut::new(&mut packet)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )
    .context("this process is a manager, which only a program can start")?;
    let mut door = None;
    for message in ancillary.drain() {
        match message {
            RecvAncillaryMessage::ScmRights(mut received) => door = received.next(),
            _ => bail!("the parent sent something else than descriptors"),
        }
    }
    let start = postcard::from_bytes(&packet[..received.bytes]);
    Ok((start.context("cannot understand what to start")?, door))
}
