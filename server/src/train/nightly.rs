//! Every night, in the time zone of each policy.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::{Timestamp, civil::Date};
use tfps_engine::policy::{Policy, TrainingMode};
use tokio::time::{MissedTickBehavior, interval};

use super::{By, Course, Run, Trained, Trainer};
use crate::store::StoreError;

/// How often is looked whether it is night.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// From this hour on, local time: the day before has ended everywhere, and hardly anybody calls.
const FROM_HOUR: i8 = 3;
/// Until this hour: a server that starts later waits for the next night.
const UNTIL_HOUR: i8 = 6;

/// Whether the accounts of a policy are to be trained now, and as of which night.
fn is_night(policy: &Policy, at: Timestamp) -> Option<Date> {
    let local = policy.local(at);
    let trains = policy.document.training != TrainingMode::Off;
    (trains && (FROM_HOUR..UNTIL_HOUR).contains(&local.hour())).then(|| local.date())
}

/// Trains the accounts of the policies that say so, every night.
pub async fn every_night(trainer: Arc<Trainer>) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut trained: HashMap<(String, String), Date> = HashMap::new();
    loop {
        ticks.tick().await;
        let at = trainer.clock.now();
        let policies = trainer.state.snapshot.load().policies.all();
        for policy in policies {
            let Some(night) = is_night(&policy, at) else {
                continue;
            };
            let document = &policy.document;
            let key = (document.domain.clone(), document.name.clone());
            if trained.get(&key) == Some(&night) {
                continue;
            }
            match trainer.night(&policy).await {
                Ok(run) => {
                    trained.insert(key, night);
                    tracing::info!(
                        policy = document.name,
                        domain = document.domain,
                        accounts = run.done,
                        proposed = run.proposed,
                        too_young = run.too_young,
                        "accounts were trained"
                    );
                }
                Err(error) => {
                    tracing::warn!(policy = document.name, domain = document.domain, %error,
                        "accounts could not be trained; it is tried again in ten minutes");
                }
            }
        }
    }
}

impl Trainer {
    /// Trains the accounts that are under a policy, as it says.
    async fn night(&self, policy: &Arc<Policy>) -> Result<Run, StoreError> {
        let course = match policy.document.training {
            TrainingMode::Apply => Course::Apply,
            TrainingMode::Suggest | TrainingMode::Off => Course::Suggest,
        };
        let accounts = self.accounts_where(|account| Arc::ptr_eq(&self.policy_of(account), policy));
        let fraud = self.fraud().await?;
        let mut run = Run {
            total: accounts.len() as u64,
            ..Run::default()
        };
        for id in accounts {
            let trained = self.train(&id, course, &fraud, By::Night).await?;
            run.count(&trained);
            if let Trained::Proposed(training) = &trained {
                tracing::debug!(account = %id, reasons = ?training.reasons, "trained");
            }
        }
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use jiff::SignedDuration;
    use tempfile::TempDir;
    use tfps_engine::{
        account::Account, lists::Lists, number::Country, policy::PolicyDocument, risk::RiskModel,
    };

    use super::*;
    use crate::{
        accounts::{Book, first_version},
        auth::{Principal, Role},
        check::first_id_of,
        clock::Clock,
        journal::DecisionRecord,
        state::{Accounts, Policies, Snapshot, State},
        store::{Shipment, SqliteStore, Store, TrainingFilter, TrainingRecord, TrainingState},
    };

    const NIGHT: &str = "2026-06-08T07:30:00Z";

    fn policy(change: impl FnOnce(&mut PolicyDocument)) -> Policy {
        let mut document = PolicyDocument::default();
        change(&mut document);
        Policy::compile(document).unwrap()
    }

    struct House {
        trainer: Trainer,
        policy: Arc<Policy>,
        _folder: TempDir,
    }

    impl House {
        /// A house that has known Alice, who makes 20 calls a day at noon, for 40 days.
        async fn new(training: TrainingMode) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("tfps.db");
            let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await.unwrap());
            let night: Timestamp = NIGHT.parse().unwrap();
            let policy = policy(|document| document.training = training);
            let snapshot = Snapshot::new(
                Policies::new(policy),
                Lists::default(),
                Arc::new(RiskModel::built_in()),
                night,
            );
            let state = Arc::new(State::new(Accounts::default(), snapshot, 1_000, 1_000));
            let policy = state.snapshot.load().policies.all().remove(0);
            let book = Arc::new(Book::new(Arc::clone(&state), Arc::clone(&store)));
            let alice = Account::new("alice@example.com".parse().unwrap(), &policy);
            let long_ago = night - SignedDuration::from_hours(24 * 40);
            book.create(first_version(alice, long_ago)).await.unwrap();
            let trainer = Trainer {
                state,
                store,
                book,
                clock: Clock::standing_at(night),
            };
            for day in 1..=40 {
                for call in 0..20 {
                    trainer.called(day, call, "442079460123").await;
                }
            }
            Self {
                trainer,
                policy,
                _folder: folder,
            }
        }

        async fn night(&self) -> Run {
            self.trainer.night(&self.policy).await.unwrap()
        }

        async fn trainings(&self) -> Vec<TrainingRecord> {
            let filter = TrainingFilter::default();
            self.trainer
                .store
                .trainings(&filter, None, 10)
                .await
                .unwrap()
        }

        fn quota(&self) -> u32 {
            let id = "alice@example.com".parse().unwrap();
            let alice = self.trainer.state.accounts.get(&id).unwrap();
            alice.account.limits.daily_quota
        }

        fn days_pass(&self, days: i64) {
            let Clock::Set(clock) = &self.trainer.clock else {
                return;
            };
            clock.fetch_add(days * 86_400_000, Ordering::Relaxed);
        }
    }

    impl Trainer {
        async fn called(&self, days_ago: i64, call: i64, e164: &str) {
            let at = NIGHT.parse::<Timestamp>().unwrap() + SignedDuration::from_hours(9)
                - SignedDuration::from_hours(24 * days_ago)
                + SignedDuration::from_mins(call);
            let decision = DecisionRecord {
                id: format!("{}{call:013}", first_id_of(at)),
                decided_at: at.as_millisecond(),
                username: "alice".to_owned(),
                domain: "example.com".to_owned(),
                e164: e164.to_owned(),
                verdict: 1,
                destination_country: "GB".to_owned(),
                ..DecisionRecord::default()
            };
            let shipment = Shipment {
                decisions: vec![decision],
                ..Shipment::default()
            };
            self.store.ship(&shipment).await.unwrap();
        }
    }

    fn ops() -> Principal {
        Principal {
            id: "1".to_owned(),
            name: "ops".to_owned(),
            role: Role::Admin,
            domain: None,
            expires_at: None,
            load: Arc::default(),
        }
    }

    #[tokio::test]
    async fn every_night_limits_are_suggested_until_somebody_applies_them() {
        let house = House::new(TrainingMode::Suggest).await;
        assert_eq!((house.night().await.proposed, house.quota()), (1, 10));
        let suggested = house.trainings().await;
        assert_eq!(suggested.len(), 1);
        assert!(
            suggested[0].reasons[0].starts_with("daily quota 10 to 20"),
            "{suggested:?}"
        );
        house.night().await;
        assert_eq!(house.trainings().await, suggested, "it is suggested once");
        let applied = house.trainer.apply(&ops(), &suggested[0].id).await.unwrap();
        assert_eq!((applied.changed_by.as_str(), house.quota()), ("ops", 20));
        let again = house.trainer.apply(&ops(), &suggested[0].id).await;
        assert!(
            again
                .unwrap_err()
                .to_string()
                .contains("is applied, not suggested")
        );
        assert_eq!(house.night().await.fitting, 1);
    }

    #[tokio::test]
    async fn what_is_taken_back_is_left_alone_for_a_while() {
        let house = House::new(TrainingMode::Apply).await;
        house.night().await;
        let applied = house.trainings().await.remove(0);
        assert_eq!(
            (applied.state, applied.changed_by.as_str(), house.quota()),
            (TrainingState::Applied, "nightly", 20)
        );
        let france = Country::from_code("FR").unwrap();
        let opened = |record: &mut crate::store::AccountRecord| {
            record.account.destination_countries.insert(france);
            Ok::<_, StoreError>(())
        };
        let now = house.trainer.clock.now();
        let book = &house.trainer.book;
        book.change(&applied.account, None, now, opened)
            .await
            .unwrap();
        house.trainer.revert(&ops(), &applied.id).await.unwrap();
        let alice = house.trainer.store.account(&applied.account).await.unwrap();
        assert_eq!(house.quota(), 10);
        assert!(
            alice.account.destination_countries.contains(france),
            "it was somebody else's"
        );
        assert_eq!(house.night().await.proposed, 0);
        // Who asks for it by name gets it all the same.
        let fraud = house.trainer.fraud().await.unwrap();
        let asked = house
            .trainer
            .train(&applied.account, Course::DryRun, &fraud, By::Token("ops"))
            .await;
        assert!(matches!(asked, Ok(Trained::Proposed(_))), "{asked:?}");
        house.days_pass(31);
        assert_eq!(house.night().await.proposed, 1);
    }

    #[tokio::test]
    async fn nothing_is_learned_from_fraud() {
        let house = House::new(TrainingMode::Apply).await;
        for call in 100..900 {
            house.trainer.called(2, call, "37128054190").await;
        }
        let outcome = crate::store::OutcomeRecord {
            learned_at: house.trainer.clock.now(),
            decision_id: None,
            number: "37128054190".to_owned(),
            domain: "example.com".to_owned(),
            kind: "confirmed-fraud",
            note: String::new(),
            taught_by: "ops".to_owned(),
        };
        let fraud = house.trainer.fraud().await.unwrap();
        let id = "alice@example.com".parse().unwrap();
        let quota = |trained: Result<Trained, StoreError>| match trained {
            Ok(Trained::Proposed(training)) => training.after.limits.daily_quota,
            other => panic!("{other:?}"),
        };
        let poisoned = house
            .trainer
            .train(&id, Course::DryRun, &fraud, By::Token("ops"))
            .await;
        assert_eq!(quota(poisoned), 30, "no more than three times what it was");
        house
            .trainer
            .store
            .learn_outcome(&outcome, &[])
            .await
            .unwrap();
        house.night().await;
        assert_eq!(house.quota(), 20);
    }

    #[test]
    fn night_is_where_the_policy_is() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let night = |training, text| {
            let policy = policy(|document| {
                document.time_zone = "Asia/Tokyo".to_owned();
                document.training = training;
            });
            is_night(&policy, at(text))
        };
        let tokyo_night = "2026-06-08T18:30:00Z";
        assert_eq!(
            night(TrainingMode::Suggest, tokyo_night),
            Some(jiff::civil::date(2026, 6, 9))
        );
        assert_eq!(night(TrainingMode::Suggest, NIGHT), None);
        assert_eq!(night(TrainingMode::Off, tokyo_night), None);
    }
}
