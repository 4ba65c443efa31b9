//! CSV: a column a field, messages within by a dotted path (`limits.daily_quota`), lists in one cell.

use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage, Value,
};

use super::{json, visible};
use crate::reflection::short_name;

/// The header of a message's columns, with its line end.
pub fn header(message: &MessageDescriptor) -> String {
    record(&columns(message))
}

/// A message's cells, with the line end.
pub fn row(message: &DynamicMessage) -> String {
    record(&cells(message))
}

/// The names of a message's columns.
pub fn columns(message: &MessageDescriptor) -> Vec<String> {
    let mut names = Vec::new();
    for field in fields(message) {
        match nested(&field) {
            Some(inner) => names.extend(
                columns(&inner)
                    .iter()
                    .map(|name| format!("{}.{name}", field.name())),
            ),
            None => names.push(field.name().to_owned()),
        }
    }
    names
}

/// A message's cells, in the order of [`columns`].
pub fn cells(message: &DynamicMessage) -> Vec<String> {
    let mut cells = Vec::new();
    for field in fields(&message.descriptor()) {
        let set = !field.supports_presence() || message.has_field(&field);
        let value = message.get_field(&field);
        match (nested(&field), value.as_ref()) {
            (Some(inner), Value::Message(value)) if set => {
                debug_assert_eq!(value.descriptor(), inner);
                cells.extend(self::cells(value));
            }
            (Some(inner), _) => cells.extend(columns(&inner).iter().map(|_| String::new())),
            (None, _) if !set => cells.push(String::new()),
            (None, value) => cells.push(cell(&field, value)),
        }
    }
    cells
}

/// One line of CSV. Control characters are escaped, everything else stays as it is: a cell may start with `=`.
pub fn record(cells: &[impl AsRef<str>]) -> String {
    let mut line = String::new();
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        let cell = visible(cell.as_ref());
        if cell.contains(['"', ',']) || cell.starts_with(' ') || cell.ends_with(' ') {
            line.push('"');
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(&cell);
        }
    }
    line.push('\n');
    line
}

/// What the server never tells has no column.
fn fields(message: &MessageDescriptor) -> impl Iterator<Item = FieldDescriptor> {
    message
        .fields()
        .filter(|field| field.name() != "pin")
        .collect::<Vec<_>>()
        .into_iter()
}

/// The message whose fields are columns of their own.
fn nested(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(inner)
            if !field.is_list() && !inner.full_name().starts_with("google.protobuf.") =>
        {
            Some(inner)
        }
        _ => None,
    }
}

fn cell(field: &FieldDescriptor, value: &Value) -> String {
    match value {
        Value::List(values) if !matches!(field.kind(), Kind::Message(_)) => values
            .iter()
            .map(|value| cell(field, value))
            .collect::<Vec<_>>()
            .join(","),
        Value::List(values) => {
            let values: Vec<_> = values
                .iter()
                .filter_map(Value::as_message)
                .map(json::Json)
                .collect();
            if values.is_empty() {
                String::new()
            } else {
                json::line_of(&values)
            }
        }
        Value::Message(message) => json::line(message).trim_matches('"').to_owned(),
        Value::EnumNumber(number) => short_name(field, *number),
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => value.to_string(),
        Value::F64(value) => value.to_string(),
        Value::Bytes(_) | Value::Map(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;
    use tfps_client::v1::{Account, Entry, EntryKind, Grant, Limits};

    use super::*;
    use crate::reflection::{Described, dynamic};

    #[test]
    fn a_message_within_has_columns_of_its_own() {
        let account = Account {
            username: "alice, \"the boss\"".to_owned(),
            limits: Some(Limits {
                daily_quota: Some(10),
                ..Default::default()
            }),
            source_countries: vec!["US".to_owned(), "GB".to_owned()],
            grants: vec![Grant {
                country: "FR".to_owned(),
                ..Default::default()
            }],
            create_time: Some(Timestamp {
                seconds: 0,
                nanos: 0,
            }),
            ..Default::default()
        };
        let header = header(&Account::message_descriptor());
        assert!(header.starts_with(
            "username,domain,limits.concurrent_calls,limits.concurrent_calls_off_hours,"
        ));
        assert!(
            !header.contains("pin,") || header.contains("has_pin,"),
            "{header}"
        );
        let line = row(&dynamic(&account));
        assert!(
            line.starts_with("\"alice, \"\"the boss\"\"\",,,,10,,\"US,GB\","),
            "{line}"
        );
        assert!(line.contains("1970-01-01T00:00:00Z"), "{line}");

        let mut reader = ::csv::Reader::from_reader(
            header
                .as_bytes()
                .iter()
                .chain(line.as_bytes())
                .copied()
                .collect::<std::collections::VecDeque<u8>>(),
        );
        let record = reader.records().next().unwrap().unwrap();
        assert_eq!(
            &record[0], "alice, \"the boss\"",
            "what is quoted is read back"
        );
        assert_eq!(record.len(), columns(&Account::message_descriptor()).len());
    }

    #[test]
    fn control_characters_are_escaped_and_formulas_left_alone() {
        let entry = Entry {
            kind: EntryKind::UserAgent.into(),
            value: "=HYPERLINK\n\u{1b}[2J".to_owned(),
            ..Default::default()
        };
        assert!(row(&dynamic(&entry)).starts_with("user-agent,=HYPERLINK\\n\\x1b[2J,"));
    }
}
