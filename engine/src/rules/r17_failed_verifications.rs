//! R17: too many failed verifications.
//!
//! Asked before the unknown account (V01), so that who fails the onboarding too often is locked out too, instead of
//! being challenged forever.

use jiff::Timestamp;

use super::{Asked, Finding, Objection, Rule};
use crate::{decision::Code, facts::Facts, usage::Lock};

pub(super) const RULE: Asked = Asked {
    rule: Rule::FailedVerifications,
    evaluate,
    seen,
};

fn evaluate(facts: &Facts<'_>) -> Finding {
    let lock = lock(facts);
    match lock.until {
        None => Finding::Passes,
        Some(until) => Objection::denial(
            Rule::FailedVerifications,
            Code::R17,
            format!(
                "{} failed verifications lock the account until {}",
                lock.failures,
                Timestamp::from_second(until).unwrap_or(facts.at)
            ),
        ),
    }
}

fn seen(facts: &Facts<'_>) -> String {
    format!(
        "{} failed verifications, {} are borne",
        lock(facts).failures,
        facts.policy().document.verification.max_failures
    )
}

fn lock(facts: &Facts<'_>) -> Lock {
    let limit = &facts.policy().document.verification;
    facts.standing.watch.failures.lock(
        &facts.call.account,
        limit.max_failures,
        limit.lock_seconds,
        facts.at,
    )
}
