//! An account: who is protected, and what it may do.

use serde::{Deserialize, Serialize};

use crate::{
    call::AccountId,
    decision::Purpose,
    number::CountrySet,
    policy::{Policy, Raise},
};

/// How many calls an account may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Calls at once in business hours.
    pub concurrent_calls: u32,
    /// Calls at once off hours.
    pub concurrent_calls_off_hours: u32,
    /// Allowed calls a day in business hours.
    pub daily_quota: u32,
    /// Allowed calls a day off hours.
    pub daily_quota_off_hours: u32,
}

impl Limits {
    /// The calls at once and the calls a day in hours of this kind.
    pub fn in_hours(&self, off_hours: bool) -> (u32, u32) {
        if off_hours {
            (self.concurrent_calls_off_hours, self.daily_quota_off_hours)
        } else {
            (self.concurrent_calls, self.daily_quota)
        }
    }

    /// The higher of each.
    #[must_use]
    pub fn or_more(&self, other: &Self) -> Self {
        Self {
            concurrent_calls: self.concurrent_calls.max(other.concurrent_calls),
            concurrent_calls_off_hours: self
                .concurrent_calls_off_hours
                .max(other.concurrent_calls_off_hours),
            daily_quota: self.daily_quota.max(other.daily_quota),
            daily_quota_off_hours: self.daily_quota_off_hours.max(other.daily_quota_off_hours),
        }
    }

    /// The lower of each.
    #[must_use]
    pub fn at_most(&self, bound: &Self) -> Self {
        Self {
            concurrent_calls: self.concurrent_calls.min(bound.concurrent_calls),
            concurrent_calls_off_hours: self
                .concurrent_calls_off_hours
                .min(bound.concurrent_calls_off_hours),
            daily_quota: self.daily_quota.min(bound.daily_quota),
            daily_quota_off_hours: self.daily_quota_off_hours.min(bound.daily_quota_off_hours),
        }
    }
}

/// An account, as far as a decision reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub id: AccountId,
    /// How many calls it may make.
    pub limits: Limits,
    /// Where its calls may come from.
    pub source_countries: CountrySet,
    /// Where its calls may go.
    pub destination_countries: CountrySet,
    /// Why the operator blocked it, if so.
    pub blocked: RareText,
    /// The policy it names; its domain's default otherwise.
    pub policy: RareText,
    /// Whether it has a PIN of its own.
    pub has_pin: bool,
}

impl Account {
    /// A new account under a policy.
    pub fn new(id: AccountId, policy: &Policy) -> Self {
        Self {
            id,
            limits: policy.new_limits(),
            source_countries: policy.new_source_countries,
            destination_countries: policy.new_destination_countries,
            blocked: RareText::default(),
            policy: RareText::default(),
            has_pin: false,
        }
    }

    /// Opens for good what a passed verification opens: the one country, or, where the policy raises quotas for good, a step of the
    /// quota. Nothing else.
    pub fn open(&mut self, purpose: Purpose, policy: &Policy) {
        let verification = &policy.document.verification;
        let step = match verification.raise {
            Raise::Day => 0,
            Raise::ForGood => verification.quota_step,
        };
        let maximum = policy.maximum_limits();
        let limits = &mut self.limits;
        match purpose {
            Purpose::SourceCountry(country) => {
                self.source_countries.insert(country);
            }
            Purpose::DestinationCountry(country) => {
                self.destination_countries.insert(country);
            }
            Purpose::Quota => {
                limits.daily_quota = raised(limits.daily_quota, step, maximum.daily_quota);
            }
            Purpose::QuotaOffHours => {
                limits.daily_quota_off_hours = raised(
                    limits.daily_quota_off_hours,
                    step,
                    maximum.daily_quota_off_hours,
                );
            }
            Purpose::Onboarding | Purpose::Risk => {}
        }
    }
}

fn raised(quota: u32, step: u32, maximum: u32) -> u32 {
    quota.saturating_add(step).min(maximum.max(quota))
}

/// A text that few accounts have. Where there is none it takes a word: there are a million accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RareText(Option<Box<Box<str>>>);

impl RareText {
    /// The text, if there is one.
    pub fn as_deref(&self) -> Option<&str> {
        self.0.as_deref().map(AsRef::as_ref)
    }

    /// Whether there is one.
    pub fn is_some(&self) -> bool {
        self.0.is_some()
    }
}

impl From<Option<&str>> for RareText {
    fn from(text: Option<&str>) -> Self {
        Self(text.map(|text| Box::new(text.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_raised_by_the_step_and_never_over_the_maximum() {
        assert_eq!(raised(10, 1, 99), 11);
        assert_eq!(raised(98, 5, 99), 99);
        assert_eq!(raised(120, 5, 99), 120);
    }
}
