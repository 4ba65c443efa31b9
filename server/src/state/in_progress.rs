//! Who has calls in progress.

use hashbrown::HashSet;
use parking_lot::Mutex;
use tfps_engine::call::AccountId;

/// The accounts that have calls in progress, as switches told.
#[derive(Debug, Default)]
pub struct InProgress(Mutex<HashSet<AccountId>>);

impl InProgress {
    /// A call of an account is there.
    pub fn add(&self, account: &AccountId) {
        self.0.lock().get_or_insert_with(account, AccountId::clone);
    }

    /// None of an account's calls is there any more.
    pub fn remove(&self, account: &AccountId) {
        self.0.lock().remove(account);
    }

    /// All of them.
    pub fn all(&self) -> Vec<AccountId> {
        self.0.lock().iter().cloned().collect()
    }
}
