//! A list of system calls as a seccomp filter, and the filter in force.
//!
//! Filters add up: a call has to pass all of them, and of two verdicts the harsher one holds. So a process passes through
//! a wide filter that answers with an error into a narrow one that kills, and neither can be taken back.

use super::calls::{Call, Pin, Refusal};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Op, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};
use std::collections::BTreeMap;
use std::io;

/// What becomes of a call that is not on the list. The interfaces of other machines (`int 0x80`) are death in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// It fails, for the probing that libraries do while they start.
    Eperm,
    /// It ends the process by SIGSYS: nobody but an intruder makes it.
    Kill,
}

/// Lets all threads of this process make these calls and no others, for ever.
pub(crate) fn install(calls: &[Call], otherwise: Otherwise) -> io::Result<()> {
    let otherwise = match otherwise {
        Otherwise::Eperm => SeccompAction::Errno(libc::EPERM as u32),
        Otherwise::Kill => SeccompAction::KillProcess,
    };
    apply(rules(calls)?, otherwise, SeccompAction::Allow)
}

/// Answers each of these calls with its error, and leaves all others to other filters.
pub(crate) fn refuse(refusals: &[Refusal]) -> io::Result<()> {
    for error in [libc::EPERM, libc::ENOSYS] {
        let rules = (refusals.iter())
            .filter(|refusal| refusal.error == error)
            .map(|refusal| (refusal.number, Vec::new()));
        apply(
            rules.collect(),
            SeccompAction::Allow,
            SeccompAction::Errno(error as u32),
        )?;
    }
    Ok(())
}

fn apply(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> io::Result<()> {
    let filter = SeccompFilter::new(rules, otherwise, listed, TargetArch::x86_64);
    let program: BpfProgram = filter
        .and_then(BpfProgram::try_from)
        .map_err(io::Error::other)?;
    apply_filter_all_threads(&program).map_err(io::Error::other)
}

/// The rules of a list; a number may stand there more than once, and each of its forms passes.
fn rules(calls: &[Call]) -> io::Result<BTreeMap<i64, Vec<SeccompRule>>> {
    let mut rules = BTreeMap::<i64, Vec<SeccompRule>>::new();
    for call in calls {
        let forms = rules.entry(call.number).or_default();
        // To the library no form means any, so that the widest entry has to be the only one.
        let in_any_form = |other: &&Call| other.number == call.number && other.forms.is_empty();
        if calls.iter().any(|other| in_any_form(&other)) {
            continue;
        }
        for pins in &call.forms {
            let conditions = pins
                .iter()
                .map(condition)
                .collect::<Result<Vec<_>, _>>()
                .and_then(SeccompRule::new);
            forms.push(conditions.map_err(io::Error::other)?);
        }
    }
    Ok(rules)
}

fn condition(pin: &Pin) -> Result<SeccompCondition, seccompiler::BackendError> {
    match *pin {
        Pin::Is(argument, value) => {
            SeccompCondition::new(argument, Length::Dword, Op::Eq, u64::from(value))
        }
        Pin::Null(argument) => SeccompCondition::new(argument, Length::Qword, Op::Eq, 0),
        Pin::AtMost(argument, value) => {
            SeccompCondition::new(argument, Length::Dword, Op::Le, u64::from(value))
        }
        Pin::OnlyBits(argument, bits) => {
            SeccompCondition::new(argument, Length::Dword, Op::MaskedEq(u64::from(!bits)), 0)
        }
        Pin::BitsAre(argument, mask, value) => SeccompCondition::new(
            argument,
            Length::Dword,
            Op::MaskedEq(u64::from(mask)),
            u64::from(value),
        ),
    }
}
