//! Policies.

use tfps_server::store::{PolicyRecord, Store, StoreError};

use crate::scene::{account, minutes, noon};

fn policy(domain: &str, name: &str) -> PolicyRecord {
    PolicyRecord {
        domain: domain.to_owned(),
        name: name.to_owned(),
        document: "{\"name\": \"'\"}".to_owned(),
        version: 1,
        created_at: noon(),
        updated_at: noon(),
    }
}

pub async fn a_policy_is_read_as_it_was_written(store: &impl Store) {
    let policies = [
        policy("", "default"),
        policy("", "strict"),
        policy("example.com", "default"),
    ];
    for policy in policies.iter().rev() {
        store.put_policy(policy).await.unwrap();
    }
    assert_eq!(store.policies().await.unwrap(), policies);
    assert!(matches!(
        store.put_policy(&policies[0]).await,
        Err(StoreError::AlreadyExists)
    ));
}

pub async fn a_policy_changes_by_versions(store: &impl Store) {
    let first = policy("example.com", "default");
    let second = PolicyRecord {
        document: "{}".to_owned(),
        version: 2,
        updated_at: noon() + minutes(1),
        ..first.clone()
    };
    assert!(matches!(
        store.put_policy(&second).await,
        Err(StoreError::Conflict)
    ));
    store.put_policy(&first).await.unwrap();
    store.put_policy(&second).await.unwrap();
    assert!(matches!(
        store.put_policy(&second).await,
        Err(StoreError::Conflict)
    ));
    assert_eq!(store.policies().await.unwrap(), [second]);
    let delete = |version| store.delete_policy("example.com", "default", version);
    assert!(matches!(delete(Some(1)).await, Err(StoreError::Conflict)));
    delete(Some(2)).await.unwrap();
    assert!(matches!(delete(None).await, Err(StoreError::NotFound)));
}

pub async fn who_is_under_a_policy_is_counted(store: &impl Store) {
    store.put_policy(&policy("", "strict")).await.unwrap();
    for name in ["a@one.example", "b@one.example", "a@two.example"] {
        store.create_account(&account(name)).await.unwrap();
    }
    let under = |domain| store.accounts_under(domain, "strict");
    assert_eq!(under("").await.unwrap(), 3);
    // A domain's own goes before the general one.
    store
        .put_policy(&policy("one.example", "strict"))
        .await
        .unwrap();
    assert_eq!(under("").await.unwrap(), 1);
    assert_eq!(under("one.example").await.unwrap(), 2);
    assert_eq!(store.accounts_under("", "default").await.unwrap(), 0);
}
