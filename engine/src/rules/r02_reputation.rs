//! R02: the caller's IP has a bad reputation (AbuseIPDB).

use super::{Asked, Finding, Objection, Rule};
use crate::{decision::Code, facts::Facts, policy::OnUnavailable};

pub(super) const RULE: Asked = Asked {
    rule: Rule::Reputation,
    evaluate,
    seen,
};

fn evaluate(facts: &Facts<'_>) -> Finding {
    if let Some(why) = cannot_be_judged(facts) {
        return Finding::Skips(why);
    }
    let limit = &facts.policy().document.reputation;
    match facts.source.abuse_confidence {
        Some(confidence) if u32::from(confidence) >= limit.abuse_confidence => {
            Objection::denial(Rule::Reputation, Code::R02, told(facts, confidence))
        }
        Some(_) => Finding::Passes,
        None if limit.on_unavailable == OnUnavailable::Deny => Objection::denial(
            Rule::Reputation,
            Code::R02,
            "the source's reputation is not known, and the policy denies such sources",
        ),
        None => Finding::Skips(
            "AbuseIPDB has no answer or no key, and the policy lets such sources pass",
        ),
    }
}

fn seen(facts: &Facts<'_>) -> String {
    told(facts, facts.source.abuse_confidence.unwrap_or_default())
}

fn told(facts: &Facts<'_>, confidence: u8) -> String {
    format!(
        "AbuseIPDB's confidence that the source is abusive is {confidence} % ({}), denied from {} %",
        facts.source.told_by.as_str(),
        facts.policy().document.reputation.abuse_confidence
    )
}

/// Why a source's reputation is not asked, if so.
pub(super) fn cannot_be_judged(facts: &Facts<'_>) -> Option<&'static str> {
    if facts.call.source_ip.is_none() {
        return Some("the source address is not told");
    }
    if facts.source_to_look_up().is_none() {
        return Some("the source address is not a public one");
    }
    if facts.source_allowed() {
        return Some("the source is on the allow list");
    }
    None
}
