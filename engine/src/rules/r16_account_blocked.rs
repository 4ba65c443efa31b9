//! R16: account blocked by the operator.

use super::{Asked, Finding, Objection, Rule};
use crate::{decision::Code, facts::Facts};

pub(super) const RULE: Asked = Asked {
    rule: Rule::AccountBlocked,
    evaluate,
    seen,
};

fn evaluate(facts: &Facts<'_>) -> Finding {
    let Some(account) = facts.standing.account else {
        return Finding::Skips("the account is unknown");
    };
    match account.blocked.as_deref() {
        None => Finding::Passes,
        Some("") => Objection::denial(Rule::AccountBlocked, Code::R16, Code::R16.meaning()),
        Some(why) => Objection::denial(
            Rule::AccountBlocked,
            Code::R16,
            format!("{}: {why}", Code::R16.meaning()),
        ),
    }
}

fn seen(_: &Facts<'_>) -> String {
    "the account is not blocked".to_owned()
}
