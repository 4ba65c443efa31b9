//! Who has calls in progress.

use hashbrown::{HashMap, HashSet};
use parking_lot::Mutex;
use tfps_engine::call::AccountId;

/// Calls of one domain in progress that this server has not allowed, whatever switches tell of them.
const MOST_UNDECIDED: usize = 100_000;

/// The accounts that have calls in progress, as switches told.
#[derive(Debug, Default)]
pub struct InProgress {
    accounts: Mutex<HashSet<AccountId>>,
    /// Of each domain, the calls that were not allowed here: counted anew whenever they are looked at.
    undecided: Mutex<HashMap<String, usize>>,
}

impl InProgress {
    /// A call of an account is there.
    pub fn add(&self, account: &AccountId) {
        let mut accounts = self.accounts.lock();
        accounts.get_or_insert_with(account, AccountId::clone);
    }

    /// None of an account's calls is there any more.
    pub fn remove(&self, account: &AccountId) {
        self.accounts.lock().remove(account);
    }

    /// All of them.
    pub fn all(&self) -> Vec<AccountId> {
        self.accounts.lock().iter().cloned().collect()
    }

    /// Counts a call that was not allowed here; false where the domain has as many as it may.
    pub fn add_undecided(&self, domain: &str) -> bool {
        let mut undecided = self.undecided.lock();
        let count = undecided.entry_ref(domain).or_insert(0);
        if *count >= MOST_UNDECIDED {
            return false;
        }
        *count += 1;
        true
    }

    /// How many calls there are that were not allowed here.
    pub fn set_undecided(&self, counts: HashMap<String, usize>) {
        *self.undecided.lock() = counts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_so_many_undecided_calls_and_leaves_others_theirs() {
        let calls = InProgress::default();
        for _ in 0..MOST_UNDECIDED {
            assert!(calls.add_undecided("a.example"));
        }
        assert!(!calls.add_undecided("a.example"));
        assert!(calls.add_undecided("b.example"));
        // Some have ended.
        calls.set_undecided(HashMap::from_iter([("a.example".into(), 7)]));
        assert!(calls.add_undecided("a.example"));
    }
}
