//! What a time recurrence means where the string and the intention part; see the module's documentation.

use std::cmp::Ordering;

use jiff::ToSpan;

use super::cycle::compare_with_cycle;
use super::{Expression, Extent, Frequency, TimeRecurrence};
use crate::schedule::local_time::{LocalTime, SECONDS_A_DAY};
use crate::schedule::notice::Notice;

impl Expression {
    /// What its author should know, one for each thing found.
    pub(in crate::schedule) fn notices(&self) -> Vec<Notice> {
        match self {
            Expression::Recurrence(recurrence) => recurrence.notices(),
            Expression::Not(inner) => inner.notices(),
            Expression::All(operands) | Expression::Any(operands) => {
                operands.iter().flat_map(Expression::notices).collect()
            }
        }
    }
}

impl TimeRecurrence {
    /// The recurrence that its author meant, if its DTEND lies beyond the repetition: DTEND's time closes the day,
    /// DTEND's date is the last.
    pub(super) fn as_meant(&self) -> Option<TimeRecurrence> {
        let (Some(rule), Some(Extent::End(end))) = (&self.rule, self.extent) else {
            return None;
        };
        let start = self.start_or_epoch();
        if compare_with_cycle(rule.cycle(), start, end) != Ordering::Greater {
            return None;
        }

        let open_for = (LocalTime::from(end).second - LocalTime::from(start).second - 1)
            .rem_euclid(SECONDS_A_DAY)
            + 1;
        let seconds = u32::try_from(open_for).expect("a day at most");
        let mut meant = self.clone();
        meant.extent = Some(Extent::Duration {
            seconds,
            ignored_end: None,
        });
        if let Some(rule) = &mut meant.rule
            && compare_with_cycle(rule.frequency.cycle(), start, end) == Ordering::Greater
        {
            let last = end.saturating_sub(1.second());
            rule.until = Some(rule.until.map_or(last, |until| until.min(last)));
        }
        Some(meant)
    }

    fn notices(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        let Some(rule) = &self.rule else {
            return notices;
        };
        match (self.as_meant(), self.extent) {
            (Some(meant), Some(Extent::End(end))) => notices.push(Notice::EndClosesTheDay {
                recurrence: self.to_string(),
                opens: self.start_or_epoch().time(),
                closes: end.time(),
                until: meant.rule.as_ref().and_then(|rule| rule.until),
                plainly: meant.to_string(),
            }),
            (
                _,
                Some(Extent::Duration {
                    ignored_end: Some(end),
                    ..
                }),
            ) => {
                notices.push(Notice::EndIgnored {
                    recurrence: self.to_string(),
                    end,
                });
            }
            _ => {}
        }
        let period = match rule.frequency {
            Frequency::Daily | Frequency::Weekly => return notices,
            Frequency::Yearly if rule.days.months.is_empty() => "year",
            Frequency::Monthly | Frequency::Yearly => "month",
        };
        if let Some(every) = rule
            .days
            .weekdays
            .iter()
            .find(|picked| picked.nth.is_none())
        {
            let weekday = every.weekday.name();
            notices.push(Notice::EveryWeekday {
                recurrence: self.to_string(),
                weekday,
                period,
            });
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The string that means the same without an end beyond the repetition, if there is one.
    fn meant(source: &str) -> Option<String> {
        let Ok(Expression::Recurrence(recurrence)) = source.parse() else {
            panic!("{source} is one time recurrence")
        };
        recurrence.as_meant().map(|meant| meant.to_string())
    }

    #[test]
    fn an_end_beyond_the_day_closes_each_day_and_bounds_the_whole() {
        for (written, plainly) in [
            // The documented default of old, and the example in OpenSIPS' manual.
            (
                "America/New_York|20210104T090000|21000104T170000||WEEKLY|||MO,TU,WE,TH,FR",
                "America/New_York|20210104T090000||PT8H|WEEKLY|21000104T165959||MO,TU,WE,TH,FR",
            ),
            (
                "20210104T080000|20211231T180000||WEEKLY|||MO,TU,WE,TH,FR",
                "|20210104T080000||PT10H|WEEKLY|20211231T175959||MO,TU,WE,TH,FR",
            ),
            (
                "20210104T180000|21000105T080000||DAILY",
                "|20210104T180000||PT14H|DAILY|21000105T075959",
            ),
            (
                "20210104T000000|21000104T000000||DAILY",
                "|20210104T000000||P1D|DAILY|21000103T235959",
            ),
            (
                "20210104T090000|21000104T170000||DAILY|20300101T000000",
                "|20210104T090000||PT8H|DAILY|20300101T000000",
            ),
            (
                "20210104T090000|20210105T170000||DAILY",
                "|20210104T090000||PT8H|DAILY|20210105T165959",
            ),
            // Nothing else picks the days: on DTSTART's weekday, day of the month, day of the year.
            (
                "20210104T090000|21000104T170000||WEEKLY",
                "|20210104T090000||PT8H|WEEKLY|21000104T165959",
            ),
            (
                "20210104T090000|21000104T170000||MONTHLY",
                "|20210104T090000||PT8H|MONTHLY|21000104T165959",
            ),
            (
                "20210104T090000|20220104T170000||YEARLY",
                "|20210104T090000||PT8H|YEARLY|20220104T165959",
            ),
        ] {
            assert_eq!(meant(written).as_deref(), Some(plainly), "{written}");
            assert_eq!(meant(plainly), None, "{plainly}");
        }
    }

    #[test]
    fn an_end_within_the_first_week_or_month_bounds_nothing() {
        for (written, plainly) in [
            (
                "20210104T090000|20210108T170000||WEEKLY|||MO,TU,WE,TH,FR",
                "|20210104T090000||PT8H|WEEKLY|||MO,TU,WE,TH,FR",
            ),
            (
                "20210101T090000|20210131T170000||MONTHLY|||1MO",
                "|20210101T090000||PT8H|MONTHLY|||1MO",
            ),
        ] {
            assert_eq!(meant(written).as_deref(), Some(plainly), "{written}");
        }
    }

    #[test]
    fn an_interval_within_its_repetition_is_as_written() {
        for source in [
            "20210104T090000|20210104T170000||WEEKLY|||MO,TU,WE,TH,FR",
            "20210104T180000|20210105T080000||DAILY",
            "20210104T000000|20210105T000000||DAILY",
            // Friday 18:00 to Monday 08:00.
            "20210108T180000|20210111T080000||WEEKLY",
            "20210131T120000|20210228T120000||MONTHLY",
            "20201224T000000|20210102T000000||YEARLY",
            // A duration is honoured, however long.
            "20210108T180000||P3D|WEEKLY",
            "20210104T090000||P3D|WEEKLY|||FR",
            // It does not repeat.
            "20210104T090000|21000104T170000",
        ] {
            assert_eq!(meant(source), None, "{source}");
            assert_eq!(
                source.parse::<Expression>().unwrap().notices(),
                [],
                "{source}"
            );
        }
    }

    fn notices(source: &str) -> Vec<String> {
        source
            .parse::<Expression>()
            .unwrap()
            .notices()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_operator_is_told_how_the_default_of_old_is_read() {
        let default = "America/New_York|20210104T090000|21000104T170000||WEEKLY|||MO,TU,WE,TH,FR";
        assert_eq!(
            notices(default),
            [format!(
                "time recurrence `{default}` runs from its start to its end in one stretch, so OpenSIPS takes every \
                 hour of a matching day for a business hour; it is read as it is meant: from 09:00:00 to 17:00:00, \
                 until 2100-01-04; to say so plainly write \
                 `America/New_York|20210104T090000||PT8H|WEEKLY|21000104T165959||MO,TU,WE,TH,FR`"
            )],
        );
        let night = &notices("20210104T180000|20210107T080000||WEEKLY|||MO,TU,WE")[0];
        assert!(
            night.contains("from 18:00:00 to 08:00:00 of the next day, with no last day;"),
            "{night}"
        );
    }

    #[test]
    fn the_operator_is_told_what_is_ignored_or_differs() {
        assert_eq!(
            notices("20210104T090000|21000104T170000|PT8H|DAILY"),
            [
                "time recurrence `|20210104T090000|21000104T170000|PT8H|DAILY` has a duration, so its end \
              (2100-01-04T17:00:00) is ignored, as in OpenSIPS; for a last day give an UNTIL"
            ],
        );
        assert_eq!(
            notices("||||MONTHLY|||1TU,MO"),
            [
                "time recurrence `||||MONTHLY|||1TU,MO` means every Monday of the month, as in RFC 5545; OpenSIPS takes \
              only the first one: if that is meant, write a 1 before it"
            ],
        );
        assert_eq!(
            notices("||||MONTHLY|||1MO / !(||||YEARLY|||FR & ||||YEARLY|||SA||||5)").len(),
            2
        );
    }
}
