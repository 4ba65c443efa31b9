//! User-agent patterns, matched all at once.

use hashbrown::HashMap;

use super::{
    Change, EntryError, EntryKey, EntryValue, ListEntry,
    entry::{Hit, Record, UserAgentHit, decisive},
    patterns::{Pattern, PatternSet},
};

/// The listed patterns. They are regular expressions that take time in proportion to the agent's length, whatever
/// they are.
#[derive(Clone, Debug, Default)]
pub(super) struct Agents {
    patterns: Vec<(Pattern, Vec<Record>)>,
    set: PatternSet,
}

impl Agents {
    pub(super) fn len(&self) -> usize {
        self.patterns.iter().map(|(_, records)| records.len()).sum()
    }

    pub(super) fn look_up(&self, agent: &str, now: i64) -> Option<UserAgentHit<'_>> {
        if self.patterns.is_empty() {
            return None;
        }
        let pattern = |place: u32| &self.patterns[place as usize].0;
        let places = self.set.matching(agent, pattern);
        let mut hits = places.into_iter().filter_map(|place| {
            let (pattern, records) = &self.patterns[place as usize];
            let record = decisive(records, now)?;
            Some(Hit {
                record,
                value: pattern.text(),
                length: 0,
            })
        });
        let first = hits.next()?;
        if first.allows() {
            return Some(first);
        }
        Some(hits.find(Hit::allows).unwrap_or(first))
    }

    /// The patterns that an agent matches.
    pub(super) fn matching(&self, agent: &str) -> impl Iterator<Item = &str> {
        let pattern = |place: u32| &self.patterns[place as usize].0;
        let places = self.set.matching(agent, pattern);
        places.into_iter().map(move |place| pattern(place).text())
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (EntryValue, &Record)> {
        self.patterns.iter().flat_map(|(pattern, records)| {
            let value = EntryValue::UserAgent(pattern.text().into());
            records.iter().map(move |record| (value.clone(), record))
        })
    }

    /// The patterns that match nothing, and why.
    pub(super) fn disabled(&self) -> impl Iterator<Item = (&str, String)> {
        let costly = self.patterns.iter().filter_map(|(pattern, _)| {
            let why = pattern.disabled()?;
            Some((pattern.text(), why.to_owned()))
        });
        let left_out = self.set.left_out();
        costly.chain(left_out.map(|(place, why)| (self.patterns[place as usize].0.text(), why)))
    }

    /// The first record of exactly this pattern.
    pub(super) fn record(&self, pattern: &str) -> Option<&Record> {
        let listed = self.patterns.iter().find(|(own, _)| own.text() == pattern);
        listed.and_then(|(_, records)| records.first())
    }

    /// These patterns with some changes.
    pub(super) fn with(&self, changes: Vec<Change>) -> Result<Self, EntryError> {
        let mut patterns = self.patterns.clone();
        let mut places: HashMap<Box<str>, usize> = patterns
            .iter()
            .map(|(pattern, _)| pattern.text().into())
            .zip(0..)
            .collect();
        for change in changes {
            let (Change::Put(ListEntry {
                key: EntryKey { value, source, .. },
                ..
            })
            | Change::Remove(EntryKey { value, source, .. })) = &change;
            let EntryValue::UserAgent(text) = value else {
                continue;
            };
            let place = *places.entry(text.clone()).or_insert_with(|| {
                patterns.push((Pattern::new(text), Vec::new()));
                patterns.len() - 1
            });
            let records = &mut patterns[place].1;
            records.retain(|record| record.source != *source);
            if let Change::Put(entry) = &change {
                records.push(Record::new(entry));
            }
        }
        patterns.retain(|(_, records)| !records.is_empty());
        let set = PatternSet::new(patterns.iter().map(|(pattern, _)| pattern))?;
        Ok(Self { patterns, set })
    }
}
