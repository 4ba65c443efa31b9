//! What an account has done, day by day.

use std::collections::{BTreeMap, BinaryHeap};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::number::{Country, CountrySet};

/// A call that was allowed, and is not known to be fraud.
#[derive(Clone, Debug)]
pub struct PastCall {
    /// When it was decided.
    pub at: Timestamp,
    /// When it ended, where that was told.
    pub ended_at: Option<Timestamp>,
    /// The calls in progress that the switch told with it, itself included.
    pub concurrent_calls: Option<u32>,
    /// Whether it was decided off hours.
    pub off_hours: bool,
    /// Where it went.
    pub destination: Option<Country>,
    /// Where it came from.
    pub source: Option<Country>,
    /// A source country that was not open to it: the policy only reported that.
    pub opens_source: bool,
    /// A destination country that was not open to it: the policy only reported that.
    pub opens_destination: bool,
    /// Whether the prediction objects to it: then it counts for no limit and opens no country.
    pub objected: bool,
}

/// The calls to, or from, a country that was not open: the policy only reported that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// How many there were.
    pub calls: u32,
    /// On how many days.
    pub days: u32,
    /// To how many of them the prediction objects.
    pub objected: u32,
    /// The day of the last one.
    last: Option<Date>,
}

impl Reported {
    /// Calls of which nothing is known any more.
    pub(super) const FORGOTTEN: Self = Self {
        calls: 0,
        days: u32::MAX,
        objected: 0,
        last: None,
    };

    /// As if so many calls had been made, each on a day of its own.
    #[cfg(test)]
    pub(super) fn on_days(days: u32, objected: u32) -> Self {
        Self {
            calls: days,
            days,
            objected,
            last: None,
        }
    }

    fn add(&mut self, date: Date, objected: bool) {
        self.calls += 1;
        self.objected += u32::from(objected);
        if self.last != Some(date) {
            self.days += 1;
            self.last = Some(date);
        }
    }
}

/// What was used on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayUsed {
    /// Calls in business hours.
    pub calls: u32,
    /// Calls off hours.
    pub calls_off_hours: u32,
    /// The most calls at once, as a call of business hours began.
    pub peak: u32,
    /// The most calls at once, as a call of off hours began.
    pub peak_off_hours: u32,
}

/// What an account has done until the day before, in its policy's time zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Every day from that of the first call on, those without a call as well.
    pub days: Vec<DayUsed>,
    /// How many calls there were.
    pub calls: u32,
    /// Of how many of them it is known how long they lasted, or how many there were at once.
    pub measured: u32,
    /// Where calls went.
    pub destinations: CountrySet,
    /// Where calls came from.
    pub sources: CountrySet,
    /// Where calls went and the policy only reported that they may not.
    pub new_destinations: Vec<(Country, Reported)>,
    /// Where calls came from and the policy only reported that they may not.
    pub new_sources: Vec<(Country, Reported)>,
}

impl History {
    /// Of calls in their order. Those of the day that `now` falls on are passed over: it has not ended.
    pub fn new(calls: impl IntoIterator<Item = PastCall>, zone: &TimeZone, now: Timestamp) -> Self {
        let today = now.to_zoned(zone.clone()).date();
        let mut history = Self::default();
        let mut days: BTreeMap<Date, DayUsed> = BTreeMap::new();
        // When the calls in progress end, the first first.
        let mut in_progress: BinaryHeap<std::cmp::Reverse<Timestamp>> = BinaryHeap::new();
        for call in calls {
            let date = call.at.to_zoned(zone.clone()).date();
            if call.objected {
                if date < today {
                    history.report(&call, date);
                }
                continue;
            }
            while in_progress.peek().is_some_and(|end| end.0 <= call.at) {
                in_progress.pop();
            }
            in_progress.push(std::cmp::Reverse(call.ended_at.unwrap_or(call.at)));
            if date >= today {
                continue;
            }
            let counted = u32::try_from(in_progress.len()).unwrap_or(u32::MAX);
            let at_once = counted.max(call.concurrent_calls.unwrap_or(0));
            let day = days.entry(date).or_default();
            let (calls, peak) = if call.off_hours {
                (&mut day.calls_off_hours, &mut day.peak_off_hours)
            } else {
                (&mut day.calls, &mut day.peak)
            };
            *calls += 1;
            *peak = at_once.max(*peak);
            history.learn(&call);
            history.report(&call, date);
        }
        let Some((first, _)) = days.first_key_value() else {
            return history;
        };
        history.days = first
            .series(jiff::ToSpan::day(1))
            .take_while(|date| *date < today)
            .map(|date| days.get(&date).copied().unwrap_or_default())
            .collect();
        history
    }

    /// Whether peaks say something: a switch that tells neither ends nor calls at once shows one call at a time.
    pub fn knows_peaks(&self) -> bool {
        2 * self.measured >= self.calls
    }

    fn report(&mut self, call: &PastCall, date: Date) {
        for (all, country, opens) in [
            (
                &mut self.new_destinations,
                call.destination,
                call.opens_destination,
            ),
            (&mut self.new_sources, call.source, call.opens_source),
        ] {
            let Some(country) = country.filter(|_| opens) else {
                continue;
            };
            let place = all.iter().position(|(known, _)| *known == country);
            let place = place.unwrap_or_else(|| {
                all.push((country, Reported::default()));
                all.len() - 1
            });
            all[place].1.add(date, call.objected);
        }
    }

    fn learn(&mut self, call: &PastCall) {
        self.calls += 1;
        self.measured += u32::from(call.ended_at.is_some() || call.concurrent_calls.is_some());
        if let Some(country) = call.destination {
            self.destinations.insert(country);
        }
        if let Some(country) = call.source {
            self.sources.insert(country);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, ToSpan};

    use super::*;

    fn call(at: &str, seconds: i64) -> PastCall {
        let at: Timestamp = at.parse().unwrap();
        PastCall {
            at,
            ended_at: Some(at + SignedDuration::from_secs(seconds)),
            concurrent_calls: None,
            off_hours: false,
            destination: Country::from_code("GB").ok(),
            source: None,
            opens_source: false,
            opens_destination: false,
            objected: false,
        }
    }

    #[test]
    fn calls_to_a_country_that_is_not_open_are_counted_with_their_days() {
        let new = |at: &str, objected| PastCall {
            opens_destination: true,
            objected,
            ..call(at, 60)
        };
        let calls = [
            new("2026-06-08T12:00:00Z", false),
            new("2026-06-08T13:00:00Z", true),
            new("2026-06-09T12:00:00Z", true),
        ];
        let now = "2026-06-12T12:00:00Z".parse().unwrap();
        let history = History::new(calls, &TimeZone::UTC, now);
        assert!(history.new_sources.is_empty());
        let [(country, reported)] = history.new_destinations[..] else {
            panic!("{history:?}");
        };
        assert_eq!(country.code(), "GB");
        let Reported {
            calls,
            days,
            objected,
            ..
        } = reported;
        assert_eq!((calls, days, objected), (3, 2, 2));
        assert_eq!(history.calls, 1, "what is objected to counts for no limit");
    }

    #[test]
    fn days_are_the_policy_s_and_those_without_a_call_count() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let now = "2026-06-12T12:00:00Z".parse().unwrap();
        let calls = [
            // Still the 8th in New York.
            call("2026-06-09T03:00:00Z", 60),
            call("2026-06-11T15:00:00Z", 60),
            call("2026-06-12T11:00:00Z", 60),
        ];
        let history = History::new(calls, &zone, now);
        let calls: Vec<u32> = history.days.iter().map(|day| day.calls).collect();
        assert_eq!(calls, [1, 0, 0, 1], "today is not over");
        assert_eq!((history.calls, history.destinations.len()), (2, 1));
        assert_eq!(History::new([], &zone, now), History::default());
    }

    #[test]
    fn a_peak_is_what_was_in_progress_as_a_call_began() {
        let mut told = call("2026-06-08T16:00:00Z", 0);
        told.concurrent_calls = Some(7);
        let mut unended = call("2026-06-08T17:00:00Z", 0);
        (unended.ended_at, unended.off_hours) = (None, true);
        let mut next = unended.clone();
        next.at += 1.second();
        let calls = [
            call("2026-06-08T12:00:00Z", 600),
            call("2026-06-08T12:05:00Z", 600),
            call("2026-06-08T12:11:00Z", 600),
        ];
        let now = "2026-06-09T12:00:00Z".parse().unwrap();
        let of = |calls: &[PastCall]| {
            let history = History::new(calls.to_vec(), &TimeZone::UTC, now);
            assert_eq!(history.knows_peaks(), calls.len() > 2);
            (history.days[0].peak, history.days[0].peak_off_hours)
        };
        assert_eq!(of(&calls), (2, 0));
        assert_eq!(of(&[&calls[..], &[told]].concat()), (7, 0));
        assert_eq!(
            of(&[unended, next]),
            (0, 1),
            "an end that was lost holds nothing"
        );
    }
}
