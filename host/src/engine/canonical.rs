//! The way to call: arguments go from the codec's bytes straight into the guest's memory, and results straight out of it.
//!
//! Wasmtime passes Rust values by traits that say how a type crosses the border, the *canonical ABI*: `Lower` on the way in,
//! `Lift` on the way out. It writes them for Rust types that are known when a program is compiled. Here are two for any
//! function: they follow the types that Wasmtime itself knows of the function, along with the bytes. So no value is ever
//! built in between, whatever its type, and a list of numbers is one copy.
//!
//! Wasmtime calls `Lift` without telling it which call it is for. So the running call stands in a place of its thread.

#![expect(
    unsafe_code,
    reason = "how values cross the border is told to Wasmtime by unsafe traits"
)]

mod lift;
mod lower;

use super::instance::{Call, State};
use super::passing::Passing;
use crate::types::Function;
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, ComponentTypes, InstanceType, InterfaceType, LiftContext, LowerContext,
};
use wasmtime::component::{ComponentNamedList, ComponentType, Func, Lift, Lower, TypedFunc};
use wasmtime::{Error, Result, Store, ValRaw};

/// Canonical ABI, `MAX_FLAT_PARAMS`: a function with more core parameters than these takes them from memory.
const MOST_FLAT: usize = 16;

/// A way to bind an instance's function to how it is called.
pub(super) type Bind = fn(Func, &Store<State>) -> Result<Box<dyn Call>>;

/// A [`Bind`] for every function without handles.
pub(super) fn bind(function: Func, store: &Store<State>) -> Result<Box<dyn Call>> {
    Ok(Box::new(Canonical(function.typed(store)?)))
}

struct Canonical(TypedFunc<Arguments, Results>);

impl Call for Canonical {
    fn call(
        &self,
        store: &mut Store<State>,
        _type: &Function,
        passing: &mut Passing<'_>,
    ) -> Result<()> {
        let _running = Running::new(passing);
        self.0.call(store, Arguments).map(|Results| ())
    }
}

thread_local! {
    /// What passes in the call that runs on this thread.
    static RUNNING: Cell<Option<NonNull<Passing<'static>>>> = const { Cell::new(None) };
}

/// As long as it lives, [`running`] finds what it was made with.
struct Running<'a, 'p>(std::marker::PhantomData<&'a mut Passing<'p>>);

impl<'a, 'p> Running<'a, 'p> {
    fn new(passing: &'a mut Passing<'p>) -> Running<'a, 'p> {
        RUNNING.set(Some(NonNull::from(passing).cast()));
        Running(std::marker::PhantomData)
    }
}

impl Drop for Running<'_, '_> {
    fn drop(&mut self) {
        RUNNING.set(None);
    }
}

/// Does something with what passes in the running call.
fn running<T>(with: impl FnOnce(&mut Passing<'_>) -> Result<T>) -> Result<T> {
    let passing = RUNNING.take();
    let mut passing = passing.ok_or_else(|| Error::msg("values pass outside of a call"))?;
    // SAFETY: it was put there by `Running::new`, which borrows it for its own life and takes it away at the end of that. It
    // was taken out just now, so nobody else has it until it is put back. `with` takes any lifetime, so keeps nothing of it.
    let done = with(unsafe { passing.as_mut() });
    RUNNING.set(Some(passing));
    done
}

/// All parameters of a function, whatever they are: the bytes are with the running call.
struct Arguments;

// SAFETY: `Lower` is sixteen core values, as many as any function takes, and all of them are always initialised. What those
// of a function are is decided by its type at run time. Nothing asks for the size in memory of what is never in memory.
unsafe impl ComponentType for Arguments {
    type Lower = [ValRaw; MOST_FLAT];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo {
        flat_count: Some(MOST_FLAT as u8),
        ..CanonicalAbiInfo::ZERO
    };

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        check(types.types, ty)
    }
}

// SAFETY: all core values are written. What goes into memory goes through slices of what the guest's allocator gave.
unsafe impl Lower for Arguments {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        to: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        let values = to.write([ValRaw::u64(0); MOST_FLAT]);
        running(|passing| lower::arguments(cx, ty, passing, values))
    }

    fn linear_lower_to_memory<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: usize,
    ) -> Result<()> {
        Err(Error::msg("all parameters together lie nowhere in memory"))
    }
}

// SAFETY: it stands for all parameters, and its check of types takes nothing else than their tuple.
unsafe impl ComponentNamedList for Arguments {}

/// What a function gives, whatever it is: its bytes are with the running call.
struct Results;

// SAFETY: `Lower` is one core value, as every function gives one or none; where it gives none, nobody looks at it. That one
// is the result itself or where it lies, as the type says at run time.
unsafe impl ComponentType for Results {
    type Lower = [ValRaw; 1];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo {
        flat_count: Some(1),
        ..CanonicalAbiInfo::ZERO
    };

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        check(types.types, ty)
    }
}

// SAFETY: everything is read through slices of the guest's memory, whose bounds are checked.
unsafe impl Lift for Results {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        [value]: &Self::Lower,
    ) -> Result<Self> {
        running(|passing| lift::result(cx, ty, *value, passing))?;
        Ok(Results)
    }

    fn linear_lift_from_memory(
        _: &mut LiftContext<'_>,
        _: InterfaceType,
        _: &[u8],
    ) -> Result<Self> {
        Err(Error::msg("a result is told by a core value"))
    }
}

// SAFETY: it stands for the result, and its check of types takes nothing else than the tuple of that.
unsafe impl ComponentNamedList for Results {}

/// Where a text lies in the guest's memory and how long it is, once it is lowered in the guest's encoding.
fn lower_text<T>(cx: &mut LowerContext<'_, T>, text: &str) -> Result<[ValRaw; 2]> {
    let mut place = MaybeUninit::uninit();
    text.linear_lower_to_flat(cx, InterfaceType::String, &mut place)?;
    // SAFETY: `Lower` promises that all of it is initialised if there was no error.
    Ok(unsafe { place.assume_init() })
}

/// Refuses what has handles in it, and what the codec doesn't know.
fn check(types: &ComponentTypes, ty: &InterfaceType) -> Result<()> {
    let check = |ty: &InterfaceType| check(types, ty);
    match *ty {
        InterfaceType::Record(i) => types[i]
            .fields
            .iter()
            .try_for_each(|field| check(&field.ty)),
        InterfaceType::Tuple(i) => types[i].types.iter().try_for_each(check),
        InterfaceType::List(i) => check(&types[i].element),
        InterfaceType::Option(i) => check(&types[i].ty),
        InterfaceType::Result(i) => types[i].ok.iter().chain(&types[i].err).try_for_each(check),
        InterfaceType::Variant(i) => types[i].cases.values().flatten().try_for_each(check),
        InterfaceType::Own(_)
        | InterfaceType::Borrow(_)
        | InterfaceType::Future(_)
        | InterfaceType::Stream(_)
        | InterfaceType::ErrorContext(_)
        | InterfaceType::Map(_)
        | InterfaceType::FixedLengthList(_) => Err(Error::msg("it has a type without bytes")),
        _ => Ok(()),
    }
}

/// Whether a list of these lies in memory as it does in the codec's bytes, and any bytes are such a list.
fn is_plain(ty: InterfaceType) -> bool {
    use InterfaceType::*;
    matches!(
        ty,
        S8 | U8 | S16 | U16 | S32 | U32 | S64 | U64 | Float32 | Float64
    )
}

/// The payload of each case of a type that has cases, if it has one.
fn payload(
    types: &ComponentTypes,
    ty: InterfaceType,
    case: usize,
) -> Option<Option<InterfaceType>> {
    match ty {
        InterfaceType::Variant(i) => types[i].cases.get_index(case).map(|(_, ty)| *ty),
        InterfaceType::Enum(i) => (case < types[i].names.len()).then_some(None),
        InterfaceType::Option(i) => [None, Some(types[i].ty)].get(case).copied(),
        InterfaceType::Result(i) => [types[i].ok, types[i].err].get(case).copied(),
        _ => None,
    }
}
