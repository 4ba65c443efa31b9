//! The lists.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    sync::Arc,
};

use jiff::Timestamp;
use tfps_engine::{
    call::{MAX_DOMAIN, domain_name, printable},
    lists::{Action, Change, EntryKey, EntryKind, EntryValue, ListEntry},
    number::E164,
};
use tokio::sync::Mutex;

use super::{Admin, AdminError, cursor, page_size};
use crate::{
    auth::{Permission, Principal},
    clock::Clock,
    state::{Snapshot, State},
    store::{EntryCursor, EntryFilter, EntryRecord, Store, StoreError, Written},
};

/// Entries in one request.
const MAX_PUT: usize = 10_000;
/// Lines of one import.
const MAX_IMPORT: usize = 5_000_000;
/// Rejected lines that are told one by one.
const TOLD: usize = 100;
/// Lines that the refusal of an import names: an error travels in headers, which are bounded.
const REFUSED_FOR: usize = 5;
/// The longest reason, in bytes.
const MAX_REASON: usize = 256;
/// The longest source, in bytes.
const MAX_SOURCE: usize = 64;
/// The source of entries that bring none.
const OPERATOR: &str = "operator";

/// Keeps the lists: one change at a time, the database first, then memory.
pub struct ListKeeper {
    state: Arc<State>,
    store: Arc<dyn Store>,
    clock: Clock,
    turns: Mutex<()>,
}

impl ListKeeper {
    /// A keeper.
    pub fn new(state: Arc<State>, store: Arc<dyn Store>, clock: Clock) -> Self {
        Self {
            state,
            store,
            clock,
            turns: Mutex::new(()),
        }
    }

    /// Makes changes, all or none.
    ///
    /// # Errors
    /// When the patterns do not compile together or the database fails.
    pub async fn change(&self, changes: Vec<Change>) -> Result<Written, StoreError> {
        let at = self.clock.now();
        let mut written = Written::default();
        self.change_with(changes, |changes| async {
            written = self.store.change_entries(&changes, at).await?;
            Ok(changes)
        })
        .await?;
        Ok(written)
    }

    /// Makes changes that something else writes to the database.
    ///
    /// # Errors
    /// When the patterns do not compile together or the database fails.
    pub async fn change_with<F>(
        &self,
        changes: Vec<Change>,
        write: impl FnOnce(Vec<Change>) -> F,
    ) -> Result<(), StoreError>
    where
        F: Future<Output = Result<Vec<Change>, StoreError>>,
    {
        let _turn = self.turns.lock().await;
        // The new lists are made before anything is written, off the threads that answer calls, and swapped in after.
        let before = self.state.snapshot.load_full();
        let (lists, changes) = tokio::task::spawn_blocking(move || {
            before
                .lists
                .with(changes.iter().cloned())
                .map(|lists| (lists, changes))
        })
        .await
        .map_err(|error| StoreError::Unavailable(error.to_string()))?
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        write(changes).await?;
        self.state.snapshot.rcu(|snapshot| Snapshot {
            policies: snapshot.policies.clone(),
            lists: lists.clone(),
        });
        Ok(())
    }
}

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

/// A line of an import that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedLine {
    /// Its number.
    pub line: u64,
    /// The line.
    pub value: String,
    /// What is wrong.
    pub why: String,
}

/// A line of an import, as errors name it.
pub fn line_field(number: u64) -> String {
    format!("lines[{number}]")
}

/// What an import came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// What was written.
    pub written: Written,
    /// Lines that stood more than once.
    pub duplicates: u64,
    /// Lines that were left out.
    pub rejected_count: u64,
    /// The first of them.
    pub rejected: Vec<RejectedLine>,
}

/// An import that is being taken.
pub struct Import {
    header: EntryLine,
    domain: Box<str>,
    source: Arc<str>,
    replace: bool,
    skip_invalid: bool,
    reasons: HashSet<Arc<str>>,
    entries: HashMap<EntryValue, Arc<str>>,
    imported: Imported,
}

impl Import {
    /// Starts an import: the header's value is not used.
    ///
    /// # Errors
    /// When a field is wrong, or the role or domain does not allow it.
    pub fn start(
        caller: &Principal,
        header: EntryLine,
        (replace, skip_invalid): (bool, bool),
    ) -> Result<Self, AdminError> {
        caller.require(Permission::Change)?;
        let domain = domain_of(caller, &header.domain, "header.domain")?;
        let (source, reason) = texts(&header, "header.")?;
        Ok(Self {
            header,
            domain,
            source,
            replace,
            skip_invalid,
            reasons: HashSet::from([reason]),
            entries: HashMap::new(),
            imported: Imported::default(),
        })
    }

    /// Takes a line: a value, `,` and its reason, `#` and a comment.
    ///
    /// # Errors
    /// When there are too many lines.
    pub fn line(&mut self, number: u64, line: &str) -> Result<(), AdminError> {
        let line = line.trim_start_matches('\u{feff}');
        let text = match self.header.kind {
            // A pattern may have a comma or a hash in it: the line is the pattern.
            EntryKind::UserAgent => {
                if line.trim_start().starts_with('#') {
                    ""
                } else {
                    line
                }
            }
            EntryKind::Ip | EntryKind::Number => line.split('#').next().unwrap_or_default(),
        };
        if text.trim().is_empty() {
            return Ok(());
        }
        let (value, reason) = match self.header.kind {
            EntryKind::UserAgent => (text, ""),
            EntryKind::Ip | EntryKind::Number => text.split_once(',').unwrap_or((text, "")),
        };
        let reason = match reason.trim() {
            "" => self.header.reason.as_str(),
            reason => reason,
        };
        let parsed = EntryValue::parse(self.header.kind, value)
            .map_err(|error| error.to_string())
            .and_then(|value| {
                if reason.len() > MAX_REASON {
                    Err(format!("its reason is over {MAX_REASON} bytes long"))
                } else {
                    Ok(value)
                }
            });
        match parsed {
            Ok(value) => {
                if self.entries.len() >= MAX_IMPORT {
                    let field = line_field(number);
                    let problem =
                        format!("is one more than the {MAX_IMPORT} that one list can have");
                    return Err(AdminError::field(field, problem));
                }
                let reason = printable(reason);
                let reason = match self.reasons.get(&*reason) {
                    Some(shared) => Arc::clone(shared),
                    None => {
                        let shared: Arc<str> = reason.into();
                        self.reasons.insert(Arc::clone(&shared));
                        shared
                    }
                };
                if self.entries.insert(value, reason).is_some() {
                    self.imported.duplicates += 1;
                }
            }
            Err(why) => {
                self.imported.rejected_count += 1;
                if self.imported.rejected.len() < TOLD {
                    let value = printable(&line.chars().take(80).collect::<String>()).into_owned();
                    self.imported.rejected.push(RejectedLine {
                        line: number,
                        value,
                        why,
                    });
                }
            }
        }
        Ok(())
    }
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
        let filter = self.narrow(caller, filter, matching).await?;
        let after = cursor::read::<4>(token)?.map(|[kind, domain, value, source]| EntryCursor {
            kind,
            domain,
            value,
            source,
        });
        let size = page_size(size);
        let (mut records, total) = self
            .store
            .entries(&filter, after.as_ref(), size + 1)
            .await?;
        let more = records.len() > size;
        records.truncate(size);
        let next = records.last().filter(|_| more).map(|record| {
            let key = &record.entry.key;
            cursor::write(&[
                key.value.kind().as_str(),
                &key.domain,
                &key.value.to_string(),
                &key.source,
            ])
        });
        Ok((records, next.unwrap_or_default(), total))
    }

    /// Makes or replaces entries, all or none.
    ///
    /// # Errors
    /// When a field is wrong, the role or domain does not allow it, or the database fails.
    pub async fn put_entries(
        &self,
        caller: &Principal,
        lines: Vec<EntryLine>,
    ) -> Result<Written, AdminError> {
        caller.require(Permission::Change)?;
        if lines.is_empty() || lines.len() > MAX_PUT {
            return Err(AdminError::field(
                "entries",
                format!("are {}; 1 to {MAX_PUT} are possible", lines.len()),
            ));
        }
        let changes = lines
            .iter()
            .enumerate()
            .map(|(index, line)| {
                let field = format!("entries[{index}].");
                let domain = domain_of(caller, &line.domain, &format!("{field}domain"))?;
                let (source, reason) = texts(line, &field)?;
                let value = EntryValue::parse(line.kind, &line.value)
                    .map_err(|error| AdminError::field(format!("{field}value"), error))?;
                Ok(Change::Put(ListEntry {
                    key: EntryKey {
                        domain,
                        value,
                        source,
                    },
                    action: line.action,
                    reason,
                    expires_at: line.expires_at.map(Timestamp::as_second),
                }))
            })
            .collect::<Result<Vec<_>, AdminError>>()?;
        let count = changes.len();
        let written = self.lists.change(changes).await?;
        tracing::info!(count, by = caller.name, "entries were put on the lists");
        Ok(written)
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
        let filter = self.narrow(caller, filter, matching).await?;
        let keys = self.store.entry_keys(&filter).await?;
        let written = self
            .lists
            .change(keys.into_iter().map(Change::Remove).collect())
            .await?;
        tracing::info!(
            count = written.removed,
            by = caller.name,
            "entries were taken off the lists"
        );
        Ok(written.removed)
    }

    /// Ends an import: all of it, or nothing.
    ///
    /// # Errors
    /// When lines are wrong and are not to be skipped, or the database fails.
    pub async fn import_entries(
        &self,
        caller: &Principal,
        import: Import,
    ) -> Result<Imported, AdminError> {
        let Import {
            header,
            domain,
            source,
            replace,
            skip_invalid,
            entries,
            mut imported,
            ..
        } = import;
        if imported.rejected_count > 0 && !skip_invalid {
            imported.rejected.truncate(REFUSED_FOR);
            return Err(AdminError::Lines {
                count: imported.rejected_count,
                first: imported.rejected,
            });
        }
        let mut changes = Vec::with_capacity(entries.len());
        if replace {
            let filter = EntryFilter {
                kind: Some(header.kind),
                domain: Some(domain.to_string()),
                source: Some(source.to_string()),
                ..EntryFilter::default()
            };
            let keys = self.store.entry_keys(&filter).await?;
            changes.extend(
                keys.into_iter()
                    .filter(|key| !entries.contains_key(&key.value))
                    .map(Change::Remove),
            );
        }
        let expires_at = header.expires_at.map(Timestamp::as_second);
        let mut sorted: Vec<_> = entries.into_iter().collect();
        sorted.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        changes.extend(sorted.into_iter().map(|(value, reason)| {
            let key = EntryKey {
                domain: domain.clone(),
                value,
                source: Arc::clone(&source),
            };
            Change::Put(ListEntry {
                key,
                action: header.action,
                reason,
                expires_at,
            })
        }));
        imported.written = self.lists.change(changes).await?;
        tracing::info!(
            source = &*source,
            created = imported.written.created,
            replaced = imported.written.replaced,
            removed = imported.written.removed,
            by = caller.name,
            "a list was imported"
        );
        Ok(imported)
    }

    /// Narrows a filter to the caller's domain, and to the values that would match something.
    async fn narrow(
        &self,
        caller: &Principal,
        mut filter: EntryFilter,
        matching: &str,
    ) -> Result<EntryFilter, AdminError> {
        if let Some(domain) = &filter.domain {
            caller.require_domain(domain)?;
            filter.domain = Some(domain.to_ascii_lowercase());
        } else {
            filter.domain = caller.domain.as_deref().map(str::to_owned);
        }
        if let (Some(kind), Some([value])) = (filter.kind, filter.values.as_deref())
            && let Ok(parsed) = EntryValue::parse(kind, value)
        {
            filter.values = Some(vec![parsed.to_string()]);
        }
        if matching.is_empty() {
            return Ok(filter);
        }
        let kind = filter
            .kind
            .ok_or_else(|| AdminError::field("filter.kind", "must be given with `matching`"))?;
        filter.values = Some(match kind {
            EntryKind::UserAgent => {
                let patterns = EntryFilter {
                    kind: Some(kind),
                    ..EntryFilter::default()
                };
                let keys = self.store.entry_keys(&patterns).await?;
                keys.into_iter()
                    .filter(|key| key.value.matches_agent(matching))
                    .map(|key| key.value.to_string())
                    .collect()
            }
            EntryKind::Number => values_matching_number(matching)?,
            EntryKind::Ip => values_matching_address(matching)?,
        });
        Ok(filter)
    }
}

/// The prefixes that a number would match, as they are kept.
fn values_matching_number(text: &str) -> Result<Vec<String>, AdminError> {
    let number = E164::from_digits(text.trim().trim_start_matches('+'))
        .map_err(|error| AdminError::field("filter.matching", error))?;
    Ok((1..=number.digits().len())
        .map(|length| number.as_str()[..length].to_owned())
        .collect())
}

/// The networks that an address would match, as they are kept.
fn values_matching_address(text: &str) -> Result<Vec<String>, AdminError> {
    let ip: std::net::IpAddr = text
        .trim()
        .parse()
        .map_err(|_| AdminError::field("filter.matching", "must be an address"))?;
    let host = ipnet::IpNet::from(ip.to_canonical());
    let networks = std::iter::successors(Some(host), ipnet::IpNet::supernet);
    Ok(networks
        .map(|network| EntryValue::Ip(network).to_string())
        .collect())
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
