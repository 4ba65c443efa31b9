//! What a client needs to know to reach a server.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// How to reach TFPS: addresses, token, TLS, time limits. Made with [`Config::new`], refined by its methods.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) servers: Vec<String>,
    pub(crate) token: Option<Token>,
    pub(crate) tls: Tls,
    pub(crate) connect_timeout: Duration,
    pub(crate) deadline: Option<Duration>,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) retry: Retry,
    pub(crate) user_agent: String,
}

impl Config {
    /// A server at `http://host:port`, or with TLS at `https://host:port`. Defaults: no token, the system's
    /// certificates, 3 s to connect, 5 s a call, a keep-alive every 20 s, three attempts.
    pub fn new(server: impl Into<String>) -> Self {
        Self {
            servers: vec![server.into()],
            token: None,
            tls: Tls::default(),
            connect_timeout: Duration::from_secs(3),
            deadline: Some(Duration::from_secs(5)),
            keep_alive: Some(Duration::from_secs(20)),
            retry: Retry::default(),
            user_agent: concat!("tfps-client/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// One more instance of the same TFPS; calls are spread over all of them.
    #[must_use]
    pub fn also(mut self, server: impl Into<String>) -> Self {
        self.servers.push(server.into());
        self
    }

    /// The bearer token to send.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.token = Some(token);
        self
    }

    /// Certificates, for `https://` addresses.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// How long a connection may take to come up.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long a call may take, its retries included; the server is told (`grpc-timeout`). `None`: for ever.
    #[must_use]
    pub fn deadline(mut self, limit: Option<Duration>) -> Self {
        self.deadline = limit;
        self
    }

    /// How often an HTTP/2 ping asks whether the server is still there; unanswered for as long again, the connection
    /// is given up. `None`: never.
    #[must_use]
    pub fn keep_alive(mut self, interval: Option<Duration>) -> Self {
        self.keep_alive = interval;
        self
    }

    /// How often a call is tried again.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// What the `user-agent` header says, before tonic's own.
    #[must_use]
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }
}

/// A bearer token, or where it is.
#[derive(Clone)]
pub struct Token(pub(crate) TokenSource);

#[derive(Clone)]
pub(crate) enum TokenSource {
    Secret(String),
    File(PathBuf),
}

impl Token {
    /// The token itself.
    pub fn secret(secret: impl Into<String>) -> Self {
        Self(TokenSource::Secret(secret.into()))
    }

    /// The file that holds it, alone. It is read again when the server no longer takes the token that was in it.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(TokenSource::File(path.into()))
    }

    /// The file that holds it, where it is in one.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            TokenSource::Secret(_) => None,
            TokenSource::File(path) => Some(path),
        }
    }
}

/// Does not tell a secret.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            TokenSource::Secret(_) => f.write_str("Token(..)"),
            TokenSource::File(path) => f.debug_tuple("Token").field(path).finish(),
        }
    }
}

/// Certificates, as PEM files.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Who must have signed the server's certificate; unset: who the system trusts.
    pub ca_file: Option<PathBuf>,
    /// What this client proves itself with (mTLS), with `client_key_file`.
    pub client_cert_file: Option<PathBuf>,
    /// The private key of `client_cert_file`.
    pub client_key_file: Option<PathBuf>,
    /// The name that the server's certificate must bear, where it is not the address's.
    pub domain: Option<String>,
}

impl Tls {
    pub(crate) fn is_set(&self) -> bool {
        self.ca_file.is_some()
            || self.client_cert_file.is_some()
            || self.client_key_file.is_some()
            || self.domain.is_some()
    }
}

/// How often, and how far apart, a call is tried that finds the server unavailable. Only calls that are safe to repeat
/// are: reads, a Check that is dry or has a `call_id` or an `attempt_key` (so it counts once), a call's progress.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Attempts in all; 1: no retry.
    pub attempts: u32,
    /// The pause before the first retry; it doubles with each one, and up to half of it is left to chance.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 3,
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(1),
        }
    }
}

impl Retry {
    /// Every call is tried once.
    pub const NEVER: Self = Self {
        attempts: 1,
        first_pause: Duration::ZERO,
        longest_pause: Duration::ZERO,
    };
}
