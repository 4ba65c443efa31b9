//! JSON: one flat object of strings, numbers and booleans.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::{BadField, Fields};

/// Takes the fields of a JSON object.
///
/// # Errors
/// What is no JSON, no object, or holds objects and lists; a field that is given twice: with the field's name.
pub fn read(body: &[u8], fields: &mut Fields<'_>) -> Result<(), BadField> {
    let mut bad = None;
    let mut input = serde_json::Deserializer::from_slice(body);
    let seed = Object {
        fields,
        bad: &mut bad,
    };
    let read = seed.deserialize(&mut input).and_then(|()| input.end());
    match (bad, read) {
        (Some(bad), _) => Err(bad),
        (None, Err(error)) => Err(BadField::new(
            "body",
            format!("is not a flat JSON object: {error}"),
        )),
        (None, Ok(())) => Ok(()),
    }
}

/// Takes what reads of an object that does not: its strings and numbers.
pub(super) fn salvage(body: &[u8], fields: &mut Fields<'_>) {
    let Ok(serde_json::Value::Object(object)) = serde_json::from_slice(body) else {
        return;
    };
    for (name, value) in object {
        match value {
            serde_json::Value::String(text) => fields.salvage(&name, Cow::Owned(text)),
            serde_json::Value::Number(number) => {
                fields.salvage(&name, Cow::Owned(number.to_string()));
            }
            _ => {}
        }
    }
}

struct Object<'o, 'f> {
    fields: &'o mut Fields<'f>,
    /// What is wrong, where it can be said better than in serde's words.
    bad: &'o mut Option<BadField>,
}

impl<'de> DeserializeSeed<'de> for Object<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object such as {\"username\": \"alice\"}")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let value = match map.next_value_seed(Scalar) {
                Ok(value) => value,
                Err(error) => {
                    let name: String = name.chars().take(32).collect();
                    *self.bad = Some(BadField::new(name, format!("does not read: {error}")));
                    return Err(error);
                }
            };
            if let Err(bad) = self.fields.put(&name, Cow::Owned(value)) {
                *self.bad = Some(bad);
                return Err(M::Error::custom("see above"));
            }
        }
        Ok(())
    }
}

/// A string, a number or a boolean, as text; null as nothing.
struct Scalar;

impl<'de> DeserializeSeed<'de> for Scalar {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Scalar {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<String, E> {
        Ok(text)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<String, E> {
        Ok(if value { "1" } else { "0" }.to_owned())
    }

    fn visit_unit<E: Error>(self) -> Result<String, E> {
        Ok(String::new())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request::Field;

    fn of(body: &str) -> Result<Fields<'static>, BadField> {
        let mut fields = Fields::default();
        read(body.as_bytes(), &mut fields).map(|()| fields)
    }

    #[test]
    fn an_object_is_read() {
        let fields = of(
            r#"{"username": "alice", "dialed_number": 442079460123, "concurrent_calls": 2,
            "dry_run": true, "trunk": null, "other": "x"}"#,
        )
        .unwrap();
        assert_eq!(fields.get(Field::DialedNumber), Some("442079460123"));
        assert_eq!(fields.get(Field::ConcurrentCalls), Some("2"));
        assert_eq!(fields.get(Field::DryRun), Some("1"));
        assert_eq!(fields.get(Field::Trunk), None);
    }

    #[test]
    fn what_does_not_read_is_named() {
        for (body, field) in [
            ("", "body"),
            ("[]", "body"),
            (r#"{"username": "al"#, "username"),
            (r#"{"username": ["alice"]}"#, "username"),
            (r#"{"username": {"a": 1}}"#, "username"),
            (r#"{"username": "alice"} x"#, "body"),
            (r#"{"username": "alice", "username": "bob"}"#, "username"),
            ("{\"username\": \"\u{0}\"}", "username"),
        ] {
            assert_eq!(of(body).unwrap_err().field, field, "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fall_over(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut fields = Fields::default();
            let _ = read(&body, &mut fields);
        }
    }
}
