//! proto3 JSON with the proto's field names; fields at their defaults are there too, 64-bit integers are numbers.

use prost_reflect::{DynamicMessage, SerializeOptions};
use serde::{Serialize, Serializer};

use super::is_steering;

/// A message, to be serialized as JSON.
#[derive(Debug)]
pub struct Json<'m>(pub &'m DynamicMessage);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let options = SerializeOptions::new()
            .use_proto_field_name(true)
            .stringify_64_bit_integers(false)
            .skip_default_fields(false);
        self.0.serialize_with_options(serializer, &options)
    }
}

/// A message in one line, without its end.
pub fn line(message: &DynamicMessage) -> String {
    text_of(serde_json::to_string(&Json(message)))
}

/// A message over many lines, with the last one's end.
pub fn pretty(message: &DynamicMessage) -> String {
    text_of(serde_json::to_string_pretty(&Json(message))) + "\n"
}

/// Anything in one line, without its end.
pub fn line_of(value: &impl Serialize) -> String {
    text_of(serde_json::to_string(value))
}

/// JSON escapes controls below U+0020 by itself. The others that could steer a terminal stand only in strings, where an
/// escape means the same.
fn text_of(json: serde_json::Result<String>) -> String {
    let json = json.unwrap_or_else(|error| format!("{{\"error\":\"not JSON: {error}\"}}"));
    if !json.chars().any(|c| c != '\n' && is_steering(c)) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if c != '\n' && is_steering(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use tfps_client::v1::{Account, AccountUsage, GetStatusResponse};

    use super::*;
    use crate::reflection::dynamic;

    #[test]
    fn defaults_are_there_and_numbers_are_numbers() {
        let json = line(&dynamic(&GetStatusResponse {
            entries: u64::MAX,
            ..Default::default()
        }));
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["entries"], u64::MAX);
        assert_eq!(value["serving"], false);
        assert_eq!(value["requests_in_flight"], 0);
    }

    #[test]
    fn what_steers_is_escaped_and_means_the_same() {
        let hostile = "\u{9b}2J \u{202e} \u{7f} \u{e0041} \u{1b}[2J";
        let account = Account {
            block_reason: hostile.to_owned(),
            usage: Some(AccountUsage::default()),
            ..Default::default()
        };
        for json in [line(&dynamic(&account)), pretty(&dynamic(&account))] {
            assert!(!json.chars().any(|c| c != '\n' && is_steering(c)), "{json}");
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(value["block_reason"], hostile);
        }
    }
}
