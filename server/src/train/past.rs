//! What is learned from: the calls that passed, without those that are known to be fraud.

use jiff::Timestamp;
use tfps_engine::{
    call::AccountId,
    decision::Code,
    number::Country,
    policy::Policy,
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
        let mut take = |call: AllowedCall| {
            if !is_fraud(&call) {
                calls.extend(past(&call, policy));
            }
        };
        self.store.allowed_calls(id, since, &mut take).await?;
        Ok(History::new(calls, &policy.time_zone, at))
    }
}

/// What a call tells of what the account does. One that passed only since the policy reports, and that something else than a limit or a
/// country spoke against, tells nothing.
fn past(call: &AllowedCall, policy: &Policy) -> Option<PastCall> {
    let (opens_source, opens_destination) = match call.monitored_code.as_str() {
        "" => (false, false),
        _ if call.risk >= policy.document.risk.challenge_score => return None,
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
    })
}

#[cfg(test)]
mod tests {
    use tfps_engine::policy::PolicyDocument;

    use super::*;

    #[test]
    fn what_a_monitoring_policy_let_pass_counts_unless_it_looks_like_fraud() {
        let policy = Policy::compile(PolicyDocument::default()).unwrap();
        let of = |code: &str, risk| {
            let call = AllowedCall {
                at: Timestamp::UNIX_EPOCH,
                number: None,
                off_hours: false,
                concurrent_calls: None,
                destination_country: "GB".to_owned(),
                source_country: String::new(),
                monitored_code: code.to_owned(),
                risk,
                ended_at: None,
            };
            past(&call, &policy).map(|call| (call.opens_source, call.opens_destination))
        };
        assert_eq!(
            of("", 99),
            Some((false, false)),
            "its caller has proved himself"
        );
        assert_eq!(of("V03", 10), Some((false, true)));
        assert_eq!(of("R04", 10), Some((true, false)));
        assert_eq!(of("R11", 10), Some((false, false)));
        assert_eq!(of("V03", 90), None);
        for code in ["R01", "R03", "R13", "R18", "V06"] {
            assert_eq!(of(code, 10), None, "{code}");
        }
    }
}
