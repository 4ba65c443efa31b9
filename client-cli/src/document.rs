//! A policy as a document to write and read: the proto's field names, enums in short (`enforce`, `503-603`), rules as a
//! table `[rules]` with `destination-country = "challenge"`.

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value,
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value as Plain};
use tfps_client::v1::{Policy, Rule, RuleMode};

use crate::reflection::{
    Choice, Described, choice, choices_of, dynamic, parse_choice, short_name, typed,
};

/// The rules of a policy: a table here, a list of settings in the proto.
const RULES: &str = "rules";
/// The server's own: not written, and not minded when they come back.
const OUTPUT_ONLY: [&str; 4] = ["create_time", "update_time", "has_pin", "notices"];
/// Taken, but written only where there is something: what a person has no use for when it is empty.
const WRITTEN_IF_SET: [&str; 3] = ["etag", "pin", "domain"];

/// Why a text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{why}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct DocumentError {
    /// Which key; empty where it is the whole.
    path: String,
    why: String,
}

/// A policy in TOML. Its etag is left out.
pub fn to_toml(policy: &Policy) -> String {
    let policy = Policy {
        etag: String::new(),
        ..policy.clone()
    };
    toml::to_string(&Document {
        message: &dynamic(&policy),
        rules: &policy,
    })
    .unwrap_or_else(|error| format!("# this policy cannot be written as TOML: {error}\n"))
}

/// The policy that a text says, in TOML or, where it starts with `{`, in JSON.
///
/// # Errors
///
/// When it is neither, or a key or value is none: both are named, with what would be right.
pub fn parse(text: &str) -> Result<Policy, DocumentError> {
    let wrong = |why: String| DocumentError {
        path: String::new(),
        why,
    };
    let plain = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| wrong(format!("not JSON: {error}")))?
    } else {
        let table: toml::Table = toml::from_str(text)
            .map_err(|error| wrong(format!("not TOML: {}", error.to_string().trim_end())))?;
        plain_of(toml::Value::Table(table))
    };
    let Plain::Object(keys) = plain else {
        return Err(wrong("not a table of keys".to_owned()));
    };
    message(&Policy::message_descriptor(), keys, "").map(|policy| typed(&policy))
}

/// Sets one key of a policy, by its dotted path: `verification.max_failures`, `rules.destination-country`,
/// `blocked_countries` with its values separated by commas.
///
/// # Errors
///
/// When there is no such key, or it does not take this.
pub fn set(policy: &mut Policy, path: &str, value: &str) -> Result<(), DocumentError> {
    let mut whole = dynamic(policy);
    if let Some(rule) = path.strip_prefix("rules.") {
        return set_rule(policy, rule, value);
    }
    assign(&mut whole, path, path, value)?;
    *policy = typed(&whole);
    Ok(())
}

/// Sets one rule's mode.
///
/// # Errors
///
/// When there is no such rule or mode.
pub fn set_rule(policy: &mut Policy, rule: &str, mode: &str) -> Result<(), DocumentError> {
    let setting = rule_setting(rule, &Plain::String(mode.to_owned()), RULES)?;
    let DynamicRule { rule, mode } = setting;
    policy.rules.retain(|present| present.rule != rule);
    policy
        .rules
        .push(tfps_client::v1::RuleSetting { rule, mode });
    Ok(())
}

struct Document<'m> {
    message: &'m DynamicMessage,
    rules: &'m Policy,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let is_policy = self.message.descriptor() == Policy::message_descriptor();
        for field in self.message.descriptor().fields() {
            let name = field.name();
            if OUTPUT_ONLY.contains(&name)
                || (WRITTEN_IF_SET.contains(&name) && !self.message.has_field(&field))
                || (field.supports_presence() && !self.message.has_field(&field))
            {
                continue;
            }
            if is_policy && name == RULES {
                let rules: Vec<_> = self
                    .rules
                    .rules
                    .iter()
                    .map(|setting| {
                        (
                            choice::<Rule>(setting.rule),
                            choice::<RuleMode>(setting.mode),
                        )
                    })
                    .collect();
                map.serialize_entry(name, &Table(rules))?;
            } else {
                let value = self.message.get_field(&field);
                map.serialize_entry(
                    name,
                    &Entry {
                        field: &field,
                        value: &value,
                        rules: self.rules,
                    },
                )?;
            }
        }
        map.end()
    }
}

struct Table(Vec<(String, String)>);

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(rule, mode)| (rule, mode)))
    }
}

struct Entry<'m> {
    field: &'m FieldDescriptor,
    value: &'m Value,
    rules: &'m Policy,
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { field, rules, .. } = self;
        match self.value {
            Value::Message(message) => Document { message, rules }.serialize(serializer),
            Value::List(values) => serializer.collect_seq(values.iter().map(|value| Entry {
                field,
                value,
                rules,
            })),
            Value::EnumNumber(number) => serializer.serialize_str(&short_name(field, *number)),
            Value::String(text) => serializer.serialize_str(text),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::U32(value) => serializer.serialize_u32(*value),
            Value::U64(value) => serializer.serialize_u64(*value),
            Value::I32(value) => serializer.serialize_i32(*value),
            Value::I64(value) => serializer.serialize_i64(*value),
            Value::F32(_) | Value::F64(_) | Value::Bytes(_) | Value::Map(_) => {
                Err(serde::ser::Error::custom(format!(
                    "{} has a type that no policy has",
                    field.name()
                )))
            }
        }
    }
}

/// The message that a table of keys says.
fn message(
    kind: &MessageDescriptor,
    keys: Map<String, Plain>,
    path: &str,
) -> Result<DynamicMessage, DocumentError> {
    let is_policy = *kind == Policy::message_descriptor();
    let mut message = DynamicMessage::new(kind.clone());
    for (key, plain) in keys {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        if OUTPUT_ONLY.contains(&key.as_str()) || plain.is_null() {
            continue;
        }
        let Some(field) = kind.get_field_by_name(&key) else {
            return Err(unknown_key(kind, &path));
        };
        let value = match plain {
            Plain::Object(rules) if is_policy && key == RULES => rules_of(&rules)?,
            plain => field_value(&field, plain, &path)?,
        };
        message.set_field(&field, value);
    }
    Ok(message)
}

fn rules_of(rules: &Map<String, Plain>) -> Result<Value, DocumentError> {
    let settings = rules
        .iter()
        .map(|(rule, mode)| rule_setting(rule, mode, RULES))
        .map(|setting| {
            setting.map(|DynamicRule { rule, mode }| tfps_client::v1::RuleSetting { rule, mode })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let policy = dynamic(&Policy {
        rules: settings,
        ..Default::default()
    });
    Ok(policy
        .get_field_by_name(RULES)
        .map_or(Value::List(Vec::new()), std::borrow::Cow::into_owned))
}

struct DynamicRule {
    rule: i32,
    mode: i32,
}

fn rule_setting(rule: &str, mode: &Plain, path: &str) -> Result<DynamicRule, DocumentError> {
    let rule_number =
        parse_choice(&Rule::enum_descriptor(), rule).ok_or_else(|| DocumentError {
            path: path.to_owned(),
            why: format!(
                "`{rule}` is not a rule; the rules are {}",
                choices_of(&Rule::enum_descriptor()).join(", ")
            ),
        })?;
    let mode_number = mode
        .as_str()
        .and_then(|mode| parse_choice(&RuleMode::enum_descriptor(), mode));
    let mode_number = mode_number.ok_or_else(|| DocumentError {
        path: format!("{path}.{rule}"),
        why: format!(
            "{mode} is not a mode; the modes are {}",
            choices_of(&RuleMode::enum_descriptor()).join(", ")
        ),
    })?;
    Ok(DynamicRule {
        rule: rule_number,
        mode: mode_number,
    })
}

fn field_value(field: &FieldDescriptor, plain: Plain, path: &str) -> Result<Value, DocumentError> {
    match plain {
        Plain::Array(values) if field.is_list() => values
            .into_iter()
            .enumerate()
            .map(|(at, value)| single(field, value, &format!("{path}[{at}]")))
            .collect::<Result<_, _>>()
            .map(Value::List),
        other if field.is_list() => Err(mismatch(path, "a list", &other)),
        other => single(field, other, path),
    }
}

fn single(field: &FieldDescriptor, plain: Plain, path: &str) -> Result<Value, DocumentError> {
    match (field.kind(), plain) {
        (Kind::String, Plain::String(text)) => Ok(Value::String(text)),
        (Kind::Bool, Plain::Bool(value)) => Ok(Value::Bool(value)),
        (Kind::Message(inner), Plain::Object(keys)) => {
            message(&inner, keys, path).map(Value::Message)
        }
        (Kind::Enum(choices), Plain::String(text)) => parse_choice(&choices, &text)
            .map(Value::EnumNumber)
            .ok_or_else(|| DocumentError {
                path: path.to_owned(),
                why: format!("`{text}` is none of {}", choices_of(&choices).join(", ")),
            }),
        (Kind::Uint32, Plain::Number(number)) => number
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .map(Value::U32)
            .ok_or_else(|| {
                mismatch(
                    path,
                    "a whole number from 0 to 4294967295",
                    &Plain::Number(number),
                )
            }),
        (Kind::String, other) => Err(mismatch(path, "text in quotes", &other)),
        (Kind::Bool, other) => Err(mismatch(path, "true or false", &other)),
        (Kind::Message(_), other) => Err(mismatch(path, "a table of keys", &other)),
        (Kind::Enum(choices), other) => Err(mismatch(
            path,
            &format!("one of {} in quotes", choices_of(&choices).join(", ")),
            &other,
        )),
        (Kind::Uint32, other) => Err(mismatch(path, "a whole number", &other)),
        (_, other) => Err(mismatch(
            path,
            "something that this tool cannot write yet",
            &other,
        )),
    }
}

/// Walks a dotted path and sets what is at its end.
fn assign(
    message: &mut DynamicMessage,
    rest: &str,
    path: &str,
    text: &str,
) -> Result<(), DocumentError> {
    let kind = message.descriptor();
    let (key, deeper) = rest
        .split_once('.')
        .map_or((rest, None), |(key, deeper)| (key, Some(deeper)));
    let Some(field) = kind
        .get_field_by_name(key)
        .filter(|field| !OUTPUT_ONLY.contains(&field.name()))
    else {
        return Err(unknown_key(&kind, path));
    };
    match (field.kind(), deeper) {
        (Kind::Message(_), Some(deeper)) if !field.is_list() => match message.get_field_mut(&field)
        {
            Value::Message(inner) => assign(inner, deeper, path, text),
            _ => Err(unknown_key(&kind, path)),
        },
        (Kind::Message(inner), None) if !field.is_list() => Err(DocumentError {
            path: path.to_owned(),
            why: format!("it has keys of its own: {}", known(&inner, path).join(", ")),
        }),
        (Kind::Message(_), _) => Err(DocumentError {
            path: path.to_owned(),
            why: "a list of tables is changed with `tfpsctl policy edit`".to_owned(),
        }),
        (_, Some(_)) => Err(unknown_key(&kind, path)),
        (_, None) => {
            let value = field_value(&field, typed_text(&field, text), path)?;
            message.set_field(&field, value);
            Ok(())
        }
    }
}

/// What a text on the command line says, where the field's type is known: no quotes are needed.
fn typed_text(field: &FieldDescriptor, text: &str) -> Plain {
    if field.is_list() {
        let inner = text
            .trim()
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .unwrap_or(text);
        let parts = inner
            .split(',')
            .map(|part| part.trim().trim_matches('"'))
            .filter(|part| !part.is_empty());
        return parts.map(|part| scalar(field, part)).collect();
    }
    scalar(field, text)
}

fn scalar(field: &FieldDescriptor, text: &str) -> Plain {
    let parsed = match field.kind() {
        Kind::Bool => text.parse().ok().map(Plain::Bool),
        Kind::Uint32 => text.parse::<u64>().ok().map(Plain::from),
        _ => None,
    };
    parsed.unwrap_or_else(|| Plain::String(text.to_owned()))
}

/// TOML has dates and times of its own; a holiday may be written as one.
fn plain_of(value: toml::Value) -> Plain {
    match value {
        toml::Value::String(text) => Plain::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(value) => Plain::Bool(value),
        toml::Value::Datetime(time) => Plain::String(time.to_string()),
        toml::Value::Array(values) => values.into_iter().map(plain_of).collect(),
        toml::Value::Table(keys) => keys
            .into_iter()
            .map(|(key, value)| (key, plain_of(value)))
            .collect(),
    }
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
        RepeatLimit, ReputationLimit, ResponseMode, RuleSetting, Verification, VerificationMethod,
        WeeklyHours,
    };

    use super::*;

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
             verification.quota_step, verification.pin"
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
        option::of(
            (any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(a, b, c, d)| {
                Limits {
                    concurrent_calls: a,
                    concurrent_calls_off_hours: b,
                    daily_quota: c,
                    daily_quota_off_hours: d,
                }
            }),
        )
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
                    national_prefix: "0".to_owned(),
                    bare_numbers: if modes.1 == 1 { BareNumbers::E164 } else { BareNumbers::National }.into(),
                }),
                blocked_countries: countries.0,
                allowed_source_countries: countries.1,
                allowed_destination_countries: countries.2,
                verification: Some(Verification { method: modes.2, captcha_digits: a, max_opens: b, ..Default::default() }),
                repeats: Some(RepeatLimit { max_repeats: c, gap_seconds: d, block_seconds: e }),
                flood: Some(FloodLimit { requests_per_second: (f > 9).then_some(f), burst: a }),
                reputation: Some(ReputationLimit {
                    abuse_confidence: b,
                    on_unavailable: if modes.3 == 1 { OnUnavailable::Allow } else { OnUnavailable::Deny }.into(),
                }),
                new_accounts: Some(NewAccount { limits: limits.0, maximum: limits.1, ..Default::default() }),
                rules: rules.into_iter().map(|(rule, mode)| RuleSetting { rule, mode }).collect(),
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
