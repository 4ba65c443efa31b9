//! V03, R06: the destination country is not among the account's.

use super::{Asked, Finding, Objection, Rule, r04_v02_source_country::does_not_apply};
use crate::{
    decision::{Code, Purpose},
    facts::Facts,
    usage::GrantKind,
};

pub(super) const RULE: Asked = Asked {
    rule: Rule::DestinationCountry,
    evaluate,
    seen,
};

fn evaluate(facts: &Facts<'_>) -> Finding {
    let Some(country) = facts.destination_country() else {
        return Finding::Skips("the destination country is unknown");
    };
    if let Some(why) = does_not_apply(facts) {
        return Finding::Skips(why);
    }
    let open = facts.destination_countries().contains(country)
        || facts
            .policy()
            .allowed_destination_countries
            .contains(country)
        || facts.granted(GrantKind::Destination, country);
    if open {
        return Finding::Passes;
    }
    Objection::challenge(
        Rule::DestinationCountry,
        Code::R06,
        (Code::V03, Purpose::DestinationCountry(country)),
        format!(
            "destination country {} ({country}) is not among the account's: {}",
            country.name(),
            facts.destination_countries()
        ),
    )
}

fn seen(facts: &Facts<'_>) -> String {
    format!(
        "destination country {} is open; the account's: {}",
        facts
            .destination_country()
            .map_or("-", |country| country.code()),
        facts.destination_countries()
    )
}
