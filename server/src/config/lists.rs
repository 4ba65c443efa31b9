//! The lists of others: where they are, how they are written, what they do.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tfps_engine::{
    call::domain_name,
    lists::{Action, EntryKind},
};

use super::{ConfigError, sources::is_safe};

/// The longest name.
const MAX_NAME: usize = 40;
/// The source of what operators list themselves.
const OPERATOR: &str = "operator";

/// A list of others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListSource {
    /// What its entries say that they are from.
    pub name: String,
    /// Where it is fetched from; empty: from a file.
    #[serde(default)]
    pub url: String,
    /// The file that it is; empty: it is fetched.
    #[serde(default)]
    pub file: PathBuf,
    /// A file with one line of an HTTP header, such as `Authorization: Bearer …`, for a source that wants one; empty: none.
    #[serde(default)]
    pub header_file: String,
    /// What it lists.
    pub kind: EntryKind,
    /// How it is written.
    #[serde(default)]
    pub format: ListFormat,
    /// What its entries do.
    #[serde(default)]
    pub action: Action,
    /// The domain it holds for; empty: all.
    #[serde(default)]
    pub domain: String,
    /// How often it is fetched, in minutes. A file is read as soon as it changes.
    #[serde(default = "every_minutes")]
    pub every_minutes: u32,
    /// Lines with a lower score are left out.
    #[serde(default)]
    pub least_score: f64,
    /// How many entries it may have; with more the old list stays.
    #[serde(default = "max_entries")]
    pub max_entries: usize,
    /// How large it may be, in bytes; if it is larger the old list stays.
    #[serde(default = "max_bytes")]
    pub max_bytes: usize,
}

/// How a list is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListFormat {
    /// A value a line.
    #[default]
    Text,
    /// Comma-separated values: value, kind, score.
    Csv,
}

fn every_minutes() -> u32 {
    60
}

fn max_entries() -> usize {
    1_000_000
}

fn max_bytes() -> usize {
    64 << 20
}

/// Checks them all.
///
/// # Errors
/// Names the list, the key, the value and what would be right.
pub(super) fn check(lists: &[ListSource]) -> Result<(), ConfigError> {
    for (index, list) in lists.iter().enumerate() {
        if lists[..index].iter().any(|other| other.name == list.name) {
            let right = "a name that no other list has";
            return Err(ConfigError::value("list.name", &list.name, right));
        }
        list.check()?;
    }
    Ok(())
}

impl ListSource {
    /// Where it is, as it may be shown: without what could be a secret.
    pub fn place(&self) -> String {
        if self.url.is_empty() {
            return self.file.display().to_string();
        }
        let end = self.url.find(['?', '#']).unwrap_or(self.url.len());
        self.url[..end].to_owned()
    }

    fn check(&self) -> Result<(), ConfigError> {
        let name = &self.name;
        let of_names = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty()
            || name.len() > MAX_NAME
            || !name.chars().all(of_names)
            || name == OPERATOR
        {
            let right = format!(
                "lower-case letters, digits and `-`, at most {MAX_NAME} of them, and not `{OPERATOR}`"
            );
            return Err(ConfigError::value(
                "list.name",
                &format!("{name:?}"),
                &right,
            ));
        }
        let wrong = |key: &str, value: &dyn std::fmt::Display, right: &str| {
            Err(ConfigError::value(
                &format!("list `{name}`: {key}"),
                value,
                right,
            ))
        };
        match (self.url.is_empty(), self.file.as_os_str().is_empty()) {
            (true, true) => return wrong("url", &"missing", "url, or file"),
            (false, false) => {
                return wrong("file", &self.file.display(), "either url or file, not both");
            }
            (false, true) if !self.url.parse().is_ok_and(|url| is_safe(&url)) => {
                let right = "an address such as https://lists.example/voip.txt; http only on this machine, \
                     such as http://127.0.0.1:8080/voip.txt";
                return wrong("url", &self.place(), right);
            }
            _ => {}
        }
        if !self.domain.is_empty()
            && let Err(error) = domain_name(&self.domain)
        {
            return wrong(
                "domain",
                &self.domain,
                &format!("a domain: it {}", error.problem),
            );
        }
        if !self.least_score.is_finite() {
            return wrong("least_score", &self.least_score, "a number");
        }
        for (key, value, low, high) in [
            ("every_minutes", self.every_minutes as usize, 1, 43_200),
            ("max_entries", self.max_entries, 1, 10_000_000),
            ("max_bytes", self.max_bytes, 1, 1 << 30),
        ] {
            if !(low..=high).contains(&value) {
                return wrong(key, &value, &format!("{low} to {high}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(toml: &str) -> Result<ListSource, String> {
        let list: ListSource = toml::from_str(toml).map_err(|error| error.to_string())?;
        check(std::slice::from_ref(&list)).map_err(|error| error.to_string())?;
        Ok(list)
    }

    #[test]
    fn a_list_is_a_name_a_place_and_a_kind() {
        let list =
            checked("name = \"voip\"\nurl = \"https://a.example/x?key=1\"\nkind = \"ip\"").unwrap();
        assert_eq!((list.every_minutes, list.format), (60, ListFormat::Text));
        assert_eq!(list.place(), "https://a.example/x");
        let list =
            checked("name = \"hot\"\nfile = \"/etc/hot.csv\"\nkind = \"number\"\nformat = \"csv\"")
                .unwrap();
        assert_eq!(list.place(), "/etc/hot.csv");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (toml, told) in [
            ("name = \"a\"\nkind = \"ip\"", "url, or file"),
            (
                "name = \"a\"\nkind = \"ip\"\nurl = \"https://a.b\"\nfile = \"/x\"",
                "not both",
            ),
            (
                "name = \"a\"\nkind = \"ip\"\nurl = \"http://a.example/\"",
                "http only on this machine",
            ),
            (
                "name = \"../a\"\nkind = \"ip\"\nfile = \"/x\"",
                "lower-case letters",
            ),
            (
                "name = \"operator\"\nkind = \"ip\"\nfile = \"/x\"",
                "not `operator`",
            ),
            (
                "name = \"a\"\nkind = \"ip\"\nfile = \"/x\"\nevery_minutes = 0",
                "1 to 43200",
            ),
            (
                "name = \"a\"\nkind = \"ip\"\nfile = \"/x\"\nleast_score = nan",
                "a number",
            ),
            ("name = \"a\"\nkind = \"ipp\"\nfile = \"/x\"", "user-agent"),
            (
                "name = \"a\"\nkind = \"ip\"\nfile = \"/x\"\nscore = 1",
                "least_score",
            ),
        ] {
            let error = checked(toml).unwrap_err();
            assert!(error.contains(told), "{toml}: {error}");
        }
    }
}
