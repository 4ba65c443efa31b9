//! What is in memory: all that a decision reads.

mod accounts;
mod challenges;
mod recent;
mod snapshot;

pub use accounts::{Accounts, Resident};
pub use challenges::{Challenges, Pending};
pub use recent::{Claim, Claimed, Recent};
pub use snapshot::{Policies, Snapshot};

use std::sync::Arc;

use crate::accounts::new_account;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tfps_engine::{
    call::AccountId,
    usage::{Ledger, Watch},
};

/// What is in memory.
#[derive(Debug)]
pub struct State {
    /// The accounts with what they have used.
    pub accounts: Accounts,
    /// The ledgers of unknown accounts that a policy lets pass.
    pub strangers: Accounts,
    /// The policies and lists: swapped whole.
    pub snapshot: ArcSwap<Snapshot>,
    /// What has been counted about anyone.
    pub watch: Watch,
    /// The challenges that wait for their callers.
    pub challenges: Challenges,
    /// The Call-IDs that were answered.
    pub recent: Recent,
}

impl State {
    /// The ledger of an account, known or not; `None` where nothing has been counted about it.
    pub fn ledger(&self, id: &AccountId) -> Option<Arc<Mutex<Ledger>>> {
        let resident = self.accounts.get(id).or_else(|| self.strangers.get(id))?;
        Some(Arc::clone(&resident.ledger))
    }

    /// The ledger of an account; an unknown one, which a policy lets pass, has one as a new account would.
    pub fn ledger_or_stranger(&self, id: &AccountId) -> Arc<Mutex<Ledger>> {
        if let Some(ledger) = self.ledger(id) {
            return ledger;
        }
        let snapshot = self.snapshot.load();
        let policy = snapshot.policies.of_account(id.domain(), None);
        Arc::clone(&self.strangers.put(new_account(id.clone(), policy)).ledger)
    }
}
