//! Who calls which range abroad: several accounts that turn to a range for the first time in a few hours are a campaign, a range that
//! some call again and again is ordinary.
//!
//! Within a domain every account counts. For other domains a domain counts once, however many accounts it has, and so does a network: whoever
//! holds one domain, or one address, can invent as many accounts as they like ([`witnesses`](super::witnesses)).

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use jiff::Timestamp;

use super::{
    HabitDay, Habits, Traits,
    aging::Aging,
    habits::{NetworkMark, RangeMark},
    seconds,
    witnesses::{DomainMark, Witness, Witnesses},
};
use crate::{call::AccountId, facts::Counting};

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
/// For how many days what an account does must be known before it says anything to another domain.
const ESTABLISHED_DAYS: u16 = 7;

/// Who calls which range, by thousands of numbers.
#[derive(Debug)]
pub struct Ranges {
    within: Aging<(RangeMark, DomainMark), Callers>,
    across: Aging<RangeMark, Domains>,
    /// Marks of accounts and domains differ from process to process: nobody can look for a name that has the mark of another.
    names: DefaultHashBuilder,
}

/// Who calls a range, as far as others are told of it.
#[derive(Clone, Copy, Debug)]
pub struct RangeCaller {
    /// The account's mark, as far as it goes.
    account: u32,
    domain: DomainMark,
    network: Option<NetworkMark>,
    /// Whether it is known for long enough to say anything to another domain.
    established: bool,
}

/// Who else calls a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RangeCallers {
    /// Other accounts of the domain that have turned to it within the last hours and had not called it before.
    pub newcomers: u8,
    /// Other accounts of the domain that call it again and again.
    pub regulars: u8,
    /// Whether somebody of the domain to whom it was new has called it within a day for moments.
    pub tested: Option<Tested>,
    /// The same of other domains.
    pub elsewhere: Elsewhere,
}

/// Who calls a range in other domains. One domain is one witness, and so is one network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// Independent witnesses to whom it was new within the last hours.
    pub newcomers: u8,
    /// Independent witnesses who call it again and again.
    pub regulars: u8,
    /// Whether one to whom it was new has called it within a day for moments.
    pub tested: bool,
}

impl RangeCallers {
    /// Newcomers here and elsewhere.
    pub fn all_newcomers(&self) -> u8 {
        self.newcomers.saturating_add(self.elsewhere.newcomers)
    }

    /// Regulars here and elsewhere.
    pub fn all_regulars(&self) -> u8 {
        self.regulars.saturating_add(self.elsewhere.regulars)
    }

    /// Who has tested it, here or elsewhere.
    pub fn tested_by(&self) -> Option<Tested> {
        let elsewhere = self.elsewhere.tested.then_some(Tested::Another);
        self.tested.or(elsewhere)
    }

    /// Without what other domains say.
    #[must_use]
    pub fn within_domain(&self) -> Self {
        Self {
            elsewhere: Elsewhere::default(),
            ..*self
        }
    }
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

/// Who calls a range in a domain.
#[derive(Clone, Copy, Debug, Default)]
struct Callers {
    newcomers: Crowd,
    regulars: Crowd,
    tester: Caller,
}

/// Which domains call a range.
#[derive(Clone, Copy, Debug, Default)]
struct Domains {
    newcomers: Witnesses,
    regulars: Witnesses,
    testers: Witnesses,
}

impl Ranges {
    /// Nobody has called yet; about so many ranges are watched at the most.
    pub fn with_capacity(ranges: usize) -> Self {
        Self {
            within: Aging::with_capacity(ranges),
            across: Aging::with_capacity(ranges / 4),
            names: DefaultHashBuilder::default(),
        }
    }

    /// An account as one that calls: from where (`traits`), and how long it is known by what it does.
    pub fn caller(
        &self,
        account: &AccountId,
        traits: &Traits,
        habits: Option<&Habits>,
        day: HabitDay,
    ) -> RangeCaller {
        RangeCaller {
            account: self.names.hash_one(account) as u32,
            domain: DomainMark(self.names.hash_one(account.domain()) as u32),
            network: traits.network(),
            established: habits.is_some_and(|habits| habits.known_days(day) >= ESTABLISHED_DAYS),
        }
    }

    /// Notes an attempt of an account, for which the range is usual or not, and tells who else calls it; a dry run tells it alone.
    pub fn observe(
        &self,
        caller: &RangeCaller,
        range: RangeMark,
        usual: bool,
        at: Timestamp,
        counting: Counting,
    ) -> RangeCallers {
        let now = seconds(at);
        let key = (range, caller.domain);
        match counting {
            Counting::Counts => {
                let within = self.within.update(key, |callers| {
                    note(callers.crowd(usual), caller.account, now);
                    callers.beside(caller.account, now)
                });
                let elsewhere = if caller.established {
                    let witness = caller.witness(now);
                    self.across.update(range, |domains| {
                        // Before it is noted: it may take the place of another domain with the same network.
                        let beside = domains.beside(caller.domain, now);
                        domains.crowd(usual).note(witness);
                        beside
                    })
                } else {
                    self.elsewhere(caller, range, now)
                };
                RangeCallers {
                    elsewhere,
                    ..within
                }
            }
            Counting::Again | Counting::Peeks => {
                let within = self
                    .within
                    .read(&key, |callers| callers.beside(caller.account, now));
                RangeCallers {
                    elsewhere: self.elsewhere(caller, range, now),
                    ..within.unwrap_or_default()
                }
            }
        }
    }

    fn elsewhere(&self, caller: &RangeCaller, range: RangeMark, now: u32) -> Elsewhere {
        self.across
            .read(&range, |domains| domains.beside(caller.domain, now))
            .unwrap_or_default()
    }

    /// Notes that a call of an account, for which the range is not usual, was answered for moments.
    pub fn test(&self, caller: &RangeCaller, range: RangeMark, at: Timestamp) {
        let now = seconds(at);
        self.within.update((range, caller.domain), |callers| {
            callers.tester = Caller {
                account: caller.account,
                at: now,
            };
        });
        if caller.established {
            let witness = caller.witness(now);
            self.across
                .update(range, |domains| domains.testers.note(witness));
        }
    }

    /// Notes a regular from what is known of an account.
    pub fn restore(&self, caller: &RangeCaller, range: RangeMark, at: Timestamp) {
        let now = seconds(at);
        self.within.update((range, caller.domain), |callers| {
            note(&mut callers.regulars, caller.account, now);
        });
        let witness = caller.witness(now);
        self.across
            .update(range, |domains| domains.regulars.note(witness));
    }
}

impl RangeCaller {
    fn witness(&self, at: u32) -> Witness {
        Witness {
            domain: self.domain,
            network: self.network,
            at,
        }
    }
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

impl Domains {
    fn crowd(&mut self, usual: bool) -> &mut Witnesses {
        if usual {
            &mut self.regulars
        } else {
            &mut self.newcomers
        }
    }

    fn beside(&self, domain: DomainMark, now: u32) -> Elsewhere {
        Elsewhere {
            newcomers: self.newcomers.beside(domain, now, CAMPAIGN),
            regulars: self.regulars.beside(domain, now, REGULAR),
            tested: self.testers.beside(domain, now, WARNING) > 0,
        }
    }
}

impl Callers {
    fn crowd(&mut self, usual: bool) -> &mut Crowd {
        if usual {
            &mut self.regulars
        } else {
            &mut self.newcomers
        }
    }

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
            elsewhere: Elsewhere::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    fn start() -> Timestamp {
        "2026-06-08T02:00:00Z".parse().unwrap()
    }

    fn traits(ip: &str) -> Traits {
        let number = "37128054190".parse().unwrap();
        Traits::of(Some((None, &number)), ip.parse().ok(), "")
    }

    /// An account that is known for a week.
    fn caller(ranges: &Ranges, account: &str, ip: &str, at: Timestamp) -> RangeCaller {
        let mut habits = Habits::default();
        habits.learn(&traits(ip), HabitDay::of(at - (7 * 24).hours()));
        let account = account.parse().unwrap();
        ranges.caller(&account, &traits(ip), Some(&habits), HabitDay::of(at))
    }

    fn calls_from(
        ranges: &Ranges,
        account: &str,
        ip: &str,
        usual: bool,
        at: Timestamp,
    ) -> RangeCallers {
        let caller = caller(ranges, account, ip, at);
        let range = traits(ip).range().unwrap();
        ranges.observe(&caller, range, usual, at, Counting::Counts)
    }

    fn calls(ranges: &Ranges, account: &str, usual: bool, at: Timestamp) -> RangeCallers {
        calls_from(ranges, account, "192.0.2.7", usual, at)
    }

    fn test(ranges: &Ranges, account: &str, at: Timestamp) {
        let caller = caller(ranges, account, "192.0.2.7", at);
        ranges.test(&caller, traits("192.0.2.7").range().unwrap(), at);
    }

    #[test]
    fn other_accounts_that_are_new_to_a_range_are_counted_once_each_for_some_hours() {
        let ranges = Ranges::with_capacity(1_000);
        for _ in 0..3 {
            assert_eq!(calls(&ranges, "alice@a.b", false, start()).newcomers, 0);
        }
        assert_eq!(calls(&ranges, "bob@a.b", false, start()).newcomers, 1);
        assert_eq!(calls(&ranges, "carol@a.b", false, start()).newcomers, 2);
        assert_eq!(
            calls(&ranges, "carol@a.b", false, start() + 7.hours()).newcomers,
            0
        );
        for account in 0..100 {
            let account = format!("{account}@a.b");
            calls(&ranges, &account, false, start() + 8.hours());
        }
        let many = calls(&ranges, "alice@a.b", false, start() + 8.hours());
        assert!(usize::from(many.newcomers) >= TOLD_APART - 1);
    }

    #[test]
    fn who_called_for_moments_warns_for_a_day_and_may_call_back() {
        let ranges = Ranges::with_capacity(1_000);
        calls(&ranges, "alice@a.b", false, start());
        test(&ranges, "alice@a.b", start());
        let tested = |account, after| calls(&ranges, account, false, start() + after);
        assert_eq!(tested("alice@a.b", 5.minutes()).tested, None);
        let another = tested("bob@a.b", 5.minutes());
        assert_eq!(another.tested, Some(Tested::Another));
        let itself = tested("alice@a.b", 3.hours());
        assert_eq!(itself.tested, Some(Tested::Itself));
        assert_eq!(tested("bob@a.b", 25.hours()).tested, None);
        let elsewhere = tested("carol@c.d", 5.minutes());
        assert_eq!((elsewhere.tested, elsewhere.elsewhere.tested), (None, true));
        assert!(!tested("carol@c.d", 25.hours()).elsewhere.tested);
    }

    #[test]
    fn a_range_with_regulars_is_an_ordinary_one() {
        let ranges = Ranges::with_capacity(1_000);
        calls(&ranges, "alice@a.b", true, start());
        let bob = |at| calls(&ranges, "bob@a.b", false, at);
        assert_eq!(bob(start() + 700.hours()).regulars, 1);
        assert_eq!(bob(start() + 721.hours()).regulars, 0);
    }

    #[test]
    fn a_domain_is_one_witness_for_others_and_so_is_a_network() {
        let ranges = Ranges::with_capacity(1_000);
        let victim = || calls(&ranges, "victim@v.example", false, start()).elsewhere;
        for account in 0..50 {
            let ip = format!("198.51.{account}.1");
            calls_from(
                &ranges,
                &format!("{account}@a.b"),
                &ip,
                account % 2 == 0,
                start(),
            );
        }
        assert_eq!((victim().newcomers, victim().regulars), (1, 1));
        for domain in 0..50 {
            let account = format!("bob@d{domain}.example");
            calls_from(&ranges, &account, "203.0.113.7", false, start());
        }
        assert_eq!(victim().newcomers, 2, "the first domain, and one network");
        calls_from(&ranges, "carol@e.example", "192.88.9.1", false, start());
        assert_eq!(victim().newcomers, 3);
        // What others do does not push out what a domain knows of itself.
        calls(&ranges, "colleague@v.example", false, start());
        for account in 0..50 {
            calls(&ranges, &format!("{account}@a.b"), false, start());
        }
        let within = calls(&ranges, "victim@v.example", false, start());
        assert_eq!(within.newcomers, 1);
    }

    #[test]
    fn an_account_that_has_just_come_is_no_witness() {
        let ranges = Ranges::with_capacity(1_000);
        let today = HabitDay::of(start());
        let mut habits = Habits::default();
        let range = traits("192.0.2.7").range().unwrap();
        for (first, witnesses) in [(6, 0), (7, 1)] {
            let first = start() - (24 * first).hours();
            habits.learn(&traits("192.0.2.7"), HabitDay::of(first));
            let new = "new@a.b".parse().unwrap();
            let new = ranges.caller(&new, &traits("192.0.2.7"), Some(&habits), today);
            ranges.observe(&new, range, false, start(), Counting::Counts);
            ranges.test(&new, range, start());
            let other = calls(&ranges, "alice@c.d", false, start()).elsewhere;
            assert_eq!((other.newcomers, other.tested), (witnesses, witnesses == 1));
        }
    }
}
