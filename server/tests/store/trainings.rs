//! What accounts have done, and what was learned from it.

use tfps_engine::{account::Limits, number::E164};
use tfps_server::{
    journal::{CallRecord, DecisionRecord, Progress},
    store::{
        AllowedCall, OutcomeRecord, Shipment, Store, StoreError, Terms, TrainingFilter,
        TrainingRecord, TrainingState,
    },
};

use crate::scene::{account, challenged, countries, decision, id, minutes, noon};

const ALICE: &str = "alice@example.com";

/// A training of Alice's that was made so many minutes after noon.
fn training(after: i64) -> TrainingRecord {
    let before = Terms::of(&account(ALICE).account);
    TrainingRecord {
        id: format!("{after:024}"),
        account: id(ALICE),
        state: TrainingState::Suggested,
        after: Terms {
            limits: Limits {
                daily_quota: 67,
                ..before.limits
            },
            destination_countries: countries(&["GB"]),
            ..before.clone()
        },
        before,
        reasons: vec!["quota up".to_owned(), "FR is closed".to_owned()],
        left_out: vec!["GM: a country of high risk".to_owned()],
        trained_at: noon() + minutes(after),
        changed_at: None,
        changed_by: String::new(),
        account_version: None,
    }
}

async fn all(store: &impl Store) -> Vec<TrainingRecord> {
    let filter = TrainingFilter::default();
    store.trainings(&filter, None, 100).await.unwrap()
}

pub async fn allowed_calls_are_told_with_their_ends(store: &impl Store) {
    let denied = DecisionRecord {
        verdict: 2,
        ..decision(ALICE, 2)
    };
    let monitored = DecisionRecord {
        risk: 44,
        off_hours: true,
        call_id: String::new(),
        e164: String::new(),
        ..decision(ALICE, 4)
    };
    let ended = CallRecord {
        username: "alice".to_owned(),
        domain: "example.com".to_owned(),
        call_id: "call-1".to_owned(),
        progress: Progress::Ended as i32,
        at: (noon() + minutes(3)).as_millisecond(),
        ..CallRecord::default()
    };
    store
        .ship(&Shipment {
            decisions: vec![
                decision(ALICE, -5),
                decision(ALICE, 1),
                denied,
                challenged(ALICE, 3, "c-1"),
                monitored,
                decision("bob@example.com", 1),
            ],
            calls: vec![ended],
            ..Shipment::default()
        })
        .await
        .unwrap();
    let mut calls = Vec::new();
    let mut take = |call: AllowedCall| calls.push(call);
    store
        .allowed_calls(&id(ALICE), noon(), &mut take)
        .await
        .unwrap();
    let first = AllowedCall {
        at: noon() + minutes(1),
        number: E164::from_digits("442079460123").ok(),
        off_hours: false,
        concurrent_calls: Some(1),
        destination_country: "GB".to_owned(),
        source_country: "US".to_owned(),
        monitored_code: "R20".to_owned(),
        risk: 0,
        ended_at: Some(noon() + minutes(3)),
    };
    let second = AllowedCall {
        at: noon() + minutes(4),
        number: None,
        off_hours: true,
        risk: 44,
        ended_at: None,
        ..first.clone()
    };
    assert_eq!(calls, [first, second]);
}

pub async fn the_last_word_on_a_number_counts(store: &impl Store) {
    let outcome = |number: &str, domain: &str, kind| OutcomeRecord {
        learned_at: noon(),
        decision_id: None,
        number: number.to_owned(),
        domain: domain.to_owned(),
        kind,
        note: String::new(),
        taught_by: "ops".to_owned(),
    };
    for (number, domain, kind) in [
        ("252612345678", "", "confirmed-fraud"),
        ("252612345678", "a.example", "confirmed-fraud"),
        ("252612345678", "a.example", "false-positive"),
        ("37128054190", "a.example", "false-positive"),
        ("37128054190", "a.example", "confirmed-fraud"),
        ("442079460123", "", "false-positive"),
        ("442079460124", "", "false-positive"),
        ("442079460123", "", "confirmed-fraud"),
        ("442079460125", "a.example", "false-positive"),
    ] {
        store
            .learn_outcome(&outcome(number, domain, kind), &[])
            .await
            .unwrap();
    }
    let mut fraud = store.confirmed_fraud().await.unwrap();
    fraud.sort();
    let number = |digits| E164::from_digits(digits).unwrap();
    assert_eq!(
        fraud,
        [
            (String::new(), number("252612345678")),
            (String::new(), number("442079460123")),
            ("a.example".to_owned(), number("37128054190"))
        ]
    );
    let cleared = store.false_positives(noon()).await.unwrap();
    assert_eq!(cleared, [number("442079460124")]);
    let later = store.false_positives(noon() + minutes(1)).await.unwrap();
    assert!(later.is_empty());
}

pub async fn a_suggestion_gives_way_to_the_next(store: &impl Store) {
    store.put_training(&training(1), None).await.unwrap();
    store.put_training(&training(2), None).await.unwrap();
    assert_eq!(all(store).await, [training(2)]);
    let of = |domain: &str, state| TrainingFilter {
        domain: Some(domain.to_owned()),
        state,
        ..TrainingFilter::default()
    };
    for (filter, found) in [
        (of("example.com", Some(TrainingState::Suggested)), 1),
        (of("example.com", Some(TrainingState::Applied)), 0),
        (of("a.example", None), 0),
    ] {
        let trainings = store.trainings(&filter, None, 10).await.unwrap();
        assert_eq!(trainings.len(), found, "{filter:?}");
    }
    store.withdraw_suggestion(&id(ALICE)).await.unwrap();
    assert!(all(store).await.is_empty());
}

pub async fn a_training_changes_its_account_or_nothing(store: &impl Store) {
    let mut alice = account(ALICE);
    store.create_account(&alice).await.unwrap();
    let applied = TrainingRecord {
        state: TrainingState::Applied,
        changed_at: Some(noon()),
        changed_by: "ops".to_owned(),
        account_version: Some(2),
        ..training(1)
    };
    alice.account.limits = applied.after.limits;
    let refused = store.put_training(&applied, Some(&alice)).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    assert!(all(store).await.is_empty());
    alice.version = 2;
    store.put_training(&applied, Some(&alice)).await.unwrap();
    assert_eq!(all(store).await, std::slice::from_ref(&applied));
    assert_eq!(store.account(&id(ALICE)).await.unwrap(), alice);
    // What is suggested later stands beside it.
    store.put_training(&training(2), None).await.unwrap();
    assert_eq!(all(store).await, [training(2), applied]);
    let one = store
        .trainings(&TrainingFilter::default(), Some(&training(2).id), 10)
        .await
        .unwrap();
    assert_eq!(one.len(), 1);
    store.prune(noon() + minutes(2), noon()).await.unwrap();
    assert_eq!(all(store).await, [training(2)]);
    store.delete_account(&id(ALICE), None).await.unwrap();
    assert!(all(store).await.is_empty());
}
