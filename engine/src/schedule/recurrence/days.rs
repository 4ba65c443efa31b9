//! On which days a recurrence is open: the `BY…` fields.

use jiff::civil::Date;

use super::{DayRules, Frequency, Rule};
use crate::schedule::local_time::LocalTime;

/// The `BY…` fields, tested on the day that it is.
#[derive(Debug, Clone)]
pub(super) struct DayFilter {
    /// Bit 0 is Monday; all are set where BYDAY says nothing.
    weekdays: u8,
    rest: Option<Box<RareDayFilter>>,
}

/// What hardly any business hours use.
#[derive(Debug, Clone)]
struct RareDayFilter {
    /// Weekday since Monday, and which one of its month or year.
    numbered_weekdays: Vec<(u8, i16)>,
    numbered_in_month: bool,
    month_days: Vec<i16>,
    year_days: Vec<i16>,
    weeks: Vec<i16>,
    /// Bit 1 is January; all are set where BYMONTH says nothing.
    months: u16,
}

impl DayFilter {
    pub(super) fn new(rule: &Rule) -> DayFilter {
        let DayRules {
            weekdays,
            month_days,
            year_days,
            weeks,
            months,
        } = &rule.days;
        let bit = |weekday: u8| 1_u8 << weekday;
        let numbered: Vec<(u8, i16)> = weekdays
            .iter()
            .filter_map(|picked| Some((picked.weekday.since_monday(), picked.nth?)))
            .collect();
        let any = weekdays
            .iter()
            .filter(|picked| picked.nth.is_none())
            .fold(0, |set, picked| set | bit(picked.weekday.since_monday()));

        let rare = !(numbered.is_empty()
            && month_days.is_empty()
            && year_days.is_empty()
            && weeks.is_empty()
            && months.is_empty());
        DayFilter {
            weekdays: if weekdays.is_empty() { u8::MAX } else { any },
            rest: rare.then(|| {
                Box::new(RareDayFilter {
                    numbered_weekdays: numbered,
                    numbered_in_month: rule.frequency == Frequency::Monthly || !months.is_empty(),
                    month_days: month_days.clone(),
                    year_days: year_days.clone(),
                    weeks: weeks.clone(),
                    months: if months.is_empty() {
                        u16::MAX
                    } else {
                        months.iter().fold(0, |set, month| set | 1 << month)
                    },
                })
            }),
        }
    }

    pub(super) fn contains(&self, shown: &LocalTime) -> bool {
        let picked = self.weekdays & (1 << shown.weekday()) != 0;
        match &self.rest {
            None => picked,
            Some(rest) => (picked || rest.is_numbered_weekday(shown)) && rest.contains(shown.date),
        }
    }
}

impl RareDayFilter {
    fn is_numbered_weekday(&self, shown: &LocalTime) -> bool {
        if self.numbered_weekdays.is_empty() {
            return false;
        }
        let (day, days) = match self.numbered_in_month {
            true => (
                i16::from(shown.date.day()),
                i16::from(shown.date.days_in_month()),
            ),
            false => (shown.date.day_of_year(), shown.date.days_in_year()),
        };
        let (from_start, from_end) = ((day - 1) / 7 + 1, -((days - day) / 7 + 1));
        let weekday = shown.weekday();
        self.numbered_weekdays
            .iter()
            .any(|&(on, nth)| on == weekday && (nth == from_start || nth == from_end))
    }

    fn contains(&self, date: Date) -> bool {
        self.months & (1 << date.month()) != 0
            && counts(&self.month_days, || {
                (i16::from(date.day()), i16::from(date.days_in_month()))
            })
            && counts(&self.year_days, || {
                (date.day_of_year(), date.days_in_year())
            })
            && counts(&self.weeks, || {
                let week = date.iso_week_date();
                (i16::from(week.week()), i16::from(week.weeks_in_year()))
            })
    }
}

/// Whether the n-th of `of` is listed, from the start or from the end. An empty list does not restrict.
fn counts(listed: &[i16], nth_of: impl FnOnce() -> (i16, i16)) -> bool {
    if listed.is_empty() {
        return true;
    }
    let (nth, of) = nth_of();
    listed
        .iter()
        .any(|&number| number == nth || number == nth - of - 1)
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::schedule::recurrence::Expression;

    /// The days that are picked of 2024, a leap year that begins on a Monday.
    fn days_of_2024(source: &str) -> String {
        let Ok(Expression::Recurrence(recurrence)) = source.parse() else {
            panic!("{source} is one time recurrence")
        };
        let filter = DayFilter::new(&recurrence.rule.expect("a FREQ"));
        let picked: Vec<String> = (0..366)
            .map(|day| Date::constant(2024, 1, 1) + day.days())
            .filter(|date| filter.contains(&date.at(12, 0, 0, 0).into()))
            .map(|date| date.strftime("%m-%d").to_string())
            .collect();
        picked.join(" ")
    }

    #[test]
    fn days_are_picked_as_in_rfc_5545() {
        for (source, expected) in [
            // zone|dtstart|dtend|duration|freq|until|interval|byday|bymonthday|byyearday|byweekno|bymonth
            (
                "||||MONTHLY|||1MO",
                "01-01 02-05 03-04 04-01 05-06 06-03 07-01 08-05 09-02 10-07 11-04 12-02",
            ),
            ("||||MONTHLY|||-1FR||||1,2,3", "01-26 02-23 03-29"),
            ("||||MONTHLY|||MO||||2", "02-05 02-12 02-19 02-26"),
            ("||||MONTHLY|||1MO,FR||||2", "02-02 02-05 02-09 02-16 02-23"),
            (
                "||||MONTHLY||||31",
                "01-31 03-31 05-31 07-31 08-31 10-31 12-31",
            ),
            ("||||DAILY||||-1,15|||2", "02-15 02-29"),
            ("||||YEARLY|||1MO,-1TU", "01-01 12-31"),
            ("||||YEARLY|||4TH||||11", "11-28"),
            ("||||YEARLY|||||1,60,-1", "01-01 02-29 12-31"),
            ("||||YEARLY|||TU|||1,-1", "01-02 12-24 12-31"),
            ("||||YEARLY|||FR|13", "09-13 12-13"),
            ("||||WEEKLY|||SA||||12", "12-07 12-14 12-21 12-28"),
        ] {
            assert_eq!(days_of_2024(source), expected, "{source}");
        }
    }

    #[test]
    fn without_a_by_field_every_day_is_picked() {
        assert_eq!(days_of_2024("||||YEARLY").split(' ').count(), 366);
    }
}
