//! The configuration: one TOML file, every key with a default; `TFPS_…` variables and flags override it.

mod error;
mod sections;

pub use error::ConfigError;
pub use sections::{AfterVerification, Ami, Ivr, Limits, Tls};
pub use tfps_daemon::log::{Log, LogFormat};

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use tfps_client::{Client, Token};
use tfps_daemon::layers;
use tfps_engine::fallback::Fallback;

/// The documented default file: what `asterisk-bridge --print-config` prints.
pub const DEFAULT_FILE: &str = include_str!("../../default.toml");

/// Variables with our prefix that are no keys: the flag's.
const OTHERS: [&str; 1] = ["TFPS_CONFIG"];

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where AGI is served.
    pub listen: SocketAddr,
    /// Serve other machines.
    pub allow_plaintext: bool,
    /// Whose calls are served.
    pub allow_from: Vec<IpNet>,
    /// Where metrics and health are served; empty: nowhere.
    pub metrics_listen: String,
    /// The instances of tfps-server.
    pub server: Vec<String>,
    /// The file with the token; empty: none.
    pub token_file: String,
    /// The token itself; empty: none.
    pub token: String,
    /// How long a check may take, in milliseconds.
    pub deadline_ms: u64,
    /// How long a server may take for a verification, in milliseconds.
    pub verify_deadline_ms: u64,
    /// The domain of accounts whose dialplan tells none.
    pub default_domain: String,
    /// What follows a passed verification.
    pub after_verification: AfterVerification,
    /// What becomes of a call when no server decides, by where it goes.
    pub on_unavailable: Fallback,
    /// How callers are spoken with.
    pub ivr: Ivr,
    /// Asterisk's manager interface.
    pub ami: Ami,
    /// TLS towards the servers.
    pub tls: Tls,
    /// Bounds.
    pub limits: Limits,
    /// The log.
    pub log: Log,
}

/// What the command line overrides.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--server`
    pub server: Vec<String>,
    /// `--token-file`
    pub token_file: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<SocketAddr>,
}

impl Config {
    /// Reads the file, the environment and the flags, the later over the earlier, and checks the whole.
    ///
    /// # Errors
    /// Names the file, the variable or the flag, the key, the value and what would be right.
    pub fn load(file: Option<&Path>, overrides: Overrides) -> Result<Self, ConfigError> {
        layers::load::<Self>(file, &OTHERS)?.overridden(overrides)
    }

    fn overridden(mut self, overrides: Overrides) -> Result<Self, ConfigError> {
        if !overrides.server.is_empty() {
            self.server = overrides.server;
        }
        if let Some(path) = overrides.token_file {
            self.token_file = path.display().to_string();
            self.token.clear();
        }
        if let Some(listen) = overrides.listen {
            self.listen = listen;
        }
        self.check()?;
        Ok(self)
    }

    /// How to reach one of the servers.
    pub fn client(&self, server: &str) -> tfps_client::Config {
        let file = |name: &str| (!name.is_empty()).then(|| PathBuf::from(name));
        let tls = tfps_client::Tls {
            ca_file: file(&self.tls.ca_file),
            client_cert_file: file(&self.tls.client_cert_file),
            client_key_file: file(&self.tls.client_key_file),
            domain: (!self.tls.domain.is_empty()).then(|| self.tls.domain.clone()),
        };
        let config = tfps_client::Config::new(server)
            .tls(tls)
            .connect_timeout(CONNECT_TIMEOUT)
            .keep_alive(Some(KEEP_ALIVE))
            .deadline(Some(Duration::from_millis(self.verify_deadline_ms)))
            .retry(tfps_client::Retry::NEVER)
            .user_agent(concat!("asterisk-bridge/", env!("CARGO_PKG_VERSION")));
        if !self.token_file.is_empty() {
            config.token(Token::file(&self.token_file))
        } else if !self.token.is_empty() {
            config.token(Token::secret(&self.token))
        } else {
            config
        }
    }

    /// Where metrics are served.
    ///
    /// # Errors
    /// When it is no address.
    pub fn metrics_listen(&self) -> Result<Option<SocketAddr>, ConfigError> {
        if self.metrics_listen.is_empty() {
            return Ok(None);
        }
        let address = self.metrics_listen.parse().map_err(|_| {
            ConfigError::value(
                "metrics_listen",
                &format!("{:?}", self.metrics_listen),
                "an address such as 127.0.0.1:9465, or empty",
            )
        })?;
        Ok(Some(address))
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.server.is_empty() {
            return Err(ConfigError::value(
                "server",
                "empty",
                "the address of a server, such as [\"http://127.0.0.1:50051\"]",
            ));
        }
        for (number, server) in self.server.iter().enumerate() {
            if self.server[..number].contains(server) {
                return Err(ConfigError::value("server", server, "each server once"));
            }
            self.check_server(server)?;
        }
        if !self.token.is_empty() && !self.token_file.is_empty() {
            return Err(ConfigError::value(
                "token",
                "set beside token_file",
                "one of them",
            ));
        }
        if !self.listen.ip().is_loopback() && !self.allow_plaintext {
            return Err(ConfigError::BarePlaintext(self.listen));
        }
        self.metrics_listen()?;
        if self.default_domain.is_empty() || self.default_domain.len() > 253 {
            return Err(ConfigError::value(
                "default_domain",
                &format!("{:?}", self.default_domain),
                "a domain, such as `default`",
            ));
        }
        self.check_sounds()?;
        self.check_ami()?;
        let (ivr, limits) = (&self.ivr, &self.limits);
        for (key, value, low, high) in [
            ("deadline_ms", self.deadline_ms, 1, 60_000),
            ("verify_deadline_ms", self.verify_deadline_ms, 10, 60_000),
            ("ivr.digit_seconds", ivr.digit_seconds, 1, 60),
            ("ivr.attempts", ivr.attempts.into(), 1, 100),
            ("limits.calls", limits.calls.into(), 1, 1_000_000),
            ("limits.environment_ms", limits.environment_ms, 10, 600_000),
            (
                "limits.call_events",
                limits.call_events as u64,
                1,
                10_000_000,
            ),
            ("limits.drain_seconds", limits.drain_seconds, 0, 3_600),
        ] {
            if !(low..=high).contains(&value) {
                return Err(ConfigError::value(
                    key,
                    &value.to_string(),
                    &format!("{low} to {high}"),
                ));
            }
        }
        Ok(())
    }

    /// The secret of the manager interface.
    ///
    /// # Errors
    /// When its file can't be read or holds none.
    pub fn ami_secret(&self) -> Result<String, ConfigError> {
        let ami = &self.ami;
        if ami.secret_file.is_empty() {
            return Ok(ami.secret.clone());
        }
        let text = layers::read(
            "secret of the manager interface",
            Path::new(&ami.secret_file),
        )?;
        Ok(text.trim().to_owned())
    }

    fn check_ami(&self) -> Result<(), ConfigError> {
        let ami = &self.ami;
        if ami.address.is_empty() {
            return Ok(());
        }
        let host = ami
            .address
            .rsplit_once(':')
            .filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        let Some((host, _)) = host else {
            return Err(ConfigError::value(
                "ami.address",
                &format!("{:?}", ami.address),
                "an address and a port, such as 127.0.0.1:5038",
            ));
        };
        let is_here = host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<IpAddr>()
                .is_ok_and(|ip| ip.is_loopback());
        if !is_here && !self.allow_plaintext {
            return Err(ConfigError::value(
                "ami.address",
                &format!("{:?}, another machine's", ami.address),
                "on this machine, or, if the network is trusted, allow_plaintext = true: the secret crosses it in the clear",
            ));
        }
        if !ami.secret.is_empty() && !ami.secret_file.is_empty() {
            return Err(ConfigError::value(
                "ami.secret",
                "set beside ami.secret_file",
                "one of them",
            ));
        }
        if self.ami_secret()?.is_empty() {
            return Err(ConfigError::value(
                "ami.secret_file",
                "empty, or holds nothing",
                "the file with the secret of the user of manager.conf",
            ));
        }
        Ok(())
    }

    /// How to reach the servers.
    pub fn clients(&self) -> Vec<tfps_client::Config> {
        let servers = self.server.iter();
        servers.map(|server| self.client(server)).collect()
    }

    /// Languages and folder are parts of a path in Asterisk's sounds.
    fn check_sounds(&self) -> Result<(), ConfigError> {
        let plain = |name: &str| {
            (1..=64).contains(&name.len())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let right = "made of letters, digits, `-` and `_`";
        if self.ivr.languages.is_empty() {
            return Err(ConfigError::value("ivr.languages", "empty", "[\"en\"]"));
        }
        for language in &self.ivr.languages {
            if !plain(language) {
                return Err(ConfigError::value(
                    "ivr.languages",
                    &format!("{language:?}"),
                    right,
                ));
            }
        }
        if !plain(&self.ivr.folder) {
            let folder = format!("{:?}", self.ivr.folder);
            return Err(ConfigError::value("ivr.folder", &folder, right));
        }
        Ok(())
    }

    /// Has the client judge address, token and certificates: none of them is used before it is right.
    fn check_server(&self, server: &str) -> Result<(), ConfigError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| ConfigError::value("server", server, &error.to_string()))?;
        let _entered = runtime.enter();
        Client::connect_lazy(self.client(server))
            .map(drop)
            .map_err(|error| ConfigError::Client(error.to_string()))
    }
}

/// How long a connection to a server may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a server is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4573)),
            allow_plaintext: false,
            allow_from: vec![
                IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
                IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
            ],
            metrics_listen: "127.0.0.1:9465".to_owned(),
            server: vec!["http://127.0.0.1:50051".to_owned()],
            token_file: String::new(),
            token: String::new(),
            deadline_ms: 300,
            verify_deadline_ms: 10_000,
            default_domain: "default".to_owned(),
            after_verification: AfterVerification::Redial,
            on_unavailable: Fallback::default(),
            ivr: Ivr::default(),
            ami: Ami::default(),
            tls: Tls::default(),
            limits: Limits::default(),
            log: Log::default(),
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
        layers::lay::<Config>("bridge.toml", text, variables, &OTHERS)
            .map_err(ConfigError::from)
            .and_then(|config| config.overridden(Overrides::default()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_documented_file_is_the_default_and_names_every_key() {
        assert_eq!(load(DEFAULT_FILE, &[]).unwrap(), Config::default());
        let documented: toml::Table = toml::from_str(DEFAULT_FILE).unwrap();
        assert_eq!(
            layers::keys(&documented).into_keys().collect::<Vec<_>>(),
            layers::keys(&Config::default())
                .into_keys()
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn variables_override_the_file() {
        let config = load(
            "deadline_ms = 100\nafter_verification = \"continue\"",
            &[("TFPS_DEADLINE_MS", "200"), ("TFPS_IVR_LANGUAGES", "de,en")],
        )
        .unwrap();
        assert_eq!(config.deadline_ms, 200);
        assert_eq!(config.after_verification, AfterVerification::Continue);
        assert_eq!(config.ivr.languages, ["de", "en"]);
    }

    #[test]
    fn errors_name_the_key_the_value_and_what_would_be_right() {
        for (text, parts) in [
            ("[limit]\nx = 1", &["bridge.toml", "limit"][..]),
            ("deadline_ms = 0", &["deadline_ms is 0", "1 to 60000"]),
            (
                "after_verification = \"hope\"",
                &["after_verification", "hope", "`redial` or `continue`"],
            ),
            ("server = []", &["server is empty"]),
            (
                "server = [\"127.0.0.1:50051\"]",
                &["127.0.0.1:50051", "http://"],
            ),
            ("token_file = \"/nowhere/token\"", &["/nowhere/token"]),
            ("listen = \"0.0.0.0:4573\"", &["allow_plaintext"]),
            ("metrics_listen = \"here\"", &["metrics_listen", "here"]),
            ("[ivr]\nlanguages = []", &["ivr.languages"]),
            (
                "[ivr]\nlanguages = [\"../en\"]",
                &["ivr.languages", "../en"],
            ),
            ("[ivr]\nfolder = \"a b\"", &["ivr.folder", "a b"]),
            ("[ivr]\nattempts = 0", &["ivr.attempts is 0"]),
            ("[ami]\naddress = \"5038\"", &["ami.address", "5038"]),
            (
                "[ami]\naddress = \"10.0.0.1:5038\"",
                &["ami.address", "another machine's", "allow_plaintext"],
            ),
            (
                "[ami]\naddress = \"[::1]:5038\"",
                &["ami.secret_file", "manager.conf"],
            ),
        ] {
            let error = load(text, &[]).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{text}: {error}");
            }
        }
    }
}
