//! A guest's log on its way to the parent: each line wakes a parent that sleeps, and one for which there is no space waits a little.

use super::line::{ALL_ANSWERS, wake};
use crate::ring::{Bell, LineWriter, Writer};
use crate::wire::Line;
use rustix::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a line waits for space: many times what a parent takes that looks, and shorter than what a worker may be late
/// before it is killed for its time limit.
const PATIENCE: Duration = Duration::from_millis(4);

/// Where the guest's lines go.
pub(super) struct LogLines(Mutex<Way>);

struct Way {
    ring: LineWriter,
    bell: Bell,
    parent: Arc<OwnedFd>,
    bytes: Vec<u8>,
    /// The last line waited in vain: nobody looks now.
    is_stuck: bool,
}

impl LogLines {
    pub(super) fn new(parent: Arc<OwnedFd>, answers: &Writer) -> LogLines {
        LogLines(Mutex::new(Way {
            ring: LineWriter::new(answers),
            bell: Bell::new(answers),
            parent,
            bytes: Vec::new(),
            is_stuck: false,
        }))
    }

    pub(super) fn put(&self, line: &Line) {
        let mut way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let way = &mut *way;
        line.encode(&mut way.bytes);
        let mut waits_since = None;
        // A parent whose words make no sense gets no lines; that it is gone shows elsewhere.
        while let Ok(false) = way.ring.put(&way.bytes) {
            let since = *waits_since.get_or_insert_with(|| {
                way.ring_bell();
                Instant::now()
            });
            if way.is_stuck || since.elapsed() >= PATIENCE {
                way.is_stuck = true;
                return way.ring.lose();
            }
            std::hint::spin_loop();
        }
        way.is_stuck = false;
        way.ring_bell();
    }
}

impl Way {
    fn ring_bell(&mut self) {
        // That nobody hears it shows elsewhere.
        let _ = wake(&mut self.bell, ALL_ANSWERS, &self.parent);
    }
}
