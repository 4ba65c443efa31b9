//! A secret in the configuration, or in a file that the configuration names.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::regular_file;

/// The largest file with a key that is read, in bytes.
const LARGEST_KEY: usize = 64 << 10;

/// The longest key that any service gives out, with room to spare.
const LONGEST: usize = 512;

/// A secret: whoever prints the configuration does not print it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for who sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() {
            "(none)"
        } else {
            "(not shown)"
        })
    }
}

/// The key of a service: given by itself, or in a file; `None` where there is neither.
///
/// # Errors
/// Where both are given, the file can't be read, or the key is none that a service gives out. The key is not told.
pub(super) fn key_of(
    section: &str,
    key: &Secret,
    key_file: &str,
) -> Result<Option<Secret>, ConfigError> {
    let hidden = &"(not shown)";
    if !key.is_empty() && !key_file.is_empty() {
        let both = format!("{section}.key");
        return Err(ConfigError::value(
            &both,
            hidden,
            &format!("either {section}.key or {section}.key_file"),
        ));
    }
    let (name, key) = if key_file.is_empty() {
        (format!("{section}.key"), key.clone())
    } else {
        let name = format!("{section}.key_file");
        let text =
            regular_file::read_to_string(key_file.as_ref(), LARGEST_KEY).map_err(|error| {
                ConfigError::value(
                    &name,
                    &format!("{key_file:?}"),
                    &format!("a file that can be read: {error}"),
                )
            })?;
        let key = Secret(text.trim().to_owned());
        if key.is_empty() {
            return Err(ConfigError::value(
                &name,
                &format!("{key_file:?}"),
                "a file with the key in it; this one is empty",
            ));
        }
        (name, key)
    };
    let wrong = |character: char| !character.is_ascii_graphic();
    if key.0.len() > LONGEST || key.0.contains(wrong) {
        return Err(ConfigError::value(
            &name,
            hidden,
            &format!("at most {LONGEST} ASCII characters without spaces"),
        ));
    }
    Ok(Some(key).filter(|key| !key.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn key(key: &str, file: &str) -> Result<Option<String>, String> {
        key_of("abuseipdb", &Secret(key.to_owned()), file)
            .map(|key| key.map(|key| key.0))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_is_given_or_in_a_file_and_never_shown() {
        assert_eq!(key("", ""), Ok(None));
        assert_eq!(key("0123abcd", ""), Ok(Some("0123abcd".to_owned())));
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "0123abcd").unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(key("", path), Ok(Some("0123abcd".to_owned())));
        let error = key("0123abcd", path).unwrap_err();
        assert!(
            error.contains("abuseipdb.key_file") && !error.contains("0123"),
            "{error}"
        );
        let error = key("0123\nabcd", "").unwrap_err();
        assert!(
            error.contains("abuseipdb.key") && !error.contains("0123"),
            "{error}"
        );
        let error = key("", "/nowhere/key").unwrap_err();
        assert!(error.contains("/nowhere/key"), "{error}");
        let shown = format!("{:?}", Secret("0123abcd".to_owned()));
        assert_eq!(shown, "(not shown)");
    }
}
