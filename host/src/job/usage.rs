//! What a job used, and what many used together.

use std::time::Duration;

/// What a job used, in its [`Report`](super::Report).
///
/// The pool itself knows how often a job was started and what travelled, so that is always there. The rest its worker
/// measures, where [`Builder::account`](crate::Builder::account) asks for it: two looks at each of two clocks take longer
/// than a small job does. It is `None` where nobody asked, and of a job whose worker did not live to tell.
///
/// What a worker measures is its word. One that a guest has taken over can give any, within what the pool saw: no more
/// time than passed, no more memory or fuel than allowed. What the kernel counts is in [`Stats`](crate::Stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// How often the job was started: 1, or 2 after a retry. 0 if it never was.
    pub attempts: u32,
    /// The length of its encoded arguments, in bytes.
    pub argument_bytes: u64,
    /// The length of its encoded result, in bytes; 0 if there is none. Jobs that were asked as one list share its length
    /// evenly.
    pub result_bytes: u64,
    /// How long it ran in its worker: from its arguments to its result as they travel, making an instance included. Of a
    /// job that ended with its worker it is what the pool saw.
    pub wall: Option<Duration>,
    /// The processor time of its worker's process meanwhile. Fetching the arguments and sending the result are not in it.
    pub cpu: Option<Duration>,
    /// The fuel that it used, about one unit an instruction. Starting an instance is not in it, nor in the calls. A job that
    /// was stopped for its time has used more: its code writes down what it used when it calls or returns.
    pub fuel: Option<u64>,
    /// How many calls it made of what its guest imports.
    pub host_calls: Option<u64>,
    /// What the memories and tables of its instance had grown to at its end, which is the most they ever were.
    pub peak_memory_bytes: Option<u64>,
}

/// What many jobs used together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// What was sent to workers, in bytes, with the frames that it travels in.
    pub request_bytes: u64,
    /// What workers answered, likewise.
    pub answer_bytes: u64,
    /// How many jobs gave account of themselves, faults included. The following are theirs, and 0 unless
    /// [`Builder::account`](crate::Builder::account) asked.
    pub accounted: u64,
    /// How long they ran.
    pub wall: Duration,
    /// The processor time that they took.
    pub cpu: Duration,
    /// The fuel that they used.
    pub fuel: u64,
    /// The calls that they made of what their guests import.
    pub host_calls: u64,
    /// The most memory that an instance had.
    pub peak_memory_bytes: u64,
}

impl Totals {
    /// Adds what others used.
    pub(crate) fn add(&mut self, other: &Totals) {
        self.request_bytes += other.request_bytes;
        self.answer_bytes += other.answer_bytes;
        self.accounted += other.accounted;
        // A worker may claim what it likes, so no sum may overflow.
        self.wall = self.wall.saturating_add(other.wall);
        self.cpu = self.cpu.saturating_add(other.cpu);
        self.fuel = self.fuel.saturating_add(other.fuel);
        self.host_calls = self.host_calls.saturating_add(other.host_calls);
        self.peak_memory_bytes = self.peak_memory_bytes.max(other.peak_memory_bytes);
    }
}
