//! A policy as an operator writes it, in TOML or JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    CaptchaKind, DEFAULT, OnUnavailable, PolicyError, Raise, ResponseMode, RuleMode, TrainingMode,
    VerificationMethod,
};
use crate::{
    account::Limits,
    call::domain_name,
    exposure::Caps,
    number::{Country, DialPlan},
    rules::Rule,
    schedule::HoursDocument,
};

/// A policy as it is written. Every key has a default. Lists of countries name them by their codes or by groups, and have exceptions
/// ([`CountrySet::named`](crate::number::CountrySet::named)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyDocument {
    /// Its name: letters, digits, `-`, `_`, `.`, at most 64.
    pub name: String,
    /// The domain it belongs to; empty: a general one.
    pub domain: String,
    /// What it is for, in the operator's words.
    pub description: String,
    /// Lets every call pass and records what would have been.
    pub monitor: bool,
    /// How a SIP front answers.
    pub response_mode: ResponseMode,
    /// IANA name, such as `America/New_York`.
    pub time_zone: String,
    /// Destination countries that are denied (R06).
    pub blocked_countries: Vec<String>,
    /// Source countries open to every account.
    pub allowed_source_countries: Vec<String>,
    /// Destination countries open to every account.
    pub allowed_destination_countries: Vec<String>,
    /// The rules whose mode is not the default one.
    pub rules: BTreeMap<Rule, RuleMode>,
    /// When business is open.
    pub business_hours: HoursDocument,
    /// How dialed numbers become E.164.
    pub dial_plan: DialPlan,
    /// How a challenged caller proves himself, and what that opens.
    pub verification: VerificationDocument,
    /// The pair of caller and destination that is called too often (R13).
    pub repeats: RepeatDocument,
    /// How often one source may ask (R19).
    pub flood: FloodDocument,
    /// What reputation makes a source bad (R02).
    pub reputation: ReputationDocument,
    /// From which score on the prediction objects (R18, V06).
    pub risk: RiskDocument,
    /// What an account starts with.
    pub new_accounts: NewAccountDocument,
    /// Whether accounts' limits follow what they do.
    pub training: TrainingMode,
    /// How much an account's calls of a day may cost, and how long they may last abroad.
    pub exposure: Caps,
}

/// How a challenged caller proves himself, and what that opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VerificationDocument {
    /// `captcha`, `pin` or `none`.
    pub method: VerificationMethod,
    /// How many digits a captcha has, 4 to 10.
    pub captcha_digits: u32,
    /// How long a captcha is good for, in seconds.
    pub captcha_seconds: u32,
    /// How long a challenge waits for its caller, in seconds.
    pub challenge_seconds: u32,
    /// Failures within `lock_seconds` that are borne; one more locks the account.
    pub max_failures: u32,
    /// How long failures count and a first lock lasts, in seconds; each further one lasts twice as long as the one before.
    pub lock_seconds: u32,
    /// How long a lock lasts at the most, in seconds.
    pub longest_lock_seconds: u32,
    /// Failures within `lock_seconds` that are borne from one IPv4 address or IPv6 /64, of all accounts; 0: any number.
    pub max_failures_per_source: u32,
    /// The same over one trunk; 0: any number.
    pub max_failures_per_trunk: u32,
    /// Failures against the policy's PIN within `longest_lock_seconds` that are borne, of all accounts; 0: any number.
    pub max_pin_failures: u32,
    /// How many digits a PIN has at the least that is set from now on, 4 to 16.
    pub min_pin_digits: u32,
    /// How many accounts may be onboarded within an hour from one IPv4 address or IPv6 /64; 0: any number.
    pub onboardings_per_source: u32,
    /// The same over one trunk; 0: any number.
    pub onboardings_per_trunk: u32,
    /// The same in one domain; 0: any number.
    pub onboardings_per_domain: u32,
    /// How often one challenge can be opened without being completed.
    pub max_opens: u32,
    /// How long a country that was opened stays so, in minutes; 0: for good.
    pub grace_minutes: u32,
    /// For how many calls it stays so, where it does not stay so for good; 0: any number.
    pub grace_calls: u32,
    /// By how much a passed verification raises a quota.
    pub quota_step: u32,
    /// Whether a caller who introduces himself is asked how many calls at once and a day he needs, and may come back
    /// to change them.
    pub ask_limits: bool,
    /// For how long a passed verification raises a quota: `day` or `for-good`.
    pub raise: Raise,
    /// How many verifications an account can pass a day, its onboarding aside; 0: any number.
    pub max_passed_per_day: u32,
    /// How long after the first passed verification of a day the next is offered, in seconds; after each further one it is twice as
    /// long. 0: at once.
    pub pause_seconds: u32,
    /// What a captcha asks: `digits`, `arithmetic` or `digits-among-words`.
    pub captcha: CaptchaKind,
    /// The hash of the policy's PIN, in PHC form; accounts without one of their own are asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin_hash: Option<String>,
}

/// The pair of caller and destination that is called too often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RepeatDocument {
    /// How many calls in a row pass.
    pub max_repeats: u32,
    /// Whether calls of one account to one number with other caller numbers are counted apart. Only where the switch itself sets
    /// the caller number.
    pub by_caller: bool,
    /// Calls further apart than this, in seconds, are no repeats.
    pub gap_seconds: u32,
    /// How long the pair is blocked, in seconds.
    pub block_seconds: u32,
}

/// How often one source may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FloodDocument {
    /// Requests a second from one source network, an IPv4 address or an IPv6 /64; 0: any number. An IPv6 /48 may send sixteen times as many.
    pub requests_per_second: u32,
    /// How many may come at once.
    pub burst: u32,
}

/// What reputation makes a source bad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReputationDocument {
    /// AbuseIPDB confidence from which a source is denied, 1 to 100.
    pub abuse_confidence: u32,
    /// What to do when reputation does not answer.
    pub on_unavailable: OnUnavailable,
}

/// From which score on the prediction objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RiskDocument {
    /// The score from which a human is asked for, 1 to 100; 101: never.
    pub challenge_score: u32,
    /// The score from which a call is denied, 1 to 100; 101: never.
    pub deny_score: u32,
    /// How long a caller who has proved himself may call the number, in minutes.
    pub pass_minutes: u32,
    /// The score from which no captcha will do, but the account's own PIN, 1 to 100; 101: never.
    pub pin_score: u32,
}

/// What an account starts with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewAccountDocument {
    /// Its limits.
    pub limits: Limits,
    /// Where its calls may come from; empty: the home country.
    pub source_countries: Vec<String>,
    /// Where its calls may go; empty: the home country.
    pub destination_countries: Vec<String>,
    /// What limits learned from a caller and quotas raised by a verification can reach at the most.
    pub maximum: Limits,
}

impl PolicyDocument {
    /// The default policy, under a name.
    pub fn named(name: &str, domain: &str) -> Self {
        Self {
            name: name.to_owned(),
            domain: domain.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn check(&self) -> Result<(), PolicyError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(fits) {
            return Err(PolicyError::new(
                "name",
                &format!(
                    "{:?} is no name: 1 to 64 letters, digits, `-`, `_` or `.`",
                    self.name
                ),
            ));
        }
        if !self.domain.is_empty() {
            domain_name(&self.domain)
                .map_err(|error| PolicyError::new("domain", &error.problem))?;
        }
        if self.description.len() > 1024 {
            return Err(PolicyError::new("description", "is over 1,024 bytes long"));
        }
        for (rule, mode) in &self.rules {
            rule.check_mode(*mode)
                .map_err(|problem| PolicyError::new("rules", &problem))?;
        }
        for (field, codes) in [
            ("blocked_countries", &self.blocked_countries),
            ("allowed_source_countries", &self.allowed_source_countries),
            (
                "allowed_destination_countries",
                &self.allowed_destination_countries,
            ),
            (
                "new_accounts.source_countries",
                &self.new_accounts.source_countries,
            ),
            (
                "new_accounts.destination_countries",
                &self.new_accounts.destination_countries,
            ),
        ] {
            within(field, codes.len(), 0, 300)?;
        }
        let verification = &self.verification;
        const DAY: usize = 86_400;
        for (field, value, low, high) in [
            (
                "verification.captcha_digits",
                verification.captcha_digits,
                4,
                10,
            ),
            (
                "verification.captcha_seconds",
                verification.captcha_seconds,
                10,
                3_600,
            ),
            (
                "verification.challenge_seconds",
                verification.challenge_seconds,
                10,
                DAY,
            ),
            (
                "verification.max_failures",
                verification.max_failures,
                0,
                100,
            ),
            (
                "verification.lock_seconds",
                verification.lock_seconds,
                1,
                30 * DAY,
            ),
            (
                "verification.longest_lock_seconds",
                verification.longest_lock_seconds,
                1,
                30 * DAY,
            ),
            (
                "verification.max_failures_per_source",
                verification.max_failures_per_source,
                0,
                1_000,
            ),
            (
                "verification.max_failures_per_trunk",
                verification.max_failures_per_trunk,
                0,
                1_000,
            ),
            (
                "verification.max_pin_failures",
                verification.max_pin_failures,
                0,
                1_000,
            ),
            (
                "verification.min_pin_digits",
                verification.min_pin_digits,
                4,
                16,
            ),
            (
                "verification.onboardings_per_source",
                verification.onboardings_per_source,
                0,
                10_000,
            ),
            (
                "verification.onboardings_per_trunk",
                verification.onboardings_per_trunk,
                0,
                10_000,
            ),
            (
                "verification.onboardings_per_domain",
                verification.onboardings_per_domain,
                0,
                10_000,
            ),
            ("verification.max_opens", verification.max_opens, 1, 100),
            (
                "verification.grace_minutes",
                verification.grace_minutes,
                0,
                366 * 1_440,
            ),
            (
                "verification.grace_calls",
                verification.grace_calls,
                0,
                1_000_000,
            ),
            (
                "verification.quota_step",
                verification.quota_step,
                1,
                1_000_000,
            ),
            (
                "verification.max_passed_per_day",
                verification.max_passed_per_day,
                0,
                1_000_000,
            ),
            (
                "verification.pause_seconds",
                verification.pause_seconds,
                0,
                DAY,
            ),
            (
                "exposure.assumed_minutes",
                self.exposure.assumed_minutes,
                0,
                1_440,
            ),
            (
                "repeats.max_repeats",
                self.repeats.max_repeats,
                1,
                1_000_000_000,
            ),
            ("repeats.gap_seconds", self.repeats.gap_seconds, 1, DAY),
            (
                "repeats.block_seconds",
                self.repeats.block_seconds,
                1,
                30 * DAY,
            ),
            (
                "flood.requests_per_second",
                self.flood.requests_per_second,
                0,
                1_000_000,
            ),
            ("flood.burst", self.flood.burst, 1, 1_000_000),
            (
                "reputation.abuse_confidence",
                self.reputation.abuse_confidence,
                1,
                100,
            ),
            ("risk.challenge_score", self.risk.challenge_score, 1, 101),
            ("risk.deny_score", self.risk.deny_score, 1, 101),
            ("risk.pin_score", self.risk.pin_score, 1, 101),
            ("risk.pass_minutes", self.risk.pass_minutes, 1, 366 * 1_440),
        ] {
            within(field, value as usize, low, high)?;
        }
        // The default number of calls is nothing to a country that is opened for good.
        let is_default = verification.grace_calls == VerificationDocument::default().grace_calls;
        if verification.grace_calls > 0 && verification.grace_minutes == 0 && !is_default {
            return Err(PolicyError::new(
                "verification.grace_calls",
                "needs grace_minutes: with 0 minutes a country is opened for good",
            ));
        }
        let limits = &self.new_accounts.limits;
        if limits.at_most(&self.new_accounts.maximum) != *limits {
            return Err(PolicyError::new(
                "new_accounts.limits",
                "must not be above new_accounts.maximum",
            ));
        }
        Ok(())
    }
}

fn within(field: &'static str, value: usize, low: usize, high: usize) -> Result<(), PolicyError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(PolicyError::new(
        field,
        &format!("is {value}; {low} to {high} is possible"),
    ))
}

impl Default for PolicyDocument {
    fn default() -> Self {
        Self {
            name: DEFAULT.to_owned(),
            domain: String::new(),
            description: String::new(),
            monitor: false,
            response_mode: ResponseMode::Status503,
            time_zone: "America/New_York".to_owned(),
            blocked_countries: [
                "CU", "LV", "TN", "DZ", "MA", "AF", "IQ", "LK", "MV", "TD", "GN", "EE", "MG",
            ]
            .map(str::to_owned)
            .to_vec(),
            allowed_source_countries: Vec::new(),
            allowed_destination_countries: Vec::new(),
            rules: BTreeMap::new(),
            business_hours: HoursDocument::default(),
            dial_plan: DialPlan::for_country(Country::UNITED_STATES),
            verification: VerificationDocument::default(),
            repeats: RepeatDocument::default(),
            flood: FloodDocument::default(),
            reputation: ReputationDocument::default(),
            risk: RiskDocument::default(),
            new_accounts: NewAccountDocument::default(),
            training: TrainingMode::default(),
            exposure: Caps::default(),
        }
    }
}

impl Default for VerificationDocument {
    fn default() -> Self {
        Self {
            method: VerificationMethod::Captcha,
            captcha_digits: 4,
            captcha_seconds: 120,
            challenge_seconds: 600,
            max_failures: 3,
            lock_seconds: 3_600,
            longest_lock_seconds: 86_400,
            max_failures_per_source: 20,
            max_failures_per_trunk: 100,
            max_pin_failures: 50,
            min_pin_digits: 6,
            onboardings_per_source: 50,
            onboardings_per_trunk: 100,
            onboardings_per_domain: 200,
            max_opens: 5,
            grace_minutes: 1_440,
            grace_calls: 20,
            quota_step: 1,
            ask_limits: false,
            raise: Raise::Day,
            max_passed_per_day: 3,
            pause_seconds: 60,
            captcha: CaptchaKind::Digits,
            pin_hash: None,
        }
    }
}

impl Default for RepeatDocument {
    fn default() -> Self {
        Self {
            max_repeats: 5,
            by_caller: false,
            gap_seconds: 30,
            block_seconds: 3_600,
        }
    }
}

impl Default for FloodDocument {
    fn default() -> Self {
        Self {
            requests_per_second: 100,
            burst: 200,
        }
    }
}

impl Default for ReputationDocument {
    fn default() -> Self {
        Self {
            abuse_confidence: 10,
            on_unavailable: OnUnavailable::Allow,
        }
    }
}

impl Default for RiskDocument {
    fn default() -> Self {
        Self {
            challenge_score: 90,
            deny_score: 98,
            pass_minutes: 1_440,
            pin_score: 95,
        }
    }
}

impl Default for NewAccountDocument {
    fn default() -> Self {
        Self {
            limits: Limits {
                concurrent_calls: 2,
                concurrent_calls_off_hours: 1,
                daily_quota: 10,
                daily_quota_off_hours: 2,
            },
            source_countries: Vec::new(),
            destination_countries: Vec::new(),
            maximum: Limits {
                concurrent_calls: 5,
                concurrent_calls_off_hours: 5,
                daily_quota: 99,
                daily_quota_off_hours: 99,
            },
        }
    }
}
