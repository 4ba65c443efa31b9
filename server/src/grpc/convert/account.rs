//! Accounts.

use tfps_engine::{
    number::{Country, CountrySet},
    usage::{Grant, GrantKind},
};
use tfps_proto::v1;
use tonic::Status;

use super::timestamp;
use crate::{
    admin::{AccountChange, AccountView, LimitsChange},
    grpc::status,
    store::AccountRecord,
};

/// What an update may change.
const PATHS: &str = "limits, limits.concurrent_calls, limits.concurrent_calls_off_hours, limits.daily_quota, \
     limits.daily_quota_off_hours, source_countries, destination_countries, policy, email_address, pin";

pub(crate) fn view(view: AccountView) -> v1::Account {
    let usage = v1::AccountUsage {
        calls_today: view.occupancy.today,
        calls_today_off_hours: view.occupancy.today_off_hours,
        concurrent_calls: view.occupancy.concurrent,
        failed_verifications: view.failures,
        locked_until: view.locked_until.map(timestamp),
        cost_today: view
            .exposure
            .map(|exposure| exposure.cost.to_string())
            .unwrap_or_default(),
        international_seconds_today: view
            .exposure
            .map(|exposure| exposure.seconds_abroad)
            .unwrap_or_default(),
        cost_is_estimated: view.exposure.is_some_and(|exposure| exposure.estimated),
        verifications_passed_today: view.verified.passed,
        quota_raised_today: view.verified.raised,
        quota_off_hours_raised_today: view.verified.raised_off_hours,
    };
    let grants = view.grants.iter().map(grant).collect();
    v1::Account {
        usage: Some(usage),
        grants,
        ..record(view.record)
    }
}

pub(crate) fn record(record: AccountRecord) -> v1::Account {
    let account = record.account;
    let codes = |countries: CountrySet| {
        countries
            .iter()
            .map(|country| country.code().to_owned())
            .collect()
    };
    v1::Account {
        username: account.id.username().to_owned(),
        domain: account.id.domain().to_owned(),
        limits: Some(limits(&account.limits)),
        source_countries: codes(account.source_countries),
        destination_countries: codes(account.destination_countries),
        policy: account.policy.as_deref().unwrap_or_default().to_owned(),
        email_address: record.email_address,
        blocked: account.blocked.is_some(),
        block_reason: account.blocked.as_deref().unwrap_or_default().to_owned(),
        pin: String::new(),
        has_pin: record.pin_hash.is_some(),
        grants: Vec::new(),
        usage: None,
        etag: record.version.to_string(),
        create_time: Some(timestamp(record.created_at)),
        update_time: Some(timestamp(record.updated_at)),
    }
}

pub(crate) fn limits(limits: &tfps_engine::account::Limits) -> v1::Limits {
    v1::Limits {
        concurrent_calls: Some(limits.concurrent_calls),
        concurrent_calls_off_hours: Some(limits.concurrent_calls_off_hours),
        daily_quota: Some(limits.daily_quota),
        daily_quota_off_hours: Some(limits.daily_quota_off_hours),
    }
}

fn grant(grant: &Grant) -> v1::Grant {
    v1::Grant {
        source: grant.kind == GrantKind::Source,
        country: grant.country.code().to_owned(),
        expires_at: jiff::Timestamp::from_second(grant.until)
            .ok()
            .map(timestamp),
        calls_left: grant.calls_left,
    }
}

/// What a new account is to have: what is set.
pub(crate) fn created(account: v1::Account) -> Result<AccountChange, Status> {
    Ok(AccountChange {
        limits: limits_change(account.limits.unwrap_or_default()),
        source_countries: some_countries("account.source_countries", &account.source_countries)?,
        destination_countries: some_countries(
            "account.destination_countries",
            &account.destination_countries,
        )?,
        policy: super::given(account.policy),
        email_address: super::given(account.email_address),
        pin: super::given(account.pin),
    })
}

/// What an update changes: what its mask names.
pub(crate) fn updated(
    account: &v1::Account,
    mask: Option<prost_types::FieldMask>,
) -> Result<AccountChange, Status> {
    let paths = mask.map(|mask| mask.paths).unwrap_or_default();
    if paths.is_empty() {
        return Err(status::invalid(
            "update_mask",
            format!("must name what is to change: {PATHS}"),
        ));
    }
    let limits = limits_change(account.limits.unwrap_or_default());
    let mut change = AccountChange::default();
    for path in &paths {
        match path.as_str() {
            "limits" => change.limits = limits,
            "limits.concurrent_calls" => {
                change.limits.concurrent_calls = named(path, limits.concurrent_calls)?;
            }
            "limits.concurrent_calls_off_hours" => {
                change.limits.concurrent_calls_off_hours =
                    named(path, limits.concurrent_calls_off_hours)?;
            }
            "limits.daily_quota" => change.limits.daily_quota = named(path, limits.daily_quota)?,
            "limits.daily_quota_off_hours" => {
                change.limits.daily_quota_off_hours = named(path, limits.daily_quota_off_hours)?;
            }
            "source_countries" => {
                change.source_countries = Some(countries(
                    "account.source_countries",
                    &account.source_countries,
                )?);
            }
            "destination_countries" => {
                change.destination_countries = Some(countries(
                    "account.destination_countries",
                    &account.destination_countries,
                )?);
            }
            "policy" => change.policy = Some(account.policy.clone()),
            "email_address" => change.email_address = Some(account.email_address.clone()),
            "pin" => change.pin = Some(account.pin.clone()),
            other => {
                let shown: String = other.chars().take(64).collect();
                return Err(status::invalid(
                    "update_mask",
                    format!("{shown:?} can't be changed; what can: {PATHS}"),
                ));
            }
        }
    }
    Ok(change)
}

/// What is set of limits.
pub(crate) fn limits_change(limits: v1::Limits) -> LimitsChange {
    LimitsChange {
        concurrent_calls: limits.concurrent_calls,
        concurrent_calls_off_hours: limits.concurrent_calls_off_hours,
        daily_quota: limits.daily_quota,
        daily_quota_off_hours: limits.daily_quota_off_hours,
    }
}

/// A limit that the mask names by itself: it must be given.
fn named(path: &str, limit: Option<u32>) -> Result<Option<u32>, Status> {
    limit.map(Some).ok_or_else(|| {
        status::invalid(
            format!("account.{path}"),
            "must be given, as update_mask names it",
        )
    })
}

fn some_countries(field: &str, codes: &[String]) -> Result<Option<CountrySet>, Status> {
    if codes.is_empty() {
        Ok(None)
    } else {
        countries(field, codes).map(Some)
    }
}

fn countries(field: &str, codes: &[String]) -> Result<CountrySet, Status> {
    codes
        .iter()
        .map(|code| Country::from_code(code))
        .collect::<Result<_, _>>()
        .map_err(|error| status::invalid(field, error))
}
