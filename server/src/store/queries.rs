//! What is asked of a database.

use jiff::Timestamp;
use tfps_engine::lists::EntryKind;

use super::TrainingState;

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

/// Which trainings.
#[derive(Clone, Debug, Default)]
pub struct TrainingFilter {
    /// Only this domain.
    pub domain: Option<String>,
    /// Only of this user.
    pub username: Option<String>,
    /// Only those that stand so.
    pub state: Option<TrainingState>,
    /// Only this one.
    pub id: Option<String>,
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
