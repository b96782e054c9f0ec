//! Rights and limits of the process itself: capabilities, who may look into it, how it ends, how much it may take.

use super::{Before, WallState};
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getrlimit, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};
use std::io;

/// Drops every capability. Without the right to empty the bounding set that stays, and no new privileges make it void.
pub(crate) fn drop_capabilities() -> io::Result<(WallState, ())> {
    for capability in CapabilitySet::all().iter() {
        match remove_capability_from_bounding_set(capability) {
            // A process without rights may not, and an older kernel has fewer of them.
            Ok(()) | Err(Errno::PERM | Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )?;
    Ok((WallState::On, ()))
}

/// The kernel kills this process when the thread that started it ends.
pub(crate) fn die_with_parent() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// No other process of this user may trace this one, read its memory, or open what it has open.
pub(crate) fn hide_from_tracers() -> io::Result<(WallState, ())> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok((WallState::On, ()))
}

/// No program that it starts has more rights. Seccomp and Landlock ask for this.
pub(crate) fn gain_no_privileges() -> io::Result<(WallState, ())> {
    set_no_new_privs(true)?;
    Ok((WallState::On, ()))
}

/// Lowers what the process may take. The address space (RLIMIT_AS) is not limited: Wasmtime reserves many times what it
/// uses, and RLIMIT_DATA counts just that, private memory that can be written.
pub(crate) fn limit(before: &Before<'_>) -> io::Result<(WallState, ())> {
    lower(Resource::Data, before.memory_bytes)?;
    // A core file would be a copy of the guest's data in a place that nobody chose.
    lower(Resource::Core, 0)?;
    lower(Resource::Memlock, 0)?;
    lower(Resource::Msgqueue, 0)?;
    lower(Resource::Nice, 0)?;
    lower(Resource::Rtprio, 0)?;
    if let Some(bytes) = before.file_bytes {
        lower(Resource::Fsize, bytes)?;
    }
    if let Some(descriptors) = before.descriptors {
        lower(Resource::Nofile, descriptors)?;
    }
    Ok((WallState::On, ()))
}

/// No process or thread can be started from here on.
pub(crate) fn start_no_processes() -> io::Result<()> {
    lower(Resource::Nproc, 0)
}

/// Lowers one limit; one that is lower already stays.
pub(crate) fn lower(resource: Resource, most: u64) -> io::Result<()> {
    lower_in_two_steps(resource, most, most)
}

/// Lowers one limit to two numbers: the one that warns and the one that ends.
pub(crate) fn lower_in_two_steps(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let hard = getrlimit(resource)
        .maximum
        .map_or(hard, |most| most.min(hard));
    Ok(setrlimit(
        resource,
        Rlimit {
            current: Some(soft.min(hard)),
            maximum: Some(hard),
        },
    )?)
}
