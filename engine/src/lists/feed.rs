//! A list that comes whole from one source, and is replaced whole.

use std::{fmt, sync::Arc};

use super::{
    Action, Change, DomainChanges, DomainLists, EntryError, EntryKey, EntryValue, ListEntry,
};

/// A list of one source: built once, then shared. It holds for every domain or for one.
#[derive(Clone)]
pub struct Feed(Arc<Whole>);

struct Whole {
    name: Arc<str>,
    domain: Box<str>,
    at: i64,
    lists: DomainLists,
}

/// An entry of a feed, as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEntry {
    /// What it lists.
    pub value: EntryValue,
    /// What it does.
    pub action: Action,
    /// Why; shared by the entries that have the same.
    pub reason: Arc<str>,
    /// When it goes by itself, in seconds since 1970.
    pub expires_at: Option<i64>,
}

impl Feed {
    /// Of these entries, which the source had at a time, in seconds since 1970; of two with the same value the later holds.
    ///
    /// # Errors
    /// When the user-agent patterns do not compile together.
    pub fn new(
        name: &str,
        domain: &str,
        at: i64,
        entries: impl IntoIterator<Item = FeedEntry>,
    ) -> Result<Self, EntryError> {
        let name: Arc<str> = name.into();
        let mut changes = DomainChanges::default();
        for entry in entries {
            changes.add(Change::Put(ListEntry {
                key: EntryKey {
                    domain: "".into(),
                    value: entry.value,
                    source: Arc::clone(&name),
                },
                action: entry.action,
                reason: entry.reason,
                listed_at: at,
                expires_at: entry.expires_at,
            }));
        }
        let mut lists = DomainLists::default();
        lists.change(changes, true)?;
        Ok(Self(Arc::new(Whole {
            name,
            domain: domain.into(),
            at,
            lists,
        })))
    }

    /// Its source's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The domain it holds for; empty: every one.
    pub fn domain(&self) -> &str {
        &self.0.domain
    }

    /// When its source had these entries, in seconds since 1970.
    pub fn at(&self) -> i64 {
        self.0.at
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.0.lists.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its entries: networks, numbers, user agents, each in their order.
    pub fn entries(&self) -> impl Iterator<Item = ListEntry> + '_ {
        let Whole { domain, lists, .. } = &*self.0;
        let whole = lists.entries();
        whole.map(move |(value, record)| record.entry(domain, value))
    }

    /// The entry of a value.
    pub fn entry(&self, value: &EntryValue) -> Option<ListEntry> {
        let Whole { domain, lists, .. } = &*self.0;
        let record = match value {
            EntryValue::Ip(network) => lists.networks.record(network),
            EntryValue::Number(prefix) => lists.numbers.record(prefix),
            EntryValue::UserAgent(pattern) => lists.agents.record(pattern),
        }?;
        Some(record.entry(domain, value.clone()))
    }

    pub(super) fn lists(&self) -> &DomainLists {
        &self.0.lists
    }

    pub(super) fn lists_for(&self, domain: &str) -> Option<&DomainLists> {
        let own = &self.0.domain;
        (own.is_empty() || **own == *domain).then_some(&self.0.lists)
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("name", &self.name())
            .field("domain", &self.domain())
            .field("entries", &self.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lists::{EntryKind, Lists},
        number::E164,
    };

    fn entry(kind: EntryKind, value: &str) -> FeedEntry {
        FeedEntry {
            value: EntryValue::parse(kind, value).unwrap(),
            action: Action::Block,
            reason: "seen".into(),
            expires_at: None,
        }
    }

    fn feed(name: &str, domain: &str, entries: &[(EntryKind, &str)]) -> Feed {
        let entries = entries.iter().map(|(kind, value)| entry(*kind, value));
        Feed::new(name, domain, 1_700_000_000, entries).unwrap()
    }

    fn own(kind: EntryKind, value: &str, action: Action) -> Change {
        Change::Put(ListEntry {
            key: EntryKey {
                domain: "".into(),
                value: EntryValue::parse(kind, value).unwrap(),
                source: "operator".into(),
            },
            action,
            reason: "known".into(),
            listed_at: 0,
            expires_at: None,
        })
    }

    fn told(lists: &Lists, domain: &str, ip: &str) -> Option<String> {
        let hit = lists.source(domain, ip.parse().unwrap(), 0)?;
        Some(hit.to_string())
    }

    #[test]
    fn it_is_replaced_whole_and_leaves_whole() {
        let first = feed(
            "voip",
            "",
            &[
                (EntryKind::Ip, "203.0.113.7"),
                (EntryKind::Ip, "192.0.2.0/24"),
            ],
        );
        let second = feed(
            "voip",
            "",
            &[(EntryKind::Ip, "203.0.113.7"), (EntryKind::Number, "88213")],
        );
        let lists = Lists::default().with_feed(first);
        assert_eq!(
            told(&lists, "a.b", "192.0.2.9").unwrap(),
            "is on the block list by `192.0.2.0/24` (voip: seen)"
        );
        assert_eq!(lists.len(), 2);
        let lists = lists.with_feed(second);
        assert_eq!(told(&lists, "a.b", "192.0.2.9"), None);
        assert!(told(&lists, "a.b", "203.0.113.7").is_some());
        let number = E164::from_digits("88213123").unwrap();
        assert!(!lists.number("a.b", &number, 0).unwrap().allows());
        let lists = lists.without_feed("voip");
        assert!(lists.is_empty());
        assert_eq!(told(&lists, "a.b", "203.0.113.7"), None);
    }

    #[test]
    fn the_longest_match_decides_whosever_it_is_and_at_equal_length_what_allows() {
        let lists = Lists::default()
            .with([
                own(EntryKind::Ip, "203.0.113.0/24", Action::Allow),
                own(EntryKind::Ip, "192.0.2.7", Action::Allow),
                own(EntryKind::Ip, "192.0.2.8", Action::Block),
            ])
            .unwrap()
            .with_feed(feed(
                "one",
                "",
                &[(EntryKind::Ip, "203.0.113.7"), (EntryKind::Ip, "192.0.2.8")],
            ))
            .with_feed(feed("two", "", &[(EntryKind::Ip, "192.0.2.7")]));
        let told = |ip| told(&lists, "a.b", ip).unwrap();
        assert_eq!(
            told("203.0.113.7"),
            "is on the block list by `203.0.113.7` (one: seen)"
        );
        assert_eq!(
            told("192.0.2.7"),
            "is on the allow list by `192.0.2.7` (operator: known)"
        );
        // What the operator knows himself is told rather than what others say.
        assert_eq!(
            told("192.0.2.8"),
            "is on the block list by `192.0.2.8` (operator: known)"
        );
    }

    #[test]
    fn that_of_a_domain_holds_there_alone() {
        let lists = Lists::default().with_feed(feed(
            "hers",
            "hers.example",
            &[(EntryKind::UserAgent, "^scan")],
        ));
        assert!(lists.user_agent("hers.example", "scanner", 0).is_some());
        assert!(lists.user_agent("other.example", "scanner", 0).is_none());
    }

    #[test]
    fn its_entries_are_told_as_they_are() {
        let values = [
            (EntryKind::Ip, "192.0.2.0/24"),
            (EntryKind::Ip, "203.0.113.7"),
            (EntryKind::Ip, "2001:db8::/32"),
            (EntryKind::Number, "4420"),
            (EntryKind::Number, "88213"),
            (EntryKind::UserAgent, "^scan"),
        ];
        let feed = feed("all", "hers.example", &values);
        let listed: Vec<_> = feed.entries().collect();
        assert_eq!(listed.len(), feed.len());
        for ((kind, value), entry) in values.iter().zip(&listed) {
            assert_eq!(entry.key.value, EntryValue::parse(*kind, value).unwrap());
            assert_eq!(
                (&*entry.key.source, &*entry.key.domain, &*entry.reason),
                ("all", "hers.example", "seen")
            );
            assert_eq!(feed.entry(&entry.key.value).as_ref(), Some(entry));
        }
        assert_eq!(
            feed.entry(&EntryValue::parse(EntryKind::Number, "44").unwrap()),
            None
        );
    }
}
