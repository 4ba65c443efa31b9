//! Decisions, and what else the journal ships, and what is read of it.

use tfps_engine::{
    exposure::Exposure,
    lists::{Change, EntryKind},
};
use tfps_server::{
    journal::{DecisionRecord, Position},
    store::{DayUsage, DecisionFilter, EntryFilter, OutcomeRecord, Shipment, Store},
};

use crate::{
    entries::entry,
    scene::{challenged, decision, id, minutes, noon},
    verifications::opened,
};

async fn ship(store: &impl Store, decisions: &[DecisionRecord]) {
    let shipment = Shipment {
        decisions: decisions.to_vec(),
        ..Shipment::default()
    };
    store.ship(&shipment).await.unwrap();
}

async fn ids(store: &impl Store, filter: &DecisionFilter) -> Vec<String> {
    let found = store.decisions(filter, None, 1_000).await.unwrap();
    found.into_iter().map(|decision| decision.id).collect()
}

pub async fn a_shipment_that_comes_twice_is_there_once(store: &impl Store) {
    assert_eq!(store.position().await.unwrap(), Position::default());
    let position = Position {
        segment: 3,
        offset: 1 << 40,
    };
    let shipment = Shipment {
        decisions: (0..2_500)
            .map(|number| DecisionRecord {
                id: format!("{number:024}"),
                ..decision("alice@example.com", 0)
            })
            .collect(),
        position,
        ..Shipment::default()
    };
    for _ in 0..2 {
        store.ship(&shipment).await.unwrap();
        assert_eq!(store.position().await.unwrap(), position);
        let all = store
            .decisions(&DecisionFilter::default(), None, 10_000)
            .await
            .unwrap();
        assert_eq!(all.len(), 2_500);
    }
}

pub async fn decisions_are_listed_newest_first_by_filter_and_page(store: &impl Store) {
    let decisions = [
        decision("alice@example.com", 0),
        DecisionRecord {
            verdict: 2,
            code: "R06".to_owned(),
            e164: "5371234567".to_owned(),
            destination_country: "CU".to_owned(),
            source_ip: "2001:db8::1".to_owned(),
            concurrent_calls: None,
            off_hours: true,
            ..decision("alice@example.com", 1)
        },
        challenged("bob@example.com", 2, "c-1"),
        decision("alice@other.example", 3),
    ];
    ship(store, &decisions).await;
    let everything = DecisionFilter::default();
    let mut newest_first = decisions.to_vec();
    newest_first.reverse();
    assert_eq!(
        store.decisions(&everything, None, 100).await.unwrap(),
        newest_first
    );
    let page = store.decisions(&everything, None, 3).await.unwrap();
    assert_eq!(page, newest_first[..3]);
    let last = page.last().map(|decision| decision.id.as_str());
    let page = store.decisions(&everything, last, 3).await.unwrap();
    assert_eq!(page, newest_first[3..]);
    // Until a moment and before a decision: what is older holds.
    for (until, before, expected) in [(3, 3, 1..), (2, 3, 2..), (3, 1, 3..)] {
        let filter = DecisionFilter {
            until: Some(noon() + minutes(until)),
            ..DecisionFilter::default()
        };
        let before = Some(decisions[before].id.as_str());
        let page = store.decisions(&filter, before, 100).await.unwrap();
        assert_eq!(page, newest_first[expected]);
    }
    let text = |text: &str| Some(text.to_owned());
    let filters = [
        (
            DecisionFilter {
                domain: text("example.com"),
                ..DecisionFilter::default()
            },
            &[2, 1, 0][..],
        ),
        (
            DecisionFilter {
                username: text("alice"),
                ..DecisionFilter::default()
            },
            &[3, 1, 0],
        ),
        (
            DecisionFilter {
                codes: vec!["R06".to_owned(), "V03".to_owned(), "'".to_owned()],
                ..DecisionFilter::default()
            },
            &[2, 1],
        ),
        (
            DecisionFilter {
                verdict: Some(1),
                ..DecisionFilter::default()
            },
            &[3, 0],
        ),
        (
            DecisionFilter {
                source_ip: text("2001:db8::1"),
                ..DecisionFilter::default()
            },
            &[1],
        ),
        (
            DecisionFilter {
                number_prefix: text("53"),
                ..DecisionFilter::default()
            },
            &[1],
        ),
        (
            DecisionFilter {
                number_prefix: text("%"),
                ..DecisionFilter::default()
            },
            &[],
        ),
        (
            DecisionFilter {
                destination_country: text("CU"),
                ..DecisionFilter::default()
            },
            &[1],
        ),
        (
            DecisionFilter {
                call_id: text("call-3"),
                ..DecisionFilter::default()
            },
            &[3],
        ),
        (
            DecisionFilter {
                id: Some(decisions[2].id.clone()),
                ..DecisionFilter::default()
            },
            &[2],
        ),
        (
            DecisionFilter {
                since: Some(noon() + minutes(1)),
                until: Some(noon() + minutes(3)),
                ..DecisionFilter::default()
            },
            &[2, 1],
        ),
    ];
    for (filter, found) in filters {
        let found: Vec<_> = found
            .iter()
            .map(|place: &usize| decisions[*place].id.clone())
            .collect();
        assert_eq!(ids(store, &filter).await, found, "{filter:?}");
    }
    assert_eq!(
        store.challenges(noon()).await.unwrap(),
        [decisions[2].clone()]
    );
    assert_eq!(store.challenges(noon() + minutes(3)).await.unwrap(), []);
}

pub async fn statistics_count_a_span_of_time(store: &impl Store) {
    let mut decisions: Vec<_> = (0..12)
        .map(|number| decision("alice@example.com", number))
        .collect();
    decisions.push(challenged("bob@example.com", 3, "c-1"));
    decisions.push(challenged("bob@other.example", 4, "c-2"));
    // The very same moments are other decisions.
    for (number, decision) in decisions.iter_mut().enumerate() {
        decision.id.push_str(&format!("{number:02}"));
    }
    ship(store, &decisions).await;
    let all = store
        .statistics(noon(), noon() + minutes(60), None)
        .await
        .unwrap();
    assert_eq!(
        all.by_code,
        [("A00".to_owned(), 1, 12), ("V03".to_owned(), 3, 2)]
    );
    assert_eq!(all.countries, [("GB".to_owned(), 14)]);
    assert_eq!(
        all.stopped,
        [
            ("bob@example.com".to_owned(), 1),
            ("bob@other.example".to_owned(), 1)
        ]
    );
    let some = store
        .statistics(
            noon() + minutes(3),
            noon() + minutes(5),
            Some("example.com"),
        )
        .await
        .unwrap();
    assert_eq!(
        some.by_code,
        [("A00".to_owned(), 1, 2), ("V03".to_owned(), 3, 1)]
    );
}

pub async fn what_is_old_is_pruned(store: &impl Store) {
    let old = -60 * 24 * 100;
    ship(store, &[decision("a@b.c", old), decision("a@b.c", 0)]).await;
    let shipment = Shipment {
        usage: [20_260_101, 20_260_608]
            .map(|day| DayUsage {
                account: id("a@b.c"),
                day,
                business: 1,
                off_hours: 0,
                exposure: Exposure::default(),
                taken_back: Exposure::default(),
            })
            .to_vec(),
        ..Shipment::default()
    };
    store.ship(&shipment).await.unwrap();
    let mut ancient = opened("ancient", "a@b.c");
    ancient.opened_at = noon() + minutes(old);
    store.open_verification(&ancient, 5).await.unwrap();
    store
        .open_verification(&opened("recent", "a@b.c"), 5)
        .await
        .unwrap();
    let mut expired = entry(EntryKind::Number, "25261", "", "operator");
    expired.expires_at = Some((noon() - minutes(1)).as_second());
    let lasting = entry(EntryKind::Number, "25262", "", "operator");
    store
        .change_entries(&[Change::Put(expired), Change::Put(lasting)], noon())
        .await
        .unwrap();
    let before = noon() + minutes(-60 * 24 * 90);
    assert_eq!(store.prune(before, noon()).await.unwrap(), 4);
    assert_eq!(store.prune(before, noon()).await.unwrap(), 0);
    assert_eq!(
        ids(store, &DecisionFilter::default()).await,
        [decision("a@b.c", 0).id]
    );
    assert_eq!(store.usage_since(0).await.unwrap().len(), 1);
    assert!(store.verification(&ancient.id).await.is_err());
    assert!(store.verification("recent of a@b.c").await.is_ok());
    let keys = store.entry_keys(&EntryFilter::default()).await.unwrap();
    assert_eq!(keys.len(), 1);
}

pub async fn an_outcome_comes_with_its_entry(store: &impl Store) {
    let record = OutcomeRecord {
        learned_at: noon(),
        decision_id: Some("d-1".to_owned()),
        number: "252612345678".to_owned(),
        domain: String::new(),
        kind: "confirmed-fraud",
        note: "customer's word".to_owned(),
        taught_by: "ops".to_owned(),
    };
    let listed = entry(EntryKind::Number, &record.number, "", "learned");
    store
        .learn_outcome(&record, &[Change::Put(listed.clone())])
        .await
        .unwrap();
    let keys = store.entry_keys(&EntryFilter::default()).await.unwrap();
    assert_eq!(keys, std::slice::from_ref(&listed.key));
    let taken_back = OutcomeRecord {
        decision_id: None,
        kind: "false-positive",
        ..record
    };
    store
        .learn_outcome(&taken_back, &[Change::Remove(listed.key)])
        .await
        .unwrap();
    assert!(
        store
            .entry_keys(&EntryFilter::default())
            .await
            .unwrap()
            .is_empty()
    );
}
