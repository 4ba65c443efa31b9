//! What is kept for good: one trait, one file a database.
//!
//! Callers know only [`Store`]. Every change is one transaction; an error leaves nothing half-done. Optimistic
//! concurrency is by versions, which are the API's etags.

mod sqlite;

pub use sqlite::SqliteStore;

use async_trait::async_trait;
use jiff::Timestamp;
use tfps_engine::{
    account::{Account, Limits},
    call::AccountId,
    lists::{Change, EntryKey, EntryKind, ListEntry},
    number::Country,
    usage::GrantKind,
};

use crate::journal::{CallRecord, DecisionRecord, Position};

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
    /// The database does not do what it should.
    #[error("the database fails: {0}")]
    Unavailable(String),
}

/// An account with what only administration needs.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountRecord {
    /// What decisions read.
    pub account: Account,
    /// Where its notices go; may be empty.
    pub email_address: String,
    /// The hash of its PIN, in PHC form.
    pub pin_hash: Option<String>,
    /// How often it was changed.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A policy as it is kept: a document in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRecord {
    /// The domain; empty: a general one.
    pub domain: String,
    /// The name.
    pub name: String,
    /// The document.
    pub document: String,
    /// How often it was changed.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// An entry of a list with the time it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRecord {
    /// The entry.
    pub entry: ListEntry,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its name in the API.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// The role, as the API writes it.
    pub role: String,
    /// The domain it is bound to; empty: none.
    pub domain: String,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A verification that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationRecord {
    /// Its id.
    pub id: String,
    /// The challenge it is for.
    pub challenge_id: String,
    /// The account it is for.
    pub account: AccountId,
    /// The purpose, in words.
    pub purpose: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Until when digits are taken.
    pub expires_at: Timestamp,
    /// The hash of the captcha's digits; `None` for a PIN.
    pub digits_hash: Option<Vec<u8>>,
    /// Where it stands.
    pub status: VerificationStatus,
    /// When it was passed or failed.
    pub completed_at: Option<Timestamp>,
}

/// Where a verification stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerificationStatus {
    /// Waiting for digits.
    Opened,
    /// Passed.
    Passed,
    /// Failed.
    Failed,
    /// Passed, and the limits that the caller gave were learned from it.
    Used,
}

impl VerificationStatus {
    /// As it is kept.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Used => "used",
        }
    }
}

/// A country that a verification opens for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRecord {
    /// Its number; 0 before it is kept.
    pub id: i64,
    /// The account.
    pub account: AccountId,
    /// Which way.
    pub kind: GrantKind,
    /// Which country.
    pub country: Country,
    /// Until when.
    pub expires_at: Timestamp,
    /// For how many calls.
    pub calls: Option<u32>,
    /// How many of them were made.
    pub used: u32,
}

/// What a passed verification changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Passed {
    /// The account is made.
    Created(AccountRecord),
    /// The account is changed.
    Updated(AccountRecord),
    /// A country is opened for a while.
    Granted(GrantRecord),
    /// Nothing is changed.
    Nothing,
}

/// An outcome that was taught.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeRecord {
    /// When.
    pub learned_at: Timestamp,
    /// The decision it is about.
    pub decision_id: Option<String>,
    /// The number it is about, in E.164.
    pub number: String,
    /// The domain it was taught for; empty: all.
    pub domain: String,
    /// `confirmed-fraud` or `false-positive`.
    pub kind: &'static str,
    /// Why.
    pub note: String,
    /// Whose token taught it.
    pub taught_by: String,
}

/// Which accounts.
#[derive(Clone, Debug, Default)]
pub struct AccountFilter {
    /// Only this domain.
    pub domain: Option<String>,
    /// Only usernames that start so.
    pub username_prefix: String,
    /// Only those blocked, or not.
    pub blocked: Option<bool>,
}

/// Which entries.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    /// Only of this kind.
    pub kind: Option<EntryKind>,
    /// Only of this action.
    pub action: Option<&'static str>,
    /// Only these values, as they are kept.
    pub values: Option<Vec<String>>,
    /// Only of this domain; the empty one is the general lists'.
    pub domain: Option<String>,
    /// Only from this source.
    pub source: Option<String>,
}

/// Which decisions.
#[derive(Clone, Debug, Default)]
pub struct DecisionFilter {
    /// Only of this domain.
    pub domain: Option<String>,
    /// Only of this user.
    pub username: Option<String>,
    /// Only with one of these codes.
    pub codes: Vec<String>,
    /// Only with this verdict, as the API numbers it.
    pub verdict: Option<i32>,
    /// Only from this address.
    pub source_ip: Option<String>,
    /// Only to numbers that start so.
    pub number_prefix: Option<String>,
    /// Only to this country.
    pub destination_country: Option<String>,
    /// Only with this Call-ID.
    pub call_id: Option<String>,
    /// Only this one.
    pub id: Option<String>,
    /// At or after.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// What was decided in a span of time.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// Decisions by code and verdict.
    pub by_code: Vec<(String, i32, u64)>,
    /// The countries most often dialed.
    pub countries: Vec<(String, u64)>,
    /// The accounts most often denied or challenged.
    pub stopped: Vec<(String, u64)>,
}

/// Calls that an account was allowed on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayUsage {
    /// The account.
    pub account: AccountId,
    /// The day, as YYYYMMDD.
    pub day: i32,
    /// In business hours.
    pub business: u32,
    /// Off hours.
    pub off_hours: u32,
}

/// What the journal ships in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Shipment {
    /// The decisions.
    pub decisions: Vec<DecisionRecord>,
    /// The calls' progress.
    pub calls: Vec<CallRecord>,
    /// The accounts whose counters were set to zero: theirs are deleted first.
    pub resets: Vec<AccountId>,
    /// What is added to the usage of days.
    pub usage: Vec<DayUsage>,
    /// How many calls used a grant.
    pub grants: Vec<(i64, i64)>,
    /// Up to where in the journal this brings the database.
    pub position: Position,
}

/// How many were made and how many were replaced or removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// New.
    pub created: u64,
    /// Replaced.
    pub replaced: u64,
    /// Removed.
    pub removed: u64,
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

    /// Whether an account's challenge was issued, as far as decisions have been shipped and verifications opened.
    async fn challenge_was_issued(&self, account: &AccountId, id: &str)
    -> Result<bool, StoreError>;
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
    /// Records that an opened verification passed, with what it changes, all or nothing. A grant gets its number.
    async fn pass_verification(
        &self,
        id: &str,
        change: Passed,
        at: Timestamp,
    ) -> Result<Passed, StoreError>;
    /// Uses a passed verification for learning limits.
    async fn use_verification(&self, id: &str, account: &AccountRecord) -> Result<(), StoreError>;
    /// The failures since a moment.
    async fn failures(&self, since: Timestamp) -> Result<Vec<(AccountId, Timestamp)>, StoreError>;
    /// The challenges that were passed since a moment.
    async fn passed_challenges(&self, since: Timestamp) -> Result<Vec<String>, StoreError>;
    /// The grants that have not expired.
    async fn grants(&self, now: Timestamp) -> Result<Vec<GrantRecord>, StoreError>;

    /// Records an outcome, with the changes to the lists that it brings.
    async fn learn_outcome(
        &self,
        record: &OutcomeRecord,
        changes: &[Change],
    ) -> Result<(), StoreError>;

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
    /// The calls that have not ended and still hold a slot.
    async fn open_calls(&self, now: Timestamp) -> Result<Vec<CallRecord>, StoreError>;
    /// Deletes what is older than a moment: decisions, calls, usage, failures, verifications, expired entries.
    async fn prune(&self, before: Timestamp, now: Timestamp) -> Result<u64, StoreError>;
    /// Ends: what was written is on the disk.
    async fn close(&self);
}

/// The place of an entry in the order of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryCursor {
    /// Its kind.
    pub kind: String,
    /// Its domain.
    pub domain: String,
    /// Its value.
    pub value: String,
    /// Its source.
    pub source: String,
}

/// The limits' columns, in their order.
pub(crate) fn limit_columns(limits: &Limits) -> [i64; 4] {
    [
        limits.concurrent_calls.into(),
        limits.concurrent_calls_off_hours.into(),
        limits.daily_quota.into(),
        limits.daily_quota_off_hours.into(),
    ]
}
