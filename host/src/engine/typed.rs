//! The fast way to call: functions of common shapes are called with Rust's own types, known when this program is
//! compiled. No value is boxed, and a list of numbers moves as a whole: 1,000 of them come back in 1 µs instead of 23.
//!
//! Each pair of parameters and result here is code of its own, some kilobytes large, so the tables name what guests
//! commonly have. Everything else goes the [`dynamic`](super::dynamic) way.

use super::instance::{Call, State};
use super::number::Number;
use super::reader::{Reader, Undecodable, put_text};
use crate::types::{Function, Type};
use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, Func, Lift, Lower, TypedFunc};

/// Binds an instance's function to the way in which it is called.
pub(super) type Bind = fn(Func, &Store<State>) -> wasmtime::Result<Box<dyn Call>>;

/// How to bind a function of this type, if its shape is among the common ones.
pub(super) fn binding(function: &Function) -> Option<Bind> {
    use Shape::*;
    let result = match &function.result {
        None => Nothing,
        Some(ty) => shape(ty)?,
    };
    let params = function
        .params
        .iter()
        .map(|param| shape(&param.ty))
        .collect::<Option<Vec<_>>>()?;
    match params[..] {
        [] => to_any::<()>(result),
        [Bool] => to_any::<(bool,)>(result),
        [S32] => to_any::<(i32,)>(result),
        [U32] => to_any::<(u32,)>(result),
        [S64] => to_any::<(i64,)>(result),
        [U64] => to_any::<(u64,)>(result),
        [F32] => to_any::<(f32,)>(result),
        [F64] => to_any::<(f64,)>(result),
        [Text] => to_any::<(Utf8,)>(result),
        [Bytes] => to_any::<(Octets,)>(result),
        [S32s] => to_any::<(List<i32>,)>(result),
        [U32s] => to_any::<(List<u32>,)>(result),
        [S64s] => to_any::<(List<i64>,)>(result),
        [U64s] => to_any::<(List<u64>,)>(result),
        [F32s] => to_any::<(List<f32>,)>(result),
        [F64s] => to_any::<(List<f64>,)>(result),
        [S32, S32] => to_few::<(i32, i32), i32>(result, S32),
        [U32, U32] => to_few::<(u32, u32), u32>(result, U32),
        [S64, S64] => to_few::<(i64, i64), i64>(result, S64),
        [U64, U64] => to_few::<(u64, u64), u64>(result, U64),
        [F64, F64] => to_few::<(f64, f64), f64>(result, F64),
        [Text, Text] => to_few::<(Utf8, Utf8), String>(result, Text),
        [Bytes, Bytes] => to_few::<(Octets, Octets), Vec<u8>>(result, Bytes),
        [S64s, S64s] => to_few::<(List<i64>, List<i64>), Vec<i64>>(result, S64s),
        [U64s, U64s] => to_few::<(List<u64>, List<u64>), Vec<u64>>(result, U64s),
        [F64s, F64s] => to_few::<(List<f64>, List<f64>), Vec<f64>>(result, F64s),
        [S32, S32, S32] => to_few::<(i32, i32, i32), i32>(result, S32),
        [U32, U32, U32] => to_few::<(u32, u32, u32), u32>(result, U32),
        [S64, S64, S64] => to_few::<(i64, i64, i64), i64>(result, S64),
        [U64, U64, U64] => to_few::<(u64, u64, u64), u64>(result, U64),
        [F64, F64, F64] => to_few::<(f64, f64, f64), f64>(result, F64),
        [F64, F64, F64, F64] => to_few::<(f64, f64, f64, f64), f64>(result, F64),
        _ => None,
    }
}

/// One parameter or none: to all results.
fn to_any<P: Parameters>(result: Shape) -> Option<Bind> {
    Some(match result {
        Shape::Nothing => bind::<P, ()>,
        Shape::Bool => bind::<P, (bool,)>,
        Shape::S32 => bind::<P, (i32,)>,
        Shape::U32 => bind::<P, (u32,)>,
        Shape::S64 => bind::<P, (i64,)>,
        Shape::U64 => bind::<P, (u64,)>,
        Shape::F32 => bind::<P, (f32,)>,
        Shape::F64 => bind::<P, (f64,)>,
        Shape::Text => bind::<P, (String,)>,
        Shape::Bytes => bind::<P, (Vec<u8>,)>,
        Shape::S32s => bind::<P, (Vec<i32>,)>,
        Shape::U32s => bind::<P, (Vec<u32>,)>,
        Shape::S64s => bind::<P, (Vec<i64>,)>,
        Shape::U64s => bind::<P, (Vec<u64>,)>,
        Shape::F32s => bind::<P, (Vec<f32>,)>,
        Shape::F64s => bind::<P, (Vec<f64>,)>,
    })
}

/// Several parameters of one type: to that type, to a `bool`, or to nothing.
fn to_few<P: Parameters, Same: Answer>(result: Shape, same: Shape) -> Option<Bind> {
    match result {
        Shape::Nothing => Some(bind::<P, ()>),
        Shape::Bool => Some(bind::<P, (bool,)>),
        result if result == same => Some(bind::<P, (Same,)>),
        _ => None,
    }
}

fn bind<P: Parameters, R: Answers>(
    function: Func,
    store: &Store<State>,
) -> wasmtime::Result<Box<dyn Call>> {
    Ok(Box::new(Typed::<P, R>(function.typed(store)?)))
}

/// A function whose types were compared once.
struct Typed<P: Parameters, R: Answers>(TypedFunc<P::Lowered<'static>, R>);

impl<P: Parameters, R: Answers> Call for Typed<P, R> {
    fn call(
        &self,
        store: &mut Store<State>,
        _type: &Function,
        arguments: &[u8],
        result: &mut Vec<u8>,
    ) -> wasmtime::Result<()> {
        let mut reader = Reader::new(arguments);
        let arguments = P::decode(&mut reader)?;
        reader.end()?;
        P::lend(self.0).call(store, arguments)?.encode(result);
        Ok(())
    }
}

/// The types that have a fast way.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Nothing,
    Bool,
    S32,
    U32,
    S64,
    U64,
    F32,
    F64,
    Text,
    Bytes,
    S32s,
    U32s,
    S64s,
    U64s,
    F32s,
    F64s,
}

fn shape(ty: &Type) -> Option<Shape> {
    Some(match ty {
        Type::Bool => Shape::Bool,
        Type::S32 => Shape::S32,
        Type::U32 => Shape::U32,
        Type::S64 => Shape::S64,
        Type::U64 => Shape::U64,
        Type::F32 => Shape::F32,
        Type::F64 => Shape::F64,
        Type::String => Shape::Text,
        Type::List(item) => match **item {
            Type::U8 => Shape::Bytes,
            Type::S32 => Shape::S32s,
            Type::U32 => Shape::U32s,
            Type::S64 => Shape::S64s,
            Type::U64 => Shape::U64s,
            Type::F32 => Shape::F32s,
            Type::F64 => Shape::F64s,
            _ => return None,
        },
        _ => return None,
    })
}

/// All parameters of a function, as Wasmtime takes them. A text or bytes are lent from the encoded arguments.
trait Parameters: 'static {
    type Lowered<'a>: ComponentNamedList + Lower + Send + Sync;

    fn decode<'a>(bytes: &mut Reader<'a>) -> Result<Self::Lowered<'a>, Undecodable>;

    /// A function that takes what lives forever also takes what lives for one call. Generic code can't know, but each
    /// implementation can.
    fn lend<'a, R>(
        function: TypedFunc<Self::Lowered<'static>, R>,
    ) -> TypedFunc<Self::Lowered<'a>, R>;
}

/// A `string`.
struct Utf8;

/// A `list<u8>`.
struct Octets;

/// A `list<t>` of other numbers.
struct List<T>(std::marker::PhantomData<T>);

/// The implementations differ in nothing but their types; what each decodes is on its line.
macro_rules! parameters {
    ($([$($t:ident)?] $params:ty => $lowered:ty, $bytes:pat => $decode:expr;)*) => {$(
        impl$(<$t: Number>)? Parameters for $params {
            type Lowered<'a> = $lowered;

            #[inline]
            fn decode<'a>($bytes: &mut Reader<'a>) -> Result<Self::Lowered<'a>, Undecodable> {
                Ok($decode)
            }

            #[inline]
            fn lend<'a, R>(function: TypedFunc<Self::Lowered<'static>, R>) -> TypedFunc<Self::Lowered<'a>, R> {
                function
            }
        }
    )*};
}

parameters! {
    [] () => (), _ => ();
    [] (bool,) => (bool,), b => (b.bool()?,);
    [] (Utf8,) => (&'a str,), b => (b.text()?,);
    [] (Utf8, Utf8) => (&'a str, &'a str), b => (b.text()?, b.text()?);
    [] (Octets,) => (&'a [u8],), b => (b.octets()?,);
    [] (Octets, Octets) => (&'a [u8], &'a [u8]), b => (b.octets()?, b.octets()?);
    [T] (T,) => (T,), b => (T::read(b)?,);
    [T] (T, T) => (T, T), b => (T::read(b)?, T::read(b)?);
    [T] (T, T, T) => (T, T, T), b => (T::read(b)?, T::read(b)?, T::read(b)?);
    [T] (T, T, T, T) => (T, T, T, T), b => (T::read(b)?, T::read(b)?, T::read(b)?, T::read(b)?);
    [T] (List<T>,) => (Vec<T>,), b => (T::read_list(b)?,);
    [T] (List<T>, List<T>) => (Vec<T>, Vec<T>), b => (T::read_list(b)?, T::read_list(b)?);
}

/// A result that Wasmtime gives and that can be encoded.
///
/// It is always a copy: Wasmtime also lends lists that are still in the guest's memory, but by the time that a call has
/// returned the guest was told to free them.
trait Answer: Lift + Send + Sync + 'static {
    fn encode(self, out: &mut Vec<u8>);
}

impl Answer for bool {
    fn encode(self, out: &mut Vec<u8>) {
        out.push(self.into());
    }
}

impl<T: Number> Answer for T {
    fn encode(self, out: &mut Vec<u8>) {
        self.write(out);
    }
}

impl Answer for String {
    fn encode(self, out: &mut Vec<u8>) {
        put_text(&self, out);
    }
}

impl<T: Number> Answer for Vec<T> {
    fn encode(self, out: &mut Vec<u8>) {
        T::write_list(&self, out);
    }
}

/// What a function gives, which is one value or none.
trait Answers: ComponentNamedList + Lift + Send + Sync + 'static {
    fn encode(self, out: &mut Vec<u8>);
}

impl Answers for () {
    fn encode(self, _out: &mut Vec<u8>) {}
}

impl<A: Answer> Answers for (A,) {
    fn encode(self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}
