//! What the stories begin with.

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tfps_engine::{
    account::{Account, Limits},
    call::AccountId,
    number::{Country, CountrySet},
};
use tfps_server::{
    check::first_id_of,
    journal::DecisionRecord,
    store::{AccountRecord, SqliteStore, Store},
};

pub async fn sqlite() -> (impl Store, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("tfps.db"))
        .await
        .unwrap();
    (store, folder)
}

/// A moment of the stories.
pub fn noon() -> Timestamp {
    "2026-06-08T12:00:00Z".parse().unwrap()
}

pub fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

pub fn id(name: &str) -> AccountId {
    name.parse().unwrap()
}

pub fn countries(codes: &[&str]) -> CountrySet {
    codes
        .iter()
        .map(|code| Country::from_code(code).unwrap())
        .collect()
}

/// An account with something in every field.
pub fn account(name: &str) -> AccountRecord {
    AccountRecord {
        account: Account {
            id: id(name),
            limits: Limits {
                concurrent_calls: 2,
                concurrent_calls_off_hours: 0,
                daily_quota: u32::MAX,
                daily_quota_off_hours: 3,
            },
            source_countries: countries(&["US"]),
            destination_countries: countries(&["GB", "FR"]),
            blocked: Some("'stolen'; --").into(),
            policy: Some("strict").into(),
            has_pin: true,
        },
        email_address: "noc@example.com".to_owned(),
        pin_hash: Some("$argon2id$…".to_owned()),
        version: 1,
        created_at: noon(),
        updated_at: noon(),
    }
}

/// A decision of so many minutes after noon, about an allowed call to London.
pub fn decision(name: &str, after: i64) -> DecisionRecord {
    let at = noon() + minutes(after);
    let account = id(name);
    DecisionRecord {
        id: format!("{}0123456789abc", first_id_of(at)),
        decided_at: at.as_millisecond(),
        username: account.username().to_owned(),
        domain: account.domain().to_owned(),
        dialed_number: "00442079460123".to_owned(),
        e164: "442079460123".to_owned(),
        caller_number: "1001".to_owned(),
        source_ip: "192.0.2.1".to_owned(),
        user_agent: "phone \"1\"".to_owned(),
        concurrent_calls: Some(1),
        call_id: format!("call-{after}"),
        forwarded_from: "<sip:1@x>".to_owned(),
        trunk: "trunk-7".to_owned(),
        verdict: 1,
        code: "A00".to_owned(),
        reason: "authorized".to_owned(),
        destination_country: "GB".to_owned(),
        source_country: "US".to_owned(),
        number_kind: 1,
        monitored_verdict: 2,
        monitored_code: "R20".to_owned(),
        monitored_reason: "unknown".to_owned(),
        policy: "default".to_owned(),
        latency_us: 7,
        ..DecisionRecord::default()
    }
}

/// A decision that challenged a call.
pub fn challenged(name: &str, after: i64, challenge: &str) -> DecisionRecord {
    let record = decision(name, after);
    DecisionRecord {
        verdict: 3,
        code: "V03".to_owned(),
        purpose: 3,
        challenge_id: challenge.to_owned(),
        challenge_expires_at: record.decided_at + 600_000,
        ..record
    }
}
