//! The lists.

mod filter;
mod import;
mod keeper;
mod listed;
mod turns;

pub use import::{Import, Imported, RejectedLine, line_field};
pub use keeper::{ListError, ListKeeper};

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;
use tfps_engine::{
    call::{MAX_DOMAIN, domain_name, printable},
    lists::{Action, Change, EntryKey, EntryKind, EntryValue, ListEntry},
};
use tokio::task::spawn_blocking;

use self::listed::Place;
use super::{Admin, AdminError, bounds::Allowable, cursor, page_size};
use crate::{
    auth::{Permission, Principal},
    store::{EntryCursor, EntryFilter, EntryRecord, StoreError, Written},
};

/// Entries in one request.
const MAX_PUT: usize = 10_000;
/// The longest reason, in bytes.
const MAX_REASON: usize = 256;
/// The longest source, in bytes.
const MAX_SOURCE: usize = 64;
/// The source of entries that bring none.
const OPERATOR: &str = "operator";

/// An entry as it is asked for.
#[derive(Clone, Debug)]
pub struct EntryLine {
    /// What it lists.
    pub kind: EntryKind,
    /// The value as written.
    pub value: String,
    /// What it does.
    pub action: Action,
    /// The domain; empty: all.
    pub domain: String,
    /// Why.
    pub reason: String,
    /// Where it came from.
    pub source: String,
    /// When it goes.
    pub expires_at: Option<Timestamp>,
}

/// Entries that are to be put, and the place of who puts them.
#[derive(Debug)]
pub struct ReadEntries {
    changes: Vec<Change>,
    place: super::places::Place,
}

impl Admin {
    /// A page of entries, the token of the next and how many match in all.
    ///
    /// # Errors
    /// When a field is wrong, the role or domain does not allow it, or the database fails.
    pub async fn list_entries(
        &self,
        caller: &Principal,
        filter: EntryFilter,
        matching: &str,
        (size, token): (u32, &str),
    ) -> Result<(Vec<EntryRecord>, String, u64), AdminError> {
        caller.require(Permission::See)?;
        let _place = self.queries.place(caller).await;
        let filter = self.narrow(caller, filter, matching).await?;
        let token = cursor::read::<4>(token)?;
        let size = page_size(size);
        if let Some(place) = token.as_ref().and_then(Place::of) {
            let page = self.listed(&filter, &place, size).await?;
            let (_, kept) = self.store.entries(&filter, None, 1).await?;
            let next = page.next.map(|next| next.token());
            return Ok((page.records, next.unwrap_or_default(), kept + page.total));
        }
        let after = token.map(|[kind, domain, value, source]| EntryCursor {
            kind,
            domain,
            value,
            source,
        });
        let (mut records, kept) = self
            .store
            .entries(&filter, after.as_ref(), size + 1)
            .await?;
        let more = records.len() > size;
        records.truncate(size);
        // What others list comes after what is in the database.
        let room = if more { 0 } else { size - records.len() };
        let listed = self.listed(&filter, &Place::default(), room).await?;
        let next = records.last().filter(|_| more).map(|record| {
            let key = &record.entry.key;
            cursor::write(&[
                key.value.kind().as_str(),
                &key.domain,
                &key.value.to_string(),
                &key.source,
            ])
        });
        let next = next.or_else(|| listed.next.map(|next| next.token()));
        records.extend(listed.records);
        Ok((records, next.unwrap_or_default(), kept + listed.total))
    }

    /// Reads entries that are to be put.
    ///
    /// # Errors
    /// When a field is wrong, or the role or domain does not allow it.
    pub async fn read_entries(
        &self,
        caller: &Arc<Principal>,
        lines: Vec<EntryLine>,
    ) -> Result<ReadEntries, AdminError> {
        caller.require(Permission::Change)?;
        if lines.is_empty() || lines.len() > MAX_PUT {
            return Err(AdminError::field(
                "entries",
                format!("are {}; 1 to {MAX_PUT} are possible", lines.len()),
            ));
        }
        self.may_have_patterns(caller, &lines)?;
        let place = self.changes.place(caller).await;
        let listed_at = self.clock.now().as_second();
        let (allowable, caller) = (self.allowable(caller), Arc::clone(caller));
        // Patterns take their time, and their place as long.
        spawn_blocking(move || {
            let changes = read(&caller, &allowable, &lines, listed_at)?;
            Ok(ReadEntries { changes, place })
        })
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))?
    }

    /// Makes or replaces entries, all or none.
    ///
    /// # Errors
    /// When the domain is full, or the database fails.
    pub async fn put_entries(
        &self,
        caller: &Principal,
        entries: ReadEntries,
    ) -> Result<Written, AdminError> {
        let ReadEntries { changes, place } = entries;
        let count = changes.len();
        let written = self.lists.change(changes, self.bounds(caller)).await?;
        drop(place);
        tracing::info!(count, by = caller.name, "entries were put on the lists");
        Ok(written)
    }

    /// Whether there are no more patterns than the caller's domain may have, or has.
    fn may_have_patterns(&self, caller: &Principal, lines: &[EntryLine]) -> Result<(), AdminError> {
        let Some(domain) = &caller.domain else {
            return Ok(());
        };
        let patterns = lines
            .iter()
            .filter(|line| line.kind == EntryKind::UserAgent);
        let patterns: HashSet<&str> = patterns.map(|line| line.value.trim()).collect();
        match self.room_for_patterns(domain) {
            most if patterns.len() > most => Err(ListError::Full {
                domain: domain.clone(),
                count: patterns.len(),
                what: "patterns on user agents",
                most,
                key: "domains.max_patterns",
            }
            .into()),
            _ => Ok(()),
        }
    }

    /// How many patterns a domain may have: it may keep what it has.
    pub(crate) fn room_for_patterns(&self, domain: &str) -> usize {
        let (_, has) = self.state.snapshot.load().lists.len_of(domain);
        self.domains.max_patterns.max(has)
    }

    /// Removes the entries that match.
    ///
    /// # Errors
    /// When nothing is asked for, a field is wrong, the role or domain does not allow it, or the database fails.
    pub async fn delete_entries(
        &self,
        caller: &Principal,
        filter: EntryFilter,
        matching: &str,
    ) -> Result<u64, AdminError> {
        caller.require(Permission::Change)?;
        let asks = filter.kind.is_some()
            || filter.action.is_some()
            || filter.values.is_some()
            || filter.source.is_some()
            || filter.domain.is_some()
            || !matching.is_empty();
        if !asks {
            return Err(AdminError::field(
                "filter",
                "must have at least one field set",
            ));
        }
        let place = self.queries.place(caller).await;
        let filter = self.narrow(caller, filter, matching).await?;
        if let Some(source) = &filter.source
            && self.is_listed(source)
        {
            return Err(AdminError::field(
                "filter.source",
                format!(
                    "`{source}` is a list of the configuration: take its [[list]] out there, and reload; or allow single entries"
                ),
            ));
        }
        let keys = self.store.entry_keys(&filter).await?;
        drop(place);
        let written = self
            .lists
            .change(keys.into_iter().map(Change::Remove).collect(), None)
            .await?;
        tracing::info!(
            count = written.removed,
            by = caller.name,
            "entries were taken off the lists"
        );
        Ok(written.removed)
    }
}

/// Entries as they are written: the same pattern is read once.
fn read(
    caller: &Principal,
    allowable: &Allowable,
    lines: &[EntryLine],
    listed_at: i64,
) -> Result<Vec<Change>, AdminError> {
    let mut patterns: HashMap<&str, EntryValue> = HashMap::new();
    let mut changes = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let field = format!("entries[{index}].");
        let domain = domain_of(caller, &line.domain, &format!("{field}domain"))?;
        let (source, reason) = texts(line, &field)?;
        let value = match patterns.get(&*line.value) {
            Some(value) if line.kind == EntryKind::UserAgent => value.clone(),
            _ => EntryValue::parse(line.kind, &line.value)
                .map_err(|error| AdminError::field(format!("{field}value"), error))?,
        };
        if line.kind == EntryKind::UserAgent {
            patterns.insert(&line.value, value.clone());
        }
        allowable
            .check(line.action, &value)
            .map_err(|problem| AdminError::Bounded {
                field: format!("{field}value"),
                problem,
            })?;
        changes.push(Change::Put(ListEntry {
            key: EntryKey {
                domain,
                value,
                source,
            },
            action: line.action,
            reason,
            listed_at,
            expires_at: line.expires_at.map(Timestamp::as_second),
        }));
    }
    Ok(changes)
}

fn domain_of(caller: &Principal, domain: &str, field: &str) -> Result<Box<str>, AdminError> {
    // What a domain-admin lists holds for its domain, whether it says so or not.
    let domain = match (&caller.domain, domain) {
        (Some(bound), "") => bound,
        (_, domain) => domain,
    };
    caller.require_domain(domain)?;
    if domain.is_empty() {
        return Ok("".into());
    }
    if domain.len() > MAX_DOMAIN {
        return Err(AdminError::field(
            field,
            format!("is over {MAX_DOMAIN} bytes long"),
        ));
    }
    domain_name(domain).map_err(|error| AdminError::field(field, error.problem))
}

fn texts(line: &EntryLine, field: &str) -> Result<(Arc<str>, Arc<str>), AdminError> {
    if line.reason.len() > MAX_REASON {
        return Err(AdminError::field(
            format!("{field}reason"),
            format!("is over {MAX_REASON} bytes long"),
        ));
    }
    if line.source.len() > MAX_SOURCE {
        return Err(AdminError::field(
            format!("{field}source"),
            format!("is over {MAX_SOURCE} bytes long"),
        ));
    }
    let source = if line.source.is_empty() {
        OPERATOR
    } else {
        &line.source
    };
    Ok((printable(source).into(), printable(&line.reason).into()))
}
