//! R05: the source country is unknown, and the policy denies unknowns.

use super::{Asked, Finding, Objection, Rule, r04_v02_source_country::does_not_apply};
use crate::{decision::Code, facts::Facts};

pub(super) const RULE: Asked = Asked {
    rule: Rule::UnknownSourceCountry,
    evaluate,
    seen,
};

fn evaluate(facts: &Facts<'_>) -> Finding {
    let Some(ip) = facts.call.source_ip else {
        return Finding::Skips("the source address is not told");
    };
    if facts.source_to_look_up().is_none() {
        return Finding::Skips("the source address is not a public one");
    }
    if let Some(why) = does_not_apply(facts) {
        return Finding::Skips(why);
    }
    if facts.source.country.is_some() {
        return Finding::Passes;
    }
    Objection::denial(
        Rule::UnknownSourceCountry,
        Code::R05,
        format!("the country of {ip} is unknown"),
    )
}

fn seen(facts: &Facts<'_>) -> String {
    format!(
        "source country {}",
        facts.source.country.map_or("-", |country| country.code())
    )
}
