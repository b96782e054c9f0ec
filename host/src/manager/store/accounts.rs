//! What the objects and items of a manager cost, and who has to pay for them: one account for each pool, and one for all.

use super::ManagerLimits;
use crate::shared::ManagerError;
use std::collections::HashMap;

/// Who pays: a program's pool, or no pool but the programs themselves.
pub(in super::super) type Account = u64;

/// The account of the programs themselves, which only the limits of the manager bound.
pub(in super::super) const PROGRAM: Account = 0;

pub(super) struct Accounts {
    all: Used,
    pools: HashMap<Account, Used>,
    most: Used,
    most_of_pool: Used,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Used {
    bytes: u64,
    objects: u64,
}

impl Accounts {
    pub(super) fn new(limits: &ManagerLimits) -> Accounts {
        Accounts {
            all: Used::default(),
            pools: HashMap::new(),
            most: Used {
                bytes: limits.bytes,
                objects: limits.objects,
            },
            most_of_pool: Used {
                bytes: limits.pool_bytes,
                objects: limits.pool_objects,
            },
        }
    }

    /// Takes so much into use, or says what is full.
    pub(super) fn charge(
        &mut self,
        payer: Account,
        bytes: u64,
        objects: u64,
    ) -> Result<(), ManagerError> {
        let all = self.all.more(bytes, objects);
        all.check(&self.most, "it may keep")?;
        if payer != PROGRAM {
            let used = self.pools.entry(payer).or_default();
            let more = used.more(bytes, objects);
            more.check(&self.most_of_pool, "for the jobs of one pool it may keep")?;
            *used = more;
        }
        self.all = all;
        Ok(())
    }

    /// Gives so much back.
    pub(super) fn refund(&mut self, payer: Account, bytes: u64, objects: u64) {
        self.all.less(bytes, objects);
        if let Some(used) = self.pools.get_mut(&payer) {
            used.less(bytes, objects);
            if *used == Used::default() {
                self.pools.remove(&payer);
            }
        }
    }

    /// What all of it costs.
    pub(super) fn bytes(&self) -> u64 {
        self.all.bytes
    }
}

impl Used {
    fn more(&self, bytes: u64, objects: u64) -> Used {
        Used {
            bytes: self.bytes.saturating_add(bytes),
            objects: self.objects.saturating_add(objects),
        }
    }

    fn less(&mut self, bytes: u64, objects: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.objects = self.objects.saturating_sub(objects);
    }

    fn check(&self, most: &Used, may: &str) -> Result<(), ManagerError> {
        if self.objects > most.objects {
            return Err(ManagerError::Full(format!(
                "{may} {} objects",
                most.objects
            )));
        }
        if self.bytes > most.bytes {
            return Err(ManagerError::Full(format!("{may} {} bytes", most.bytes)));
        }
        Ok(())
    }
}
