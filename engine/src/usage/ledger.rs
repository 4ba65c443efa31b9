//! What an account has used: its calls of the day, its calls in progress, its grants.

use jiff::Timestamp;
use thin_vec::ThinVec;

use super::{Day, HabitDay, Habits, OpenCalls, Traits, Verified, seconds};
use crate::{exposure::Exposure, number::Country};

/// Which way a grant opens a country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantKind {
    /// Calls may come from it.
    Source,
    /// Calls may go to it.
    Destination,
}

/// A country that a verification opened for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its number in the database.
    pub id: i64,
    /// Which way.
    pub kind: GrantKind,
    /// Which country.
    pub country: Country,
    /// Until when, in seconds since 1970.
    pub until: i64,
    /// For how many more calls; `None`: any number.
    pub calls_left: Option<u32>,
}

/// How much of its limits an account uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Calls that hold a slot.
    pub concurrent: u32,
    /// Calls allowed today in business hours.
    pub today: u32,
    /// Calls allowed today off hours.
    pub today_off_hours: u32,
}

impl Occupancy {
    /// The calls of today in hours of this kind.
    pub fn today_in(&self, off_hours: bool) -> u32 {
        if off_hours {
            self.today_off_hours
        } else {
            self.today
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    day: Day,
    exposure: Exposure,
}

/// For how many seconds an account that its caller onboarded is new: a captcha opens it, and one source can have many.
const NEW: u32 = 86_400;

/// What an account has used.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    day: Day,
    today: u32,
    today_off_hours: u32,
    /// When its caller onboarded it, in seconds since 1970; 0 where that was not of late, or somebody else made it.
    onboarded_at: u32,
    /// The calls that were allowed and have not ended.
    pub calls: OpenCalls,
    grants: ThinVec<Grant>,
    /// What the day's calls that have ended came to; there is a million accounts, and few have a cap.
    spent: Option<Box<Spent>>,
    /// The verifications that were passed on the last day on which there was one; few accounts have any.
    verified: Option<Box<Verified>>,
    habits: Habits,
}

impl Ledger {
    /// What the account usually does.
    pub fn habits(&self) -> &Habits {
        &self.habits
    }

    /// The caller has onboarded the account.
    pub fn onboarded(&mut self, at: Timestamp) {
        self.onboarded_at = seconds(at);
    }

    /// Whether the caller has onboarded the account within a day: until then it is bounded as one that anybody could invent.
    pub fn is_new(&self, at: Timestamp) -> bool {
        seconds(at) < self.onboarded_at.saturating_add(NEW) && self.onboarded_at > 0
    }

    /// The verifications that the account passed on a day.
    pub fn verified(&self, day: Day) -> Verified {
        self.verified
            .as_deref()
            .copied()
            .unwrap_or_default()
            .on(day)
    }

    /// Sets the verifications of a day.
    pub fn set_verified(&mut self, verified: Verified) {
        self.verified = (verified.passed > 0).then(|| Box::new(verified));
    }

    /// Learns from an allowed call what the account usually does.
    pub fn learn_habits(&mut self, traits: &Traits, day: HabitDay) {
        self.habits.learn(traits, day);
    }

    /// What is used at a moment. A ledger's day never goes back: where the policy's zone is moved to the west, calls
    /// count on the day that was reached until the date catches up.
    pub fn occupancy(&self, day: Day, at: Timestamp) -> Occupancy {
        let (today, today_off_hours) = if day <= self.day {
            (self.today, self.today_off_hours)
        } else {
            (0, 0)
        };
        Occupancy {
            concurrent: self.calls.held(at),
            today,
            today_off_hours,
        }
    }

    /// Counts an allowed call of the day.
    pub fn count(&mut self, day: Day, off_hours: bool) {
        self.count_many(
            day.max(self.day),
            u32::from(!off_hours),
            u32::from(off_hours),
        );
    }

    /// Counts calls of a day, in business hours and off hours: what was counted before a restart. Calls of a day that
    /// has passed are passed over.
    pub fn count_many(&mut self, day: Day, business: u32, off_hours: u32) {
        if day < self.day {
            return;
        }
        if day > self.day {
            (self.day, self.today, self.today_off_hours) = (day, 0, 0);
        }
        self.today = self.today.saturating_add(business);
        self.today_off_hours = self.today_off_hours.saturating_add(off_hours);
    }

    /// Sets the day's counters to zero.
    pub fn reset(&mut self, at: Timestamp) {
        (self.today, self.today_off_hours) = (0, 0);
        self.verified = None;
        if let Some(spent) = &mut self.spent {
            spent.exposure = Exposure::default();
        }
        self.calls.charge_from(at.as_second(), at);
    }

    /// Sets the day's numbers of calls to zero; what they cost and the verifications that were passed still count.
    pub fn reset_calls(&mut self) {
        (self.today, self.today_off_hours) = (0, 0);
    }

    /// What the day's calls have come to, those in progress by the time that they have taken so far. On a new day, those in
    /// progress count once it has begun ([`Self::begin`]).
    pub fn exposure(&self, day: Day, at: Timestamp) -> Exposure {
        match &self.spent {
            Some(spent) if spent.day < day => Exposure::default(),
            spent => {
                let mut all = self.calls.exposure(at);
                all.add(
                    spent
                        .as_ref()
                        .map(|spent| spent.exposure)
                        .unwrap_or_default(),
                );
                all
            }
        }
    }

    /// Begins a day, unless it has begun: what calls in progress came to before was yesterday.
    pub fn begin(&mut self, day: Day, began: impl FnOnce() -> Timestamp, at: Timestamp) {
        let spent = self.spent.get_or_insert_default();
        if day > spent.day {
            **spent = Spent {
                day,
                ..Spent::default()
            };
            self.calls.charge_from(began().as_second(), at);
        }
    }

    /// It is known what has become of a call: what was assumed of it no longer counts.
    pub fn settle(&mut self, key: u128) {
        let assumed = self.calls.assumed_of(key);
        if let Some(call) = self.calls.get_mut(key) {
            call.assumed_seconds = 0;
        }
        if let Some(spent) = &mut self.spent {
            spent.exposure.take_back(assumed);
        }
    }

    /// Adds what calls of a day came to that have ended, or are assumed to come to. A day that has passed is passed over.
    pub fn charge(&mut self, day: Day, exposure: Exposure) {
        if exposure == Exposure::default() {
            return;
        }
        let spent = self.spent.get_or_insert_default();
        if day > spent.day {
            **spent = Spent { day, exposure };
        } else if day == spent.day {
            spent.exposure.add(exposure);
        }
    }

    /// The grants that still open something.
    pub fn grants(&self, at: Timestamp) -> impl Iterator<Item = &Grant> {
        let now = at.as_second();
        self.grants
            .iter()
            .filter(move |grant| grant.until > now && grant.calls_left != Some(0))
    }

    /// The countries that grants open.
    pub fn granted(&self, at: Timestamp) -> Vec<(GrantKind, Country)> {
        self.grants(at)
            .map(|grant| (grant.kind, grant.country))
            .collect()
    }

    /// Whether a grant opens a country.
    pub fn grants_country(&self, kind: GrantKind, country: Country, at: Timestamp) -> bool {
        self.grants(at)
            .any(|grant| grant.kind == kind && grant.country == country)
    }

    /// Adds a grant, or replaces the one of the same number.
    pub fn grant(&mut self, grant: Grant, at: Timestamp) {
        let now = at.as_second();
        self.grants
            .retain(|old| old.until > now && old.id != grant.id);
        self.grants.push(grant);
    }

    /// Uses a grant for one call; its number, or `None` where there is none any more.
    pub fn use_grant(&mut self, kind: GrantKind, country: Country, at: Timestamp) -> Option<i64> {
        let now = at.as_second();
        let grant = self.grants.iter_mut().find(|grant| {
            grant.until > now
                && grant.calls_left != Some(0)
                && grant.kind == kind
                && grant.country == country
        })?;
        grant.calls_left = grant.calls_left.map(|left| left - 1);
        Some(grant.id)
    }

    /// Gives back one call of a grant, or takes calls that were made before a restart (a negative number).
    pub fn adjust_grant(&mut self, id: i64, calls: i64) {
        for grant in self.grants.iter_mut().filter(|grant| grant.id == id) {
            grant.calls_left = grant
                .calls_left
                .map(|left| u32::try_from((i64::from(left) + calls).max(0)).unwrap_or(u32::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        exposure::Tariff,
        usage::{CallName, OpenCall},
    };

    fn noon() -> Timestamp {
        "2026-06-08T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_new_day_starts_from_zero_and_an_old_one_counts_on() {
        let mut ledger = Ledger::default();
        let (monday, tuesday) = (Day::from_digits(20_260_608), Day::from_digits(20_260_609));
        ledger.count(monday, false);
        ledger.count(monday, true);
        assert_eq!(ledger.occupancy(monday, noon()).today, 1);
        assert_eq!(ledger.occupancy(tuesday, noon()).today, 0);
        ledger.count(tuesday, false);
        ledger.count(monday, false);
        ledger.count_many(monday, 7, 7);
        for day in [monday, tuesday] {
            assert_eq!(
                ledger.occupancy(day, noon()),
                Occupancy {
                    concurrent: 0,
                    today: 2,
                    today_off_hours: 0
                }
            );
        }
    }

    #[test]
    fn a_lost_hang_up_does_not_stick() {
        let mut ledger = Ledger::default();
        let until = (noon() + 4.hours()).as_second();
        ledger.calls.start(7, &NAME, until, noon());
        assert_eq!(
            ledger
                .occupancy(Day::default(), noon() + 3.hours())
                .concurrent,
            1
        );
        assert_eq!(
            ledger
                .occupancy(Day::default(), noon() + 5.hours())
                .concurrent,
            0
        );
    }

    const NAME: CallName<'static> = CallName {
        key: None,
        attempt_key: "",
        call_id: "a84b4c76e66710",
    };

    const MONDAY: Day = Day(20_260_608);
    const TUESDAY: Day = Day(20_260_609);

    /// An answered call at 0.60 a minute.
    fn answer(ledger: &mut Ledger, key: u128, at: Timestamp) {
        let until = (at + 4.hours()).as_second();
        let price = "0.60".parse().unwrap();
        let call = OpenCall {
            tariff: Some(Tariff {
                price,
                abroad: true,
                ..Tariff::default()
            }),
            ..OpenCall::new(key, until)
        };
        ledger.calls.allow(call, at);
        ledger.calls.start(key, &NAME, until, at).answered_at = Some(at.as_second());
    }

    /// Ends a call as a switch tells it; what it was charged.
    fn end(
        ledger: &mut Ledger,
        key: u128,
        answered_for: Option<u64>,
        day: Day,
        at: Timestamp,
    ) -> u64 {
        let exposure = ledger.calls.exposure_of(key, answered_for, at);
        ledger.calls.end(key);
        ledger.charge(day, exposure);
        exposure.seconds_abroad
    }

    fn beginning(ledger: &mut Ledger, day: Day, at: Timestamp) {
        ledger.begin(day, || at, at);
    }

    fn seconds(ledger: &Ledger, day: Day, at: Timestamp) -> u64 {
        ledger.exposure(day, at).seconds_abroad
    }

    #[test]
    fn calls_count_while_they_last_and_by_what_the_switch_tells_when_they_end() {
        let mut ledger = Ledger::default();
        answer(&mut ledger, 1, noon());
        answer(&mut ledger, 2, noon() + 10.seconds());
        let later = noon() + 60.seconds();
        assert_eq!(seconds(&ledger, MONDAY, later), 60 + 50);
        assert_eq!(ledger.exposure(MONDAY, later).cost.to_string(), "1.10");
        // It began to be answered before the switch told so.
        assert_eq!(end(&mut ledger, 1, Some(62), MONDAY, later), 62);
        assert_eq!(end(&mut ledger, 2, None, MONDAY, later), 50);
        assert_eq!(end(&mut ledger, 3, Some(9_999), MONDAY, later), 0);
        assert_eq!(seconds(&ledger, MONDAY, noon() + 9.hours()), 112);
    }

    #[test]
    fn a_call_over_midnight_counts_for_each_day_what_it_lasted_there() {
        let mut ledger = Ledger::default();
        answer(&mut ledger, 1, noon());
        beginning(&mut ledger, MONDAY, noon());
        let midnight = noon() + 100.seconds();
        assert_eq!(seconds(&ledger, TUESDAY, midnight), 0);
        beginning(&mut ledger, TUESDAY, midnight);
        let later = midnight + 20.seconds();
        assert_eq!(seconds(&ledger, TUESDAY, later), 20);
        assert_eq!(end(&mut ledger, 1, Some(120), TUESDAY, later), 20);
        assert_eq!(seconds(&ledger, TUESDAY, later), 20);
    }

    #[test]
    fn a_reset_forgives_what_calls_in_progress_have_come_to() {
        let mut ledger = Ledger::default();
        answer(&mut ledger, 1, noon());
        answer(&mut ledger, 2, noon());
        let later = noon() + 60.seconds();
        end(&mut ledger, 1, Some(60), MONDAY, later);
        ledger.reset(later);
        assert_eq!(seconds(&ledger, MONDAY, later), 0);
        // Nor does the day's beginning, which was before, bring it back.
        beginning(&mut ledger, MONDAY, noon());
        assert_eq!(
            end(&mut ledger, 2, Some(75), MONDAY, later + 15.seconds()),
            15
        );
    }

    #[test]
    fn a_lost_hang_up_costs_what_its_slot_lasts_and_is_forgotten_the_next_day() {
        let mut ledger = Ledger::default();
        answer(&mut ledger, 1, noon());
        beginning(&mut ledger, MONDAY, noon());
        let evening = noon() + 9.hours();
        ledger
            .calls
            .allow(OpenCall::new(2, evening.as_second() + 60), evening);
        assert_eq!(seconds(&ledger, MONDAY, evening), 4 * 3_600);
        assert_eq!(ledger.occupancy(MONDAY, evening).concurrent, 1);
        beginning(&mut ledger, TUESDAY, noon() + 12.hours());
        assert_eq!(ledger.calls.iter().count(), 0);
    }

    /// Allows a call at a price, for which nothing more is told.
    fn allow(ledger: &mut Ledger, key: u128, holds: bool, at: Timestamp) {
        let call = OpenCall {
            tariff: Some(Tariff {
                abroad: true,
                ..Tariff::default()
            }),
            holds,
            ..OpenCall::new(key, at.as_second() + 10)
        };
        ledger.calls.allow(call, at);
    }

    #[test]
    fn a_call_whose_end_alone_is_told_is_charged_and_holds_its_slot_no_longer() {
        let mut ledger = Ledger::default();
        allow(&mut ledger, 1, true, noon());
        let later = noon() + 1.hours();
        assert_eq!(ledger.occupancy(MONDAY, noon() + 9.seconds()).concurrent, 1);
        assert_eq!(ledger.occupancy(MONDAY, later).concurrent, 0);
        allow(&mut ledger, 2, true, later);
        assert_eq!(end(&mut ledger, 1, Some(3_000), MONDAY, later), 3_000);
        allow(&mut ledger, 3, true, noon() + 6.hours());
        assert_eq!(ledger.calls.iter().count(), 1, "the second is forgotten");
    }

    #[test]
    fn what_a_switch_never_tells_is_bounded_and_what_it_tells_is_not() {
        for holds in [true, false] {
            let mut ledger = Ledger::default();
            for key in 0..300 {
                answer(&mut ledger, 10_000 + key, noon());
            }
            for key in 0..2_000 {
                // One after the other, so that they hold their slots no more.
                allow(
                    &mut ledger,
                    key,
                    holds,
                    noon() + (20 * i64::try_from(key).unwrap()).seconds(),
                );
            }
            let now = (noon() + 40_000.seconds()).as_second();
            let untold = ledger.calls.iter().filter(|call| !call.told);
            let untold = untold.filter(|call| call.until <= now).count();
            assert!(untold <= 257, "{untold}");
            let told = ledger.calls.iter().filter(|call| call.told);
            assert_eq!(told.count(), 300);
        }
    }

    #[test]
    fn there_is_room_for_so_many_calls_and_again_when_they_end() {
        let mut ledger = Ledger::default();
        let until = (noon() + 1.hours()).as_second();
        for key in 0..4_096 {
            assert!(!ledger.calls.is_full(noon()), "{key}");
            let name = CallName {
                key: Some(key),
                attempt_key: "",
                call_id: "a84b4c76e66710",
            };
            ledger.calls.start(key, &name, until, noon());
        }
        assert!(ledger.calls.is_full(noon()));
        assert!(
            !ledger.calls.is_full(noon() + 2.hours()),
            "their leases are over"
        );
        ledger.calls.end(7);
        assert!(!ledger.calls.is_full(noon()));
    }

    #[test]
    fn what_is_assumed_of_a_call_counts_until_it_is_known() {
        let mut ledger = Ledger::default();
        let tariff = Tariff {
            abroad: true,
            ..Tariff::default()
        };
        let assume = |ledger: &mut Ledger, key, at| {
            let call = OpenCall {
                tariff: Some(tariff),
                assumed_seconds: 180,
                ..OpenCall::new(key, noon().as_second() + 10)
            };
            ledger.calls.allow(call, at);
            ledger.charge(MONDAY, tariff.for_seconds(180));
        };
        beginning(&mut ledger, MONDAY, noon());
        for key in 1..=3 {
            assume(&mut ledger, key, noon());
        }
        assert_eq!(seconds(&ledger, MONDAY, noon()), 540);
        ledger.settle(1);
        ledger.settle(1);
        assert_eq!(seconds(&ledger, MONDAY, noon()), 360);
        // Nothing is told of the second, which is forgotten: what was assumed stays.
        ledger.calls.end(2);
        ledger.settle(2);
        assert_eq!(seconds(&ledger, MONDAY, noon()), 360);
        // What was assumed yesterday takes nothing from today.
        beginning(&mut ledger, TUESDAY, noon() + 12.hours());
        ledger.charge(TUESDAY, tariff.for_seconds(60));
        ledger.settle(3);
        assert_eq!(seconds(&ledger, TUESDAY, noon() + 12.hours()), 60);
    }

    #[test]
    fn a_grant_ends_with_its_time_or_its_calls() {
        let mut ledger = Ledger::default();
        let france = Country::from_code("FR").unwrap();
        let until = (noon() + 10.minutes()).as_second();
        ledger.grant(
            Grant {
                id: 1,
                kind: GrantKind::Destination,
                country: france,
                until,
                calls_left: Some(1),
            },
            noon(),
        );
        assert!(!ledger.grants_country(GrantKind::Source, france, noon()));
        assert!(!ledger.grants_country(GrantKind::Destination, france, noon() + 11.minutes()));
        assert_eq!(
            ledger.use_grant(GrantKind::Destination, france, noon()),
            Some(1)
        );
        assert_eq!(
            ledger.use_grant(GrantKind::Destination, france, noon()),
            None
        );
        ledger.adjust_grant(1, 1);
        assert!(ledger.grants_country(GrantKind::Destination, france, noon()));
    }

    proptest! {
        #[test]
        fn no_slot_leaks(events in prop::collection::vec((0_u128..20, 0_u8..3, 0_i64..100), 0..200)) {
            let mut ledger = Ledger::default();
            let mut held = std::collections::HashMap::new();
            let mut now = noon();
            for (call, event, seconds) in events {
                now += seconds.seconds();
                held.retain(|_, until| *until > now.as_second());
                match event {
                    0 => {
                        let until = now.as_second() + 60;
                        ledger.calls.allow(OpenCall::new(call, until), now);
                        held.insert(call, until);
                    }
                    _ => {
                        ledger.calls.end(call);
                        held.remove(&call);
                    }
                }
                prop_assert_eq!(ledger.occupancy(Day::default(), now).concurrent as usize, held.len());
            }
            for call in 0..20 {
                ledger.calls.end(call);
            }
            prop_assert_eq!(ledger.occupancy(Day::default(), now).concurrent, 0);
        }
    }
}
