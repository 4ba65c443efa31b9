//! Entries of the lists.

use tfps_engine::call::{MAX_DOMAIN, MAX_HEADER};
use tfps_engine::lists::{Action, EntryKind};
use tfps_proto::v1;
use tonic::Status;

use super::{given, moment, timestamp};
use crate::{
    admin::EntryLine,
    grpc::status,
    store::{EntryFilter, EntryRecord},
};

pub(crate) fn record(record: EntryRecord) -> v1::Entry {
    let entry = record.entry;
    v1::Entry {
        kind: match entry.key.value.kind() {
            EntryKind::Ip => v1::EntryKind::Ip,
            EntryKind::Number => v1::EntryKind::Number,
            EntryKind::UserAgent => v1::EntryKind::UserAgent,
        }
        .into(),
        value: entry.key.value.to_string(),
        action: match entry.action {
            Action::Block => v1::EntryAction::Block,
            Action::Allow => v1::EntryAction::Allow,
        }
        .into(),
        domain: entry.key.domain.into(),
        reason: entry.reason.to_string(),
        source: entry.key.source.to_string(),
        expires_at: entry
            .expires_at
            .and_then(|second| jiff::Timestamp::from_second(second).ok())
            .map(timestamp),
        create_time: Some(timestamp(record.created_at)),
    }
}

pub(crate) fn line(field: &str, entry: v1::Entry) -> Result<EntryLine, Status> {
    Ok(EntryLine {
        kind: kind(&format!("{field}.kind"), entry.kind)?
            .ok_or_else(|| status::missing(&format!("{field}.kind")))?,
        action: action(&format!("{field}.action"), entry.action)?
            .ok_or_else(|| status::missing(&format!("{field}.action")))?,
        value: entry.value,
        domain: entry.domain,
        reason: entry.reason,
        source: entry.source,
        expires_at: moment(&format!("{field}.expires_at"), entry.expires_at)?,
    })
}

pub(crate) fn header(header: v1::ImportHeader) -> Result<EntryLine, Status> {
    line(
        "header",
        v1::Entry {
            kind: header.kind,
            action: header.action,
            domain: header.domain,
            reason: header.reason,
            source: header.source,
            expires_at: header.expires_at,
            ..v1::Entry::default()
        },
    )
}

/// The filter, and what is to be matched.
pub(crate) fn filter(filter: Option<v1::EntryFilter>) -> Result<(EntryFilter, String), Status> {
    let filter = filter.unwrap_or_default();
    for (field, text, limit) in [
        ("filter.value", filter.value.as_str(), MAX_HEADER),
        (
            "filter.domain",
            filter.domain.as_deref().unwrap_or_default(),
            MAX_DOMAIN,
        ),
        ("filter.source", filter.source.as_str(), 64),
        ("filter.matching", filter.matching.as_str(), MAX_HEADER),
    ] {
        super::bounded(field, text, limit)?;
    }
    let asked = EntryFilter {
        kind: kind("filter.kind", filter.kind)?,
        action: action("filter.action", filter.action)?.map(Action::as_str),
        values: given(filter.value).map(|value| vec![value]),
        domain: filter.domain,
        source: given(filter.source),
    };
    Ok((asked, filter.matching))
}

fn kind(field: &str, number: i32) -> Result<Option<EntryKind>, Status> {
    match v1::EntryKind::try_from(number) {
        Ok(v1::EntryKind::Unspecified) => Ok(None),
        Ok(v1::EntryKind::Ip) => Ok(Some(EntryKind::Ip)),
        Ok(v1::EntryKind::Number) => Ok(Some(EntryKind::Number)),
        Ok(v1::EntryKind::UserAgent) => Ok(Some(EntryKind::UserAgent)),
        Err(_) => Err(status::invalid(
            field,
            format!("{number} is none; ip, number and user-agent are"),
        )),
    }
}

fn action(field: &str, number: i32) -> Result<Option<Action>, Status> {
    match v1::EntryAction::try_from(number) {
        Ok(v1::EntryAction::Unspecified) => Ok(None),
        Ok(v1::EntryAction::Block) => Ok(Some(Action::Block)),
        Ok(v1::EntryAction::Allow) => Ok(Some(Action::Allow)),
        Err(_) => Err(status::invalid(
            field,
            format!("{number} is none; block and allow are"),
        )),
    }
}
