//! What is learned from: the calls that passed, without those that are known to be fraud.

use jiff::Timestamp;
use tfps_engine::{
    call::AccountId,
    decision::Code,
    number::{Country, E164, plan},
    policy::Policy,
    risk::{Predictor, pays, score_of},
    training::{History, PastCall},
};

use super::{Fraud, Trainer};
use crate::store::{AllowedCall, StoreError};

impl Trainer {
    /// What an account has done since a moment.
    pub(super) async fn history(
        &self,
        id: &AccountId,
        policy: &Policy,
        since: Timestamp,
        fraud: &Fraud,
    ) -> Result<History, StoreError> {
        let at = self.clock.now();
        let snapshot = self.state.snapshot.load_full();
        let is_fraud = |call: &AllowedCall| {
            call.number.is_some_and(|number| {
                let listed = snapshot.lists.number(id.domain(), &number, at.as_second());
                listed.is_some_and(|hit| !hit.allows())
                    || ["", id.domain()]
                        .iter()
                        .any(|domain| fraud.contains(&((*domain).to_owned(), number)))
            })
        };
        let mut calls = Vec::new();
        let objects = |call: &AllowedCall| {
            let threshold = policy
                .document
                .risk
                .challenge_score
                .min(policy.document.risk.deny_score);
            call.risk >= threshold
                || by_number(&snapshot.predictor, call.number.as_ref(), policy) >= threshold
        };
        let mut take = |call: AllowedCall| {
            if !is_fraud(&call) {
                calls.extend(past(&call, objects));
            }
        };
        self.store.allowed_calls(id, since, &mut take).await?;
        Ok(History::new(calls, &policy.time_zone, at))
    }
}

/// The score of a call's number by what is known today, whatever the circumstances; 0 for one that is not predicted. A policy that monitors asks no more
/// rules after the first that objects, so most of its calls abroad were never scored.
fn by_number(predictor: &Predictor, number: Option<&E164>, policy: &Policy) -> u32 {
    let Some(number) = number else { return 0 };
    let home = policy.dial_plan.home_country();
    let plan = plan::look_up_from(number, home);
    if !pays(&plan, home) {
        return 0;
    }
    score_of(predictor.by_number(number, &plan)).into()
}

/// What a call tells of what the account does. One that passed only since the policy reports, and that something else than a limit or a
/// country spoke against, tells nothing; of one that the prediction objects to it is told that it does.
fn past(call: &AllowedCall, objects: impl Fn(&AllowedCall) -> bool) -> Option<PastCall> {
    let (opens_source, opens_destination) = match call.monitored_code.as_str() {
        "" => (false, false),
        code => match code.parse().ok()? {
            Code::R04 | Code::V02 => (true, false),
            Code::R06 | Code::V03 => (false, true),
            Code::R08 | Code::R09 | Code::R10 | Code::R11 | Code::V04 | Code::V05 => (false, false),
            _ => return None,
        },
    };
    Some(PastCall {
        at: call.at,
        ended_at: call.ended_at,
        concurrent_calls: call.concurrent_calls,
        off_hours: call.off_hours,
        destination: Country::from_code(&call.destination_country).ok(),
        source: Country::from_code(&call.source_country).ok(),
        opens_source,
        opens_destination,
        objected: !call.monitored_code.is_empty() && objects(call),
    })
}

#[cfg(test)]
mod tests {
    use tfps_engine::policy::PolicyDocument;

    use super::*;

    #[test]
    fn what_a_monitoring_policy_let_pass_counts_unless_it_looks_like_fraud() {
        let of = |code: &str, objected| {
            let call = AllowedCall {
                at: Timestamp::UNIX_EPOCH,
                number: None,
                off_hours: false,
                concurrent_calls: None,
                destination_country: "GB".to_owned(),
                source_country: String::new(),
                monitored_code: code.to_owned(),
                risk: 0,
                ended_at: None,
            };
            let past = past(&call, |_| objected);
            past.map(|call| (call.opens_source, call.opens_destination, call.objected))
        };
        assert_eq!(
            of("", true),
            Some((false, false, false)),
            "its caller has proved himself"
        );
        assert_eq!(of("V03", false), Some((false, true, false)));
        assert_eq!(of("R04", false), Some((true, false, false)));
        assert_eq!(of("R11", false), Some((false, false, false)));
        assert_eq!(of("V03", true), Some((false, true, true)));
        for code in ["R01", "R03", "R13", "R18", "V06"] {
            assert_eq!(of(code, false), None, "{code}");
        }
    }

    #[test]
    fn a_call_that_was_never_scored_is_scored_by_its_number() {
        let policy = Policy::compile(PolicyDocument::default()).unwrap();
        let predictor = Predictor {
            model: std::sync::Arc::new(tfps_engine::risk::RiskModel::built_in()),
            known: std::sync::Arc::default(),
            cleared: std::sync::Arc::default(),
        };
        let score = |number: &str| by_number(&predictor, number.parse().ok().as_ref(), &policy);
        assert_eq!(score("12125550123"), 0, "at home");
        assert_eq!(score(""), 0);
        // No plan has given this range to anybody.
        assert!(score("2529999999999") > score("442079460123"));
    }
}
