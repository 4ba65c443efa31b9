//! The configuration: one TOML file, every key with a default; `TFPS_…` variables and flags override it.

mod layers;

use std::{
    env, fs,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use tfps_client::{Client, Token};

/// The documented default file: what `opensips-bridge --print-config` prints.
pub const DEFAULT_FILE: &str = include_str!("../../default.toml");

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// Serve HTTP to other machines.
    pub allow_plaintext: bool,
    /// The instances of tfps-server.
    pub server: Vec<String>,
    /// The file with the token; empty: none.
    pub token_file: String,
    /// The token itself; empty: none.
    pub token: String,
    /// How long a check may take, in milliseconds.
    pub deadline_ms: u64,
    /// What is answered when no server decides.
    pub on_unavailable: OnUnavailable,
    /// How a SIP front is to answer then.
    pub response_mode: ResponseMode,
    /// The domain of accounts whose switch tells none.
    pub default_domain: String,
    /// Who may ask.
    pub allow_from: Vec<IpNet>,
    /// The file with the key that they must send; empty: none.
    pub shared_key_file: String,
    /// The key itself; empty: none.
    pub shared_key: String,
    /// TLS towards the servers.
    pub tls: Tls,
    /// Bounds.
    pub limits: Limits,
    /// The log.
    pub log: Log,
}

/// What is answered when no server decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnUnavailable {
    /// Calls pass.
    Allow,
    /// Calls are refused.
    Deny,
    /// Calls go to the media server.
    Challenge,
}

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

/// The log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives.
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
        let text = match file {
            None => String::new(),
            Some(path) => fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
                what: "configuration",
                path: path.to_owned(),
                error: error.to_string(),
            })?,
        };
        let named = file.map_or_else(
            || "the configuration".to_owned(),
            |path| path.display().to_string(),
        );
        Self::from_parts(&named, &text, env::vars(), overrides)
    }

    fn from_parts(
        file: &str,
        text: &str,
        variables: impl Iterator<Item = (String, String)>,
        overrides: Overrides,
    ) -> Result<Self, ConfigError> {
        let mut config: Self = layers::read(file, text, variables)?;
        if !overrides.server.is_empty() {
            config.server = overrides.server;
        }
        if let Some(path) = overrides.token_file {
            config.token_file = path.display().to_string();
            config.token.clear();
        }
        if let Some(listen) = overrides.listen {
            config.listen = listen;
        }
        config.check()?;
        Ok(config)
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
            .deadline(Some(LEARN_DEADLINE))
            .retry(tfps_client::Retry::NEVER)
            .user_agent(concat!("opensips-bridge/", env!("CARGO_PKG_VERSION")));
        if !self.token_file.is_empty() {
            config.token(Token::file(&self.token_file))
        } else if !self.token.is_empty() {
            config.token(Token::secret(&self.token))
        } else {
            config
        }
    }

    /// The key that whoever asks must send.
    ///
    /// # Errors
    /// When its file can't be read or holds none.
    pub fn key(&self) -> Result<Option<String>, ConfigError> {
        if self.shared_key_file.is_empty() {
            return Ok((!self.shared_key.is_empty()).then(|| self.shared_key.clone()));
        }
        let path = Path::new(&self.shared_key_file);
        let text = fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
            what: "shared key",
            path: path.to_owned(),
            error: error.to_string(),
        })?;
        let key = text.trim();
        if key.is_empty() {
            return Err(ConfigError::value(
                "shared_key_file",
                &self.shared_key_file,
                "a file that is not empty",
            ));
        }
        Ok(Some(key.to_owned()))
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
        if !self.shared_key.is_empty() && !self.shared_key_file.is_empty() {
            return Err(ConfigError::value(
                "shared_key",
                "set beside shared_key_file",
                "one of them",
            ));
        }
        self.key()?;
        if !self.listen.ip().is_loopback() && !self.allow_plaintext {
            return Err(ConfigError::BarePlaintext(self.listen));
        }
        if self.default_domain.is_empty() || self.default_domain.len() > 253 {
            return Err(ConfigError::value(
                "default_domain",
                &format!("{:?}", self.default_domain),
                "a domain, such as `default`",
            ));
        }
        let limits = &self.limits;
        for (key, value, low, high) in [
            ("deadline_ms", self.deadline_ms, 1, 60_000),
            (
                "limits.connections",
                limits.connections.into(),
                1,
                1_000_000,
            ),
            (
                "limits.body_bytes",
                limits.body_bytes as u64,
                1_024,
                1 << 20,
            ),
            (
                "limits.head_bytes",
                limits.head_bytes as u64,
                8_192,
                1 << 20,
            ),
            ("limits.request_ms", limits.request_ms, 10, 600_000),
            ("limits.idle_seconds", limits.idle_seconds, 1, 86_400),
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
/// How long a server may take to learn a call's progress.
const LEARN_DEADLINE: Duration = Duration::from_secs(2);

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9091)),
            allow_plaintext: false,
            server: vec!["http://127.0.0.1:50051".to_owned()],
            token_file: String::new(),
            token: String::new(),
            deadline_ms: 300,
            on_unavailable: OnUnavailable::Allow,
            response_mode: ResponseMode::Statuses,
            default_domain: crate::request::DEFAULT_DOMAIN.to_owned(),
            allow_from: vec![
                IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
                IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
            ],
            shared_key_file: String::new(),
            shared_key: String::new(),
            tls: Tls::default(),
            limits: Limits::default(),
            log: Log::default(),
        }
    }
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

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// What is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A file can't be read.
    #[error("can't read the {what} {path}: {error}", path = path.display())]
    Unreadable {
        /// What is in the file.
        what: &'static str,
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
    /// A server's address, the token or the certificates can't work.
    #[error("{0}")]
    Client(String),
    /// Keys and calls would cross a network in the clear.
    #[error(
        "listen is {0}, which other machines reach: what they ask, and the shared key, would cross the network in the \
         clear; listen on 127.0.0.1, or, if the network is trusted, set allow_plaintext = true"
    )]
    BarePlaintext(SocketAddr),
}

impl ConfigError {
    fn value(key: &str, value: &str, right: &str) -> Self {
        Self::Value {
            key: key.to_owned(),
            value: value.to_owned(),
            right: right.to_owned(),
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
        Config::from_parts("bridge.toml", text, variables, Overrides::default())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_documented_file_is_the_default_and_names_every_key() {
        assert_eq!(load(DEFAULT_FILE, &[]).unwrap(), Config::default());
        let documented: toml::Table = toml::from_str(DEFAULT_FILE).unwrap();
        assert_eq!(
            layers::paths(&documented),
            layers::paths(&toml::Table::try_from(Config::default()).unwrap())
        );
    }

    #[test]
    fn variables_override_the_file_and_flags_override_both() {
        let config = load(
            "deadline_ms = 100\non_unavailable = \"deny\"",
            &[
                ("TFPS_DEADLINE_MS", "200"),
                (
                    "TFPS_SERVER",
                    "http://10.0.0.1:50051, http://10.0.0.2:50051",
                ),
                ("TFPS_ALLOW_FROM", "[\"10.0.0.0/8\"]"),
                ("TFPS_TOKEN", "12345"),
                ("TFPS_RESPONSE_MODE", "302"),
                ("PATH", "/bin"),
            ],
        )
        .unwrap();
        assert_eq!(config.deadline_ms, 200);
        assert_eq!(config.on_unavailable, OnUnavailable::Deny);
        assert_eq!(
            config.server,
            ["http://10.0.0.1:50051", "http://10.0.0.2:50051"]
        );
        assert_eq!(config.allow_from.len(), 1);
        assert_eq!(
            (config.token.as_str(), config.response_mode),
            ("12345", ResponseMode::Redirect)
        );

        let overrides = Overrides {
            server: vec!["http://10.0.0.9:1".to_owned()],
            ..Overrides::default()
        };
        let variables = [("TFPS_SERVER".to_owned(), "http://10.0.0.1:1".to_owned())];
        let config = Config::from_parts("f", "", variables.into_iter(), overrides).unwrap();
        assert_eq!(config.server, ["http://10.0.0.9:1"]);
    }

    #[test]
    fn errors_name_the_key_the_value_and_what_would_be_right() {
        for (text, variables, parts) in [
            ("[limit]\nx = 1", &[][..], &["bridge.toml", "limit"][..]),
            ("deadline_ms = 0", &[], &["deadline_ms is 0", "1 to 60000"]),
            (
                "on_unavailable = \"maybe\"",
                &[],
                &["on_unavailable", "maybe", "`allow`, `deny`"],
            ),
            (
                "allow_from = [\"10.0.0.0/99\"]",
                &[],
                &["allow_from", "invalid IP address"],
            ),
            ("server = []", &[], &["server is empty"]),
            (
                "server = [\"127.0.0.1:50051\"]",
                &[],
                &["127.0.0.1:50051", "http://"],
            ),
            ("token_file = \"/nowhere/token\"", &[], &["/nowhere/token"]),
            (
                "shared_key_file = \"/nowhere/key\"",
                &[],
                &["shared key", "/nowhere/key"],
            ),
            ("listen = \"0.0.0.0:9091\"", &[], &["allow_plaintext"]),
            (
                "",
                &[("TFPS_DEADLINE", "7")],
                &["did you mean TFPS_DEADLINE_MS"],
            ),
            (
                "",
                &[("TFPS_DEADLINE_MS", "soon")],
                &["TFPS_DEADLINE_MS is \"soon\""],
            ),
        ] {
            let error = load(text, variables).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{text}: {error}");
            }
        }
    }
}
