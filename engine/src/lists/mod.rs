//! The operator's lists: addresses, numbers and user agents that are blocked or allowed.
//!
//! [`Lists`] never changes: a change makes new ones ([`Lists::with`]) that share what stayed. An entry holds for every
//! domain or for one. The longest matching entry decides, whichever of the two it is of; at equal length the one that
//! allows. An entry that has expired is passed over. What others list comes as a [`Feed`], which is replaced whole.

mod agents;
mod automaton;
mod entry;
mod feed;
mod networks;
mod numbers;
mod patterns;

pub use entry::{
    Action, EntryError, EntryKey, EntryKind, EntryValue, ListEntry, NumberHit, SharedTexts,
    SourceHit, UserAgentHit,
};
pub use feed::{Feed, FeedEntry};

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use self::{agents::Agents, networks::Networks, numbers::Numbers};
use crate::number::E164;

/// Every list, general and of single domains.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    general: DomainLists,
    domains: BTreeMap<Box<str>, DomainLists>,
    feeds: Vec<Feed>,
}

#[derive(Clone, Debug, Default)]
struct DomainLists {
    networks: Arc<Networks>,
    numbers: Arc<Numbers>,
    agents: Arc<Agents>,
}

/// What is shorter is a prefix: there are numbers of six digits with the calling code, but few.
const SHORTEST_NUMBER: usize = 7;

/// One change to the lists.
#[derive(Clone, Debug)]
pub enum Change {
    /// Adds an entry, or replaces the one of the same key.
    Put(ListEntry),
    /// Removes the entry of a key.
    Remove(EntryKey),
}

impl Lists {
    /// What the lists say of a number.
    pub fn number(&self, domain: &str, number: &E164, now: i64) -> Option<NumberHit<'_>> {
        self.of(domain)
            .map(|lists| lists.numbers.look_up(number, now))
            .fold(None, entry::weightier)
    }

    /// What the lists say of a source address.
    pub fn source(&self, domain: &str, ip: IpAddr, now: i64) -> Option<SourceHit<'_>> {
        self.of(domain)
            .map(|lists| lists.networks.look_up(ip, now))
            .fold(None, entry::weightier)
    }

    /// What the lists say of a user agent: one pattern that allows outweighs all that block.
    pub fn user_agent(&self, domain: &str, agent: &str, now: i64) -> Option<UserAgentHit<'_>> {
        self.of(domain)
            .map(|lists| lists.agents.look_up(agent, now))
            .fold(None, entry::weightier)
    }

    /// The listed patterns that a user agent matches: those of a domain alone (empty: the general ones), or all; expired ones too.
    pub fn patterns_matching<'a>(
        &'a self,
        domain: Option<&str>,
        agent: &str,
    ) -> impl Iterator<Item = &'a str> {
        let own = self
            .domains
            .iter()
            .map(|(domain, lists)| (&**domain, lists));
        let feeds = self.feeds.iter().map(|feed| (feed.domain(), feed.lists()));
        own.chain([("", &self.general)])
            .chain(feeds)
            .filter(move |(own, _)| domain.is_none_or(|domain| domain == *own))
            .flat_map(move |(_, lists)| lists.agents.matching(agent))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.domains
            .values()
            .chain([&self.general])
            .map(DomainLists::len)
            .chain(self.feeds.iter().map(Feed::len))
            .sum()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// These lists with some changes, made in their order.
    ///
    /// # Errors
    /// When a user-agent pattern costs too much, by itself or with the others.
    pub fn with(&self, changes: impl IntoIterator<Item = Change>) -> Result<Self, EntryError> {
        self.changed(changes, true)
    }

    /// The lists of what was listed before. Patterns that cost too much are among them and match nothing ([`Self::disabled`]).
    ///
    /// # Errors
    /// When the user-agent patterns are too many.
    pub fn kept(entries: impl IntoIterator<Item = ListEntry>) -> Result<Self, EntryError> {
        Self::default().changed(entries.into_iter().map(Change::Put), false)
    }

    /// The user-agent patterns that match nothing, since they cost too much: their domain, the pattern and why.
    pub fn disabled(&self) -> impl Iterator<Item = (&str, &str, String)> {
        let domains = self
            .domains
            .iter()
            .map(|(domain, lists)| (&**domain, lists));
        domains
            .chain([("", &self.general)])
            .flat_map(|(domain, lists)| {
                let disabled = lists.agents.disabled();
                disabled.map(move |(pattern, why)| (domain, pattern, why))
            })
    }

    /// How many entries a domain has of its own, and how many of these are user-agent patterns.
    pub fn len_of(&self, domain: &str) -> (usize, usize) {
        let own = self.domains.get(domain);
        own.map_or((0, 0), |own| (own.len(), own.agents.len()))
    }

    /// The keys of a domain's own entries that have expired.
    pub fn expired_of(&self, domain: &str, now: i64) -> Vec<EntryKey> {
        let Some(own) = self.domains.get(domain) else {
            return Vec::new();
        };
        own.entries()
            .filter(|(_, record)| !record.holds(now))
            .map(|(value, record)| record.entry(domain, value).key)
            .collect()
    }

    /// These lists with what others have for some domains in place of their own; the empty domain stands for what holds for all,
    /// and for the feeds.
    #[must_use]
    pub fn with_domains_of<'a>(
        &self,
        others: &Self,
        domains: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut lists = self.clone();
        for domain in domains {
            if domain.is_empty() {
                lists.general = others.general.clone();
                lists.feeds.clone_from(&others.feeds);
            } else if let Some(own) = others.domains.get(domain) {
                lists.domains.insert(domain.into(), own.clone());
            } else {
                lists.domains.remove(domain);
            }
        }
        lists
    }

    fn changed(
        &self,
        changes: impl IntoIterator<Item = Change>,
        strictly: bool,
    ) -> Result<Self, EntryError> {
        let mut sorted: BTreeMap<Box<str>, DomainChanges> = BTreeMap::new();
        for change in changes {
            let key = match &change {
                Change::Put(entry) => &entry.key,
                Change::Remove(key) => key,
            };
            sorted.entry(key.domain.clone()).or_default().add(change);
        }
        let mut lists = self.clone();
        for (domain, changes) in sorted {
            if domain.is_empty() {
                lists.general.change(changes, strictly)?;
                continue;
            }
            let own = lists.domains.entry(domain.clone()).or_default();
            own.change(changes, strictly)?;
            if own.len() == 0 {
                lists.domains.remove(&domain);
            }
        }
        Ok(lists)
    }

    /// These lists with a feed, in place of that of the same name.
    #[must_use]
    pub fn with_feed(&self, feed: Feed) -> Self {
        let mut lists = self.without_feed(feed.name());
        lists.feeds.push(feed);
        lists
    }

    /// These lists without the feed of a name.
    #[must_use]
    pub fn without_feed(&self, name: &str) -> Self {
        let mut lists = self.clone();
        lists.feeds.retain(|feed| feed.name() != name);
        lists
    }

    /// The whole numbers that are blocked for every domain, to predict others by, and for how many days each has been listed. A prefix is
    /// none, and what a domain lists for itself teaches nobody else.
    pub fn blocked_numbers(&self, now: i64) -> impl Iterator<Item = (E164, u32)> {
        let feeds = self.feeds.iter().filter_map(|feed| feed.lists_for(""));
        feeds
            .chain([&self.general])
            .flat_map(|lists| lists.numbers.entries())
            .filter(move |(_, record)| record.action == Action::Block && record.holds(now))
            .filter_map(move |(value, record)| match value {
                EntryValue::Number(number) if number.digits().len() >= SHORTEST_NUMBER => {
                    Some((number, record.days_listed(now)))
                }
                _ => None,
            })
    }

    /// Whether these lists have the very numbers of others: what was changed between them is something else.
    pub fn has_numbers_of(&self, others: &Self) -> bool {
        let numbers = |lists: &Self| -> Vec<*const Numbers> {
            let feeds = lists.feeds.iter().filter_map(|feed| feed.lists_for(""));
            let all = feeds.chain([&lists.general]);
            all.map(|lists| Arc::as_ptr(&lists.numbers)).collect()
        };
        numbers(self) == numbers(others)
    }

    /// The feeds.
    pub fn feeds(&self) -> &[Feed] {
        &self.feeds
    }

    /// What holds for a domain; of matches that weigh the same the last one is told.
    fn of(&self, domain: &str) -> impl Iterator<Item = &DomainLists> {
        let own = if self.domains.is_empty() {
            None
        } else {
            self.domains.get(domain)
        };
        self.feeds
            .iter()
            .filter_map(move |feed| feed.lists_for(domain))
            .chain([&self.general])
            .chain(own)
    }
}

#[derive(Default)]
struct DomainChanges {
    networks: Vec<Change>,
    numbers: Vec<Change>,
    agents: Vec<Change>,
}

impl DomainChanges {
    fn add(&mut self, change: Change) {
        let (Change::Put(ListEntry { key, .. }) | Change::Remove(key)) = &change;
        match key.value.kind() {
            EntryKind::Ip => self.networks.push(change),
            EntryKind::Number => self.numbers.push(change),
            EntryKind::UserAgent => self.agents.push(change),
        }
    }
}

impl DomainLists {
    fn len(&self) -> usize {
        self.networks.len() + self.numbers.len() + self.agents.len()
    }

    fn entries(&self) -> impl Iterator<Item = (EntryValue, &entry::Record)> {
        let networks = self.networks.entries();
        networks
            .chain(self.numbers.entries())
            .chain(self.agents.entries())
    }

    /// Makes changes; strictly: not if they would leave a pattern that is not matched.
    fn change(&mut self, changes: DomainChanges, strictly: bool) -> Result<(), EntryError> {
        if !changes.networks.is_empty() {
            self.networks = Arc::new(self.networks.with(changes.networks));
        }
        if !changes.numbers.is_empty() {
            self.numbers = Arc::new(self.numbers.with(changes.numbers));
        }
        if !changes.agents.is_empty() {
            let agents = self.agents.with(changes.agents)?;
            if strictly {
                let before: Vec<&str> = self.agents.disabled().map(|(text, _)| text).collect();
                let mut new = agents.disabled();
                if let Some((pattern, why)) = new.find(|(text, _)| !before.contains(text)) {
                    let pattern = pattern.into();
                    return Err(EntryError::Costly { pattern, why });
                }
            }
            self.agents = Arc::new(agents);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: EntryKind, value: &str, action: Action, domain: &str) -> Change {
        Change::Put(ListEntry {
            key: EntryKey {
                domain: domain.into(),
                value: EntryValue::parse(kind, value).unwrap(),
                source: "operator".into(),
            },
            action,
            reason: Arc::from("because"),
            listed_at: 0,
            expires_at: None,
        })
    }

    fn number(digits: &str) -> E164 {
        E164::from_digits(digits).unwrap()
    }

    #[test]
    fn the_longest_prefix_decides() {
        let lists = Lists::default()
            .with([
                entry(EntryKind::Number, "88213", Action::Block, ""),
                entry(EntryKind::Number, "882130001", Action::Allow, ""),
                entry(EntryKind::Number, "88213000123", Action::Block, ""),
            ])
            .unwrap();
        let allows = |digits| {
            lists
                .number("a.b", &number(digits), 0)
                .map(|hit| hit.allows())
        };
        assert_eq!(allows("8821399"), Some(false));
        assert_eq!(allows("88213000199"), Some(true));
        assert_eq!(allows("88213000123"), Some(false));
        assert_eq!(allows("882"), None);
        assert_eq!(allows("8822"), None);
    }

    #[test]
    fn at_equal_length_what_allows_decides_and_a_domain_sees_its_own() {
        let lists = Lists::default()
            .with([
                entry(EntryKind::Ip, "203.0.113.0/24", Action::Block, ""),
                entry(
                    EntryKind::Ip,
                    "203.0.113.0/24",
                    Action::Allow,
                    "mine.example",
                ),
                entry(
                    EntryKind::Ip,
                    "2001:db8::/32",
                    Action::Block,
                    "mine.example",
                ),
            ])
            .unwrap();
        let allows = |domain, ip: &str| {
            lists
                .source(domain, ip.parse().unwrap(), 0)
                .map(|hit| hit.allows())
        };
        assert_eq!(allows("other.example", "203.0.113.7"), Some(false));
        assert_eq!(allows("mine.example", "203.0.113.7"), Some(true));
        assert_eq!(allows("mine.example", "2001:db8::7"), Some(false));
        assert_eq!(allows("other.example", "2001:db8::7"), None);
    }

    #[test]
    fn an_agent_pattern_that_allows_outweighs_those_that_block() {
        let lists = Lists::default()
            .with([
                entry(EntryKind::UserAgent, "^sip", Action::Block, ""),
                entry(EntryKind::UserAgent, "^sipgate", Action::Allow, ""),
            ])
            .unwrap();
        let allows = |agent| lists.user_agent("a.b", agent, 0).map(|hit| hit.allows());
        assert_eq!(allows("SIPvicious"), Some(false));
        assert_eq!(allows("sipgate 1.0"), Some(true));
        assert_eq!(allows("Grandstream"), None);
    }

    #[test]
    fn an_entry_expires_by_itself_and_what_is_under_it_counts_again() {
        let Change::Put(mut temporary) = entry(EntryKind::Number, "4420", Action::Block, "") else {
            unreachable!()
        };
        temporary.expires_at = Some(100);
        let lists = Lists::default()
            .with([
                entry(EntryKind::Number, "44", Action::Allow, ""),
                Change::Put(temporary),
            ])
            .unwrap();
        assert!(
            !lists
                .number("a.b", &number("442071234567"), 99)
                .unwrap()
                .allows()
        );
        assert!(
            lists
                .number("a.b", &number("442071234567"), 100)
                .unwrap()
                .allows()
        );
    }

    #[test]
    fn fraud_is_predicted_by_whole_numbers_that_are_blocked_for_all() {
        let lists = Lists::default()
            .with([
                entry(EntryKind::Number, "37128054100", Action::Block, ""),
                entry(EntryKind::Number, "37128054101", Action::Allow, ""),
                entry(EntryKind::Number, "88213", Action::Block, ""),
                entry(
                    EntryKind::Number,
                    "37128054102",
                    Action::Block,
                    "mine.example",
                ),
            ])
            .unwrap();
        assert_eq!(
            lists.blocked_numbers(10 * 86_400).collect::<Vec<_>>(),
            [(number("37128054100"), 10)]
        );
        let agent = [entry(EntryKind::UserAgent, "^sip", Action::Block, "")];
        assert!(lists.with(agent).unwrap().has_numbers_of(&lists));
        let other = [entry(EntryKind::Number, "37128054103", Action::Block, "")];
        assert!(!lists.with(other).unwrap().has_numbers_of(&lists));
    }

    #[test]
    fn two_sources_list_the_same_value_and_one_goes() {
        let Change::Put(mut feed) = entry(EntryKind::Number, "4420", Action::Block, "") else {
            unreachable!()
        };
        feed.key.source = "feed".into();
        let lists = Lists::default()
            .with([
                entry(EntryKind::Number, "4420", Action::Block, ""),
                Change::Put(feed.clone()),
            ])
            .unwrap();
        assert_eq!(lists.len(), 2);
        let lists = lists.with([Change::Remove(feed.key)]).unwrap();
        assert_eq!(lists.len(), 1);
        let hit = lists.number("a.b", &number("4420"), 0).unwrap();
        assert_eq!(
            hit.to_string(),
            "is on the block list by `4420` (operator: because)"
        );
    }
}
