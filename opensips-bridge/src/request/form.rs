//! `application/x-www-form-urlencoded`: bodies and query strings alike.

use std::borrow::Cow;

use super::{BadField, Fields};

/// Takes the fields of a form.
///
/// # Errors
/// A percent escape that is none, text that is not UTF-8, or a field that is given twice: with the field's name.
pub fn read<'a>(form: &'a [u8], fields: &mut Fields<'a>) -> Result<(), BadField> {
    for pair in pairs(form) {
        let (name, value) = pair?;
        fields.put(&name, value)?;
    }
    Ok(())
}

/// Takes what reads of a form that does not.
pub(super) fn salvage<'a>(form: &'a [u8], fields: &mut Fields<'a>) {
    for (name, value) in pairs(form).flatten() {
        fields.salvage(&name, value);
    }
}

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

fn pairs(form: &[u8]) -> impl Iterator<Item = Result<Pair<'_>, BadField>> {
    let pairs = form.split(|byte| *byte == b'&');
    pairs.filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &b""[..]),
        };
        let name = decoded(name).map_err(|problem| {
            BadField::new(shown(name), format!("is a field's name that {problem}"))
        })?;
        let value =
            decoded(value).map_err(|problem| BadField::new(shown(name.as_bytes()), problem))?;
        Ok((name, value))
    })
}

/// The text that was encoded.
fn decoded(encoded: &[u8]) -> Result<Cow<'_, str>, &'static str> {
    const NOT_UTF8: &str = "is not UTF-8";
    if !encoded.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return std::str::from_utf8(encoded)
            .map(Cow::Borrowed)
            .map_err(|_| NOT_UTF8);
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match (rest.next().and_then(digit), rest.next().and_then(digit)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err("has a % that two hexadecimal digits do not follow"),
            },
            other => *other,
        });
    }
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_| NOT_UTF8)
}

fn digit(byte: &u8) -> Option<u8> {
    char::from(*byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// A name that can be shown in an error whatever was sent.
fn shown(name: &[u8]) -> String {
    const LONGEST: usize = 32;
    let name = String::from_utf8_lossy(&name[..name.len().min(LONGEST)]);
    name.chars().filter(|letter| !letter.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request::Field;

    fn of(form: &[u8]) -> Result<Fields<'_>, BadField> {
        let mut fields = Fields::default();
        read(form, &mut fields).map(|()| fields)
    }

    #[test]
    fn a_form_is_read() {
        let fields = of(b"username=alice&domain=example.com&dialed_number=%2B44+20&user_agent=Yealink%20SIP%2dT46S&other=1&&trunk").unwrap();
        assert_eq!(fields.get(Field::Username), Some("alice"));
        assert_eq!(fields.get(Field::DialedNumber), Some("+44 20"));
        assert_eq!(fields.get(Field::UserAgent), Some("Yealink SIP-T46S"));
        assert_eq!(fields.get(Field::Trunk), None);
    }

    #[test]
    fn what_is_badly_encoded_is_named() {
        for (form, problem) in [
            (&b"username=%4"[..], "% that two"),
            (b"username=%zz", "% that two"),
            (b"username=%", "% that two"),
            (b"username=%+1", "% that two"),
            (b"username=%ff%fe", "not UTF-8"),
            (b"username=\xff", "not UTF-8"),
        ] {
            let error = of(form).unwrap_err();
            assert_eq!(error.field, "username");
            assert!(error.problem.contains(problem), "{error}");
        }
        assert!(
            of(b"user%zzname=alice")
                .unwrap_err()
                .field
                .starts_with("user")
        );
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_read_back(value in "\\PC{1,40}") {
            let mut encoded = b"user_agent=".to_vec();
            for byte in value.bytes() {
                encoded.extend(format!("%{byte:02X}").into_bytes());
            }
            let fields = of(&encoded).unwrap();
            let trimmed = value.trim();
            prop_assert_eq!(fields.get(Field::UserAgent), (!trimmed.is_empty()).then_some(trimmed));
        }

        #[test]
        fn no_bytes_make_it_fall_over(form in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = of(&form);
        }
    }
}
