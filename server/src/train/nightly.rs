//! Every night, in the time zone of each policy.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::{Timestamp, civil::Date};
use tfps_engine::policy::{Policy, TrainingMode};
use tokio::time::{MissedTickBehavior, interval};

use super::{Course, NIGHTLY, Run, Trained, Trainer};
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
            let trained = self.train(&id, course, &fraud, NIGHTLY).await?;
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
    use tfps_engine::policy::PolicyDocument;

    use super::*;

    #[test]
    fn night_is_where_the_policy_is() {
        let mut document = PolicyDocument {
            time_zone: "Asia/Tokyo".to_owned(),
            training: TrainingMode::Suggest,
            ..PolicyDocument::default()
        };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let night = |document: &PolicyDocument, text| {
            is_night(&Policy::compile(document.clone()).unwrap(), at(text))
        };
        let (tokyo_night, new_york_night) = ("2026-06-08T18:30:00Z", "2026-06-08T07:30:00Z");
        assert_eq!(
            night(&document, tokyo_night),
            Some(jiff::civil::date(2026, 6, 9))
        );
        assert_eq!(night(&document, new_york_night), None);
        document.training = TrainingMode::Off;
        assert_eq!(night(&document, tokyo_night), None);
    }
}
