//! SIP headers that a switch passes on as they came: who calls (`P-tfps`, `X-tfps`), from where (`P-Received`, `P-UA`,
//! `P-Calls`), forwarded by whom (`Diversion`, RFC 5806). Blanks around the parts mean nothing.

use std::net::{IpAddr, SocketAddr};

use super::BadField;

/// No header that means anything is longer, in bytes.
const LONGEST: usize = 1_024;

/// `P-tfps: username;domain;source-ip;user-agent;concurrent-calls`. Parts may be empty, and the last may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PTfps<'a> {
    /// The account's user; never empty.
    pub username: &'a str,
    /// The account's domain.
    pub domain: &'a str,
    /// The caller's address.
    pub source_ip: &'a str,
    /// The caller's User-Agent, which may itself have semicolons.
    pub user_agent: &'a str,
    /// The account's calls in progress, digits or nothing.
    pub concurrent_calls: &'a str,
}

impl<'a> PTfps<'a> {
    /// Reads the header's value.
    ///
    /// # Errors
    /// When it is too long or names no user.
    pub fn read(value: &'a str) -> Result<Self, BadField> {
        check_length("p_tfps", value)?;
        let mut parts = value.splitn(4, ';').map(str::trim);
        let mut next = || parts.next().unwrap_or_default();
        let (username, domain, source_ip, rest) = (next(), next(), next(), next());
        if [username, domain, source_ip]
            .iter()
            .any(|part| part.contains(','))
            || is_two(rest)
        {
            return Err(BadField::new(
                "p_tfps",
                "holds two values: the caller may have written one of them. Send one, and remove what callers write",
            ));
        }
        if username.is_empty() {
            return Err(BadField::new(
                "p_tfps",
                "names no user: it is username;domain;source-ip;user-agent;concurrent-calls",
            ));
        }
        let (user_agent, concurrent_calls) = match rest.rsplit_once(';') {
            Some((agent, calls)) if calls.trim().bytes().all(|byte| byte.is_ascii_digit()) => {
                (agent.trim(), calls.trim())
            }
            _ => (rest, ""),
        };
        Ok(Self {
            username,
            domain,
            source_ip,
            user_agent,
            concurrent_calls,
        })
    }
}

/// Whether a User-Agent and a count are followed by another header's value, which some proxies join by a comma. A User-Agent may
/// have commas and semicolons, but nobody's has a count between them.
fn is_two(rest: &str) -> bool {
    rest.split(',').rev().skip(1).any(|before| {
        before
            .rsplit_once(';')
            .is_some_and(|(_, calls)| calls.trim().bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// `X-tfps: username@domain`, with or without `sip:` and angle brackets: the user and the domain, which may be empty.
///
/// # Errors
/// When it is too long or names no user.
pub fn x_tfps(value: &str) -> Result<(&str, &str), BadField> {
    check_length("x_tfps", value)?;
    if values(value).count() > 1 {
        return Err(BadField::new(
            "x_tfps",
            "holds two values: the caller may have written one of them. Send one, and remove what callers write",
        ));
    }
    let (username, domain) = user_and_host(uri(value));
    if username.is_empty() {
        return Err(BadField::new(
            "x_tfps",
            "names no user: it is username@domain",
        ));
    }
    Ok((username, domain))
}

/// `P-Asserted-Identity` (RFC 3325, 9.1): the user and the host of its SIP URI, or the number of its tel URI where it has no other.
///
/// # Errors
/// When it is too long, names nobody, or has two SIP URIs.
pub fn asserted_identity(value: &str) -> Result<(&str, &str), BadField> {
    const FIELD: &str = "p_asserted_identity";
    check_length(FIELD, value)?;
    let (mut sip, mut tel) = (None, None);
    for value in values(value) {
        let (scheme, address) = scheme_and_address(value);
        let place = match scheme {
            "tel" => &mut tel,
            _ => &mut sip,
        };
        if place.replace(address).is_some() {
            return Err(BadField::new(
                FIELD,
                "names two: the caller may have written one of them. Send one, and remove what callers write",
            ));
        }
    }
    let (userinfo, host) = match (sip, tel) {
        (Some(sip), _) => user_and_host(sip),
        (None, Some(tel)) => (tel, ""),
        (None, None) => ("", ""),
    };
    let user = userinfo.split([';', ':']).next().unwrap_or_default().trim();
    let host = host.split([';', '?']).next().unwrap_or_default().trim();
    if user.is_empty() {
        return Err(BadField::new(
            FIELD,
            "names nobody: it is <sip:user@domain>",
        ));
    }
    Ok((user, without_port(host)))
}

/// The tag of a From header (RFC 3261, 20.20).
pub fn tag(from: &str) -> Option<&str> {
    // A parameter of the URI in angle brackets is none of the header.
    let parameters = from.rsplit_once('>').map_or(from, |(_, rest)| rest);
    parameter(parameters, "tag")
}

/// The topmost Via (RFC 3261, 20.42), where it has a branch. The branch alone names no transaction: the sent-by belongs to it (17.2.3).
pub fn topmost_via(via: &str) -> Option<&str> {
    let topmost = values(via).next()?.trim();
    parameter(topmost, "branch").map(|_| topmost)
}

fn parameter<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        let value = value.split([',', '?']).next().unwrap_or_default().trim();
        (key.trim().eq_ignore_ascii_case(name) && !value.is_empty()).then_some(value)
    })
}

/// The values of a header that commas join; a comma in quotes or angle brackets joins nothing.
fn values(header: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    header.split(move |letter| {
        let was_escaped = std::mem::take(&mut escaped);
        match letter {
            '\\' if quoted => escaped = !was_escaped,
            '"' if !was_escaped && !bracketed => quoted = !quoted,
            '<' if !quoted => bracketed = true,
            '>' if !quoted => bracketed = false,
            ',' => return !quoted && !bracketed,
            _ => {}
        }
        false
    })
}

/// The scheme of a name-addr or addr-spec, and what follows it, with its parameters.
fn scheme_and_address(value: &str) -> (&str, &str) {
    let value = match value.rsplit_once('<') {
        Some((_, inner)) => inner.split('>').next().unwrap_or_default(),
        None => value.trim(),
    };
    let Some((scheme, address)) = value.split_once(':') else {
        return ("", value);
    };
    if scheme.eq_ignore_ascii_case("tel") {
        ("tel", address)
    } else if scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips") {
        ("sip", address)
    } else {
        ("", value)
    }
}

/// A host without its port: `example.com:5060`, `[2001:db8::7]:5060`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && (name.ends_with(']') || !name.contains(':')) =>
        {
            name
        }
        _ => host,
    }
}

/// The forwarding party of the topmost `Diversion`: `user@host` of its URI, or the value as it came where it has none.
///
/// # Errors
/// When it is too long.
pub fn diversion(value: &str) -> Result<&str, BadField> {
    check_length("diversion", value)?;
    let address = uri(value);
    Ok(if address.is_empty() {
        value.trim()
    } else {
        address
    })
}

/// An address, with or without a port: `192.0.2.7`, `192.0.2.7:5060`, `2001:db8::7`, `[2001:db8::7]`, `[2001:db8::7]:5060`.
///
/// # Errors
/// When it is something else.
pub fn address(field: &str, value: &str) -> Result<IpAddr, BadField> {
    let bare = value
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(value);
    bare.parse()
        .or_else(|_| value.parse().map(|with_port: SocketAddr| with_port.ip()))
        .map_err(|_| {
            BadField::new(
                field,
                "must be an IPv4 or IPv6 address, such as 192.0.2.7 or 2001:db8::7",
            )
        })
}

/// The URI of a name-addr or addr-spec, without scheme, parameters and headers.
fn uri(value: &str) -> &str {
    // A display name may hold anything in its quotes.
    let value = match value.trim().strip_prefix('"') {
        Some(quoted) => quoted
            .split_once('"')
            .map_or(quoted, |(_, rest)| rest)
            .trim(),
        None => value.trim(),
    };
    let value = match value.split_once('<') {
        // One after a comma is the next one's.
        Some((name, inner)) if !name.contains(',') => inner.split('>').next().unwrap_or_default(),
        _ => value,
    };
    let value = ["sips:", "sip:", "tel:"]
        .iter()
        .find_map(|scheme| {
            value
                .get(..scheme.len())
                .filter(|start| start.eq_ignore_ascii_case(scheme))
                .and_then(|_| value.get(scheme.len()..))
        })
        .unwrap_or(value);
    value
        .split([';', '?', ',', '>'])
        .next()
        .unwrap_or_default()
        .trim()
}

fn user_and_host(address: &str) -> (&str, &str) {
    address
        .rsplit_once('@')
        .map_or((address, ""), |(user, host)| (user.trim(), host.trim()))
}

fn check_length(field: &str, value: &str) -> Result<(), BadField> {
    if value.len() <= LONGEST {
        return Ok(());
    }
    Err(BadField::new(
        field,
        format!("is {} bytes long, at most {LONGEST} are taken", value.len()),
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn p_tfps_is_read_with_blanks_and_gaps() {
        let whole = PTfps::read("alice; example.com ;198.51.100.7; Yealink SIP-T46S ; 2").unwrap();
        assert_eq!(
            whole,
            PTfps {
                username: "alice",
                domain: "example.com",
                source_ip: "198.51.100.7",
                user_agent: "Yealink SIP-T46S",
                concurrent_calls: "2",
            }
        );
        let short = PTfps::read("alice;example.com").unwrap();
        assert_eq!(
            (short.source_ip, short.user_agent, short.concurrent_calls),
            ("", "", "")
        );
        let gaps = PTfps::read("alice;example.com;;;3").unwrap();
        assert_eq!(
            (gaps.source_ip, gaps.user_agent, gaps.concurrent_calls),
            ("", "", "3")
        );
    }

    #[test]
    fn a_user_agent_may_have_semicolons() {
        let header = PTfps::read("alice;example.com;198.51.100.7;Cisco/8.0; build 7;4").unwrap();
        assert_eq!(
            (header.user_agent, header.concurrent_calls),
            ("Cisco/8.0; build 7", "4")
        );
        let header = PTfps::read("alice;example.com;198.51.100.7;Cisco/8.0; build x").unwrap();
        assert_eq!(
            (header.user_agent, header.concurrent_calls),
            ("Cisco/8.0; build x", "")
        );
    }

    #[test]
    fn a_header_without_a_user_is_refused() {
        for value in [";example.com", " ; ", ";"] {
            assert_eq!(PTfps::read(value).unwrap_err().field, "p_tfps");
        }
        for value in ["@example.com", "<sip:@example.com>", "<>"] {
            assert_eq!(x_tfps(value).unwrap_err().field, "x_tfps");
        }
        let long = "a".repeat(2_000);
        assert!(PTfps::read(&long).is_err() && x_tfps(&long).is_err() && diversion(&long).is_err());
    }

    #[test]
    fn x_tfps_is_an_address_in_any_of_its_forms() {
        for value in [
            "alice@example.com",
            " alice@example.com ",
            "sip:alice@example.com",
            "<sip:alice@example.com>",
            "\"A <b> c\" <SIP:alice@example.com;user=phone>;tag=1",
        ] {
            assert_eq!(x_tfps(value), Ok(("alice", "example.com")), "{value}");
        }
        assert_eq!(x_tfps("alice"), Ok(("alice", "")));
    }

    #[test]
    fn the_topmost_diversion_tells_who_forwards() {
        for (value, party) in [
            (
                "<sip:+442079460123@pbx.example.com>;reason=unconditional",
                "+442079460123@pbx.example.com",
            ),
            (
                "\"Bob\" <tel:+442079460123>;reason=no-answer;counter=2",
                "+442079460123",
            ),
            (
                "sip:bob@example.com, <sip:carol@example.com>",
                "bob@example.com",
            ),
            ("unknown", "unknown"),
        ] {
            assert_eq!(diversion(value), Ok(party));
        }
    }

    #[test]
    fn two_values_of_one_header_are_none() {
        for value in [
            "alice, bob;example.com",
            "alice;example.com, bob;example.com",
            "alice;example.com;192.0.2.7, bob;example.com",
            "alice;example.com;192.0.2.7;Snom;1, bob;example.com;;;1",
            "alice;example.com;192.0.2.7;Snom;,bob;example.com",
        ] {
            let error = PTfps::read(value).unwrap_err();
            assert!(error.problem.contains("two values"), "{value}: {error}");
        }
        let agent = PTfps::read("alice;example.com;;Foo (X11; Linux, x86), build 7;1").unwrap();
        assert_eq!(agent.user_agent, "Foo (X11; Linux, x86), build 7");
        assert!(x_tfps("alice@example.com,bob@example.com").is_err());
        let quoted = x_tfps("\"Smith, Alice\" <sip:alice@example.com>");
        assert_eq!(quoted, Ok(("alice", "example.com")));
    }

    #[test]
    fn an_asserted_identity_is_its_sip_uri() {
        for (value, identity) in [
            ("<sip:alice@example.com>", ("alice", "example.com")),
            (
                "\"Smith, Alice\" <sip:alice@example.com;user=phone>, <tel:+12125552368>",
                ("alice", "example.com"),
            ),
            (
                "<tel:+12125552368>, <sips:alice@example.com:5061>",
                ("alice", "example.com"),
            ),
            ("sip:alice@example.com", ("alice", "example.com")),
            ("<tel:+12125552368;phone-context=x>", ("+12125552368", "")),
            (
                "<sip:+12125552368;phone-context=x@[2001:db8::7]:5060>",
                ("+12125552368", "[2001:db8::7]"),
            ),
        ] {
            assert_eq!(asserted_identity(value), Ok(identity), "{value}");
        }
        for value in [
            "<sip:alice@example.com>, <sip:bob@example.com>",
            "<tel:+1>,<tel:+2>",
            "<sip:@example.com>",
            "\"alice\"",
            "",
        ] {
            let read = asserted_identity(value);
            let refused = read.map_err(|error| error.field);
            if value != "\"alice\"" {
                assert_eq!(refused, Err("p_asserted_identity".to_owned()), "{value}");
            }
        }
    }

    #[test]
    fn a_transaction_is_known_by_tag_and_topmost_via() {
        let from = "\"Alice;tag=x\" <sip:alice@example.com;tag=y>;tag=1928301774";
        assert_eq!(tag(from), Some("1928301774"));
        assert_eq!(tag("<sip:alice@example.com;tag=y>"), None);
        let via = "SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK776asdhds;rport, SIP/2.0/UDP pbx;branch=z9hG4bK2";
        assert_eq!(
            topmost_via(via),
            Some("SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK776asdhds;rport")
        );
        assert_eq!(topmost_via("SIP/2.0/UDP 192.0.2.7"), None);
    }

    #[test]
    fn an_address_may_have_a_port() {
        for (value, ip) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7:5060", "192.0.2.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:5060", "2001:db8::7"),
        ] {
            assert_eq!(
                address("source_ip", value)
                    .map(|ip| ip.to_string())
                    .as_deref(),
                Ok(ip)
            );
        }
        for value in [
            "",
            "pbx.example.com",
            "192.0.2.777",
            "192.0.2.7:x",
            "[192.0.2.7",
        ] {
            assert_eq!(
                address("p_received", value).unwrap_err().field,
                "p_received"
            );
        }
    }

    proptest! {
        #[test]
        fn what_p_tfps_says_is_what_was_written(
            username in "[a-z0-9.]{1,20}", domain in "[a-z.]{0,20}", agent in "[A-Za-z0-9 /;.]{0,40}", calls in 0u32..1_000,
        ) {
            let value = format!("{username};{domain};192.0.2.7;{agent};{calls}");
            let header = PTfps::read(&value).unwrap();
            prop_assert_eq!(header.username, username);
            prop_assert_eq!(header.domain, domain);
            prop_assert_eq!(header.user_agent, agent.trim());
            prop_assert_eq!(header.concurrent_calls, calls.to_string());
        }

        #[test]
        fn no_header_makes_it_fall_over(value in "\\PC{0,60}") {
            let _ = PTfps::read(&value);
            let _ = x_tfps(&value);
            let _ = asserted_identity(&value);
            let _ = (tag(&value), topmost_via(&value));
            let _ = diversion(&value);
            let _ = address("source_ip", &value);
        }
    }
}
