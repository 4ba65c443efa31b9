//! Reads the fields of one time recurrence.

use std::num::NonZeroU16;

use super::error::{Field, FieldProblem, RecurrenceError};
use super::values::{duration, frequency, interval, numbers, stamp, weekdays};
use super::{DayRules, Extent, Frequency, Rule, TimeRecurrence};
use crate::schedule::zone::zone;

/// Reads `source`, which begins at `column` of the whole expression.
pub(super) fn recurrence(source: &str, column: usize) -> Result<TimeRecurrence, RecurrenceError> {
    let fields = Fields::split(source, column)?;
    let zone = fields.parse(Field::Zone, |name| zone(name).map_err(FieldProblem::Zone))?;
    let start = fields.parse(Field::Start, stamp)?;
    let end = fields.parse(Field::End, stamp)?;
    let duration = fields.parse(Field::Duration, duration)?;
    let rule = rule(&fields)?;

    if start.is_none() && end.is_none() && duration.is_none() && rule.is_none() {
        return Err(RecurrenceError::Vacant { column });
    }
    if rule.is_none() && start.is_none() && duration.is_some() {
        return Err(fields.problem(Field::Duration, FieldProblem::NeedsStart));
    }
    let extent = match (end, duration) {
        (ignored_end, Some(seconds)) => Some(Extent::Duration {
            seconds,
            ignored_end,
        }),
        (Some(end), None) => Some(Extent::End(end)),
        (None, None) => None,
    };
    let recurrence = TimeRecurrence {
        zone,
        start,
        extent,
        rule,
    };

    let start = recurrence.start_or_epoch();
    if matches!(recurrence.extent, Some(Extent::End(end)) if end <= start) {
        return Err(fields.problem(Field::End, FieldProblem::EndNotAfterStart));
    }
    if recurrence
        .rule
        .as_ref()
        .is_some_and(|rule| rule.until.is_some_and(|until| until < start))
    {
        return Err(fields.problem(Field::Until, FieldProblem::UntilBeforeStart));
    }
    Ok(recurrence)
}

fn rule(fields: &Fields<'_>) -> Result<Option<Rule>, RecurrenceError> {
    let Some(frequency) = fields.parse(Field::Frequency, frequency)? else {
        return match Field::REPEATING
            .into_iter()
            .find(|field| !fields.get(*field).is_empty())
        {
            Some(field) => Err(fields.problem(field, FieldProblem::NeedsFrequency)),
            None => Ok(None),
        };
    };
    let numbers =
        |field, range, from_end| fields.parse(field, |list| numbers(list, range, from_end));
    let days = DayRules {
        weekdays: fields.parse(Field::ByDay, weekdays)?.unwrap_or_default(),
        month_days: numbers(Field::ByMonthDay, 1..=31, true)?.unwrap_or_default(),
        year_days: numbers(Field::ByYearDay, 1..=366, true)?.unwrap_or_default(),
        weeks: numbers(Field::ByWeekNo, 1..=53, true)?.unwrap_or_default(),
        months: numbers(Field::ByMonth, 1..=12, false)?.unwrap_or_default(),
    };

    if !days.weeks.is_empty() && frequency != Frequency::Yearly {
        return Err(fields.problem(Field::ByWeekNo, FieldProblem::NeedsYearly));
    }
    let occurrences = match frequency {
        Frequency::Daily | Frequency::Weekly => 0,
        Frequency::Yearly if days.months.is_empty() => 53,
        Frequency::Monthly | Frequency::Yearly => 5,
    };
    if days
        .weekdays
        .iter()
        .filter_map(|picked| picked.nth)
        .any(|nth| nth.abs() > occurrences)
    {
        let problem = if occurrences == 0 {
            FieldProblem::NumberedWeekday
        } else {
            FieldProblem::Weekdays
        };
        return Err(fields.problem(Field::ByDay, problem));
    }
    Ok(Some(Rule {
        frequency,
        until: fields.parse(Field::Until, stamp)?,
        interval: fields
            .parse(Field::Interval, interval)?
            .unwrap_or(NonZeroU16::MIN),
        days,
    }))
}

/// The fields of one time recurrence, still text.
struct Fields<'a> {
    /// Each with its column.
    written: Vec<(usize, &'a str)>,
}

impl<'a> Fields<'a> {
    fn split(source: &'a str, column: usize) -> Result<Fields<'a>, RecurrenceError> {
        let mut written = Vec::with_capacity(Field::COUNT);
        if source.starts_with(|first: char| first.is_ascii_digit()) {
            written.push((column, ""));
        }
        let mut at = column;
        for field in source.split('|') {
            written.push((at, field));
            at += field.chars().count() + 1;
        }
        match written.get(Field::COUNT) {
            Some((column, _)) => Err(RecurrenceError::TooManyFields {
                column: *column,
                count: written.len(),
            }),
            None => Ok(Fields { written }),
        }
    }

    fn get(&self, field: Field) -> &'a str {
        self.written
            .get(field as usize)
            .map_or("", |(_, written)| written)
    }

    fn parse<T>(
        &self,
        field: Field,
        parser: impl FnOnce(&str) -> Result<T, FieldProblem>,
    ) -> Result<Option<T>, RecurrenceError> {
        match self.get(field) {
            "" => Ok(None),
            written => parser(written)
                .map(Some)
                .map_err(|problem| self.problem(field, problem)),
        }
    }

    fn problem(&self, field: Field, problem: FieldProblem) -> RecurrenceError {
        let (column, value) = self
            .written
            .get(field as usize)
            .copied()
            .unwrap_or_default();
        RecurrenceError::Field {
            column,
            field,
            value: value.chars().take(40).collect(),
            problem,
        }
    }
}

impl Field {
    const COUNT: usize = 12;

    /// Those that say how to repeat, and so need a FREQ.
    const REPEATING: [Field; 7] = [
        Field::Until,
        Field::Interval,
        Field::ByDay,
        Field::ByMonthDay,
        Field::ByYearDay,
        Field::ByWeekNo,
        Field::ByMonth,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_refused(source: &str, message: &str) {
        let error = recurrence(source, 1).unwrap_err().to_string();
        assert_eq!(error, format!("recurrence, column {message}"));
    }

    #[test]
    fn the_zone_can_be_left_out_with_its_separator() {
        let with = recurrence("|20210104T090000|20210104T170000||DAILY", 1).unwrap();
        assert_eq!(
            with,
            recurrence("20210104T090000|20210104T170000||DAILY|||||||", 1).unwrap()
        );
        assert!(with.zone.is_none() && with.rule.is_some());
    }

    #[test]
    fn a_stamp_that_is_wrong_says_how_to_write_it() {
        assert_refused(
            "UTC|20210104T090000Z",
            "5: DTSTART \"20210104T090000Z\" ends in Z: stamps are what the clock on the wall shows in the time zone; leave the Z off",
        );
        assert_refused(
            "UTC||tomorrow",
            "6: DTEND \"tomorrow\" is not a date and time: write 15 characters, 20210104T090000, from 1970 to 9999",
        );
        assert_refused(
            "20210104T090000|20210104T240000",
            "17: DTEND \"20210104T240000\" is on no calendar: there is no such date or time of day",
        );
    }

    #[test]
    fn a_zone_that_is_unknown_or_lower_case_is_refused() {
        assert_refused(
            "america/new_york|20210104T090000",
            "1: time zone \"america/new_york\" is wrong: unknown time zone \"america/new_york\": did you mean \"America/New_York\"?",
        );
    }

    #[test]
    fn an_interval_that_is_never_open_is_refused() {
        assert_refused(
            "20210104T180000|20210104T080000||DAILY",
            "17: DTEND \"20210104T080000\" is not after DTSTART; hours over midnight end on the next day's date",
        );
        assert_refused(
            "20210104T180000||0H|DAILY",
            "18: DURATION \"0H\" is no time at all: a duration is at least a second",
        );
        assert_refused(
            "20210104T180000||8H|DAILY|20200101T000000",
            "27: UNTIL \"20200101T000000\" is before DTSTART: it would never be open",
        );
        assert_refused(
            "|||8H",
            "4: DURATION \"8H\" needs a DTSTART or a FREQ: from when?",
        );
        assert_refused(
            "Asia/Tokyo||",
            "1: nothing but a time zone; give a DTSTART, a DTEND or a FREQ",
        );
    }

    #[test]
    fn what_opensips_would_drop_in_silence_is_refused() {
        assert_refused(
            "20210104T090000||8H|WORKDAYS",
            "21: FREQ \"WORKDAYS\" is not a frequency: write DAILY, WEEKLY, MONTHLY or YEARLY",
        );
        assert_refused(
            "20210104T090000||8|DAILY",
            "18: DURATION \"8\" is not a duration: write PT8H, 8H30M or P1DT12H",
        );
        let weekdays = "is not a list of weekdays: write MO,TU,WE,TH,FR,SA,SU, before each perhaps a number such as 1 or -1";
        assert_refused("||||WEEKLY|||MON", &format!("14: BYDAY \"MON\" {weekdays}"));
        assert_refused("||||WEEKLY|||MO,", &format!("14: BYDAY \"MO,\" {weekdays}"));
        assert_refused(
            "||||MONTHLY|||6MO",
            &format!("15: BYDAY \"6MO\" {weekdays}"),
        );
        assert_refused(
            "||||WEEKLY|||1MO",
            "14: BYDAY \"1MO\" numbers a weekday: that needs FREQ MONTHLY or YEARLY",
        );
        assert_refused(
            "||||DAILY||0",
            "12: INTERVAL \"0\" is not an interval: write a number from 1 to 65535",
        );
        assert_refused(
            "||||DAILY||+2",
            "12: INTERVAL \"+2\" is not an interval: write a number from 1 to 65535",
        );
        assert_refused(
            "||||MONTHLY||||32",
            "16: BYMONTHDAY \"32\" is not a list of numbers from 1 to 31, or negative from the end",
        );
        assert_refused(
            "||||YEARLY|||||||-1",
            "18: BYMONTH \"-1\" is not a list of numbers from 1 to 12",
        );
        assert_refused("||||MONTHLY||||||7", "18: BYWEEKNO \"7\" needs FREQ YEARLY");
        assert_refused(
            "20210104T090000||||||MO",
            "22: BYDAY \"MO\" needs a FREQ: without one nothing repeats",
        );
        assert_refused(
            "||||DAILY||||||||MO",
            "18: a time recurrence has 12 fields, from the time zone to BYMONTH, not 13",
        );
    }
}
