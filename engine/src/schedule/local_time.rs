//! What the clock on the wall shows.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

pub(super) const SECONDS_A_DAY: i64 = 24 * 60 * 60;
pub(super) const SECONDS_A_WEEK: i64 = 7 * SECONDS_A_DAY;

/// A moment as the clock on the wall of a zone shows it, split into the integers that schedules compare.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalTime {
    pub(super) date: Date,
    /// Days since 1970-01-01.
    pub(super) day: i64,
    /// Seconds since midnight by the wall clock: 0 to 86,399 on every day, also on one with 23 or 25 hours.
    pub(super) second: i64,
}

impl LocalTime {
    pub(super) fn new(at: Timestamp, zone: &TimeZone) -> LocalTime {
        let offset = zone.to_offset(at);
        let shown = unix_second(at) + i64::from(offset.seconds());
        LocalTime {
            date: offset.to_datetime(at).date(),
            day: shown.div_euclid(SECONDS_A_DAY),
            second: shown.rem_euclid(SECONDS_A_DAY),
        }
    }

    /// Days since Monday: 0 to 6.
    pub(super) fn weekday(&self) -> u8 {
        let since_monday = (self.day + THURSDAY).rem_euclid(7);
        u8::try_from(since_monday).expect("a remainder of 7")
    }

    /// Which week it is: they begin on Monday and are counted from the one of 1970-01-01.
    pub(super) fn week(&self) -> i64 {
        (self.day + THURSDAY).div_euclid(7)
    }

    /// Which month it is, counted from year 0.
    pub(super) fn month(&self) -> i64 {
        i64::from(self.date.year()) * 12 + i64::from(self.date.month())
    }
}

impl From<DateTime> for LocalTime {
    fn from(shown: DateTime) -> LocalTime {
        let seconds = shown.duration_since(EPOCH).as_secs();
        LocalTime {
            date: shown.date(),
            day: seconds.div_euclid(SECONDS_A_DAY),
            second: seconds.rem_euclid(SECONDS_A_DAY),
        }
    }
}

/// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
pub(super) fn unix_second(at: Timestamp) -> i64 {
    at.as_second() - i64::from(at.subsec_nanosecond() < 0)
}

/// Days since 1970-01-01.
pub(super) fn day_number(date: Date) -> i64 {
    LocalTime::from(date.at(0, 0, 0, 0)).day
}

pub(super) const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// What weekday 1970-01-01 was, in days since Monday.
const THURSDAY: i64 = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::zone;

    proptest! {
        /// The integers say the same as the calendar, to the limits of what can be written.
        #[test]
        fn agrees_with_the_calendar(
            nanosecond in Timestamp::MIN.as_nanosecond()..=Timestamp::MAX.as_nanosecond(),
            name in prop::sample::select(vec!["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"]),
        ) {
            let zone = zone(name).unwrap();
            let at = Timestamp::from_nanosecond(nanosecond).unwrap();
            let calendar = zone.to_datetime(at);
            let local = LocalTime::new(at, &zone);
            prop_assert_eq!(local.date, calendar.date());
            prop_assert_eq!(local.day, day_number(calendar.date()));
            let time = calendar.time();
            let second = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
            prop_assert_eq!(local.second, second);
            prop_assert_eq!(i64::from(local.weekday()), i64::from(calendar.weekday().to_monday_zero_offset()));
        }
    }
}
