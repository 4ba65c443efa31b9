//! R13: the same account calls the same number too often.

use jiff::Timestamp;

use super::{Asked, Finding, Objection, Rule};
use crate::{
    decision::Code,
    facts::{Counting, Facts},
    number::plan,
    usage::Repetition,
};

pub(super) const RULE: Asked = Asked {
    rule: Rule::RepeatedCall,
    evaluate,
    seen,
};

fn evaluate(facts: &Facts<'_>) -> Finding {
    match observe(facts, facts.counting) {
        None => Finding::Skips("the dialed number is none"),
        Some(Repetition::Within(_)) => Finding::Passes,
        Some(Repetition::Blocked(until)) => {
            let until = Timestamp::from_second(until).unwrap_or(facts.at);
            Objection::denial(
                Rule::RepeatedCall,
                Code::R13,
                format!(
                    "{} called this number over {} times in a row, each within {} s: blocked until {until}",
                    if facts.policy().document.repeats.by_caller {
                        "the caller"
                    } else {
                        "the account"
                    },
                    facts.policy().document.repeats.max_repeats,
                    facts.policy().document.repeats.gap_seconds,
                ),
            )
        }
    }
}

fn seen(facts: &Facts<'_>) -> String {
    match observe(facts, Counting::Peeks) {
        Some(Repetition::Within(calls)) => {
            format!(
                "call {calls} in a row, {} pass",
                facts.policy().document.repeats.max_repeats
            )
        }
        _ => String::new(),
    }
}

/// Whoever adds digits to a number rings the same telephone, and so calls the same number.
fn observe(facts: &Facts<'_>, counting: Counting) -> Option<Repetition> {
    let to = facts.destination.as_ref().ok()?;
    let number = plan::without_surplus(&to.number, &to.plan);
    Some(facts.standing.watch.repeats.observe(
        &facts.call.account,
        &facts.call.caller,
        &number,
        &facts.policy().document.repeats,
        facts.at,
        counting,
    ))
}
