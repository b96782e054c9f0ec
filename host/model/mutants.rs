//! Broken protocols, which the models must tell from the sound one.

/// A way to break the protocol, and the model that must find it.
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    /// What is replaced. It stands in one place.
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) model: &'static str,
    /// What loom says.
    pub(crate) shows: &'static str,
}

/// Two accesses to a byte of the ring that nothing orders.
const RACE: &str = "Causality violation";
/// An index that the other side finds to be impossible.
const WRONG_INDEX: &str = "OutOfBounds";
/// Everybody sleeps.
const LOST_WAKE: &str = "deadlock";

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "published_without_release",
        from: "published.store(self.written, Ordering::Release)",
        to: "published.store(self.written, Ordering::Relaxed)",
        model: "bytes_to_the_parent",
        shows: RACE,
    },
    Mutant {
        name: "published_is_loaded_without_acquire",
        from: "published.load(Ordering::Acquire)",
        to: "published.load(Ordering::Relaxed)",
        model: "bytes_to_the_worker",
        shows: RACE,
    },
    Mutant {
        name: "a_byte_is_published_that_is_not_written",
        from: "published.store(self.written, Ordering::Release)",
        to: "published.store(self.written + 1, Ordering::Release)",
        model: "bytes_to_the_parent",
        shows: WRONG_INDEX,
    },
    Mutant {
        name: "given_back_without_release",
        from: "taken.store(self.taken, Ordering::Release)",
        to: "taken.store(self.taken, Ordering::Relaxed)",
        model: "bytes_to_the_parent",
        shows: RACE,
    },
    Mutant {
        name: "taken_is_loaded_without_acquire",
        from: "taken.load(Ordering::Acquire)",
        to: "taken.load(Ordering::Relaxed)",
        model: "bytes_to_the_worker",
        shows: RACE,
    },
    Mutant {
        name: "given_back_before_it_is_copied",
        from: "            copy(self.peek(length), length);
            self.release(length);
            self.give_back(taken);
",
        to: "            let place = self.peek(length);
            self.release(length);
            self.give_back(taken);
            copy(place, length);
",
        model: "bytes_to_the_parent",
        shows: RACE,
    },
    Mutant {
        name: "given_back_before_it_is_released",
        from: "taken.store(self.taken, Ordering::Release)",
        to: "taken.store(self.published, Ordering::Release)",
        model: "bytes_to_the_worker",
        shows: RACE,
    },
    Mutant {
        name: "more_is_written_than_there_is_space_for",
        from: "let length = length.min(space);",
        to: "",
        model: "bytes_to_the_parent",
        shows: WRONG_INDEX,
    },
    Mutant {
        name: "the_parent_sleeps_without_a_fence",
        from: "    wake.store(answers << 16 | u64::from(round), Ordering::Relaxed);
    fence(Ordering::SeqCst);
",
        to: "    wake.store(answers << 16 | u64::from(round), Ordering::Relaxed);
",
        model: "a_parent_that_sleeps",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_worker_looks_without_a_fence_whether_a_bell_is_due",
        from: "        fence(Ordering::SeqCst);
        let wake = wake.load(Ordering::Relaxed);
",
        to: "        let wake = wake.load(Ordering::Relaxed);
",
        model: "a_parent_that_sleeps",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_worker_parks_without_a_fence",
        from: "    word.store(u64::from(parked), Ordering::Relaxed);
    fence(Ordering::SeqCst);
",
        to: "    word.store(u64::from(parked), Ordering::Relaxed);
",
        model: "a_worker_that_parks",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_parent_looks_without_a_fence_whether_the_worker_sleeps",
        from: "    fence(Ordering::SeqCst);
    word.load(Ordering::Relaxed) != 0
",
        to: "    word.load(Ordering::Relaxed) != 0
",
        model: "a_worker_that_parks",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_worker_looks_before_it_parks",
        from: "    park(worker, true);
    let woken = loop {
        let seen = rings(worker);
        match ready(worker) {
            Ok(true) => break Ok(()),
            Ok(false) => {}
            Err(error) => break Err(error),
        }
",
        to: "    let is_ready = ready(worker);
    park(worker, true);
    let woken = loop {
        let seen = rings(worker);
        match is_ready {
            Ok(true) => break Ok(()),
            Ok(false) => {}
            Err(error) => break Err(error),
        }
        let is_ready = ready(worker);
",
        model: "a_worker_that_parks",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_worker_counts_the_rings_after_it_has_looked",
        from: "        let seen = rings(worker);
        match ready(worker) {
            Ok(true) => break Ok(()),
            Ok(false) => {}
            Err(error) => break Err(error),
        }
",
        to: "        match ready(worker) {
            Ok(true) => break Ok(()),
            Ok(false) => {}
            Err(error) => break Err(error),
        }
        let seen = rings(worker);
",
        model: "a_worker_that_parks",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_parent_does_not_count_its_rings",
        from: "    rings.fetch_add(1, Ordering::Relaxed);
",
        to: "",
        model: "a_worker_that_parks",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "rings_are_loaded_without_acquire",
        from: "rings.load(Ordering::Acquire)",
        to: "rings.load(Ordering::Relaxed)",
        model: "a_worker_that_parks",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_bell_comes_an_answer_late",
        from: "answers >= wake >> 16",
        to: "answers > wake >> 16",
        model: "a_parent_that_sleeps",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_round_does_not_count",
        from: "wake != self.0 &&",
        to: "wake >> 16 != self.0 >> 16 &&",
        model: "a_long_answer",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_parent_sleeps_in_the_same_round_again",
        from: "            self.naps += 1;
",
        to: "",
        model: "a_long_answer",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_parent_does_not_look_again",
        from: "        let has_work = self.has_work();
",
        to: "        let has_work = false;
",
        model: "a_parent_that_sleeps",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_parent_does_not_look_for_space",
        from: "            || !self.unsent.is_empty() && self.requests.space().expect(\"sound indices\") > 0
",
        to: "",
        model: "long_requests",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_parent_rings_before_it_publishes",
        from: "            self.requests.publish();
            self.requests.ring();
",
        to: "            self.requests.ring();
            self.requests.publish();
",
        model: "a_worker_that_parks",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_parent_gives_space_and_does_not_ring",
        from: "        if taken > 0 && self.answers.may_have_filled() {
            self.requests.ring();
        }
",
        to: "",
        model: "a_long_answer",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_parent_looks_as_if_it_had_taken_all",
        from: "self.looked = self.taken;",
        to: "self.looked = self.published;",
        model: "a_long_answer_in_bites",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_parent_looks_a_byte_late",
        from: "let may_have = self.published - self.looked >= CAPACITY as u64;",
        to: "let may_have = self.published - self.looked > CAPACITY as u64;",
        model: "a_long_answer",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_parent_notes_a_look_that_it_did_not_take",
        from: "        if may_have {
",
        to: "        if may_have || self.published > 0 {
",
        model: "a_long_answer_behind_a_short_one",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_worker_parks_and_does_not_ring",
        from: "        if self.bell.due(ALL_ANSWERS) {
            self.to_parent.ring();
        }
        let block",
        to: "        let block",
        model: "long_requests",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "the_worker_gives_no_space_back_before_it_parks",
        from: "            self.requests.give_back();
            self.wait(",
        to: "            self.wait(",
        model: "long_requests",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "no_bell_when_the_ring_is_half_full",
        from: "        } else if self.answers.is_half_full() {
",
        to: "        } else if false {
",
        model: "a_ring_that_is_half_full",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "who_adds_jobs_asks_for_no_bell",
        from: "        self.sleep();
        !self.has_work()
",
        to: "        !self.has_work()
",
        model: "jobs_for_an_idle_worker",
        shows: LOST_WAKE,
    },
    Mutant {
        name: "who_adds_jobs_does_not_look_again",
        from: "        self.sleep();
        !self.has_work()
",
        to: "        self.sleep();
        true
",
        model: "jobs_for_an_idle_worker",
        shows: LOST_WAKE,
    },
];
