//! Calls for help in requests that can't be asked about: two identities, a User-Agent of a thousand letters. Whether the number is
//! one for emergencies, the server knows.

use tfps_client::v1::{AccountKey, CheckRequest};

use super::{
    Fields,
    bounds::{DIALED, DOMAIN, TRUNK},
    fields::Field,
    form,
    headers::{self, PTfps, x_tfps},
    json,
};

/// The user under which such a call is recorded: it can be no account's, since it has a blank.
pub const UNNAMED: &str = "unnamed caller";

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

/// The question whether somebody calls for help there; `None`: they do not. It counts and records nothing. Where the call comes from is asked
/// with it, so that a flood of such calls is seen: of what tells it, first what callers can't write.
pub fn question(fields: &Fields<'_>, default_domain: &str) -> Option<CheckRequest> {
    let dialed = fields.get(Field::DialedNumber)?;
    if dialed.len() > DIALED {
        return None;
    }
    let p_tfps = fields
        .get(Field::PTfps)
        .and_then(|value| PTfps::read(value).ok());
    let in_header = p_tfps
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
    let source_ip = [
        fields.get(Field::SourceIp),
        fields.get(Field::PReceived),
        p_tfps.map(|header| header.source_ip),
    ]
    .into_iter()
    .flatten()
    .find_map(|source| headers::address("source_ip", source).ok())
    .map_or_else(String::new, |ip| ip.to_string());
    let trunk = fields
        .get(Field::Trunk)
        .filter(|trunk| trunk.len() <= TRUNK);
    Some(CheckRequest {
        source_ip,
        trunk: trunk.unwrap_or_default().to_owned(),
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
    fn where_the_call_comes_from_is_told_as_the_switch_tells_it() {
        let source = |form: &str| {
            let fields = salvage(&[form.as_bytes()], None);
            let question = question(&fields, "default").unwrap();
            (question.source_ip, question.trunk)
        };
        let told = |ip: &str| (ip.to_owned(), "carrier".to_owned());
        let twice =
            "dialed_number=112&trunk=carrier&p_tfps=a;b;203.0.113.7;;&p_tfps=c;d;203.0.113.8;;";
        assert_eq!(
            source(&format!("{twice}&source_ip=192.0.2.1")),
            told("192.0.2.1")
        );
        assert_eq!(
            source(&format!(
                "{twice}&source_ip=pbx&p_received=[2001:db8::7]:5060"
            )),
            told("2001:db8::7")
        );
        assert_eq!(source(twice), told("203.0.113.7"));
        assert_eq!(source("dialed_number=112&trunk=carrier"), told(""));
        let long = format!("dialed_number=112&trunk={}", "x".repeat(65));
        assert_eq!(source(&long), (String::new(), String::new()));
    }

    #[test]
    fn what_is_no_number_for_help_is_not_asked_about() {
        assert_eq!(asked("username=a"), None);
        assert_eq!(asked("dialed_number=%ff"), None);
        assert_eq!(asked(&format!("dialed_number={}", "1".repeat(129))), None);
    }
}
