//! What the journal holds: a decision, or a call's progress.

use jiff::Timestamp;
use prost::Message;
use tfps_engine::{
    call::AccountId,
    exposure::{Exposure, Money},
    usage::Day,
};

/// A decision, with the call it is about. The numbers of verdict, purpose and kind are the API's.
#[derive(Clone, PartialEq, Message)]
pub struct DecisionRecord {
    /// Sorts by time.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    pub decided_at: i64,
    /// As the switch told it, printable.
    #[prost(string, tag = "3")]
    pub username: String,
    /// In lower case, printable.
    #[prost(string, tag = "4")]
    pub domain: String,
    /// As it was dialed, printable.
    #[prost(string, tag = "5")]
    pub dialed_number: String,
    /// Without `+`; empty where the dialed number is none.
    #[prost(string, tag = "6")]
    pub e164: String,
    /// The calling number.
    #[prost(string, tag = "7")]
    pub caller_number: String,
    /// The source address.
    #[prost(string, tag = "8")]
    pub source_ip: String,
    /// The User-Agent.
    #[prost(string, tag = "9")]
    pub user_agent: String,
    /// As the switch counted.
    #[prost(uint32, optional, tag = "10")]
    pub concurrent_calls: Option<u32>,
    /// The Call-ID.
    #[prost(string, tag = "11")]
    pub call_id: String,
    /// The forwarding party.
    #[prost(string, tag = "12")]
    pub forwarded_from: String,
    /// The trunk.
    #[prost(string, tag = "13")]
    pub trunk: String,
    /// 1 allow, 2 deny, 3 challenge.
    #[prost(int32, tag = "14")]
    pub verdict: i32,
    /// `A00`…
    #[prost(string, tag = "15")]
    pub code: String,
    /// Why.
    #[prost(string, tag = "16")]
    pub reason: String,
    /// What a challenge is about.
    #[prost(int32, tag = "17")]
    pub purpose: i32,
    /// The country that a challenge is about.
    #[prost(string, tag = "18")]
    pub purpose_country: String,
    /// The challenge.
    #[prost(string, tag = "19")]
    pub challenge_id: String,
    /// Until when it can be passed, in milliseconds since 1970.
    #[prost(int64, tag = "20")]
    pub challenge_expires_at: i64,
    /// Where the call goes.
    #[prost(string, tag = "21")]
    pub destination_country: String,
    /// Where it comes from.
    #[prost(string, tag = "22")]
    pub source_country: String,
    /// The sort of number.
    #[prost(int32, tag = "23")]
    pub number_kind: i32,
    /// Whether it fell off hours.
    #[prost(bool, tag = "24")]
    pub off_hours: bool,
    /// The day in the policy's time zone, as YYYYMMDD.
    #[prost(int32, tag = "25")]
    pub day: i32,
    /// The risk score.
    #[prost(uint32, tag = "26")]
    pub risk: u32,
    /// What it would have been.
    #[prost(int32, tag = "27")]
    pub monitored_verdict: i32,
    /// What it would have been.
    #[prost(string, tag = "28")]
    pub monitored_code: String,
    /// What it would have been.
    #[prost(string, tag = "29")]
    pub monitored_reason: String,
    /// The policy that judged.
    #[prost(string, tag = "30")]
    pub policy: String,
    /// Whether the policy answers with 302.
    #[prost(bool, tag = "31")]
    pub redirects: bool,
    /// Calls in progress, this one included.
    #[prost(uint32, tag = "32")]
    pub concurrent: u32,
    /// How many may be in progress.
    #[prost(uint32, tag = "33")]
    pub concurrent_limit: u32,
    /// Calls allowed today.
    #[prost(uint32, tag = "34")]
    pub calls_today: u32,
    /// How many may be allowed today.
    #[prost(uint32, tag = "35")]
    pub daily_quota: u32,
    /// Whether it was counted against the quota.
    #[prost(bool, tag = "36")]
    pub counted: bool,
    /// Until when it holds a slot, in seconds since 1970; 0: it holds none.
    #[prost(int64, tag = "37")]
    pub slot_until: i64,
    /// The grants it used.
    #[prost(int64, repeated, tag = "38")]
    pub grants: Vec<i64>,
    /// How long deciding took, in microseconds.
    #[prost(uint32, tag = "39")]
    pub latency_us: u32,
    /// The autonomous system that it comes from; 0: unknown.
    #[prost(uint32, tag = "40")]
    pub source_asn: u32,
    /// What the risk score is made of, where the policy minds it; the database has it in the reason.
    #[prost(message, repeated, tag = "41")]
    pub risk_signals: Vec<RiskSignalRecord>,
    /// The key of the attempt, as the switch made it; the database does not have it.
    #[prost(string, tag = "42")]
    pub attempt_key: String,
    /// How long the call is assumed to last until it is known, in seconds; 0: nothing was charged for that.
    #[prost(uint32, tag = "60")]
    pub assumed_seconds: u32,
    /// What it was charged with for that, in millionths.
    #[prost(uint64, tag = "61")]
    pub assumed_cost: u64,
    /// How many seconds abroad it was charged with for that.
    #[prost(uint64, tag = "62")]
    pub assumed_seconds_abroad: u64,
    /// Whether that cost is an estimate.
    #[prost(bool, tag = "63")]
    pub assumed_cost_is_estimated: bool,
}

/// One reason for a risk score.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RiskSignalRecord {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it adds to the score.
    #[prost(int32, tag = "2")]
    pub weight: i32,
    /// The evidence, in words.
    #[prost(string, tag = "3")]
    pub evidence: String,
}

impl DecisionRecord {
    /// The account, unless the attempt was tampered with.
    pub fn account(&self) -> Option<AccountId> {
        AccountId::new(&self.username, &self.domain).ok()
    }

    /// When it was decided.
    pub fn time(&self) -> Timestamp {
        Timestamp::from_millisecond(self.decided_at).unwrap_or_default()
    }

    /// What it was charged with when it was allowed.
    pub fn assumed(&self) -> Exposure {
        Exposure {
            cost: Money::from_millionths(self.assumed_cost),
            estimated: self.assumed_cost_is_estimated,
            seconds_abroad: self.assumed_seconds_abroad,
        }
    }

    /// The day in the policy's time zone.
    pub fn day(&self) -> Day {
        Day::from_digits(self.day)
    }
}

/// Where a call has got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Progress {
    /// It is being set up.
    Started = 1,
    /// It was answered.
    Answered = 2,
    /// It is over.
    Ended = 3,
}

/// A call's progress.
#[derive(Clone, PartialEq, Message)]
pub struct CallRecord {
    /// The account.
    #[prost(string, tag = "1")]
    pub username: String,
    /// The account.
    #[prost(string, tag = "2")]
    pub domain: String,
    /// The Call-ID.
    #[prost(string, tag = "3")]
    pub call_id: String,
    /// Where it has got to.
    #[prost(enumeration = "Progress", tag = "4")]
    pub progress: i32,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "5")]
    pub at: i64,
    /// With the end: how long it was answered, in milliseconds.
    #[prost(int64, tag = "6")]
    pub duration_ms: i64,
    /// With the end: the Q.850 cause.
    #[prost(uint32, tag = "7")]
    pub cause: u32,
    /// Until when it holds a slot, in seconds since 1970; 0: it holds none.
    #[prost(int64, tag = "8")]
    pub slot_until: i64,
    /// The number that is called, without `+`; empty where no decision told it.
    #[prost(string, tag = "9")]
    pub e164: String,
    /// Whether somebody calls for help.
    #[prost(bool, tag = "10")]
    pub emergency: bool,
    /// The day that it is charged to, or that what was assumed of it is taken back from, as YYYYMMDD.
    #[prost(int32, tag = "11")]
    pub day: i32,
    /// With the end: what it has cost on that day, in millionths.
    #[prost(uint64, tag = "12")]
    pub cost: u64,
    /// With the end: how many seconds it lasted abroad on that day.
    #[prost(uint64, tag = "13")]
    pub seconds_abroad: u64,
    /// The decision that allowed it; empty where none is known.
    #[prost(string, tag = "14")]
    pub decision_id: String,
    /// The key of its attempt; empty where it is not told.
    #[prost(string, tag = "15")]
    pub attempt_key: String,
    /// Whether it is known by this what becomes of the call: what was assumed of it no longer counts.
    #[prost(bool, tag = "60")]
    pub settles: bool,
    /// What that had cost, in millionths.
    #[prost(uint64, tag = "61")]
    pub assumed_cost: u64,
    /// How many seconds abroad that were.
    #[prost(uint64, tag = "62")]
    pub assumed_seconds_abroad: u64,
    /// Whether the cost is an estimate.
    #[prost(bool, tag = "63")]
    pub cost_is_estimated: bool,
}

impl CallRecord {
    /// The account.
    pub fn account(&self) -> Option<AccountId> {
        AccountId::new(&self.username, &self.domain).ok()
    }

    /// What it is charged with at its end.
    pub fn exposure(&self) -> Exposure {
        Exposure {
            cost: Money::from_millionths(self.cost),
            estimated: self.cost_is_estimated,
            seconds_abroad: self.seconds_abroad,
        }
    }

    /// What was assumed of it and no longer counts.
    pub fn taken_back(&self) -> Exposure {
        Exposure {
            cost: Money::from_millionths(self.assumed_cost),
            seconds_abroad: self.assumed_seconds_abroad,
            ..Exposure::default()
        }
    }
}

/// One record.
#[derive(Clone, PartialEq, prost::Oneof)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every record is the large one"
)]
pub enum Entry {
    /// A decision.
    #[prost(message, tag = "1")]
    Decision(DecisionRecord),
    /// A call's progress.
    #[prost(message, tag = "2")]
    Call(CallRecord),
    /// An account's counters were set to zero: what came before no longer counts.
    #[prost(message, tag = "3")]
    Reset(ResetRecord),
}

/// An account's counters were set to zero.
#[derive(Clone, PartialEq, Message)]
pub struct ResetRecord {
    /// The account.
    #[prost(string, tag = "1")]
    pub username: String,
    /// The account.
    #[prost(string, tag = "2")]
    pub domain: String,
    /// When, in milliseconds since 1970.
    #[prost(int64, tag = "3")]
    pub at: i64,
    /// Whether what its calls cost still counts: the numbers of calls alone were set to zero.
    #[prost(bool, tag = "4")]
    pub keeps_spent: bool,
}

/// What a [`Record`] that holds a decision begins with: field 1, length-delimited.
pub(super) const DECISION_KEY: u8 = 1 << 3 | 2;

/// One record as it is written.
#[derive(Clone, PartialEq, Message)]
pub struct Record {
    /// What it is.
    #[prost(oneof = "Entry", tags = "1, 2, 3")]
    pub entry: Option<Entry>,
}
