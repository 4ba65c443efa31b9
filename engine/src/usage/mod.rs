//! What has been counted: concurrency and quotas an account, repeats, floods and failures of anyone.
//!
//! An account's [`Ledger`] is kept with the account. The rest is kept in a [`Watch`], in maps that strangers can make
//! grow and that therefore are bounded and age out.

mod aging;
mod dialing;
mod emergency_calls;
mod failures;
mod flood;
mod habits;
mod ledger;
mod onboardings;
mod open_calls;
mod origin;
mod passes;
mod past;
mod pin_networks;
mod ranges;
mod repeats;
mod verified;
mod witnesses;

pub use dialing::{Dialing, DialingPattern};
pub use emergency_calls::{EmergencyCaller, EmergencyCalls, EmergencyThreshold};
pub use failures::{
    FailureLimit, FailureLimits, Failures, Lock, Locked, PinHalfWay, Spot, SpotKind,
};
pub use flood::{Flood, FloodLimit, FloodSource};
pub use habits::{HabitDay, Habits, NetworkMark, Novelty, RangeMark, Traits};
pub use ledger::{Grant, GrantKind, Ledger, Occupancy};
pub use onboardings::{Full, Gate, OnboardingLimits, Onboardings};
pub use open_calls::{CallName, Event, OpenCall, OpenCalls, SlotTimes};
pub use origin::Origin;
pub use passes::Passes;
pub use past::Past;
pub use pin_networks::PinNetworks;
pub use ranges::{Elsewhere, RangeCaller, RangeCallers, Ranges, Tested};
pub use repeats::{Repeats, Repetition};
pub use verified::{Verified, Withheld};

use std::{
    hash::BuildHasher,
    sync::atomic::{AtomicI64, Ordering},
};

use hashbrown::DefaultHashBuilder;
use jiff::{Timestamp, civil, tz::TimeZone};

use crate::call::AccountId;

/// A calendar day in a policy's time zone, as the digits `YYYYMMDD`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(i32);

impl Day {
    /// The day of a date.
    pub fn of(date: civil::Date) -> Self {
        Self(
            i32::from(date.year()) * 10_000 + i32::from(date.month()) * 100 + i32::from(date.day()),
        )
    }

    /// The day of a moment in UTC.
    pub fn in_utc(at: Timestamp) -> Self {
        Self::of(TimeZone::UTC.to_datetime(at).date())
    }

    /// From the digits `YYYYMMDD`.
    pub fn from_digits(digits: i32) -> Self {
        Self(digits)
    }

    /// The digits `YYYYMMDD`.
    pub fn digits(self) -> i32 {
        self.0
    }
}

/// An account, hashed ([`Watch::mark`]): a key that takes no room of its own. It differs from process to process, so that nobody can look
/// for a name that has the mark of another; none is kept beyond the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AccountMark(u64);

/// Seconds since 1970, in half the room: until 2106.
fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_second()).unwrap_or_default()
}

/// How long a call is answered at the most, in seconds, that was a test.
const MOMENTS: u64 = 20;

/// What has been counted about anyone, known or not.
#[derive(Debug)]
pub struct Watch {
    /// Requests a source network (R19).
    pub flood: Flood,
    /// Calls of one account to one number (R13).
    pub repeats: Repeats,
    /// Failed verifications (R17).
    pub failures: Failures,
    /// From where policies' PINs have been typed right.
    pub pin_networks: PinNetworks,
    /// Accounts that were onboarded by their callers (R20).
    pub onboardings: Onboardings,
    /// Numbers that callers have proved themselves for (V06).
    pub passes: Passes,
    /// What accounts have dialed abroad within the last hour (R18).
    pub dialing: Dialing,
    /// Who calls which range abroad (R18).
    pub ranges: Ranges,
    /// Emergency calls an account and a source.
    pub emergency_calls: EmergencyCalls,
    /// Since when it is known what accounts usually do, in seconds since 1970.
    pub habits_since: AtomicI64,
    accounts: DefaultHashBuilder,
}

impl Watch {
    /// Nothing counted yet; each of the maps holds about so many keys at the most.
    pub fn with_capacity(keys: usize) -> Self {
        Self {
            flood: Flood::with_capacity(keys),
            repeats: Repeats::with_capacity(keys),
            failures: Failures::with_capacity(keys),
            pin_networks: PinNetworks::with_capacity(keys / 8),
            onboardings: Onboardings::with_capacity(keys / 8),
            passes: Passes::with_capacity(keys),
            dialing: Dialing::with_capacity(keys / 8),
            ranges: Ranges::with_capacity(keys / 2),
            emergency_calls: EmergencyCalls::with_capacity(keys / 8),
            habits_since: AtomicI64::new(i64::MAX),
            accounts: DefaultHashBuilder::default(),
        }
    }

    /// The mark of an account, or of what stands in the place of its name where it is none.
    pub fn mark(&self, account: &str) -> AccountMark {
        AccountMark(self.accounts.hash_one(account))
    }

    /// A call of an account has ended that was answered for so many seconds: for moments, to a range that is not usual for it, it may
    /// have been a test of whether such calls pass.
    pub fn ended(
        &self,
        account: &AccountId,
        traits: &Traits,
        habits: &Habits,
        answered_for: u64,
        at: Timestamp,
    ) {
        let Some(range) = traits
            .range()
            .filter(|_| (1..=MOMENTS).contains(&answered_for))
        else {
            return;
        };
        let today = HabitDay::of(at);
        if !habits.novelty(traits, today).usual_range {
            let network = habits.last_network();
            let caller = self.ranges.caller(account, &network, Some(habits), today);
            self.ranges.test(&caller, range, at);
        }
    }

    /// For how long it has been watched what accounts do, in whole days.
    pub fn watched_days(&self, at: Timestamp) -> u32 {
        let since = self.habits_since.load(Ordering::Relaxed);
        u32::try_from(at.as_second().saturating_sub(since) / 86_400).unwrap_or_default()
    }

    /// It is known what accounts did from this moment on.
    pub fn watched_since(&self, at: Timestamp) {
        self.habits_since
            .fetch_min(at.as_second(), Ordering::Relaxed);
    }
}
