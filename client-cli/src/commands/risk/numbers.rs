//! Files of numbers.

use std::{collections::BTreeSet, fs, path::Path};

use csv::{ReaderBuilder, Trim};
use tfps_engine::number::{E164, E164Error};

use crate::{
    commands::things,
    console::Console,
    failure::{Exit, Failure},
};

/// The columns of a CSV file that have the number, the first that is there.
const COLUMNS: [&str; 3] = ["e164", "number", "dialed"];

/// How many wrong lines are told.
const TOLD: usize = 20;

/// Reads a file's numbers: E.164 with or without `+`, one a line, or a CSV file of calls with a column `e164`, `number` or
/// `dialed`. What is there twice counts once. Digits that are too many for E.164 are left out, which is said: lists of what was
/// dialed have such, and nobody can be called by them.
///
/// # Errors
///
/// When the file can't be read, has none, or has a line that is wrong: all of these are told.
pub(in crate::commands) fn read(path: &Path, console: &mut Console) -> Result<Vec<E164>, Failure> {
    let file = path.display();
    let text = fs::read(path)
        .map_err(|error| Failure::usage(format!("cannot read {file}: {error}")))
        .and_then(|bytes| {
            String::from_utf8(bytes)
                .map_err(|_| Failure::usage(format!("{file} is not UTF-8 text")))
        })?;
    let lines = lines(&text).map_err(|why| Failure::usage(format!("{file}: {why}")))?;
    let mut numbers = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut too_long = 0;
    for (line, number) in lines {
        match number.parse::<E164>() {
            Ok(number) => {
                numbers.insert(number);
            }
            Err(E164Error::TooLong { .. }) => too_long += 1,
            Err(error) => wrong.push(format!("line {line}: {number:?} {error}")),
        }
    }
    if !wrong.is_empty() {
        let mut failure = Failure::usage(format!(
            "{file} has {} that are no numbers in E.164",
            things(wrong.len() as u64, "line", "lines")
        ))
        .hint("write each number with its calling code and without prefixes, such as 442071234567 or +442071234567");
        let more = wrong.len().saturating_sub(TOLD);
        wrong.truncate(TOLD);
        if more > 0 {
            wrong.push(format!("and {more} more"));
        }
        failure.details = wrong;
        return Err(failure);
    }
    if too_long > 0 {
        console.warn(&format!(
            "{file}: {} left out: E.164 has at most {} digits",
            things(too_long, "number was", "numbers were"),
            E164::MAX_DIGITS
        ));
    }
    if numbers.is_empty() {
        return Err(Failure::new(Exit::Usage, format!("{file} has no number")));
    }
    Ok(numbers.into_iter().collect())
}

/// The numbers as they are written, each with its line.
fn lines(text: &str) -> Result<Vec<(u64, String)>, String> {
    let text = text.trim_start_matches('\u{feff}');
    let first = text
        .lines()
        .find(|line| !is_blank(line))
        .unwrap_or_default();
    let plain = first
        .trim()
        .trim_start_matches('+')
        .starts_with(|c: char| c.is_ascii_digit());
    if plain && !first.contains([',', ';', '\t']) {
        return Ok(text
            .lines()
            .zip(1..)
            .filter(|(line, _)| !is_blank(line))
            .map(|(line, at)| (at, line.trim().to_owned()))
            .collect());
    }
    if plain {
        return Err(format!(
            "the first line {first:?} is no header; a CSV file needs one with a column {}",
            COLUMNS.join(", or ")
        ));
    }
    let mut reader = ReaderBuilder::new()
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?;
    let column = COLUMNS
        .iter()
        .find_map(|name| {
            header
                .iter()
                .position(|column| column.eq_ignore_ascii_case(name))
        })
        .ok_or_else(|| {
            format!(
                "there is no column {} in the header `{}`",
                COLUMNS.join(", or "),
                header.iter().collect::<Vec<_>>().join(",")
            )
        })?;
    reader
        .records()
        .map(|record| {
            let record = record.map_err(|error| error.to_string())?;
            let line = record.position().map_or(0, csv::Position::line);
            Ok((line, record.get(column).unwrap_or_default().to_owned()))
        })
        .collect()
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_a_line_each_or_in_a_column() {
        let of = |text| lines(text).unwrap();
        let two = [(2, "+4420".to_owned()), (4, "882".to_owned())];
        assert_eq!(of("# fraud\n+4420\n\n882\n"), two);
        let calls =
            "time,Dialed,duration\n2026-06-08T12:00:00Z,+4420,3\n2026-06-08T12:00:09Z, 882 ,\n";
        assert_eq!(of(calls), [(2, "+4420".to_owned()), (3, "882".to_owned())]);
    }

    #[test]
    fn a_file_of_something_else_is_refused_with_the_reason() {
        let why = |text| lines(text).unwrap_err();
        assert!(why("442071234567,fraud\n").contains("is no header"));
        assert_eq!(
            why("name,phone\nx,1\n"),
            "there is no column e164, or number, or dialed in the header `name,phone`"
        );
        assert!(
            why("number,b\n1,2,3\n").contains("line: 2"),
            "{}",
            why("number,b\n1,2,3\n")
        );
    }
}
