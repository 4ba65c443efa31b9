//! Reads what one field of a time recurrence holds.

use std::num::NonZeroU16;
use std::ops::RangeInclusive;

use jiff::civil::DateTime;

use super::error::FieldProblem;
use super::{Frequency, PickedWeekday};
use crate::schedule::weekday::Weekday;

/// `20210104T090000`, and nothing else.
pub(super) fn stamp(written: &str) -> Result<DateTime, FieldProblem> {
    let bytes = written.as_bytes();
    if let [.., b'Z' | b'z'] = bytes {
        return Err(FieldProblem::StampInUtc);
    }
    let digits = |range: RangeInclusive<usize>| -> Option<i16> {
        let digits = written.get(range)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let two = |at: usize| digits(at..=at + 1).and_then(|number| i8::try_from(number).ok());
    let parts = || {
        Some((
            digits(0..=3)?,
            two(4)?,
            two(6)?,
            two(9)?,
            two(11)?,
            two(13)?,
        ))
    };
    match parts() {
        Some((year @ 1970.., month, day, hour, minute, second))
            if bytes.len() == 15 && bytes[8] == b'T' =>
        {
            DateTime::new(year, month, day, hour, minute, second, 0)
                .map_err(|_| FieldProblem::NoSuchTime)
        }
        _ => Err(FieldProblem::Stamp),
    }
}

/// Seconds of `PT8H`, `8H` or `P1DT8H`: weeks and days want a `P` before them, the smaller units a `T` or neither.
pub(super) fn duration(written: &str) -> Result<u32, FieldProblem> {
    const LONGEST: u64 = 100 * 366 * 86_400;

    let upper = written.to_ascii_uppercase();
    let (mut date_part, rest) = match upper.strip_prefix('P') {
        Some(rest) => (true, rest),
        None => (false, upper.as_str()),
    };
    let mut total: u64 = 0;
    let mut count: Option<u64> = None;
    for found in rest.chars() {
        if let Some(digit) = found.to_digit(10) {
            let grown = count.unwrap_or(0) * 10 + u64::from(digit);
            if grown > LONGEST {
                return Err(FieldProblem::LongDuration);
            }
            count = Some(grown);
            continue;
        }
        let unit = match (found, date_part) {
            ('T', true) if count.is_none() => {
                date_part = false;
                continue;
            }
            ('W', true) => 7 * 86_400,
            ('D', true) => 86_400,
            ('H', false) => 3600,
            ('M', false) => 60,
            ('S', false) => 1,
            _ => return Err(FieldProblem::Duration),
        };
        total += count.take().ok_or(FieldProblem::Duration)? * unit;
        if total > LONGEST {
            return Err(FieldProblem::LongDuration);
        }
    }
    let complete = count.is_none() && rest.ends_with(|last: char| last != 'T');
    match u32::try_from(total) {
        _ if !complete => Err(FieldProblem::Duration),
        Ok(0) => Err(FieldProblem::NoDuration),
        seconds => seconds.map_err(|_| FieldProblem::LongDuration),
    }
}

pub(super) fn frequency(written: &str) -> Result<Frequency, FieldProblem> {
    Frequency::ALL
        .into_iter()
        .find(|frequency| written.eq_ignore_ascii_case(frequency.name()))
        .ok_or(FieldProblem::Frequency)
}

pub(super) fn interval(written: &str) -> Result<NonZeroU16, FieldProblem> {
    match written.bytes().all(|byte| byte.is_ascii_digit()) {
        true => written.parse().map_err(|_| FieldProblem::Interval),
        false => Err(FieldProblem::Interval),
    }
}

pub(super) fn weekdays(list: &str) -> Result<Vec<PickedWeekday>, FieldProblem> {
    let picked = |item: &str| {
        let (nth, code) = item.split_at_checked(item.len().checked_sub(2)?)?;
        let weekday = Weekday::from_code(code)?;
        let nth = if nth.is_empty() {
            None
        } else {
            Some(number(nth, 1..=53, true)?)
        };
        Some(PickedWeekday { nth, weekday })
    };
    list.split(',')
        .map(|item| picked(item).ok_or(FieldProblem::Weekdays))
        .collect()
}

pub(super) fn numbers(
    list: &str,
    range: RangeInclusive<i16>,
    from_end: bool,
) -> Result<Vec<i16>, FieldProblem> {
    let problem = || FieldProblem::Numbers {
        smallest: *range.start(),
        largest: *range.end(),
        from_end,
    };
    list.split(',')
        .map(|item| number(item, range.clone(), from_end).ok_or_else(problem))
        .collect()
}

/// A number in the range, with a plus or, where it may count from the end, a minus before it.
fn number(written: &str, range: RangeInclusive<i16>, from_end: bool) -> Option<i16> {
    let number: i16 = written.parse().ok()?;
    (range.contains(&number) || (from_end && range.contains(&number.checked_neg()?)))
        .then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_and_without_their_letters() {
        for (written, seconds) in [
            ("PT8H", 28_800),
            ("8H", 28_800),
            ("8h30m", 30_600),
            ("P1DT8H", 115_200),
            ("p30d", 2_592_000),
            ("P2W", 1_209_600),
            ("90S", 90),
        ] {
            assert_eq!(duration(written), Ok(seconds), "{written}");
        }
        for written in [
            "P8H", "8D", "T8H", "PT8", "8", "P", "PT", "P1DT", "PTH", "-8H", "8 H", "PT1.5H",
            "PT8HT",
        ] {
            assert_eq!(duration(written), Err(FieldProblem::Duration), "{written}");
        }
        assert_eq!(duration("PT0S"), Err(FieldProblem::NoDuration));
        assert_eq!(
            duration("P999999999999999999999W"),
            Err(FieldProblem::LongDuration)
        );
        assert_eq!(duration("P3660000000D"), Err(FieldProblem::LongDuration));
    }

    #[test]
    fn stamps_are_fifteen_characters_of_a_real_time() {
        assert_eq!(
            stamp("21000104T170000"),
            Ok(DateTime::constant(2100, 1, 4, 17, 0, 0, 0))
        );
        assert_eq!(
            stamp("99991231T235959"),
            Ok(DateTime::constant(9999, 12, 31, 23, 59, 59, 0))
        );
        for written in [
            "20210104T09000",
            "20210104 090000",
            "2021-01-04T0900",
            "19691231T235959",
            "+0210104T090000",
            "２021",
        ] {
            assert_eq!(stamp(written), Err(FieldProblem::Stamp), "{written}");
        }
        for written in [
            "20210230T090000",
            "20211301T090000",
            "20210100T090000",
            "20210104T240000",
            "20210104T090060",
        ] {
            assert_eq!(stamp(written), Err(FieldProblem::NoSuchTime), "{written}");
        }
    }

    #[test]
    fn a_number_can_count_from_the_end_and_carry_a_plus() {
        assert_eq!(numbers("1,+2,-31", 1..=31, true), Ok(vec![1, 2, -31]));
        assert!(numbers("0", 1..=31, true).is_err());
        assert!(numbers("-32768", 1..=31, true).is_err());
        let picked = weekdays("fr,-1MO,+2tu").unwrap();
        assert_eq!(
            picked.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["FR", "-1MO", "2TU"]
        );
    }
}
