//! The variables that override the file: `TFPS_JOURNAL_SYNC_MS` is `journal.sync_ms`.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{Config, ConfigError};

/// What the names of all of them begin with.
pub(super) const PREFIX: &str = "TFPS_";

/// Variables with our prefix that are not keys of the server: the clients' and the bridges'.
const OTHERS: [&str; 4] = [
    "TFPS_SERVER",
    "TFPS_TOKEN",
    "TFPS_TOKEN_FILE",
    "TFPS_CONFIG",
];

/// Sets what variables say.
///
/// # Errors
/// Names the variable that names no key, or whose value is wrong.
pub(super) fn apply(
    table: &mut Table,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    let known = keys();
    for (name, value) in variables {
        let Some(path) = known.get(&name) else {
            // Variables that the service manager or the other programs of TFPS read are theirs.
            if OTHERS.contains(&name.as_str()) {
                continue;
            }
            return Err(ConfigError::UnknownVariable {
                nearest: nearest(&name, known.keys()),
                name,
            });
        };
        set(table, path, parse_variable(&value));
        Value::Table(table.clone())
            .try_into::<Config>()
            .map_err(|error| ConfigError::Variable {
                name,
                value,
                error: error.message().to_owned(),
            })?;
    }
    Ok(())
}

/// Every variable, with the path of its key: `TFPS_JOURNAL_SYNC_MS` is `journal.sync_ms`.
pub(super) fn keys() -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    if let Ok(Value::Table(table)) = Value::try_from(Config::default()) {
        flatten(&table, "", &mut keys);
    }
    keys.into_keys()
        .map(|path| {
            (
                format!("{PREFIX}{}", path.replace(['.', '-'], "_").to_uppercase()),
                path,
            )
        })
        .collect()
}

/// Every value by the path of its key.
pub(super) fn flatten(table: &Table, above: &str, keys: &mut BTreeMap<String, Value>) {
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

/// A variable is TOML where it reads as such (a number, a list), and text otherwise.
fn parse_variable(text: &str) -> Value {
    toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
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
        let front = name
            .chars()
            .zip(other.chars())
            .take_while(|(one, other)| one == other)
            .count();
        let back = name
            .chars()
            .rev()
            .zip(other.chars().rev())
            .take_while(|(one, other)| one == other)
            .count();
        front + back
    };
    known
        .max_by_key(|other| shared(other))
        .cloned()
        .unwrap_or_default()
}
