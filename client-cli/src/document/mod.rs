//! A policy as a document to write and read: the proto's field names, enums in short (`enforce`, `503-603`), rules as a
//! table `[rules]` with `destination-country = "challenge"`.

use prost_reflect::MessageDescriptor;
use serde_json::Value as Plain;

pub use self::{
    of_engine::of_engine,
    read::parse,
    set::{set, set_rule},
    write::to_toml,
};

mod of_engine;
mod read;
mod set;
mod write;

/// The rules of a policy: a table here, a list of settings in the proto.
const RULES: &str = "rules";
/// The server's own: not written, and not minded when they come back.
const OUTPUT_ONLY: [&str; 4] = ["create_time", "update_time", "has_pin", "notices"];

/// Why a text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{why}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct DocumentError {
    /// Which key; empty where it is the whole.
    path: String,
    why: String,
}

fn unknown_key(kind: &MessageDescriptor, path: &str) -> DocumentError {
    let above = path.rsplit_once('.').map_or("", |(above, _)| above);
    DocumentError {
        path: path.to_owned(),
        why: format!("no such key; there are {}", known(kind, above).join(", ")),
    }
}

fn known(kind: &MessageDescriptor, above: &str) -> Vec<String> {
    let names = kind
        .fields()
        .map(|field| field.name().to_owned())
        .filter(|name| !OUTPUT_ONLY.contains(&name.as_str()));
    if above.is_empty() {
        names.collect()
    } else {
        names.map(|name| format!("{above}.{name}")).collect()
    }
}

fn mismatch(path: &str, wanted: &str, found: &Plain) -> DocumentError {
    DocumentError {
        path: path.to_owned(),
        why: format!("{found} is not {wanted}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*, string::string_regex};
    use tfps_client::v1::{
        BareNumbers, BusinessHours, DialPlan, FloodLimit, Limits, NewAccount, OnUnavailable,
        Policy, RepeatLimit, ReputationLimit, ResponseMode, Rule, RuleMode, RuleSetting,
        Verification, VerificationMethod, WeeklyHours,
    };

    use super::*;
    use crate::reflection::dynamic;

    fn refusal(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_document_reads_like_the_settings_it_is() {
        let policy = Policy {
            name: "default".to_owned(),
            response_mode: ResponseMode::ResponseMode503603.into(),
            time_zone: "America/New_York".to_owned(),
            business_hours: Some(BusinessHours {
                weekly: vec![WeeklyHours {
                    days: vec!["mo".to_owned(), "tu".to_owned()],
                    from: "09:00".to_owned(),
                    to: "17:00".to_owned(),
                }],
                holidays: vec!["2026-12-25".to_owned()],
                ..Default::default()
            }),
            verification: Some(Verification {
                method: VerificationMethod::Captcha.into(),
                has_pin: true,
                ..Default::default()
            }),
            rules: vec![RuleSetting {
                rule: Rule::DestinationCountry.into(),
                mode: RuleMode::Challenge.into(),
            }],
            etag: "7".to_owned(),
            ..Default::default()
        };
        insta::assert_snapshot!(to_toml(&policy));
    }

    #[test]
    fn full_names_lists_of_settings_and_toml_dates_are_taken() {
        let policy = parse(
            "name = 'x'\nresponse_mode = 'RESPONSE_MODE_302'\nrules = [{rule = 'RULE_QUOTA', mode = 'off'}]\n\
             [business_hours]\nholidays = [2026-12-25]\n",
        )
        .unwrap();
        assert_eq!(policy.response_mode(), ResponseMode::ResponseMode302);
        assert_eq!(
            policy.rules,
            [RuleSetting {
                rule: Rule::Quota.into(),
                mode: RuleMode::Off.into()
            }]
        );
        assert_eq!(policy.business_hours.unwrap().holidays, ["2026-12-25"]);
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_right() {
        assert_eq!(
            refusal("[verification]\nmax_failure = 3"),
            "verification.max_failure: no such key; there are verification.method, verification.captcha_digits, \
             verification.captcha_seconds, verification.challenge_seconds, verification.max_failures, \
             verification.lock_seconds, verification.max_opens, verification.grace_minutes, verification.grace_calls, \
             verification.quota_step, verification.pin, verification.ask_limits, verification.raise, \
             verification.max_passed_per_day, verification.pause_seconds, verification.captcha, verification.max_failures_per_source, \
             verification.max_failures_per_trunk, verification.max_pin_failures, verification.longest_lock_seconds, \
             verification.min_pin_digits, verification.onboardings_per_source, verification.onboardings_per_trunk, \
             verification.onboardings_per_domain"
        );
        assert_eq!(
            refusal("response_mode = '503'"),
            "response_mode: `503` is none of 503-603, 302"
        );
        assert_eq!(
            refusal("monitor = 'yes'"),
            "monitor: \"yes\" is not true or false"
        );
        assert_eq!(
            refusal("[repeats]\nmax_repeats = -1"),
            "repeats.max_repeats: -1 is not a whole number from 0 to 4294967295"
        );
        assert_eq!(
            refusal("blocked_countries = 'CU'"),
            "blocked_countries: \"CU\" is not a list"
        );
        assert_eq!(
            refusal("[rules]\nquota = 'deny'"),
            "rules.quota: \"deny\" is not a mode; the modes are enforce, challenge, report, off"
        );
        assert!(
            refusal("[rules]\nquotas = 'off'")
                .starts_with("rules: `quotas` is not a rule; the rules are malformed-input")
        );
        assert!(refusal("name = ").starts_with("not TOML: TOML parse error at line 1"));
        assert!(refusal("{").starts_with("not JSON: "));
    }

    #[test]
    fn a_key_is_set_by_its_path() {
        let mut policy = Policy::default();
        for (path, value) in [
            ("time_zone", "Europe/Berlin"),
            ("monitor", "true"),
            ("blocked_countries", "CU,LV"),
            ("verification.max_failures", "4"),
            ("verification.method", "pin"),
            ("rules.quota", "off"),
            ("rules.quota", "report"),
        ] {
            set(&mut policy, path, value).unwrap();
        }
        assert_eq!(
            (policy.time_zone.as_str(), policy.monitor),
            ("Europe/Berlin", true)
        );
        assert_eq!(policy.blocked_countries, ["CU", "LV"]);
        assert_eq!(
            policy.verification.clone().unwrap(),
            Verification {
                max_failures: Some(4),
                method: VerificationMethod::Pin.into(),
                ..Default::default()
            }
        );
        assert_eq!(
            policy.rules,
            [RuleSetting {
                rule: Rule::Quota.into(),
                mode: RuleMode::Report.into()
            }]
        );

        let mut refused = |path, value| set(&mut policy, path, value).unwrap_err().to_string();
        assert!(
            refused("verification", "x")
                .starts_with("verification: it has keys of its own: verification.method,")
        );
        assert!(
            refused("verification.max", "1")
                .starts_with("verification.max: no such key; there are verification.method,")
        );
        assert_eq!(
            refused("verification.max_failures", "few"),
            "verification.max_failures: \"few\" is not a whole number"
        );
        assert!(
            refused("has_pin", "true").contains("no such key"),
            "the server's own can't be set"
        );
        assert!(refused("business_hours.weekly", "x").contains("policy edit"));
        assert!(refused("name.x", "x").contains("no such key"));
    }

    fn text() -> impl Strategy<Value = String> {
        any::<String>()
    }

    fn limits() -> impl Strategy<Value = Option<Limits>> {
        option::of(any::<[Option<u32>; 4]>().prop_map(|[a, b, c, d]| Limits {
            concurrent_calls: a,
            concurrent_calls_off_hours: b,
            daily_quota: c,
            daily_quota_off_hours: d,
        }))
    }

    prop_compose! {
        fn hours()(days in vec(text(), 0..3), from in text(), to in text()) -> WeeklyHours {
            WeeklyHours { days, from, to }
        }
    }

    prop_compose! {
        fn policies()(
            names in (text(), text(), text(), text(), text()),
            monitor in any::<bool>(),
            modes in (1..=2_i32, 1..=2_i32, 1..=3_i32, 1..=2_i32),
            hours in option::of((vec(hours(), 0..3), vec(text(), 0..3), text())),
            countries in (vec(text(), 0..4), vec(text(), 0..4), vec(string_regex("[A-Z]{2}").unwrap(), 0..4)),
            numbers in any::<[u32; 6]>(),
            limits in (limits(), limits()),
            rules in proptest::collection::btree_map(1..=20_i32, 1..=4_i32, 0..20),
        ) -> Policy {
            let [a, b, c, d, e, f] = numbers;
            Policy {
                name: names.0,
                domain: names.1,
                description: names.2,
                time_zone: names.3,
                monitor,
                response_mode: modes.0,
                business_hours: hours.map(|(weekly, holidays, recurrence)| BusinessHours { weekly, holidays, recurrence }),
                dial_plan: Some(DialPlan {
                    home_country: names.4,
                    international_prefixes: countries.2.clone(),
                    national_prefix: (modes.1 != 2).then(|| "0".to_owned()),
                    bare_numbers: if modes.1 == 1 { BareNumbers::E164 } else { BareNumbers::National }.into(),
                    emergency_numbers: countries.0.clone(),
                    carrier_codes: countries.1.clone(),
                }),
                blocked_countries: countries.0,
                allowed_source_countries: countries.1,
                allowed_destination_countries: countries.2,
                verification: Some(Verification { method: modes.2, captcha_digits: a, max_opens: b, ..Default::default() }),
                repeats: Some(RepeatLimit { max_repeats: c, gap_seconds: d, block_seconds: e, by_caller: a > 9 }),
                flood: Some(FloodLimit { requests_per_second: (f > 9).then_some(f), burst: a }),
                reputation: Some(ReputationLimit {
                    abuse_confidence: b,
                    on_unavailable: if modes.3 == 1 { OnUnavailable::Allow } else { OnUnavailable::Deny }.into(),
                }),
                new_accounts: Some(NewAccount { limits: limits.0, maximum: limits.1, ..Default::default() }),
                rules: rules.into_iter().map(|(rule, mode)| RuleSetting { rule, mode }).collect(),
                training: modes.2,
                ..Default::default()
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(mut policy in policies()) {
            let mut read = parse(&to_toml(&policy)).map_err(|error| TestCaseError::fail(format!("{error}\n{}", to_toml(&policy))))?;
            for policy in [&mut policy, &mut read] {
                policy.rules.sort_by_key(|setting| setting.rule);
            }
            prop_assert_eq!(&read, &policy);
            let json = crate::output::json::pretty(&dynamic(&policy));
            let mut read = parse(&json).map_err(|error| TestCaseError::fail(format!("{error}\n{json}")))?;
            read.rules.sort_by_key(|setting| setting.rule);
            prop_assert_eq!(read, policy);
        }

        #[test]
        fn no_text_panics(text in any::<String>(), key in "[a-z_.]{0,20}") {
            let _ = (parse(&text), set(&mut Policy::default(), &key, &text));
        }
    }
}
