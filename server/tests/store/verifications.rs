//! Verifications, failures and grants.

use tfps_engine::{number::Country, usage::GrantKind};
use tfps_server::store::{
    AccountRecord, GrantRecord, OpenedChallenge, Passed, Shipment, Store, StoreError,
    VerificationRecord, VerificationStatus,
};

use crate::scene::{account, challenged, id, minutes, noon};

/// An opened verification: `name of account`, for the challenge of the same name.
pub fn opened(name: &str, account: &str) -> VerificationRecord {
    VerificationRecord {
        id: format!("{name} of {account}"),
        challenge_id: format!("{name} challenge of {account}"),
        account: id(account),
        purpose: "destination-country".to_owned(),
        opened_at: noon(),
        expires_at: noon() + minutes(2),
        digits_hash: Some(vec![0, 1, 255]),
        status: VerificationStatus::Opened,
        completed_at: None,
    }
}

/// The same for one challenge of Alice's.
fn attempt(number: u32) -> VerificationRecord {
    VerificationRecord {
        id: number.to_string(),
        challenge_id: "challenge".to_owned(),
        ..opened("", "alice@example.com")
    }
}

pub async fn a_challenge_is_opened_so_often_and_passed_once(store: &impl Store) {
    for number in 0..3 {
        store.open_verification(&attempt(number), 3).await.unwrap();
    }
    assert!(matches!(
        store.open_verification(&attempt(3), 3).await,
        Err(StoreError::Conflict)
    ));
    store
        .pass_verification("1", Passed::Nothing, None, noon())
        .await
        .unwrap();
    assert!(matches!(
        store.open_verification(&attempt(4), 100).await,
        Err(StoreError::Conflict)
    ));
    let passed = store.passed_challenges(noon() - minutes(1)).await.unwrap();
    assert_eq!(passed, ["challenge"]);
    assert!(store.passed_challenges(noon()).await.unwrap().is_empty());
}

pub async fn a_verification_is_completed_once(store: &impl Store) {
    let by_pin = VerificationRecord {
        digits_hash: None,
        ..attempt(2)
    };
    for record in [&attempt(1), &by_pin] {
        store.open_verification(record, 5).await.unwrap();
        assert_eq!(&store.verification(&record.id).await.unwrap(), record);
    }
    let at = noon() + minutes(1);
    store.fail_verification("1", at).await.unwrap();
    let failed = store.verification("1").await.unwrap();
    assert_eq!(
        (failed.status, failed.completed_at),
        (VerificationStatus::Failed, Some(at))
    );
    for again in [
        store.fail_verification("1", at).await.err(),
        store
            .pass_verification("1", Passed::Nothing, None, at)
            .await
            .err(),
    ] {
        assert!(matches!(again, Some(StoreError::Conflict)));
    }
    assert_eq!(store.failures(noon()).await.unwrap().len(), 1);
    assert!(matches!(
        store.verification("9").await,
        Err(StoreError::NotFound)
    ));
}

pub async fn passing_changes_all_or_nothing(store: &impl Store) {
    let alice = account("alice@example.com");
    store.open_verification(&attempt(1), 5).await.unwrap();
    let created = Passed::Created(alice.clone());
    let made = store
        .pass_verification("1", created.clone(), None, noon())
        .await
        .unwrap();
    assert_eq!(made, created);
    assert_eq!(store.account(&alice.account.id).await.unwrap(), alice);
    // A change of a version that is no longer is refused, and the verification is as open as before.
    let other = VerificationRecord {
        challenge_id: "other".to_owned(),
        ..attempt(2)
    };
    store.open_verification(&other, 5).await.unwrap();
    let stale = AccountRecord {
        version: 7,
        ..alice.clone()
    };
    let refused = store
        .pass_verification("2", Passed::Updated(stale), None, noon())
        .await;
    assert!(matches!(refused, Err(StoreError::Conflict)));
    let still = store.verification("2").await.unwrap();
    assert_eq!(still.status, VerificationStatus::Opened);
    let changed = AccountRecord {
        version: 2,
        ..alice
    };
    store
        .pass_verification("2", Passed::Updated(changed.clone()), None, noon())
        .await
        .unwrap();
    assert_eq!(store.account(&changed.account.id).await.unwrap(), changed);
}

pub async fn a_passed_verification_is_used_once(store: &impl Store) {
    let first = account("alice@example.com");
    store.create_account(&first).await.unwrap();
    store.open_verification(&attempt(1), 5).await.unwrap();
    let second = AccountRecord {
        version: 2,
        ..first.clone()
    };
    assert!(matches!(
        store.use_verification("1", &second).await,
        Err(StoreError::Conflict)
    ));
    assert_eq!(store.account(&first.account.id).await.unwrap(), first);
    store
        .pass_verification("1", Passed::Nothing, None, noon())
        .await
        .unwrap();
    store.use_verification("1", &second).await.unwrap();
    let used = store.verification("1").await.unwrap();
    assert_eq!(
        (used.status, used.completed_at),
        (VerificationStatus::Used, Some(noon()))
    );
    let third = AccountRecord {
        version: 3,
        ..second.clone()
    };
    assert!(matches!(
        store.use_verification("1", &third).await,
        Err(StoreError::Conflict)
    ));
    assert_eq!(store.account(&first.account.id).await.unwrap(), second);
}

pub async fn failures_are_counted_and_forgotten(store: &impl Store) {
    let times = [noon(), noon() + minutes(1), noon() + minutes(2)];
    for (number, at) in (0..).zip(times) {
        store.open_verification(&attempt(number), 5).await.unwrap();
        store
            .fail_verification(&number.to_string(), at)
            .await
            .unwrap();
    }
    let alice = id("alice@example.com");
    let failures = store.failures(noon()).await.unwrap();
    assert_eq!(
        failures,
        [(alice.clone(), times[1]), (alice.clone(), times[2])]
    );
    store.forget_failures(&id("bob@example.com")).await.unwrap();
    assert_eq!(store.failures(noon()).await.unwrap().len(), 2);
    store.forget_failures(&alice).await.unwrap();
    assert!(
        store
            .failures(noon() - minutes(1))
            .await
            .unwrap()
            .is_empty()
    );
}

pub async fn grants_are_used_and_expire(store: &impl Store) {
    let grant = GrantRecord {
        id: 0,
        account: id("alice@example.com"),
        kind: GrantKind::Destination,
        country: Country::from_code("SO").unwrap(),
        expires_at: noon() + minutes(30),
        calls: Some(5),
        used: 0,
    };
    store.open_verification(&attempt(1), 5).await.unwrap();
    let passed = store
        .pass_verification("1", Passed::Granted(grant.clone()), None, noon())
        .await
        .unwrap();
    let Passed::Granted(made) = passed else {
        unreachable!("what is passed comes back")
    };
    assert_ne!(made.id, 0, "it has a number");
    assert_eq!(
        made,
        GrantRecord {
            id: made.id,
            ..grant
        }
    );
    for used in [2, 1] {
        let shipment = Shipment {
            grants: vec![(made.id, used)],
            ..Shipment::default()
        };
        store.ship(&shipment).await.unwrap();
    }
    assert_eq!(
        store.grants(noon()).await.unwrap(),
        [GrantRecord { used: 3, ..made }]
    );
    assert!(store.grants(noon() + minutes(30)).await.unwrap().is_empty());
}

pub async fn a_challenge_is_known_when_it_was_shipped_or_opened(store: &impl Store) {
    let alice = id("alice@example.com");
    let shipment = Shipment {
        decisions: vec![challenged("alice@example.com", 0, "shipped")],
        ..Shipment::default()
    };
    store.ship(&shipment).await.unwrap();
    store.open_verification(&attempt(1), 5).await.unwrap();
    for (challenge, whose) in [
        ("shipped", Some(&alice)),
        ("challenge", Some(&alice)),
        ("never", None),
        ("", None),
    ] {
        let answer = store.challenged_account(challenge).await;
        assert_eq!(answer.unwrap().as_ref(), whose, "{challenge}");
    }
}

pub async fn challenges_are_told_by_their_first_opening(store: &impl Store) {
    let at = |id: &str, challenge: &str, after: i64| VerificationRecord {
        id: id.to_owned(),
        challenge_id: challenge.to_owned(),
        purpose: "limits".to_owned(),
        opened_at: noon() + minutes(after),
        ..opened("", "alice@example.com")
    };
    let other = VerificationRecord {
        purpose: "quota".to_owned(),
        ..at("5", "other", 2)
    };
    for record in [
        at("1", "old", 0),
        at("2", "late", 3),
        at("3", "early", 2),
        at("4", "early", 4),
        at("6", "old", 4),
        other,
    ] {
        store.open_verification(&record, 5).await.unwrap();
    }
    let told = |challenge: &str, after: i64| OpenedChallenge {
        id: challenge.to_owned(),
        account: id("alice@example.com"),
        first_opened_at: noon() + minutes(after),
    };
    let since = noon() + minutes(1);
    assert_eq!(
        store.challenges_opened("limits", since).await.unwrap(),
        [told("early", 2), told("late", 3)]
    );
}
