//! Large lists, line by line, all or nothing.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use tfps_engine::{
    call::printable,
    lists::{Change, EntryKey, EntryKind, EntryValue, ListEntry, SharedTexts},
};

use super::{EntryLine, MAX_REASON, domain_of, texts};
use crate::{
    admin::{Admin, AdminError, bounds::Allowable},
    auth::{Permission, Principal},
    store::{EntryFilter, Written},
};

/// Lines of one import.
const MAX_IMPORT: usize = 5_000_000;
/// Lines that may be wrong in an import of a domain's.
const MOST_WRONG: u64 = 1_000;
/// Rejected lines that are told one by one.
const TOLD: usize = 100;
/// Lines that the refusal of an import names: an error travels in headers, which are bounded.
const REFUSED_FOR: usize = 5;

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
    reasons: SharedTexts,
    entries: HashMap<EntryValue, Arc<str>>,
    imported: Imported,
    /// Entries that it may have.
    most: usize,
    /// Lines that may still come, where that is bounded.
    lines_left: Option<usize>,
    allowable: Allowable,
}

impl Import {
    /// Starts an import: the header's value is not used. Whoever is bound to a domain may import what it may have.
    ///
    /// # Errors
    /// When a field is wrong, or the role or domain does not allow it.
    pub fn start(
        caller: &Principal,
        header: EntryLine,
        (replace, skip_invalid): (bool, bool),
        admin: &Admin,
    ) -> Result<Self, AdminError> {
        caller.require(Permission::Change)?;
        let domain = domain_of(caller, &header.domain, "header.domain")?;
        let (source, _) = texts(&header, "header.")?;
        let most = match &caller.domain {
            Some(domain) if header.kind == EntryKind::UserAgent => admin.room_for_patterns(domain),
            Some(_) => admin.domains.max_entries,
            None => MAX_IMPORT,
        };
        Ok(Self {
            header,
            domain,
            source,
            replace,
            skip_invalid,
            reasons: SharedTexts::default(),
            entries: HashMap::new(),
            imported: Imported::default(),
            most,
            // Some stand twice.
            lines_left: caller.domain.is_some().then_some(2 * most),
            allowable: admin.allowable(caller),
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
        if let Some(left) = &mut self.lines_left {
            *left = left.checked_sub(1).ok_or_else(|| {
                let problem = format!("is one more than {} of a domain's can have", 2 * self.most);
                AdminError::field(line_field(number), problem)
            })?;
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
        if let Ok(value) = &parsed {
            self.allowable
                .check(self.header.action, value)
                .map_err(|problem| AdminError::Bounded {
                    field: line_field(number),
                    problem,
                })?;
        }
        match parsed {
            Ok(value) => {
                if self.entries.len() >= self.most {
                    let field = line_field(number);
                    let problem =
                        format!("is one more than the {} that one list can have", self.most);
                    return Err(AdminError::field(field, problem));
                }
                let reason = self.reasons.of(&printable(reason));
                if self.entries.insert(value, reason).is_some() {
                    self.imported.duplicates += 1;
                }
            }
            Err(why) => {
                self.imported.rejected_count += 1;
                if self.lines_left.is_some() && self.imported.rejected_count > MOST_WRONG {
                    let problem = format!("is wrong, as are {MOST_WRONG} others: {why}");
                    return Err(AdminError::field(line_field(number), problem));
                }
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
            let _place = self.queries.place(caller).await;
            let keys = self.store.entry_keys(&filter).await?;
            changes.extend(
                keys.into_iter()
                    .filter(|key| !entries.contains_key(&key.value))
                    .map(Change::Remove),
            );
        }
        let expires_at = header.expires_at.map(Timestamp::as_second);
        let listed_at = self.clock.now().as_second();
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
                listed_at,
                expires_at,
            })
        }));
        imported.written = self.lists.change(changes, self.bounds(caller)).await?;
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
}
