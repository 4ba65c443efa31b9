//! Times and spans, as people type and read them.

use std::{str::FromStr, time::Duration};

use jiff::{Timestamp, Zoned, civil::DateTime};

/// A point in time: one that is named, or a span from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// `2026-06-08T23:30+02:00`
    At(Timestamp),
    /// `7d`, `2h`, `1h30m`
    Span(Duration),
}

/// Why a text is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// A time of day that can be anywhere.
    #[error(
        "`{0}` does not say where on earth: write `{1}Z` for UTC, or its offset as in `{1}+02:00`"
    )]
    NoOffset(String, DateTime),
    /// Not a time.
    #[error("`{0}` is not a time: write `2026-06-08T23:30Z` or `2026-06-08T23:30+02:00`")]
    NoTime(String),
    /// Neither a time nor a span.
    #[error(
        "`{0}` is neither a span (`45s`, `30m`, `2h`, `7d`, `1h30m`) nor a time (`2026-06-08T23:30Z`)"
    )]
    NoMoment(String),
    /// Not a span.
    #[error("`{0}` is not a span of time: write `63s`, `5m` or `1h30m`")]
    NoSpan(String),
    /// A span that leaves the calendar.
    #[error("that is too far away")]
    TooFar,
}

impl Moment {
    /// When it is, where a span counts back from now.
    ///
    /// # Errors
    ///
    /// [`TimeError::TooFar`]
    pub fn ago(self, now: Timestamp) -> Result<Timestamp, TimeError> {
        match self {
            Self::At(time) => Ok(time),
            Self::Span(span) => now.checked_sub(span).map_err(|_| TimeError::TooFar),
        }
    }

    /// When it is, where a span counts on from now.
    ///
    /// # Errors
    ///
    /// [`TimeError::TooFar`]
    pub fn ahead(self, now: Timestamp) -> Result<Timestamp, TimeError> {
        match self {
            Self::At(time) => Ok(time),
            Self::Span(span) => now.checked_add(span).map_err(|_| TimeError::TooFar),
        }
    }
}

impl FromStr for Moment {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        if let Ok(span) = span(text) {
            return Ok(Self::Span(span));
        }
        match instant(text) {
            Ok(time) => Ok(Self::At(time)),
            Err(TimeError::NoTime(text)) => Err(TimeError::NoMoment(text)),
            Err(other) => Err(other),
        }
    }
}

/// RFC 3339 with or without seconds, or with a zone's name: `2026-06-08T23:30+02:00`, `2026-06-08T23:30[Europe/Berlin]`.
///
/// # Errors
///
/// When it is no time, or has no offset: the policy's time zone, the server's and this machine's may all differ.
pub fn instant(text: &str) -> Result<Timestamp, TimeError> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(time) = text.parse::<Zoned>() {
        return Ok(time.timestamp());
    }
    match text.parse::<DateTime>() {
        Ok(local) => Err(TimeError::NoOffset(text.to_owned(), local)),
        Err(_) => Err(TimeError::NoTime(text.to_owned())),
    }
}

/// A span of time: `63s`, `5m`, `1h30m`, `7d`, `2w`; a bare number is seconds.
///
/// # Errors
///
/// When it is none, or longer than fits.
pub fn span(text: &str) -> Result<Duration, TimeError> {
    let wrong = || TimeError::NoSpan(text.to_owned());
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut seconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = &rest[digits..];
        let letters = unit
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(unit.len());
        let scale = match &unit[..letters] {
            "" if digits == text.trim().len() => 1,
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            _ => return Err(wrong()),
        };
        seconds = number
            .checked_mul(scale)
            .and_then(|part| seconds.checked_add(part))
            .ok_or_else(wrong)?;
        rest = &unit[letters..];
    }
    Ok(Duration::from_secs(seconds))
}

/// The message that a time travels as.
pub fn message(time: Timestamp) -> prost_types::Timestamp {
    let (mut seconds, mut nanos) = (time.as_second(), time.subsec_nanosecond());
    if nanos < 0 {
        // jiff counts back from the second before 1970, protobuf always on.
        seconds -= 1;
        nanos += 1_000_000_000;
    }
    prost_types::Timestamp { seconds, nanos }
}

/// The time that a message is.
pub fn of_message(message: prost_types::Timestamp) -> Option<Timestamp> {
    Timestamp::new(message.seconds, message.nanos).ok()
}

/// A time for a person: `2026-06-08 23:30:12Z`; empty where there is none.
pub fn show(time: Option<&prost_types::Timestamp>) -> String {
    format(time, "%Y-%m-%d %H:%M:%SZ")
}

/// A day for a person: `2026-06-08`; empty where there is none.
pub fn show_day(time: Option<&prost_types::Timestamp>) -> String {
    format(time, "%Y-%m-%d")
}

/// A length of time for a person, in its two largest units: `3d 4h`, `63s` is `1m 3s`, less than a second is `250ms`.
pub fn show_span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes, seconds % 60) {
        (0, 0, 0, 0) if span.as_millis() > 0 => format!("{}ms", span.as_millis()),
        (0, 0, 0, 0) if !span.is_zero() => format!("{}µs", span.as_micros()),
        (0, 0, 0, seconds) => format!("{seconds}s"),
        (0, 0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (0, hours, minutes, _) => format!("{hours}h {minutes}m"),
        (days, hours, ..) => format!("{days}d {hours}h"),
    }
}

fn format(time: Option<&prost_types::Timestamp>, pattern: &str) -> String {
    let Some(time) = time else {
        return String::new();
    };
    match of_message(*time) {
        Some(known) => known.strftime(pattern).to_string(),
        None => format!("{} s since 1970", time.seconds),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_needs_its_offset() {
        let night: Timestamp = "2026-06-08T21:30:00Z".parse().unwrap();
        for text in [
            "2026-06-08T23:30+02:00",
            "2026-06-08T21:30Z",
            "2026-06-08 21:30:00Z",
            "2026-06-08T23:30[Europe/Berlin]",
        ] {
            assert_eq!(instant(text), Ok(night), "{text}");
        }
        assert_eq!(
            instant("2026-06-08T23:30").unwrap_err().to_string(),
            "`2026-06-08T23:30` does not say where on earth: write `2026-06-08T23:30:00Z` for UTC, or its offset as in \
             `2026-06-08T23:30:00+02:00`"
        );
        assert!(
            instant("yesterday")
                .unwrap_err()
                .to_string()
                .starts_with("`yesterday` is not a time")
        );
    }

    #[test]
    fn spans_add_up() {
        for (text, seconds) in [
            ("45s", 45),
            ("63", 63),
            ("30m", 1800),
            ("1h30m", 5400),
            ("7d", 604_800),
            ("2w", 1_209_600),
        ] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "h",
            "1h30",
            "-5m",
            "5 minutes",
            "1y",
            "99999999999999999999s",
            "999999999999999999w",
        ] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_is_a_time_or_a_span() {
        let now: Timestamp = "2026-06-08T12:00Z".parse().unwrap();
        assert_eq!(
            "2h".parse::<Moment>()
                .unwrap()
                .ago(now)
                .unwrap()
                .to_string(),
            "2026-06-08T10:00:00Z"
        );
        assert_eq!(
            "7d".parse::<Moment>()
                .unwrap()
                .ahead(now)
                .unwrap()
                .to_string(),
            "2026-06-15T12:00:00Z"
        );
        assert_eq!(
            "2026-01-01T00:00Z"
                .parse::<Moment>()
                .unwrap()
                .ago(now)
                .unwrap()
                .to_string(),
            "2026-01-01T00:00:00Z"
        );
        assert_eq!(
            "99999999w".parse::<Moment>().unwrap().ago(now),
            Err(TimeError::TooFar)
        );
        assert!(matches!(
            "soon".parse::<Moment>(),
            Err(TimeError::NoMoment(_))
        ));
    }

    #[test]
    fn lengths_are_told_in_two_units() {
        let told = [0.0, 0.000_25, 0.25, 63.0, 5400.0, 273_600.0]
            .map(|s| show_span(Duration::from_secs_f64(s)));
        assert_eq!(told, ["0s", "250µs", "250ms", "1m 3s", "1h 30m", "3d 4h"]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = (text.parse::<Moment>(), instant(&text), span(&text));
        }

        #[test]
        fn a_time_travels_unchanged(seconds in -60_000_000_000_i64..200_000_000_000, nanos in 0_i32..1_000_000_000) {
            let time = Timestamp::new(seconds, nanos).unwrap();
            prop_assert_eq!(message(time), prost_types::Timestamp { seconds, nanos });
        }
    }
}
