//! Check requests, decisions and findings.

use jiff::Timestamp;
use tfps_engine::{
    call::{MAX_DOMAIN, MAX_HEADER, MAX_NUMBER, MAX_USERNAME, RawAttempt},
    decision::{Code, Verdict},
    explain::{Explanation, Outcome},
};
use tfps_proto::v1;
use tonic::Status;

use super::{given, moment, timestamp};
use crate::{check::verdict_number, grpc::status, journal::DecisionRecord, store::DecisionFilter};

/// How a check is to run.
pub(crate) enum Run {
    /// For real.
    Real,
    /// Dry, as if at a time.
    Dry(Option<Timestamp>),
}

pub(crate) fn attempt(request: v1::CheckRequest) -> Result<(RawAttempt, Run), Status> {
    let at = moment("at", request.at)?;
    if at.is_some() && !request.dry_run {
        return Err(status::invalid("at", "can be given only with dry_run"));
    }
    let run = if request.dry_run {
        Run::Dry(at)
    } else {
        Run::Real
    };
    let account = request.account.unwrap_or_default();
    let raw = RawAttempt {
        username: account.username,
        domain: account.domain,
        dialed: request.dialed_number,
        caller: request.caller_number,
        source_ip: request.source_ip,
        user_agent: request.user_agent,
        concurrent_calls: request.concurrent_calls,
        call_id: request.call_id,
        attempt_key: request.attempt_key,
        forwarded_from: request.forwarded_from,
        trunk: request.trunk,
    };
    Ok((raw, run))
}

pub(crate) fn response(record: DecisionRecord) -> v1::CheckResponse {
    let sip = sip_answer(&record);
    let challenge = (!record.challenge_id.is_empty()).then(|| v1::Challenge {
        id: record.challenge_id,
        purpose: record.purpose,
        expires_at: Timestamp::from_millisecond(record.challenge_expires_at)
            .ok()
            .map(timestamp),
        country: record.purpose_country,
    });
    let monitored = (record.monitored_verdict != 0).then_some(v1::Monitored {
        verdict: record.monitored_verdict,
        code: record.monitored_code,
        reason: record.monitored_reason,
    });
    v1::CheckResponse {
        decision_id: record.id,
        verdict: record.verdict,
        code: record.code,
        reason: record.reason,
        challenge,
        destination_country: record.destination_country,
        source_country: record.source_country,
        number_kind: record.number_kind,
        off_hours: record.off_hours,
        risk: (record.risk > 0).then(|| v1::Risk {
            score: record.risk,
            signals: record
                .risk_signals
                .into_iter()
                .map(|signal| v1::RiskSignal {
                    name: signal.name,
                    weight: signal.weight,
                    evidence: signal.evidence,
                })
                .collect(),
        }),
        usage: Some(v1::CallUsage {
            concurrent_calls: record.concurrent,
            concurrent_limit: record.concurrent_limit,
            calls_today: record.calls_today,
            daily_quota: record.daily_quota,
        }),
        sip: Some(sip),
        monitored,
        e164: record.e164,
    }
}

/// What a SIP front answers, in the policy's response mode.
fn sip_answer(record: &DecisionRecord) -> v1::SipAnswer {
    let allows = record.verdict == verdict_number(Verdict::Allow);
    if record.verdict == verdict_number(Verdict::Challenge) {
        let prefix = match record.purpose {
            1 => "o",
            2 => "i",
            3 => "d",
            4 => "q",
            5 => "n",
            _ => "s",
        };
        let media_user = [prefix, &record.purpose_country, &record.dialed_number].concat();
        return v1::SipAnswer {
            status: 0,
            contact_user: String::new(),
            media_user,
        };
    }
    if record.redirects {
        let contact_user = if allows {
            [&record.code, record.dialed_number.as_str()].concat()
        } else {
            record.code.clone()
        };
        return v1::SipAnswer {
            status: 302,
            contact_user,
            media_user: String::new(),
        };
    }
    v1::SipAnswer {
        status: if allows { 503 } else { 603 },
        ..v1::SipAnswer::default()
    }
}

pub(crate) fn decision(record: DecisionRecord) -> v1::Decision {
    let monitored = (record.monitored_verdict != 0).then(|| v1::Monitored {
        verdict: record.monitored_verdict,
        code: record.monitored_code.clone(),
        reason: record.monitored_reason.clone(),
    });
    let time = Some(timestamp(record.time()));
    v1::Decision {
        id: record.id,
        time,
        account: Some(v1::AccountKey {
            username: record.username,
            domain: record.domain,
        }),
        dialed_number: record.dialed_number,
        e164: record.e164,
        caller_number: record.caller_number,
        source_ip: record.source_ip,
        user_agent: record.user_agent,
        concurrent_calls: record.concurrent_calls,
        call_id: record.call_id,
        forwarded_from: record.forwarded_from,
        trunk: record.trunk,
        verdict: record.verdict,
        code: record.code,
        reason: record.reason,
        challenge_id: record.challenge_id,
        destination_country: record.destination_country,
        source_country: record.source_country,
        source_asn: record.source_asn,
        number_kind: record.number_kind,
        off_hours: record.off_hours,
        risk_score: record.risk,
        monitored,
        policy: record.policy,
        latency: Some(prost_types::Duration {
            seconds: i64::from(record.latency_us / 1_000_000),
            nanos: i32::try_from(record.latency_us % 1_000_000 * 1_000).unwrap_or_default(),
        }),
    }
}

pub(crate) fn filter(filter: Option<v1::DecisionFilter>) -> Result<DecisionFilter, Status> {
    let filter = filter.unwrap_or_default();
    for (field, text, limit) in [
        ("filter.domain", &filter.domain, MAX_DOMAIN),
        ("filter.username", &filter.username, MAX_USERNAME),
        ("filter.number_prefix", &filter.number_prefix, MAX_NUMBER),
        ("filter.destination_country", &filter.destination_country, 3),
        ("filter.call_id", &filter.call_id, MAX_HEADER),
        ("filter.decision_id", &filter.decision_id, 64),
    ] {
        super::bounded(field, text, limit)?;
    }
    if filter.codes.len() > Code::ALL.len() {
        return Err(status::invalid(
            "filter.codes",
            format!(
                "are {}; there are {} codes",
                filter.codes.len(),
                Code::ALL.len()
            ),
        ));
    }
    v1::Verdict::try_from(filter.verdict).map_err(|_| {
        status::invalid(
            "filter.verdict",
            format!("{} is none; allow, deny and challenge are", filter.verdict),
        )
    })?;
    for code in &filter.codes {
        code.parse::<Code>()
            .map_err(|error| status::invalid("filter.codes", error))?;
    }
    Ok(DecisionFilter {
        domain: given(filter.domain).map(|domain| domain.to_ascii_lowercase()),
        username: given(filter.username),
        codes: filter
            .codes
            .into_iter()
            .map(|code| code.to_ascii_uppercase())
            .collect(),
        verdict: (filter.verdict != 0).then_some(filter.verdict),
        source_ip: match given(filter.source_ip) {
            None => None,
            Some(text) => {
                let ip: std::net::IpAddr = text
                    .parse()
                    .map_err(|_| status::invalid("filter.source_ip", "must be an address"))?;
                Some(ip.to_canonical().to_string())
            }
        },
        number_prefix: given(filter.number_prefix)
            .map(|prefix| prefix.trim_start_matches('+').to_owned()),
        destination_country: given(filter.destination_country)
            .map(|country| country.to_ascii_uppercase()),
        call_id: given(filter.call_id),
        id: given(filter.decision_id),
        since: moment("filter.since", filter.since)?,
        until: moment("filter.until", filter.until)?,
    })
}

/// Whether a decision that was just made matches.
pub(crate) fn matches(filter: &DecisionFilter, record: &DecisionRecord) -> bool {
    fn is<T: PartialEq>(asked: Option<&T>, value: &T) -> bool {
        asked.is_none_or(|asked| asked == value)
    }
    is(filter.domain.as_ref(), &record.domain)
        && is(filter.username.as_ref(), &record.username)
        && is(filter.source_ip.as_ref(), &record.source_ip)
        && is(
            filter.destination_country.as_ref(),
            &record.destination_country,
        )
        && is(filter.call_id.as_ref(), &record.call_id)
        && is(filter.id.as_ref(), &record.id)
        && is(filter.verdict.as_ref(), &record.verdict)
        && filter
            .number_prefix
            .as_ref()
            .is_none_or(|prefix| record.e164.starts_with(prefix.as_str()))
        && (filter.codes.is_empty() || filter.codes.contains(&record.code))
        && filter.since.is_none_or(|since| record.time() >= since)
        && filter.until.is_none_or(|until| record.time() < until)
}

pub(crate) fn finding(explanation: Explanation) -> v1::RuleFinding {
    let (outcome, code) = match explanation.outcome {
        Outcome::Passed => (v1::FindingOutcome::Passed, ""),
        Outcome::Bit(_, code) => (v1::FindingOutcome::Bit, code.as_str()),
        Outcome::Skipped => (v1::FindingOutcome::Skipped, ""),
        Outcome::Off => (v1::FindingOutcome::Off, ""),
    };
    v1::RuleFinding {
        rule: explanation.rule.as_str().to_owned(),
        mode: explanation.mode.as_str().to_owned(),
        outcome: outcome.into(),
        code: code.to_owned(),
        detail: explanation.detail,
        decisive: explanation.decisive,
    }
}
