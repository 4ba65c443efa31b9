//! R07: no such international prefix.

use super::{Asked, Finding, Objection, Rule};
use crate::{decision::Code, facts::Facts, number::NotANumber};

pub(super) const RULE: Asked = Asked {
    rule: Rule::UnknownPrefix,
    evaluate,
    seen,
};

fn evaluate(facts: &Facts<'_>) -> Finding {
    match &facts.destination {
        Ok(to) if to.plan.calling_code.is_none() => Objection::denial(
            Rule::UnknownPrefix,
            Code::R07,
            format!("{} starts with no country's calling code", to.number),
        ),
        Ok(_) => Finding::Passes,
        Err(NotANumber::NotDialable { .. } | NotANumber::TooManyDigits { .. }) => {
            Finding::Skips("the dialed number is malformed")
        }
        Err(error) if error.is_home() => Finding::Passes,
        Err(error) => Objection::denial(
            Rule::UnknownPrefix,
            Code::R07,
            format!("dialed number: {error}"),
        ),
    }
}

fn seen(facts: &Facts<'_>) -> String {
    match &facts.destination {
        Ok(to) => format!(
            "calling code +{}, {} ({}, {})",
            to.plan.calling_code.unwrap_or_default(),
            to.plan
                .country
                .map_or("no country", |country| country.name()),
            to.plan.kind,
            to.plan.validity,
        ),
        Err(error) => format!("the dialed number: {error}"),
    }
}
