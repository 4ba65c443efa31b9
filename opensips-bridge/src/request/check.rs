//! A call attempt as a switch asks about it.

use tfps_client::v1::CheckRequest;

use super::{
    BadField, Field, Fields, WhoPays, bounded,
    bounds::{HEADER, NUMBER, TRUNK},
    headers, identity, whole_number,
};

/// More calls at once than any account makes.
const MOST_CALLS: u32 = 1_000_000;

/// Reads the fields into the request that the server gets. What several fields can tell comes from the first that does:
/// the fields of `P-tfps`, then `P-Received`, `P-UA` and `P-Calls`, then the switch's own words.
///
/// # Errors
/// The field that is missing, too long or wrong.
pub fn read(fields: &Fields<'_>, who_pays: WhoPays<'_>) -> Result<CheckRequest, BadField> {
    let identity = identity::of(fields, who_pays)?;
    let header = identity.p_tfps;
    let first_of = |in_header: &'_ str, others: [Field; 2]| -> (&'static str, String) {
        if !in_header.is_empty() {
            return (Field::PTfps.name(), in_header.to_owned());
        }
        others
            .into_iter()
            .find_map(|field| Some((field.name(), fields.get(field)?.to_owned())))
            .unwrap_or((others[1].name(), String::new()))
    };
    let text = |field: Field, limit: usize| {
        bounded(field.name(), fields.get(field).unwrap_or_default(), limit)
    };

    let dialed_number = text(Field::DialedNumber, NUMBER)?;
    if dialed_number.is_empty() {
        return Err(BadField::new("dialed_number", "must be given"));
    }
    let caller_number = match fields.get(Field::CallerNumber) {
        Some(_) => text(Field::CallerNumber, NUMBER)?,
        None => text(Field::FromUser, NUMBER)?,
    };
    let (field, source_ip) = first_of(header.source_ip, [Field::PReceived, Field::SourceIp]);
    let source_ip = if source_ip.is_empty() {
        source_ip
    } else {
        headers::address(field, &source_ip)?.to_string()
    };
    let (field, user_agent) = first_of(header.user_agent, [Field::PUa, Field::UserAgent]);
    let user_agent = bounded(field, &user_agent, HEADER)?;
    let (field, calls) = first_of(
        header.concurrent_calls,
        [Field::PCalls, Field::ConcurrentCalls],
    );
    let concurrent_calls = if calls.is_empty() {
        None
    } else {
        Some(whole_number(field, &calls, MOST_CALLS)?)
    };
    let forwarded_from = match (
        fields.get(Field::ForwardedFrom),
        fields.get(Field::Diversion),
    ) {
        (Some(_), _) => text(Field::ForwardedFrom, HEADER)?,
        (None, Some(header)) => bounded("diversion", headers::diversion(header)?, HEADER)?,
        (None, None) => String::new(),
    };
    let dry_run = match fields.get(Field::DryRun) {
        None | Some("0" | "false" | "no") => false,
        Some("1" | "true" | "yes") => true,
        Some(_) => return Err(BadField::new("dry_run", "must be 0 or 1")),
    };
    Ok(CheckRequest {
        account: Some(identity.account),
        dialed_number,
        caller_number,
        source_ip,
        user_agent,
        concurrent_calls,
        call_id: text(Field::CallId, HEADER)?,
        attempt_key: attempt_key(fields)?,
        forwarded_from,
        trunk: text(Field::Trunk, TRUNK)?,
        dry_run,
        at: None,
    })
}

/// The key that the switch made, or one of what names the INVITE transaction in its headers (RFC 3261, 17.2.3). Where these are too
/// long there is none.
fn attempt_key(fields: &Fields<'_>) -> Result<String, BadField> {
    if let Some(key) = fields.get(Field::AttemptKey) {
        return bounded(Field::AttemptKey.name(), key, HEADER);
    }
    let in_headers = || {
        let call_id = fields.get(Field::CallId)?;
        let tag = headers::tag(fields.get(Field::From)?)?;
        let branch = headers::branch(fields.get(Field::Via)?)?;
        let cseq = fields.get(Field::CSeq)?;
        Some(format!("{call_id};{tag};{cseq};{branch}"))
    };
    let key = in_headers().filter(|key| key.len() <= HEADER);
    Ok(key.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::request::form;

    fn check(form: &str) -> Result<CheckRequest, BadField> {
        let mut fields = Fields::default();
        form::read(form.as_bytes(), &mut fields)?;
        read(&fields, WhoPays::default())
    }

    #[test]
    fn a_switch_says_it_in_words() {
        let check = check(
            "username=alice&domain=example.com&dialed_number=%2B442079460123&caller_number=12125552368\
             &source_ip=198.51.100.7&user_agent=Yealink&concurrent_calls=2&call_id=a%40b&forwarded_from=bob\
             &trunk=carrier-1&dry_run=1",
        )
        .unwrap();
        assert_eq!(check.dialed_number, "+442079460123");
        assert_eq!(check.caller_number, "12125552368");
        assert_eq!(check.source_ip, "198.51.100.7");
        assert_eq!(check.concurrent_calls, Some(2));
        assert_eq!(
            (check.call_id.as_str(), check.trunk.as_str()),
            ("a@b", "carrier-1")
        );
        assert!(check.dry_run);
    }

    #[test]
    fn an_attempt_has_the_switch_s_key_or_that_of_its_transaction() {
        let key = |form: &str| {
            let form = format!("username=a&dialed_number=44&{form}");
            check(&form).map(|check| check.attempt_key)
        };
        let headers = "call_id=a84b&from=%3Csip:a@b%3E;tag=19&cseq=1%20INVITE&via=SIP/2.0/UDP%20pbx;branch=z9";
        assert_eq!(key(headers).unwrap(), "a84b;19;1 INVITE;z9");
        assert_eq!(key(&format!("{headers}&attempt_key=17.1")).unwrap(), "17.1");
        assert_eq!(key("call_id=a84b&from=%3Csip:a@b%3E;tag=19").unwrap(), "");
        let long = "x".repeat(250);
        assert_eq!(key(&format!("{headers}{long}")).unwrap(), "");
        let error = key(&format!("attempt_key={}", "x".repeat(257))).unwrap_err();
        assert_eq!(error.field, "attempt_key");
    }

    #[test]
    fn headers_come_before_what_the_packet_says() {
        let packet = "from_user=4711&from_domain=pbx&source_ip=10.0.0.1&user_agent=OpenSIPS&sim_calls=9&dialed_number=44";
        let check_packet = check(packet).unwrap();
        assert_eq!(check_packet.source_ip, "10.0.0.1");
        assert_eq!(check_packet.caller_number, "4711");

        let x = check(&format!(
            "{packet}&x_tfps=bob%40example.com&p_received=198.51.100.7:5060&p_ua=Snom&p_calls=3"
        ))
        .unwrap();
        assert_eq!(x.account.unwrap().username, "bob");
        assert_eq!(
            (
                x.source_ip.as_str(),
                x.user_agent.as_str(),
                x.concurrent_calls
            ),
            ("198.51.100.7", "Snom", Some(3))
        );

        let p = check(&format!(
            "{packet}&p_received=203.0.113.9&p_calls=3&p_tfps=alice;example.com;198.51.100.8;;1"
        ))
        .unwrap();
        assert_eq!(
            (
                p.source_ip.as_str(),
                p.user_agent.as_str(),
                p.concurrent_calls
            ),
            ("198.51.100.8", "OpenSIPS", Some(1))
        );
    }

    #[test]
    fn the_wrong_field_is_named() {
        let long = "1".repeat(65);
        for (form, field) in [
            ("username=a".to_owned(), "dialed_number"),
            ("dialed_number=44".to_owned(), "username"),
            (format!("username=a&dialed_number={long}"), "dialed_number"),
            (
                format!("username=a&dialed_number=44&from_user={long}"),
                "from_user",
            ),
            (
                "username=a&dialed_number=44&source_ip=pbx".to_owned(),
                "source_ip",
            ),
            (
                "username=a&dialed_number=44&p_received=pbx".to_owned(),
                "p_received",
            ),
            ("p_tfps=a;b;pbx;;&dialed_number=44".to_owned(), "p_tfps"),
            (
                "username=a&dialed_number=44&concurrent_calls=-1".to_owned(),
                "concurrent_calls",
            ),
            (
                "username=a&dialed_number=44&p_calls=%2B1".to_owned(),
                "p_calls",
            ),
            (
                "username=a&dialed_number=44&concurrent_calls=99999999999".to_owned(),
                "concurrent_calls",
            ),
            (
                format!("username=a&dialed_number=44&user_agent={}", "x".repeat(257)),
                "user_agent",
            ),
            (
                format!("username=a&dialed_number=44&call_id={}", "x".repeat(257)),
                "call_id",
            ),
            (
                format!("username=a&dialed_number=44&diversion={}", "x".repeat(300)),
                "diversion",
            ),
            (
                "username=a&dialed_number=44&dry_run=maybe".to_owned(),
                "dry_run",
            ),
        ] {
            assert_eq!(check(&form).unwrap_err().field, field, "{form}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_within_the_bounds_of_the_api(form in "([a-z_]{1,16}=[ -~]{0,80}&){0,8}(p_tfps|username|from_user)=[ -~]{0,120}&dialed_number=[ -~]{0,80}") {
            if let Ok(check) = check(&form) {
                let account = check.account.unwrap();
                prop_assert!(!account.username.is_empty() && account.username.len() <= 64);
                prop_assert!(account.domain.len() <= 253);
                prop_assert!(!check.dialed_number.is_empty() && check.dialed_number.len() <= 64);
                prop_assert!(check.source_ip.is_empty() || check.source_ip.parse::<std::net::IpAddr>().is_ok());
                prop_assert!(check.user_agent.len() <= 256 && check.call_id.len() <= 256);
            }
        }
    }
}
