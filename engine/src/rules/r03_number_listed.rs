//! R03: dialed number on the block list.

use super::{Asked, Finding, Objection, Rule};
use crate::{decision::Code, facts::Facts};

pub(super) const RULE: Asked = Asked {
    rule: Rule::NumberListed,
    evaluate,
    seen,
};

fn evaluate(facts: &Facts<'_>) -> Finding {
    let Ok(to) = &facts.destination else {
        return Finding::Skips("the dialed number is none");
    };
    match facts.number_hit.filter(|hit| !hit.allows()) {
        Some(hit) => Objection::denial(
            Rule::NumberListed,
            Code::R03,
            format!("{} {hit}", to.number),
        ),
        None => Finding::Passes,
    }
}

fn seen(facts: &Facts<'_>) -> String {
    facts.number_hit.map_or_else(
        || "the number is on no list".to_owned(),
        |hit| format!("the number {hit}"),
    )
}
