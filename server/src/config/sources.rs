//! The services that are asked over the network: how they are reached, and what they are asked.

use serde::{Deserialize, Serialize};
use tfps_engine::decision::Code;

use super::{
    ConfigError,
    secret::{Secret, key_of},
};

/// How services are reached over the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outbound {
    /// Authorities beside the system's, PEM; empty: none.
    pub ca_file: String,
}

/// AbuseIPDB, version 2 of its API. Without a key it is not asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AbuseIpdb {
    /// The key.
    pub key: Secret,
    /// A file with the key.
    pub key_file: String,
    /// Where the service is.
    pub url: String,
    /// Reports that are older do not count, in days.
    pub max_age_days: u32,
    /// How long a look-up may take, in milliseconds, whoever waits for it or not.
    pub timeout_ms: u64,
    /// Look-ups at once.
    pub look_ups_at_once: usize,
    /// Look-ups that wait at the most; for more, the service is unavailable.
    pub look_ups_waiting: usize,
    /// Look-ups a day, until the service says how many the plan has.
    pub daily_look_ups: u32,
    /// How many of a hundred of them are for calls of known accounts alone.
    pub reserved_percent: u32,
    /// Answers that are kept at the most.
    pub answers: usize,
    /// Addresses of the blacklist that are fetched; 0: it is not fetched.
    pub blacklist_limit: u32,
    /// The confidence from which an address is on the blacklist.
    pub blacklist_confidence_minimum: u32,
    /// Whether denied attacks are reported back.
    pub report: bool,
    /// The codes that are reported.
    pub report_codes: Vec<String>,
}

impl Default for AbuseIpdb {
    fn default() -> Self {
        Self {
            key: Secret::default(),
            key_file: String::new(),
            url: "https://api.abuseipdb.com".to_owned(),
            max_age_days: 30,
            timeout_ms: 5_000,
            look_ups_at_once: 8,
            look_ups_waiting: 256,
            daily_look_ups: 1_000,
            reserved_percent: 50,
            answers: 500_000,
            blacklist_limit: 10_000,
            blacklist_confidence_minimum: 100,
            report: false,
            report_codes: ["R01", "R12", "R13", "R19"].map(str::to_owned).to_vec(),
        }
    }
}

impl AbuseIpdb {
    /// The key, where there is one.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn key(&self) -> Result<Option<Secret>, ConfigError> {
        key_of("abuseipdb", &self.key, &self.key_file)
    }

    /// The codes that are reported.
    ///
    /// # Errors
    /// Names what is none that denies.
    pub fn report_codes(&self) -> Result<Vec<Code>, ConfigError> {
        let code = |text: &String| {
            text.parse::<Code>()
                .ok()
                .filter(|code| code.as_str().starts_with('R'))
                .ok_or_else(|| {
                    ConfigError::value(
                        "abuseipdb.report_codes",
                        text,
                        "codes of denied calls, such as [\"R01\", \"R13\", \"R19\"]",
                    )
                })
        };
        self.report_codes.iter().map(code).collect()
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.key()?;
        self.report_codes()?;
        check_url("abuseipdb.url", &self.url)
    }

    /// The numbers with their bounds.
    pub(super) fn numbers(&self) -> [(&'static str, u64, u64, u64); 9] {
        [
            ("abuseipdb.max_age_days", self.max_age_days.into(), 1, 365),
            ("abuseipdb.timeout_ms", self.timeout_ms, 50, 60_000),
            (
                "abuseipdb.look_ups_at_once",
                self.look_ups_at_once as u64,
                1,
                256,
            ),
            (
                "abuseipdb.look_ups_waiting",
                self.look_ups_waiting as u64,
                1,
                100_000,
            ),
            (
                "abuseipdb.daily_look_ups",
                self.daily_look_ups.into(),
                1,
                100_000_000,
            ),
            (
                "abuseipdb.reserved_percent",
                self.reserved_percent.into(),
                0,
                100,
            ),
            ("abuseipdb.answers", self.answers as u64, 1_000, 50_000_000),
            (
                "abuseipdb.blacklist_limit",
                self.blacklist_limit.into(),
                0,
                500_000,
            ),
            (
                "abuseipdb.blacklist_confidence_minimum",
                self.blacklist_confidence_minimum.into(),
                25,
                100,
            ),
        ]
    }
}

/// APIBAN. Without a key its list is not fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Apiban {
    /// The key.
    pub key: Secret,
    /// A file with the key.
    pub key_file: String,
    /// Where the service is.
    pub url: String,
    /// How often it is asked what is new, in seconds.
    pub poll_seconds: u32,
    /// How long a request may take, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for Apiban {
    fn default() -> Self {
        Self {
            key: Secret::default(),
            key_file: String::new(),
            url: "https://apiban.org".to_owned(),
            poll_seconds: 300,
            timeout_ms: 10_000,
        }
    }
}

impl Apiban {
    /// The key, where there is one.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn key(&self) -> Result<Option<Secret>, ConfigError> {
        key_of("apiban", &self.key, &self.key_file)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.key()?;
        check_url("apiban.url", &self.url)
    }

    /// The numbers with their bounds. The service takes 11 requests in two minutes.
    pub(super) fn numbers(&self) -> [(&'static str, u64, u64, u64); 2] {
        [
            ("apiban.poll_seconds", self.poll_seconds.into(), 12, 86_400),
            ("apiban.timeout_ms", self.timeout_ms, 50, 60_000),
        ]
    }
}

/// The key crosses the network to no address that could be anybody's.
fn check_url(key: &str, text: &str) -> Result<(), ConfigError> {
    let right = "an address such as `https://api.example.com`; http only on this machine, such as `http://127.0.0.1:8080`";
    let wrong = || ConfigError::value(key, &format!("{text:?}"), right);
    let url: http::Uri = text.parse().map_err(|_| wrong())?;
    if is_safe(&url) && url.query().is_none() {
        Ok(())
    } else {
        Err(wrong())
    }
}

/// Whether nobody on the way can read or change what is sent to an address.
pub(super) fn is_safe(url: &http::Uri) -> bool {
    let Some(authority) = url.authority() else {
        return false;
    };
    let host = authority.host();
    let own = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback());
    let plain = !authority.as_str().contains('@');
    match url.scheme_str() {
        Some("https") => plain,
        Some("http") => plain && own,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_travel_encrypted_or_stay_on_the_machine() {
        for right in [
            "https://api.abuseipdb.com",
            "https://proxy.example.com:8443/abuseipdb/",
            "http://127.0.0.1:8080",
            "http://localhost:8080",
            "http://[::1]:8080",
        ] {
            assert_eq!(check_url("url", right), Ok(()), "{right}");
        }
        for wrong in [
            "",
            "api.abuseipdb.com",
            "http://api.abuseipdb.com",
            "http://192.0.2.1",
            "http://127.0.0.1.example.com",
            "ftp://127.0.0.1",
            "https://user:password@example.com",
            "https://example.com/?a=b",
            "file:///etc/passwd",
        ] {
            assert!(check_url("url", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_denials_are_reported() {
        let codes = |codes: &[&str]| {
            AbuseIpdb {
                report_codes: codes.iter().map(|code| (*code).to_owned()).collect(),
                ..AbuseIpdb::default()
            }
            .report_codes()
        };
        assert_eq!(codes(&["R01", "r19"]), Ok(vec![Code::R01, Code::R19]));
        assert_eq!(codes(&[]), Ok(Vec::new()));
        for wrong in ["A00", "V01", "R99", ""] {
            assert!(codes(&[wrong]).is_err(), "{wrong}");
        }
    }
}
