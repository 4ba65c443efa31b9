//! A call attempt as a switch asks about it.

use tfps_client::v1::CheckRequest;

use super::{
    BadField, Field, Fields, WhoPays, bounded,
    bounds::{DIALED, HEADER, NUMBER, TRUNK},
    headers::{self, PTfps},
    identity, whole_number,
};

/// More calls at once than any account makes.
const MOST_CALLS: u32 = 1_000_000;

/// Reads the fields into the request that the server gets. What several fields can tell comes from the first that does: the parts of
/// `P-tfps`, or where there is none `P-Received` and `P-UA`, then the switch's own words. A switch that sends `P-tfps` sends no other
/// header: one that stands beside it is the caller's. Of two counts of the account's calls the higher one counts.
///
/// # Errors
/// The field that is missing, too long or wrong.
pub fn read(fields: &Fields<'_>, who_pays: WhoPays<'_>) -> Result<CheckRequest, BadField> {
    let identity = identity::of(fields, who_pays)?;
    let p_tfps = identity.p_tfps.as_ref();
    let first_of = |part: Option<&str>, header: Field, word: Field| -> (&'static str, String) {
        let in_header = match part {
            Some(part) => Some((Field::PTfps, part)),
            None => fields.get(header).map(|value| (header, value)),
        };
        match in_header {
            Some((field, value)) if !value.is_empty() => (field.name(), value.to_owned()),
            _ => (word.name(), fields.get(word).unwrap_or_default().to_owned()),
        }
    };
    let text = |field: Field, limit: usize| {
        bounded(field.name(), fields.get(field).unwrap_or_default(), limit)
    };

    let dialed_number = text(Field::DialedNumber, DIALED)?;
    if dialed_number.is_empty() {
        return Err(BadField::new("dialed_number", "must be given"));
    }
    let caller_number = match fields.get(Field::CallerNumber) {
        Some(_) => text(Field::CallerNumber, NUMBER)?,
        None => text(Field::FromUser, NUMBER)?,
    };
    let part = p_tfps.map(|header| header.source_ip);
    let (field, source_ip) = first_of(part, Field::PReceived, Field::SourceIp);
    let source_ip = if source_ip.is_empty() {
        source_ip
    } else {
        headers::address(field, &source_ip)?.to_string()
    };
    let part = p_tfps.map(|header| header.user_agent);
    let (field, user_agent) = first_of(part, Field::PUa, Field::UserAgent);
    let user_agent = bounded(field, &user_agent, HEADER)?;
    let concurrent_calls = concurrent_calls(fields, p_tfps)?;
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

/// As the switch counts them: in `P-tfps`, or in its own words. `P-Calls` may be the caller's and can only add to these.
fn concurrent_calls(
    fields: &Fields<'_>,
    p_tfps: Option<&PTfps<'_>>,
) -> Result<Option<u32>, BadField> {
    let counted = |field: Field, text: &str| whole_number(field.name(), text, MOST_CALLS);
    let in_field = |field: Field| {
        let text = fields.get(field);
        text.map(|text| counted(field, text)).transpose()
    };
    match p_tfps.map(|header| header.concurrent_calls) {
        Some("") => in_field(Field::ConcurrentCalls),
        Some(calls) => counted(Field::PTfps, calls).map(Some),
        None => Ok(in_field(Field::PCalls)?.max(in_field(Field::ConcurrentCalls)?)),
    }
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
        let via = headers::topmost_via(fields.get(Field::Via)?)?;
        let cseq = fields.get(Field::CSeq)?;
        Some(format!("{call_id};{tag};{cseq};{via}"))
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
        assert_eq!(
            key(headers).unwrap(),
            "a84b;19;1 INVITE;SIP/2.0/UDP pbx;branch=z9"
        );
        // The same branch from another sent-by is another transaction.
        let elsewhere = headers.replace("pbx", "pbx:5062");
        assert_ne!(key(headers), key(&elsewhere));
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
            ("198.51.100.7", "Snom", Some(9))
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
    fn beside_p_tfps_a_caller_s_headers_tell_nothing_and_none_lowers_the_switch_s_count() {
        let words = "source_ip=10.0.0.1&user_agent=OpenSIPS&concurrent_calls=9&dialed_number=44";
        let callers = "p_received=198.51.100.7&p_ua=Snom&p_calls=1";
        let told = |form: String| {
            let check = check(&form).unwrap();
            (check.source_ip, check.user_agent, check.concurrent_calls)
        };
        let as_the_switch = |calls| ("10.0.0.1".to_owned(), "OpenSIPS".to_owned(), calls);
        for p_tfps in ["alice", "alice;example.com", "alice;example.com;;;"] {
            let form = format!("p_tfps={p_tfps}&{callers}&{words}");
            assert_eq!(told(form), as_the_switch(Some(9)), "{p_tfps}");
        }
        let uncounted = "p_tfps=alice;example.com;;;&p_calls=1&dialed_number=44";
        assert_eq!(check(uncounted).unwrap().concurrent_calls, None);
        let (.., calls) = told(format!("x_tfps=alice&{callers}&{words}"));
        assert_eq!(calls, Some(9));
    }

    #[test]
    fn the_wrong_field_is_named() {
        let long = "1".repeat(129);
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
