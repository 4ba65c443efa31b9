//! Whether a policy protects less than another: what an operator lets others set is bounded by a policy of the operator's.

use super::{
    CaptchaKind, FloodDocument, NewAccountDocument, OnUnavailable, Policy, PolicyDocument, Raise,
    RepeatDocument, ReputationDocument, RuleMode, TrainingMode, VerificationDocument,
    VerificationMethod, document::RiskDocument,
};
use crate::{
    account::Limits,
    exposure::{Caps, Money},
    rules::Rule,
};

/// A key by which a policy protects less than another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weaker {
    /// The key, as a path.
    pub field: String,
    /// What it is, and what it may be.
    pub problem: String,
}

impl Policy {
    /// The keys by which this policy protects less than another. What is a matter of taste protects nobody: names, time zone,
    /// business hours, the countries that accounts may call or be in, as long as those that are blocked stay so.
    pub fn weaker_than(&self, bound: &Self) -> Vec<Weaker> {
        let mut comparison = Comparison::default();
        comparison.policies(self, bound);
        comparison.weaker
    }
}

impl Limits {
    /// The limits that are above a bound.
    pub fn above(&self, bound: &Self, field: &str) -> Vec<Weaker> {
        let mut comparison = Comparison::default();
        comparison.limits(field, self, bound);
        comparison.weaker
    }
}

#[derive(Default)]
struct Comparison {
    weaker: Vec<Weaker>,
}

impl Comparison {
    fn policies(&mut self, own: &Policy, bound: &Policy) {
        // Every key is named, so that whoever adds one decides whether it protects.
        let PolicyDocument {
            name: _,
            domain: _,
            description: _,
            monitor,
            response_mode: _,
            time_zone: _,
            blocked_countries: _,
            allowed_source_countries: _,
            allowed_destination_countries: _,
            rules: _,
            business_hours: _,
            dial_plan,
            verification,
            repeats,
            flood,
            reputation,
            risk,
            new_accounts,
            training,
            exposure,
        } = &own.document;
        let other = &bound.document;
        self.unless(!monitor || other.monitor, "monitor", "must be false");
        let missing = bound
            .blocked_countries
            .iter()
            .filter(|country| !own.blocked_countries.contains(*country))
            .map(|country| country.code().to_owned())
            .collect::<Vec<_>>();
        self.unless(
            missing.is_empty(),
            "blocked_countries",
            &format!("must have {} in it", missing.join(", ")),
        );
        for rule in Rule::ALL {
            let (mode, least) = (own.mode(rule), bound.mode(rule));
            self.unless(
                strength(mode) >= strength(least),
                "rules",
                &format!("{} must not be less than {}", rule.as_str(), least.as_str()),
            );
        }
        self.unless(
            *dial_plan == other.dial_plan,
            "dial_plan",
            "must stay as it is: it says which calls leave the country, and which pass without any rule",
        );
        self.verification(verification, &other.verification);
        self.repeats(repeats, &other.repeats);
        self.flood(flood, &other.flood);
        self.reputation(reputation, &other.reputation);
        self.risk(risk, &other.risk);
        let NewAccountDocument {
            limits,
            source_countries: _,
            destination_countries: _,
            maximum,
        } = new_accounts;
        self.limits("new_accounts.limits", limits, &other.new_accounts.maximum);
        self.limits("new_accounts.maximum", maximum, &other.new_accounts.maximum);
        self.unless(
            *training != TrainingMode::Apply || other.training == TrainingMode::Apply,
            "training",
            "must not be apply",
        );
        self.caps(exposure, &other.exposure);
    }

    fn verification(&mut self, own: &VerificationDocument, bound: &VerificationDocument) {
        let VerificationDocument {
            method,
            captcha_digits,
            captcha_seconds,
            challenge_seconds,
            max_failures,
            lock_seconds,
            longest_lock_seconds,
            max_failures_per_source,
            max_failures_per_trunk,
            max_pin_failures,
            min_pin_digits,
            onboardings_per_source,
            onboardings_per_trunk,
            onboardings_per_domain,
            max_opens,
            grace_minutes,
            grace_calls,
            quota_step,
            ask_limits,
            raise,
            max_passed_per_day,
            pause_seconds,
            captcha,
            pin_hash: _,
        } = own;
        // Without a method, what would be challenged is denied.
        let proof = |method| match method {
            VerificationMethod::Captcha => 0,
            VerificationMethod::Pin => 1,
            VerificationMethod::None => 2,
        };
        self.unless(
            proof(*method) >= proof(bound.method),
            "verification.method",
            "must not be captcha",
        );
        self.at_least(
            "verification.captcha_digits",
            *captcha_digits,
            bound.captcha_digits,
        );
        self.at_most(
            "verification.captcha_seconds",
            *captcha_seconds,
            bound.captcha_seconds,
        );
        self.at_most(
            "verification.challenge_seconds",
            *challenge_seconds,
            bound.challenge_seconds,
        );
        self.at_most(
            "verification.max_failures",
            *max_failures,
            bound.max_failures,
        );
        self.at_least(
            "verification.lock_seconds",
            *lock_seconds,
            bound.lock_seconds,
        );
        self.at_least(
            "verification.longest_lock_seconds",
            *longest_lock_seconds,
            bound.longest_lock_seconds,
        );
        self.at_least(
            "verification.min_pin_digits",
            *min_pin_digits,
            bound.min_pin_digits,
        );
        self.at_most("verification.max_opens", *max_opens, bound.max_opens);
        for (key, value, most) in [
            (
                "max_failures_per_source",
                max_failures_per_source,
                bound.max_failures_per_source,
            ),
            (
                "max_failures_per_trunk",
                max_failures_per_trunk,
                bound.max_failures_per_trunk,
            ),
            ("max_pin_failures", max_pin_failures, bound.max_pin_failures),
            (
                "onboardings_per_source",
                onboardings_per_source,
                bound.onboardings_per_source,
            ),
            (
                "onboardings_per_trunk",
                onboardings_per_trunk,
                bound.onboardings_per_trunk,
            ),
            (
                "onboardings_per_domain",
                onboardings_per_domain,
                bound.onboardings_per_domain,
            ),
            ("grace_minutes", grace_minutes, bound.grace_minutes),
            ("grace_calls", grace_calls, bound.grace_calls),
            (
                "max_passed_per_day",
                max_passed_per_day,
                bound.max_passed_per_day,
            ),
        ] {
            self.at_most_or_any(&format!("verification.{key}"), *value, most);
        }
        self.at_least(
            "verification.pause_seconds",
            *pause_seconds,
            bound.pause_seconds,
        );
        self.unless(
            *raise == Raise::Day || bound.raise == Raise::ForGood,
            "verification.raise",
            "must be day",
        );
        self.unless(
            *captcha != CaptchaKind::Digits || bound.captcha == CaptchaKind::Digits,
            "verification.captcha",
            "must not be digits",
        );
        self.unless(
            !ask_limits || bound.ask_limits,
            "verification.ask_limits",
            "must be false",
        );
        self.at_most("verification.quota_step", *quota_step, bound.quota_step);
    }

    fn repeats(&mut self, own: &RepeatDocument, bound: &RepeatDocument) {
        let RepeatDocument {
            max_repeats,
            by_caller,
            gap_seconds,
            block_seconds,
        } = own;
        self.unless(
            !by_caller || bound.by_caller,
            "repeats.by_caller",
            "must be false",
        );
        self.at_most("repeats.max_repeats", *max_repeats, bound.max_repeats);
        self.at_least("repeats.gap_seconds", *gap_seconds, bound.gap_seconds);
        self.at_least("repeats.block_seconds", *block_seconds, bound.block_seconds);
    }

    fn flood(&mut self, own: &FloodDocument, bound: &FloodDocument) {
        let FloodDocument {
            requests_per_second,
            burst,
        } = own;
        self.at_most_or_any(
            "flood.requests_per_second",
            *requests_per_second,
            bound.requests_per_second,
        );
        self.at_most("flood.burst", *burst, bound.burst);
    }

    fn reputation(&mut self, own: &ReputationDocument, bound: &ReputationDocument) {
        let ReputationDocument {
            abuse_confidence,
            on_unavailable,
        } = own;
        self.at_most(
            "reputation.abuse_confidence",
            *abuse_confidence,
            bound.abuse_confidence,
        );
        self.unless(
            *on_unavailable == OnUnavailable::Deny || bound.on_unavailable == OnUnavailable::Allow,
            "reputation.on_unavailable",
            "must be deny",
        );
    }

    fn risk(&mut self, own: &RiskDocument, bound: &RiskDocument) {
        let RiskDocument {
            challenge_score,
            deny_score,
            pass_minutes,
            pin_score,
        } = own;
        self.at_most("risk.pin_score", *pin_score, bound.pin_score);
        self.at_most(
            "risk.challenge_score",
            *challenge_score,
            bound.challenge_score,
        );
        self.at_most("risk.deny_score", *deny_score, bound.deny_score);
        self.at_most("risk.pass_minutes", *pass_minutes, bound.pass_minutes);
    }

    fn caps(&mut self, own: &Caps, bound: &Caps) {
        let Caps {
            daily_cost,
            daily_international_minutes,
            assumed_minutes,
            estimate,
        } = own;
        self.at_least(
            "exposure.assumed_minutes",
            *assumed_minutes,
            bound.assumed_minutes,
        );
        self.unless(
            *estimate || !bound.estimate,
            "exposure.estimate",
            "must be true",
        );
        let capped = *daily_cost > Money::NONE && *daily_cost <= bound.daily_cost;
        self.unless(
            capped || bound.daily_cost == Money::NONE,
            "exposure.daily_cost",
            &format!(
                "is {daily_cost}; more than 0 and at most {} is possible",
                bound.daily_cost
            ),
        );
        self.at_most_or_any(
            "exposure.daily_international_minutes",
            *daily_international_minutes,
            bound.daily_international_minutes,
        );
    }

    fn limits(&mut self, field: &str, own: &Limits, bound: &Limits) {
        let Limits {
            concurrent_calls,
            concurrent_calls_off_hours,
            daily_quota,
            daily_quota_off_hours,
        } = own;
        for (key, value, most) in [
            ("concurrent_calls", concurrent_calls, bound.concurrent_calls),
            (
                "concurrent_calls_off_hours",
                concurrent_calls_off_hours,
                bound.concurrent_calls_off_hours,
            ),
            ("daily_quota", daily_quota, bound.daily_quota),
            (
                "daily_quota_off_hours",
                daily_quota_off_hours,
                bound.daily_quota_off_hours,
            ),
        ] {
            self.at_most(&format!("{field}.{key}"), *value, most);
        }
    }

    fn at_most(&mut self, field: &str, value: u32, most: u32) {
        self.unless(
            value <= most,
            field,
            &format!("is {value}; at most {most} is possible"),
        );
    }

    /// Where 0 stands for any number.
    fn at_most_or_any(&mut self, field: &str, value: u32, most: u32) {
        self.unless(
            most == 0 || (1..=most).contains(&value),
            field,
            &format!("is {value}; 1 to {most} is possible"),
        );
    }

    fn at_least(&mut self, field: &str, value: u32, least: u32) {
        self.unless(
            value >= least,
            field,
            &format!("is {value}; at least {least} is possible"),
        );
    }

    fn unless(&mut self, fine: bool, field: &str, problem: &str) {
        if !fine {
            self.weaker.push(Weaker {
                field: field.to_owned(),
                problem: problem.to_owned(),
            });
        }
    }
}

fn strength(mode: RuleMode) -> u8 {
    match mode {
        RuleMode::Off => 0,
        RuleMode::Report => 1,
        RuleMode::Challenge => 2,
        RuleMode::Enforce => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::{Country, DialPlan};

    fn fields(change: impl FnOnce(&mut PolicyDocument)) -> Vec<String> {
        let bound = Policy::compile(PolicyDocument::default()).unwrap();
        let mut document = PolicyDocument::named("own", "a.example");
        change(&mut document);
        let own = Policy::compile(document).unwrap();
        let weaker = own.weaker_than(&bound).into_iter();
        weaker.map(|weaker| weaker.field).collect()
    }

    #[test]
    fn what_protects_as_much_or_more_is_no_weaker() {
        assert!(fields(|_| {}).is_empty());
        let tightened = fields(|document| {
            document
                .rules
                .insert(Rule::DestinationCountry, RuleMode::Enforce);
            document.verification.method = VerificationMethod::Pin;
            document.verification.captcha_digits = 6;
            document.verification.grace_minutes = 60;
            document.blocked_countries.push("SO".into());
            document.allowed_destination_countries = vec!["GB".into()];
            document.new_accounts.maximum.daily_quota = 50;
            document.risk.deny_score = 90;
            document.exposure.daily_international_minutes = 60;
            document.time_zone = "Europe/London".into();
        });
        assert!(tightened.is_empty(), "{tightened:?}");
    }

    #[test]
    fn every_way_to_protect_less_is_named() {
        let bare = |document: &mut PolicyDocument| {
            document.monitor = true;
            document.blocked_countries.clear();
            document.rules.insert(Rule::Risk, RuleMode::Report);
            document.dial_plan = DialPlan::for_country(Country::from_code("SO").unwrap());
            let verification = &mut document.verification;
            verification.captcha_seconds += 1;
            verification.challenge_seconds += 1;
            verification.max_failures = 99;
            verification.lock_seconds -= 1;
            verification.longest_lock_seconds -= 1;
            verification.min_pin_digits -= 1;
            verification.max_opens += 1;
            for (key, more) in [
                (&mut verification.max_failures_per_source, 0),
                (&mut verification.max_failures_per_trunk, 1_000),
                (&mut verification.max_pin_failures, 0),
                (&mut verification.onboardings_per_source, 0),
                (&mut verification.onboardings_per_trunk, 1_000),
                (&mut verification.onboardings_per_domain, 0),
                (&mut verification.grace_minutes, 0),
                (&mut verification.grace_calls, 0),
                (&mut verification.max_passed_per_day, 0),
            ] {
                *key = more;
            }
            verification.pause_seconds -= 1;
            verification.raise = Raise::ForGood;
            verification.ask_limits = true;
            verification.quota_step += 1;
            document.repeats.by_caller = true;
            document.repeats.max_repeats = 1_000;
            document.repeats.gap_seconds -= 1;
            document.repeats.block_seconds -= 1;
            document.flood.requests_per_second = 0;
            document.flood.burst += 1;
            document.reputation.abuse_confidence = 100;
            document.risk.pin_score = 101;
            document.risk.challenge_score = 101;
            document.risk.deny_score = 101;
            document.risk.pass_minutes += 1;
            for limits in [
                &mut document.new_accounts.limits,
                &mut document.new_accounts.maximum,
            ] {
                *limits = Limits {
                    concurrent_calls: 1_000,
                    concurrent_calls_off_hours: 1_000,
                    daily_quota: 1_000,
                    daily_quota_off_hours: 1_000,
                };
            }
            document.training = TrainingMode::Apply;
            document.exposure = Caps {
                estimate: false,
                ..Caps::NONE
            };
        };
        assert_eq!(
            fields(bare),
            [
                "monitor",
                "blocked_countries",
                "rules",
                "dial_plan",
                "verification.captcha_seconds",
                "verification.challenge_seconds",
                "verification.max_failures",
                "verification.lock_seconds",
                "verification.longest_lock_seconds",
                "verification.min_pin_digits",
                "verification.max_opens",
                "verification.max_failures_per_source",
                "verification.max_failures_per_trunk",
                "verification.max_pin_failures",
                "verification.onboardings_per_source",
                "verification.onboardings_per_trunk",
                "verification.onboardings_per_domain",
                "verification.grace_minutes",
                "verification.grace_calls",
                "verification.max_passed_per_day",
                "verification.pause_seconds",
                "verification.raise",
                "verification.ask_limits",
                "verification.quota_step",
                "repeats.by_caller",
                "repeats.max_repeats",
                "repeats.gap_seconds",
                "repeats.block_seconds",
                "flood.requests_per_second",
                "flood.burst",
                "reputation.abuse_confidence",
                "risk.pin_score",
                "risk.challenge_score",
                "risk.deny_score",
                "risk.pass_minutes",
                "new_accounts.limits.concurrent_calls",
                "new_accounts.limits.concurrent_calls_off_hours",
                "new_accounts.limits.daily_quota",
                "new_accounts.limits.daily_quota_off_hours",
                "new_accounts.maximum.concurrent_calls",
                "new_accounts.maximum.concurrent_calls_off_hours",
                "new_accounts.maximum.daily_quota",
                "new_accounts.maximum.daily_quota_off_hours",
                "training",
                "exposure.assumed_minutes",
                "exposure.estimate",
                "exposure.daily_cost",
                "exposure.daily_international_minutes",
            ]
        );
    }

    #[test]
    fn what_the_operator_has_made_stricter_than_the_default_is_not_loosened() {
        let strict = |document: &mut PolicyDocument| {
            document.verification.method = VerificationMethod::Pin;
            document.verification.captcha_digits = 6;
            document.verification.captcha = CaptchaKind::Arithmetic;
            document.reputation.on_unavailable = OnUnavailable::Deny;
        };
        let mut bound = PolicyDocument::default();
        strict(&mut bound);
        let bound = Policy::compile(bound).unwrap();
        let own = Policy::compile(PolicyDocument::named("own", "a.example")).unwrap();
        let weaker = own.weaker_than(&bound).into_iter();
        assert_eq!(
            weaker.map(|weaker| weaker.field).collect::<Vec<_>>(),
            [
                "verification.method",
                "verification.captcha_digits",
                "verification.captcha",
                "reputation.on_unavailable"
            ]
        );
    }

    #[test]
    fn a_cap_can_be_lowered_and_not_lifted() {
        let capped = |cost: &str, minutes| {
            let mut document = PolicyDocument::default();
            document.exposure.daily_cost = cost.parse().unwrap();
            document.exposure.daily_international_minutes = minutes;
            Policy::compile(document).unwrap()
        };
        let bound = capped("20.00", 60);
        assert!(capped("20.00", 60).weaker_than(&bound).is_empty());
        assert!(capped("5.00", 1).weaker_than(&bound).is_empty());
        assert_eq!(capped("0.00", 0).weaker_than(&bound).len(), 2);
        assert_eq!(capped("20.01", 61).weaker_than(&bound).len(), 2);
    }
}
