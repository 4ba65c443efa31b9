//! Business hours as an operator writes them.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use super::weekday::Weekday;

/// The business hours of a policy, as written: weekly spans or an OpenSIPS time recurrence, and holidays.
///
/// With neither spans nor a recurrence every hour is a business hour. The default is that of a fresh install:
/// Monday to Friday, 09:00 to 17:00.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoursDocument {
    /// Spans that come again every week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekly: Option<Vec<WeeklySpan>>,
    /// Days, in the policy's time zone, on which all hours are off hours: `2026-12-25`.
    #[serde(
        default,
        deserialize_with = "holidays",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub holidays: Vec<Date>,
    /// A time recurrence string as in OpenSIPS' `check_time_rec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<String>,
}

/// A span of business hours on some days of the week: from `from`, included, to `to`, excluded.
///
/// Where `from` is later than `to` the span runs over midnight and belongs to the day on which it begins: 18:00 to
/// 08:00 on `fr` ends on Saturday at 08:00.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeeklySpan {
    /// The days on which the span begins.
    pub days: Vec<Weekday>,
    /// When it begins: `00:00` to `23:59`.
    pub from: ClockTime,
    /// When it ends: `00:00` to `24:00`.
    pub to: ClockTime,
}

/// A time of day to the minute, `00:00` to `24:00`, the end of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClockTime {
    minute: u16,
}

/// What was written is no time of day.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{written:?} is not a time of day: write hours and minutes as 09:00, at most 24:00")]
pub struct InvalidClockTime {
    /// What was written.
    pub written: String,
}

impl HoursDocument {
    /// Every hour is a business hour.
    #[must_use]
    pub fn always() -> HoursDocument {
        HoursDocument {
            weekly: None,
            holidays: Vec::new(),
            recurrence: None,
        }
    }
}

impl Default for HoursDocument {
    fn default() -> HoursDocument {
        let nine_to_five = WeeklySpan {
            days: Weekday::WORKING.to_vec(),
            from: ClockTime::on_the_hour(9),
            to: ClockTime::on_the_hour(17),
        };
        HoursDocument {
            weekly: Some(vec![nine_to_five]),
            ..HoursDocument::always()
        }
    }
}

/// Reads days as `2026-12-25` and in no other way.
fn holidays<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Date>, D::Error> {
    struct Holiday(Date);
    struct HolidayVisitor;

    impl Visitor<'_> for HolidayVisitor {
        type Value = Holiday;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a day in quotes, as \"2026-12-25\"")
        }

        fn visit_str<E: de::Error>(self, written: &str) -> Result<Holiday, E> {
            match written.parse::<Date>() {
                Ok(date) if date.to_string() == written => Ok(Holiday(date)),
                _ => Err(E::invalid_value(Unexpected::Str(written), &self)),
            }
        }
    }

    impl<'de> Deserialize<'de> for Holiday {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Holiday, D::Error> {
            deserializer.deserialize_str(HolidayVisitor)
        }
    }

    let holidays = Vec::<Holiday>::deserialize(deserializer)?;
    Ok(holidays.into_iter().map(|Holiday(date)| date).collect())
}

impl fmt::Display for WeeklySpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, day) in self.days.iter().enumerate() {
            write!(f, "{}{day}", if i == 0 { "" } else { "," })?;
        }
        write!(f, " {}-{}", self.from, self.to)
    }
}

impl ClockTime {
    /// The end of the day: `24:00`.
    pub const MIDNIGHT: ClockTime = ClockTime {
        minute: MINUTES_A_DAY,
    };

    /// Minutes since the day began: 0 to 1,440.
    #[must_use]
    pub const fn minute_of_day(self) -> u16 {
        self.minute
    }

    const fn on_the_hour(hour: u16) -> ClockTime {
        ClockTime { minute: hour * 60 }
    }
}

const MINUTES_A_DAY: u16 = 24 * 60;

impl FromStr for ClockTime {
    type Err = InvalidClockTime;

    fn from_str(written: &str) -> Result<ClockTime, InvalidClockTime> {
        fn minute(written: &str) -> Option<u16> {
            let &[h1, h2, b':', m1, m2] = written.as_bytes() else {
                return None;
            };
            let digit = |byte: u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
            let (hour, minute) = (digit(h1)? * 10 + digit(h2)?, digit(m1)? * 10 + digit(m2)?);
            let sum = hour * 60 + minute;
            (minute < 60 && sum <= MINUTES_A_DAY).then_some(sum)
        }
        minute(written)
            .map(|minute| ClockTime { minute })
            .ok_or_else(|| InvalidClockTime {
                written: written.chars().take(40).collect(),
            })
    }
}

impl TryFrom<String> for ClockTime {
    type Error = InvalidClockTime;

    fn try_from(written: String) -> Result<ClockTime, InvalidClockTime> {
        written.parse()
    }
}

impl From<ClockTime> for String {
    fn from(time: ClockTime) -> String {
        time.to_string()
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minute / 60, self.minute % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = r#"
        weekly = [
            { days = ["MO", "Tuesday"], from = "09:00", to = "12:30" },
            { days = ["fr"], from = "18:00", to = "24:00" },
        ]
        holidays = ["2026-12-25", "2027-01-01"]
    "#;

    #[test]
    fn a_document_is_read_from_toml_and_written_back() {
        let document: HoursDocument = toml::from_str(WRITTEN).unwrap();
        let weekly = document.weekly.as_deref().unwrap();
        assert_eq!(weekly[0].to_string(), "mo,tu 09:00-12:30");
        assert_eq!(weekly[1].to, ClockTime::MIDNIGHT);
        assert_eq!(
            document.holidays,
            [Date::constant(2026, 12, 25), Date::constant(2027, 1, 1)]
        );

        let again: HoursDocument = toml::from_str(&toml::to_string(&document).unwrap()).unwrap();
        assert_eq!(again, document);
    }

    #[test]
    fn a_fresh_install_is_open_from_nine_to_five_on_working_days() {
        let weekly = HoursDocument::default().weekly.unwrap();
        assert_eq!(
            weekly.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["mo,tu,we,th,fr 09:00-17:00"]
        );
    }

    #[test]
    fn an_empty_document_is_always_open() {
        assert_eq!(
            toml::from_str::<HoursDocument>(""),
            Ok(HoursDocument::always())
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (written, message) in [
            ("hours = 1", "unknown field `hours`"),
            (
                "weekly = [{ days = [\"mo\"], from = \"09:00\", to = \"17:00\", zone = \"UTC\" }]",
                "unknown field `zone`",
            ),
            (
                "weekly = [{ days = [\"mo\"], from = \"09:00\" }]",
                "missing field `to`",
            ),
            (
                "weekly = [{ days = [\"mond\"], from = \"09:00\", to = \"17:00\" }]",
                "\"mond\" is not a day of the week",
            ),
            (
                "weekly = [{ days = [\"mo\"], from = \"9:00\", to = \"17:00\" }]",
                "\"9:00\" is not a time of day",
            ),
            (
                "holidays = [\"2026-02-30\"]",
                "invalid value: string \"2026-02-30\", expected a day in quotes, as \"2026-12-25\"",
            ),
            (
                "holidays = [2026-12-25]",
                "expected a day in quotes, as \"2026-12-25\"",
            ),
            (
                "holidays = [\"20261225\"]",
                "expected a day in quotes, as \"2026-12-25\"",
            ),
        ] {
            let error = toml::from_str::<HoursDocument>(written)
                .unwrap_err()
                .to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn times_of_day_are_two_digits_each_and_end_at_midnight() {
        for minute in 0..=MINUTES_A_DAY {
            let time = ClockTime { minute };
            assert_eq!(time.to_string().parse(), Ok(time));
        }
        for written in [
            "", "9:00", "09:60", "24:01", "25:00", "0900", "09:00:00", "-1:00", "+9:00", "０9:00",
        ] {
            assert!(written.parse::<ClockTime>().is_err(), "{written}");
        }
    }
}
