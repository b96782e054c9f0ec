//! A function of the component as Rust calls it: looked up and checked once, then used for any number of jobs.

use super::feed::Arriving;
use super::handle::Handle;
use super::reading::outcome;
use super::shared::{Shared, Signature};
use super::stream::{Imap, Order, Stream};
use super::task::{Home, Run, Task};
use super::{Error, FunctionError};
use crate::codec::{self, EncodeError};
use crate::link::{Chunk, lend};
use crate::types::{Function, Type};
use crate::value::Value;
use crate::wire::TooLong;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::any::type_name;
use std::marker::PhantomData;
use std::sync::Arc;

/// From how many bytes on a list is sent from where it lies: what no longer fits a core's first cache.
const LONG_BYTES: usize = 64 << 10;

/// How the Rust value of a job stands for a function's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// It is the one parameter.
    Single,
    /// It holds all of them, as a tuple or a list.
    List,
}

/// A function of the pool's component, from [`Pool::func`](super::Pool::func).
///
/// `P` is what one job takes: a tuple of all arguments, or, for a function of one parameter, just that. `R` is what it
/// returns. Both have been checked against the WIT type.
#[derive(Debug)]
pub struct Func<'p, P, R> {
    call: Call<'p>,
    types: PhantomData<fn(P) -> R>,
}

/// A function and the way its arguments are given.
#[derive(Clone, Copy)]
pub(super) struct Call<'p> {
    pub(super) shared: &'p Arc<Shared>,
    /// Its index in the description.
    pub(super) function: usize,
    signature: &'p Signature,
    /// The type of what one job is given.
    given: &'p Type,
}

impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.function())
    }
}

impl<'p, P: Serialize, R: DeserializeOwned + Send + 'static> Func<'p, P, R> {
    /// The function's WIT type.
    pub fn function(&self) -> &'p Function {
        self.call.function()
    }

    /// Runs one job and waits for it.
    ///
    /// # Errors
    /// [`Error::Job`] with the fault, [`Error::Item`] if the arguments do not fit, [`Error::Closed`].
    pub fn apply(&self, arguments: P) -> Result<R, Error> {
        self.call.one(&arguments)
    }

    /// Runs a job for each item and gathers the results in the order of the items.
    ///
    /// # Errors
    /// The first error in that order, as for [`Func::apply`]. The items behind it are still done, so use
    /// [`Func::imap`] to have the other results.
    pub fn map(&self, items: impl IntoIterator<Item = P>) -> Result<Vec<R>, Error> {
        self.call.all(items)
    }

    /// Runs a job for each item, taken only as results are asked for, and yields the results in the order of the items.
    ///
    /// The iterator is ahead of what it has yielded by at most [`Pool::look_ahead`](super::Pool::look_ahead) items, so
    /// that an endless one can be mapped.
    pub fn imap<I: IntoIterator<Item = P>>(&self, items: I) -> Imap<'p, I::IntoIter, R> {
        Imap::new(Stream::new(self.call, items.into_iter(), Order::Input))
    }

    /// As [`Func::imap`], but yields each result as soon as it is there.
    pub fn imap_unordered<I: IntoIterator<Item = P>>(&self, items: I) -> Imap<'p, I::IntoIter, R> {
        Imap::new(Stream::new(self.call, items.into_iter(), Order::Completion))
    }

    /// As [`Func::imap`], with items that arrive at their own time, as those of a channel do. While an iterator keeps its
    /// caller waiting for an item, results that come meanwhile lie until it has one; here each is yielded when it is due,
    /// whether items arrive or not.
    ///
    /// The stream is asked by the thread that asks for results, which sleeps in between: what wakes it has to come from
    /// elsewhere, so an async runtime needs a thread of its own. A stream that is not [`Unpin`] goes into a
    /// [`Box::pin`](std::boxed::Box::pin). If the pool is terminated while it waits for an item, it ends with
    /// [`Error::Closed`].
    pub fn imap_stream<S: futures_core::Stream<Item = P> + Unpin>(
        &self,
        items: S,
    ) -> Imap<'p, Arriving<S>, R> {
        Imap::new(Stream::new(self.call, Arriving::new(items), Order::Input))
    }

    /// As [`Func::imap_stream`], but yields each result as soon as it is there.
    pub fn imap_stream_unordered<S: futures_core::Stream<Item = P> + Unpin>(
        &self,
        items: S,
    ) -> Imap<'p, Arriving<S>, R> {
        Imap::new(Stream::new(
            self.call,
            Arriving::new(items),
            Order::Completion,
        ))
    }

    /// Starts one job and returns at once.
    ///
    /// # Errors
    /// [`Error::Item`] if the arguments do not fit, [`Error::Closed`]. Everything else is told by the handle.
    pub fn submit(&self, arguments: P) -> Result<Handle<R>, Error> {
        self.call.submit(0, &arguments)
    }

    /// Starts a job for each item and returns as soon as all are queued.
    ///
    /// # Errors
    /// As for [`Func::submit`]. All items are encoded before the first job starts.
    pub fn map_async(&self, items: impl IntoIterator<Item = P>) -> Result<Handle<Vec<R>>, Error> {
        self.call.submit_all(items)
    }
}

impl<'p, P, R> Func<'p, P, R>
where
    P: Serialize + Deserialize<'static>,
    R: DeserializeOwned,
{
    pub(super) fn new(shared: &'p Arc<Shared>, name: &str) -> Result<Self, FunctionError> {
        let function = shared.find(name)?;
        let signature = &shared.signatures[function];
        let single = (shared.description.functions[function].params.len() == 1)
            .then(|| &shared.description.functions[function].params[0].ty);
        let is_value = typeid::of::<P>() == std::any::TypeId::of::<Value>();
        let shape = if !is_value && codec::accepts::<P>(&signature.arguments) {
            Shape::List
        } else if single.is_some_and(codec::accepts::<P>) {
            Shape::Single
        } else {
            return Err(mismatch(
                shared,
                function,
                format!("takes `{}`", type_name::<P>()),
            ));
        };
        let call = Call::of(shared, function, shape);
        call.check_result::<R>()?;
        Ok(Func {
            call,
            types: PhantomData,
        })
    }
}

impl<'p> Call<'p> {
    /// The function of this name, whose jobs are given in this shape and return an `R`.
    pub(super) fn new<R: DeserializeOwned>(
        shared: &'p Arc<Shared>,
        name: &str,
        shape: Shape,
    ) -> Result<Call<'p>, FunctionError> {
        let function = shared.find(name)?;
        let params = shared.description.functions[function].params.len();
        if shape == Shape::Single && params != 1 {
            let function = shared.description.functions[function].clone();
            return Err(FunctionError::Parameters {
                function: Box::new(function),
                params,
            });
        }
        let call = Call::of(shared, function, shape);
        call.check_result::<R>()?;
        Ok(call)
    }

    /// The function with this index, whose jobs are given in this shape.
    pub(super) fn of(shared: &'p Arc<Shared>, function: usize, shape: Shape) -> Call<'p> {
        let signature = &shared.signatures[function];
        let given = match (shape, &signature.arguments) {
            (Shape::Single, Type::Tuple(params)) => &params[0],
            (_, arguments) => arguments,
        };
        Call {
            shared,
            function,
            signature,
            given,
        }
    }

    fn check_result<R: DeserializeOwned>(&self) -> Result<(), FunctionError> {
        if codec::gives::<R>(self.result()) {
            return Ok(());
        }
        Err(mismatch(
            self.shared,
            self.function,
            format!("returns `{}`", type_name::<R>()),
        ))
    }

    pub(super) fn function(&self) -> &'p Function {
        &self.shared.description.functions[self.function]
    }

    pub(super) fn result(&self) -> &'p Type {
        &self.signature.result
    }

    /// A chunk of jobs from `first` on, each in a frame of its own.
    pub(super) fn chunk<O>(&self, owner: O, first: u64) -> Chunk<O> {
        let mut chunk = Chunk::new(owner, self.function as u32, first);
        chunk.item_bytes = codec::item_bytes(self.result());
        chunk
    }

    /// Adds a job with these arguments to a chunk, and says how many bytes they take.
    #[inline]
    pub(super) fn push<P: Serialize + ?Sized, O>(
        &self,
        arguments: &P,
        chunk: &mut Chunk<O>,
    ) -> Result<u32, Error> {
        let job = chunk.first + u64::from(chunk.count);
        let mut bytes = 0;
        let pushed = chunk.push(|payload| {
            let start = payload.len();
            codec::encode(arguments, self.given, payload)?;
            bytes = (payload.len() - start) as u32;
            Ok(())
        });
        pushed
            .map(|()| bytes)
            .map_err(|error| Error::Item { job, error })
    }

    pub(super) fn one<P: Serialize, R: DeserializeOwned>(self, arguments: &P) -> Result<R, Error> {
        match self.run(arguments)? {
            Some(Run::Answers {
                mut answers, pid, ..
            }) => match answers.next() {
                Some(answer) => Ok(outcome(answer, &self, pid)?),
                None => Err(Error::Closed),
            },
            Some(Run::Fault { fault, .. }) => Err((*fault).into()),
            None => Err(Error::Closed),
        }
    }

    /// Runs one job and waits for it.
    fn run<P: Serialize>(&self, arguments: &P) -> Result<Option<Run>, Error> {
        let mut job = self.chunk(Arc::new(self.task(Home::Call)), 0);
        // To copy a long list before it is sent would take as long as to send it.
        match codec::only_list(arguments, self.given) {
            Some((count, items)) if items.len() >= LONG_BYTES => lend(items, |items| {
                let lent = job.borrow(count, items);
                lent.map_err(|error| Error::Item {
                    job: 0,
                    error: error.into(),
                })?;
                Ok(self.shared.run(job))
            }),
            _ => {
                self.push(arguments, &mut job)?;
                Ok(self.shared.run(job))
            }
        }
    }

    pub(super) fn task(&self, home: Home) -> Task {
        let list = (home == Home::Stream)
            .then_some(self.signature.list)
            .flatten();
        Task::new(self.function as u32, self.shared.chunk, home).with_list(list)
    }

    /// A list of results.
    pub(super) fn results(&self) -> &'p Type {
        &self.signature.results
    }

    pub(super) fn all<P: Serialize, R: DeserializeOwned>(
        self,
        items: impl IntoIterator<Item = P>,
    ) -> Result<Vec<R>, Error> {
        Stream::new(self, items.into_iter(), Order::Everything).gather()
    }
}

/// The arguments of a job, which fit the function, do not fit a frame.
impl From<TooLong> for EncodeError {
    fn from(error: TooLong) -> EncodeError {
        EncodeError {
            path: String::new(),
            message: error.to_string(),
        }
    }
}

fn mismatch(shared: &Shared, function: usize, rust: String) -> FunctionError {
    let function = shared.description.functions[function].clone();
    FunctionError::Mismatch {
        function: Box::new(function),
        rust,
    }
}
