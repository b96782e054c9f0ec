//! What a worker measured of a job: the last bytes of its answer, where the pool accounts.

/// One job's account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// How long it ran, in nanoseconds.
    pub(crate) wall_ns: u64,
    /// The processor time of the process meanwhile, in nanoseconds.
    pub(crate) cpu_ns: u64,
    /// The fuel that it used.
    pub(crate) fuel: u64,
    /// How many calls it made of its host.
    pub(crate) host_calls: u64,
    /// What its instance's memories and tables had grown to.
    pub(crate) memory_bytes: u64,
}

impl Account {
    /// How many bytes an account takes.
    pub(crate) const BYTES: u32 = 40;

    pub(crate) fn encode(self) -> [u8; Account::BYTES as usize] {
        let words = [
            self.wall_ns,
            self.cpu_ns,
            self.fuel,
            self.host_calls,
            self.memory_bytes,
        ];
        let mut bytes = [0; Account::BYTES as usize];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The answer without the account at its end, and the account; `None` if there is no room for one.
    pub(crate) fn split(payload: &[u8]) -> Option<(&[u8], Account)> {
        let (answer, bytes) = payload.split_last_chunk::<{ Account::BYTES as usize }>()?;
        let word = |place: usize| {
            let bytes = bytes[8 * place..].first_chunk().copied();
            u64::from_le_bytes(bytes.unwrap_or_default())
        };
        let account = Account {
            wall_ns: word(0),
            cpu_ns: word(1),
            fuel: word(2),
            host_calls: word(3),
            memory_bytes: word(4),
        };
        Some((answer, account))
    }
}
