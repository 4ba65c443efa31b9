//! A policy for an engine of one's own.

use serde_json::Value as Plain;
use tfps_engine::policy::PolicyDocument;

use super::{DocumentError, OUTPUT_ONLY, read};

/// Taken by the server, and nothing to an engine: what tells whether a document is the newest, and a PIN that nobody is asked for.
const SERVER_ONLY: [&str; 2] = ["etag", "pin"];
/// What may be empty and then is not there: business hours are written one way or the other, and `policy show` writes the other one
/// empty.
const EMPTY_IS_NONE: [&str; 2] = ["weekly", "recurrence"];

/// The policy that a text says, in TOML or in JSON, as an engine takes it.
///
/// # Errors
///
/// When it is none: what is wrong is named, with what would be right.
pub fn of_engine(text: &str) -> Result<PolicyDocument, DocumentError> {
    // It names what is wrong as every other command does.
    read::parse(text)?;
    let Plain::Object(mut keys) = read::plain(text)? else {
        return Ok(PolicyDocument::default());
    };
    let is_kept = |key: &String, value: &mut Plain| {
        let key = key.as_str();
        // To the server, an empty amount is any amount.
        if key == "daily_cost" && *value == "" {
            *value = "0".into();
        }
        let is_empty = matches!(&*value, Plain::Null)
            || (EMPTY_IS_NONE.contains(&key)
                && (*value == "" || *value == Plain::Array(Vec::new())));
        !is_empty && !OUTPUT_ONLY.contains(&key) && !SERVER_ONLY.contains(&key)
    };
    keys.retain(is_kept);
    for value in keys.values_mut() {
        if let Plain::Object(keys) = value {
            keys.retain(is_kept);
        }
    }
    serde_json::from_value(Plain::Object(keys)).map_err(|error| DocumentError {
        path: String::new(),
        why: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_writes_it_reads_back() {
        let policy = PolicyDocument {
            monitor: true,
            ..PolicyDocument::named("office", "example.com")
        };
        let text = toml::to_string(&policy).unwrap();
        assert_eq!(of_engine(&text), Ok(policy.clone()), "{text}");
        let shown = super::super::to_toml(&read::parse(&text).unwrap());
        assert_eq!(
            of_engine(&shown),
            Ok(policy),
            "as `policy show` writes it: {shown}"
        );
    }

    #[test]
    fn what_is_the_server_s_alone_is_left_out() {
        let policy = of_engine(
            "name = 'x'\netag = '7'\nhas_pin = true\nnotices = ['old']\n[verification]\nmethod = 'pin'\npin = '4711'\n",
        );
        assert_eq!(policy.unwrap().name, "x");
        let error = of_engine("[risk]\nchallenge = 3\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("risk.challenge: no such key"), "{error}");
    }
}
