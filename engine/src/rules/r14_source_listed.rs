//! R14: the caller's IP is on the operator's block list.

use super::{Asked, Finding, Objection, Rule};
use crate::{decision::Code, facts::Facts};

pub(super) const RULE: Asked = Asked {
    rule: Rule::SourceListed,
    evaluate,
    seen,
};

fn evaluate(facts: &Facts<'_>) -> Finding {
    let Some(ip) = facts.call.source_ip else {
        return Finding::Skips("the source address is not told");
    };
    match facts.source_hit.filter(|hit| !hit.allows()) {
        Some(hit) => Objection::denial(Rule::SourceListed, Code::R14, format!("{ip} {hit}")),
        None => Finding::Passes,
    }
}

fn seen(facts: &Facts<'_>) -> String {
    let ip = facts
        .call
        .source_ip
        .map(|ip| ip.to_string())
        .unwrap_or_default();
    facts.source_hit.map_or_else(
        || format!("{ip} is on no list"),
        |hit| format!("{ip} {hit}"),
    )
}
