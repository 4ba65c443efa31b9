//! What can be wrong with the bridge's configuration.

use std::net::SocketAddr;

use tfps_daemon::layers::LayerError;

/// What is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A file, a variable or a value is wrong.
    #[error(transparent)]
    Layers(#[from] LayerError),
    /// A server's address, the token or the certificates can't work.
    #[error("{0}")]
    Client(String),
    /// Calls and digits would cross a network in the clear.
    #[error(
        "listen is {0}, which other machines reach: callers and the digits that they type would cross the network in the \
         clear; listen on 127.0.0.1, or, if the network is trusted, set allow_plaintext = true"
    )]
    BarePlaintext(SocketAddr),
}

impl ConfigError {
    pub(super) fn value(key: &str, value: &str, right: &str) -> Self {
        LayerError::value(key, value, right).into()
    }
}
