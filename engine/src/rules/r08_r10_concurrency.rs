//! R08, R10: too many concurrent calls, off hours and in business hours.
//!
//! The switch's count is taken where it gives one; otherwise the calls that hold a slot are counted.

use super::{Finding, Objection, Rule};
use crate::{decision::Code, facts::Facts, usage::Occupancy};

pub(crate) const RULE: Rule = Rule::Concurrency;

pub(crate) fn check(facts: &Facts<'_>, occupancy: &Occupancy) -> Finding {
    let calls = calls(facts, occupancy);
    let (limit, _) = facts.limits().in_hours(facts.off_hours);
    if calls <= limit {
        return Finding::Passes;
    }
    let (code, hours) = if facts.off_hours {
        (Code::R08, "off hours")
    } else {
        (Code::R10, "business hours")
    };
    Objection::denial(
        RULE,
        code,
        format!("{calls} calls at once with this one, {limit} are allowed in {hours}"),
    )
}

/// The calls in progress, this one included.
pub(crate) fn calls(facts: &Facts<'_>, occupancy: &Occupancy) -> u32 {
    facts
        .call
        .concurrent_calls
        .unwrap_or(occupancy.concurrent.saturating_add(1))
}

pub(crate) fn seen(facts: &Facts<'_>, occupancy: &Occupancy) -> String {
    format!(
        "{} calls at once with this one ({}), {} are allowed",
        calls(facts, occupancy),
        if facts.call.concurrent_calls.is_some() {
            "the switch's count"
        } else {
            "counted here"
        },
        facts.limits().in_hours(facts.off_hours).0
    )
}
