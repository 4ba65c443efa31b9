//! The configuration: one TOML file, every key with a default; `TFPS_…` variables and flags override it.

use std::{
    collections::BTreeMap,
    env, fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tfps_engine::policy::{Policy, PolicyDocument};
use toml::{Table, Value};

/// The documented default file: what `tfps-server --print-config` prints.
pub const DEFAULT_FILE: &str = include_str!("../default.toml");

const PREFIX: &str = "TFPS_";

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the database, the journal and the first admin token are.
    pub data_dir: PathBuf,
    /// Where gRPC is served.
    pub listen: SocketAddr,
    /// Serve gRPC without TLS to other machines.
    pub allow_plaintext: bool,
    /// Where metrics and health are served over HTTP; empty: nowhere.
    pub http_listen: String,
    /// Encryption.
    pub tls: Tls,
    /// The log.
    pub log: Log,
    /// Bounds on requests.
    pub requests: Requests,
    /// Calls in progress.
    pub calls: Calls,
    /// The journal of decisions.
    pub journal: Journal,
    /// The decisions in the database.
    pub decisions: Decisions,
    /// What is remembered of strangers.
    pub watch: Watch,
    /// Known reputations of addresses.
    pub reputation: Vec<KnownReputation>,
    /// Known countries of networks.
    pub geo: Vec<KnownCountry>,
    /// The general `default` policy of a new database.
    pub policy: PolicyDocument,
}

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

/// The log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,tfps::request=debug`.
    pub level: String,
    /// `text` or `json`.
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Bounds on requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Requests {
    /// Requests answered at once; more are refused (RESOURCE_EXHAUSTED).
    pub max_in_flight: usize,
    /// The deadline of a request that brings none, in milliseconds.
    pub default_deadline_ms: u64,
    /// How long requests in flight are waited for when the server stops, in seconds.
    pub drain_seconds: u64,
    /// How long a call may wait for the reputation and country of its source, in milliseconds; 0: not at all.
    pub look_up_ms: u64,
}

/// Calls in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Calls {
    /// How long a Call-ID gives the same decision, in seconds.
    pub call_id_seconds: u32,
    /// How many Call-IDs are remembered at the most.
    pub call_ids: usize,
    /// How long an allowed call holds a slot without the switch's word that it has started, in seconds.
    pub reserved_seconds: u32,
    /// How long a started call holds a slot without the switch's word that it has ended, in seconds.
    pub started_seconds: u32,
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

/// The decisions in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decisions {
    /// How long they are kept, in days.
    pub keep_days: u32,
}

/// What is remembered of strangers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Watch {
    /// How many sources, pairs and unknown accounts each are remembered at the most.
    pub capacity: usize,
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

/// The known country of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownCountry {
    /// A CIDR.
    pub network: IpNet,
    /// ISO 3166-1 alpha-2.
    pub country: String,
}

/// What the command line overrides.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<SocketAddr>,
}

impl Config {
    /// Reads the file, the environment and the flags, the later over the earlier, and checks the whole.
    ///
    /// # Errors
    /// Names the file, the variable or the flag, the key, the value and what would be right.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let text = match file {
            None => String::new(),
            Some(path) => {
                std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
                    path: path.to_owned(),
                    error: error.to_string(),
                })?
            }
        };
        let named = file.map_or_else(
            || "the configuration".to_owned(),
            |path| path.display().to_string(),
        );
        Self::from_parts(
            &named,
            &text,
            env::vars().filter(|(name, _)| name.starts_with(PREFIX)),
            overrides,
        )
    }

    fn from_parts(
        file: &str,
        text: &str,
        variables: impl Iterator<Item = (String, String)>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        let of_file = |error: toml::de::Error| ConfigError::File {
            file: file.to_owned(),
            error: error.to_string(),
        };
        toml::from_str::<Self>(text).map_err(of_file)?;
        let mut table: Table = toml::from_str(text).map_err(of_file)?;
        let known = known_keys();
        for (name, value) in variables {
            let Some(path) = known.get(&name) else {
                // Variables that the service manager or the other programs of TFPS read are theirs.
                if OTHERS.contains(&name.as_str()) {
                    continue;
                }
                return Err(ConfigError::UnknownVariable {
                    nearest: nearest(&name, known.keys()),
                    name,
                });
            };
            set(&mut table, path, parse_variable(&value));
            Value::Table(table.clone())
                .try_into::<Self>()
                .map_err(|error| ConfigError::Variable {
                    name,
                    value,
                    error: error.message().to_owned(),
                })?;
        }
        let mut config: Self =
            Value::Table(table)
                .try_into()
                .map_err(|error: toml::de::Error| ConfigError::File {
                    file: file.to_owned(),
                    error: error.to_string(),
                })?;
        if let Some(dir) = &overrides.data_dir {
            config.data_dir.clone_from(dir);
        }
        if let Some(listen) = overrides.listen {
            config.listen = listen;
        }
        config.check()?;
        Ok(config)
    }

    /// The path of the database.
    pub fn database_path(&self) -> PathBuf {
        self.data_dir.join("tfps.db")
    }

    /// Where the first admin token is written.
    pub fn admin_token_path(&self) -> PathBuf {
        self.data_dir.join("admin.token")
    }

    /// Where metrics and health are served.
    ///
    /// # Errors
    /// When it is no address.
    pub fn http_address(&self) -> Result<Option<SocketAddr>, ConfigError> {
        if self.http_listen.is_empty() {
            return Ok(None);
        }
        self.http_listen.parse().map(Some).map_err(|_| {
            ConfigError::value(
                "http_listen",
                &self.http_listen,
                "an address and port such as `127.0.0.1:9464`, or nothing",
            )
        })
    }

    /// The keys that differ from another configuration.
    pub fn changed_keys(&self, other: &Self) -> Vec<String> {
        let flat = |config: &Self| {
            let mut keys = BTreeMap::new();
            if let Ok(Value::Table(table)) = Value::try_from(config) {
                flatten(&table, "", &mut keys);
            }
            keys
        };
        let (own, others) = (flat(self), flat(other));
        own.keys()
            .chain(others.keys())
            .filter(|key| own.get(*key) != others.get(*key))
            .cloned()
            .fold(Vec::new(), |mut keys, key| {
                if !keys.contains(&key) {
                    keys.push(key);
                }
                keys
            })
    }

    fn check(&self) -> Result<(), ConfigError> {
        let tls = &self.tls;
        if tls.cert_file.is_empty() != tls.key_file.is_empty() {
            return Err(ConfigError::value(
                "tls",
                &format!(
                    "cert_file = {:?}, key_file = {:?}",
                    tls.cert_file, tls.key_file
                ),
                "both or neither",
            ));
        }
        if !tls.client_ca_file.is_empty() && tls.cert_file.is_empty() {
            return Err(ConfigError::value(
                "tls.client_ca_file",
                &tls.client_ca_file,
                "set only with tls.cert_file",
            ));
        }
        if !self.listen.ip().is_loopback() && tls.cert_file.is_empty() && !self.allow_plaintext {
            return Err(ConfigError::BarePlaintext(self.listen));
        }
        self.http_address()?;
        for (key, value, low, high) in [
            (
                "requests.max_in_flight",
                self.requests.max_in_flight as u64,
                1,
                1_000_000,
            ),
            (
                "requests.default_deadline_ms",
                self.requests.default_deadline_ms,
                1,
                600_000,
            ),
            (
                "requests.drain_seconds",
                self.requests.drain_seconds,
                0,
                3_600,
            ),
            ("requests.look_up_ms", self.requests.look_up_ms, 0, 10_000),
            (
                "calls.call_id_seconds",
                self.calls.call_id_seconds.into(),
                0,
                3_600,
            ),
            (
                "calls.call_ids",
                self.calls.call_ids as u64,
                64,
                100_000_000,
            ),
            (
                "calls.reserved_seconds",
                self.calls.reserved_seconds.into(),
                1,
                3_600,
            ),
            (
                "calls.started_seconds",
                self.calls.started_seconds.into(),
                60,
                7 * 86_400,
            ),
            ("journal.sync_ms", self.journal.sync_ms, 1, 60_000),
            (
                "journal.segment_bytes",
                self.journal.segment_bytes,
                1 << 16,
                1 << 30,
            ),
            (
                "journal.max_bytes",
                self.journal.max_bytes,
                1 << 20,
                1 << 44,
            ),
            (
                "journal.ship_per_second",
                self.journal.ship_per_second.into(),
                1,
                1_000_000,
            ),
            (
                "decisions.keep_days",
                self.decisions.keep_days.into(),
                1,
                3_660,
            ),
            (
                "watch.capacity",
                self.watch.capacity as u64,
                64,
                100_000_000,
            ),
        ] {
            if !(low..=high).contains(&value) {
                return Err(ConfigError::value(
                    key,
                    &value.to_string(),
                    &format!("{low} to {high}"),
                ));
            }
        }
        for known in &self.geo {
            tfps_engine::number::Country::from_code(&known.country).map_err(|error| {
                ConfigError::value("geo.country", &known.country, &error.to_string())
            })?;
        }
        for known in &self.reputation {
            if known
                .abuse_confidence
                .is_some_and(|confidence| confidence > 100)
            {
                return Err(ConfigError::value(
                    "reputation.abuse_confidence",
                    &known.abuse_confidence.unwrap_or_default().to_string(),
                    "0 to 100",
                ));
            }
        }
        if self.policy.name != tfps_engine::policy::DEFAULT || !self.policy.domain.is_empty() {
            return Err(ConfigError::value(
                "policy.name",
                &self.policy.name,
                "`default` and no domain: other policies are made with `tfpsctl policy put`",
            ));
        }
        Policy::compile(self.policy.clone()).map_err(|error| ConfigError::Policy {
            key: format!("policy.{}", error.field),
            problem: error.problem,
        })?;
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("/var/lib/tfps"),
            listen: SocketAddr::from(([127, 0, 0, 1], 50051)),
            allow_plaintext: false,
            http_listen: "127.0.0.1:9464".to_owned(),
            tls: Tls::default(),
            log: Log::default(),
            requests: Requests::default(),
            calls: Calls::default(),
            journal: Journal::default(),
            decisions: Decisions::default(),
            watch: Watch::default(),
            reputation: Vec::new(),
            geo: Vec::new(),
            policy: PolicyDocument::default(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            max_in_flight: 10_000,
            default_deadline_ms: 5_000,
            drain_seconds: 10,
            look_up_ms: 250,
        }
    }
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            call_id_seconds: 32,
            call_ids: 500_000,
            reserved_seconds: 10,
            started_seconds: 14_400,
        }
    }
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

impl Default for Decisions {
    fn default() -> Self {
        Self { keep_days: 90 }
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self { capacity: 500_000 }
    }
}

/// What is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read the configuration {path}: {error}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// The file has a key or value that is wrong.
    #[error("in {file}: {error}")]
    File {
        /// The file.
        file: String,
        /// Where and why.
        error: String,
    },
    /// A variable names no key.
    #[error("the variable {name} names no key of the configuration; did you mean {nearest}?")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The one that looks most like it.
        nearest: String,
    },
    /// A variable's value is wrong.
    #[error("the variable {name} is {value:?}: {error}")]
    Variable {
        /// The variable.
        name: String,
        /// Its value.
        value: String,
        /// Why.
        error: String,
    },
    /// A value is out of its bounds.
    #[error("{key} is {value}; right would be: {right}")]
    Value {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// What would be right.
        right: String,
    },
    /// The default policy is wrong.
    #[error("{key} {problem}")]
    Policy {
        /// The key.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// Tokens would cross a network in the clear.
    #[error(
        "listen is {0}, which other machines reach, and there is no TLS: tokens would cross the network in the clear; \
         set tls.cert_file and tls.key_file, or listen on 127.0.0.1, or, if the network is trusted, set \
         allow_plaintext = true"
    )]
    BarePlaintext(SocketAddr),
}

impl ConfigError {
    fn value(key: &str, value: &dyn fmt::Display, right: &str) -> Self {
        Self::Value {
            key: key.to_owned(),
            value: value.to_string(),
            right: right.to_owned(),
        }
    }
}

/// Variables with our prefix that are not keys of the server: the clients' and the bridges'.
const OTHERS: [&str; 4] = [
    "TFPS_SERVER",
    "TFPS_TOKEN",
    "TFPS_TOKEN_FILE",
    "TFPS_CONFIG",
];

/// Every variable, with the path of its key: `TFPS_JOURNAL_SYNC_MS` is `journal.sync_ms`.
fn known_keys() -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    if let Ok(Value::Table(table)) = Value::try_from(Config::default()) {
        flatten(&table, "", &mut keys);
    }
    keys.into_keys()
        .map(|path| {
            (
                format!("{PREFIX}{}", path.replace(['.', '-'], "_").to_uppercase()),
                path,
            )
        })
        .collect()
}

fn flatten(table: &Table, above: &str, keys: &mut BTreeMap<String, Value>) {
    for (key, value) in table {
        let path = if above.is_empty() {
            key.clone()
        } else {
            format!("{above}.{key}")
        };
        match value {
            Value::Table(table) if !table.is_empty() => flatten(table, &path, keys),
            value => drop(keys.insert(path, value.clone())),
        }
    }
}

/// A variable is TOML where it reads as such (a number, a list), and text otherwise.
fn parse_variable(text: &str) -> Value {
    toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn set(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(table.insert(path.to_owned(), value)),
        Some((first, rest)) => {
            let inner = table
                .entry(first)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let shared = |other: &str| {
        let front = name
            .chars()
            .zip(other.chars())
            .take_while(|(one, other)| one == other)
            .count();
        let back = name
            .chars()
            .rev()
            .zip(other.chars().rev())
            .take_while(|(one, other)| one == other)
            .count();
        front + back
    };
    known
        .max_by_key(|other| shared(other))
        .cloned()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::from_parts("tfps.toml", text, variables, &Overrides::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_documented_file_is_the_default_and_names_every_key() {
        assert_eq!(load(DEFAULT_FILE, &[]).unwrap(), Config::default());
        let mut documented = BTreeMap::new();
        flatten(&toml::from_str(DEFAULT_FILE).unwrap(), "", &mut documented);
        for path in known_keys().values() {
            let commented = path.rsplit('.').next().map(|key| format!("# {key} = "));
            assert!(
                documented.contains_key(path)
                    || commented.is_some_and(|line| DEFAULT_FILE.contains(&line)),
                "{path} is not in default.toml"
            );
        }
    }

    #[test]
    fn a_variable_overrides_the_file() {
        let config = load(
            "[journal]\nsync_ms = 7",
            &[("TFPS_JOURNAL_SYNC_MS", "9"), ("TFPS_LOG_LEVEL", "debug")],
        );
        let config = config.unwrap();
        assert_eq!(
            (config.journal.sync_ms, config.log.level.as_str()),
            (9, "debug")
        );
    }

    #[test]
    fn errors_name_the_key_the_value_and_what_would_be_right() {
        let error = load("[jurnal]\nsync_ms = 7", &[]).unwrap_err();
        assert!(
            error.contains("tfps.toml") && error.contains("jurnal") && error.contains("line 1"),
            "{error}"
        );
        let error = load("[journal]\nsync_ms = 0", &[]).unwrap_err();
        assert_eq!(error, "journal.sync_ms is 0; right would be: 1 to 60000");
        let error = load("", &[("TFPS_JOURNAL_SYNC", "7")]).unwrap_err();
        assert!(
            error.contains("did you mean TFPS_JOURNAL_SYNC_MS"),
            "{error}"
        );
        let error = load("", &[("TFPS_JOURNAL_SYNC_MS", "soon")]).unwrap_err();
        assert!(
            error.contains("TFPS_JOURNAL_SYNC_MS is \"soon\""),
            "{error}"
        );
        let error = load("[policy]\nblocked_countries = [\"UK\"]", &[]).unwrap_err();
        assert!(
            error.contains("policy.blocked_countries") && error.contains("GB"),
            "{error}"
        );
    }

    #[test]
    fn an_address_that_others_reach_needs_tls_or_plain_words() {
        assert!(
            load("listen = \"0.0.0.0:50051\"", &[])
                .unwrap_err()
                .contains("allow_plaintext")
        );
        assert!(load("listen = \"0.0.0.0:50051\"\nallow_plaintext = true", &[]).is_ok());
        assert!(load("listen = \"[::1]:50051\"", &[]).is_ok());
    }

    #[test]
    fn changed_keys_are_told() {
        let changed = load("[log]\nlevel = \"debug\"", &[])
            .unwrap()
            .changed_keys(&Config::default());
        assert_eq!(changed, ["log.level"]);
    }
}
