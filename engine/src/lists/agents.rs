//! User-agent patterns, matched all at once.

use regex::{RegexSet, RegexSetBuilder};

use super::{
    Change, EntryError, EntryKey, EntryValue, ListEntry,
    entry::{Hit, PATTERN_MEMORY, Record, UserAgentHit, decisive},
};

/// The memory that all compiled patterns may take together, in bytes.
const SET_MEMORY: usize = 64 * PATTERN_MEMORY;

/// The listed patterns. They are regular expressions that take time in proportion to the agent's length, whatever
/// they are.
#[derive(Clone, Debug)]
pub(super) struct Agents {
    patterns: Vec<(Box<str>, Vec<Record>)>,
    set: RegexSet,
}

impl Default for Agents {
    fn default() -> Self {
        Self {
            patterns: Vec::new(),
            set: RegexSet::empty(),
        }
    }
}

impl Agents {
    pub(super) fn len(&self) -> usize {
        self.patterns.iter().map(|(_, records)| records.len()).sum()
    }

    pub(super) fn look_up(&self, agent: &str, now: i64) -> Option<UserAgentHit<'_>> {
        if self.patterns.is_empty() || !self.set.is_match(agent) {
            return None;
        }
        let hits = self.set.matches(agent);
        let mut hits = hits.iter().filter_map(|index| {
            let (pattern, records) = &self.patterns[index];
            let record = decisive(records, now)?;
            Some(Hit {
                record,
                value: &**pattern,
                length: 0,
            })
        });
        let first = hits.next()?;
        if first.allows() {
            return Some(first);
        }
        Some(hits.find(Hit::allows).unwrap_or(first))
    }

    /// These patterns with some changes.
    pub(super) fn with(&self, changes: Vec<Change>) -> Result<Self, EntryError> {
        let mut patterns = self.patterns.clone();
        for change in changes {
            let (Change::Put(ListEntry {
                key: EntryKey { value, source, .. },
                ..
            })
            | Change::Remove(EntryKey { value, source, .. })) = &change;
            let EntryValue::UserAgent(pattern) = value else {
                continue;
            };
            let at = patterns
                .iter()
                .position(|(other, _)| other == pattern)
                .unwrap_or_else(|| {
                    patterns.push((pattern.clone(), Vec::new()));
                    patterns.len() - 1
                });
            let records = &mut patterns[at].1;
            records.retain(|record| record.source != *source);
            if let Change::Put(entry) = &change {
                records.push(Record::new(entry));
            }
        }
        patterns.retain(|(_, records)| !records.is_empty());
        let set = RegexSetBuilder::new(patterns.iter().map(|(pattern, _)| pattern))
            .case_insensitive(true)
            .size_limit(SET_MEMORY)
            .build()
            .map_err(|error| EntryError::TooManyPatterns(error.to_string()))?;
        Ok(Self { patterns, set })
    }
}
