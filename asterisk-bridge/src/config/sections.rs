//! The tables and words of the configuration file, each with its default.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What follows a passed verification in the IVR of a SIP front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterVerification {
    /// The caller dials again.
    Redial,
    /// The dialplan dials for him.
    Continue,
}

/// How callers are spoken with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ivr {
    /// The languages that there are prompts in; the first is for all others.
    pub languages: Vec<String>,
    /// The folder of the prompts.
    pub folder: String,
    /// How long a digit is waited for.
    pub digit_seconds: u64,
    /// Attempts in one call.
    pub attempts: u32,
}

impl Ivr {
    /// How long a digit is waited for.
    pub fn wait(&self) -> Duration {
        Duration::from_secs(self.digit_seconds)
    }
}

impl Default for Ivr {
    fn default() -> Self {
        Self {
            languages: ["en", "es", "pt", "fr", "de", "it"]
                .map(str::to_owned)
                .to_vec(),
            folder: "tfps".to_owned(),
            digit_seconds: 6,
            attempts: 3,
        }
    }
}

/// Asterisk's manager interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ami {
    /// Where it is; empty: it is not used.
    pub address: String,
    /// The user of manager.conf.
    pub username: String,
    /// The file with his secret; empty: none.
    pub secret_file: String,
    /// The secret itself; empty: none.
    pub secret: String,
}

impl Default for Ami {
    fn default() -> Self {
        Self {
            address: String::new(),
            username: "tfps".to_owned(),
            secret_file: String::new(),
            secret: String::new(),
        }
    }
}

/// TLS towards the servers: PEM files, empty where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Who must have signed the server's certificate.
    pub ca_file: String,
    /// What the bridge proves itself with.
    pub client_cert_file: String,
    /// The private key of it.
    pub client_key_file: String,
    /// The name in the server's certificate, where it is not the address's.
    pub domain: String,
}

/// Bounds on what Asterisks ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Calls at once; three quarters of them in the IVR.
    pub calls: u32,
    /// How long the environment may take, in milliseconds.
    pub environment_ms: u64,
    /// Call events that wait for a server.
    pub call_events: usize,
    /// How long calls are waited for at the end, in seconds.
    pub drain_seconds: u64,
}

impl Limits {
    /// Callers in the IVR at once.
    pub fn in_the_ivr(&self) -> u32 {
        self.calls - self.calls / 4
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 4_096,
            environment_ms: 5_000,
            call_events: 100_000,
            drain_seconds: 5,
        }
    }
}
