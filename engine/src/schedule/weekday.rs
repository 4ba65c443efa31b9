//! The days of the week, by the names that operators write.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A day of the week. Reads two-letter codes (`mo`) and English names (`Monday`) in any case, and shows as the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// What was written is no day of the week.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{written:?} is not a day of the week: write mo, tu, we, th, fr, sa, su or the English name"
)]
pub struct UnknownWeekday {
    /// What was written.
    pub written: String,
}

impl Weekday {
    /// Monday to Friday.
    pub const WORKING: [Weekday; 5] = [
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
    ];

    /// The whole week, from Monday.
    pub const ALL: [Weekday; 7] = [
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
        Weekday::Saturday,
        Weekday::Sunday,
    ];

    /// The code of RFC 5545, section 3.3.10: `MO`.
    pub(super) fn code(self) -> &'static str {
        match self {
            Weekday::Monday => "MO",
            Weekday::Tuesday => "TU",
            Weekday::Wednesday => "WE",
            Weekday::Thursday => "TH",
            Weekday::Friday => "FR",
            Weekday::Saturday => "SA",
            Weekday::Sunday => "SU",
        }
    }

    pub(super) fn from_code(code: &str) -> Option<Weekday> {
        Weekday::ALL
            .into_iter()
            .find(|day| code.eq_ignore_ascii_case(day.code()))
    }

    /// The English name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Weekday::Monday => "Monday",
            Weekday::Tuesday => "Tuesday",
            Weekday::Wednesday => "Wednesday",
            Weekday::Thursday => "Thursday",
            Weekday::Friday => "Friday",
            Weekday::Saturday => "Saturday",
            Weekday::Sunday => "Sunday",
        }
    }

    /// Days since Monday: 0 to 6.
    pub(super) const fn since_monday(self) -> u8 {
        self as u8
    }
}

impl FromStr for Weekday {
    type Err = UnknownWeekday;

    fn from_str(written: &str) -> Result<Weekday, UnknownWeekday> {
        Weekday::from_code(written)
            .or_else(|| {
                Weekday::ALL
                    .into_iter()
                    .find(|day| written.eq_ignore_ascii_case(day.name()))
            })
            .ok_or_else(|| UnknownWeekday {
                written: written.chars().take(40).collect(),
            })
    }
}

impl TryFrom<String> for Weekday {
    type Error = UnknownWeekday;

    fn try_from(written: String) -> Result<Weekday, UnknownWeekday> {
        written.parse()
    }
}

impl From<Weekday> for String {
    fn from(day: Weekday) -> String {
        day.to_string()
    }
}

impl fmt::Display for Weekday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Weekday::Monday => "mo",
            Weekday::Tuesday => "tu",
            Weekday::Wednesday => "we",
            Weekday::Thursday => "th",
            Weekday::Friday => "fr",
            Weekday::Saturday => "sa",
            Weekday::Sunday => "su",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_read_in_any_case() {
        for day in Weekday::ALL {
            assert_eq!(day.code().parse(), Ok(day));
            assert_eq!(day.name().to_uppercase().parse(), Ok(day));
            assert_eq!(day.to_string().parse(), Ok(day));
        }
        assert_eq!("wednesday".parse(), Ok(Weekday::Wednesday));
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for written in ["", "m", "mon", "montag", "mo "] {
            let error = written.parse::<Weekday>().unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with(&format!("{written:?} is not a day of the week")),
                "{error}"
            );
        }
    }
}
