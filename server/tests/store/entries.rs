//! Entries of the lists.

use tfps_engine::lists::{Action, Change, EntryKey, EntryKind, EntryValue, ListEntry};
use tfps_server::store::{EntryCursor, EntryFilter, Store, Written};

use crate::scene::{minutes, noon};

pub fn entry(kind: EntryKind, value: &str, domain: &str, source: &str) -> ListEntry {
    ListEntry {
        key: EntryKey {
            domain: domain.into(),
            value: EntryValue::parse(kind, value).unwrap(),
            source: source.into(),
        },
        action: Action::Block,
        reason: "because 'of' this".into(),
        listed_at: noon().as_second(),
        expires_at: None,
    }
}

async fn listed(store: &impl Store, filter: &EntryFilter) -> Vec<ListEntry> {
    let (records, total) = store.entries(filter, None, 1_000_000).await.unwrap();
    assert_eq!(total, records.len() as u64);
    records.into_iter().map(|record| record.entry).collect()
}

pub async fn entries_are_put_replaced_and_removed_in_one_go(store: &impl Store) {
    let everything = EntryFilter::default();
    let one = entry(EntryKind::Number, "2526", "", "operator");
    let two = entry(EntryKind::Ip, "2001:db8::/32", "example.com", "feed");
    let mut allowed = two.clone();
    allowed.action = Action::Allow;
    allowed.expires_at = Some((noon() + minutes(1)).as_second());
    let written = store
        .change_entries(&[Change::Put(one.clone()), Change::Put(two)], noon())
        .await
        .unwrap();
    assert_eq!(
        written,
        Written {
            created: 2,
            ..Written::default()
        }
    );
    // The same key twice, and one that is not there: in their order.
    let absent = entry(EntryKind::UserAgent, "^sipcli", "", "operator").key;
    let three = entry(EntryKind::UserAgent, "^friendly", "", "operator");
    let changes = [
        Change::Put(allowed.clone()),
        Change::Remove(one.key.clone()),
        Change::Remove(absent),
        Change::Put(three.clone()),
        Change::Remove(three.key.clone()),
        Change::Put(three.clone()),
    ];
    let written = store.change_entries(&changes, noon()).await.unwrap();
    assert_eq!(written.removed, 2);
    assert_eq!(listed(store, &everything).await, [allowed, three]);
    // So many that no statement takes them all.
    let many: Vec<Change> = (0..9_000)
        .map(|number| {
            let value = format!("198.18.{}.{}", number / 250, number % 250);
            Change::Put(entry(EntryKind::Ip, &value, "", "feed"))
        })
        .collect();
    let written = store.change_entries(&many, noon()).await.unwrap();
    assert_eq!((written.created, written.replaced), (9_000, 0));
    let written = store.change_entries(&many, noon()).await.unwrap();
    assert_eq!((written.created, written.replaced), (0, 9_000));
    let feed = EntryFilter {
        source: Some("feed".to_owned()),
        domain: Some(String::new()),
        ..EntryFilter::default()
    };
    let keys = store.entry_keys(&feed).await.unwrap();
    let removed = keys.into_iter().map(Change::Remove).collect::<Vec<_>>();
    let written = store.change_entries(&removed, noon()).await.unwrap();
    assert_eq!(written.removed, 9_000);
}

pub async fn entries_are_listed_by_filter_and_page(store: &impl Store) {
    let entries = [
        entry(EntryKind::Ip, "192.0.2.1", "", "feed"),
        entry(EntryKind::Ip, "192.0.2.1", "", "operator"),
        entry(EntryKind::Ip, "192.0.2.1", "example.com", "feed"),
        entry(EntryKind::Number, "25261", "", "feed"),
        entry(EntryKind::UserAgent, "^100%_$", "", "feed"),
    ];
    let changes: Vec<_> = entries.iter().rev().cloned().map(Change::Put).collect();
    store.change_entries(&changes, noon()).await.unwrap();
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let everything = EntryFilter::default();
        let (page, total) = store.entries(&everything, after.as_ref(), 2).await.unwrap();
        assert_eq!(total, 5);
        let Some(last) = page.last() else { break };
        let key = &last.entry.key;
        after = Some(EntryCursor {
            kind: key.value.kind().as_str().to_owned(),
            domain: key.domain.to_string(),
            value: key.value.to_string(),
            source: key.source.to_string(),
        });
        assert!(page.iter().all(|record| record.created_at == noon()));
        paged.extend(page.into_iter().map(|record| record.entry));
    }
    assert_eq!(paged, entries);
    let general = EntryFilter {
        domain: Some(String::new()),
        kind: Some(EntryKind::Ip),
        ..EntryFilter::default()
    };
    assert_eq!(listed(store, &general).await, entries[..2]);
    let values = EntryFilter {
        values: Some(vec!["2526".to_owned(), "25261".to_owned()]),
        action: Some("block"),
        ..EntryFilter::default()
    };
    assert_eq!(listed(store, &values).await, entries[3..4]);
    let none = EntryFilter {
        values: Some(Vec::new()),
        ..EntryFilter::default()
    };
    assert_eq!(listed(store, &none).await, []);
    let allowed = EntryFilter {
        action: Some("allow"),
        ..EntryFilter::default()
    };
    assert_eq!(listed(store, &allowed).await, []);
}

pub async fn an_entry_that_has_expired_is_not_loaded(store: &impl Store) {
    let lasting = entry(EntryKind::Number, "25261", "", "operator");
    let mut fading = entry(EntryKind::Number, "25262", "", "operator");
    fading.expires_at = Some(noon().as_second());
    let changes = [Change::Put(lasting.clone()), Change::Put(fading.clone())];
    store.change_entries(&changes, noon()).await.unwrap();
    for (now, expected) in [
        (noon() - minutes(1), vec![lasting.clone(), fading]),
        (noon(), vec![lasting]),
    ] {
        let mut loaded = Vec::new();
        store
            .load_entries(now, &mut |entry| loaded.push(entry))
            .await
            .unwrap();
        loaded.sort_by(|one, other| one.key.value.cmp(&other.key.value));
        assert_eq!(loaded, expected);
    }
}
