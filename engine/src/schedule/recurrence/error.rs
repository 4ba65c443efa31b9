//! What can be wrong with a recurrence string.

use std::fmt;

use thiserror::Error;

use super::{MAX_NESTING, MAX_RECURRENCE_BYTES, MAX_RECURRENCES};
use crate::schedule::zone::UnknownTimeZone;

/// Why a recurrence string is refused. Columns count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum RecurrenceError {
    #[error("recurrence is {length} bytes long: it can have {MAX_RECURRENCE_BYTES}")]
    TooLong { length: usize },
    #[error("recurrence, column {column}: parentheses nest deeper than {MAX_NESTING}")]
    TooDeep { column: usize },
    #[error(
        "recurrence, column {column}: more than {MAX_RECURRENCES} time recurrences in one expression"
    )]
    TooMany { column: usize },
    #[error("recurrence, column {column}: expected a time recurrence, '!' or '(', found {}", shown(*.found))]
    ExpectedRecurrence { column: usize, found: Option<char> },
    #[error(
        "recurrence, column {column}: expected '&' or '/', found {}; a time recurrence has no blanks inside",
        shown(*.found)
    )]
    ExpectedOperator { column: usize, found: Option<char> },
    #[error(
        "recurrence, column {column}: {found:?} inside a time recurrence; write '&' or '/' before it"
    )]
    OperatorInside { column: usize, found: char },
    #[error(
        "recurrence, column {column}: '&' and '/' on one level; say by parentheses which comes first"
    )]
    MixedOperators { column: usize },
    #[error("recurrence, column {column}: this '(' is never closed")]
    NeverClosed { column: usize },
    #[error("recurrence, column {column}: this ')' closes nothing")]
    NeverOpened { column: usize },
    #[error(
        "recurrence, column {column}: a time recurrence has 12 fields, from the time zone to BYMONTH, not {count}"
    )]
    TooManyFields { column: usize, count: usize },
    #[error(
        "recurrence, column {column}: nothing but a time zone; give a DTSTART, a DTEND or a FREQ"
    )]
    Vacant { column: usize },
    #[error("recurrence, column {column}: {field} {value:?} {problem}")]
    Field {
        column: usize,
        field: Field,
        /// What was written, cut at 40 characters.
        value: String,
        problem: FieldProblem,
    },
}

/// A field of a time recurrence, in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of RFC 5545")]
pub enum Field {
    Zone,
    Start,
    End,
    Duration,
    Frequency,
    Until,
    Interval,
    ByDay,
    ByMonthDay,
    ByYearDay,
    ByWeekNo,
    ByMonth,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum FieldProblem {
    #[error("is wrong: {0}")]
    Zone(UnknownTimeZone),
    #[error("is not a date and time: write 15 characters, 20210104T090000, from 1970 to 9999")]
    Stamp,
    #[error(
        "ends in Z: stamps are what the clock on the wall shows in the time zone; leave the Z off"
    )]
    StampInUtc,
    #[error("is on no calendar: there is no such date or time of day")]
    NoSuchTime,
    #[error("is not a duration: write PT8H, 8H30M or P1DT12H")]
    Duration,
    #[error("is no time at all: a duration is at least a second")]
    NoDuration,
    #[error("is too long: a duration is at most 100 years")]
    LongDuration,
    #[error("is not a frequency: write DAILY, WEEKLY, MONTHLY or YEARLY")]
    Frequency,
    #[error("is not an interval: write a number from 1 to 65535")]
    Interval,
    #[error(
        "is not a list of weekdays: write MO,TU,WE,TH,FR,SA,SU, before each perhaps a number such as 1 or -1"
    )]
    Weekdays,
    #[error("numbers a weekday: that needs FREQ MONTHLY or YEARLY")]
    NumberedWeekday,
    #[error("is not a list of numbers from {smallest} to {largest}{}", if *.from_end { ", or negative from the end" } else { "" })]
    Numbers {
        smallest: i16,
        largest: i16,
        from_end: bool,
    },
    #[error("needs a FREQ: without one nothing repeats")]
    NeedsFrequency,
    #[error("needs FREQ YEARLY")]
    NeedsYearly,
    #[error("needs a DTSTART or a FREQ: from when?")]
    NeedsStart,
    #[error("is not after DTSTART; hours over midnight end on the next day's date")]
    EndNotAfterStart,
    #[error("is before DTSTART: it would never be open")]
    UntilBeforeStart,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::Zone => "time zone",
            Field::Start => "DTSTART",
            Field::End => "DTEND",
            Field::Duration => "DURATION",
            Field::Frequency => "FREQ",
            Field::Until => "UNTIL",
            Field::Interval => "INTERVAL",
            Field::ByDay => "BYDAY",
            Field::ByMonthDay => "BYMONTHDAY",
            Field::ByYearDay => "BYYEARDAY",
            Field::ByWeekNo => "BYWEEKNO",
            Field::ByMonth => "BYMONTH",
        })
    }
}

fn shown(found: Option<char>) -> String {
    found.map_or_else(|| "the end".to_owned(), |found| format!("{found:?}"))
}
