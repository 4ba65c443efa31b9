//! Accounts.

use tfps_engine::{account::RareText, exposure::Exposure};
use tfps_server::store::{
    AccountFilter, AccountRecord, DayUsage, GrantRecord, Passed, Shipment, Store, StoreError,
};

use crate::{
    scene::{account, countries, id, minutes, noon},
    verifications::opened,
};

pub async fn an_account_is_read_as_it_was_written(store: &impl Store) {
    let full = account("alice@example.com");
    let mut bare = account("Zoë_1@example.com");
    bare.account.source_countries = countries(&[]);
    (bare.account.blocked, bare.account.policy) = (RareText::default(), RareText::default());
    (bare.email_address, bare.pin_hash) = (String::new(), None);
    bare.account.has_pin = false;
    for record in [&full, &bare] {
        store.create_account(record).await.unwrap();
        assert_eq!(&store.account(&record.account.id).await.unwrap(), record);
    }
    let mut loaded = Vec::new();
    store
        .load_accounts(&mut |account| loaded.push(account))
        .await
        .unwrap();
    loaded.sort_by(|one, other| other.id.cmp(&one.id));
    assert_eq!(loaded, [full.account, bare.account]);
    let absent = store.account(&id("bob@example.com")).await;
    assert!(matches!(absent, Err(StoreError::NotFound)));
}

pub async fn a_name_is_taken_once(store: &impl Store) {
    let record = account("alice@example.com");
    store.create_account(&record).await.unwrap();
    let again = AccountRecord {
        email_address: "other@example.com".to_owned(),
        ..record.clone()
    };
    assert!(matches!(
        store.create_account(&again).await,
        Err(StoreError::AlreadyExists)
    ));
    assert_eq!(store.account(&record.account.id).await.unwrap(), record);
    // The same name in another domain is another account.
    store
        .create_account(&account("alice@other.example"))
        .await
        .unwrap();
}

pub async fn a_change_needs_the_version_before(store: &impl Store) {
    let first = account("alice@example.com");
    let second = AccountRecord {
        email_address: "second@example.com".to_owned(),
        version: 2,
        updated_at: noon() + minutes(1),
        ..first.clone()
    };
    assert!(matches!(
        store.update_account(&second).await,
        Err(StoreError::NotFound)
    ));
    store.create_account(&first).await.unwrap();
    store.update_account(&second).await.unwrap();
    assert_eq!(store.account(&first.account.id).await.unwrap(), second);
    assert!(matches!(
        store.update_account(&second).await,
        Err(StoreError::Conflict)
    ));
    let name = &first.account.id;
    assert!(matches!(
        store.delete_account(name, Some(1)).await,
        Err(StoreError::Conflict)
    ));
    store.delete_account(name, Some(2)).await.unwrap();
    assert!(matches!(
        store.delete_account(name, None).await,
        Err(StoreError::NotFound)
    ));
}

pub async fn what_hangs_on_an_account_goes_with_it(store: &impl Store) {
    for name in ["alice@example.com", "bob@example.com"] {
        store.create_account(&account(name)).await.unwrap();
        let usage = DayUsage {
            account: id(name),
            day: 20_260_608,
            business: 1,
            off_hours: 2,
            exposure: Exposure::default(),
            taken_back: Exposure::default(),
        };
        let shipment = Shipment {
            usage: vec![usage],
            ..Shipment::default()
        };
        store.ship(&shipment).await.unwrap();
        store
            .open_verification(&opened("failed", name), 5)
            .await
            .unwrap();
        store
            .fail_verification(&format!("failed of {name}"), noon())
            .await
            .unwrap();
        store
            .open_verification(&opened("granted", name), 5)
            .await
            .unwrap();
        let grant = GrantRecord {
            id: 0,
            account: id(name),
            kind: tfps_engine::usage::GrantKind::Source,
            country: tfps_engine::number::Country::from_code("FR").unwrap(),
            expires_at: noon() + minutes(30),
            calls: None,
            used: 0,
        };
        store
            .pass_verification(
                &format!("granted of {name}"),
                Passed::Granted(grant),
                None,
                noon(),
            )
            .await
            .unwrap();
    }
    store
        .delete_account(&id("alice@example.com"), None)
        .await
        .unwrap();
    let bob = id("bob@example.com");
    let usage = store.usage_since(20_260_608).await.unwrap();
    assert_eq!(usage.len(), 1);
    assert_eq!(usage[0].account, bob);
    let failures = store.failures(noon() - minutes(1)).await.unwrap();
    assert_eq!(failures, [(bob.clone(), noon())]);
    let grants = store.grants(noon()).await.unwrap();
    assert_eq!(grants.len(), 1);
    assert_eq!(grants[0].account, bob);
}

pub async fn accounts_are_listed_in_order_by_filter_and_page(store: &impl Store) {
    for name in [
        "b@one.example",
        "a.x@one.example",
        "a_@one.example",
        "A@one.example",
        "ab@one.example",
        "a@two.example",
    ] {
        let mut record = account(name);
        if name.starts_with("ab") {
            record.account.blocked = RareText::default();
        }
        store.create_account(&record).await.unwrap();
    }
    let everyone = AccountFilter::default();
    let (all, total) = store.accounts(&everyone, None, 100).await.unwrap();
    let names: Vec<_> = all
        .iter()
        .map(|record| record.account.id.as_str())
        .collect();
    assert_eq!(total, 6);
    let in_order = [
        "A@one.example",
        "a.x@one.example",
        "a_@one.example",
        "ab@one.example",
        "b@one.example",
        "a@two.example",
    ];
    assert_eq!(names, in_order);
    // Page by page there are the same.
    let mut paged = Vec::new();
    let mut after: Option<(String, String)> = None;
    loop {
        let from = after
            .as_ref()
            .map(|(domain, username)| (domain.as_str(), username.as_str()));
        let (page, total) = store.accounts(&everyone, from, 2).await.unwrap();
        assert_eq!(total, 6);
        let Some(last) = page.last() else { break };
        let id = &last.account.id;
        after = Some((id.domain().to_owned(), id.username().to_owned()));
        paged.extend(page.iter().map(|record| record.account.id.to_string()));
    }
    assert_eq!(paged, in_order);
    for (filter, found) in [
        (
            AccountFilter {
                domain: Some("two.example".to_owned()),
                ..AccountFilter::default()
            },
            &["a@two.example"][..],
        ),
        // A prefix is text, not a pattern, and its case counts.
        (
            AccountFilter {
                username_prefix: "a.".to_owned(),
                ..AccountFilter::default()
            },
            &["a.x@one.example"],
        ),
        (
            AccountFilter {
                username_prefix: "a_".to_owned(),
                ..AccountFilter::default()
            },
            &["a_@one.example"],
        ),
        (
            AccountFilter {
                username_prefix: "A".to_owned(),
                ..AccountFilter::default()
            },
            &["A@one.example"],
        ),
        (
            AccountFilter {
                blocked: Some(false),
                ..AccountFilter::default()
            },
            &["ab@one.example"],
        ),
    ] {
        let (records, total) = store.accounts(&filter, None, 100).await.unwrap();
        let names: Vec<_> = records
            .iter()
            .map(|record| record.account.id.as_str())
            .collect();
        assert_eq!(names, found, "{filter:?}");
        assert_eq!(total, found.len() as u64);
    }
}
