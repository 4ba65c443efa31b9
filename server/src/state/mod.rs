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
    /// The ledger of an account, known or not.
    pub fn ledger(&self, id: &AccountId) -> Option<Arc<Mutex<Ledger>>> {
        self.accounts
            .get(id)
            .or_else(|| self.strangers.get(id))
            .map(|resident| Arc::clone(&resident.ledger))
    }
}
