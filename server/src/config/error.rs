//! What can be wrong with the server's configuration.

use std::{fmt, net::SocketAddr};

use tfps_daemon::layers::LayerError;

/// What is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A file, a variable or a value is wrong.
    #[error(transparent)]
    Layers(#[from] LayerError),
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
    /// Anybody would be told how much the server does.
    #[error(
        "http_listen is {0}, which other machines reach, without TLS and without a token: anybody there reads the metrics; \
         listen on 127.0.0.1, or, if the network is trusted, set allow_plaintext = true"
    )]
    BareHttp(SocketAddr),
}

impl ConfigError {
    pub(crate) fn value(key: &str, value: &dyn fmt::Display, right: &str) -> Self {
        LayerError::value(key, value, right).into()
    }
}
