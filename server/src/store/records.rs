//! What is written to a database and read again.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tfps_engine::{
    account::{Account, Limits},
    call::AccountId,
    exposure::Exposure,
    lists::ListEntry,
    number::{Country, CountrySet, E164},
    usage::GrantKind,
};

use crate::journal::{CallRecord, DecisionRecord, Position};

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

/// A challenge, by the verifications that were opened for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedChallenge {
    /// Its id.
    pub id: String,
    /// The account that it was issued for.
    pub account: AccountId,
    /// When it was opened for the first time.
    pub first_opened_at: Timestamp,
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

/// A call that passed, as far as limits are learned from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedCall {
    /// When it was decided.
    pub at: Timestamp,
    /// The number, where it was one.
    pub number: Option<E164>,
    /// Whether it was off hours.
    pub off_hours: bool,
    /// The calls in progress that the switch told.
    pub concurrent_calls: Option<u32>,
    /// Where it went: a country's code, or nothing.
    pub destination_country: String,
    /// Where it came from: a country's code, or nothing.
    pub source_country: String,
    /// What a policy that only reports would have done; empty: nothing.
    pub monitored_code: String,
    /// The risk score.
    pub risk: u32,
    /// When it ended, where that was told.
    pub ended_at: Option<Timestamp>,
}

/// Where a training stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrainingState {
    /// Proposed.
    Suggested,
    /// In force.
    Applied,
    /// Taken back.
    Reverted,
}

impl TrainingState {
    /// As it is kept.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suggested => "suggested",
            Self::Applied => "applied",
            Self::Reverted => "reverted",
        }
    }
}

/// What an account may do, as far as training changes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// How many calls.
    pub limits: Limits,
    /// Where they may come from.
    pub source_countries: CountrySet,
    /// Where they may go.
    pub destination_countries: CountrySet,
}

impl Terms {
    /// Those of an account.
    pub fn of(account: &Account) -> Self {
        Self {
            limits: account.limits,
            source_countries: account.source_countries,
            destination_countries: account.destination_countries,
        }
    }
}

/// What an account's limits were found to have to be, by what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainingRecord {
    /// Its id; ids sort by time.
    pub id: String,
    /// The account.
    pub account: AccountId,
    /// Where it stands.
    pub state: TrainingState,
    /// What the account might do when it was made.
    pub before: Terms,
    /// What it is to.
    pub after: Terms,
    /// Every change and why.
    pub reasons: Vec<String>,
    /// Every country that is not opened though there were calls, and why.
    pub left_out: Vec<String>,
    /// When it was made.
    pub trained_at: Timestamp,
    /// When it was applied or reverted.
    pub changed_at: Option<Timestamp>,
    /// Whose token did that.
    pub changed_by: String,
    /// The version that it gave the account.
    pub account_version: Option<i64>,
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
    /// What those that have ended came to, and what is assumed of others.
    pub exposure: Exposure,
    /// What was assumed before and is no longer; nothing where usage is read.
    pub taken_back: Exposure,
}

/// A call that a switch told has started and that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCallRecord {
    /// The account.
    pub account: AccountId,
    /// The Call-ID.
    pub call_id: String,
    /// The decision that allowed it; empty where none is known.
    pub decision_id: String,
    /// The key of its attempt; empty where it is not told.
    pub attempt_key: String,
    /// The number that is called, without `+`; empty where no decision told it.
    pub e164: String,
    /// Whether somebody calls for help.
    pub emergency: bool,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// Until when it holds a slot, in seconds since 1970.
    pub slot_until: i64,
    /// What came before this, in seconds since 1970, is charged for no more.
    pub charged_from: i64,
}

/// What the journal ships in one transaction.
#[derive(Clone, Debug, Default)]
pub struct Shipment {
    /// The decisions.
    pub decisions: Vec<DecisionRecord>,
    /// The calls' progress.
    pub calls: Vec<CallRecord>,
    /// The accounts whose counters were set to zero, and when, in milliseconds since 1970: theirs are deleted first.
    pub resets: Vec<(AccountId, i64)>,
    /// The accounts whose numbers of calls were set to zero, and nothing else.
    pub recounts: Vec<AccountId>,
    /// What is added to the usage of days.
    pub usage: Vec<DayUsage>,
    /// How many calls used a grant.
    pub grants: Vec<(i64, i64)>,
    /// Up to where in the journal this brings the database.
    pub position: Position,
}

/// Who said something of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReputationSource {
    /// AbuseIPDB, when it was asked about the address.
    AbuseIpdb,
    /// APIBAN, by its list.
    Apiban,
}

impl ReputationSource {
    /// As it is kept.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AbuseIpdb => "abuseipdb",
            Self::Apiban => "apiban",
        }
    }
}

/// What a service said of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReputationRecord {
    /// Who.
    pub source: ReputationSource,
    /// Of whom.
    pub ip: IpAddr,
    /// How abusive, 0 to 100.
    pub confidence: u8,
    /// When.
    pub answered_at: Timestamp,
    /// Until when it is of use.
    pub expires_at: Timestamp,
}

/// How far the server has got with a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceMark {
    /// The source.
    pub name: String,
    /// Where to go on, as the source says; empty: at the beginning.
    pub position: String,
    /// Tells one key from another, and nothing else of it.
    pub key_mark: String,
    /// When it last answered.
    pub refreshed_at: Option<Timestamp>,
    /// Until when it wants to be left alone.
    pub retry_at: Option<Timestamp>,
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

/// The limits' columns, in their order.
pub(crate) fn limit_columns(limits: &Limits) -> [i64; 4] {
    [
        limits.concurrent_calls.into(),
        limits.concurrent_calls_off_hours.into(),
        limits.daily_quota.into(),
        limits.daily_quota_off_hours.into(),
    ]
}
