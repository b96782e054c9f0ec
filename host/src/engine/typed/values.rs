//! What the fast way passes to Wasmtime and gets from it: parameters decoded from the codec's bytes, results encoded to
//! them.

use crate::engine::number::Number;
use crate::engine::reader::{Reader, Undecodable, put_text};
use wasmtime::component::{ComponentNamedList, Lift, Lower, TypedFunc};

/// All parameters of a function, as Wasmtime takes them. A text or bytes are lent from the encoded arguments.
pub(super) trait Parameters: 'static {
    type Lowered<'a>: ComponentNamedList + Lower + Send + Sync;

    fn decode<'a>(bytes: &mut Reader<'a>) -> Result<Self::Lowered<'a>, Undecodable>;

    /// A function that takes what lives forever also takes what lives for one call. Generic code can't know, but each
    /// implementation can.
    fn lend<'a, R>(
        function: TypedFunc<Self::Lowered<'static>, R>,
    ) -> TypedFunc<Self::Lowered<'a>, R>;
}

/// A `string`.
pub(super) struct Utf8;

/// A `list<u8>`.
pub(super) struct Octets;

/// A `list<t>` of other numbers.
pub(super) struct List<T>(std::marker::PhantomData<T>);

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
pub(super) trait Answer: Lift + Send + Sync + 'static {
    fn encode(self, out: &mut Vec<u8>);
}

impl Answer for () {
    fn encode(self, _out: &mut Vec<u8>) {}
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

impl<T: Answer> Answer for Option<T> {
    fn encode(self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        self.into_iter().for_each(|some| some.encode(out));
    }
}

impl<T: Answer, E: Answer> Answer for Result<T, E> {
    fn encode(self, out: &mut Vec<u8>) {
        self.is_err().encode(out);
        match self {
            Ok(ok) => ok.encode(out),
            Err(err) => err.encode(out),
        }
    }
}

/// What a function gives, which is one value or none.
pub(super) trait Answers: ComponentNamedList + Lift + Send + Sync + 'static {
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
