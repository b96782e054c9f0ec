//! Where the items of a stream of jobs come from: an iterator, which keeps its caller waiting for the next item, or
//! something in which items arrive, which says that it has none yet and wakes its caller when it has.

use super::shared::Shared;
use super::task::Task;
pub(super) use source::Source;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

/// Where the items of an [`Imap`](super::Imap) come from: every iterator is one, and so is [`Arriving`]. There are no
/// others.
pub trait Feed: Source {}

impl<S: Source> Feed for S {}

mod source {
    use std::task::{Poll, Waker};

    /// What the pool asks a feed.
    pub trait Source {
        /// The arguments of one job.
        type Item;

        /// Whether it says that it has none yet, so that to ask it costs no time.
        const ARRIVES: bool;

        /// The next item, or the end; or none yet, and the waker is called when it is time to ask again.
        fn poll_item(&mut self, waker: &Waker) -> Poll<Option<Self::Item>>;

        /// How many items there are at least, and at most where that is known.
        fn items_left(&self) -> (usize, Option<usize>);
    }
}

impl<I: Iterator> Source for I {
    type Item = I::Item;
    const ARRIVES: bool = false;

    #[inline]
    fn poll_item(&mut self, _: &Waker) -> Poll<Option<I::Item>> {
        Poll::Ready(self.next())
    }

    fn items_left(&self) -> (usize, Option<usize>) {
        self.size_hint()
    }
}

/// Items that arrive at their own time; from [`Func::imap_stream`](super::Func::imap_stream).
#[derive(Debug)]
pub struct Arriving<S> {
    items: S,
}

impl<S> Arriving<S> {
    pub(super) fn new(items: S) -> Self {
        Arriving { items }
    }
}

impl<S: futures_core::Stream + Unpin> Source for Arriving<S> {
    type Item = S::Item;
    const ARRIVES: bool = true;

    fn poll_item(&mut self, waker: &Waker) -> Poll<Option<S::Item>> {
        Pin::new(&mut self.items).poll_next(&mut Context::from_waker(waker))
    }

    fn items_left(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

/// What wakes the thread that waits for a task when an item has arrived.
pub(super) struct Arrival {
    shared: Weak<Shared>,
    task: Arc<Task>,
}

impl Arrival {
    pub(super) fn waker(shared: &Arc<Shared>, task: &Arc<Task>) -> Waker {
        Waker::from(Arc::new(Arrival {
            shared: Arc::downgrade(shared),
            task: task.clone(),
        }))
    }
}

impl Wake for Arrival {
    fn wake(self: Arc<Self>) {
        // Of a pool that is gone nobody waits for anything.
        if let Some(shared) = self.shared.upgrade() {
            shared.rouse(&self.task);
        }
    }
}
