//! What can be wrong with a configuration.

use std::{fmt, net::SocketAddr, path::PathBuf};

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
    pub(super) fn value(key: &str, value: &dyn fmt::Display, right: &str) -> Self {
        Self::Value {
            key: key.to_owned(),
            value: value.to_string(),
            right: right.to_owned(),
        }
    }
}
