//! The tables and words of the configuration file, each with its default.

use serde::{Deserialize, Serialize};

/// How a SIP front answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseMode {
    /// 503 approved, 603 denied.
    #[serde(rename = "503-603")]
    Statuses,
    /// 302 with a Contact that tells.
    #[serde(rename = "302")]
    Redirect,
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

/// Who ends calls in progress that are to end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HangUp {
    /// The addresses of OpenSIPS' `mi_http`.
    pub mi: Vec<String>,
}

/// Bounds on what switches send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at once.
    pub connections: u32,
    /// The longest body, in bytes.
    pub body_bytes: usize,
    /// The longest request line and headers, in bytes.
    pub head_bytes: usize,
    /// How long sending a request may take, in milliseconds.
    pub request_ms: u64,
    /// How long a connection may be idle, in seconds.
    pub idle_seconds: u64,
    /// Call events that wait for a server.
    pub call_events: usize,
    /// How long requests are waited for at the end, in seconds.
    pub drain_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            body_bytes: 16_384,
            head_bytes: 16_384,
            request_ms: 5_000,
            idle_seconds: 120,
            call_events: 100_000,
            drain_seconds: 5,
        }
    }
}
