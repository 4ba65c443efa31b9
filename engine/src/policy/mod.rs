//! A policy: how the calls of some accounts are judged.
//!
//! The operator writes a [`PolicyDocument`]; it is compiled once into a [`Policy`], which is what decisions read.

mod bounds;
mod document;

pub use bounds::Weaker;
pub use document::{
    FloodDocument, NewAccountDocument, PolicyDocument, RepeatDocument, ReputationDocument,
    VerificationDocument,
};

use jiff::{Timestamp, civil, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    account::Limits,
    exposure::{Rates, Tariff},
    number::{CountrySet, DialPlan, E164, NumberFacts},
    rules::Rule,
    schedule::{self, BusinessHours, HoursError},
    usage::{FailureLimit, FailureLimits, OnboardingLimits},
};

/// The name of the policy that a domain's accounts are under unless they name another.
pub const DEFAULT: &str = "default";

/// How many times as many accounts as in one domain may be onboarded from one source in all domains together.
const SOURCE_OF_ALL: u32 = 4;

/// Whether accounts' limits follow what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainingMode {
    /// They do not.
    #[default]
    Off,
    /// Every night other limits are proposed, for somebody to apply.
    Suggest,
    /// Every night they are changed.
    Apply,
}

/// What a rule does when it bites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleMode {
    /// Deny.
    Enforce,
    /// Ask for a verification; where the policy has none, deny.
    Challenge,
    /// Let the call pass and record what would have been.
    Report,
    /// Not asked.
    Off,
}

impl RuleMode {
    /// `enforce`, `challenge`, `report` or `off`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Challenge => "challenge",
            Self::Report => "report",
            Self::Off => "off",
        }
    }
}

/// How a SIP front answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseMode {
    /// 503 approved: fail over to the next gateway; 603 denied.
    #[serde(rename = "503-603")]
    Status503,
    /// 302 with `A00` and the number, or a bare `Rxx`, as the Contact's user.
    #[serde(rename = "302")]
    Redirect302,
}

/// How a challenged caller proves to be the account's human.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerificationMethod {
    /// Not at all: what would be challenged is denied.
    None,
    /// Random digits are read out and typed back.
    Captcha,
    /// The account's PIN, or the policy's.
    Pin,
}

/// For how long a passed verification raises a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Raise {
    /// For the day on which it was passed.
    Day,
    /// For good.
    ForGood,
}

/// What a captcha asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaptchaKind {
    /// Digits are read out, to be typed as they are.
    Digits,
    /// A sum is asked for.
    Arithmetic,
    /// Digits are read out, and which of them to type is told in words.
    DigitsAmongWords,
}

/// What to do when reputation does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnUnavailable {
    /// Let the call pass.
    Allow,
    /// Deny it.
    Deny,
}

/// A compiled policy.
#[derive(Debug)]
pub struct Policy {
    /// What it was made from.
    pub document: PolicyDocument,
    /// In which the day of the quotas is told.
    pub time_zone: TimeZone,
    /// When business is open.
    pub hours: BusinessHours,
    /// How dialed numbers become E.164.
    pub dial_plan: DialPlan,
    /// Destination countries that are denied.
    pub blocked_countries: CountrySet,
    /// Source countries open to every account.
    pub allowed_source_countries: CountrySet,
    /// Destination countries open to every account.
    pub allowed_destination_countries: CountrySet,
    /// What an account starts with: source countries.
    pub new_source_countries: CountrySet,
    /// What an account starts with: destination countries.
    pub new_destination_countries: CountrySet,
    modes: [RuleMode; Rule::COUNT],
}

impl Policy {
    /// Compiles a document.
    ///
    /// # Errors
    /// Names the field and what would be right.
    pub fn compile(document: PolicyDocument) -> Result<Self, PolicyError> {
        document.check()?;
        let time_zone = schedule::zone(&document.time_zone)
            .map_err(|error| PolicyError::new("time_zone", &error))?;
        let hours = BusinessHours::compile(&document.business_hours, &time_zone)
            .map_err(|error: HoursError| PolicyError::new("business_hours", &error))?;
        let dial_plan = document.dial_plan.clone();
        let home = CountrySet::from_iter([dial_plan.home_country()]);
        let or_home = |countries: CountrySet| {
            if countries.is_empty() {
                home
            } else {
                countries
            }
        };
        let mut modes = Rule::ALL.map(Rule::default_mode);
        for (&rule, &mode) in &document.rules {
            modes[rule as usize] = mode;
        }
        Ok(Self {
            time_zone,
            hours,
            dial_plan,
            blocked_countries: countries("blocked_countries", &document.blocked_countries)?,
            allowed_source_countries: countries(
                "allowed_source_countries",
                &document.allowed_source_countries,
            )?,
            allowed_destination_countries: countries(
                "allowed_destination_countries",
                &document.allowed_destination_countries,
            )?,
            new_source_countries: or_home(countries(
                "new_accounts.source_countries",
                &document.new_accounts.source_countries,
            )?),
            new_destination_countries: or_home(countries(
                "new_accounts.destination_countries",
                &document.new_accounts.destination_countries,
            )?),
            modes,
            document,
        })
    }

    /// The mode of a rule.
    pub fn mode(&self, rule: Rule) -> RuleMode {
        self.modes[rule as usize]
    }

    /// Whether a challenged caller has a way to prove himself.
    pub fn verifies(&self) -> bool {
        self.document.verification.method != VerificationMethod::None
    }

    /// Whether a caller has a way to prove himself for an account. The policy's PIN opens no account that is not known: who
    /// invents accounts could guess it for as long as they like.
    pub fn verifies_account(&self, known: bool) -> bool {
        match self.document.verification.method {
            VerificationMethod::None => false,
            VerificationMethod::Captcha => true,
            VerificationMethod::Pin => known,
        }
    }

    /// How many failed verifications are borne.
    pub fn failure_limits(&self) -> FailureLimits {
        let own = &self.document.verification;
        let limit = |max| FailureLimit {
            max,
            window: own.lock_seconds,
            longest: own.longest_lock_seconds,
        };
        let bound = |max: u32| limit((max > 0).then_some(max));
        FailureLimits {
            account: limit(Some(own.max_failures)),
            source: bound(own.max_failures_per_source),
            trunk: bound(own.max_failures_per_trunk),
            // Many share it, and hardly anybody changes it: what is borne an hour would find it in days.
            pin: FailureLimit {
                window: own.lock_seconds.max(own.longest_lock_seconds),
                ..bound(own.max_pin_failures)
            },
        }
    }

    /// How many accounts may be onboarded within an hour.
    pub fn onboarding_limits(&self) -> OnboardingLimits {
        let own = &self.document.verification;
        OnboardingLimits {
            source: own.onboardings_per_source,
            trunk: own.onboardings_per_trunk,
            domain: own.onboardings_per_domain,
            source_of_all: if self.document.domain.is_empty() {
                own.onboardings_per_source.saturating_mul(SOURCE_OF_ALL)
            } else {
                0
            },
        }
    }

    /// What an account starts with.
    pub fn new_limits(&self) -> Limits {
        self.document.new_accounts.limits
    }

    /// What learning and verification can reach at the most.
    pub fn maximum_limits(&self) -> Limits {
        self.document.new_accounts.maximum
    }

    /// The most that a caller who has proved themself can ask for. What is raised for good needs a policy that says so: otherwise it
    /// is what a new account has, or what the account has already.
    pub fn limits_on_request(&self, own: &Limits) -> Limits {
        let maximum = self.maximum_limits();
        match self.document.verification.raise {
            Raise::ForGood => maximum,
            Raise::Day => own.or_more(&self.new_limits()).at_most(&maximum),
        }
    }

    /// What a call to a number adds to its account's exposure; `None`: nothing that the policy caps.
    pub fn tariff(&self, number: &E164, plan: &NumberFacts, rates: &Rates) -> Option<Tariff> {
        let home = self.dial_plan.home_country();
        self.document.exposure.tariff(number, plan, home, rates)
    }

    /// The calendar day and the hour of the clock in the policy's time zone.
    pub fn local(&self, at: Timestamp) -> civil::DateTime {
        self.time_zone.to_datetime(at)
    }

    /// When the calendar day of a moment began in the policy's time zone.
    pub fn day_began(&self, at: Timestamp) -> Timestamp {
        let local = at.to_zoned(self.time_zone.clone());
        local
            .start_of_day()
            .map_or(at, |midnight| midnight.timestamp())
    }

    /// What an operator should know about it.
    pub fn notices(&self) -> Vec<String> {
        self.hours
            .notices()
            .iter()
            .map(ToString::to_string)
            .collect()
    }
}

fn countries(field: &'static str, named: &[String]) -> Result<CountrySet, PolicyError> {
    CountrySet::named(named).map_err(|error| PolicyError::new(field, &error))
}

/// What is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct PolicyError {
    /// The field, as a path.
    pub field: &'static str,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl PolicyError {
    fn new(field: &'static str, problem: &(impl ToString + ?Sized)) -> Self {
        Self {
            field,
            problem: problem.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_policy_compiles_and_is_the_documented_one() {
        let policy = Policy::compile(PolicyDocument::named(DEFAULT, "")).unwrap();
        assert_eq!(policy.mode(Rule::DestinationCountry), RuleMode::Challenge);
        assert_eq!(policy.mode(Rule::BlockedCountry), RuleMode::Enforce);
        assert_eq!(policy.mode(Rule::UnknownSourceCountry), RuleMode::Off);
        assert_eq!(policy.blocked_countries.len(), 13);
        assert_eq!(policy.new_destination_countries.to_string(), "US");
        let monday_noon: Timestamp = "2026-06-08T12:00:00-04:00".parse().unwrap();
        assert!(policy.hours.is_open(monday_noon));
        assert!(policy.notices().is_empty());
    }

    #[test]
    fn a_rule_that_cannot_challenge_is_refused_to_be_told_so() {
        let mut document = PolicyDocument::named(DEFAULT, "");
        document
            .rules
            .insert(Rule::NumberListed, RuleMode::Challenge);
        let error = Policy::compile(document).unwrap_err();
        assert_eq!(error.field, "rules");
        assert!(error.problem.contains("number-listed"), "{error}");
    }

    #[test]
    fn a_country_that_is_none_is_named_with_its_field() {
        let mut document = PolicyDocument::named(DEFAULT, "");
        document.blocked_countries.push("LH".into());
        let error = Policy::compile(document).unwrap_err();
        assert_eq!(error.field, "blocked_countries");
        assert!(error.problem.contains("LH"), "{error}");
    }

    #[test]
    fn a_document_survives_toml() {
        let mut document = PolicyDocument::named("night", "example.com");
        document
            .rules
            .insert(Rule::DestinationCountry, RuleMode::Enforce);
        let text = toml::to_string(&document).unwrap();
        assert!(text.contains("destination-country = \"enforce\""), "{text}");
        assert_eq!(toml::from_str::<PolicyDocument>(&text).unwrap(), document);
    }

    #[test]
    fn an_empty_document_is_the_default_and_an_unknown_key_an_error() {
        assert_eq!(
            toml::from_str::<PolicyDocument>("").unwrap(),
            PolicyDocument::default()
        );
        let error = toml::from_str::<PolicyDocument>("monitr = true")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("monitr") && error.contains("monitor"),
            "{error}"
        );
    }
}
