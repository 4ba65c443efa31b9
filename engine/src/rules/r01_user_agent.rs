//! R01: user agent on the block list.

use super::{Asked, Finding, Objection, Rule};
use crate::{decision::Code, facts::Facts};

pub(super) const RULE: Asked = Asked {
    rule: Rule::UserAgent,
    evaluate,
    seen,
};

fn evaluate(facts: &Facts<'_>) -> Finding {
    let agent = facts.call.user_agent.as_str();
    if agent.is_empty() {
        return Finding::Skips("the user agent is not told");
    }
    let hit =
        facts
            .standing
            .lists
            .user_agent(facts.call.account.domain(), agent, facts.at.as_second());
    match hit.filter(|hit| !hit.allows()) {
        Some(hit) => Objection::denial(
            Rule::UserAgent,
            Code::R01,
            format!("user agent {agent:?} {hit}"),
        ),
        None => Finding::Passes,
    }
}

fn seen(facts: &Facts<'_>) -> String {
    let agent = facts.call.user_agent.as_str();
    match facts
        .standing
        .lists
        .user_agent(facts.call.account.domain(), agent, facts.at.as_second())
    {
        Some(hit) => format!("user agent {agent:?} {hit}"),
        None => format!("user agent {agent:?} is on no list"),
    }
}
