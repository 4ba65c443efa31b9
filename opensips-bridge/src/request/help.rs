//! Calls for help in requests that can't be asked about: two identities, a User-Agent of a thousand letters. Whether the number is
//! one for emergencies, the server knows.

use tfps_client::v1::{AccountKey, CheckRequest};

use super::{
    Fields,
    bounds::DOMAIN,
    fields::Field,
    form,
    headers::{PTfps, x_tfps},
    json,
};

/// The user under which such a call is recorded: it can be no account's, since it has a blank.
pub const UNNAMED: &str = "unnamed caller";
/// No emergency number has more digits.
const LONGEST: usize = 16;

/// What reads of a form or query, and of a JSON object, that does not read as a whole.
pub fn salvage<'a>(forms: &[&'a [u8]], object: Option<&'a [u8]>) -> Fields<'a> {
    let mut fields = Fields::default();
    for form in forms {
        form::salvage(form, &mut fields);
    }
    if let Some(object) = object {
        json::salvage(object, &mut fields);
    }
    fields
}

/// The question whether somebody calls for help there; `None`: they do not. It counts and records nothing.
pub fn question(fields: &Fields<'_>, default_domain: &str) -> Option<CheckRequest> {
    let dialed = fields.get(Field::DialedNumber)?;
    if dialed.len() > LONGEST {
        return None;
    }
    let in_header = fields
        .get(Field::PTfps)
        .and_then(|value| PTfps::read(value).ok())
        .map(|header| header.domain)
        .or_else(|| Some(x_tfps(fields.get(Field::XTfps)?).ok()?.1));
    let domain = [
        fields.get(Field::Domain),
        in_header,
        fields.get(Field::FromDomain),
    ];
    let domain = domain
        .into_iter()
        .flatten()
        .find(|domain| (1..=DOMAIN).contains(&domain.len()))
        .unwrap_or(default_domain);
    Some(CheckRequest {
        account: Some(AccountKey {
            username: UNNAMED.to_owned(),
            domain: domain.to_owned(),
        }),
        dialed_number: dialed.to_owned(),
        dry_run: true,
        ..CheckRequest::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(form: &str) -> Option<(String, String)> {
        let question = question(&salvage(&[form.as_bytes()], None), "default")?;
        assert!(question.dry_run);
        Some((question.dialed_number, question.account.unwrap().domain))
    }

    #[test]
    fn the_number_is_found_whatever_stands_beside_it() {
        let domain = |domain: &str| Some(("112".to_owned(), domain.to_owned()));
        assert_eq!(
            asked("p_tfps=a;b.example&p_tfps=c;d.example&dialed_number=112"),
            domain("b.example")
        );
        assert_eq!(
            asked("user_agent=%ff%&dialed_number=112&from_domain=example.com"),
            domain("example.com")
        );
        assert_eq!(
            asked("x_tfps=a@x.example&dialed_number=112"),
            domain("x.example")
        );
        assert_eq!(asked("dialed_number=112"), domain("default"));
        let json = br#"{"username": ["a"], "dialed_number": 112}"#;
        let fields = salvage(&[], Some(json));
        assert_eq!(question(&fields, "default").unwrap().dialed_number, "112");
    }

    #[test]
    fn what_is_no_number_for_help_is_not_asked_about() {
        assert_eq!(asked("username=a"), None);
        assert_eq!(asked("dialed_number=%ff"), None);
        assert_eq!(asked(&format!("dialed_number={}", "1".repeat(17))), None);
    }
}
