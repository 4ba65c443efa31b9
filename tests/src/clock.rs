//! The time, for tests that meet the server's real clock.

use jiff::{Timestamp, Zoned, tz::TimeZone};

/// Now.
#[allow(
    clippy::disallowed_methods,
    reason = "the server is another process, with the machine's clock"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A moment as the API writes it.
pub fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.as_second(),
        nanos: at.subsec_nanosecond(),
    }
}

/// A time zone in which it is about noon, so that no test runs into the next day's quota.
pub fn zone_at_noon() -> String {
    zone_at(12)
}

/// A time zone in which it is about this hour, 12 to 14.
pub fn zone_at(hour: i8) -> String {
    let utc = now().to_zoned(TimeZone::UTC).hour();
    // POSIX signs: `Etc/GMT+3` is three hours behind UTC.
    format!("Etc/GMT{:+}", utc - hour)
}

/// The next midnight in [`zone_at_noon`].
///
/// # Panics
/// When time ends before.
pub fn midnight() -> Timestamp {
    let tomorrow = local().tomorrow().expect("there is a tomorrow");
    let start = tomorrow.start_of_day().expect("every day has a start");
    start.timestamp()
}

/// The time in [`zone_at_noon`].
pub fn local() -> Zoned {
    let hour = now().to_zoned(TimeZone::UTC).hour();
    now().to_zoned(TimeZone::fixed(jiff::tz::offset(12 - hour)))
}
