use crate::component::{Description, Source};
use crate::job::{Dir, Fault, Isolation, Limits, Report};
use crate::types::{Function, Type};
use std::marker::PhantomData;

pub struct Pool {}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Job(#[from] Fault),
    /// the value given for job `job` doesn't fit the WIT type
    #[error("item {job}: {message}")]
    Item { job: u64, message: String },
    #[error(transparent)]
    Function(#[from] FunctionError),
    #[error("the pool is closed")]
    Closed,
}

#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    #[error("no function `{name}`")]
    Unknown { name: String, suggestion: Option<String>, candidates: Vec<String> },
    #[error("ambiguous")]
    Ambiguous { name: String, candidates: Vec<String> },
    #[error("mismatch")]
    Mismatch { function: Function, rust: String },
}

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Component(#[from] crate::component::LoadError),
    #[error("cannot start workers")]
    Start(#[source] std::io::Error),
}

pub struct Builder {}
impl Pool {
    pub fn builder() -> Builder { unimplemented!() }
    pub fn description(&self) -> &Description { unimplemented!() }
    pub fn function(&self, _name: &str) -> Result<&Function, FunctionError> { unimplemented!() }
    pub fn func<P, R>(&self, _name: &str) -> Result<Func<'_, P, R>, FunctionError> { unimplemented!() }
    /// Kills all the workers at once; every job that has no outcome yet ends as cancelled.
    pub fn terminate(&self) { unimplemented!() }
    pub fn workers(&self) -> usize { unimplemented!() }
}
impl Builder {
    pub fn component(self, _source: impl Into<Source>) -> Self { unimplemented!() }
    pub fn workers(self, _n: usize) -> Self { unimplemented!() }
    pub fn limits(self, _l: Limits) -> Self { unimplemented!() }
    pub fn isolation(self, _l: Isolation) -> Self { unimplemented!() }
    pub fn max_jobs_per_worker(self, _n: u64) -> Self { unimplemented!() }
    /// Jobs a chunk; default: measured.
    pub fn chunk(self, _n: usize) -> Self { unimplemented!() }
    pub fn env(self, _k: impl Into<String>, _v: impl Into<String>) -> Self { unimplemented!() }
    pub fn dir(self, _dir: Dir) -> Self { unimplemented!() }
    pub fn build(self) -> Result<Pool, BuildError> { unimplemented!() }
}
pub struct Func<'p, P, R> { _p: PhantomData<(&'p Pool, P, R)> }
impl<'p, P, R> Func<'p, P, R> {
    pub fn result_type(&self) -> Option<&Type> { unimplemented!() }
    pub fn imap<I: IntoIterator<Item = P>>(&self, _items: I) -> Imap<'p, R> { unimplemented!() }
    pub fn imap_unordered<I: IntoIterator<Item = P>>(&self, _items: I) -> Imap<'p, R> { unimplemented!() }
}
pub struct Imap<'p, R> { _p: PhantomData<(&'p Pool, R)> }
impl<R> Imap<'_, R> {
    /// the next outcome and where it came from. `Err` ends the iteration: an item that does not fit, a pool that broke.
    pub fn next_report(&mut self) -> Option<Result<Report<R>, Error>> { unimplemented!() }
}
