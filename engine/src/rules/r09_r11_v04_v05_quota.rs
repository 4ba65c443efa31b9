//! V04, R11 and V05, R09: the daily quota is reached, in business hours and off hours.
//!
//! A day is a calendar day in the policy's time zone; only allowed calls use quota, and the two quotas do not add up.
//! What verifications raised a quota by for the day counts. A quota that has reached the policy's maximum can't be raised by a
//! verification: then the call is denied.

use super::{Finding, Objection, Rule};
use crate::{
    decision::{Code, Purpose},
    facts::Facts,
    usage::Occupancy,
};

/// Which of the two quotas applies.
pub(crate) fn rule(facts: &Facts<'_>) -> Rule {
    if facts.off_hours {
        Rule::QuotaOffHours
    } else {
        Rule::Quota
    }
}

pub(crate) fn check(facts: &Facts<'_>, occupancy: &Occupancy) -> Finding {
    let used = occupancy.today_in(facts.off_hours);
    let quota = facts.daily_quota();
    if used < quota {
        return Finding::Passes;
    }
    let (rule, code, challenge, hours) = if facts.off_hours {
        (
            Rule::QuotaOffHours,
            Code::R09,
            (Code::V05, Purpose::QuotaOffHours),
            "off hours",
        )
    } else {
        (
            Rule::Quota,
            Code::R11,
            (Code::V04, Purpose::Quota),
            "business hours",
        )
    };
    let reason = format!("{used} calls of today's {quota} are used, {hours}");
    let (_, maximum) = facts.policy().maximum_limits().in_hours(facts.off_hours);
    if facts.standing.account.is_none() || quota >= maximum {
        return Objection::denial(
            rule,
            code,
            format!("{reason}, and the quota can't be raised further"),
        );
    }
    Objection::challenge(rule, code, challenge, reason)
}

pub(crate) fn seen(facts: &Facts<'_>, occupancy: &Occupancy) -> String {
    format!(
        "{} calls of today's {} are used",
        occupancy.today_in(facts.off_hours),
        facts.daily_quota()
    )
}
