//! Changing single keys.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};
use serde_json::Value as Plain;
use tfps_client::v1::Policy;

use super::{
    DocumentError, OUTPUT_ONLY, RULES, known,
    read::{field_value, rule_setting},
    unknown_key,
};
use crate::reflection::{dynamic, typed};

/// Sets one key of a policy, by its dotted path: `verification.max_failures`, `rules.destination-country`,
/// `blocked_countries` with its values separated by commas.
///
/// # Errors
///
/// When there is no such key, or it does not take this.
pub fn set(policy: &mut Policy, path: &str, value: &str) -> Result<(), DocumentError> {
    if let Some(rule) = path.strip_prefix("rules.") {
        return set_rule(policy, rule, value);
    }
    let mut whole = dynamic(policy);
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
    policy.rules.retain(|present| present.rule != setting.rule);
    policy.rules.push(setting);
    Ok(())
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
