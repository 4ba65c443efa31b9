//! What an account has used: its calls of the day, its calls in progress, its grants.

use jiff::Timestamp;

use super::{Day, HabitDay, Habits, Traits};
use crate::number::Country;

/// How long a call holds a slot that nobody gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotTimes {
    /// Seconds from the decision to the switch's word that the call has started.
    pub reserved: u32,
    /// Seconds from the start of a call: longer than any call lasts, so that a lost hang-up can't stick.
    pub started: u32,
}

/// A call that holds one of the account's slots, by a hash of its Call-ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Which call.
    pub call: u64,
    /// Until when it holds the slot, in seconds since 1970.
    pub until: i64,
}

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

/// What an account has used.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    day: Day,
    today: u32,
    today_off_hours: u32,
    slots: Vec<Slot>,
    grants: Vec<Grant>,
    /// There are a million accounts, and many never call.
    habits: Option<Box<Habits>>,
}

impl Ledger {
    /// What the account usually does.
    pub fn habits(&self) -> Option<&Habits> {
        self.habits.as_deref()
    }

    /// Learns from an allowed call what the account usually does.
    pub fn learn_habits(&mut self, traits: &Traits, day: HabitDay) {
        self.habits.get_or_insert_default().learn(traits, day);
    }

    /// What is used at a moment. A ledger's day never goes back: where the policy's zone is moved to the west, calls
    /// count on the day that was reached until the date catches up.
    pub fn occupancy(&self, day: Day, at: Timestamp) -> Occupancy {
        let now = at.as_second();
        let held = self.slots.iter().filter(|slot| slot.until > now).count();
        let (today, today_off_hours) = if day <= self.day {
            (self.today, self.today_off_hours)
        } else {
            (0, 0)
        };
        Occupancy {
            concurrent: u32::try_from(held).unwrap_or(u32::MAX),
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
    pub fn reset(&mut self) {
        (self.today, self.today_off_hours) = (0, 0);
    }

    /// Gives a call a slot, or the one it has for longer.
    pub fn hold(&mut self, call: u64, until: i64, at: Timestamp) {
        let now = at.as_second();
        self.slots.retain(|slot| slot.until > now);
        match self.slots.iter_mut().find(|slot| slot.call == call) {
            Some(slot) => slot.until = slot.until.max(until),
            None => self.slots.push(Slot { call, until }),
        }
    }

    /// Gives a call's slot back.
    pub fn release(&mut self, call: u64) {
        self.slots.retain(|slot| slot.call != call);
        if self.slots.is_empty() {
            self.slots = Vec::new();
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
        ledger.hold(7, (noon() + 4.hours()).as_second(), noon());
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
        fn no_slot_leaks(events in prop::collection::vec((0_u64..20, 0_u8..3, 0_i64..100), 0..200)) {
            let mut ledger = Ledger::default();
            let mut held = std::collections::HashMap::new();
            let mut now = noon();
            for (call, event, seconds) in events {
                now += seconds.seconds();
                held.retain(|_, until| *until > now.as_second());
                match event {
                    0 => {
                        let until = now.as_second() + 60;
                        ledger.hold(call, until, now);
                        held.insert(call, until);
                    }
                    _ => {
                        ledger.release(call);
                        held.remove(&call);
                    }
                }
                prop_assert_eq!(ledger.occupancy(Day::default(), now).concurrent as usize, held.len());
            }
            for call in 0..20 {
                ledger.release(call);
            }
            prop_assert_eq!(ledger.occupancy(Day::default(), now).concurrent, 0);
        }
    }
}
