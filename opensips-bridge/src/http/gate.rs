//! Who may ask.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use base64::{Engine, prelude::BASE64_STANDARD};
use ipnet::IpNet;
use subtle::ConstantTimeEq;

/// The header with the shared key.
const KEY: &str = "x-tfps-key";
/// Paths that tell nothing of calls: probes need no key.
const OPEN: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// The networks that may ask, and the key that they must send.
#[derive(Debug)]
pub(crate) struct Gate {
    networks: Vec<IpNet>,
    key: Option<Vec<u8>>,
}

impl Gate {
    /// Lets in who comes from these networks and sends this key.
    pub(crate) fn new(networks: &[IpNet], key: Option<String>) -> Self {
        Self {
            networks: networks.to_vec(),
            key: key.map(String::into_bytes),
        }
    }

    /// Whether an address may ask.
    pub(crate) fn admits(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(&source))
    }

    /// Whether a request for a path has the key that it needs.
    pub(crate) fn opens(&self, path: &str, headers: &HeaderMap) -> bool {
        let Some(key) = &self.key else { return true };
        if OPEN.contains(&path) {
            return true;
        }
        if headers
            .get(KEY)
            .is_some_and(|sent| sent.as_bytes().ct_eq(key).into())
        {
            return true;
        }
        let Some(sent) = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes) else {
            return false;
        };
        if let Some(bearer) = sent.strip_prefix(b"Bearer ") {
            return bearer.ct_eq(key).into();
        }
        sent.strip_prefix(b"Basic ")
            .and_then(password)
            .is_some_and(|password| password.ct_eq(key).into())
    }
}

/// The password of HTTP's basic scheme: what clients send that can only be given a URL, `http://switch:KEY@host`.
fn password(credentials: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = BASE64_STANDARD.decode(credentials).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some(decoded.split_off(colon + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_networks_are_admitted() {
        let gate = Gate::new(
            &[
                "10.1.0.0/16".parse().unwrap(),
                "2001:db8::/32".parse().unwrap(),
            ],
            None,
        );
        for source in ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7"] {
            assert!(gate.admits(source.parse().unwrap()), "{source}");
        }
        for source in ["10.2.0.1", "127.0.0.1", "::1"] {
            assert!(!gate.admits(source.parse().unwrap()), "{source}");
        }
    }

    #[test]
    fn a_key_is_needed_where_there_is_one() {
        let none = Gate::new(&[], None);
        assert!(none.opens("/v1/check", &HeaderMap::new()));
        let gate = Gate::new(&[], Some("s3cret".to_owned()));
        let with = |name: &'static str, value: &str| {
            HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
        };
        assert!(gate.opens("/v1/check", &with("x-tfps-key", "s3cret")));
        assert!(gate.opens("/v1/check", &with("authorization", "Bearer s3cret")));
        // switch:s3cret
        assert!(gate.opens(
            "/v1/check",
            &with("authorization", "Basic c3dpdGNoOnMzY3JldA==")
        ));
        assert!(gate.opens("/readyz", &HeaderMap::new()));
        for headers in [
            HeaderMap::new(),
            with("x-tfps-key", "s3cre"),
            with("authorization", "s3cret"),
            with("authorization", "Basic czNjcmV0"),
        ] {
            assert!(!gate.opens("/v1/check", &headers));
        }
    }
}
