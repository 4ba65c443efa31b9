//! The entries that come from lists of others: they are in memory alone.

use jiff::Timestamp;
use tfps_engine::lists::{EntryKind, EntryValue, Feed, ListEntry};
use tokio::task::spawn_blocking;

use crate::{
    admin::{Admin, AdminError, cursor},
    store::{EntryFilter, EntryRecord, StoreError},
};

/// What tells a page's token from that of the entries in the database.
const MARK: &str = "feed";

/// Where a page of these entries begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    feed: String,
    /// How many of its entries that match come before.
    skip: usize,
}

/// A page of these entries.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) records: Vec<EntryRecord>,
    /// How many match in all.
    pub(super) total: u64,
    /// Where the next page begins.
    pub(super) next: Option<Place>,
}

impl Place {
    /// What a token says; none where it is one of the database's.
    pub(super) fn of([mark, feed, skip, _]: &[String; 4]) -> Option<Self> {
        (mark == MARK).then(|| Self {
            feed: feed.clone(),
            skip: skip.parse().unwrap_or(usize::MAX),
        })
    }

    pub(super) fn token(&self) -> String {
        cursor::write(&[MARK, &self.feed, &self.skip.to_string(), ""])
    }
}

impl Admin {
    /// A page of the entries of lists of others, from a place on; one list may be replaced between two pages.
    pub(super) async fn listed(
        &self,
        filter: &EntryFilter,
        from: &Place,
        size: usize,
    ) -> Result<Page, AdminError> {
        let feeds: Vec<Feed> = self.state.snapshot.load().lists.feeds().to_vec();
        let (filter, from) = (filter.clone(), from.clone());
        // A million entries are looked through off the threads that answer calls.
        spawn_blocking(move || page(&feeds, &filter, &from, size))
            .await
            .map_err(|error| StoreError::Unavailable(error.to_string()).into())
    }

    /// Whether a source is a list of others.
    pub(super) fn is_listed(&self, source: &str) -> bool {
        let snapshot = self.state.snapshot.load();
        snapshot
            .lists
            .feeds()
            .iter()
            .any(|feed| feed.name() == source)
    }
}

fn page(feeds: &[Feed], filter: &EntryFilter, from: &Place, size: usize) -> Page {
    let mut page = Page::default();
    let mut feeds: Vec<_> = feeds.iter().filter(|feed| of(feed, filter)).collect();
    feeds.sort_by_key(|feed| feed.name());
    for feed in feeds {
        let mut matching = 0;
        let skip = match feed.name().cmp(&from.feed) {
            std::cmp::Ordering::Less => usize::MAX,
            std::cmp::Ordering::Equal => from.skip,
            std::cmp::Ordering::Greater => 0,
        };
        let mut take = |entry: ListEntry| {
            if !kind_and_action(&entry, filter) {
                return;
            }
            matching += 1;
            if matching <= skip || page.next.is_some() {
                return;
            }
            if page.records.len() == size {
                page.next = Some(Place {
                    feed: feed.name().to_owned(),
                    skip: matching - 1,
                });
                return;
            }
            page.records.push(EntryRecord {
                entry,
                created_at: Timestamp::from_second(feed.at()).unwrap_or_default(),
            });
        };
        match &filter.values {
            None => feed.entries().for_each(take),
            Some(values) => {
                for value in values {
                    let kinds = [EntryKind::Ip, EntryKind::Number, EntryKind::UserAgent];
                    kinds
                        .into_iter()
                        .filter_map(|kind| EntryValue::kept(kind, value).ok())
                        .filter_map(|value| feed.entry(&value))
                        .for_each(&mut take);
                }
            }
        }
        page.total += matching as u64;
    }
    page
}

fn of(feed: &Feed, filter: &EntryFilter) -> bool {
    let named =
        |own: &str, asked: &Option<String>| asked.as_deref().is_none_or(|asked| own == asked);
    named(feed.name(), &filter.source) && named(feed.domain(), &filter.domain)
}

fn kind_and_action(entry: &ListEntry, filter: &EntryFilter) -> bool {
    filter
        .kind
        .is_none_or(|kind| entry.key.value.kind() == kind)
        && filter
            .action
            .is_none_or(|action| entry.action.as_str() == action)
}

#[cfg(test)]
mod tests {
    use tfps_engine::lists::{Action, FeedEntry};

    use super::*;

    fn feed(name: &str, domain: &str, values: &[&str]) -> Feed {
        let entries = values.iter().map(|value| FeedEntry {
            value: EntryValue::parse(EntryKind::Ip, value).unwrap(),
            action: Action::Block,
            reason: "seen".into(),
            expires_at: None,
        });
        Feed::new(name, domain, 1_700_000_000, entries).unwrap()
    }

    #[test]
    fn they_are_told_page_by_page_each_once() {
        let feeds = [
            feed("b", "", &["203.0.113.1", "203.0.113.2", "203.0.113.3"]),
            feed("a", "", &["192.0.2.1", "192.0.2.2"]),
        ];
        for size in 1..=6 {
            let mut from = Some(Place::default());
            let mut told = Vec::new();
            while let Some(place) = from.take() {
                let token = cursor::read::<4>(&place.token()).unwrap().unwrap();
                assert_eq!(Place::of(&token), Some(place.clone()));
                let page = page(&feeds, &EntryFilter::default(), &place, size);
                assert_eq!(page.total, 5);
                assert!(page.records.len() <= size);
                let values = page.records.iter();
                told.extend(values.map(|record| record.entry.key.value.to_string()));
                from = page.next;
            }
            let all = [
                "192.0.2.1",
                "192.0.2.2",
                "203.0.113.1",
                "203.0.113.2",
                "203.0.113.3",
            ];
            assert_eq!(told, all, "{size}");
        }
    }

    #[test]
    fn a_filter_narrows_them() {
        let feeds = [
            feed("a", "", &["192.0.2.1", "192.0.2.0/24"]),
            feed("b", "hers.example", &["192.0.2.1"]),
        ];
        let count = |change: &dyn Fn(&mut EntryFilter)| {
            let mut filter = EntryFilter::default();
            change(&mut filter);
            let page = page(&feeds, &filter, &Place::default(), 10);
            assert_eq!(page.total, page.records.len() as u64);
            page.total
        };
        let own = |text: &str| Some(text.to_owned());
        assert_eq!(count(&|_| {}), 3);
        assert_eq!(count(&|filter| filter.source = own("b")), 1);
        assert_eq!(count(&|filter| filter.domain = own("hers.example")), 1);
        assert_eq!(count(&|filter| filter.domain = own("")), 2);
        assert_eq!(count(&|filter| filter.kind = Some(EntryKind::Number)), 0);
        assert_eq!(count(&|filter| filter.action = Some("allow")), 0);
        assert_eq!(
            count(&|filter| filter.values = Some(vec!["192.0.2.1".to_owned()])),
            2
        );
    }
}
