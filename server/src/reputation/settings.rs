//! What the services' settings have in common.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Url;
use sha2::{Digest, Sha256};

use crate::config::{ConfigError, Secret};

/// Where a service is.
pub(super) fn address(name: &str, text: &str) -> Result<Url, ConfigError> {
    text.parse().map_err(|error| {
        let right = format!("an address such as `https://api.example.com`: {error}");
        ConfigError::value(name, &format!("{text:?}"), &right)
    })
}

/// Tells one key from another and nothing else of it: what is kept beside what a service said of a key.
pub(super) fn key_mark(key: &Secret) -> String {
    let hash = Sha256::digest(key.reveal().as_bytes());
    URL_SAFE_NO_PAD.encode(&hash[..9])
}
