//! The fast way to call: functions of common shapes are called with Rust's own types, known when this program is
//! compiled. No value is boxed, and a list of numbers moves as a whole: 1,000 of them come back in 1 µs instead of 23.
//!
//! Each pair of parameters and result here is code of its own, some kilobytes large, so the tables name what guests
//! commonly have. Everything else goes the [`dynamic`](super::dynamic) way.

use super::instance::State;
use super::number::Number;
use super::reader::{Reader, Undecodable, put_text};
use crate::types::{Function, Type};
use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, Func, Lift, Lower};

/// Decodes the arguments, calls, and appends the encoded result. After an error the result is as long as before.
pub(super) type Call = fn(&mut Store<State>, &Func, &Function, &[u8], &mut Vec<u8>) -> wasmtime::Result<()>;

/// How to call a function of this type, if its shape is among the common ones.
pub(super) fn call_for(function: &Function) -> Option<Call> {
    use Shape::*;
    let result = match &function.result {
        None => Nothing,
        Some(ty) => shape(ty)?,
    };
    let params = function.params.iter().map(|param| shape(&param.ty)).collect::<Option<Vec<_>>>()?;
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
        [Bytes] => to_any::<(List<u8>,)>(result),
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
        [Bytes, Bytes] => to_few::<(List<u8>, List<u8>), Vec<u8>>(result, Bytes),
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
fn to_any<P: Parameters>(result: Shape) -> Option<Call> {
    Some(match result {
        Shape::Nothing => call::<P, ()>,
        Shape::Bool => call::<P, (bool,)>,
        Shape::S32 => call::<P, (i32,)>,
        Shape::U32 => call::<P, (u32,)>,
        Shape::S64 => call::<P, (i64,)>,
        Shape::U64 => call::<P, (u64,)>,
        Shape::F32 => call::<P, (f32,)>,
        Shape::F64 => call::<P, (f64,)>,
        Shape::Text => call::<P, (String,)>,
        Shape::Bytes => call::<P, (Vec<u8>,)>,
        Shape::S32s => call::<P, (Vec<i32>,)>,
        Shape::U32s => call::<P, (Vec<u32>,)>,
        Shape::S64s => call::<P, (Vec<i64>,)>,
        Shape::U64s => call::<P, (Vec<u64>,)>,
        Shape::F32s => call::<P, (Vec<f32>,)>,
        Shape::F64s => call::<P, (Vec<f64>,)>,
    })
}

/// Several parameters of one type: to that type, to a `bool`, or to nothing.
fn to_few<P: Parameters, Same: Answer>(result: Shape, same: Shape) -> Option<Call> {
    match result {
        Shape::Nothing => Some(call::<P, ()>),
        Shape::Bool => Some(call::<P, (bool,)>),
        result if result == same => Some(call::<P, (Same,)>),
        _ => None,
    }
}

fn call<P: Parameters, R: Answers>(
    store: &mut Store<State>,
    function: &Func,
    _type: &Function,
    arguments: &[u8],
    result: &mut Vec<u8>,
) -> wasmtime::Result<()> {
    let mut reader = Reader::new(arguments);
    let arguments = P::decode(&mut reader)?;
    reader.end()?;
    // Comparing the types in each call costs less than 10 ns, and leaves nothing to keep for each instance.
    let answers = function.typed::<P::Lowered<'_>, R>(&*store)?.call(store, arguments)?;
    answers.encode(result);
    Ok(())
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

/// A parameter that decodes to something that Wasmtime takes.
trait Parameter {
    type Lowered<'a>: Lower;
    fn decode<'a>(bytes: &mut Reader<'a>) -> Result<Self::Lowered<'a>, Undecodable>;
}

/// A `string`, lent from the arguments.
struct Utf8;

/// A `list<t>` of numbers.
struct List<T>(std::marker::PhantomData<T>);

impl Parameter for bool {
    type Lowered<'a> = bool;
    fn decode(bytes: &mut Reader<'_>) -> Result<bool, Undecodable> {
        bytes.bool()
    }
}

impl<T: Number> Parameter for T {
    type Lowered<'a> = T;
    fn decode(bytes: &mut Reader<'_>) -> Result<T, Undecodable> {
        T::read(bytes)
    }
}

impl Parameter for Utf8 {
    type Lowered<'a> = &'a str;
    fn decode<'a>(bytes: &mut Reader<'a>) -> Result<&'a str, Undecodable> {
        bytes.text()
    }
}

impl<T: Number> Parameter for List<T> {
    type Lowered<'a> = Vec<T>;
    fn decode(bytes: &mut Reader<'_>) -> Result<Vec<T>, Undecodable> {
        T::read_list(bytes)
    }
}

/// All parameters of a function.
trait Parameters {
    type Lowered<'a>: ComponentNamedList + Lower;
    fn decode<'a>(bytes: &mut Reader<'a>) -> Result<Self::Lowered<'a>, Undecodable>;
}

impl Parameters for () {
    type Lowered<'a> = ();
    fn decode(_bytes: &mut Reader<'_>) -> Result<(), Undecodable> {
        Ok(())
    }
}

impl<A: Parameter> Parameters for (A,) {
    type Lowered<'a> = (A::Lowered<'a>,);
    fn decode<'a>(bytes: &mut Reader<'a>) -> Result<Self::Lowered<'a>, Undecodable> {
        Ok((A::decode(bytes)?,))
    }
}

impl<A: Parameter, B: Parameter> Parameters for (A, B) {
    type Lowered<'a> = (A::Lowered<'a>, B::Lowered<'a>);
    fn decode<'a>(bytes: &mut Reader<'a>) -> Result<Self::Lowered<'a>, Undecodable> {
        Ok((A::decode(bytes)?, B::decode(bytes)?))
    }
}

impl<A: Parameter, B: Parameter, C: Parameter> Parameters for (A, B, C) {
    type Lowered<'a> = (A::Lowered<'a>, B::Lowered<'a>, C::Lowered<'a>);
    fn decode<'a>(bytes: &mut Reader<'a>) -> Result<Self::Lowered<'a>, Undecodable> {
        Ok((A::decode(bytes)?, B::decode(bytes)?, C::decode(bytes)?))
    }
}

impl<A: Parameter, B: Parameter, C: Parameter, D: Parameter> Parameters for (A, B, C, D) {
    type Lowered<'a> = (A::Lowered<'a>, B::Lowered<'a>, C::Lowered<'a>, D::Lowered<'a>);
    fn decode<'a>(bytes: &mut Reader<'a>) -> Result<Self::Lowered<'a>, Undecodable> {
        Ok((A::decode(bytes)?, B::decode(bytes)?, C::decode(bytes)?, D::decode(bytes)?))
    }
}

/// A result that Wasmtime gives and that can be encoded.
///
/// It is always a copy: Wasmtime also lends lists that are still in the guest's memory, but by the time that a call has
/// returned the guest was told to free them.
trait Answer: Lift {
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
trait Answers: ComponentNamedList + Lift {
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
