//! Business hours as OpenSIPS' recurrence string.
#![no_main]

use jiff::{Timestamp, tz::TimeZone};
use libfuzzer_sys::fuzz_target;
use tfps_engine::schedule::{BusinessHours, HoursDocument};

fuzz_target!(|text: &str| {
    let document =
        HoursDocument { weekly: None, holidays: Vec::new(), recurrence: Some(text.to_owned()) };
    if let Ok(hours) = BusinessHours::compile(&document, &TimeZone::UTC) {
        for second in [0, 1_654_519_800, 1_780_920_000, 4_102_444_800] {
            if let Ok(at) = Timestamp::from_second(second) {
                let _ = hours.is_open(at);
            }
        }
    }
});
