//! A CSV file of call attempts.

mod columns;
mod wrong_lines;

use std::{
    io::{BufRead, BufReader, Cursor, Read, SeekFrom},
    net::IpAddr,
    time::Duration,
};

use csv::{Position, ReaderBuilder, StringRecord, Trim};
use tfps_client::v1::{AccountKey, CheckRequest};
use tfps_engine::number::Country;

pub use self::wrong_lines::WrongLines;

use self::columns::Column;
use crate::time;

/// A line of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attempt {
    /// Its number in the file, from 1 for the header.
    pub line: u64,
    /// What is asked; `at` holds the column `time`.
    pub check: CheckRequest,
    /// How long it was answered; none: it was not.
    pub duration: Option<Duration>,
    /// Where its source is.
    pub source_country: Option<Country>,
    /// Whether it turned out to be fraud.
    pub fraud: Option<bool>,
}

/// Why a file or a line of it can't be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttemptError {
    /// The header has a column that means nothing.
    #[error("unknown column `{name}`; the columns are {}", Column::names())]
    UnknownColumn {
        /// The column.
        name: String,
    },
    /// The header has a column twice.
    #[error("the column `{name}` stands twice in the header")]
    RepeatedColumn {
        /// The column.
        name: &'static str,
    },
    /// The header lacks a column.
    #[error(
        "the column `{name}` is missing in the header; username, domain and dialed are required"
    )]
    MissingColumn {
        /// The column.
        name: &'static str,
    },
    /// A line is malformed.
    #[error("line {line}: {why}")]
    Line {
        /// Its number.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// Reading failed.
    #[error("{0}")]
    Unreadable(String),
}

/// How long a line can be, in bytes.
const LINE_BYTES: usize = 16 * 1024;

/// Reads attempts line by line; a malformed line is an error, and the next one is read all the same. A cell ends with its
/// line: no field of a call has a line end in it, and a lost quote takes no other line with it.
#[derive(Debug)]
pub struct Attempts<R> {
    source: BufReader<R>,
    /// Reads the cells of one line after the other: making it takes longer than reading a line.
    cells: csv::Reader<Cursor<Vec<u8>>>,
    columns: Vec<Column>,
    /// The number of the line that was read last.
    line: u64,
}

impl<R: Read> Attempts<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// When it has an unknown column, or lacks a required one.
    pub fn new(source: R) -> Result<Self, AttemptError> {
        let mut attempts = Self {
            source: BufReader::new(source),
            cells: ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .trim(Trim::All)
                .from_reader(Cursor::default()),
            columns: Vec::new(),
            line: 0,
        };
        let header = attempts
            .record()
            .unwrap_or_else(|| Ok(StringRecord::new()))?;
        for name in &header {
            let name = name.trim_start_matches('\u{feff}');
            let column = Column::named(name).ok_or_else(|| AttemptError::UnknownColumn {
                name: name.to_owned(),
            })?;
            if attempts.columns.contains(&column) {
                return Err(AttemptError::RepeatedColumn {
                    name: column.name(),
                });
            }
            attempts.columns.push(column);
        }
        let missing = Column::ALL
            .iter()
            .find(|column| column.required() && !attempts.columns.contains(column));
        match missing {
            Some(column) => Err(AttemptError::MissingColumn {
                name: column.name(),
            }),
            None => Ok(attempts),
        }
    }

    /// Whether there is a column `time`.
    pub fn have_times(&self) -> bool {
        self.columns.contains(&Column::Time)
    }

    /// Whether there is a column `duration`.
    pub fn have_durations(&self) -> bool {
        self.columns.contains(&Column::Duration)
    }

    /// Whether there is a column `source_country`.
    pub fn have_source_countries(&self) -> bool {
        self.columns.contains(&Column::SourceCountry)
    }

    /// The cells of the next line that is not empty.
    fn record(&mut self) -> Option<Result<StringRecord, AttemptError>> {
        loop {
            let bytes = self.cells.get_mut().get_mut();
            bytes.clear();
            let limit = LINE_BYTES as u64 + 1;
            self.line += 1;
            match (&mut self.source).take(limit).read_until(b'\n', bytes) {
                Err(error) => {
                    return Some(Err(AttemptError::Unreadable(format!(
                        "line {}: {error}",
                        self.line
                    ))));
                }
                Ok(0) => return None,
                Ok(length) if length > LINE_BYTES => {
                    let why = format!("line {} is longer than {LINE_BYTES} bytes", self.line);
                    return Some(Err(AttemptError::Unreadable(why)));
                }
                Ok(_) if bytes.trim_ascii().is_empty() => {}
                Ok(_) => return Some(self.cells()),
            }
        }
    }

    fn cells(&mut self) -> Result<StringRecord, AttemptError> {
        let wrong = |why: &str| AttemptError::Line {
            line: self.line,
            why: why.to_owned(),
        };
        let mut record = StringRecord::new();
        let read = self
            .cells
            .seek_raw(SeekFrom::Start(0), Position::new())
            .and_then(|()| self.cells.read_record(&mut record));
        match read {
            Ok(_) => Ok(record),
            Err(error) if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) => {
                Err(wrong("it is not UTF-8"))
            }
            Err(error) => Err(wrong(&error.to_string())),
        }
    }

    fn attempt(&self, record: &StringRecord) -> Result<Attempt, AttemptError> {
        let line = self.line;
        let wrong = |why: String| AttemptError::Line { line, why };
        if record.len() != self.columns.len() {
            return Err(wrong(format!(
                "it has {} cells, the header {}",
                record.len(),
                self.columns.len()
            )));
        }
        let mut attempt = Attempt {
            line,
            ..Attempt::default()
        };
        let check = &mut attempt.check;
        let mut account = AccountKey::default();
        for (&column, cell) in self.columns.iter().zip(record) {
            if cell.is_empty() {
                if column.required() {
                    return Err(wrong(format!("{} is empty", column.name())));
                }
                continue;
            }
            match column {
                Column::Time => {
                    let time = time::instant(cell).map_err(|error| wrong(error.to_string()))?;
                    check.at = Some(time::message(time));
                }
                Column::Username => cell.clone_into(&mut account.username),
                Column::Domain => cell.clone_into(&mut account.domain),
                Column::Caller => cell.clone_into(&mut check.caller_number),
                Column::Dialed => cell.clone_into(&mut check.dialed_number),
                Column::SourceIp => {
                    cell.parse::<IpAddr>()
                        .map_err(|_| wrong(format!("source_ip `{cell}` is not an address")))?;
                    cell.clone_into(&mut check.source_ip);
                }
                Column::UserAgent => cell.clone_into(&mut check.user_agent),
                Column::ConcurrentCalls => {
                    let calls = cell.parse().map_err(|_| {
                        wrong(format!("concurrent_calls `{cell}` is not a whole number"))
                    })?;
                    check.concurrent_calls = Some(calls);
                }
                Column::CallId => cell.clone_into(&mut check.call_id),
                Column::ForwardedFrom => cell.clone_into(&mut check.forwarded_from),
                Column::Duration => {
                    let duration =
                        time::span(cell).map_err(|error| wrong(format!("duration: {error}")))?;
                    attempt.duration = Some(duration).filter(|duration| !duration.is_zero());
                }
                Column::SourceCountry => {
                    let country = Country::from_code(cell)
                        .map_err(|error| wrong(format!("source_country: {error}")))?;
                    attempt.source_country = Some(country);
                }
                Column::Fraud => attempt.fraud = Some(yes_or_no(cell).map_err(wrong)?),
            }
        }
        check.account = Some(account);
        Ok(attempt)
    }
}

fn yes_or_no(cell: &str) -> Result<bool, String> {
    match cell.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" => Ok(true),
        "no" | "false" | "0" => Ok(false),
        _ => Err(format!(
            "fraud `{cell}` is neither yes nor no; leave it empty where it is not known"
        )),
    }
}

impl<R: Read> Iterator for Attempts<R> {
    type Item = Result<Attempt, AttemptError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.record()
            .map(|record| record.and_then(|record| self.attempt(&record)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<Result<Attempt, AttemptError>> {
        Attempts::new(text.as_bytes()).unwrap().collect()
    }

    fn refusal(text: &str) -> String {
        Attempts::new(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn columns_come_in_any_order() {
        let attempts = read(
            "dialed,Domain,username,user_agent,time,concurrent_calls,duration\n\
             0025261,example.com,alice,\"Yealink, \"\"T46\"\"\",2026-06-08T23:30+02:00,2,63\n\
             +4930 1,example.com, bob ,,,,\n",
        );
        let first = attempts[0].as_ref().unwrap();
        assert_eq!(first.line, 2);
        assert_eq!(
            first.check,
            CheckRequest {
                account: Some(AccountKey {
                    username: "alice".to_owned(),
                    domain: "example.com".to_owned()
                }),
                dialed_number: "0025261".to_owned(),
                user_agent: "Yealink, \"T46\"".to_owned(),
                concurrent_calls: Some(2),
                at: Some(time::message("2026-06-08T21:30Z".parse().unwrap())),
                ..Default::default()
            }
        );
        let second = &attempts[1].as_ref().unwrap().check;
        assert_eq!(second.account.as_ref().unwrap().username, "bob");
        assert_eq!(
            (second.dialed_number.as_str(), second.concurrent_calls),
            ("+4930 1", None)
        );
    }

    #[test]
    fn a_header_is_checked() {
        assert_eq!(
            refusal("username,domain,dialled\n"),
            "unknown column `dialled`; the columns are time, username, domain, caller, dialed, source_ip, user_agent, \
             concurrent_calls, call_id, forwarded_from, duration, source_country, fraud"
        );
        assert!(refusal("username,dialed\n").starts_with("the column `domain` is missing"));
        assert!(
            refusal("username,domain,dialed,domain\n")
                .starts_with("the column `domain` stands twice")
        );
        assert!(refusal("").contains("missing"));
        assert!(
            Attempts::new("\u{feff}username,domain,dialed\n".as_bytes()).is_ok(),
            "a byte order mark is no name"
        );
    }

    #[test]
    fn a_malformed_line_is_told_by_its_number_and_the_next_one_read() {
        let told: Vec<_> = read(
            "username,domain,dialed,source_ip,concurrent_calls,time\n\
             a,b,1,,,\n\
             a,,1,,,\n\
             a,b,1\n\
             \n\
             a,b,1,10.0.0.256,,\n\
             a,b,1,,many,\n\
             a,b,1,,,2026-06-08T23:30\n\
             a,b,1,::1,1,\n",
        )
        .into_iter()
        .map(|attempt| {
            attempt.map_or_else(
                |error| error.to_string(),
                |attempt| format!("line {} is good", attempt.line),
            )
        })
        .collect();
        assert_eq!(
            told[..6],
            [
                "line 2 is good",
                "line 3: domain is empty",
                "line 4: it has 3 cells, the header 6",
                "line 6: source_ip `10.0.0.256` is not an address",
                "line 7: concurrent_calls `many` is not a whole number",
                "line 8: `2026-06-08T23:30` does not say where on earth: write `2026-06-08T23:30:00Z` for UTC, or its offset \
             as in `2026-06-08T23:30:00+02:00`",
            ]
        );
        assert_eq!(told[6], "line 9 is good");
    }

    #[test]
    fn what_became_of_a_call_is_read_along() {
        let attempts = read(
            "username,domain,dialed,duration,source_country,fraud,forwarded_from\n\
             a,b,1,63,us,yes,<sip:2001@a.b>\n\
             a,b,1,1m3s,,0,\n\
             a,b,1,0,,,\n\
             a,b,1,soon,,,\n\
             a,b,1,,XX,,\n\
             a,b,1,,,maybe,\n",
        );
        let good: Vec<_> = attempts[..3]
            .iter()
            .map(|attempt| {
                let attempt = attempt.as_ref().unwrap();
                let seconds = attempt.duration.map(|duration| duration.as_secs());
                let from = attempt.source_country.map(Country::code);
                let forwarded = attempt.check.forwarded_from.as_str();
                (seconds, from, attempt.fraud, forwarded)
            })
            .collect();
        assert_eq!(
            good,
            [
                (Some(63), Some("US"), Some(true), "<sip:2001@a.b>"),
                (Some(63), None, Some(false), ""),
                (None, None, None, ""),
            ]
        );
        let told: Vec<_> = attempts[3..]
            .iter()
            .map(|attempt| attempt.as_ref().unwrap_err().to_string())
            .collect();
        assert_eq!(
            told,
            [
                "line 5: duration: `soon` is not a span of time: write `63s`, `5m` or `1h30m`",
                "line 6: source_country: unknown country `XX`: expected two letters of ISO 3166-1 such as `DE`, or a network's calling code such as `881`",
                "line 7: fraud `maybe` is neither yes nor no; leave it empty where it is not known",
            ]
        );
    }

    #[test]
    fn a_lost_quote_and_windows_line_ends_keep_the_count() {
        let told: Vec<_> = read("username,domain,dialed\r\n\r\n\"a,b,1\r\na,b,2\r\na,b,")
            .into_iter()
            .map(|attempt| {
                attempt.map_or_else(
                    |error| error.to_string(),
                    |attempt| attempt.line.to_string(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                "line 3: it has 1 cells, the header 3",
                "4",
                "line 5: dialed is empty"
            ]
        );
        let endless = format!("username,domain,dialed\na,b,{}", "1".repeat(LINE_BYTES));
        assert_eq!(
            read(&endless)[0].as_ref().unwrap_err().to_string(),
            "line 2 is longer than 16384 bytes"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), header in any::<bool>()) {
            let mut text = if header { b"username,domain,dialed\n".to_vec() } else { Vec::new() };
            text.extend(bytes);
            if let Ok(attempts) = Attempts::new(&text[..]) {
                let _ = attempts.count();
            }
        }
    }
}
