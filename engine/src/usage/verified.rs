//! The verifications that an account passed on a day: how many, when the last one was, and by how much they raised its quotas.

use std::fmt;

use jiff::Timestamp;

use super::Day;
use crate::{
    account::Limits,
    decision::Purpose,
    policy::{Policy, Raise, VerificationDocument},
};

/// The longest pause, in seconds.
const LONGEST_PAUSE: i64 = 86_400;

/// The verifications that an account passed on a day. Its onboarding is none of them: it opens nothing but what the policy gives to
/// every new account, and who has just shown to be a person need not wait to call abroad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The day in the policy's time zone.
    pub day: Day,
    /// How many were passed.
    pub passed: u32,
    /// When the last of them was, in seconds since 1970.
    pub passed_at: i64,
    /// By how many calls they raised the quota of business hours, for this day.
    pub raised: u32,
    /// By how many calls they raised the quota of off hours, for this day.
    pub raised_off_hours: u32,
}

/// Why no verification is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// As many were passed today as the policy allows.
    DayIsFull(u32),
    /// The last one was passed a short while ago; until when, in seconds since 1970.
    Pause(i64),
}

impl Verified {
    /// What it comes to on a day: on a new one, nothing.
    #[must_use]
    pub fn on(self, day: Day) -> Self {
        if day > self.day {
            Self {
                day,
                ..Self::default()
            }
        } else {
            self
        }
    }

    /// By how many calls the quota in hours of this kind is raised.
    pub fn raised_in(&self, off_hours: bool) -> u32 {
        if off_hours {
            self.raised_off_hours
        } else {
            self.raised
        }
    }

    /// Counts a verification that an account passes, and raises the quota where it is about one and the policy raises it for the
    /// day: by its step, up to its maximum.
    #[must_use]
    pub fn with(
        mut self,
        purpose: Option<Purpose>,
        limits: &Limits,
        policy: &Policy,
        at: Timestamp,
    ) -> Self {
        if purpose == Some(Purpose::Onboarding) {
            return self;
        }
        self.passed = self.passed.saturating_add(1);
        self.passed_at = at.as_second();
        let document = &policy.document.verification;
        if document.raise == Raise::Day {
            let maximum = policy.maximum_limits();
            let (raised, quota, maximum) = match purpose {
                Some(Purpose::Quota) => (&mut self.raised, limits.daily_quota, maximum.daily_quota),
                Some(Purpose::QuotaOffHours) => (
                    &mut self.raised_off_hours,
                    limits.daily_quota_off_hours,
                    maximum.daily_quota_off_hours,
                ),
                _ => return self,
            };
            *raised = raised
                .saturating_add(document.quota_step)
                .min(maximum.saturating_sub(quota));
        }
        self
    }

    /// Why the account is offered no verification at a moment of the day, if so.
    pub fn withheld(&self, limits: &VerificationDocument, at: Timestamp) -> Option<Withheld> {
        if limits.max_passed_per_day > 0 && self.passed >= limits.max_passed_per_day {
            return Some(Withheld::DayIsFull(self.passed));
        }
        let doublings = self.passed.checked_sub(1)?.min(32);
        let pause = i64::from(limits.pause_seconds) << doublings;
        let until = self.passed_at.saturating_add(pause.min(LONGEST_PAUSE));
        (until > at.as_second()).then_some(Withheld::Pause(until))
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DayIsFull(passed) => write!(
                f,
                "no verification is offered until tomorrow: {passed} were passed today"
            ),
            Self::Pause(until) => write!(
                f,
                "no verification is offered until {}: one was passed a short while ago",
                Timestamp::from_second(*until).unwrap_or_default()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::policy::PolicyDocument;

    const MONDAY: Day = Day(20_260_608);
    const TUESDAY: Day = Day(20_260_609);

    fn noon() -> Timestamp {
        "2026-06-08T12:00:00Z".parse().unwrap()
    }

    fn policy(change: impl FnOnce(&mut VerificationDocument)) -> Policy {
        let mut document = PolicyDocument::default();
        change(&mut document.verification);
        Policy::compile(document).unwrap()
    }

    fn passed(policy: &Policy, purposes: &[Purpose]) -> Verified {
        let limits = policy.new_limits();
        let nothing = Verified::default().on(MONDAY);
        purposes.iter().fold(nothing, |verified, purpose| {
            verified.with(Some(*purpose), &limits, policy, noon())
        })
    }

    #[test]
    fn the_pause_doubles_and_the_day_is_full() {
        let policy = policy(|_| {});
        let limits = &policy.document.verification;
        let onboarded = passed(&policy, &[Purpose::Onboarding]);
        assert_eq!(onboarded.withheld(limits, noon()), None);
        for (times, seconds) in [(1, 60), (2, 120)] {
            let verified = passed(&policy, &vec![Purpose::Risk; times]);
            let until = noon() + seconds.seconds();
            assert_eq!(
                verified.withheld(limits, noon()),
                Some(Withheld::Pause(until.as_second()))
            );
            assert_eq!(verified.withheld(limits, until), None);
        }
        let three = passed(&policy, &[Purpose::Risk; 3]);
        assert_eq!(
            three.withheld(limits, noon() + 9.hours()),
            Some(Withheld::DayIsFull(3))
        );
        assert_eq!(three.on(TUESDAY).withheld(limits, noon()), None);
        // Where the policy's zone is moved to the west, the day that was reached goes on.
        assert_eq!(three.on(Day(20_260_607)), three);
    }

    #[test]
    fn any_number_without_a_pause_if_the_policy_says_so() {
        let policy = policy(|limits| (limits.max_passed_per_day, limits.pause_seconds) = (0, 0));
        let many = passed(&policy, &[Purpose::Risk; 100]);
        assert_eq!(many.withheld(&policy.document.verification, noon()), None);
        let endless = VerificationDocument {
            pause_seconds: 86_400,
            ..policy.document.verification.clone()
        };
        let until = (noon() + 24.hours()).as_second();
        assert_eq!(
            many.withheld(&endless, noon()),
            Some(Withheld::Pause(until))
        );
    }

    #[test]
    fn a_quota_is_raised_for_the_day_by_the_step_up_to_the_maximum() {
        let policy = policy(|limits| limits.quota_step = 60);
        let verified = passed(&policy, &[Purpose::Quota, Purpose::Quota]);
        assert_eq!((verified.raised, verified.raised_off_hours), (89, 0));
        let off_hours = passed(&policy, &[Purpose::QuotaOffHours]);
        assert_eq!(
            (off_hours.raised_in(true), off_hours.raised_in(false)),
            (60, 0)
        );
        let for_good = self::policy(|limits| limits.raise = Raise::ForGood);
        assert_eq!(passed(&for_good, &[Purpose::Quota]).raised, 0);
    }
}
