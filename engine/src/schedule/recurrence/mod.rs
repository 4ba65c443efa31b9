//! Time recurrence strings, as OpenSIPS takes them in `check_time_rec` and in its routing rules.
//!
//! ```text
//! zone|dtstart|dtend|duration|freq|until|interval|byday|bymonthday|byyearday|byweekno|bymonth
//! ```
//!
//! A recurrence is these twelve fields, those of RFC 5545; empty ones at the end can be left out, and the zone with
//! its separator too. Recurrences combine by `&`, `/` (or), `!` and parentheses, one kind of operator a level.
//!
//! # What it means
//!
//! DTSTART to DTEND (or DURATION) is an interval: its start is in it, its end is not. FREQ repeats it, by what the
//! clock on the wall shows, from DTSTART until UNTIL, which is included; the `BY…` fields say on which days. They
//! test the day that it is now, not the one on which the interval began: 18:00 to 08:00 on `MO,TU,WE,TH,FR` is open
//! on Monday at 03:00 and not on Saturday at 03:00.
//!
//! What the interval is repeated by is the day for DAILY, and wherever BYDAY, BYMONTHDAY or BYYEARDAY picks days;
//! else the week, month or year: Friday 18:00 to Monday 08:00, WEEKLY, is every weekend. Without DTEND and DURATION
//! it lasts to the end of that day, week (which ends on Saturday), month or year. A DURATION of a day or more is the
//! whole of every day that is picked. In months and years a DTEND is a date and a DURATION a length: 15 February to
//! 1 March 00:00, MONTHLY, is the second half of every month.
//!
//! # An end beyond the repetition
//!
//! `20210104T090000|21000104T170000||WEEKLY|||MO,TU,WE,TH,FR` was the documented default of the system that this
//! one succeeds, and OpenSIPS' own manual writes "workdays from 8 to 18 during 2021" in this way. OpenSIPS does not
//! read it so: the interval is 79 years long, longer than a day, and so every hour of those days matches. Here it is
//! read as it is meant, and a [`Notice`](super::Notice) says so:
//!
//! - It concerns a DTEND that lies further from DTSTART than the repetition is long: by more than a day where days are
//!   repeated, by more than a week, month or year where those are. An explicit DURATION is honoured as it stands,
//!   and so is a DTEND within the repetition, such as the weekend above or a week each year.
//! - DTEND's time closes the day on which the interval opens; at or before DTSTART's time it is that of the next day.
//! - DTEND itself bounds the whole, as an UNTIL would that is not included: the window of its date is the last. But
//!   if it lies within the first week of WEEKLY (month of MONTHLY, year of YEARLY) it bounds nothing, because there
//!   would be no recurrence: Monday 09:00 to that week's Friday 17:00 on `MO,TU,WE,TH,FR` is 09:00 to 17:00, for good.
//!
//! # Where it differs from OpenSIPS besides
//!
//! - What does not parse is an error. There it is "not now" for good, or a field is silently dropped (an unknown
//!   FREQ, a misspelt BYDAY), or read as something else (an unknown zone as UTC, `MO,` as `MO,SU`, 31 February as
//!   3 March). The same for an interval without length and for fields that would be ignored.
//! - BYMONTHDAY=31, BYYEARDAY=-1, an INTERVAL of two digits, BYWEEKNO (ISO weeks) and BYDAY with a number count as in
//!   RFC 5545, to which OpenSIPS' manual refers; its arithmetic does not. A weekday without a number is, with
//!   MONTHLY and YEARLY, every such weekday; OpenSIPS takes the first alone. That yields a notice.
//! - A weekly or longer interval is open in the very second in which it begins, and one that ends on the weekday or
//!   day of the month on which it began is not closed on that day. One without an end takes in the month's last day.
//! - Where the clocks change between DTSTART and its end, a DURATION is what the clock on the wall advances.

mod compiled;
mod cycle;
mod days;
mod error;
mod fields;
mod meaning;
mod parse;
mod values;

use std::fmt;
use std::num::NonZeroU16;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::local_time::EPOCH;
use super::weekday::Weekday;

pub(super) use compiled::CompiledExpression;
use cycle::Cycle;
pub use error::{Field, FieldProblem, RecurrenceError};

/// How long a recurrence string can be.
pub const MAX_RECURRENCE_BYTES: usize = 4096;

/// How deep parentheses can nest in a recurrence string.
pub const MAX_NESTING: usize = 16;

/// How many time recurrences an expression can combine; each takes its time in every call.
pub const MAX_RECURRENCES: usize = 64;

/// Time recurrences, combined. Shows as a string that parses to the same.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Recurrence(Box<TimeRecurrence>),
    Not(Box<Expression>),
    All(Vec<Expression>),
    Any(Vec<Expression>),
}

/// An interval, once or repeated.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TimeRecurrence {
    /// None is the policy's.
    zone: Option<TimeZone>,
    start: Option<DateTime>,
    extent: Option<Extent>,
    /// None is once.
    rule: Option<Rule>,
}

/// How long the interval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    End(DateTime),
    /// A DTEND beside a DURATION says nothing, as in OpenSIPS; it is kept to be shown.
    Duration {
        seconds: u32,
        ignored_end: Option<DateTime>,
    },
}

/// How the interval repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    frequency: Frequency,
    until: Option<DateTime>,
    interval: NonZeroU16,
    days: DayRules,
}

/// The `BY…` fields; an empty one does not restrict. Negative numbers count from the end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct DayRules {
    weekdays: Vec<PickedWeekday>,
    month_days: Vec<i16>,
    year_days: Vec<i16>,
    weeks: Vec<i16>,
    months: Vec<i16>,
}

/// `MO`, or `-1MO`, the last Monday of the month or year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PickedWeekday {
    nth: Option<i16>,
    weekday: Weekday,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

impl TimeRecurrence {
    /// Without a DTSTART everything counts from 1970, as in OpenSIPS.
    fn start_or_epoch(&self) -> DateTime {
        self.start.unwrap_or(EPOCH)
    }
}

impl Extent {
    /// When an interval ends that begins then, or the last moment that can be written.
    fn end(self, start: DateTime) -> DateTime {
        match self {
            Extent::End(end) => end,
            Extent::Duration { seconds, .. } => {
                start.saturating_add(SignedDuration::from_secs(i64::from(seconds)))
            }
        }
    }
}

impl Rule {
    /// The cycle is finer than the frequency where days, weeks or months are picked.
    fn cycle(&self) -> Cycle {
        let picks_days = !(self.days.weekdays.is_empty()
            && self.days.month_days.is_empty()
            && self.days.year_days.is_empty());
        match self.frequency {
            Frequency::Daily => Cycle::Day,
            _ if picks_days => Cycle::Day,
            Frequency::Weekly => Cycle::Week,
            _ if !self.days.weeks.is_empty() => Cycle::Week,
            Frequency::Monthly => Cycle::Month,
            Frequency::Yearly if !self.days.months.is_empty() => Cycle::Month,
            Frequency::Yearly => Cycle::Year,
        }
    }
}

impl Frequency {
    const ALL: [Frequency; 4] = [
        Frequency::Daily,
        Frequency::Weekly,
        Frequency::Monthly,
        Frequency::Yearly,
    ];

    fn name(self) -> &'static str {
        match self {
            Frequency::Daily => "DAILY",
            Frequency::Weekly => "WEEKLY",
            Frequency::Monthly => "MONTHLY",
            Frequency::Yearly => "YEARLY",
        }
    }

    fn cycle(self) -> Cycle {
        match self {
            Frequency::Daily => Cycle::Day,
            Frequency::Weekly => Cycle::Week,
            Frequency::Monthly => Cycle::Month,
            Frequency::Yearly => Cycle::Year,
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Recurrence(recurrence) => recurrence.fmt(f),
            Expression::Not(inner) => write!(f, "!{}", Operand(inner)),
            Expression::All(operands) => joined(f, " & ", operands.iter().map(Operand)),
            Expression::Any(operands) => joined(f, " / ", operands.iter().map(Operand)),
        }
    }
}

/// An expression inside another: in parentheses where it has operators of its own.
struct Operand<'a>(&'a Expression);

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Expression::All(_) | Expression::Any(_) => write!(f, "({})", self.0),
            _ => self.0.fmt(f),
        }
    }
}

impl fmt::Display for TimeRecurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = self
            .zone
            .as_ref()
            .and_then(TimeZone::iana_name)
            .unwrap_or_default()
            .to_owned();
        let stamp =
            |stamp: Option<DateTime>| stamp.map(|at| at.strftime("%Y%m%dT%H%M%S").to_string());
        let (end, duration) = match self.extent {
            None => (None, None),
            Some(Extent::End(end)) => (Some(end), None),
            Some(Extent::Duration {
                seconds,
                ignored_end,
            }) => (ignored_end, Some(duration_string(seconds))),
        };

        let mut fields = vec![
            zone,
            stamp(self.start).unwrap_or_default(),
            stamp(end).unwrap_or_default(),
            duration.unwrap_or_default(),
        ];
        if let Some(rule) = &self.rule {
            let interval = rule.interval.get();
            fields.extend([
                rule.frequency.name().to_owned(),
                stamp(rule.until).unwrap_or_default(),
                if interval == 1 {
                    String::new()
                } else {
                    interval.to_string()
                },
                list(&rule.days.weekdays),
                list(&rule.days.month_days),
                list(&rule.days.year_days),
                list(&rule.days.weeks),
                list(&rule.days.months),
            ]);
        }
        while fields.last().is_some_and(String::is_empty) {
            fields.pop();
        }
        joined(f, "|", fields.iter())
    }
}

impl fmt::Display for PickedWeekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(nth) = self.nth {
            write!(f, "{nth}")?;
        }
        f.write_str(self.weekday.code())
    }
}

/// As RFC 5545, section 3.3.6 writes it: `P1DT8H30M`.
fn duration_string(seconds: u32) -> String {
    let (days, hours, minutes, rest) = (
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    );
    let unit = |count: u32, letter: &str| {
        if count == 0 {
            String::new()
        } else {
            format!("{count}{letter}")
        }
    };
    let time = [unit(hours, "H"), unit(minutes, "M"), unit(rest, "S")].concat();
    let separator = if time.is_empty() { "" } else { "T" };
    format!("P{}{separator}{time}", unit(days, "D"))
}

fn list(items: &[impl fmt::Display]) -> String {
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    separator: &str,
    items: impl Iterator<Item = impl fmt::Display>,
) -> fmt::Result {
    for (i, item) in items.enumerate() {
        if i > 0 {
            f.write_str(separator)?;
        }
        item.fmt(f)?;
    }
    Ok(())
}
