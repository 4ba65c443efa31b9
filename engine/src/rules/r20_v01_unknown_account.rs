//! V01, R20: the account is unknown. It is onboarded, or denied where the policy does not onboard.

use super::{Asked, Finding, Objection, Rule};
use crate::{
    decision::{Code, Purpose},
    facts::Facts,
};

pub(super) const RULE: Asked = Asked {
    rule: Rule::UnknownAccount,
    evaluate,
    seen,
};

fn evaluate(facts: &Facts<'_>) -> Finding {
    if facts.standing.account.is_some() {
        return Finding::Passes;
    }
    Objection::challenge(
        Rule::UnknownAccount,
        Code::R20,
        (Code::V01, Purpose::Onboarding),
        format!("account {} is unknown", facts.call.account),
    )
}

fn seen(facts: &Facts<'_>) -> String {
    format!("account {} is known", facts.call.account)
}
