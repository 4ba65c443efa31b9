//! Decisions as they are recorded and answered.

use std::borrow::Cow;

use jiff::Timestamp;
use tfps_engine::{
    call::{CallAttempt, RawAttempt, printable},
    decision::{Judgement, Purpose, Verdict},
    facts::Facts,
    judge::Reservation,
    number::{NumberKind, Validity},
    policy::{Policy, ResponseMode},
    usage::{Day, Occupancy},
};

use crate::{
    geo::Place,
    journal::{DecisionRecord, RiskSignalRecord},
    state::Resident,
};

pub(super) fn of_facts(facts: &Facts<'_>) -> DecisionRecord {
    let destination = facts.destination.as_ref().ok();
    DecisionRecord {
        decided_at: facts.at.as_millisecond(),
        e164: destination
            .map(|to| to.number.as_str().to_owned())
            .unwrap_or_default(),
        destination_country: facts
            .destination_country()
            .map(|country| country.code().to_owned())
            .unwrap_or_default(),
        source_country: facts
            .source
            .country
            .map(|country| country.code().to_owned())
            .unwrap_or_default(),
        source_asn: facts.source.asn.unwrap_or_default(),
        number_kind: destination
            .map(|to| kind_number(to.plan.kind, to.plan.validity))
            .unwrap_or_default(),
        off_hours: facts.off_hours,
        day: facts.day.digits(),
        ..DecisionRecord::default()
    }
}

/// Adds what is predicted, and what that is made of where it is at least so much.
pub(super) fn predicted(record: &mut DecisionRecord, facts: &Facts<'_>, told_from: u32) {
    let Some(score) = facts.known_risk_score() else {
        return;
    };
    record.risk = score.into();
    if record.risk < told_from {
        return;
    }
    let signals = facts.assess_risk().unwrap_or_default().signals;
    record.risk_signals = signals
        .into_iter()
        .map(|signal| RiskSignalRecord {
            name: signal.name.to_owned(),
            weight: signal.weight,
            evidence: signal.evidence,
        })
        .collect();
}

pub(super) fn of_judged(facts: &Facts<'_>, judgement: Judgement) -> DecisionRecord {
    let mut record = of_facts(facts);
    let limit = &facts.policy().document.risk;
    predicted(
        &mut record,
        facts,
        limit.challenge_score.min(limit.deny_score),
    );
    rule(&mut record, judgement, facts.policy());
    record
}

/// A decision that takes nothing from its account.
pub(super) fn ended(
    facts: &Facts<'_>,
    judgement: Judgement,
    resident: Option<&Resident>,
) -> DecisionRecord {
    let mut record = of_judged(facts, judgement);
    if let Some(resident) = resident {
        let occupancy = resident.ledger.lock().occupancy(facts.day, facts.at);
        used(&mut record, facts, &occupancy);
    }
    record
}

pub(super) fn of_injection(raw: RawAttempt, policy: &Policy, at: Timestamp) -> DecisionRecord {
    DecisionRecord {
        decided_at: at.as_millisecond(),
        username: owned(raw.username),
        domain: owned(raw.domain).to_lowercase(),
        dialed_number: owned(raw.dialed),
        caller_number: owned(raw.caller),
        source_ip: raw.source_ip,
        user_agent: owned(raw.user_agent),
        concurrent_calls: raw.concurrent_calls,
        call_id: owned(raw.call_id),
        attempt_key: owned(raw.attempt_key),
        forwarded_from: owned(raw.forwarded_from),
        trunk: owned(raw.trunk),
        off_hours: !policy.hours.is_open(at),
        day: Day::of(policy.local(at).date()).digits(),
        ..DecisionRecord::default()
    }
}

/// Adds where on earth it comes from.
pub(super) fn located(record: &mut DecisionRecord, place: Place) {
    record.source_country = place
        .country
        .map(|country| country.code().to_owned())
        .unwrap_or_default();
    record.source_asn = place.asn.unwrap_or_default();
}

/// Adds the call; `source_text` is its address where it needs no spelling.
pub(super) fn with_call(record: &mut DecisionRecord, call: CallAttempt, source_text: String) {
    record.username = call.account.username().to_owned();
    record.domain = call.account.domain().to_owned();
    record.dialed_number = call.dialed;
    record.caller_number = call.caller;
    record.source_ip = match call.source_ip {
        Some(ip) if source_text.is_empty() => ip.to_string(),
        _ => source_text,
    };
    record.user_agent = call.user_agent;
    record.concurrent_calls = call.concurrent_calls;
    record.call_id = call.call_id;
    record.attempt_key = call.attempt_key;
    record.forwarded_from = call.forwarded_from;
    record.trunk = call.trunk;
}

pub(super) fn rule(record: &mut DecisionRecord, judgement: Judgement, policy: &Policy) {
    let ruling = judgement.ruling;
    record.verdict = verdict_number(ruling.verdict);
    record.code = ruling.code.as_str().to_owned();
    record.reason = ruling.reason.into_owned();
    if let Some(purpose) = ruling.purpose {
        record.purpose = purpose_number(purpose);
        record.purpose_country = purpose
            .country()
            .map(|country| country.code().to_owned())
            .unwrap_or_default();
    }
    if let Some(monitored) = judgement.monitored {
        record.monitored_verdict = verdict_number(monitored.verdict);
        record.monitored_code = monitored.code.as_str().to_owned();
        record.monitored_reason = monitored.reason.into_owned();
    }
    record.policy.clone_from(&policy.document.name);
    record.redirects = policy.document.response_mode == ResponseMode::Redirect302;
}

pub(super) fn used(record: &mut DecisionRecord, facts: &Facts<'_>, occupancy: &Occupancy) {
    let (concurrent_limit, _) = facts.limits().in_hours(facts.off_hours);
    record.concurrent = facts.call.concurrent_calls.unwrap_or(occupancy.concurrent);
    record.concurrent_limit = concurrent_limit;
    record.calls_today = occupancy.today_in(facts.off_hours);
    record.daily_quota = facts.daily_quota();
}

pub(super) fn reserved(record: &mut DecisionRecord, reservation: &Reservation) {
    record.counted = reservation.counted;
    record.slot_until = reservation.slot_until.unwrap_or_default();
    record.grants = reservation.grants.into_iter().flatten().collect();
    let (seconds, assumed) = reservation.assumed;
    record.assumed_seconds = seconds;
    record.assumed_cost = assumed.cost.millionths();
    record.assumed_seconds_abroad = assumed.seconds_abroad;
    record.assumed_cost_is_estimated = assumed.estimated;
}

/// The verdict as the API numbers it.
pub fn verdict_number(verdict: Verdict) -> i32 {
    match verdict {
        Verdict::Allow => 1,
        Verdict::Deny => 2,
        Verdict::Challenge => 3,
    }
}

/// The purpose as the API numbers it.
pub fn purpose_number(purpose: Purpose) -> i32 {
    match purpose {
        Purpose::Onboarding => 1,
        Purpose::SourceCountry(_) => 2,
        Purpose::DestinationCountry(_) => 3,
        Purpose::Quota => 4,
        Purpose::QuotaOffHours => 5,
        Purpose::Risk => 6,
    }
}

/// The purpose of a recorded challenge.
pub fn purpose(record: &DecisionRecord) -> Option<Purpose> {
    let country = |code: &str| tfps_engine::number::Country::from_code(code).ok();
    match record.purpose {
        1 => Some(Purpose::Onboarding),
        2 => country(&record.source_country).map(Purpose::SourceCountry),
        3 => country(&record.destination_country).map(Purpose::DestinationCountry),
        4 => Some(Purpose::Quota),
        5 => Some(Purpose::QuotaOffHours),
        6 => Some(Purpose::Risk),
        _ => None,
    }
}

/// The sort of number as the API numbers it.
fn kind_number(kind: NumberKind, validity: Validity) -> i32 {
    if validity != Validity::Valid {
        return 13;
    }
    match kind {
        NumberKind::FixedLine => 1,
        NumberKind::Mobile => 2,
        NumberKind::FixedLineOrMobile => 3,
        NumberKind::TollFree => 4,
        NumberKind::PremiumRate => 5,
        NumberKind::SharedCost => 6,
        NumberKind::Voip => 7,
        NumberKind::PersonalNumber => 8,
        NumberKind::Pager => 9,
        NumberKind::Uan => 10,
        NumberKind::Voicemail => 11,
        NumberKind::Satellite => 12,
        NumberKind::Unknown => 13,
    }
}

/// What can be stored and shown, without copying what already can.
fn owned(text: String) -> String {
    match printable(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(spelled) => spelled,
    }
}
