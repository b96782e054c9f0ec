//! What is believed of a worker's accounts: no more than can be, as a hostile worker claims what it likes.

use crate::job::{Totals, Usage};
use crate::wire::Account;
use std::time::Duration;

/// The most that a job can have used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// How many threads a worker has.
    pub(crate) threads: u32,
    /// What an instance may have, in bytes.
    pub(crate) memory_bytes: u64,
    /// What a job may use of fuel.
    pub(crate) fuel: u64,
    /// How often it may call its host.
    pub(crate) host_calls: u64,
}

impl Bounds {
    /// What is believed of this account, if `left` is the time in which this job and the next ones of its row can have run.
    pub(super) fn believed(&self, account: Account, left: &mut Duration) -> Account {
        let wall = Duration::from_nanos(account.wall_ns).min(*left);
        *left -= wall;
        let wall_ns = wall.as_nanos() as u64;
        Account {
            wall_ns,
            cpu_ns: (account.cpu_ns).min(wall_ns.saturating_mul(u64::from(self.threads))),
            fuel: account.fuel.min(self.fuel),
            // One more than it may is what it is stopped at.
            host_calls: account.host_calls.min(self.host_calls.saturating_add(1)),
            memory_bytes: account.memory_bytes.min(self.memory_bytes),
        }
    }
}

impl From<Account> for Usage {
    fn from(account: Account) -> Usage {
        Usage {
            wall: Some(Duration::from_nanos(account.wall_ns)),
            cpu: Some(Duration::from_nanos(account.cpu_ns)),
            fuel: Some(account.fuel),
            host_calls: Some(account.host_calls),
            peak_memory_bytes: Some(account.memory_bytes),
            ..Usage::default()
        }
    }
}

impl From<Account> for Totals {
    fn from(account: Account) -> Totals {
        Totals {
            accounted: 1,
            wall: Duration::from_nanos(account.wall_ns),
            cpu: Duration::from_nanos(account.cpu_ns),
            fuel: account.fuel,
            host_calls: account.host_calls,
            peak_memory_bytes: account.memory_bytes,
            ..Totals::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_believed_beyond_what_can_be() {
        let bounds = Bounds {
            threads: 1,
            memory_bytes: 100,
            fuel: 50,
            host_calls: u64::MAX,
        };
        let lie = Account {
            wall_ns: u64::MAX,
            cpu_ns: u64::MAX,
            fuel: u64::MAX,
            host_calls: u64::MAX,
            memory_bytes: u64::MAX,
        };
        let mut left = Duration::from_nanos(700);
        let honest = Account {
            wall_ns: 200,
            cpu_ns: 150,
            ..Account::default()
        };
        assert_eq!(bounds.believed(honest, &mut left), honest);
        let believed = bounds.believed(lie, &mut left);
        assert_eq!((believed.wall_ns, believed.cpu_ns), (500, 500));
        assert_eq!((believed.fuel, believed.memory_bytes), (50, 100));
        // All the time is given away.
        let believed = bounds.believed(lie, &mut left);
        assert_eq!((believed.wall_ns, believed.cpu_ns), (0, 0));
    }
}
