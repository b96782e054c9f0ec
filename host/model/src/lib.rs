//! The channel's protocol, run in every order that two processes can take its steps in.
//!
//! ```text
//! cargo test --manifest-path host/model/Cargo.toml --release
//! ```
//!
//! `host/src/ring/protocol.rs` is compiled here a second time, as it ships, with the atomics of [loom] instead of the
//! processor's. Loom repeats a small story of a parent and a worker until it has seen every order of their steps, and in each
//! every value that the memory model lets a load return. [`channel`] is the memory, [`sides`] who does what when, [`models`]
//! the stories. What they show:
//!
//! - Every byte comes out once and in order. None is read before it is published, and none is overwritten before it is given
//!   back.
//! - Whoever sleeps is woken when there is something to do: a worker by requests and by space for its answers, a parent by
//!   the end of a chunk, by a ring that is half full, by a worker that sleeps too, and by space for its requests. So it is
//!   when it asks for other answers while it sleeps.
//!
//! Each model is tried on broken protocols too: `mutants.rs` lists what is broken, and loom has to find it. A line of the
//! protocol that can be taken away without a model noticing is one that nobody has shown to be needed.
//!
//! Three of the models try all orders there are. In the others they would be too many, so a side is interrupted in the middle of
//! its steps two to four times at most, and as often as there is cause where it waits; [`models`] has the numbers, and
//! `LOOM_MAX_PREEMPTIONS` sets another one. `-- --nocapture` says how many orders there were.
//!
//! What this cannot show: that `ring.rs` moves the right bytes, and maps them where it thinks, which its own tests do; that
//! `worker.rs` and the pool take the steps in the order of [`sides`], which is written after them and not taken from them;
//! and what a hostile peer can claim, for which `ring/tests.rs` tries every row of three claims. Loom's loads see nothing
//! that is stored later in their own thread's order, and its `SeqCst` fences are a little stronger than the language's.
//! The rounds, of which a word has room for 65,536, do not wrap here. Miri is not run: it comes with nightly toolchains only,
//! cannot map shared memory, and would find no `unsafe` in the one file that it could run.

#![cfg(test)]

#[path = "../../src/ring/protocol.rs"]
mod protocol;

/// The atomics that the protocol is written in.
mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
}

mod channel;
mod models;
mod sides;

macro_rules! tests {
    ($($model:ident)*) => {$(
        #[test]
        fn $model() {
            models::$model();
        }
    )*};
}

tests! {
    bytes_to_the_parent
    bytes_to_the_worker
    a_worker_that_parks
    a_parent_that_sleeps
    a_ring_that_is_half_full
    both_sleep
    both_sleep_twice
    a_long_answer
    a_long_answer_behind_a_short_one
    a_long_answer_in_bites
    long_requests
    jobs_for_an_idle_worker
    a_second_round
}

mod mutants {
    include!(concat!(env!("OUT_DIR"), "/mutants.rs"));
}
