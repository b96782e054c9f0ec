//! The fast way to call: functions of common shapes are called with Rust's own types, known when this program is
//! compiled. No value is boxed, and a list of numbers moves as a whole: 1,000 of them come back in 1 µs instead of 23.
//!
//! Each pair of parameters and result here is code of its own, some kilobytes large, so the tables name what guests
//! commonly have. Everything else goes the [`dynamic`](super::dynamic) way.

mod values;

use super::instance::{Call, State};
use super::number::Number;
use super::reader::Reader;
use crate::types::{Function, Type};
use values::{Answer, Answers, List, Octets, Parameters, Utf8};
use wasmtime::Store;
use wasmtime::component::{Func, TypedFunc};

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
        [] => of_none_or_one::<()>(result),
        [Bool] => of_none_or_one::<(bool,)>(result),
        [S32] => of_none_or_one::<(i32,)>(result),
        [U32] => of_none_or_one::<(u32,)>(result),
        [S64] => of_none_or_one::<(i64,)>(result),
        [U64] => of_none_or_one::<(u64,)>(result),
        [F32] => of_none_or_one::<(f32,)>(result),
        [F64] => of_none_or_one::<(f64,)>(result),
        [Text] => of_text::<(Utf8,)>(result),
        [Bytes] => of_text::<(Octets,)>(result),
        [Text, Text] => of_text::<(Utf8, Utf8)>(result),
        [S32s] => of_list::<(List<i32>,), i32>(result, S32, S32s),
        [U32s] => of_list::<(List<u32>,), u32>(result, U32, U32s),
        [S64s] => of_list::<(List<i64>,), i64>(result, S64, S64s),
        [U64s] => of_list::<(List<u64>,), u64>(result, U64, U64s),
        [F32s] => of_list::<(List<f32>,), f32>(result, F32, F32s),
        [F64s] => of_list::<(List<f64>,), f64>(result, F64, F64s),
        [S64s, S64s] => of_list::<(List<i64>, List<i64>), i64>(result, S64, S64s),
        [F64s, F64s] => of_list::<(List<f64>, List<f64>), f64>(result, F64, F64s),
        [S32, S32] => of_few::<(i32, i32), i32>(result, S32),
        [U32, U32] => of_few::<(u32, u32), u32>(result, U32),
        [S64, S64] => of_few::<(i64, i64), i64>(result, S64),
        [U64, U64] => of_few::<(u64, u64), u64>(result, U64),
        [F64, F64] => of_few::<(f64, f64), f64>(result, F64),
        [Bytes, Bytes] => of_few::<(Octets, Octets), Vec<u8>>(result, Bytes),
        [S32, S32, S32] => of_few::<(i32, i32, i32), i32>(result, S32),
        [U32, U32, U32] => of_few::<(u32, u32, u32), u32>(result, U32),
        [S64, S64, S64] => of_few::<(i64, i64, i64), i64>(result, S64),
        [U64, U64, U64] => of_few::<(u64, u64, u64), u64>(result, U64),
        [F64, F64, F64] => of_few::<(f64, f64, f64), f64>(result, F64),
        [S64, S64, S64, S64] => of_few::<(i64, i64, i64, i64), i64>(result, S64),
        [F64, F64, F64, F64] => of_few::<(f64, f64, f64, f64), f64>(result, F64),
        _ => None,
    }
}

/// One scalar or nothing: to all plain results.
fn of_none_or_one<P: Parameters>(result: Shape) -> Option<Bind> {
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
        _ => return None,
    })
}

/// Texts and bytes: also to what may be missing or have gone wrong.
fn of_text<P: Parameters>(result: Shape) -> Option<Bind> {
    Some(match result {
        Shape::TextIfAny => bind::<P, (Option<String>,)>,
        Shape::NothingOrError => bind::<P, (Result<(), String>,)>,
        Shape::BoolOrError => bind::<P, (Result<bool, String>,)>,
        Shape::U32OrError => bind::<P, (Result<u32, String>,)>,
        Shape::S64OrError => bind::<P, (Result<i64, String>,)>,
        Shape::U64OrError => bind::<P, (Result<u64, String>,)>,
        Shape::F64OrError => bind::<P, (Result<f64, String>,)>,
        Shape::TextOrError => bind::<P, (Result<String, String>,)>,
        Shape::BytesOrError => bind::<P, (Result<Vec<u8>, String>,)>,
        plain => return of_none_or_one::<P>(plain),
    })
}

/// Lists of numbers: to such a list, to one such number, to a count, to a `bool`, or to nothing.
fn of_list<P: Parameters, T: Number>(result: Shape, item: Shape, list: Shape) -> Option<Bind> {
    Some(match result {
        Shape::Nothing => bind::<P, ()>,
        Shape::Bool => bind::<P, (bool,)>,
        Shape::U32 => bind::<P, (u32,)>,
        Shape::U64 => bind::<P, (u64,)>,
        Shape::F64 => bind::<P, (f64,)>,
        result if result == item => bind::<P, (T,)>,
        result if result == list => bind::<P, (Vec<T>,)>,
        _ => return None,
    })
}

/// Several parameters of one type: to that type, to a `bool`, or to nothing.
fn of_few<P: Parameters, Same: Answer>(result: Shape, same: Shape) -> Option<Bind> {
    Some(match result {
        Shape::Nothing => bind::<P, ()>,
        Shape::Bool => bind::<P, (bool,)>,
        result if result == same => bind::<P, (Same,)>,
        _ => return None,
    })
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
    TextIfAny,
    NothingOrError,
    BoolOrError,
    U32OrError,
    S64OrError,
    U64OrError,
    F64OrError,
    TextOrError,
    BytesOrError,
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
        Type::Option(some) if **some == Type::String => Shape::TextIfAny,
        Type::Result { ok, err: Some(err) } if **err == Type::String => {
            match ok.as_deref().map(shape) {
                None => Shape::NothingOrError,
                Some(Some(Shape::Bool)) => Shape::BoolOrError,
                Some(Some(Shape::U32)) => Shape::U32OrError,
                Some(Some(Shape::S64)) => Shape::S64OrError,
                Some(Some(Shape::U64)) => Shape::U64OrError,
                Some(Some(Shape::F64)) => Shape::F64OrError,
                Some(Some(Shape::Text)) => Shape::TextOrError,
                Some(Some(Shape::Bytes)) => Shape::BytesOrError,
                _ => return None,
            }
        }
        _ => return None,
    })
}
