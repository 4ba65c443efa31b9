//! What has been counted: concurrency and quotas an account, repeats, floods and failures of anyone.
//!
//! An account's [`Ledger`] is kept with the account. The rest is kept in a [`Watch`], in maps that strangers can make
//! grow and that therefore are bounded and age out.

mod aging;
mod failures;
mod flood;
mod ledger;
mod passes;
mod repeats;

pub use failures::{Failures, Lock};
pub use flood::Flood;
pub use ledger::{Grant, GrantKind, Ledger, Occupancy, Slot, SlotTimes};
pub use passes::Passes;
pub use repeats::{Repeats, Repetition};

use jiff::{Timestamp, civil, tz::TimeZone};

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

/// What has been counted about anyone, known or not.
#[derive(Debug)]
pub struct Watch {
    /// Requests a source address (R19).
    pub flood: Flood,
    /// Calls of one caller to one destination (R13).
    pub repeats: Repeats,
    /// Failed verifications an account (R17).
    pub failures: Failures,
    /// Numbers that callers have proved themselves for (V06).
    pub passes: Passes,
}

impl Watch {
    /// Nothing counted yet; each of the maps holds about so many keys at the most.
    pub fn with_capacity(keys: usize) -> Self {
        Self {
            flood: Flood::with_capacity(keys),
            repeats: Repeats::with_capacity(keys),
            failures: Failures::with_capacity(keys),
            passes: Passes::with_capacity(keys),
        }
    }
}
