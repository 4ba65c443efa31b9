//! Why business hours are refused.

use thiserror::Error;

use super::business_hours::MAX_HOLIDAYS;
use super::document::ClockTime;
use super::recurrence::RecurrenceError;
use super::weekly::MAX_WEEKLY_SPANS;

/// Why business hours are refused. Entries count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HoursError {
    /// Two plans.
    #[error("hours have both weekly spans and a recurrence: choose one")]
    WeeklyAndRecurrence,
    /// A list of spans without one.
    #[error(
        "weekly has no spans: give at least one, or leave it out and every hour is a business hour"
    )]
    NoSpans,
    /// More than [`MAX_WEEKLY_SPANS`].
    #[error("weekly has {count} spans: it can have {MAX_WEEKLY_SPANS}")]
    TooManySpans {
        /// How many there are.
        count: usize,
    },
    /// A span on no day.
    #[error("weekly span {entry} has no days: write days = [\"mo\", \"tu\"]")]
    SpanWithoutDays {
        /// Which span.
        entry: usize,
    },
    /// A span without length.
    #[error("weekly span {entry} from {from} to {to} is empty: a whole day is from 00:00 to 24:00")]
    EmptySpan {
        /// Which span.
        entry: usize,
        /// When it begins.
        from: ClockTime,
        /// When it ends.
        to: ClockTime,
    },
    /// More than [`MAX_HOLIDAYS`].
    #[error("{count} holidays: there can be {MAX_HOLIDAYS}; drop those that are past")]
    TooManyHolidays {
        /// How many there are.
        count: usize,
    },
    /// The recurrence string does not parse.
    #[error(transparent)]
    Recurrence(#[from] RecurrenceError),
}
