//! Reading.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use serde_json::{Map, Value as Plain};
use tfps_client::v1::{Policy, Rule, RuleMode, RuleSetting};

use super::{DocumentError, OUTPUT_ONLY, RULES, mismatch, unknown_key};
use crate::reflection::{Choice, Described, choices_of, dynamic, parse_choice, typed};

/// The policy that a text says, in TOML or, where it starts with `{`, in JSON.
///
/// # Errors
///
/// When it is neither, or a key or value is none: both are named, with what would be right.
pub fn parse(text: &str) -> Result<Policy, DocumentError> {
    let Plain::Object(keys) = plain(text)? else {
        return Err(wrong("not a table of keys".to_owned()));
    };
    message(&Policy::message_descriptor(), keys, "").map(|policy| typed(&policy))
}

/// What a text says, in TOML or, where it starts with `{`, in JSON.
pub(super) fn plain(text: &str) -> Result<Plain, DocumentError> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| wrong(format!("not JSON: {error}")));
    }
    let table: toml::Table = toml::from_str(text)
        .map_err(|error| wrong(format!("not TOML: {}", error.to_string().trim_end())))?;
    Ok(plain_of(toml::Value::Table(table)))
}

fn wrong(why: String) -> DocumentError {
    DocumentError {
        path: String::new(),
        why,
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
        .collect::<Result<Vec<_>, _>>()?;
    let policy = dynamic(&Policy {
        rules: settings,
        ..Default::default()
    });
    Ok(policy
        .get_field_by_name(RULES)
        .map_or(Value::List(Vec::new()), std::borrow::Cow::into_owned))
}

pub(super) fn rule_setting(
    rule: &str,
    mode: &Plain,
    path: &str,
) -> Result<RuleSetting, DocumentError> {
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
    Ok(RuleSetting {
        rule: rule_number,
        mode: mode_number,
    })
}

pub(super) fn field_value(
    field: &FieldDescriptor,
    plain: Plain,
    path: &str,
) -> Result<Value, DocumentError> {
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
        // What a server of before does not know is there in JSON, unspecified.
        (Kind::Enum(choices), Plain::String(text)) if text == choices.default_value().name() => {
            Ok(Value::EnumNumber(choices.default_value().number()))
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
