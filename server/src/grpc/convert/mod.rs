//! Messages to domain types and back.

pub(super) mod account;
pub(super) mod call;
pub(super) mod decision;
pub(super) mod entry;
pub(super) mod policy;
pub(super) mod training;

use std::time::Duration;

use jiff::Timestamp;
use tfps_engine::call::AccountId;
use tfps_proto::v1;
use tonic::Status;

use super::status;
use crate::check::DecisionId;

/// A moment as the API writes it.
pub(super) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    let (mut seconds, mut nanos) = (at.as_second(), at.subsec_nanosecond());
    if nanos < 0 {
        seconds -= 1;
        nanos += 1_000_000_000;
    }
    prost_types::Timestamp { seconds, nanos }
}

/// A moment as it is asked for.
pub(super) fn moment(
    field: &str,
    at: Option<prost_types::Timestamp>,
) -> Result<Option<Timestamp>, Status> {
    let Some(at) = at else { return Ok(None) };
    if !(0..1_000_000_000).contains(&at.nanos) {
        return Err(status::invalid(field, "nanos must be 0 to 999,999,999"));
    }
    Timestamp::new(at.seconds, at.nanos)
        .map(Some)
        .map_err(|error| status::invalid(field, error))
}

/// A length of time as it is told, up to a bound.
pub(super) fn duration(
    field: &str,
    told: Option<prost_types::Duration>,
    longest: Duration,
) -> Result<Duration, Status> {
    let Some(told) = told else {
        return Ok(Duration::ZERO);
    };
    let seconds =
        u64::try_from(told.seconds).map_err(|_| status::invalid(field, "must not be negative"))?;
    let nanos = u32::try_from(told.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)
        .ok_or_else(|| status::invalid(field, "nanos must be 0 to 999,999,999"))?;
    let duration = Duration::new(seconds, nanos);
    if duration > longest {
        let longest = longest.as_secs();
        return Err(status::invalid(
            field,
            format!("must be at most {longest} seconds"),
        ));
    }
    Ok(duration)
}

/// A text that is looked for, up to a bound.
pub(super) fn bounded(field: &str, text: &str, limit: usize) -> Result<(), Status> {
    if text.len() <= limit {
        return Ok(());
    }
    Err(status::invalid(
        field,
        format!("is {} long, at most {limit} are taken", text.len()),
    ))
}

/// An account's name as it is asked for.
pub(super) fn account_id(field: &str, key: Option<v1::AccountKey>) -> Result<AccountId, Status> {
    let key = key.ok_or_else(|| status::missing(field))?;
    AccountId::new(&key.username, &key.domain)
        .map_err(|error| status::invalid(format!("{field}.{}", error.field), error.problem))
}

/// A decision's id as it is given; `None`: it is not.
pub(super) fn decision_id(field: &str, text: &str) -> Result<Option<DecisionId>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|error| status::invalid(field, error))
}

/// What is set.
pub(super) fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
