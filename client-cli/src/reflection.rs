//! The messages by their descriptors: JSON, CSV and TOML need no code for a field.

use std::sync::LazyLock;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, EnumValueDescriptor, FieldDescriptor, Kind,
    MessageDescriptor,
};
use tfps_client::v1;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(tfps_proto::FILE_DESCRIPTOR_SET)
        .expect("the build made these descriptors from the protos")
});

/// A message that knows its name.
pub trait Described: Message + Default + 'static {
    /// The name in package `tfps.v1`.
    const NAME: &'static str;

    /// What it is made of.
    fn message_descriptor() -> MessageDescriptor {
        POOL.get_message_by_name(&format!("tfps.v1.{}", Self::NAME))
            .expect("tests ask for every name")
    }
}

/// An enum of the API that knows its name.
pub trait Choice: TryFrom<i32> + Into<i32> + Copy + Send + Sync + 'static {
    /// The name in package `tfps.v1`.
    const NAME: &'static str;

    /// Its values.
    fn enum_descriptor() -> EnumDescriptor {
        POOL.get_enum_by_name(&format!("tfps.v1.{}", Self::NAME))
            .expect("tests ask for every name")
    }
}

macro_rules! named {
    ($trait:ident, $descriptor:ident: $($name:ident)*) => {
        $(impl $trait for v1::$name { const NAME: &'static str = stringify!($name); })*
        #[cfg(test)]
        #[allow(non_snake_case)]
        #[test]
        fn $trait() {
            $(let _ = <v1::$name as $trait>::$descriptor();)*
        }
    };
}

named!(Described, message_descriptor: Account CheckRequest CheckResponse CompleteVerificationResponse CreateTokenResponse Decision DeleteEntriesResponse
    Entry ExplainCheckResponse GetStatisticsResponse GetStatusResponse ImportEntriesResponse LearnResponse Lock OpenCall Policy
    PutEntriesResponse ReloadResponse RuleFinding StatisticsCount Token Training);
named!(Choice, enum_descriptor: EntryAction EntryKind FindingOutcome LockKind NumberKind Purpose ResponseMode Role Rule RuleMode TrainingState Verdict VerificationMethod);

/// A message, to be looked into by its descriptor.
pub fn dynamic<M: Described>(message: &M) -> DynamicMessage {
    let mut dynamic = DynamicMessage::new(M::message_descriptor());
    dynamic
        .transcode_from(message)
        .expect("a message is of its own descriptor");
    dynamic
}

/// The message that a dynamic one of its descriptor is.
pub fn typed<M: Described>(dynamic: &DynamicMessage) -> M {
    dynamic
        .transcode_to()
        .expect("a message is of its own descriptor")
}

/// How people write a value: `RULE_BLOCKED_COUNTRY` is `blocked-country`; unspecified is empty.
pub fn short(value: &EnumValueDescriptor) -> String {
    if value.number() == 0 {
        return String::new();
    }
    let prefix = prefix(value.parent_enum());
    value
        .name()
        .strip_prefix(&prefix)
        .unwrap_or(value.name())
        .to_lowercase()
        .replace('_', "-")
}

/// [`short`] of an enum field's number; the number itself where this build does not know it.
pub fn short_name(field: &FieldDescriptor, number: i32) -> String {
    match field.kind() {
        Kind::Enum(choices) => choices
            .get_value(number)
            .map_or_else(|| number.to_string(), |value| short(&value)),
        _ => number.to_string(),
    }
}

/// [`short`] of an enum's number.
pub fn choice<E: Choice>(number: i32) -> String {
    E::enum_descriptor()
        .get_value(number)
        .map_or_else(|| number.to_string(), |value| short(&value))
}

/// The value that people write so, short or in full.
pub fn parse_choice(choices: &EnumDescriptor, text: &str) -> Option<i32> {
    let plain = text.to_lowercase().replace('_', "-");
    choices
        .values()
        .filter(|value| value.number() != 0)
        .find(|value| short(value) == plain || value.name() == text)
        .map(|value| value.number())
}

/// What can be written for an enum.
pub fn choices_of(choices: &EnumDescriptor) -> Vec<String> {
    choices
        .values()
        .filter(|value| value.number() != 0)
        .map(|value| short(&value))
        .collect()
}

/// Lets the command line take an enum's values.
pub fn choices<E: Choice>() -> impl TypedValueParser<Value = E> {
    PossibleValuesParser::new(choices_of(&E::enum_descriptor())).try_map(|text| {
        parse_choice(&E::enum_descriptor(), &text)
            .and_then(|number| E::try_from(number).ok())
            .ok_or_else(|| format!("`{text}` is none of them"))
    })
}

fn prefix(choices: &EnumDescriptor) -> String {
    let unspecified = choices
        .get_value(0)
        .map(|value| value.name().to_owned())
        .unwrap_or_default();
    unspecified
        .strip_suffix("UNSPECIFIED")
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_read_as_it_is_written() {
        for choices in POOL
            .all_enums()
            .filter(|choices| choices.package_name() == "tfps.v1")
        {
            for value in choices.values().filter(|value| value.number() != 0) {
                assert_eq!(
                    parse_choice(&choices, &short(&value)),
                    Some(value.number()),
                    "{}",
                    value.name()
                );
                assert_eq!(parse_choice(&choices, value.name()), Some(value.number()));
            }
            assert_eq!(
                parse_choice(&choices, ""),
                None,
                "unspecified is not written"
            );
        }
    }

    #[test]
    fn short_names_are_the_fields_words() {
        assert_eq!(
            choice::<v1::Rule>(v1::Rule::BlockedCountry.into()),
            "blocked-country"
        );
        assert_eq!(
            choices_of(&v1::RuleMode::enum_descriptor()),
            ["enforce", "challenge", "report", "off"]
        );
        assert_eq!(
            choice::<v1::Rule>(9999),
            "9999",
            "a newer server may have more"
        );
    }
}
