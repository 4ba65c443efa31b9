//! R19: too many requests from this source.

use super::{Asked, Finding, Objection, Rule};
use crate::{
    decision::Code,
    facts::{Counting, Facts},
    usage::FloodLimit,
};

pub(super) const RULE: Asked = Asked {
    rule: Rule::SourceFlood,
    evaluate,
    seen,
};

fn evaluate(facts: &Facts<'_>) -> Finding {
    let Some(ip) = facts.call.source_ip else {
        return Finding::Skips("the source address is not told");
    };
    let limit = &facts.policy().document.flood;
    let flood = &facts.standing.watch.flood;
    let of_network = FloodLimit {
        per_second: limit.requests_per_second,
        burst: limit.burst,
    };
    let exceeds = flood.exceeds(
        facts.flood_domain(),
        ip,
        of_network,
        facts.at,
        facts.counting,
    );
    let Some(source) = exceeds else {
        return Finding::Passes;
    };
    let share = source.share();
    Objection::denial(
        Rule::SourceFlood,
        Code::R19,
        format!(
            "{source} asks more often than {} times a second, {} at once",
            limit.requests_per_second.saturating_mul(share),
            limit.burst.saturating_mul(share)
        ),
    )
}

fn seen(facts: &Facts<'_>) -> String {
    debug_assert_eq!(facts.counting, Counting::Peeks);
    let limit = &facts.policy().document.flood;
    format!(
        "within {} requests a second, {} at once",
        limit.requests_per_second, limit.burst
    )
}
