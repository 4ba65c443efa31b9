//! What is in memory: all that a decision reads.

mod accounts;
mod challenges;
mod hang_ups;
mod in_progress;
mod recent;
mod snapshot;

pub use accounts::{Accounts, Resident};
pub use challenges::{About, Challenges, Pending};
pub use hang_ups::{HangUp, HangUps};
pub use in_progress::InProgress;
pub use recent::{Claim, Claimed, Recent};
pub use snapshot::{Policies, Snapshot};

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tfps_engine::{
    account::Account,
    call::AccountId,
    policy::Policy,
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
    /// The attempts that were answered of late.
    pub recent: Recent,
    /// How many calls there were that no decision was known of.
    undecided: AtomicU64,
    /// Who has calls in progress.
    pub in_progress: InProgress,
    /// The calls in progress that are to end.
    pub hang_ups: HangUps,
}

/// Challenges that wait at the most.
const MAX_CHALLENGES: usize = 200_000;

impl State {
    /// Nothing has been counted yet. Of strangers about `capacity` are remembered at the most, and of attempts `attempts`.
    pub fn new(accounts: Accounts, snapshot: Snapshot, capacity: usize, attempts: usize) -> Self {
        Self {
            accounts,
            strangers: Accounts::bounded(capacity),
            snapshot: ArcSwap::from_pointee(snapshot),
            watch: Watch::with_capacity(capacity),
            challenges: Challenges::with_capacity(capacity.min(MAX_CHALLENGES)),
            recent: Recent::with_capacity(attempts),
            undecided: AtomicU64::new(0),
            in_progress: InProgress::default(),
            hang_ups: HangUps::default(),
        }
    }

    /// A key for a call that no decision is known of; those of decisions are of 96 bits.
    pub fn undecided_call(&self) -> u128 {
        1 << 127 | u128::from(self.undecided.fetch_add(1, Ordering::Relaxed))
    }

    /// The policy that an account is under, known or not.
    pub fn policy<'a>(&self, snapshot: &'a Snapshot, id: &AccountId) -> &'a Policy {
        let resident = self.accounts.get(id);
        let named = resident
            .as_deref()
            .and_then(|resident| resident.account.policy.as_deref());
        snapshot.policies.of_account(id.domain(), named)
    }

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
        let stranger = self.strangers.put(Account::new(id.clone(), policy));
        // Its account may have been entered meanwhile.
        if let Some(resident) = self.accounts.get(id) {
            self.strangers.remove(id);
            return Arc::clone(&resident.ledger);
        }
        Arc::clone(&stranger.ledger)
    }

    /// Enters an account that was unknown. What it has used as a stranger is what it has used.
    pub fn enter(&self, account: Account) {
        // The stranger is there until the account is, so that who looks for a ledger meanwhile finds the same one.
        let stranger = self.strangers.put(account.clone());
        let id = account.id.clone();
        self.accounts
            .put_with(account, Arc::clone(&stranger.ledger));
        self.strangers.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tfps_engine::{lists::Lists, policy::PolicyDocument, usage::Day};

    use super::*;

    fn state() -> State {
        let policy = tfps_engine::policy::Policy::compile(PolicyDocument::default()).unwrap();
        let snapshot = Snapshot::new(
            Policies::new(policy),
            Lists::default(),
            Arc::new(tfps_engine::risk::RiskModel::built_in()),
            Timestamp::UNIX_EPOCH,
        );
        State::new(Accounts::default(), snapshot, 1_000, 1_000)
    }

    fn account(state: &State, id: &AccountId) -> Account {
        let snapshot = state.snapshot.load();
        Account::new(id.clone(), snapshot.policies.of_account(id.domain(), None))
    }

    #[test]
    fn a_stranger_that_becomes_known_keeps_what_it_has_used() {
        let state = state();
        let id: AccountId = "a@b".parse().unwrap();
        let day = Day::from_digits(20_260_608);
        let before = state.ledger_or_stranger(&id);
        before.lock().count(day, false);
        state.enter(account(&state, &id));
        let after = state.ledger_or_stranger(&id);
        assert!(Arc::ptr_eq(&before, &after));
        let used = after.lock().occupancy(day, Timestamp::UNIX_EPOCH);
        assert_eq!((used.today, state.strangers.len()), (1, 0));
    }

    #[test]
    fn calls_that_meet_the_entry_of_an_account_count_for_it() {
        for _ in 0..200 {
            let state = state();
            let id: AccountId = "a@b".parse().unwrap();
            let day = Day::from_digits(20_260_608);
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| state.ledger_or_stranger(&id).lock().count(day, false));
                }
                scope.spawn(|| state.enter(account(&state, &id)));
            });
            let resident = state.accounts.get(&id).unwrap();
            let used = resident.ledger.lock().occupancy(day, Timestamp::UNIX_EPOCH);
            assert_eq!((used.today, state.strangers.len()), (2, 0));
        }
    }
}
