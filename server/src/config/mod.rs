//! The configuration: one TOML file, every key with a default; `TFPS_…` variables and flags override it.

mod bounds;
mod error;
mod lists;
mod secret;
mod sections;
mod sources;

pub use error::ConfigError;
pub use lists::{ListFormat, ListSource};
pub use secret::Secret;
pub use sections::{
    Calls, Connections, Decisions, DomainAdmins, Domains, Emergency, Exposure, Geo, Journal,
    KnownCountry, KnownReputation, Requests, Risk, Tls, Watch,
};
pub use sources::{AbuseIpdb, Apiban, Outbound};
pub use tfps_daemon::log::{Log, LogFormat};

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tfps_daemon::layers;
use tfps_engine::policy::PolicyDocument;

/// The documented default file: what `tfps-server --print-config` prints.
pub const DEFAULT_FILE: &str = include_str!("../../default.toml");

/// Variables with our prefix that are no keys of the server: the flag's and the clients'.
const OTHERS: [&str; 4] = [
    "TFPS_CONFIG",
    "TFPS_SERVER",
    "TFPS_TOKEN",
    "TFPS_TOKEN_FILE",
];

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
    /// Bounds on connections.
    pub connections: Connections,
    /// Bounds on requests.
    pub requests: Requests,
    /// What those who are bound to a domain may put into it.
    pub domains: Domains,
    /// What domain-admins may set.
    pub domain_admins: DomainAdmins,
    /// Calls in progress.
    pub calls: Calls,
    /// The journal of decisions.
    pub journal: Journal,
    /// The decisions in the database.
    pub decisions: Decisions,
    /// Floods of emergency calls.
    pub emergency: Emergency,
    /// What is remembered of strangers.
    pub watch: Watch,
    /// How services are reached over the network.
    pub outbound: Outbound,
    /// Who tells reputations: AbuseIPDB.
    pub abuseipdb: AbuseIpdb,
    /// Who tells reputations: APIBAN.
    pub apiban: Apiban,
    /// Lists of others.
    pub list: Vec<ListSource>,
    /// Known reputations of addresses.
    pub reputation: Vec<KnownReputation>,
    /// Who knows where addresses are.
    pub geo: Geo,
    /// What was learned of fraud.
    pub risk: Risk,
    /// What calls cost.
    pub exposure: Exposure,
    /// The general `default` policy of a new database.
    pub policy: PolicyDocument,
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
        layers::load::<Self>(file, &OTHERS)?.overridden(overrides)
    }

    fn overridden(mut self, overrides: &Overrides) -> Result<Self, ConfigError> {
        if let Some(dir) = &overrides.data_dir {
            self.data_dir.clone_from(dir);
        }
        if let Some(listen) = overrides.listen {
            self.listen = listen;
        }
        self.check()?;
        Ok(self)
    }

    /// The path of the database.
    pub fn database_path(&self) -> PathBuf {
        self.data_dir.join("tfps.db")
    }

    /// Where the first admin token is written.
    pub fn admin_token_path(&self) -> PathBuf {
        self.data_dir.join("admin.token")
    }

    /// The files with secrets in them, with their keys.
    pub fn secret_files(&self) -> Vec<(String, &Path)> {
        let one = |key: &str, path| (key.to_owned(), path);
        let mut files = vec![
            one("tls.key_file", Path::new(&self.tls.key_file)),
            one("abuseipdb.key_file", Path::new(&self.abuseipdb.key_file)),
            one("apiban.key_file", Path::new(&self.apiban.key_file)),
        ];
        for list in &self.list {
            let key = format!("header_file of the list {}", list.name);
            files.push((key, Path::new(&list.header_file)));
        }
        files.retain(|(_, path)| !path.as_os_str().is_empty());
        files
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
        let (own, others) = (layers::keys(self), layers::keys(other));
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
            connections: Connections::default(),
            requests: Requests::default(),
            domains: Domains::default(),
            domain_admins: DomainAdmins::default(),
            calls: Calls::default(),
            journal: Journal::default(),
            decisions: Decisions::default(),
            emergency: Emergency::default(),
            watch: Watch::default(),
            outbound: Outbound::default(),
            abuseipdb: AbuseIpdb::default(),
            apiban: Apiban::default(),
            list: Vec::new(),
            reputation: Vec::new(),
            geo: Geo::default(),
            risk: Risk::default(),
            exposure: Exposure::default(),
            policy: PolicyDocument::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        layers::lay::<Config>("tfps.toml", text, variables, &OTHERS)
            .map_err(ConfigError::from)
            .and_then(|config| config.overridden(&Overrides::default()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_documented_file_is_the_default_and_names_every_key() {
        assert_eq!(load(DEFAULT_FILE, &[]).unwrap(), Config::default());
        let documented: toml::Table = toml::from_str(DEFAULT_FILE).unwrap();
        let documented = layers::keys(&documented);
        for path in layers::keys(&Config::default()).keys() {
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
        let error = load("http_listen = \"0.0.0.0:9464\"", &[]).unwrap_err();
        assert!(
            error.contains("http_listen") && error.contains("allow_plaintext"),
            "{error}"
        );
        let tls = "http_listen = \"0.0.0.0:9464\"\n[tls]\ncert_file = \"a\"\nkey_file = \"b\"";
        assert!(load(tls, &[]).unwrap_err().contains("http_listen"));
        assert!(load(&format!("allow_plaintext = true\n{tls}"), &[]).is_ok());
        assert!(load("http_listen = \"[::1]:9464\"", &[]).is_ok());
    }

    #[test]
    fn changed_keys_are_told() {
        let changed = load("[log]\nlevel = \"debug\"", &[])
            .unwrap()
            .changed_keys(&Config::default());
        assert_eq!(changed, ["log.level"]);
    }
}
