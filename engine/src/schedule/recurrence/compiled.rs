//! Time recurrences, compiled to integers.

use std::ops::Range;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::cycle::Window;
use super::days::DayFilter;
use super::{Expression, Frequency, Rule, TimeRecurrence};
use crate::schedule::local_time::{LocalTime, unix_second};

/// An expression that answers in integers and without allocation.
#[derive(Debug, Clone)]
pub(in crate::schedule) struct CompiledExpression {
    root: Node,
    /// The zones in which the recurrences are, each once.
    zones: Vec<TimeZone>,
}

#[derive(Debug, Clone)]
enum Node {
    Recurrence(Box<CompiledRecurrence>),
    Not(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
}

#[derive(Debug, Clone)]
struct CompiledRecurrence {
    /// Index of the zone.
    zone: usize,
    /// From when to when at all, in seconds since 1970 UTC.
    bounds: Range<i64>,
    /// None is once: all of the bounds.
    repeated: Option<Repeated>,
}

#[derive(Debug, Clone)]
struct Repeated {
    steps: Option<Steps>,
    window: Window,
    days: DayFilter,
}

impl CompiledExpression {
    /// Compiles; a recurrence without a zone of its own is in `policy_zone`.
    pub(in crate::schedule) fn new(
        expression: &Expression,
        policy_zone: &TimeZone,
    ) -> CompiledExpression {
        let mut zones = Vec::new();
        let root = Node::new(expression, policy_zone, &mut zones);
        CompiledExpression { root, zones }
    }

    pub(in crate::schedule) fn contains(&self, at: Timestamp) -> bool {
        self.root.contains(&mut Moment {
            at,
            second: unix_second(at),
            zones: &self.zones,
            shown: None,
        })
    }
}

/// A moment, and what the clocks show there in the zone that was asked last.
struct Moment<'a> {
    at: Timestamp,
    second: i64,
    zones: &'a [TimeZone],
    shown: Option<(usize, LocalTime)>,
}

impl Moment<'_> {
    fn shown_in(&mut self, zone: usize) -> LocalTime {
        match self.shown {
            Some((asked, shown)) if asked == zone => shown,
            _ => {
                let shown = LocalTime::new(self.at, &self.zones[zone]);
                self.shown = Some((zone, shown));
                shown
            }
        }
    }
}

impl Node {
    fn new(expression: &Expression, policy_zone: &TimeZone, zones: &mut Vec<TimeZone>) -> Node {
        let mut nodes = |operands: &[Expression]| -> Vec<Node> {
            operands
                .iter()
                .map(|operand| Node::new(operand, policy_zone, zones))
                .collect()
        };
        match expression {
            Expression::All(operands) => Node::All(nodes(operands)),
            Expression::Any(operands) => Node::Any(nodes(operands)),
            Expression::Not(inner) => Node::Not(Box::new(Node::new(inner, policy_zone, zones))),
            Expression::Recurrence(recurrence) => Node::Recurrence(Box::new(
                CompiledRecurrence::new(recurrence, policy_zone, zones),
            )),
        }
    }

    /// Goes no deeper than parentheses nest.
    fn contains(&self, moment: &mut Moment<'_>) -> bool {
        match self {
            Node::Recurrence(recurrence) => recurrence.contains(moment),
            Node::Not(inner) => !inner.contains(moment),
            Node::All(operands) => operands.iter().all(|operand| operand.contains(moment)),
            Node::Any(operands) => operands.iter().any(|operand| operand.contains(moment)),
        }
    }
}

impl CompiledRecurrence {
    fn new(
        recurrence: &TimeRecurrence,
        policy_zone: &TimeZone,
        zones: &mut Vec<TimeZone>,
    ) -> CompiledRecurrence {
        let meant = recurrence.as_meant();
        let recurrence = meant.as_ref().unwrap_or(recurrence);
        let zone = recurrence.zone.as_ref().unwrap_or(policy_zone);
        let start = recurrence.start_or_epoch();
        let before = match &recurrence.rule {
            None => recurrence.extent.map(|extent| extent.end(start)),
            Some(rule) => rule.until.map(|until| until.saturating_add(1.second())),
        };
        CompiledRecurrence {
            zone: zones
                .iter()
                .position(|known| known == zone)
                .unwrap_or_else(|| {
                    zones.push(zone.clone());
                    zones.len() - 1
                }),
            bounds: instant(start, zone)..before.map_or(i64::MAX, |before| instant(before, zone)),
            repeated: recurrence.rule.as_ref().map(|rule| Repeated {
                steps: Steps::new(rule, start),
                window: Window::new(rule.cycle(), start, recurrence.extent),
                days: DayFilter::new(rule),
            }),
        }
    }

    fn contains(&self, moment: &mut Moment<'_>) -> bool {
        if !self.bounds.contains(&moment.second) {
            return false;
        }
        let Some(repeated) = &self.repeated else {
            return true;
        };
        let shown = moment.shown_in(self.zone);
        repeated.window.contains(&shown)
            && repeated.days.contains(&shown)
            && repeated
                .steps
                .as_ref()
                .is_none_or(|steps| steps.contains(&shown))
    }
}

/// When the clock in the zone shows this: of two such moments the first, of none the one just after the gap. What
/// lies beyond the end of time is never reached.
fn instant(shown: DateTime, zone: &TimeZone) -> i64 {
    zone.to_timestamp(shown).map_or(i64::MAX, unix_second)
}

/// INTERVAL: every n-th day, week, month or year, counted from that of DTSTART.
#[derive(Debug, Clone)]
struct Steps {
    frequency: Frequency,
    first: i64,
    every: i64,
}

impl Steps {
    fn new(rule: &Rule, start: DateTime) -> Option<Steps> {
        let every = i64::from(rule.interval.get());
        let first = Steps::count(rule.frequency, &start.into());
        (every > 1).then_some(Steps {
            frequency: rule.frequency,
            first,
            every,
        })
    }

    fn contains(&self, shown: &LocalTime) -> bool {
        (Steps::count(self.frequency, shown) - self.first) % self.every == 0
    }

    fn count(frequency: Frequency, shown: &LocalTime) -> i64 {
        match frequency {
            Frequency::Daily => shown.day,
            Frequency::Weekly => shown.week(),
            Frequency::Monthly => shown.month(),
            Frequency::Yearly => i64::from(shown.date.year()),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Span;
    use proptest::prelude::*;

    use super::*;

    fn compiled(source: &str) -> CompiledExpression {
        CompiledExpression::new(
            &source
                .parse()
                .unwrap_or_else(|error| panic!("{source}: {error}")),
            &TimeZone::UTC,
        )
    }

    /// The days of 2024 (a leap year that begins on a Monday) on which it is open at noon.
    fn days_open(source: &str) -> Vec<String> {
        let expression = compiled(source);
        let noon = DateTime::constant(2024, 1, 1, 12, 0, 0, 0);
        (0..366)
            .map(|day| noon + day.days())
            .filter(|noon| expression.contains(TimeZone::UTC.to_timestamp(*noon).unwrap()))
            .map(|noon| noon.strftime("%m-%d").to_string())
            .collect()
    }

    fn is_open(source: &str, at: &str) -> bool {
        compiled(source).contains(at.parse().unwrap())
    }

    #[test]
    fn operators_combine() {
        let working_hours = "20240101T080000||10H|WEEKLY|||MO,TU,WE,TH,FR";
        let lunch = "20240101T120000||2H|DAILY";
        let away = "Europe/Amsterdam|20240426T000000|20240427T000000 / Europe/London|20241227T000000|20241228T000000";
        let source = format!("{working_hours} & !{lunch} & !({away})");
        assert!(
            is_open(&source, "2024-06-03T11:59:59Z") && is_open(&source, "2024-06-03T14:00:00Z")
        );
        assert!(
            !is_open(&source, "2024-06-03T12:00:00Z") && !is_open(&source, "2024-06-03T18:00:00Z")
        );
        assert!(
            !is_open(&source, "2024-04-26T10:00:00Z"),
            "away in Amsterdam"
        );
        assert!(!is_open(&source, "2024-12-27T10:00:00Z"), "away in London");
        assert!(is_open(&format!("!({source})"), "2024-06-03T12:00:00Z"));
    }

    #[test]
    fn an_interval_steps_over_days_weeks_months_and_years() {
        assert_eq!(
            days_open("20231231T000000||24H|DAILY||100").join(" "),
            "04-09 07-18 10-26"
        );
        assert_eq!(
            days_open("20240103T000000||24H|WEEKLY||12|MO,FR").join(" "),
            "01-05 03-25 03-29 06-17 06-21 09-09 09-13 12-02 12-06"
        );
        assert_eq!(
            days_open("20231110T000000||24H|MONTHLY||5").join(" "),
            "04-10 09-10"
        );
        assert_eq!(
            days_open("20220228T000000||24H|YEARLY||2").join(" "),
            "02-28"
        );
        assert!(days_open("20230228T000000||24H|YEARLY||2").is_empty());
    }

    #[test]
    fn until_is_included_and_the_start_too() {
        let source = "20240101T000000||24H|DAILY|20240131T120000";
        for (at, open) in [
            ("2023-12-31T23:59:59.999Z", false),
            ("2024-01-01T00:00:00Z", true),
            ("2024-01-31T12:00:00.999Z", true),
            ("2024-01-31T12:00:01Z", false),
        ] {
            assert_eq!(is_open(source, at), open, "{at}");
        }
    }

    #[test]
    fn an_interval_without_an_end_lasts_as_long_as_its_repetition() {
        for (source, open, closed) in [
            (
                "20240103T150000",
                "2099-01-01T00:00:00Z",
                "2024-01-03T14:59:59Z",
            ),
            (
                "||20240103T150000",
                "2024-01-03T14:59:59Z",
                "2024-01-03T15:00:00Z",
            ),
            (
                "20240103T150000|||DAILY",
                "2024-06-01T23:59:59Z",
                "2024-06-01T14:59:59Z",
            ),
            (
                "20240103T150000|||WEEKLY",
                "2024-06-08T23:59:59Z",
                "2024-06-09T00:00:00Z",
            ),
            (
                "20240103T150000|||MONTHLY",
                "2024-02-29T23:59:59Z",
                "2024-03-01T00:00:00Z",
            ),
            (
                "20240103T150000|||YEARLY",
                "2024-12-31T23:59:59Z",
                "2025-01-01T00:00:00Z",
            ),
            (
                "||||WEEKLY|||SA",
                "2024-06-08T00:00:00Z",
                "2024-06-09T00:00:00Z",
            ),
        ] {
            assert!(
                is_open(source, open) && !is_open(source, closed),
                "{source}"
            );
        }
    }

    #[test]
    fn a_stretch_as_long_as_its_repetition_is_always_open() {
        for source in [
            "20240101T090000|20240102T090000||DAILY",
            "20240101T090000||P3D|DAILY",
            "20240101T090000|20240108T090000||WEEKLY",
            "20240210T090000|20240310T090000||MONTHLY",
            "20240210T090000||P29D|MONTHLY",
            "20240210T090000|20250210T090000||YEARLY",
        ] {
            assert!(
                is_open(source, "2024-07-01T08:59:59Z") && is_open(source, "2024-07-11T10:00:00Z"),
                "{source}"
            );
        }
        assert_eq!(
            days_open("20210201T000000||P28D|MONTHLY").len(),
            12 * 28,
            "a length"
        );
        assert_eq!(
            days_open("20210215T000000|20210301T000000||MONTHLY").len(),
            366 - 12 * 14,
            "a date"
        );
        assert_eq!(
            days_open("20240101T090000||P3D|WEEKLY|||FR||||3").join(" "),
            "03-01 03-08 03-15 03-22 03-29"
        );
    }

    /// The n-th time that an interval comes, laid out on the time line.
    fn nth(frequency: &str, n: i64) -> Span {
        match frequency {
            "DAILY" => Span::new().days(n),
            "WEEKLY" => Span::new().days(7 * n),
            "MONTHLY" => Span::new().months(n),
            _ => Span::new().years(n),
        }
    }

    proptest! {
        /// Against every repetition laid out one by one, for stretches shorter than the cycle.
        #[test]
        fn agrees_with_repetitions_laid_out_one_by_one(
            (frequency, longest_minutes, times) in prop::sample::select(vec![
                ("DAILY", 24 * 60, 3 * 366),
                ("WEEKLY", 7 * 24 * 60, 3 * 53),
                ("MONTHLY", 28 * 24 * 60, 3 * 12),
                ("YEARLY", 365 * 24 * 60, 4),
            ]),
            day in 0..28_i64,
            minute in 0..24 * 60_i64,
            percent in 0..100_i64,
            asked in prop::collection::vec(0..3 * 365 * 24 * 60_i64, 20),
        ) {
            let start = DateTime::constant(2022, 1, 1, 0, 0, 0, 0) + day.days() + minute.minutes();
            let end = start + (longest_minutes * percent / 100 + 1).minutes();
            prop_assume!(["DAILY", "WEEKLY"].contains(&frequency) || end.day() <= 28);

            let stamp = |at: DateTime| at.strftime("%Y%m%dT%H%M%S").to_string();
            let source = format!("{}|{}||{frequency}", stamp(start), stamp(end));
            let expression = compiled(&source);
            for minute in asked {
                let at = DateTime::constant(2022, 1, 1, 0, 0, 0, 0) + minute.minutes();
                let open = (0..=times).any(|n| {
                    let (from, to) = (start.saturating_add(nth(frequency, n)), end.saturating_add(nth(frequency, n)));
                    from <= at && at < to
                });
                prop_assert_eq!(expression.contains(TimeZone::UTC.to_timestamp(at).unwrap()), open, "{} at {}", source, at);
            }
        }
    }
}
