//! The business hours of a policy, compiled.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::document::HoursDocument;
use super::error::HoursError;
use super::local_time::{LocalTime, day_number};
use super::notice::Notice;
use super::recurrence::{CompiledExpression, Expression};
use super::weekly::WeeklyHours;

/// How many holidays business hours can have.
pub const MAX_HOLIDAYS: usize = 512;

/// The business hours of a policy, ready to be asked by every call.
#[derive(Debug, Clone)]
pub struct BusinessHours {
    plan: Plan,
    zone: TimeZone,
    /// Days since 1970-01-01, sorted.
    holidays: Box<[i64]>,
    document: HoursDocument,
    notices: Vec<Notice>,
}

#[derive(Debug, Clone)]
enum Plan {
    Always,
    Weekly(WeeklyHours),
    Recurrence(CompiledExpression),
}

impl BusinessHours {
    /// Compiles what was written; times of day without a zone of their own are in `zone`.
    ///
    /// # Errors
    ///
    /// [`HoursError`] names the entry or the column, and what would be right.
    pub fn compile(document: &HoursDocument, zone: &TimeZone) -> Result<BusinessHours, HoursError> {
        if document.holidays.len() > MAX_HOLIDAYS {
            return Err(HoursError::TooManyHolidays {
                count: document.holidays.len(),
            });
        }
        let mut holidays: Box<[i64]> = document.holidays.iter().copied().map(day_number).collect();
        holidays.sort_unstable();

        let mut notices = Vec::new();
        let plan = match (&document.weekly, &document.recurrence) {
            (Some(_), Some(_)) => return Err(HoursError::WeeklyAndRecurrence),
            (None, None) => Plan::Always,
            (Some(spans), None) => Plan::Weekly(WeeklyHours::compile(spans)?),
            (None, Some(source)) => {
                let expression: Expression = source.parse()?;
                notices = expression.notices();
                Plan::Recurrence(CompiledExpression::new(&expression, zone))
            }
        };
        Ok(BusinessHours {
            plan,
            zone: zone.clone(),
            holidays,
            document: document.clone(),
            notices,
        })
    }

    /// Whether it is business hours at this moment. Allocates nothing.
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        match &self.plan {
            Plan::Always => !self.is_holiday_at(at),
            Plan::Weekly(weekly) => {
                let now = LocalTime::new(at, &self.zone);
                !self.is_holiday(now.day) && weekly.contains(&now, || !self.is_holiday(now.day - 1))
            }
            Plan::Recurrence(expression) => expression.contains(at) && !self.is_holiday_at(at),
        }
    }

    /// What was written, to show or store it.
    #[must_use]
    pub fn document(&self) -> &HoursDocument {
        &self.document
    }

    /// What whoever wrote the hours should know: to be logged when they are loaded.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    fn is_holiday_at(&self, at: Timestamp) -> bool {
        !self.holidays.is_empty() && self.is_holiday(LocalTime::new(at, &self.zone).day)
    }

    fn is_holiday(&self, day: i64) -> bool {
        self.holidays.binary_search(&day).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use jiff::civil::{Date, DateTime};
    use proptest::prelude::*;

    use super::*;
    use crate::schedule::{Weekday, WeeklySpan, zone};

    fn new_york() -> TimeZone {
        zone("America/New_York").unwrap()
    }

    fn weekly(spans: &[(&[Weekday], &str, &str)]) -> HoursDocument {
        let span = |&(days, from, to): &(&[Weekday], &str, &str)| WeeklySpan {
            days: days.to_vec(),
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        };
        HoursDocument {
            weekly: Some(spans.iter().map(span).collect()),
            ..HoursDocument::always()
        }
    }

    fn recurrence(source: &str) -> HoursDocument {
        HoursDocument {
            recurrence: Some(source.to_owned()),
            ..HoursDocument::always()
        }
    }

    fn hours(document: &HoursDocument) -> BusinessHours {
        BusinessHours::compile(document, &new_york()).unwrap()
    }

    /// `+` for each New York wall clock time that is in business hours, `-` for the others.
    fn answers(hours: &BusinessHours, times: &[&str]) -> String {
        let answer = |time: &&str| {
            let shown: DateTime = time.parse().unwrap();
            if hours.is_open(shown.to_zoned(new_york()).unwrap().timestamp()) {
                '+'
            } else {
                '-'
            }
        };
        times.iter().map(answer).collect()
    }

    #[test]
    fn a_fresh_install_is_open_from_nine_to_five_on_working_days() {
        let hours = hours(&HoursDocument::default());
        let monday = [
            "2022-06-06T08:59:59",
            "2022-06-06T09:00",
            "2022-06-06T16:59:59",
            "2022-06-06T17:00",
        ];
        assert_eq!(answers(&hours, &monday), "-++-");
        assert_eq!(
            answers(
                &hours,
                &["2022-06-05T12:00", "2022-06-10T12:00", "2022-06-11T12:00"]
            ),
            "-+-"
        );
    }

    #[test]
    fn without_a_plan_every_hour_is_a_business_hour() {
        let hours = hours(&HoursDocument::always());
        assert!(
            [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX]
                .into_iter()
                .all(|at| hours.is_open(at))
        );
    }

    /// What OpenSIPS answers; but for the first string, whose 79 years are read as it is meant.
    #[test]
    fn recurrences_answer_as_in_opensips() {
        let times = [
            "2022-06-06T08:59",
            "2022-06-06T09:00",
            "2022-06-06T12:30",
            "2022-06-06T16:59",
            "2022-06-06T17:00",
            "2022-06-06T23:30",
            "2022-06-11T12:00",
            "2022-01-05T03:00",
        ];
        for (string, expected) in [
            (
                "20210104T090000|21000104T170000||WEEKLY|||MO,TU,WE,TH,FR",
                "-+++----",
            ),
            (
                "20210104T090000|20210104T170000||WEEKLY|||MO,TU,WE,TH,FR",
                "-+++----",
            ),
            ("20210104T090000||PT8H|WEEKLY|||MO,TU,WE,TH,FR", "-+++----"),
            ("20210104T180000|20210105T080000||DAILY", "-----+-+"),
        ] {
            assert_eq!(
                answers(&hours(&recurrence(string)), &times),
                expected,
                "{string}"
            );
            let with_zone = hours(&recurrence(&format!("America/New_York|{string}")));
            assert_eq!(answers(&with_zone, &times), expected, "{string}");
            assert_eq!(
                with_zone.notices().len(),
                usize::from(string.contains("2100"))
            );
        }
    }

    #[test]
    fn a_night_of_a_recurrence_belongs_to_the_day_that_it_is() {
        let nights = hours(&recurrence(
            "20210104T180000|20210105T080000||WEEKLY|||MO,TU,WE,TH,FR",
        ));
        let times = [
            "2022-06-06T03:00",
            "2022-06-06T18:00",
            "2022-06-10T23:59",
            "2022-06-11T03:00",
        ];
        assert_eq!(answers(&nights, &times), "+++-");
    }

    #[test]
    fn a_night_of_the_week_belongs_to_the_day_it_began() {
        let nights = hours(&weekly(&[(&Weekday::WORKING, "18:00", "08:00")]));
        let times = [
            "2022-06-06T03:00",
            "2022-06-06T18:00",
            "2022-06-10T23:59",
            "2022-06-11T03:00",
        ];
        assert_eq!(answers(&nights, &times), "-+++");
    }

    #[test]
    fn a_holiday_is_off_hours_whatever_the_plan() {
        let holidays = vec![Date::constant(2026, 12, 25)];
        let times = [
            "2026-12-24T10:00",
            "2026-12-25T00:00",
            "2026-12-25T10:00",
            "2026-12-25T23:59",
            "2026-12-26T00:00",
        ];
        for (document, expected) in [
            (HoursDocument::always(), "+---+"),
            (HoursDocument::default(), "+----"),
            (recurrence("20210104T090000||8H|DAILY"), "+----"),
        ] {
            assert_eq!(
                answers(
                    &hours(&HoursDocument {
                        holidays: holidays.clone(),
                        ..document
                    }),
                    &times
                ),
                expected
            );
        }
    }

    #[test]
    fn a_holiday_takes_the_night_into_it_and_the_night_out_of_it() {
        let mut document = weekly(&[(&Weekday::ALL, "18:00", "08:00")]);
        document.holidays = vec![Date::constant(2026, 12, 25)];
        let times = [
            "2026-12-24T23:59",
            "2026-12-25T00:00",
            "2026-12-25T20:00",
            "2026-12-26T03:00",
            "2026-12-26T18:00",
            "2026-12-27T03:00",
        ];
        assert_eq!(answers(&hours(&document), &times), "+---++");
    }

    /// New York, 2024: forward on 10 March at 02:00, back on 3 November at 02:00.
    #[test]
    fn hours_follow_the_clock_on_the_wall_through_its_changes() {
        let every_day_from_nine = weekly(&[(&Weekday::ALL, "09:00", "17:00")]);
        let daily = recurrence("20210104T090000||8H|DAILY");
        for hours in [hours(&every_day_from_nine), hours(&daily)] {
            for (at, open) in [
                ("2024-03-09T13:59:59Z", false),
                ("2024-03-09T14:00:00Z", true),
                ("2024-03-10T12:59:59Z", false),
                ("2024-03-10T13:00:00Z", true),
                ("2024-11-02T13:00:00Z", true),
                ("2024-11-03T13:59:59Z", false),
                ("2024-11-03T14:00:00Z", true),
            ] {
                assert_eq!(hours.is_open(at.parse().unwrap()), open, "{at}");
            }
        }
    }

    #[test]
    fn a_skipped_hour_does_not_happen_and_a_repeated_one_answers_alike_twice() {
        let minutes_open = |document: &HoursDocument, noon_before: &str| {
            let hours = hours(document);
            let start: Timestamp = noon_before.parse().unwrap();
            (0..24 * 60)
                .filter(|minute| hours.is_open(start + minute.minutes()))
                .count()
        };
        let night = weekly(&[(&Weekday::ALL, "01:30", "02:30")]);
        let daily = recurrence("20210104T013000||1H|DAILY");
        for document in [night, daily] {
            assert_eq!(
                minutes_open(&document, "2024-03-09T12:00:00-05:00"),
                30,
                "02:00 to 03:00 is skipped"
            );
            assert_eq!(minutes_open(&document, "2024-06-09T12:00:00-04:00"), 60);
            assert_eq!(
                minutes_open(&document, "2024-11-02T12:00:00-04:00"),
                90,
                "01:00 to 02:00 comes twice"
            );
        }
    }

    #[test]
    fn the_end_of_a_recurrence_comes_once_though_the_clock_shows_it_twice() {
        let once = hours(&recurrence("20241101T000000|20241103T013000"));
        assert!(once.is_open("2024-11-03T01:29:59-04:00".parse().unwrap()));
        assert!(!once.is_open("2024-11-03T01:30:00-04:00".parse().unwrap()));
        assert!(!once.is_open("2024-11-03T01:00:00-05:00".parse().unwrap()));
    }

    #[test]
    fn a_recurrence_is_in_its_own_zone_and_else_in_the_policy_s() {
        let at: Timestamp = "2022-06-06T00:30:00Z".parse().unwrap();
        assert!(
            hours(&recurrence("Asia/Tokyo|20210104T090000||8H|DAILY")).is_open(at),
            "09:30 in Tokyo"
        );
        assert!(
            hours(&recurrence("20210104T200000||1H|DAILY")).is_open(at),
            "20:30 in New York"
        );
    }

    #[test]
    fn hours_keep_the_document_they_were_made_of() {
        for document in [
            HoursDocument::default(),
            HoursDocument {
                holidays: vec![Date::constant(2026, 12, 25)],
                ..HoursDocument::always()
            },
            recurrence(" 20210104T090000||8h|daily "),
        ] {
            let written = toml::to_string(hours(&document).document()).unwrap();
            assert_eq!(toml::from_str::<HoursDocument>(&written).unwrap(), document);
        }
    }

    #[test]
    fn what_is_refused_is_named() {
        let message = |document: &HoursDocument| {
            BusinessHours::compile(document, &new_york())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            message(&HoursDocument {
                recurrence: Some("20210104T090000".to_owned()),
                ..HoursDocument::default()
            }),
            "hours have both weekly spans and a recurrence: choose one",
        );
        assert_eq!(
            message(&weekly(&[])),
            "weekly has no spans: give at least one, or leave it out and every hour is a business hour",
        );
        let monday: &[Weekday] = &[Weekday::Monday];
        assert_eq!(
            message(&weekly(&[(monday, "09:00", "17:00"); 65])),
            "weekly has 65 spans: it can have 64"
        );
        assert_eq!(
            message(&weekly(&[
                (monday, "09:00", "17:00"),
                (&[], "09:00", "17:00")
            ])),
            "weekly span 2 has no days: write days = [\"mo\", \"tu\"]",
        );
        for (from, to) in [("09:00", "09:00"), ("24:00", "08:00")] {
            assert_eq!(
                message(&weekly(&[(monday, from, to)])),
                format!(
                    "weekly span 1 from {from} to {to} is empty: a whole day is from 00:00 to 24:00"
                ),
            );
        }
        assert_eq!(
            message(&HoursDocument {
                holidays: vec![Date::MAX; 513],
                ..HoursDocument::always()
            }),
            "513 holidays: there can be 512; drop those that are past",
        );
        assert_eq!(
            message(&recurrence("")),
            "recurrence, column 1: expected a time recurrence, '!' or '(', found the end",
        );
    }

    #[test]
    fn the_limits_of_time_are_answered_too() {
        let documents = [
            weekly(&[(&Weekday::ALL, "18:00", "08:00")]),
            recurrence("99991231T235959"),
            recurrence("20210104T090000|99991231T235959||DAILY"),
            recurrence("99991231T235959||P9W|WEEKLY|99991231T235959|65535"),
            recurrence("|20210104T090000||8H|YEARLY||9|-5MO|-31|-366|-53|2"),
        ];
        for name in ["Pacific/Kiritimati", "Etc/GMT+12", "America/New_York"] {
            for document in &documents {
                let hours = BusinessHours::compile(document, &zone(name).unwrap()).unwrap();
                for at in [
                    Timestamp::MIN,
                    Timestamp::MAX,
                    Timestamp::from_nanosecond(-1).unwrap(),
                ] {
                    let _ = hours.is_open(at);
                }
                assert!(!hours.is_open(Timestamp::MIN) || hours.document().weekly.is_some());
            }
        }
    }

    proptest! {
        /// Whatever compiles has an answer for every moment.
        #[test]
        fn no_recurrence_makes_it_panic(
            source in "([A-Z][a-z]{2}/Z)?[0-9]{8}T[0-9]{6}\\|([0-9]{8}T[0-9]{6})?\\|(P[0-9]{1,4}[DW])?\\|(DAILY|WEEKLY|MONTHLY|YEARLY)?\\|\\|[0-9]?\\|(-?[1-5]?(MO|TU))?\\|(-?[0-9]{1,2})?",
            second in Timestamp::MIN.as_second()..=Timestamp::MAX.as_second(),
        ) {
            if let Ok(hours) = BusinessHours::compile(&recurrence(&source), &new_york()) {
                let _ = hours.is_open(Timestamp::from_second(second).unwrap());
                for notice in hours.notices() {
                    prop_assert!(!notice.to_string().is_empty());
                }
            }
        }
    }
}
