//! A file, and variables over it.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use toml::{Table, Value};

use super::ConfigError;

const PREFIX: &str = "TFPS_";
/// Variables with our prefix that are no keys: the flag's.
const OTHERS: [&str; 1] = ["TFPS_CONFIG"];

/// Reads a file's text, and sets what variables say over it.
///
/// # Errors
/// Names the file or the variable, the key and what is wrong.
pub(super) fn read<C: Default + Serialize + DeserializeOwned>(
    file: &str,
    text: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<C, ConfigError> {
    let of_file = |error: toml::de::Error| ConfigError::File {
        file: file.to_owned(),
        error: error.to_string(),
    };
    toml::from_str::<C>(text).map_err(of_file)?;
    let mut table: Table = toml::from_str(text).map_err(of_file)?;
    let known = known_keys::<C>();
    for (name, value) in variables {
        if !name.starts_with(PREFIX) || OTHERS.contains(&name.as_str()) {
            continue;
        }
        let Some((path, default)) = known.get(&name) else {
            return Err(ConfigError::UnknownVariable {
                nearest: nearest(&name, known.keys()),
                name,
            });
        };
        set(&mut table, path, parse_variable(&value, default));
        Value::Table(table.clone())
            .try_into::<C>()
            .map_err(|error| ConfigError::Variable {
                name,
                value,
                error: error.message().to_owned(),
            })?;
    }
    Value::Table(table).try_into().map_err(of_file)
}

#[cfg(test)]
/// The paths of all keys.
pub(super) fn paths(table: &Table) -> Vec<String> {
    let mut keys = BTreeMap::new();
    flatten(table, "", &mut keys);
    keys.into_keys().collect()
}

/// Every variable, with the path of its key and its default: `TFPS_LIMITS_BODY_BYTES` is `limits.body_bytes`.
fn known_keys<C: Default + Serialize>() -> BTreeMap<String, (String, Value)> {
    let mut keys = BTreeMap::new();
    if let Ok(table) = Table::try_from(C::default()) {
        flatten(&table, "", &mut keys);
    }
    keys.into_iter()
        .map(|(path, default)| {
            let name = format!("{PREFIX}{}", path.replace('.', "_").to_uppercase());
            (name, (path, default))
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
            Value::Table(table) => flatten(table, &path, keys),
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
