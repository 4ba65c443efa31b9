//! V06, R18: the call is predicted to be fraud.
//!
//! A captcha shows that somebody listens, not that it is the account's owner. So from the policy's `pin_score` on only a PIN of the
//! account's own will do, and an account without one is denied; the policy's PIN, which many know, does not count. A pass that was
//! given for a lower score does not help either.

use super::{Asked, Finding, Objection, Rule};
use crate::{
    decision::{Code, Purpose},
    facts::Facts,
    risk::Assessment,
};

pub(super) const RULE: Asked = Asked {
    rule: Rule::Risk,
    evaluate,
    seen,
};

fn evaluate(facts: &Facts<'_>) -> Finding {
    let Ok(to) = &facts.destination else {
        return Finding::Skips("the dialed number is none");
    };
    if facts.number_allowed() {
        return Finding::Skips("the number is on the allow list");
    }
    let Some(score) = facts.risk_score() else {
        return Finding::Skips("an ordinary call within the home country");
    };
    let limit = &facts.policy().document.risk;
    if u32::from(score) >= limit.deny_score {
        return Objection::denial(Rule::Risk, Code::R18, reason(facts));
    }
    if u32::from(score) < limit.challenge_score {
        return Finding::Passes;
    }
    if u32::from(score) >= limit.pin_score && !facts.has_pin() {
        return Objection::denial(
            Rule::Risk,
            Code::R18,
            format!(
                "{}; from {} on the account's own PIN is asked for, and it has none",
                reason(facts),
                limit.pin_score
            ),
        );
    }
    let passes = &facts.standing.watch.passes;
    if passes.open(&facts.call.account, &to.number, facts.at) {
        return Finding::Skips("the caller has proved himself for this number");
    }
    Objection::challenge(
        Rule::Risk,
        Code::R18,
        (Code::V06, Purpose::Risk),
        reason(facts),
    )
}

fn reason(facts: &Facts<'_>) -> String {
    facts
        .assess_risk()
        .map_or_else(String::new, |assessment| told(&assessment))
}

/// A score with the evidence that speaks for it.
fn told(Assessment { score, signals }: &Assessment) -> String {
    let evidence: Vec<&str> = signals
        .iter()
        .filter(|signal| signal.weight > 0)
        .map(|signal| signal.evidence.as_str())
        .collect();
    let evidence = if evidence.is_empty() {
        String::new()
    } else {
        format!(": {}", evidence.join("; "))
    };
    format!("risk {score} of 100{evidence}")
}

fn seen(facts: &Facts<'_>) -> String {
    let limit = &facts.policy().document.risk;
    let told = facts.assess_risk().map_or_else(String::new, |assessment| {
        let signals: Vec<String> = assessment
            .signals
            .iter()
            .map(|signal| format!("{} ({} {:+})", signal.evidence, signal.name, signal.weight))
            .collect();
        format!("risk {} of 100: {}", assessment.score, signals.join("; "))
    });
    format!(
        "{told}; a human is asked for from {}, the account's own PIN from {}, a call is denied from {}",
        limit.challenge_score, limit.pin_score, limit.deny_score
    )
}
