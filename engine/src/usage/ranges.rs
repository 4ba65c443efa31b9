//! Who calls which range abroad: several accounts that turn to a range for the first time in a few hours are a campaign, a range that
//! some call again and again is ordinary.

use jiff::Timestamp;

use super::{AccountMark, aging::Aging, habits::RangeMark, seconds};
use crate::facts::Counting;

/// Newcomers of so many seconds are one campaign.
const CAMPAIGN: u32 = 6 * 3_600;
/// A test call is a warning for so many seconds: those who pump come hours after those who test, or are they.
const WARNING: u32 = 24 * 3_600;
/// Who calls again so soon was cut off, or met an answering machine.
const CALLS_BACK: u32 = 15 * 60;
/// Who has not called a range for so many seconds is a regular of it no more.
const REGULAR: u32 = 30 * 86_400;
/// How many newcomers and regulars of a range are told apart.
const TOLD_APART: usize = 6;

/// Who calls which range, by thousands of numbers.
#[derive(Debug)]
pub struct Ranges(Aging<RangeMark, Callers>);

/// Who else calls a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeCallers {
    /// Other accounts that have turned to it within the last hours and had not called it before.
    pub newcomers: u8,
    /// Other accounts that call it again and again.
    pub regulars: u8,
    /// Whether somebody to whom it was new has called it within a day for moments.
    pub tested: Option<Tested>,
}

/// Who has tested a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tested {
    /// The very account.
    Itself,
    /// Another one.
    Another,
}

/// Accounts, and when each of them last called.
type Crowd = [Caller; TOLD_APART];

/// Eight bytes: there are some hundred thousands of ranges.
#[derive(Clone, Copy, Debug, Default)]
struct Caller {
    /// The account's mark, as far as it goes.
    account: u32,
    /// Seconds since 1970; 0 where there is none.
    at: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Callers {
    newcomers: Crowd,
    regulars: Crowd,
    tester: Caller,
}

impl Ranges {
    /// Nobody has called yet; about so many ranges are watched at the most.
    pub fn with_capacity(ranges: usize) -> Self {
        Self(Aging::with_capacity(ranges))
    }

    /// Notes an attempt of an account, for which the range is usual or not, and tells who else calls it; a dry run tells it alone.
    pub fn observe(
        &self,
        account: AccountMark,
        range: RangeMark,
        usual: bool,
        at: Timestamp,
        counting: Counting,
    ) -> RangeCallers {
        let (account, now) = (short(account), seconds(at));
        match counting {
            Counting::Counts => self.0.update(range, |callers| {
                let crowd = if usual {
                    &mut callers.regulars
                } else {
                    &mut callers.newcomers
                };
                note(crowd, account, now);
                callers.beside(account, now)
            }),
            Counting::Again | Counting::Peeks => self
                .0
                .read(&range, |callers| callers.beside(account, now))
                .unwrap_or_default(),
        }
    }

    /// Notes that a call of an account, for which the range is not usual, was answered for moments.
    pub fn test(&self, account: AccountMark, range: RangeMark, at: Timestamp) {
        self.0.update(range, |callers| {
            callers.tester = Caller {
                account: short(account),
                at: seconds(at),
            };
        });
    }

    /// Notes a regular from what is known of an account.
    pub fn restore(&self, account: AccountMark, range: RangeMark, at: Timestamp) {
        self.0.update(range, |callers| {
            note(&mut callers.regulars, short(account), seconds(at));
        });
    }
}

fn short(account: AccountMark) -> u32 {
    account.0 as u32
}

/// Who called longest ago makes room.
fn note(crowd: &mut Crowd, account: u32, now: u32) {
    let place = crowd
        .iter()
        .position(|known| known.account == account)
        .or_else(|| (0..TOLD_APART).min_by_key(|place| crowd[*place].at));
    if let Some(place) = place {
        crowd[place] = Caller { account, at: now };
    }
}

impl Callers {
    fn tested(&self, account: u32, now: u32) -> Option<Tested> {
        let since = now
            .checked_sub(self.tester.at)
            .filter(|_| self.tester.at > 0)?;
        let is_itself = self.tester.account == account;
        match since {
            WARNING.. => None,
            ..CALLS_BACK if is_itself => None,
            _ if is_itself => Some(Tested::Itself),
            _ => Some(Tested::Another),
        }
    }

    fn beside(&self, account: u32, now: u32) -> RangeCallers {
        let others = |crowd: &Crowd, within: u32| {
            let others = crowd
                .iter()
                .filter(|known| known.account != account && known.at.saturating_add(within) > now);
            // There are no more than `TOLD_APART`.
            others.count() as u8
        };
        RangeCallers {
            newcomers: others(&self.newcomers, CAMPAIGN),
            regulars: others(&self.regulars, REGULAR),
            tested: self.tested(account, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::usage::Traits;

    fn start() -> Timestamp {
        "2026-06-08T02:00:00Z".parse().unwrap()
    }

    fn calls(ranges: &Ranges, account: &str, usual: bool, at: Timestamp) -> RangeCallers {
        let number = "37128054190".parse().unwrap();
        let range = Traits::of(Some((None, &number)), None, "").range().unwrap();
        let account = AccountMark::of(&account.parse().unwrap());
        ranges.observe(account, range, usual, at, Counting::Counts)
    }

    #[test]
    fn other_accounts_that_are_new_to_a_range_are_counted_once_each_for_some_hours() {
        let ranges = Ranges::with_capacity(1_000);
        for _ in 0..3 {
            assert_eq!(calls(&ranges, "alice@a.b", false, start()).newcomers, 0);
        }
        assert_eq!(calls(&ranges, "bob@a.b", false, start()).newcomers, 1);
        assert_eq!(calls(&ranges, "carol@c.d", false, start()).newcomers, 2);
        assert_eq!(
            calls(&ranges, "carol@c.d", false, start() + 7.hours()).newcomers,
            0
        );
        for account in 0..100 {
            calls(
                &ranges,
                &format!("{account}@a.b"),
                false,
                start() + 8.hours(),
            );
        }
        let many = calls(&ranges, "alice@a.b", false, start() + 8.hours());
        assert!(usize::from(many.newcomers) >= TOLD_APART - 1);
    }

    #[test]
    fn who_called_for_moments_warns_for_a_day_and_may_call_back() {
        let ranges = Ranges::with_capacity(1_000);
        calls(&ranges, "alice@a.b", false, start());
        let number = "37128054190".parse().unwrap();
        let range = Traits::of(Some((None, &number)), None, "").range().unwrap();
        ranges.test(
            AccountMark::of(&"alice@a.b".parse().unwrap()),
            range,
            start(),
        );
        let tested = |account, after| calls(&ranges, account, false, start() + after).tested;
        assert_eq!(tested("alice@a.b", 5.minutes()), None);
        assert_eq!(tested("bob@a.b", 5.minutes()), Some(Tested::Another));
        assert_eq!(tested("alice@a.b", 3.hours()), Some(Tested::Itself));
        assert_eq!(tested("bob@a.b", 25.hours()), None);
    }

    #[test]
    fn a_range_with_regulars_is_an_ordinary_one() {
        let ranges = Ranges::with_capacity(1_000);
        calls(&ranges, "alice@a.b", true, start());
        let bob = |at| calls(&ranges, "bob@a.b", false, at);
        assert_eq!(bob(start() + 700.hours()).regulars, 1);
        assert_eq!(bob(start() + 721.hours()).regulars, 0);
    }
}
