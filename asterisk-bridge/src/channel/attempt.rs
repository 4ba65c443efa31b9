//! The call that Check is asked about, from what the dialplan sets (`TFPS_…`) and, where it sets nothing, from the channel.

use tfps_client::v1::{AccountKey, CheckRequest};
use tracing::warn;

use super::{group_name, is_plain, is_plain_letter};
use crate::{
    agi::{AgiError, Environment},
    flow::Call,
};

/// The longest text of a caller that the server takes, in bytes: User-Agent, Diversion.
const LONGEST_TEXT: usize = 256;
/// The longest calling number and trunk.
const LONGEST_NAME: usize = 64;

/// Whose channel it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The caller's own.
    Caller,
    /// A SIP front's, which relays the caller's: address, User-Agent and count would be the front's.
    Front,
}

/// What each sort of channel knows of its peer: Call-ID, address, User-Agent.
fn peer(technology: &str, origin: Origin) -> [&'static str; 3] {
    let [call_id, address, agent] = match technology {
        "PJSIP" => [
            "${CHANNEL(pjsip,call-id)}",
            "${CHANNEL(pjsip,remote_addr)}",
            "${PJSIP_HEADER(read,User-Agent)}",
        ],
        "SIP" => [
            "${SIPCALLID}",
            "${CHANNEL(peerip)}",
            "${CHANNEL(useragent)}",
        ],
        "IAX2" => ["", "${CHANNEL(peerip)}", ""],
        _ => ["", "", ""],
    };
    match origin {
        Origin::Caller => [call_id, address, agent],
        Origin::Front => [call_id, "", ""],
    }
}

/// Reads it. What is missing is left for the server to find.
///
/// # Errors
/// [`AgiError`]
pub(crate) async fn read(
    call: &mut Call,
    environment: &Environment,
    default_domain: &str,
    origin: Origin,
) -> Result<CheckRequest, AgiError> {
    let channel = environment.get("channel").unwrap_or_default();
    let (technology, _) = channel.split_once('/').unwrap_or_default();
    let [peer_call_id, peer_address, peer_agent] = peer(technology, origin);
    let group = match origin {
        Origin::Caller => group_count(endpoint(channel), default_domain),
        Origin::Front => String::new(),
    };
    let [
        username,
        domain,
        number,
        caller,
        source,
        agent,
        call_id,
        attempt_key,
        concurrent,
        forwarded,
        trunk,
        peer_call_id,
        peer_address,
        peer_agent,
        calls,
    ] = call
        .evaluate([
            "${TFPS_USERNAME}",
            "${TFPS_DOMAIN}",
            "${TFPS_NUMBER}",
            "${TFPS_CALLER}",
            "${TFPS_SOURCE_IP}",
            "${TFPS_USER_AGENT}",
            "${TFPS_CALL_ID}",
            "${TFPS_ATTEMPT_KEY}",
            "${TFPS_CONCURRENT_CALLS}",
            "${TFPS_FORWARDED_FROM}",
            "${TFPS_TRUNK}",
            peer_call_id,
            peer_address,
            peer_agent,
            &group,
        ])
        .await?;
    let told = |name: &str| environment.get(name).unwrap_or_default();
    let username = or(username, endpoint(channel));
    let domain = or(domain, default_domain);
    let concurrent_calls = match concurrent.parse() {
        Ok(count) => Some(count),
        Err(_) if !concurrent.is_empty() => {
            warn!(concurrent, "TFPS_CONCURRENT_CALLS is no number");
            None
        }
        Err(_) if origin == Origin::Front => None,
        Err(_) if is_plain(&username) && is_plain(&domain) => count(&calls),
        Err(_) => counted(call, &username, &domain).await?,
    };
    Ok(CheckRequest {
        account: Some(AccountKey { username, domain }),
        dialed_number: or(number, told("extension")),
        caller_number: shortened(or(caller, told("callerid")), LONGEST_NAME),
        source_ip: address(&or(source, &peer_address)).to_owned(),
        user_agent: shortened(or(agent, &peer_agent), LONGEST_TEXT),
        concurrent_calls,
        call_id: shortened(
            or(or(call_id, &peer_call_id), told("uniqueid")),
            LONGEST_TEXT,
        ),
        attempt_key: shortened(or(attempt_key, told("uniqueid")), LONGEST_TEXT),
        forwarded_from: shortened(or(forwarded, told("rdnis")), LONGEST_TEXT),
        trunk: shortened(trunk, LONGEST_NAME),
        ..CheckRequest::default()
    })
}

/// Who calls: what the dialplan says, or the channel's endpoint.
///
/// # Errors
/// [`AgiError`]
pub(crate) async fn account(
    call: &mut Call,
    environment: &Environment,
    default_domain: &str,
) -> Result<AccountKey, AgiError> {
    let [username, domain] = call
        .evaluate(["${TFPS_USERNAME}", "${TFPS_DOMAIN}"])
        .await?;
    let channel = environment.get("channel").unwrap_or_default();
    Ok(AccountKey {
        username: or(username, endpoint(channel)),
        domain: or(domain, default_domain),
    })
}

fn or(value: String, otherwise: &str) -> String {
    if value.is_empty() {
        otherwise.to_owned()
    } else {
        value
    }
}

/// Puts the call into the group of its account's calls, and counts them, this one included. As a single expression, so that it is
/// part of the first exchange, it can't tell letters apart that no group's name can have.
fn group_count(endpoint: &str, default_domain: &str) -> String {
    let plain = |name: &str| name.replace(|letter| !is_plain_letter(letter), "");
    let or = |variable: &str, otherwise: &str| {
        format!(
            "${{IF(${{LEN(${{{variable}}})}}?${{FILTER(-_.+a-zA-Z0-9,${{{variable}}})}}:{})}}",
            plain(otherwise)
        )
    };
    let username = or("TFPS_USERNAME", endpoint);
    let domain = or("TFPS_DOMAIN", default_domain);
    format!("${{GROUP_COUNT(${{SET(GROUP(tfps)={username}.{domain})}}@tfps)}}")
}

/// The same for an account whose name has other letters.
async fn counted(call: &mut Call, username: &str, domain: &str) -> Result<Option<u32>, AgiError> {
    let group = group_name(username, domain);
    call.set_variable("GROUP(tfps)", &group).await?;
    let [calls] = call
        .evaluate([&format!("${{GROUP_COUNT({group}@tfps)}}")])
        .await?;
    Ok(count(&calls))
}

fn count(calls: &str) -> Option<u32> {
    calls.parse().ok().filter(|calls| *calls > 0)
}

/// `alice` of `PJSIP/alice-00000007`; of a channel that is no endpoint's, nothing.
fn endpoint(channel: &str) -> &str {
    match channel.split_once('/') {
        Some(("PJSIP" | "SIP" | "IAX2", rest)) => {
            rest.rsplit_once('-').map_or("", |(name, _)| name)
        }
        _ => "",
    }
}

/// An address without a port: `192.0.2.1:5060`, `[2001:db8::1]:5060`, or as it stands.
fn address(text: &str) -> &str {
    if let Some(bracketed) = text.strip_prefix('[') {
        return bracketed.split(']').next().unwrap_or_default();
    }
    match text.split_once(':') {
        Some((address, port)) if !port.contains(':') => address,
        _ => text,
    }
}

/// Cut to a number of bytes: what a caller writes is no reason to refuse his call.
fn shortened(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_tells_its_endpoint() {
        assert_eq!(endpoint("PJSIP/alice-00000007"), "alice");
        assert_eq!(endpoint("SIP/desk-7-0000000a"), "desk-7");
        assert_eq!(endpoint("Local/100@phones-00000001;2"), "");
        assert_eq!(endpoint(""), "");
    }

    #[test]
    fn a_port_is_no_part_of_an_address() {
        for (text, bare) in [
            ("192.0.2.1:5060", "192.0.2.1"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:db8::1]:5060", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("", ""),
        ] {
            assert_eq!(address(text), bare);
        }
    }

    #[test]
    fn what_a_caller_writes_is_cut_between_letters() {
        assert_eq!(shortened("ééé".to_owned(), 3), "é");
        assert_eq!(shortened("short".to_owned(), 64), "short");
    }

    #[test]
    fn an_account_is_a_group_whatever_its_name() {
        assert_eq!(
            group_name("al,i@ce", "pbx.example.com"),
            "al_i_ce.pbx.example.com"
        );
        assert_eq!(group_name(&"a".repeat(64), &"b".repeat(64)).len(), 79);
    }
}
