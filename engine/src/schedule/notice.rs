//! What an operator should know about hours that load without an error.

use std::fmt;

use jiff::civil::{DateTime, Time};

/// Hours that are read otherwise than OpenSIPS reads them, or say less than they seem to. Shows as a sentence for
/// whoever wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// DTEND lies so far from DTSTART that OpenSIPS never looks at the hours; it is read as it is meant.
    EndClosesTheDay {
        /// The time recurrence, all its fields in place.
        recurrence: String,
        /// When the interval opens.
        opens: Time,
        /// When it closes, on the same day or, at or before `opens`, on the next.
        closes: Time,
        /// The last second of the whole; none if DTEND says only when the day closes.
        until: Option<DateTime>,
        /// The time recurrence that says the same without this trap.
        plainly: String,
    },
    /// DTEND stands beside a DURATION and is ignored.
    EndIgnored {
        /// The time recurrence, all its fields in place.
        recurrence: String,
        /// The DTEND.
        end: DateTime,
    },
    /// A weekday without a number under MONTHLY or YEARLY.
    EveryWeekday {
        /// The time recurrence, all its fields in place.
        recurrence: String,
        /// The English name of the first such weekday.
        weekday: &'static str,
        /// `month` or `year`.
        period: &'static str,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::EndClosesTheDay {
                recurrence,
                opens,
                closes,
                until,
                plainly,
            } => {
                write!(
                    f,
                    "time recurrence `{recurrence}` runs from its start to its end in one stretch, so OpenSIPS takes \
                     every hour of a matching day for a business hour; it is read as it is meant: from {opens} to {closes}"
                )?;
                if closes <= opens {
                    f.write_str(" of the next day")?;
                }
                match until {
                    Some(until) => write!(f, ", until {}", until.date())?,
                    None => f.write_str(", with no last day")?,
                }
                write!(f, "; to say so plainly write `{plainly}`")
            }
            Notice::EndIgnored { recurrence, end } => write!(
                f,
                "time recurrence `{recurrence}` has a duration, so its end ({end}) is ignored, as in OpenSIPS; \
                 for a last day give an UNTIL"
            ),
            Notice::EveryWeekday {
                recurrence,
                weekday,
                period,
            } => write!(
                f,
                "time recurrence `{recurrence}` means every {weekday} of the {period}, as in RFC 5545; OpenSIPS takes \
                 only the first one: if that is meant, write a 1 before it"
            ),
        }
    }
}
