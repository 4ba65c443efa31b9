//! The configuration: one TOML file, every key with a default; `TFPS_…` variables and flags override it.

mod error;
mod sections;

pub use error::ConfigError;
pub use sections::{HangUp, Limits, ResponseMode, Tls};
pub use tfps_daemon::log::{Log, LogFormat};

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use tfps_client::{Client, Token};
use tfps_daemon::layers;
use tfps_engine::fallback::Fallback;

use crate::request::WhoPays;

/// The documented default file: what `opensips-bridge --print-config` prints.
pub const DEFAULT_FILE: &str = include_str!("../../default.toml");

/// Variables with our prefix that are no keys: the flag's.
const OTHERS: [&str; 1] = ["TFPS_CONFIG"];

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
    /// What is answered when no server decides, by where the call goes.
    pub on_unavailable: Fallback,
    /// How a SIP front is to answer then.
    pub response_mode: ResponseMode,
    /// The domain of accounts whose switch tells none.
    pub default_domain: String,
    /// Whether P-Asserted-Identity names who pays.
    pub trust_asserted_identity: bool,
    /// Who may ask.
    pub allow_from: Vec<IpNet>,
    /// The file with the key that they must send; empty: none.
    pub shared_key_file: String,
    /// The key itself; empty: none.
    pub shared_key: String,
    /// Who ends calls.
    pub hang_up: HangUp,
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

    /// Who pays for a call, where its switch does not say so itself.
    pub fn who_pays(&self) -> WhoPays<'_> {
        WhoPays {
            default_domain: &self.default_domain,
            trust_asserted_identity: self.trust_asserted_identity,
        }
    }

    /// How to reach the servers.
    pub fn clients(&self) -> Vec<tfps_client::Config> {
        let servers = self.server.iter();
        servers.map(|server| self.client(server)).collect()
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
        let text = layers::read("shared key", path)?;
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
        for url in &self.hang_up.mi {
            let is_http = url.parse::<http::Uri>().is_ok_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
            });
            if !is_http {
                return Err(ConfigError::value(
                    "hang_up.mi",
                    &format!("{url:?}"),
                    "the address of a mi_http, such as \"http://127.0.0.1:8888/mi\"",
                ));
            }
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
            on_unavailable: Fallback::default(),
            response_mode: ResponseMode::Statuses,
            default_domain: crate::request::DEFAULT_DOMAIN.to_owned(),
            trust_asserted_identity: false,
            allow_from: vec![
                IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
                IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
            ],
            shared_key_file: String::new(),
            shared_key: String::new(),
            hang_up: HangUp::default(),
            tls: Tls::default(),
            limits: Limits::default(),
            log: Log::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tfps_engine::{decision::Verdict, fallback::DestinationClass};

    use super::*;

    fn lay(
        text: &str,
        variables: impl Iterator<Item = (String, String)>,
        overrides: Overrides,
    ) -> Result<Config, ConfigError> {
        layers::lay::<Config>("bridge.toml", text, variables, &OTHERS)?.overridden(overrides)
    }

    fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        lay(text, variables, Overrides::default()).map_err(|error| error.to_string())
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
    fn variables_override_the_file_and_flags_override_both() {
        let config = load(
            "deadline_ms = 100\n[on_unavailable]\nhigh_risk = \"challenge\"",
            &[
                ("TFPS_DEADLINE_MS", "200"),
                (
                    "TFPS_SERVER",
                    "http://10.0.0.1:50051, http://10.0.0.2:50051",
                ),
                ("TFPS_ALLOW_FROM", "[\"10.0.0.0/8\"]"),
                ("TFPS_TOKEN", "12345"),
                ("TFPS_RESPONSE_MODE", "302"),
                ("TFPS_ON_UNAVAILABLE_ORDINARY", "deny"),
                ("TFPS_ON_UNAVAILABLE_DIAL_PLAN_HOME_COUNTRY", "DE"),
                ("PATH", "/bin"),
            ],
        )
        .unwrap();
        assert_eq!(config.deadline_ms, 200);
        let fallback = &config.on_unavailable;
        assert_eq!(
            fallback.verdicts(),
            [Verdict::Allow, Verdict::Deny, Verdict::Challenge]
        );
        assert_eq!(fallback.class("030 123456"), DestinationClass::Home);
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
        let config = lay("", variables.into_iter(), overrides).unwrap();
        assert_eq!(config.server, ["http://10.0.0.9:1"]);
    }

    #[test]
    fn errors_name_the_key_the_value_and_what_would_be_right() {
        for (text, variables, parts) in [
            ("[limit]\nx = 1", &[][..], &["bridge.toml", "limit"][..]),
            ("deadline_ms = 0", &[], &["deadline_ms is 0", "1 to 60000"]),
            (
                "[on_unavailable]\nhome = \"maybe\"",
                &[],
                &["home = \"maybe\"", "`allow`, `deny`"],
            ),
            (
                "on_unavailable = \"deny\"",
                &[],
                &["on_unavailable", "a table with the keys home, ordinary"],
            ),
            (
                "[on_unavailable]\nhigh_risk_countries = [\"XX\"]",
                &[],
                &["high_risk_countries", "XX"],
            ),
            (
                "allow_from = [\"10.0.0.0/99\"]",
                &[],
                &["allow_from", "invalid IP address"],
            ),
            (
                "[hang_up]\nmi = [\"127.0.0.1:8888\"]",
                &[],
                &["hang_up.mi", "127.0.0.1:8888", "http://127.0.0.1:8888/mi"],
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
