//! R21: the day's calls have come to what the policy lets them cost, or last abroad.
//!
//! Calls in progress count by the time that they have taken so far. A call that costs nothing by the rates goes on where the
//! money is spent, and a call within the home country where the minutes abroad are; both can be dialed as before.

use super::{Finding, Objection, Rule};
use crate::{decision::Code, facts::Facts, usage::Ledger};

pub(crate) const RULE: Rule = Rule::Exposure;

pub(crate) fn check(facts: &Facts<'_>, ledger: &Ledger) -> Finding {
    let Some(tariff) = facts.tariff() else {
        return Finding::Skips("the call adds nothing that the policy caps");
    };
    let spent = ledger.exposure(facts.day, facts.at);
    match facts.policy().document.exposure.reached(&spent, &tariff) {
        Some(reason) => Objection::denial(RULE, Code::R21, reason),
        None => Finding::Passes,
    }
}

pub(crate) fn seen(facts: &Facts<'_>, ledger: &Ledger) -> String {
    let spent = ledger.exposure(facts.day, facts.at);
    let tariff = facts.tariff().unwrap_or_default();
    let mark = |estimated| if estimated { " (an estimate)" } else { "" };
    format!(
        "a minute costs {}{}; today's calls have cost {:.2}{} and lasted {} minutes abroad",
        tariff.price,
        mark(tariff.estimated),
        spent.cost,
        mark(spent.estimated),
        spent.seconds_abroad / 60
    )
}
