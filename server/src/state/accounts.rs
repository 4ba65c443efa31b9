//! The accounts: a sharded table whose entries are replaced whole.

use std::{
    hash::BuildHasher,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hashbrown::{DefaultHashBuilder, HashTable, hash_table::Entry};
use parking_lot::{Mutex, RwLock};
use tfps_engine::{account::Account, call::AccountId, usage::Ledger};

const SHARDS: usize = 128;

/// An account, and what it has used. A change replaces the account and keeps the ledger.
#[derive(Debug)]
pub struct Resident {
    /// The account.
    pub account: Account,
    /// What it has used.
    pub ledger: Arc<Mutex<Ledger>>,
}

/// Every account.
#[derive(Debug)]
pub struct Accounts {
    shards: Box<[RwLock<HashTable<Arc<Resident>>>]>,
    hasher: DefaultHashBuilder,
    len: AtomicUsize,
    /// At most so many a shard.
    capacity: usize,
}

impl Default for Accounts {
    fn default() -> Self {
        Self::bounded(usize::MAX)
    }
}

impl Accounts {
    /// A table that makes room for a new account, once it holds about so many, by letting some other one go.
    pub fn bounded(capacity: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::new(HashTable::new())).collect(),
            hasher: DefaultHashBuilder::default(),
            len: AtomicUsize::new(0),
            capacity: (capacity / SHARDS).max(1),
        }
    }

    /// An account by its name.
    pub fn get(&self, id: &AccountId) -> Option<Arc<Resident>> {
        let hash = self.hasher.hash_one(id);
        self.shard(hash)
            .read()
            .find(hash, |resident| resident.account.id == *id)
            .map(Arc::clone)
    }

    /// Puts an account, or replaces it and keeps its ledger.
    pub fn put(&self, account: Account) -> Arc<Resident> {
        self.put_with(account, Arc::default())
    }

    /// Puts an account with what it has used so far, or replaces it and keeps its ledger.
    pub fn put_with(&self, account: Account, ledger: Arc<Mutex<Ledger>>) -> Arc<Resident> {
        let hash = self.hasher.hash_one(&account.id);
        let mut shard = self.shard(hash).write();
        let is_new = shard
            .find(hash, |resident| resident.account.id == account.id)
            .is_none();
        if is_new
            && shard.len() >= self.capacity
            && let Some(old) = shard.iter().next().map(Arc::clone)
            && let Ok(entry) = shard.find_entry(self.hasher.hash_one(&old.account.id), |other| {
                Arc::ptr_eq(other, &old)
            })
        {
            entry.remove();
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
        let entry = shard.entry(
            hash,
            |resident| resident.account.id == account.id,
            |resident| self.hasher.hash_one(&resident.account.id),
        );
        match entry {
            Entry::Occupied(mut entry) => {
                let ledger = Arc::clone(&entry.get().ledger);
                *entry.get_mut() = Arc::new(Resident { account, ledger });
                Arc::clone(entry.get())
            }
            Entry::Vacant(entry) => {
                self.len.fetch_add(1, Ordering::Relaxed);
                let resident = Arc::new(Resident { account, ledger });
                Arc::clone(entry.insert(resident).get())
            }
        }
    }

    /// Removes an account with what it has used.
    pub fn remove(&self, id: &AccountId) {
        let hash = self.hasher.hash_one(id);
        let mut shard = self.shard(hash).write();
        if let Ok(entry) = shard.find_entry(hash, |resident| resident.account.id == *id) {
            entry.remove();
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Visits every account.
    pub fn for_each(&self, mut visit: impl FnMut(&Resident)) {
        for shard in &self.shards {
            for resident in shard.read().iter() {
                visit(resident);
            }
        }
    }

    /// Gives the memory back that growing has left over.
    pub fn shrink(&self) {
        for shard in &self.shards {
            shard
                .write()
                .shrink_to_fit(|resident| self.hasher.hash_one(&resident.account.id));
        }
    }

    fn shard(&self, hash: u64) -> &RwLock<HashTable<Arc<Resident>>> {
        // The table itself uses the low bits and the top seven.
        &self.shards[(hash >> 40) as usize % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use tfps_engine::{
        account::{Limits, RareText},
        number::CountrySet,
        usage::Day,
    };

    use super::*;

    fn account(name: &str, quota: u32) -> Account {
        Account {
            id: name.parse().unwrap(),
            limits: Limits {
                concurrent_calls: 1,
                concurrent_calls_off_hours: 1,
                daily_quota: quota,
                daily_quota_off_hours: 1,
            },
            source_countries: CountrySet::new(),
            destination_countries: CountrySet::new(),
            blocked: RareText::default(),
            policy: RareText::default(),
            has_pin: false,
        }
    }

    #[test]
    fn a_change_keeps_what_was_used() {
        let accounts = Accounts::default();
        let before = accounts.put(account("a@b", 1));
        before
            .ledger
            .lock()
            .count(Day::from_digits(20_260_608), false);
        accounts.put(account("a@b", 2));
        let after = accounts.get(&"a@b".parse().unwrap()).unwrap();
        assert_eq!(after.account.limits.daily_quota, 2);
        let used = after
            .ledger
            .lock()
            .occupancy(Day::from_digits(20_260_608), jiff::Timestamp::UNIX_EPOCH);
        assert_eq!((used.today, accounts.len()), (1, 1));
        accounts.remove(&"a@b".parse().unwrap());
        assert!(accounts.get(&"a@b".parse().unwrap()).is_none());
        assert!(accounts.is_empty());
    }

    #[test]
    fn a_bounded_table_stays_within_its_bound() {
        let accounts = Accounts::bounded(SHARDS * 4);
        for number in 0..10_000 {
            accounts.put(account(&format!("{number}@b"), 1));
        }
        assert!(accounts.len() <= SHARDS * 4);
        assert!(accounts.get(&"9999@b".parse().unwrap()).is_some());
    }
}
