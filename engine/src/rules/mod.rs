//! The rules, one file each, in the order in which they are asked. R17 is asked where another would challenge.

mod r01_user_agent;
mod r02_reputation;
mod r03_number_listed;
mod r04_v02_source_country;
mod r05_unknown_source_country;
mod r06_blocked_country;
mod r06_v03_destination_country;
mod r07_unknown_prefix;
pub(crate) mod r08_r10_concurrency;
pub(crate) mod r09_r11_v04_v05_quota;
mod r12_malformed_input;
mod r13_repeated_call;
mod r14_source_listed;
mod r15_apiban;
mod r16_account_blocked;
pub(crate) mod r17_failed_verifications;
mod r18_v06_risk;
mod r19_source_flood;
mod r20_v01_unknown_account;
pub(crate) mod r21_exposure;

pub use r12_malformed_input::injection;

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    decision::{Code, Purpose},
    facts::Facts,
    policy::RuleMode,
};

/// A rule. The order is the one in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// R12
    MalformedInput,
    /// R19
    SourceFlood,
    /// R16
    AccountBlocked,
    /// R01
    UserAgent,
    /// R14
    SourceListed,
    /// R03
    NumberListed,
    /// R07
    UnknownPrefix,
    /// R06, the policy's block list of countries
    BlockedCountry,
    /// R13
    RepeatedCall,
    /// R15
    Apiban,
    /// R02
    Reputation,
    /// V01, R20
    UnknownAccount,
    /// V02, R04
    SourceCountry,
    /// R05
    UnknownSourceCountry,
    /// V03, R06: not among the account's countries
    DestinationCountry,
    /// V06, R18
    Risk,
    /// R10, R08
    Concurrency,
    /// R21
    Exposure,
    /// V04, R11
    Quota,
    /// V05, R09
    QuotaOffHours,
    /// R17, in the place of a challenge that nobody may pass now
    FailedVerifications,
}

/// What a rule says of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing to object to.
    Passes,
    /// It does not apply: why.
    Skips(&'static str),
    /// It objects.
    Bites(Objection),
}

/// An objection to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// Which rule.
    pub rule: Rule,
    /// The code when it denies.
    pub code: Code,
    /// Why, for an operator to read.
    pub reason: Cow<'static, str>,
    /// The code and the purpose when it challenges, where it can.
    pub challenge: Option<(Code, Purpose)>,
}

/// How a rule is asked.
pub(crate) struct Asked {
    pub(crate) rule: Rule,
    /// What it finds.
    pub(crate) evaluate: fn(&Facts<'_>) -> Finding,
    /// What it looked at and saw when nothing bit, for an explanation.
    pub(crate) seen: fn(&Facts<'_>) -> String,
}

/// Asked first: they need nothing but memory.
pub(crate) const SCREENING: [Asked; 9] = [
    r12_malformed_input::RULE,
    r19_source_flood::RULE,
    r16_account_blocked::RULE,
    r01_user_agent::RULE,
    r14_source_listed::RULE,
    r03_number_listed::RULE,
    r07_unknown_prefix::RULE,
    r06_blocked_country::RULE,
    r13_repeated_call::RULE,
];

/// Asked when the source's reputation and country are known.
pub(crate) const JUDGING: [Asked; 7] = [
    r15_apiban::RULE,
    r02_reputation::RULE,
    r20_v01_unknown_account::RULE,
    r04_v02_source_country::RULE,
    r05_unknown_source_country::RULE,
    r06_v03_destination_country::RULE,
    r18_v06_risk::RULE,
];

impl Rule {
    /// How many there are.
    pub const COUNT: usize = 21;

    /// Every rule, in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::MalformedInput,
        Self::SourceFlood,
        Self::AccountBlocked,
        Self::UserAgent,
        Self::SourceListed,
        Self::NumberListed,
        Self::UnknownPrefix,
        Self::BlockedCountry,
        Self::RepeatedCall,
        Self::Apiban,
        Self::Reputation,
        Self::UnknownAccount,
        Self::SourceCountry,
        Self::UnknownSourceCountry,
        Self::DestinationCountry,
        Self::Risk,
        Self::Concurrency,
        Self::Exposure,
        Self::Quota,
        Self::QuotaOffHours,
        Self::FailedVerifications,
    ];

    /// Its name in a policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MalformedInput => "malformed-input",
            Self::SourceFlood => "source-flood",
            Self::AccountBlocked => "account-blocked",
            Self::UserAgent => "user-agent",
            Self::SourceListed => "source-listed",
            Self::NumberListed => "number-listed",
            Self::UnknownPrefix => "unknown-prefix",
            Self::BlockedCountry => "blocked-country",
            Self::RepeatedCall => "repeated-call",
            Self::Apiban => "apiban",
            Self::Reputation => "reputation",
            Self::FailedVerifications => "failed-verifications",
            Self::UnknownAccount => "unknown-account",
            Self::SourceCountry => "source-country",
            Self::UnknownSourceCountry => "unknown-source-country",
            Self::DestinationCountry => "destination-country",
            Self::Risk => "risk",
            Self::Concurrency => "concurrency",
            Self::Exposure => "exposure",
            Self::Quota => "quota",
            Self::QuotaOffHours => "quota-off-hours",
        }
    }

    /// Whether it can ask for a verification instead of denying.
    pub fn can_challenge(self) -> bool {
        matches!(
            self,
            Self::UnknownAccount
                | Self::SourceCountry
                | Self::DestinationCountry
                | Self::Risk
                | Self::Quota
                | Self::QuotaOffHours
        )
    }

    /// The mode a policy has it in unless it says otherwise.
    pub fn default_mode(self) -> RuleMode {
        match self {
            Self::UnknownSourceCountry => RuleMode::Off,
            rule if rule.can_challenge() => RuleMode::Challenge,
            _ => RuleMode::Enforce,
        }
    }

    /// Whether a policy may have it in this mode.
    ///
    /// # Errors
    /// Says why not.
    pub fn check_mode(self, mode: RuleMode) -> Result<(), ImpossibleMode> {
        match mode {
            RuleMode::Challenge if !self.can_challenge() => {
                Err(ImpossibleMode::CannotChallenge(self))
            }
            RuleMode::Off if self == Self::MalformedInput => Err(ImpossibleMode::CannotBeOff(self)),
            _ => Ok(()),
        }
    }
}

/// A mode that a rule can't have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImpossibleMode {
    /// It has nothing to ask the caller.
    #[error("`{0}` can't challenge; it can enforce, report or be off")]
    CannotChallenge(Rule),
    /// Nothing else could judge such a call.
    #[error(
        "`{0}` can't be off, since no other rule can judge such a call; it can enforce or report"
    )]
    CannotBeOff(Rule),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No such rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rule")]
pub struct UnknownRule(pub String);

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        Self::ALL
            .into_iter()
            .find(|rule| rule.as_str() == text)
            .ok_or_else(|| UnknownRule(text.to_owned()))
    }
}

impl Objection {
    fn denial(rule: Rule, code: Code, reason: impl Into<Cow<'static, str>>) -> Finding {
        Finding::Bites(Self {
            rule,
            code,
            reason: reason.into(),
            challenge: None,
        })
    }

    fn challenge(
        rule: Rule,
        code: Code,
        challenge: (Code, Purpose),
        reason: impl Into<Cow<'static, str>>,
    ) -> Finding {
        Finding::Bites(Self {
            rule,
            code,
            reason: reason.into(),
            challenge: Some(challenge),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_asked_once_and_in_its_order() {
        let asked: Vec<Rule> = SCREENING
            .iter()
            .chain(&JUDGING)
            .map(|asked| asked.rule)
            .chain([
                Rule::Concurrency,
                Rule::Exposure,
                Rule::Quota,
                Rule::QuotaOffHours,
                r17_failed_verifications::RULE,
            ])
            .collect();
        assert_eq!(asked, Rule::ALL);
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for rule in Rule::ALL {
            assert_eq!(rule.as_str().parse(), Ok(rule));
            assert_eq!(Rule::ALL[rule as usize], rule);
            assert!(rule.check_mode(rule.default_mode()).is_ok());
        }
    }
}
