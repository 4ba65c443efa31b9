//! Writing.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};
use serde::{Serialize, Serializer, ser::SerializeMap};
use tfps_client::v1::{Policy, Rule, RuleMode};

use super::{OUTPUT_ONLY, RULES};
use crate::reflection::{Described, choice, dynamic, short_name};

/// Taken, but written only where there is something: a person has no use for them when they are empty.
const WRITTEN_IF_SET: [&str; 3] = ["etag", "pin", "domain"];

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
            // A choice that is not made is one that a server of before does not know.
            let if_set = WRITTEN_IF_SET.contains(&name)
                || field.supports_presence()
                || (matches!(field.kind(), Kind::Enum(_)) && !field.is_list());
            if OUTPUT_ONLY.contains(&name) || (if_set && !self.message.has_field(&field)) {
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
