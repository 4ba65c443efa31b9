//! V02, R04: the source country is not among the account's.

use super::{Asked, Finding, Objection, Rule};
use crate::{
    decision::{Code, Purpose},
    facts::Facts,
    usage::GrantKind,
};

pub(super) const RULE: Asked = Asked {
    rule: Rule::SourceCountry,
    evaluate,
    seen,
};

fn evaluate(facts: &Facts<'_>) -> Finding {
    let Some(country) = facts.source.country else {
        return Finding::Skips("the source country is unknown");
    };
    if let Some(why) = does_not_apply(facts) {
        return Finding::Skips(why);
    }
    let open = facts.source_countries().contains(country)
        || facts.policy().allowed_source_countries.contains(country)
        || facts.granted(GrantKind::Source, country);
    if open {
        return Finding::Passes;
    }
    Objection::challenge(
        Rule::SourceCountry,
        Code::R04,
        (Code::V02, Purpose::SourceCountry(country)),
        format!(
            "source country {} ({country}) is not among the account's: {}",
            country.name(),
            facts.source_countries()
        ),
    )
}

fn seen(facts: &Facts<'_>) -> String {
    format!(
        "source country {} is open; the account's: {}",
        facts.source.country.map_or("-", |country| country.code()),
        facts.source_countries()
    )
}

/// Why the country rules do not apply to a call, if so.
pub(super) fn does_not_apply(facts: &Facts<'_>) -> Option<&'static str> {
    if facts.number_allowed() {
        return Some("the number is on the allow list");
    }
    if facts.stays_home() {
        return Some("the call stays in the home country");
    }
    None
}
