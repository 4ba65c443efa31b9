//! Spans that come again every week, compiled.

use super::document::{ClockTime, WeeklySpan};
use super::error::HoursError;
use super::local_time::LocalTime;

/// How many spans a week can have.
pub const MAX_WEEKLY_SPANS: usize = 64;

const DAY: u16 = 24 * 60;

/// The spans of a week: what is open on a day of its own, and what the evening before carries into it.
///
/// The two are apart because a holiday takes away the second half of its night too: a span belongs to the day on
/// which it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WeeklyHours {
    /// Sorted, disjoint, each within one day.
    own: Box<[OpenMinutes]>,
    /// For each weekday, until which minute of the day a span of the day before runs; 0 where none does.
    carried: [u16; 7],
}

/// Minutes of the week, counted from Monday 00:00: `from` is open, `to` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct OpenMinutes {
    from: u16,
    to: u16,
}

impl WeeklyHours {
    pub(super) fn compile(spans: &[WeeklySpan]) -> Result<WeeklyHours, HoursError> {
        if spans.is_empty() {
            return Err(HoursError::NoSpans);
        }
        if spans.len() > MAX_WEEKLY_SPANS {
            return Err(HoursError::TooManySpans { count: spans.len() });
        }

        let mut own = Vec::new();
        let mut carried = [0; 7];
        for (index, span) in spans.iter().enumerate() {
            let entry = index + 1;
            if span.days.is_empty() {
                return Err(HoursError::SpanWithoutDays { entry });
            }
            if span.from == span.to || span.from == ClockTime::MIDNIGHT {
                return Err(HoursError::EmptySpan {
                    entry,
                    from: span.from,
                    to: span.to,
                });
            }
            let (from, to) = (span.from.minute_of_day(), span.to.minute_of_day());
            for day in &span.days {
                let day = day.since_monday();
                let midnight = u16::from(day) * DAY;
                let until = if from < to { to } else { DAY };
                own.push(OpenMinutes {
                    from: midnight + from,
                    to: midnight + until,
                });
                if from > to {
                    let next = &mut carried[usize::from((day + 1) % 7)];
                    *next = to.max(*next);
                }
            }
        }
        Ok(WeeklyHours {
            own: merged(own),
            carried,
        })
    }

    /// Whether `now` is in a span; those that began yesterday count only if `yesterday_open`.
    pub(super) fn contains(&self, now: &LocalTime, yesterday_open: impl FnOnce() -> bool) -> bool {
        let minute_of_day = u16::try_from(now.second / 60).expect("a day has 1,440 minutes");
        let weekday = now.weekday();
        let minute = u16::from(weekday) * DAY + minute_of_day;
        let next = self.own.partition_point(|open| open.to <= minute);
        self.own.get(next).is_some_and(|open| open.from <= minute)
            || (minute_of_day < self.carried[usize::from(weekday)] && yesterday_open())
    }
}

/// Sorts, and joins what overlaps or touches.
fn merged(mut spans: Vec<OpenMinutes>) -> Box<[OpenMinutes]> {
    spans.sort_unstable();
    let mut joined: Vec<OpenMinutes> = Vec::with_capacity(spans.len());
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => joined.push(span),
        }
    }
    joined.into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use jiff::civil::DateTime;
    use jiff::{SignedDuration, ToSpan};
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::weekday::Weekday;

    fn span(days: &[Weekday], from: &str, to: &str) -> WeeklySpan {
        WeeklySpan {
            days: days.to_vec(),
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        }
    }

    /// 2022-06-06 is a Monday.
    fn at(day: i8, hour: i8, minute: i8) -> LocalTime {
        DateTime::constant(2022, 6, day, hour, minute, 59, 0).into()
    }

    #[test]
    fn a_span_over_midnight_belongs_to_the_day_it_began() {
        let nights = WeeklyHours::compile(&[span(&Weekday::WORKING, "18:00", "08:00")]).unwrap();
        let open = |day, hour| nights.contains(&at(day, hour, 0), || true);
        assert!(!open(6, 3), "Monday's small hours are Sunday's");
        assert!(open(6, 18) && open(7, 3) && open(7, 7));
        assert!(!open(7, 8) && !open(7, 17));
        assert!(open(11, 3), "Saturday's small hours are Friday's");
        assert!(!open(11, 8) && !open(11, 18) && !open(12, 3));
    }

    #[test]
    fn sunday_night_runs_into_monday() {
        let sunday = WeeklyHours::compile(&[span(&[Weekday::Sunday], "22:00", "06:00")]).unwrap();
        assert!(sunday.contains(&at(6, 5, 59), || true));
        assert!(!sunday.contains(&at(6, 6, 0), || true));
        assert!(
            !sunday.contains(&at(6, 5, 59), || false),
            "yesterday was a holiday"
        );
    }

    #[test]
    fn spans_that_touch_or_overlap_are_one() {
        let lunch_at_work = [
            span(&[Weekday::Monday], "12:00", "17:00"),
            span(&[Weekday::Monday], "09:00", "12:00"),
            span(&[Weekday::Monday], "10:00", "11:00"),
        ];
        let compiled = WeeklyHours::compile(&lunch_at_work).unwrap();
        assert_eq!(compiled.own.len(), 1);
        assert_eq!(
            compiled,
            WeeklyHours::compile(&[span(&[Weekday::Monday], "09:00", "17:00")]).unwrap()
        );
    }

    fn any_span() -> impl Strategy<Value = WeeklySpan> {
        let days = prop::collection::vec(prop::sample::select(Weekday::ALL.to_vec()), 1..4);
        let minute = || {
            prop_oneof![
                0..=24_u16 * 60,
                prop::sample::select(vec![0, 1, 1439, 1440])
            ]
        };
        let clock = |minute: u16| {
            format!("{:02}:{:02}", minute / 60, minute % 60)
                .parse::<ClockTime>()
                .unwrap()
        };
        (days, minute(), minute()).prop_filter_map("empty", move |(days, from, to)| {
            (from != to && from < DAY).then(|| WeeklySpan {
                days,
                from: clock(from),
                to: clock(to),
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        /// Minute by minute over two weeks, against every span laid out on the time line, holidays left out.
        #[test]
        fn agrees_with_spans_laid_out_one_by_one(
            spans in prop::collection::vec(any_span(), 1..6),
            holidays in prop::collection::btree_set(0..15_i64, 0..3),
        ) {
            let compiled = WeeklyHours::compile(&spans).unwrap();
            let midnight = DateTime::constant(2022, 6, 6, 0, 0, 0, 0);
            let first_day = LocalTime::from(midnight).day;

            let mut open = vec![false; 15 * usize::from(DAY)];
            for day in -1..14_i64 {
                if holidays.contains(&day) { continue }
                for span in &spans {
                    if !span.days.iter().any(|on| i64::from(on.since_monday()) == day.rem_euclid(7)) { continue }
                    let (from, to) = (span.from.minute_of_day(), span.to.minute_of_day());
                    let length = if from < to { to - from } else { DAY - from + to };
                    for minute in 0..i64::from(length) {
                        let at = day * i64::from(DAY) + i64::from(from) + minute;
                        if at >= 0 && !holidays.contains(&at.div_euclid(i64::from(DAY))) {
                            open[usize::try_from(at).unwrap()] = true;
                        }
                    }
                }
            }

            for (minute, expected) in open.iter().enumerate().take(14 * usize::from(DAY)) {
                let shown = midnight + (i64::try_from(minute).unwrap()).minutes() + SignedDuration::from_secs(30);
                let now = LocalTime::from(shown);
                let is_holiday = |day: i64| holidays.contains(&(day - first_day));
                let answer = !is_holiday(now.day) && compiled.contains(&now, || !is_holiday(now.day - 1));
                prop_assert_eq!(answer, *expected, "{}", shown);
            }
        }
    }
}
