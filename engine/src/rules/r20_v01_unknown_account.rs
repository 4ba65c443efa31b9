//! V01, R20: the account is unknown. It is onboarded, or denied where the policy does not onboard, where as many have been
//! onboarded within an hour as may be, or where it names nobody: one anonymous caller would open the account for all others.

use super::{Asked, Finding, Objection, Rule};
use crate::{
    decision::{Code, Purpose},
    facts::Facts,
    policy::VerificationMethod,
    usage::Origin,
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
    let account = &facts.call.account;
    if account.is_anonymous() {
        return Objection::denial(
            Rule::UnknownAccount,
            Code::R20,
            format!(
                "{account} is what anonymous callers share, and no account: the switch must say who pays"
            ),
        );
    }
    let policy = facts.policy();
    if policy.document.verification.method == VerificationMethod::Pin {
        let reason = format!(
            "account {account} is unknown, and verification is by PIN, which opens no unknown account: create it with `tfpsctl create`",
        );
        return Objection::denial(Rule::UnknownAccount, Code::R20, reason);
    }
    let full = facts.standing.watch.onboardings.full(
        account,
        &Origin::of(facts.call),
        &policy.onboarding_limits(),
        facts.at,
    );
    if let Some(full) = full {
        let reason = format!("account {account} is unknown, and {full}");
        return Objection::denial(Rule::UnknownAccount, Code::R20, reason);
    }
    Objection::challenge(
        Rule::UnknownAccount,
        Code::R20,
        (Code::V01, Purpose::Onboarding),
        format!("account {account} is unknown"),
    )
}

fn seen(facts: &Facts<'_>) -> String {
    format!("account {} is known", facts.call.account)
}
