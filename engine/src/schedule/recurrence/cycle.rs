//! What an interval repeats by, and the stretch of it that is open.

use std::cmp::Ordering;

use jiff::ToSpan;
use jiff::civil::DateTime;

use super::Extent;
use crate::schedule::local_time::{LocalTime, SECONDS_A_DAY, SECONDS_A_WEEK};

/// What an interval repeats by: it is a stretch of the day, week, month or year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cycle {
    Day,
    Week,
    Month,
    Year,
}

/// The stretch of the cycle that is open. It wraps around the cycle's end where it closes at or before it opens.
#[derive(Debug, Clone)]
pub(super) enum Window {
    Whole,
    Stretch {
        cycle: Cycle,
        opens: i64,
        closes: i64,
    },
}

impl Window {
    /// Without an extent the interval lasts to the end of its cycle.
    ///
    /// A DTEND is a place in the cycle: 15 February to 1 March 00:00, MONTHLY, is the second half of every month. A
    /// DURATION is a length: 28 February for a day, YEARLY, leaves out the 29th. So its last second is what counts.
    pub(super) fn new(cycle: Cycle, start: DateTime, extent: Option<Extent>) -> Window {
        let opens = cycle.position(&start.into());
        let (end, closes) = match extent {
            Some(Extent::End(end)) => (end, cycle.position(&end.into())),
            Some(extent @ Extent::Duration { .. }) => {
                let last = extent.end(start).saturating_sub(1.second());
                (last, cycle.position(&last.into()) + 1)
            }
            None if cycle == Cycle::Week => (start, SUNDAY),
            None => (start, 0),
        };
        if opens == closes || compare_with_cycle(cycle, start, end).is_ge() {
            Window::Whole
        } else {
            Window::Stretch {
                cycle,
                opens,
                closes,
            }
        }
    }

    pub(super) fn contains(&self, shown: &LocalTime) -> bool {
        let Window::Stretch {
            cycle,
            opens,
            closes,
        } = *self
        else {
            return true;
        };
        let now = cycle.position(shown);
        if opens < closes {
            (opens..closes).contains(&now)
        } else {
            now >= opens || now < closes
        }
    }
}

/// Where the week ends for an interval without an end, as in OpenSIPS.
const SUNDAY: i64 = 6 * SECONDS_A_DAY;

/// Whether a stretch of time is shorter than, as long as, or longer than the cycle that it begins in.
pub(super) fn compare_with_cycle(cycle: Cycle, start: DateTime, end: DateTime) -> Ordering {
    let seconds = end.duration_since(start).as_secs();
    let (opens, closes) = (LocalTime::from(start), LocalTime::from(end));
    match cycle {
        Cycle::Day => seconds.cmp(&SECONDS_A_DAY),
        Cycle::Week => seconds.cmp(&SECONDS_A_WEEK),
        Cycle::Month => {
            let months = closes.month() - opens.month();
            months
                .cmp(&1)
                .then_with(|| cycle.position(&closes).cmp(&cycle.position(&opens)))
        }
        Cycle::Year => {
            let years = closes.date.year() - opens.date.year();
            years
                .cmp(&1)
                .then_with(|| cycle.position(&closes).cmp(&cycle.position(&opens)))
        }
    }
}

impl Cycle {
    /// How far into the cycle it is; grows from the cycle's first second to its last. Months are 32 days long and
    /// years 12 such months, so that a day of the month is the same position in each.
    pub(super) fn position(self, local: &LocalTime) -> i64 {
        let day = match self {
            Cycle::Day => 0,
            Cycle::Week => i64::from(local.weekday()),
            Cycle::Month => i64::from(local.date.day()),
            Cycle::Year => i64::from(local.date.month()) * 32 + i64::from(local.date.day()),
        };
        day * SECONDS_A_DAY + local.second
    }
}
