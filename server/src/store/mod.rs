//! What is kept for good: one trait, one file a database.
//!
//! Callers know only [`Store`]. Every change is one transaction; an error leaves nothing half-done. Optimistic
//! concurrency is by versions, which are the API's etags.
//!
//! `tests/store/` is one suite for all of them: a database that is new is added there with a line.

mod queries;
mod records;
mod sqlite;

pub use queries::{
    AccountFilter, DecisionFilter, EntryCursor, EntryFilter, Statistics, TrainingFilter,
};
pub(crate) use records::limit_columns;
pub use records::{
    AccountRecord, AllowedCall, DayUsage, EntryRecord, GrantRecord, OpenCallRecord,
    OpenedChallenge, OutcomeRecord, Passed, PolicyRecord, ReputationRecord, ReputationSource,
    Shipment, SourceMark, Terms, TokenRecord, TrainingRecord, TrainingState, VerificationRecord,
    VerificationStatus, Written,
};
pub use sqlite::SqliteStore;

use async_trait::async_trait;
use jiff::Timestamp;
use tfps_engine::{
    account::Account,
    call::AccountId,
    lists::{Change, EntryKey, ListEntry},
    number::E164,
    usage::Verified,
};

use crate::journal::{DecisionRecord, Position};

/// What went wrong in the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such thing.
    #[error("not found")]
    NotFound,
    /// There is one already.
    #[error("already exists")]
    AlreadyExists,
    /// It has been changed meanwhile.
    #[error("changed meanwhile")]
    Conflict,
    /// Too many others ask at the same time.
    #[error("too many queries are being answered; ask again in a moment")]
    Busy,
    /// A query took longer than it may.
    #[error(
        "the query took longer than requests.query_ms lets it; ask for less: a shorter time (since, until), one domain or account"
    )]
    TooLong,
    /// The database does not do what it should.
    #[error("the database fails: {0}")]
    Unavailable(String),
}

/// A database.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Its kind, such as `sqlite`.
    fn kind(&self) -> &'static str;
    /// Whether it answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Every account, for the start.
    async fn load_accounts(&self, take: &mut (dyn FnMut(Account) + Send))
    -> Result<(), StoreError>;
    /// One account.
    async fn account(&self, id: &AccountId) -> Result<AccountRecord, StoreError>;
    /// Accounts by domain and username, after one, and how many match in all.
    async fn accounts(
        &self,
        filter: &AccountFilter,
        after: Option<(&str, &str)>,
        limit: usize,
    ) -> Result<(Vec<AccountRecord>, u64), StoreError>;
    /// Makes an account.
    async fn create_account(&self, record: &AccountRecord) -> Result<(), StoreError>;
    /// Changes an account that has the version before the record's.
    async fn update_account(&self, record: &AccountRecord) -> Result<(), StoreError>;
    /// Deletes an account and what hangs on it; with a version, only that one.
    async fn delete_account(&self, id: &AccountId, version: Option<i64>) -> Result<(), StoreError>;
    /// Forgets what verifications an account passed on a day.
    async fn forget_verified(&self, id: &AccountId) -> Result<(), StoreError>;
    /// The days on which accounts passed verifications since a moment.
    async fn verified_since(
        &self,
        since: Timestamp,
    ) -> Result<Vec<(AccountId, Verified)>, StoreError>;
    /// The accounts that their callers onboarded since a moment, and when.
    async fn onboarded_since(
        &self,
        since: Timestamp,
    ) -> Result<Vec<(AccountId, Timestamp)>, StoreError>;
    /// Forgets an account's failed verifications.
    async fn forget_failures(&self, id: &AccountId) -> Result<(), StoreError>;

    /// Every policy.
    async fn policies(&self) -> Result<Vec<PolicyRecord>, StoreError>;
    /// Makes (version 1) or changes a policy that has the version before the record's.
    async fn put_policy(&self, record: &PolicyRecord) -> Result<(), StoreError>;
    /// Deletes a policy that no account names; with a version, only that one. [`StoreError::Conflict`] where the
    /// version is another.
    async fn delete_policy(
        &self,
        domain: &str,
        name: &str,
        version: Option<i64>,
    ) -> Result<(), StoreError>;
    /// How many accounts name a policy.
    async fn accounts_under(&self, domain: &str, name: &str) -> Result<u64, StoreError>;

    /// Every entry that has not expired, for the start.
    async fn load_entries(
        &self,
        now: Timestamp,
        take: &mut (dyn FnMut(ListEntry) + Send),
    ) -> Result<(), StoreError>;
    /// Entries by kind, domain, value and source, after one, and how many match in all.
    async fn entries(
        &self,
        filter: &EntryFilter,
        after: Option<&EntryCursor>,
        limit: usize,
    ) -> Result<(Vec<EntryRecord>, u64), StoreError>;
    /// The keys of the entries that match.
    async fn entry_keys(&self, filter: &EntryFilter) -> Result<Vec<EntryKey>, StoreError>;
    /// Makes changes, all or none.
    async fn change_entries(
        &self,
        changes: &[Change],
        at: Timestamp,
    ) -> Result<Written, StoreError>;

    /// Every token.
    async fn tokens(&self) -> Result<Vec<TokenRecord>, StoreError>;
    /// Makes a token.
    async fn create_token(&self, record: &TokenRecord) -> Result<(), StoreError>;
    /// Deletes a token.
    async fn delete_token(&self, id: &str) -> Result<(), StoreError>;

    /// Whom a challenge was issued for, as far as decisions have been shipped and verifications opened.
    async fn challenged_account(&self, challenge_id: &str)
    -> Result<Option<AccountId>, StoreError>;
    /// Opens a verification, unless the challenge was passed or opened `max_opens` times
    /// ([`StoreError::Conflict`]).
    async fn open_verification(
        &self,
        record: &VerificationRecord,
        max_opens: u32,
    ) -> Result<(), StoreError>;
    /// One verification.
    async fn verification(&self, id: &str) -> Result<VerificationRecord, StoreError>;
    /// Records that an opened verification failed.
    async fn fail_verification(&self, id: &str, at: Timestamp) -> Result<(), StoreError>;
    /// Records that an opened verification passed, with what it changes and, where it counts, what its account's verifications of the
    /// day come to with it, all or nothing. A grant gets its number.
    async fn pass_verification(
        &self,
        id: &str,
        change: Passed,
        verified: Option<(&AccountId, &Verified)>,
        at: Timestamp,
    ) -> Result<Passed, StoreError>;
    /// Uses a passed verification for learning limits.
    async fn use_verification(&self, id: &str, account: &AccountRecord) -> Result<(), StoreError>;
    /// The failures since a moment.
    async fn failures(&self, since: Timestamp) -> Result<Vec<(AccountId, Timestamp)>, StoreError>;
    /// The challenges that were passed since a moment.
    async fn passed_challenges(&self, since: Timestamp) -> Result<Vec<String>, StoreError>;
    /// The challenges about something that were first opened since a moment, oldest first.
    async fn challenges_opened(
        &self,
        purpose: &str,
        since: Timestamp,
    ) -> Result<Vec<OpenedChallenge>, StoreError>;
    /// The grants that have not expired.
    async fn grants(&self, now: Timestamp) -> Result<Vec<GrantRecord>, StoreError>;

    /// Records an outcome, with the changes to the lists that it brings.
    async fn learn_outcome(
        &self,
        record: &OutcomeRecord,
        changes: &[Change],
    ) -> Result<(), StoreError>;

    /// The calls of an account that passed since a moment, oldest first.
    async fn allowed_calls(
        &self,
        account: &AccountId,
        since: Timestamp,
        take: &mut (dyn FnMut(AllowedCall) + Send),
    ) -> Result<(), StoreError>;
    /// The numbers whose last outcome is fraud, with the domains that taught it.
    async fn confirmed_fraud(&self) -> Result<Vec<(String, E164)>, StoreError>;
    /// The numbers whose last outcome for all domains, since a moment, is that they were no fraud, the newest first.
    async fn false_positives(&self, since: Timestamp) -> Result<Vec<E164>, StoreError>;
    /// The trainings that match, newest first, before one.
    async fn trainings(
        &self,
        filter: &TrainingFilter,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<TrainingRecord>, StoreError>;
    /// Keeps a training in the place of what was suggested for its account; with an account, changes that as well, all or nothing.
    async fn put_training(
        &self,
        training: &TrainingRecord,
        account: Option<&AccountRecord>,
    ) -> Result<(), StoreError>;
    /// Forgets what is suggested for an account.
    async fn withdraw_suggestion(&self, account: &AccountId) -> Result<(), StoreError>;

    /// Every answer of a reputation service that has not expired, for the start.
    async fn load_reputations(
        &self,
        now: Timestamp,
        take: &mut (dyn FnMut(ReputationRecord) + Send),
    ) -> Result<(), StoreError>;
    /// Keeps answers and how far the server has got with their sources, over what was kept before, all or nothing. No
    /// address stands twice for a source.
    async fn keep_reputations(
        &self,
        records: &[ReputationRecord],
        marks: &[SourceMark],
    ) -> Result<(), StoreError>;
    /// How far the server has got with each source.
    async fn source_marks(&self) -> Result<Vec<SourceMark>, StoreError>;

    /// Takes what the journal ships.
    async fn ship(&self, shipment: &Shipment) -> Result<(), StoreError>;
    /// Up to where the journal has been shipped.
    async fn position(&self) -> Result<Position, StoreError>;
    /// The decisions that match, newest first, before one.
    async fn decisions(
        &self,
        filter: &DecisionFilter,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DecisionRecord>, StoreError>;
    /// The decisions since a moment that issued a challenge, oldest first.
    async fn challenges(&self, since: Timestamp) -> Result<Vec<DecisionRecord>, StoreError>;
    /// What was decided in a span of time.
    async fn statistics(
        &self,
        since: Timestamp,
        until: Timestamp,
        domain: Option<&str>,
    ) -> Result<Statistics, StoreError>;
    /// The usage of days from one on.
    async fn usage_since(&self, day: i32) -> Result<Vec<DayUsage>, StoreError>;
    /// The calls that have not ended and held a slot at a moment or later.
    async fn open_calls(&self, since: Timestamp) -> Result<Vec<OpenCallRecord>, StoreError>;
    /// Deletes what is older than a moment: decisions, calls, usage, failures, verifications, expired entries and
    /// reputations.
    async fn prune(&self, before: Timestamp, now: Timestamp) -> Result<u64, StoreError>;
    /// Ends: what was written is on the disk.
    async fn close(&self);
}
