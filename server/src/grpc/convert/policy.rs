//! Policies.

use tfps_engine::{
    exposure::Money,
    number::{BareNumbers, Country, DialPlan, Prefix, PrefixError},
    policy::{
        CaptchaKind, OnUnavailable, PolicyDocument, Raise, ResponseMode, RuleMode, TrainingMode,
        VerificationMethod,
    },
    rules::Rule,
    schedule::{ClockTime, HoursDocument, WeeklySpan},
};
use tfps_proto::v1;
use tonic::Status;

use super::{account::limits_change, timestamp};
use crate::{admin::PolicyView, grpc::status};

/// The rules, as the API numbers them.
const RULES: [(v1::Rule, Rule); Rule::COUNT] = [
    (v1::Rule::MalformedInput, Rule::MalformedInput),
    (v1::Rule::SourceFlood, Rule::SourceFlood),
    (v1::Rule::AccountBlocked, Rule::AccountBlocked),
    (v1::Rule::UserAgent, Rule::UserAgent),
    (v1::Rule::SourceListed, Rule::SourceListed),
    (v1::Rule::NumberListed, Rule::NumberListed),
    (v1::Rule::UnknownPrefix, Rule::UnknownPrefix),
    (v1::Rule::BlockedCountry, Rule::BlockedCountry),
    (v1::Rule::RepeatedCall, Rule::RepeatedCall),
    (v1::Rule::Apiban, Rule::Apiban),
    (v1::Rule::Reputation, Rule::Reputation),
    (v1::Rule::FailedVerifications, Rule::FailedVerifications),
    (v1::Rule::UnknownAccount, Rule::UnknownAccount),
    (v1::Rule::SourceCountry, Rule::SourceCountry),
    (v1::Rule::UnknownSourceCountry, Rule::UnknownSourceCountry),
    (v1::Rule::DestinationCountry, Rule::DestinationCountry),
    (v1::Rule::Risk, Rule::Risk),
    (v1::Rule::Concurrency, Rule::Concurrency),
    (v1::Rule::Exposure, Rule::Exposure),
    (v1::Rule::Quota, Rule::Quota),
    (v1::Rule::QuotaOffHours, Rule::QuotaOffHours),
];

const MODES: [(v1::RuleMode, RuleMode); 4] = [
    (v1::RuleMode::Enforce, RuleMode::Enforce),
    (v1::RuleMode::Challenge, RuleMode::Challenge),
    (v1::RuleMode::Report, RuleMode::Report),
    (v1::RuleMode::Off, RuleMode::Off),
];

pub(crate) fn view(view: &PolicyView) -> v1::Policy {
    let document = &view.policy.document;
    let verification = &document.verification;
    v1::Policy {
        name: document.name.clone(),
        domain: document.domain.clone(),
        description: document.description.clone(),
        monitor: document.monitor,
        response_mode: match document.response_mode {
            ResponseMode::Status503 => v1::ResponseMode::ResponseMode503603,
            ResponseMode::Redirect302 => v1::ResponseMode::ResponseMode302,
        }
        .into(),
        time_zone: document.time_zone.clone(),
        business_hours: Some(hours(&document.business_hours)),
        dial_plan: Some(dial_plan(&document.dial_plan)),
        blocked_countries: document.blocked_countries.clone(),
        allowed_source_countries: document.allowed_source_countries.clone(),
        allowed_destination_countries: document.allowed_destination_countries.clone(),
        verification: Some(v1::Verification {
            method: method(verification.method).into(),
            captcha_digits: verification.captcha_digits,
            captcha_seconds: verification.captcha_seconds,
            challenge_seconds: verification.challenge_seconds,
            max_failures: Some(verification.max_failures),
            lock_seconds: verification.lock_seconds,
            max_opens: verification.max_opens,
            grace_minutes: Some(verification.grace_minutes),
            grace_calls: Some(verification.grace_calls),
            quota_step: verification.quota_step,
            pin: String::new(),
            has_pin: verification.pin_hash.is_some(),
            ask_limits: verification.ask_limits,
            max_failures_per_source: Some(verification.max_failures_per_source),
            max_failures_per_trunk: Some(verification.max_failures_per_trunk),
            max_pin_failures: Some(verification.max_pin_failures),
            longest_lock_seconds: Some(verification.longest_lock_seconds),
            min_pin_digits: Some(verification.min_pin_digits),
            onboardings_per_source: Some(verification.onboardings_per_source),
            onboardings_per_trunk: Some(verification.onboardings_per_trunk),
            onboardings_per_domain: Some(verification.onboardings_per_domain),
            raise: match verification.raise {
                Raise::Day => v1::Raise::Day,
                Raise::ForGood => v1::Raise::ForGood,
            }
            .into(),
            max_passed_per_day: Some(verification.max_passed_per_day),
            pause_seconds: Some(verification.pause_seconds),
            captcha: match verification.captcha {
                CaptchaKind::Digits => v1::CaptchaKind::Digits,
                CaptchaKind::Arithmetic => v1::CaptchaKind::Arithmetic,
                CaptchaKind::DigitsAmongWords => v1::CaptchaKind::DigitsAmongWords,
            }
            .into(),
        }),
        repeats: Some(v1::RepeatLimit {
            max_repeats: document.repeats.max_repeats,
            gap_seconds: document.repeats.gap_seconds,
            block_seconds: document.repeats.block_seconds,
            by_caller: document.repeats.by_caller,
        }),
        flood: Some(v1::FloodLimit {
            requests_per_second: Some(document.flood.requests_per_second),
            burst: document.flood.burst,
        }),
        reputation: Some(v1::ReputationLimit {
            abuse_confidence: document.reputation.abuse_confidence,
            on_unavailable: match document.reputation.on_unavailable {
                OnUnavailable::Allow => v1::OnUnavailable::Allow,
                OnUnavailable::Deny => v1::OnUnavailable::Deny,
            }
            .into(),
        }),
        risk: Some(v1::RiskLimit {
            challenge_score: document.risk.challenge_score,
            deny_score: document.risk.deny_score,
            pass_minutes: document.risk.pass_minutes,
            pin_score: document.risk.pin_score,
        }),
        training: training(document.training).into(),
        exposure: Some(v1::Caps {
            daily_cost: Some(document.exposure.daily_cost.to_string()),
            daily_international_minutes: Some(document.exposure.daily_international_minutes),
            assumed_minutes: Some(document.exposure.assumed_minutes),
            estimate: Some(document.exposure.estimate),
        }),
        new_accounts: Some(v1::NewAccount {
            limits: Some(super::account::limits(&document.new_accounts.limits)),
            source_countries: document.new_accounts.source_countries.clone(),
            destination_countries: document.new_accounts.destination_countries.clone(),
            maximum: Some(super::account::limits(&document.new_accounts.maximum)),
        }),
        rules: document
            .rules
            .iter()
            .map(|(rule, mode)| setting(*rule, *mode))
            .collect(),
        etag: view.record.version.to_string(),
        create_time: Some(timestamp(view.record.created_at)),
        update_time: Some(timestamp(view.record.updated_at)),
        notices: view.notices.clone(),
    }
}

fn training(mode: TrainingMode) -> v1::TrainingMode {
    match mode {
        TrainingMode::Off => v1::TrainingMode::Off,
        TrainingMode::Suggest => v1::TrainingMode::Suggest,
        TrainingMode::Apply => v1::TrainingMode::Apply,
    }
}

/// The name of a method in the API.
pub(crate) fn method(method: VerificationMethod) -> v1::VerificationMethod {
    match method {
        VerificationMethod::None => v1::VerificationMethod::None,
        VerificationMethod::Captcha => v1::VerificationMethod::Captcha,
        VerificationMethod::Pin => v1::VerificationMethod::Pin,
    }
}

fn setting(rule: Rule, mode: RuleMode) -> v1::RuleSetting {
    let rule = RULES
        .iter()
        .find(|(_, own)| *own == rule)
        .map_or(v1::Rule::Unspecified, |(theirs, _)| *theirs);
    let mode = MODES
        .iter()
        .find(|(_, own)| *own == mode)
        .map_or(v1::RuleMode::Unspecified, |(theirs, _)| *theirs);
    v1::RuleSetting {
        rule: rule.into(),
        mode: mode.into(),
    }
}

fn hours(document: &HoursDocument) -> v1::BusinessHours {
    v1::BusinessHours {
        weekly: document
            .weekly
            .iter()
            .flatten()
            .map(|span| v1::WeeklyHours {
                days: span.days.iter().map(ToString::to_string).collect(),
                from: span.from.to_string(),
                to: span.to.to_string(),
            })
            .collect(),
        holidays: document.holidays.iter().map(ToString::to_string).collect(),
        recurrence: document.recurrence.clone().unwrap_or_default(),
    }
}

fn dial_plan(plan: &DialPlan) -> v1::DialPlan {
    v1::DialPlan {
        home_country: plan.home_country().code().to_owned(),
        international_prefixes: plan
            .international_prefixes()
            .map(ToString::to_string)
            .collect(),
        national_prefix: Some(plan.national_prefix().unwrap_or_default().to_owned()),
        bare_numbers: match plan.bare_numbers() {
            BareNumbers::Auto => v1::BareNumbers::Auto,
            BareNumbers::E164 => v1::BareNumbers::E164,
            BareNumbers::National => v1::BareNumbers::National,
        }
        .into(),
        emergency_numbers: plan.emergency_numbers().to_vec(),
        carrier_codes: plan.carrier_codes().map(ToString::to_string).collect(),
    }
}

/// A document, its etag and the PIN that is to be set. What is not set gets its default.
pub(crate) fn document(policy: v1::Policy) -> Result<(PolicyDocument, String, String), Status> {
    let mut document = PolicyDocument::named(&policy.name, &policy.domain);
    document.description = policy.description;
    document.monitor = policy.monitor;
    document.response_mode = match v1::ResponseMode::try_from(policy.response_mode) {
        Ok(v1::ResponseMode::Unspecified) => document.response_mode,
        Ok(v1::ResponseMode::ResponseMode503603) => ResponseMode::Status503,
        Ok(v1::ResponseMode::ResponseMode302) => ResponseMode::Redirect302,
        Err(_) => return Err(none("policy.response_mode", policy.response_mode)),
    };
    if !policy.time_zone.is_empty() {
        document.time_zone = policy.time_zone;
    }
    if let Some(hours) = policy.business_hours {
        document.business_hours = read_hours(hours)?;
    }
    if let Some(plan) = policy.dial_plan {
        document.dial_plan = read_dial_plan(plan)?;
    }
    document.blocked_countries = policy.blocked_countries;
    document.allowed_source_countries = policy.allowed_source_countries;
    document.allowed_destination_countries = policy.allowed_destination_countries;
    let mut pin = String::new();
    if let Some(verification) = policy.verification {
        pin.clone_from(&verification.pin);
        read_verification(&mut document, &verification)?;
    }
    if let Some(repeats) = policy.repeats {
        let own = &mut document.repeats;
        take(&mut own.max_repeats, repeats.max_repeats);
        take(&mut own.gap_seconds, repeats.gap_seconds);
        take(&mut own.block_seconds, repeats.block_seconds);
        own.by_caller = repeats.by_caller;
    }
    if let Some(flood) = policy.flood {
        let own = &mut document.flood.requests_per_second;
        *own = flood.requests_per_second.unwrap_or(*own);
        take(&mut document.flood.burst, flood.burst);
    }
    if let Some(reputation) = policy.reputation {
        take(
            &mut document.reputation.abuse_confidence,
            reputation.abuse_confidence,
        );
        document.reputation.on_unavailable =
            match v1::OnUnavailable::try_from(reputation.on_unavailable) {
                Ok(v1::OnUnavailable::Unspecified) => document.reputation.on_unavailable,
                Ok(v1::OnUnavailable::Allow) => OnUnavailable::Allow,
                Ok(v1::OnUnavailable::Deny) => OnUnavailable::Deny,
                Err(_) => {
                    return Err(none(
                        "policy.reputation.on_unavailable",
                        reputation.on_unavailable,
                    ));
                }
            };
    }
    if let Some(risk) = policy.risk {
        let own = &mut document.risk;
        take(&mut own.challenge_score, risk.challenge_score);
        take(&mut own.deny_score, risk.deny_score);
        take(&mut own.pass_minutes, risk.pass_minutes);
        take(&mut own.pin_score, risk.pin_score);
    }
    if let Some(new) = policy.new_accounts {
        let own = &mut document.new_accounts;
        let read = |given: Option<v1::Limits>| limits_change(given.unwrap_or_default());
        own.limits = read(new.limits).of(own.limits);
        own.maximum = read(new.maximum).of(own.maximum);
        own.source_countries = new.source_countries;
        own.destination_countries = new.destination_countries;
    }
    if let Some(caps) = policy.exposure {
        let own = &mut document.exposure;
        own.daily_international_minutes = caps
            .daily_international_minutes
            .unwrap_or(own.daily_international_minutes);
        own.daily_cost = match caps.daily_cost.as_deref() {
            None => own.daily_cost,
            Some("") => Money::NONE,
            Some(cost) => cost
                .parse()
                .map_err(|error| status::invalid("policy.exposure.daily_cost", error))?,
        };
        own.assumed_minutes = caps.assumed_minutes.unwrap_or(own.assumed_minutes);
        own.estimate = caps.estimate.unwrap_or(own.estimate);
    }
    document.training = match v1::TrainingMode::try_from(policy.training) {
        Ok(v1::TrainingMode::Unspecified) => document.training,
        Ok(v1::TrainingMode::Off) => TrainingMode::Off,
        Ok(v1::TrainingMode::Suggest) => TrainingMode::Suggest,
        Ok(v1::TrainingMode::Apply) => TrainingMode::Apply,
        Err(_) => return Err(none("policy.training", policy.training)),
    };
    for setting in policy.rules {
        let rule = v1::Rule::try_from(setting.rule)
            .ok()
            .and_then(|rule| RULES.iter().find(|(theirs, _)| *theirs == rule))
            .ok_or_else(|| none("policy.rules.rule", setting.rule))?;
        let mode = v1::RuleMode::try_from(setting.mode)
            .ok()
            .and_then(|mode| MODES.iter().find(|(theirs, _)| *theirs == mode))
            .ok_or_else(|| none("policy.rules.mode", setting.mode))?;
        document.rules.insert(rule.1, mode.1);
    }
    Ok((document, policy.etag, pin))
}

fn read_hours(hours: v1::BusinessHours) -> Result<HoursDocument, Status> {
    let weekly = hours
        .weekly
        .into_iter()
        .map(|span| {
            Ok(WeeklySpan {
                days: span
                    .days
                    .iter()
                    .map(|day| day.parse())
                    .collect::<Result<_, _>>()
                    .map_err(|error| status::invalid("policy.business_hours.weekly.days", error))?,
                from: clock_time("policy.business_hours.weekly.from", &span.from)?,
                to: clock_time("policy.business_hours.weekly.to", &span.to)?,
            })
        })
        .collect::<Result<Vec<_>, Status>>()?;
    Ok(HoursDocument {
        weekly: (!weekly.is_empty()).then_some(weekly),
        holidays: hours
            .holidays
            .iter()
            .map(|day| {
                day.parse().map_err(|_| {
                    status::invalid(
                        "policy.business_hours.holidays",
                        format!("{day:?} is no date such as 2026-12-25"),
                    )
                })
            })
            .collect::<Result<_, _>>()?,
        recurrence: super::given(hours.recurrence),
    })
}

fn clock_time(field: &str, text: &str) -> Result<ClockTime, Status> {
    text.parse().map_err(|error| status::invalid(field, error))
}

fn read_dial_plan(plan: v1::DialPlan) -> Result<DialPlan, Status> {
    let home = if plan.home_country.is_empty() {
        Country::UNITED_STATES
    } else {
        Country::from_code(&plan.home_country)
            .map_err(|error| status::invalid("policy.dial_plan.home_country", error))?
    };
    let bare = match v1::BareNumbers::try_from(plan.bare_numbers) {
        Ok(v1::BareNumbers::Unspecified | v1::BareNumbers::Auto) => BareNumbers::Auto,
        Ok(v1::BareNumbers::E164) => BareNumbers::E164,
        Ok(v1::BareNumbers::National) => BareNumbers::National,
        Err(_) => return Err(none("policy.dial_plan.bare_numbers", plan.bare_numbers)),
    };
    let wrong = |error| status::invalid("policy.dial_plan", error);
    let prefixes = |field: &str, texts: Vec<String>| -> Result<Vec<Prefix>, Status> {
        let read = texts.iter().map(|text| text.parse());
        read.collect::<Result<_, _>>()
            .map_err(|error: PrefixError| status::invalid(field, error))
    };
    let own = DialPlan::for_country(home)
        .with_bare_numbers(bare)
        .with_international_prefixes(prefixes(
            "policy.dial_plan.international_prefixes",
            plan.international_prefixes,
        )?)
        .and_then(|own| own.with_emergency_numbers(plan.emergency_numbers))
        .map_err(wrong)?;
    let codes = prefixes("policy.dial_plan.carrier_codes", plan.carrier_codes)?;
    let own = own.with_carrier_codes(codes).map_err(wrong)?;
    match plan.national_prefix {
        None => Ok(own),
        Some(prefix) => own
            .with_national_prefix(super::given(prefix))
            .map_err(wrong),
    }
}

fn read_verification(
    document: &mut PolicyDocument,
    verification: &v1::Verification,
) -> Result<(), Status> {
    let own = &mut document.verification;
    own.method = match v1::VerificationMethod::try_from(verification.method) {
        Ok(v1::VerificationMethod::Unspecified) => own.method,
        Ok(v1::VerificationMethod::None) => VerificationMethod::None,
        Ok(v1::VerificationMethod::Captcha) => VerificationMethod::Captcha,
        Ok(v1::VerificationMethod::Pin) => VerificationMethod::Pin,
        Err(_) => return Err(none("policy.verification.method", verification.method)),
    };
    take(&mut own.captcha_digits, verification.captcha_digits);
    take(&mut own.captcha_seconds, verification.captcha_seconds);
    take(&mut own.challenge_seconds, verification.challenge_seconds);
    own.max_failures = verification.max_failures.unwrap_or(own.max_failures);
    take(&mut own.lock_seconds, verification.lock_seconds);
    take(&mut own.max_opens, verification.max_opens);
    own.grace_minutes = verification.grace_minutes.unwrap_or(own.grace_minutes);
    // How many calls is nothing to a country that is opened for good.
    let usual = if own.grace_minutes == 0 {
        0
    } else {
        own.grace_calls
    };
    own.grace_calls = verification.grace_calls.unwrap_or(usual);
    take(&mut own.quota_step, verification.quota_step);
    own.ask_limits = verification.ask_limits;
    // What is told to be 0 is 0: of these it means any number, or is refused.
    for (own, given) in [
        (
            &mut own.longest_lock_seconds,
            verification.longest_lock_seconds,
        ),
        (&mut own.min_pin_digits, verification.min_pin_digits),
        (
            &mut own.max_failures_per_source,
            verification.max_failures_per_source,
        ),
        (
            &mut own.max_failures_per_trunk,
            verification.max_failures_per_trunk,
        ),
        (&mut own.max_pin_failures, verification.max_pin_failures),
        (
            &mut own.onboardings_per_source,
            verification.onboardings_per_source,
        ),
        (
            &mut own.onboardings_per_trunk,
            verification.onboardings_per_trunk,
        ),
        (
            &mut own.onboardings_per_domain,
            verification.onboardings_per_domain,
        ),
    ] {
        *own = given.unwrap_or(*own);
    }
    own.raise = match v1::Raise::try_from(verification.raise) {
        Ok(v1::Raise::Unspecified) => own.raise,
        Ok(v1::Raise::Day) => Raise::Day,
        Ok(v1::Raise::ForGood) => Raise::ForGood,
        Err(_) => return Err(none("policy.verification.raise", verification.raise)),
    };
    own.max_passed_per_day = verification
        .max_passed_per_day
        .unwrap_or(own.max_passed_per_day);
    own.pause_seconds = verification.pause_seconds.unwrap_or(own.pause_seconds);
    own.captcha = match v1::CaptchaKind::try_from(verification.captcha) {
        Ok(v1::CaptchaKind::Unspecified) => own.captcha,
        Ok(v1::CaptchaKind::Digits) => CaptchaKind::Digits,
        Ok(v1::CaptchaKind::Arithmetic) => CaptchaKind::Arithmetic,
        Ok(v1::CaptchaKind::DigitsAmongWords) => CaptchaKind::DigitsAmongWords,
        Err(_) => return Err(none("policy.verification.captcha", verification.captcha)),
    };
    Ok(())
}

/// Takes what is set; where 0 makes no sense, it is not set.
fn take(own: &mut u32, given: u32) {
    if given != 0 {
        *own = given;
    }
}

fn none(field: &str, number: i32) -> Status {
    status::invalid(field, format!("{number} is none of its values"))
}
