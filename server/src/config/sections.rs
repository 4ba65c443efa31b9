//! The tables of the configuration file, each with its defaults.

use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

/// Encryption of gRPC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The certificate chain, PEM; empty: no TLS.
    pub cert_file: String,
    /// The private key, PEM.
    pub key_file: String,
    /// The authorities of client certificates, PEM; empty: clients need none.
    pub client_ca_file: String,
}

/// Bounds on requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Requests {
    /// Requests answered at once; more are refused (RESOURCE_EXHAUSTED).
    pub max_in_flight: usize,
    /// Of these, those of one token with the role domain-admin or read-only.
    pub max_in_flight_per_token: usize,
    /// Of these, those of one token with the role switch or admin.
    pub max_in_flight_per_switch: usize,
    /// Of these, those of one token with the role switch that is bound to a domain.
    pub max_in_flight_per_bound_switch: usize,
    /// Streams that are open at once of one token with the role domain-admin or read-only.
    pub max_streams_per_token: usize,
    /// Streams that are open at once of one token with the role switch or admin.
    pub max_streams_per_switch: usize,
    /// How long a query for administrators may take in the database, in milliseconds.
    pub query_ms: u64,
    /// The deadline of a request that brings none, in milliseconds.
    pub default_deadline_ms: u64,
    /// The longest deadline that a request may bring, in milliseconds; imports may bring any.
    pub max_deadline_ms: u64,
    /// How long requests in flight are waited for when the server stops, in seconds.
    pub drain_seconds: u64,
    /// How long a call may wait for the reputation and country of its source, in milliseconds; 0: not at all.
    pub look_up_ms: u64,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            max_in_flight: 10_000,
            max_in_flight_per_token: 200,
            max_in_flight_per_switch: 5_000,
            max_in_flight_per_bound_switch: 2_000,
            max_streams_per_token: 50,
            max_streams_per_switch: 1_000,
            query_ms: 10_000,
            default_deadline_ms: 5_000,
            max_deadline_ms: 60_000,
            drain_seconds: 10,
            look_up_ms: 250,
        }
    }
}

/// Bounds on connections. All of it holds before anybody has sent a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Connections {
    /// Connections in all.
    pub max: usize,
    /// Connections from one address (IPv6: one /64).
    pub max_per_peer: usize,
    /// Of them, those on which no valid token has come yet.
    pub max_unauthenticated: usize,
    /// The same from one address (IPv6: one /64).
    pub max_unauthenticated_per_peer: usize,
    /// Those that one token with the role domain-admin or read-only authenticates.
    pub max_per_token: usize,
    /// Those that one token with the role switch or admin authenticates.
    pub max_per_switch: usize,
    /// How long TLS and the beginning of HTTP/2 may take, in milliseconds.
    pub handshake_ms: u64,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            max: 16_384,
            max_per_peer: 8_192,
            max_unauthenticated: 4_096,
            max_unauthenticated_per_peer: 1_024,
            max_per_token: 64,
            max_per_switch: 2_048,
            handshake_ms: 5_000,
        }
    }
}

/// What those who are bound to a domain may put into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Domains {
    /// Accounts.
    pub max_accounts: usize,
    /// Entries of the lists.
    pub max_entries: usize,
    /// Of these, patterns on user agents.
    pub max_patterns: usize,
    /// Policies.
    pub max_policies: usize,
}

impl Default for Domains {
    fn default() -> Self {
        Self {
            max_accounts: 100_000,
            max_entries: 100_000,
            max_patterns: 100,
            max_policies: 100,
        }
    }
}

/// What domain-admins may set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DomainAdmins {
    /// The general policy that their policies and accounts must not protect less than; empty: they may set anything.
    pub bounding_policy: String,
}

impl Default for DomainAdmins {
    fn default() -> Self {
        Self {
            bounding_policy: tfps_engine::policy::DEFAULT.to_owned(),
        }
    }
}

/// Calls in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::manual_non_exhaustive,
    reason = "the private field is a key that is no more"
)]
pub struct Calls {
    /// How long an attempt that is asked again gives the same decision, in seconds.
    pub repeat_seconds: u32,
    /// How many attempts are remembered at the most.
    pub call_ids: usize,
    /// How long an allowed call holds a slot without the switch's word that it has started, in seconds.
    pub reserved_seconds: u32,
    /// How long a started call holds a slot without the switch's word that it has ended, in seconds.
    pub started_seconds: u32,
    /// No key any more: who still has it is told what has come in its place.
    #[serde(skip_serializing, deserialize_with = "call_id_seconds_is_gone")]
    call_id_seconds: (),
}

/// A Call-ID is written by the caller; for half a minute it made two calls one.
fn call_id_seconds_is_gone<'de, D: Deserializer<'de>>(_: D) -> Result<(), D::Error> {
    Err(D::Error::custom(
        "calls.call_id_seconds is no key any more: a Call-ID, which callers write, makes no two calls one. Take it out; \
         calls.repeat_seconds says how long a retry of the very same attempt is taken for one",
    ))
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            repeat_seconds: 3,
            call_ids: 500_000,
            reserved_seconds: 10,
            started_seconds: 14_400,
            call_id_seconds: (),
        }
    }
}

/// The journal of decisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// How often it is synced to the disk, in milliseconds.
    pub sync_ms: u64,
    /// The size of one of its files, in bytes.
    pub segment_bytes: u64,
    /// How large it may grow while the database is away, in bytes.
    pub max_bytes: u64,
    /// How many decisions a second are shipped to the database at the most.
    pub ship_per_second: u32,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            sync_ms: 200,
            segment_bytes: 64 << 20,
            max_bytes: 4 << 30,
            ship_per_second: 5_000,
        }
    }
}

/// The decisions in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decisions {
    /// How long they are kept, in days.
    pub keep_days: u32,
}

impl Default for Decisions {
    fn default() -> Self {
        Self { keep_days: 90 }
    }
}

/// Floods of emergency calls: they pass, and raise an alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Emergency {
    /// So many calls of one account, or from one source network, raise an alarm; 0: none does.
    pub alarm_calls: u32,
    /// Within so many seconds.
    pub alarm_seconds: u32,
}

impl Default for Emergency {
    fn default() -> Self {
        Self {
            alarm_calls: 5,
            alarm_seconds: 60,
        }
    }
}

/// What is remembered of strangers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Watch {
    /// How many sources, pairs and unknown accounts each are remembered at the most.
    pub capacity: usize,
}

impl Default for Watch {
    fn default() -> Self {
        Self { capacity: 500_000 }
    }
}

/// The known reputation of an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownReputation {
    /// An address or CIDR.
    pub network: IpNet,
    /// AbuseIPDB's confidence, 0 to 100.
    #[serde(default)]
    pub abuse_confidence: Option<u8>,
    /// Whether APIBAN lists it.
    #[serde(default)]
    pub apiban: Option<bool>,
}

/// Who knows where addresses are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Geo {
    /// An MMDB with the countries of addresses, and their ASNs if it has any; empty: the built-in one.
    pub country_file: PathBuf,
    /// An MMDB with the ASNs of addresses; empty: those of the former.
    pub asn_file: PathBuf,
    /// Known countries of networks.
    pub known: Vec<KnownCountry>,
}

/// The prediction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Risk {
    /// A model of `tfpsctl risk train`; empty: the built-in one.
    pub model_file: PathBuf,
}

/// What calls cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exposure {
    /// A rate sheet; empty: there are no rates.
    pub rates_file: PathBuf,
}

/// The known country of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownCountry {
    /// A CIDR.
    pub network: IpNet,
    /// ISO 3166-1 alpha-2.
    pub country: String,
}
