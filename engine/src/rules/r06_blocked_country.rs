//! R06: the destination country is on the policy's block list.

use super::{Asked, Finding, Objection, Rule};
use crate::{decision::Code, facts::Facts, number::group_in};

pub(super) const RULE: Asked = Asked {
    rule: Rule::BlockedCountry,
    evaluate,
    seen,
};

fn evaluate(facts: &Facts<'_>) -> Finding {
    let Some(country) = facts.destination_country() else {
        return Finding::Skips("the destination country is unknown");
    };
    if facts.number_allowed() {
        return Finding::Skips("the number is on the allow list");
    }
    if facts.stays_home() {
        return Finding::Skips("the call stays in the home country");
    }
    if facts.policy().blocked_countries.contains(country) {
        let by = group_in(&facts.policy().document.blocked_countries, country)
            .map(|group| format!(", as one of {}", group.name()))
            .unwrap_or_default();
        return Objection::denial(
            Rule::BlockedCountry,
            Code::R06,
            format!(
                "{} ({country}) is on the policy's block list of countries{by}",
                country.name()
            ),
        );
    }
    Finding::Passes
}

fn seen(facts: &Facts<'_>) -> String {
    let country = facts
        .destination_country()
        .map_or("-", |country| country.code());
    format!(
        "{country} is not among the blocked countries {}",
        facts.policy().blocked_countries
    )
}
