//! A configuration in layers: one TOML file, every key with a default, and `TFPS_…` variables over it:
//! `TFPS_JOURNAL_SYNC_MS` is `journal.sync_ms`.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};
use toml::{Table, Value};

/// What the names of all variables begin with.
const PREFIX: &str = "TFPS_";

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayerError {
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
}

impl LayerError {
    /// A key has a value that can't be.
    pub fn value(key: &str, value: impl fmt::Display, right: &str) -> Self {
        Self::Value {
            key: key.to_owned(),
            value: value.to_string(),
            right: right.to_owned(),
        }
    }
}

/// Reads a file that a key or flag names.
///
/// # Errors
/// Says what is in the file, and why it can't be read.
pub fn read(what: &'static str, path: &Path) -> Result<String, LayerError> {
    fs::read_to_string(path).map_err(|error| LayerError::Unreadable {
        what,
        path: path.to_owned(),
        error: error.to_string(),
    })
}

/// The configuration in a file, or the default without one, with the environment's variables over it. `others` are
/// variables with our prefix that are no keys: flags', and those of other programs of TFPS.
///
/// # Errors
/// Names the file or the variable, the key and what is wrong.
pub fn load<C>(file: Option<&Path>, others: &[&str]) -> Result<C, LayerError>
where
    C: Default + Serialize + DeserializeOwned,
{
    let (name, text) = match file {
        None => ("the configuration".to_owned(), String::new()),
        Some(path) => (path.display().to_string(), read("configuration", path)?),
    };
    lay(&name, &text, env::vars(), others)
}

/// The configuration in a file's text, with what variables say over it; those without our prefix say nothing.
///
/// # Errors
/// As of [`load`].
pub fn lay<C>(
    file: &str,
    text: &str,
    variables: impl Iterator<Item = (String, String)>,
    others: &[&str],
) -> Result<C, LayerError>
where
    C: Default + Serialize + DeserializeOwned,
{
    let of_file = |error: toml::de::Error| LayerError::File {
        file: file.to_owned(),
        error: told(&error, text),
    };
    // From the text, since its errors tell the line.
    toml::from_str::<C>(text).map_err(of_file)?;
    let mut table: Table = toml::from_str(text).map_err(of_file)?;
    let known = variables_of::<C>();
    for (name, value) in variables {
        if !name.starts_with(PREFIX) || others.contains(&name.as_str()) {
            continue;
        }
        let Some((path, default)) = known.get(&name) else {
            return Err(LayerError::UnknownVariable {
                nearest: nearest(&name, known.keys()),
                name,
            });
        };
        set(&mut table, path, parse_variable(&value, default));
        Value::Table(table.clone())
            .try_into::<C>()
            .map_err(|error| LayerError::Variable {
                name,
                value,
                error: error.message().to_owned(),
            })?;
    }
    Value::Table(table).try_into().map_err(of_file)
}

/// What is wrong with a file, and the line; but no line that holds a secret.
fn told(error: &toml::de::Error, text: &str) -> String {
    let Some(span) = error.span() else {
        return error.message().to_owned();
    };
    let before = text.get(..span.start).unwrap_or_default();
    let number = before.matches('\n').count();
    let line = text.lines().nth(number).unwrap_or_default();
    if let Some(secret) = secret_in(line) {
        return format!(
            "line {}: `{secret}` does not read; right would be text in quotes, under a key that is documented (its value is not \
             shown)",
            number + 1
        );
    }
    error.to_string()
}

/// The name of the key or the like that a line gives.
fn secret_in(line: &str) -> Option<&'static str> {
    line.match_indices('=').find_map(|(at, _)| {
        let name = line[..at].trim_end().trim_end_matches(['"', '\'']);
        ["key", "secret", "password", "token"]
            .into_iter()
            .find(|secret| name.ends_with(secret))
    })
}

/// Every value of a configuration by the path of its key.
pub fn keys<C: Serialize>(config: &C) -> BTreeMap<String, Value> {
    let mut keys = BTreeMap::new();
    if let Ok(table) = Table::try_from(config) {
        flatten(&table, "", &mut keys);
    }
    keys
}

/// Every variable, with the path of its key and its default.
fn variables_of<C: Default + Serialize>() -> BTreeMap<String, (String, Value)> {
    keys(&C::default())
        .into_iter()
        .map(|(path, default)| {
            let name = path.replace(['.', '-'], "_").to_uppercase();
            (format!("{PREFIX}{name}"), (path, default))
        })
        .collect()
}

fn flatten(table: &Table, above: &str, keys: &mut BTreeMap<String, Value>) {
    for (key, value) in table {
        let path = if above.is_empty() {
            key.clone()
        } else {
            format!("{above}.{key}")
        };
        match value {
            Value::Table(table) if !table.is_empty() => flatten(table, &path, keys),
            value => drop(keys.insert(path, value.clone())),
        }
    }
}

/// A variable is read as what its key holds: text as it stands, a list as TOML or as words with commas, all else as TOML.
fn parse_variable(text: &str, default: &Value) -> Value {
    let toml = || {
        let mut table = toml::from_str::<Table>(&format!("value = {text}")).ok()?;
        table.remove("value")
    };
    let as_it_stands = || Value::String(text.to_owned());
    match default {
        Value::String(_) => as_it_stands(),
        Value::Array(_) => toml().filter(Value::is_array).unwrap_or_else(|| {
            let words = text.split(',').map(str::trim);
            let words = words.filter(|word| !word.is_empty());
            Value::Array(words.map(|word| Value::String(word.to_owned())).collect())
        }),
        _ => toml().unwrap_or_else(as_it_stands),
    }
}

fn set(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(table.insert(path.to_owned(), value)),
        Some((first, rest)) => {
            let inner = table
                .entry(first)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let shared = |other: &str| {
        let alike = |(one, other): &(char, char)| one == other;
        let front = name.chars().zip(other.chars()).take_while(alike).count();
        let back = name.chars().rev().zip(other.chars().rev());
        front + back.take_while(alike).count()
    };
    known
        .max_by_key(|other| shared(other))
        .cloned()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Config {
        key: String,
        key_file: String,
        service: BTreeMap<String, String>,
    }

    fn error(text: &str) -> String {
        let nothing = std::iter::empty();
        lay::<Config>("tfps.toml", text, nothing, &[])
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn an_error_shows_the_line_unless_it_holds_a_secret() {
        let shown = error("\nkey_file = 123456");
        assert!(
            shown.contains("line 2") && shown.contains("123456"),
            "{shown}"
        );
        for text in [
            "\nkey = 123456",
            "\nkey = a123456",
            "\nkey = \"a123456",
            "\nkey=[\"123456\"]",
            "\nservice = { \"key\" = 123456 }",
            "\nservice.key = 123456",
            "\nkey = \"123456\" \"\"",
            "\nsecret = 123456",
        ] {
            let hidden = error(text);
            assert!(hidden.contains("line 2"), "{hidden}");
            assert!(!hidden.contains("123456"), "{hidden}");
        }
    }
}
