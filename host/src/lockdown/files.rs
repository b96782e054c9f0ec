//! Landlock: no file of the machine can be opened, but in the directories that were granted; no TCP address bound or
//! connected to; no signal sent and no abstract socket reached outside.
//!
//! *Source*: landlock(7). It holds for this thread and those that it starts, so it comes before any thread.

use super::WallState;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus,
    PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope,
};
use std::io;
use std::path::PathBuf;

/// The newest version that was tried (on Linux 6.18); what a kernel lacks of it is left out and reported.
const NEWEST: ABI = ABI::V6;
/// The first version that knows network addresses.
const WITH_NETWORK: ABI = ABI::V4;

/// Whether this kernel's Landlock, if it has any, knows network addresses.
pub(super) fn can_cover_network() -> bool {
    let wanted = AccessNet::from_all(WITH_NETWORK);
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    rules.handle_access(wanted).is_ok()
}

/// The restriction that the kernel accepted.
pub(crate) struct Closed(ABI);

impl Closed {
    /// Whether neither files nor TCP addresses can be reached.
    pub(super) fn covers_network(&self) -> bool {
        self.0 >= WITH_NETWORK
    }
}

/// Closes all files but those in these directories, each with whether it may only be read.
///
/// # Errors
/// The kernel has no Landlock, or refuses.
pub(crate) fn close(dirs: &[(PathBuf, bool)]) -> io::Result<(WallState, Closed)> {
    let status = restrict(dirs).map_err(io::Error::other)?;
    match status.landlock {
        LandlockStatus::NotEnabled => Err(io::Error::other(
            "this kernel was booted without it among its `lsm=`",
        )),
        LandlockStatus::NotImplemented => Err(io::Error::other(
            "this kernel was built without it, or a container's profile forbids it",
        )),
        LandlockStatus::Available { effective_abi, .. } => {
            let state = match effective_abi {
                abi if abi >= NEWEST => WallState::On,
                abi => WallState::Partial(format!(
                    "this kernel has version {} of it, {} has all that is asked",
                    abi as i32, NEWEST as i32
                )),
            };
            Ok((state, Closed(effective_abi)))
        }
    }
}

fn restrict(dirs: &[(PathBuf, bool)]) -> Result<RestrictionStatus, landlock::RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    for (path, read_only) in dirs {
        // What cannot be opened here the engine cannot open either; it has the better words for that.
        if let Ok(dir) = PathFd::new(path) {
            rules = rules.add_rule(PathBeneath::new(dir, rights_in(*read_only)))?;
        }
    }
    rules.restrict_self()
}

/// What may be done in a granted directory: files and folders, but no program, no device, no socket.
fn rights_in(read_only: bool) -> BitFlags<AccessFs> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::WriteFile
        | AccessFs::RemoveDir
        | AccessFs::RemoveFile
        | AccessFs::MakeDir
        | AccessFs::MakeReg
        | AccessFs::MakeSym
        | AccessFs::Refer
        | AccessFs::Truncate;
    if read_only { read } else { read | write }
}
