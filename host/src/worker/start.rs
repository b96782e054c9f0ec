//! How a worker comes to be: takes what its parent gives, starts the engine, gives up its rights step by step, and loads the
//! guest between two of them.

use super::log_lines::LogLines;
use super::{Line, Server};
use crate::engine::{self, Caller, Engine, Guest};
use crate::lockdown::calls::Needs;
use crate::lockdown::{self, Before, Lockdown, WallReport};
use crate::ring::{self, Desk, Log};
use crate::shared::{Client, Ends, Homes, Party, Segment};
use crate::wire::{self, Start};
use anyhow::{Context, bail, ensure};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

/// What a worker may need beyond its guest's memory and copies of it, in bytes: a long argument takes many times its own
/// length while it is a value. Some 10 MiB are used before the first job.
const OWN_BYTES: u64 = 1 << 30;

/// How many descriptors a worker without granted directories may have; it uses 7, and can open none.
const DESCRIPTORS: u64 = 32;

/// Starts the worker and shuts it in: gives what serves, and the walls that stand.
pub(super) fn server(control: BorrowedFd<'_>) -> anyhow::Result<(Server, Vec<WallReport>)> {
    lockdown::arrive().context("cannot let go of what was inherited")?;
    rustix::thread::set_name(c"host-worker")?;
    let Received {
        numbers,
        needed: [requests, answers, bell, code, start],
        memory,
        manager,
    } = receive(control)?;
    // Nothing more comes from there but the end.
    lockdown::die_with(control).context("cannot be sure to end with the parent")?;
    let bytes = whole(start).context("cannot read what to start")?;
    let start: Start = postcard::from_bytes(&bytes).context("cannot understand what to start")?;
    ensure!(
        start.version == wire::VERSION,
        "the worker speaks version {}, its parent {}",
        wire::VERSION,
        start.version
    );
    let (answers, requests) = ring::worker(requests, answers).context("cannot map the channel")?;
    let log = Arc::new(Log::new(&answers));
    let desk = Arc::new(Desk::new(&answers));
    let mut lockdown = Lockdown::new(start.sandbox)?;
    // The engine opens what it needs of the system, and has not seen the guest.
    let [worker, number] = [0, 4].map(|at| {
        let number = numbers[at..at + 4].try_into();
        u32::from_le_bytes(number.expect("four bytes are four"))
    });
    let homes = homes(&start, number, memory, manager).context("cannot reach shared objects")?;
    let engine = Engine::start(&start)?;
    let needs = needs(&start, &bell, &homes, pagemap()?);
    let bell = Arc::new(bell);
    lockdown.before_load(&before(&start))?;
    let guest = Guest::load(
        engine,
        &start,
        code.as_fd(),
        caller(&log, &desk, LogLines::new(bell.clone(), &answers)),
        worker,
        homes,
    )?;
    let (spins, timed) = (start.spins, start.limits.timeout.is_some());
    drop(code);
    let walls = lockdown.after_load(&needs)?;
    let server = Server {
        requests,
        line: Line::new(bell, answers, spins),
        log,
        desk,
        guest,
        timed,
        accounts: start.account,
        max_result_bytes: start.limits.result_bytes,
    };
    Ok((server, walls))
}

/// Where the guest's words go: into the channel's memory.
fn caller(log: &Arc<Log>, desk: &Arc<Desk>, lines: LogLines) -> Caller {
    let (log, reports, asked) = (log.clone(), desk.clone(), desk.clone());
    Caller {
        stderr: Arc::new(move |bytes| log.append(bytes)),
        log: Arc::new(move |line| lines.put(line)),
        report: Arc::new(move |done, total| reports.report(done, total)),
        is_cancelled: Arc::new(move || asked.is_cancelled()),
    }
}

/// Where this worker finds shared objects.
fn homes(
    start: &Start,
    number: u32,
    memory: Option<OwnedFd>,
    manager: Option<Ends>,
) -> anyhow::Result<Homes> {
    let memory = memory.map(|memory| Ok::<_, anyhow::Error>((party(number, &memory)?, start.room)));
    let manager = manager.map(|ends| {
        let client = Client::new(ends, start.spins)?;
        Ok::<_, Errno>((Arc::new(Mutex::new(client)), start.manager))
    });
    Ok(Homes {
        memory: memory.transpose()?,
        manager: manager.transpose()?,
    })
}

/// Who this worker is among those who work on shared objects.
fn party(number: u32, memory: &OwnedFd) -> anyhow::Result<Party> {
    let segment = Arc::new(Segment::map(memory)?);
    let party = Party::new(segment, number);
    party.introduce(std::process::id(), None);
    Ok(party)
}

/// What the worker may still take and use when it loads its guest.
fn before(start: &Start) -> Before<'static> {
    let dirs = &start.grants.dirs;
    Before {
        // It is tied to its parent already.
        lifeline: None,
        memory_bytes: OWN_BYTES + 4 * engine::copied_bytes(&start.limits) as u64,
        // The channel's memory is the only file that a worker writes by a call, unless it was given others.
        file_bytes: (!start.grants.allow_effects()).then_some(ring::FILE_BYTES),
        descriptors: dirs.is_empty().then_some(DESCRIPTORS),
        dirs: dirs
            .iter()
            .map(|dir| (dir.host.clone(), dir.read_only))
            .collect(),
    }
}

/// What the guest will need of the system.
fn needs(start: &Start, bell: &OwnedFd, homes: &Homes, pagemap: Option<u32>) -> Needs {
    let manager = homes.manager.as_ref().map(|(client, _)| {
        let client = client.lock().unwrap_or_else(PoisonError::into_inner);
        client.bells().as_raw_fd() as u32
    });
    let imports = &start.description.imports;
    Needs {
        bell: Some(bell.as_raw_fd() as u32),
        timer: start.limits.timeout.is_some(),
        wasi: imports.iter().any(|name| name.starts_with("wasi:")),
        shared: start.room != 0,
        manager,
        // Where directories are granted there is a thread for them, whether the guest uses it or not.
        files: !start.grants.dirs.is_empty(),
        pagemap,
    }
}

/// The descriptor by which the engine asks which pages of an instance were written, if this system can tell.
fn pagemap() -> std::io::Result<Option<u32>> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let target = std::fs::read_link(entry.path());
        if target.is_ok_and(|target| target.ends_with("pagemap")) {
            return Ok(entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok()));
        }
    }
    Ok(None)
}

/// The parent's one packet, and what came with it.
struct Received {
    numbers: [u8; 8],
    needed: [OwnedFd; 5],
    memory: Option<OwnedFd>,
    manager: Option<Ends>,
}

/// Takes the parent's one packet and the descriptors that come with it.
fn receive(control: BorrowedFd<'_>) -> anyhow::Result<Received> {
    let mut numbers = [0; 8];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(9))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let receive = || {
        rustix::net::recvmsg(
            control,
            &mut [IoSliceMut::new(&mut numbers)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
    };
    let received = rustix::io::retry_on_intr(receive)
        .context("this process is a worker, which only a pool can start")?;
    ensure!(
        received.bytes == numbers.len(),
        "the parent hung up before it said what to start"
    );
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        match message {
            RecvAncillaryMessage::ScmRights(received) => descriptors.extend(received),
            _ => bail!("the parent sent something else than descriptors"),
        }
    }
    let count = descriptors.len();
    let mut more = descriptors.split_off(count.min(5));
    let channel = match more.len() {
        3 | 4 => <[OwnedFd; 3]>::try_from(more.split_off(more.len() - 3)).ok(),
        _ => None,
    };
    let manager = channel.map(|[requests, replies, bells]| Ends {
        requests,
        replies,
        bells,
    });
    let memory = more.pop();
    match <[OwnedFd; 5]>::try_from(descriptors) {
        Ok(needed) if more.is_empty() => Ok(Received {
            numbers,
            needed,
            memory,
            manager,
        }),
        _ => bail!("the parent sent {count} descriptors, not 5, 6, 8 or 9"),
    }
}

/// All that a memory holds. Its workers share one file offset, so each reads by position.
fn whole(memory: OwnedFd) -> std::io::Result<Vec<u8>> {
    let memory = std::fs::File::from(memory);
    let mut bytes = vec![0; memory.metadata()?.len() as usize];
    memory.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}
