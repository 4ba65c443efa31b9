//! Messages to domain types and back.

pub(super) mod account;
pub(super) mod decision;
pub(super) mod entry;
pub(super) mod policy;

use jiff::Timestamp;
use tfps_engine::call::AccountId;
use tfps_proto::v1;
use tonic::Status;

use super::status;

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
    at.map(|at| Timestamp::new(at.seconds, at.nanos).map_err(|error| status::invalid(field, error)))
        .transpose()
}

/// An account's name as it is asked for.
pub(super) fn account_id(field: &str, key: Option<v1::AccountKey>) -> Result<AccountId, Status> {
    let key = key.ok_or_else(|| status::missing(field))?;
    AccountId::new(&key.username, &key.domain)
        .map_err(|error| status::invalid(format!("{field}.{}", error.field), error.problem))
}

/// What is set.
pub(super) fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
