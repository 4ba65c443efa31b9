//! A CSV file of call attempts.

use std::{
    io::{BufRead, BufReader, Read},
    net::IpAddr,
};

use csv::{ReaderBuilder, StringRecord, Trim};
use tfps_client::v1::{AccountKey, CheckRequest};

use crate::time;

/// A line of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Its number in the file, from 1 for the header.
    pub line: u64,
    /// What is asked; `at` holds the column `time`.
    pub check: CheckRequest,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Time,
    Username,
    Domain,
    Caller,
    Dialed,
    SourceIp,
    UserAgent,
    ConcurrentCalls,
    CallId,
    Duration,
}

impl Column {
    const ALL: [(&'static str, Self); 10] = [
        ("time", Self::Time),
        ("username", Self::Username),
        ("domain", Self::Domain),
        ("caller", Self::Caller),
        ("dialed", Self::Dialed),
        ("source_ip", Self::SourceIp),
        ("user_agent", Self::UserAgent),
        ("concurrent_calls", Self::ConcurrentCalls),
        ("call_id", Self::CallId),
        ("duration", Self::Duration),
    ];

    fn names() -> String {
        Self::ALL.map(|(name, _)| name).join(", ")
    }

    fn required(self) -> bool {
        matches!(self, Self::Username | Self::Domain | Self::Dialed)
    }
}

/// How long a line can be, in bytes.
const LINE_BYTES: usize = 16 * 1024;

/// Reads attempts line by line; a malformed line is an error, and the next one is read all the same. A cell ends with its
/// line: no field of a call has a line end in it, and a lost quote takes no other line with it.
#[derive(Debug)]
pub struct Attempts<R> {
    source: BufReader<R>,
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
            columns: Vec::new(),
            line: 0,
        };
        let header = attempts
            .record()
            .unwrap_or_else(|| Ok(StringRecord::new()))?;
        for name in &header {
            let name = name.trim_start_matches('\u{feff}');
            let &(known, column) = Column::ALL
                .iter()
                .find(|(known, _)| name.eq_ignore_ascii_case(known))
                .ok_or_else(|| AttemptError::UnknownColumn {
                    name: name.to_owned(),
                })?;
            if attempts.columns.contains(&column) {
                return Err(AttemptError::RepeatedColumn { name: known });
            }
            attempts.columns.push(column);
        }
        let missing = Column::ALL
            .iter()
            .find(|(_, column)| column.required() && !attempts.columns.contains(column));
        match missing {
            Some((name, _)) => Err(AttemptError::MissingColumn { name }),
            None => Ok(attempts),
        }
    }

    /// Whether there is a column `time`.
    pub fn have_times(&self) -> bool {
        self.columns.contains(&Column::Time)
    }

    /// The cells of the next line that is not empty.
    fn record(&mut self) -> Option<Result<StringRecord, AttemptError>> {
        loop {
            let mut bytes = Vec::new();
            let limit = LINE_BYTES as u64 + 1;
            self.line += 1;
            match (&mut self.source).take(limit).read_until(b'\n', &mut bytes) {
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
                Ok(_) => return Some(self.cells(&bytes)),
            }
        }
    }

    fn cells(&self, line: &[u8]) -> Result<StringRecord, AttemptError> {
        let wrong = |why: &str| AttemptError::Line {
            line: self.line,
            why: why.to_owned(),
        };
        let mut record = StringRecord::new();
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .trim(Trim::All)
            .buffer_capacity(line.len() + 1)
            .from_reader(line);
        match reader.read_record(&mut record) {
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
        let mut check = CheckRequest::default();
        let mut account = AccountKey::default();
        for (&column, cell) in self.columns.iter().zip(record) {
            if cell.is_empty() {
                if column.required() {
                    let name = Column::ALL
                        .iter()
                        .find(|(_, known)| *known == column)
                        .map_or("", |(name, _)| name);
                    return Err(wrong(format!("{name} is empty")));
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
                // How long it lasted has no part in whether to let it through.
                Column::Duration => {}
            }
        }
        check.account = Some(account);
        Ok(Attempt { line, check })
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
             concurrent_calls, call_id, duration"
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
