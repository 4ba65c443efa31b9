//! R17: too many failed verifications.
//!
//! It stands in the place of a challenge: what would have to be proved is denied, what is open passes. So nobody can lock a
//! phone out of its home calls by failing on purpose, and while the lock lasts there is nothing to fail.

use super::{Finding, Objection, Rule};
use crate::{
    decision::{Code, Judgement, Ruling, Verdict},
    facts::Facts,
    usage::{Locked, Origin},
};

pub(crate) const RULE: Rule = Rule::FailedVerifications;

/// What becomes of a challenge where too many verifications have failed.
pub(crate) fn in_place_of(challenge: &Ruling, facts: &Facts<'_>) -> Option<Ruling> {
    let locked = locked(facts)?;
    Some(Ruling {
        verdict: Verdict::Deny,
        code: Code::R17,
        reason: format!(
            "{}; no challenge ({}): {locked}",
            challenge.reason, challenge.code
        )
        .into(),
        purpose: None,
    })
}

/// Why nothing can be proved for now, if so.
pub(crate) fn locked(facts: &Facts<'_>) -> Option<Locked> {
    let limits = facts.policy().failure_limits();
    facts.standing.watch.failures.locked(
        &facts.call.account,
        facts.is_established(),
        &Origin::of(facts.call),
        &limits,
        facts.at,
    )
}

/// What it found, in an explanation.
pub(crate) fn found(judgement: &Judgement) -> Finding {
    [Some(&judgement.ruling), judgement.monitored.as_ref()]
        .into_iter()
        .flatten()
        .find(|ruling| ruling.code == Code::R17)
        .map_or(Finding::Passes, |ruling| {
            Objection::denial(RULE, Code::R17, ruling.reason.clone())
        })
}

pub(crate) fn seen(facts: &Facts<'_>) -> String {
    if let Some(locked) = locked(facts) {
        return format!("{locked}, but nothing in this call would have to be proved");
    }
    let limits = facts.policy().failure_limits();
    let failures = &facts.standing.watch.failures;
    let account = &facts.call.account;
    format!(
        "{} failed verifications, {} are borne",
        failures.lock(account, &limits.account, facts.at).failures,
        facts.policy().document.verification.max_failures
    )
}
