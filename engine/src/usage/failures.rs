//! Failed verifications, and the locks that they bring (R17).
//!
//! They count for the account; and for what a guesser of many accounts can't change as easily: the network that the call came
//! from, the trunk, the policy's PIN. All of it counts within one domain, so that nobody locks another tenant out.

use std::fmt;

use jiff::Timestamp;

use super::{Origin, aging::Aging};
use crate::{call::AccountId, network::SourceNetwork};

/// How often a lock doubles at the most, beyond which it has long reached the longest.
const DOUBLINGS: u32 = 20;

/// How many failures are borne, and for how long more of them lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureLimit {
    /// Failures within `window` that are borne; one more locks. `None`: any number.
    pub max: Option<u32>,
    /// How long failures count and the first lock lasts, in seconds. Each further lock lasts twice as long as the one before.
    pub window: u32,
    /// How long a lock lasts at the most, in seconds. After as long without a lock the next is a first one again.
    pub longest: u32,
}

/// What a policy bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureLimits {
    /// Of an account.
    pub account: FailureLimit,
    /// From one network.
    pub source: FailureLimit,
    /// Over one trunk.
    pub trunk: FailureLimit,
    /// Against the policy's PIN.
    pub pin: FailureLimit,
}

/// What failures are counted for beside the account.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spot {
    /// The domain of the accounts that failed.
    pub domain: Box<str>,
    /// What they have in common.
    pub kind: SpotKind,
}

/// What accounts that failed have in common. Failures of unknown accounts, which anybody can invent, lock only unknown
/// accounts out.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SpotKind {
    /// Where the calls came from.
    Source {
        /// The network.
        network: SourceNetwork,
        /// Whether known accounts failed.
        known: bool,
    },
    /// Over what they came.
    Trunk {
        /// The trunk, as the switch names it.
        name: Box<str>,
        /// Whether known accounts failed.
        known: bool,
    },
    /// The PIN of this policy.
    Pin {
        /// The policy's name.
        policy: Box<str>,
    },
}

/// How something stands that failures are counted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// Failures that count now.
    pub failures: u32,
    /// Set while it is locked: since when, in seconds since 1970.
    pub since: i64,
    /// Set while it is locked: until when, in seconds since 1970.
    pub until: Option<i64>,
    /// Where the last failure came from, as far as it was told.
    pub network: Option<SourceNetwork>,
}

impl Lock {
    /// As a reason: of an account, or of what accounts have in common.
    pub fn of(self, spot: Option<Spot>) -> Option<Locked> {
        self.until.map(|until| Locked {
            spot,
            failures: self.failures,
            until,
        })
    }
}

/// Why nobody can verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// What is locked; `None`: the account.
    pub spot: Option<Spot>,
    /// Failures that led to it.
    pub failures: u32,
    /// Until when, in seconds since 1970.
    pub until: i64,
}

/// `4 failed verifications lock the account until 2026-06-08T13:00:00Z`
impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = Timestamp::from_second(self.until).unwrap_or(Timestamp::MAX);
        write!(f, "{} failed verifications lock ", self.failures)?;
        match &self.spot {
            None => f.write_str("the account")?,
            Some(spot) => spot.fmt(f)?,
        }
        write!(f, " until {until}")
    }
}

/// `verification from 203.0.113.7 for accounts of example.com`
impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = &self.domain;
        let whose = |known: bool| {
            if known {
                "accounts"
            } else {
                "unknown accounts"
            }
        };
        match &self.kind {
            SpotKind::Source { network, known } => {
                let whose = whose(*known);
                write!(f, "verification from {network} for {whose} of {domain}")
            }
            SpotKind::Trunk { name, known } => {
                let whose = whose(*known);
                write!(f, "verification over trunk {name} for {whose} of {domain}")
            }
            SpotKind::Pin { policy } => {
                write!(f, "the PIN of policy {policy} for accounts of {domain}")
            }
        }
    }
}

impl Spot {
    /// Where a call of an account came from and over what.
    fn of_call(account: &AccountId, known: bool, origin: &Origin) -> [Option<Self>; 2] {
        let domain = account.domain();
        let spot = |kind| Self {
            domain: domain.into(),
            kind,
        };
        let source = origin
            .network
            .map(|network| spot(SpotKind::Source { network, known }));
        let trunk = (!origin.trunk.is_empty()).then(|| {
            let name = origin.trunk.clone();
            spot(SpotKind::Trunk { name, known })
        });
        [source, trunk]
    }

    /// The PIN of the policy that an account is under.
    pub fn pin(account: &AccountId, policy: &str) -> Self {
        Self {
            domain: account.domain().into(),
            kind: SpotKind::Pin {
                policy: policy.into(),
            },
        }
    }

    fn limit(&self, limits: &FailureLimits) -> FailureLimit {
        match self.kind {
            SpotKind::Source { .. } => limits.source,
            SpotKind::Trunk { .. } => limits.trunk,
            SpotKind::Pin { .. } => limits.pin,
        }
    }
}

/// Failures since the last lock was over, in seconds since 1970, oldest first; and how often it was locked.
#[derive(Debug, Default)]
struct Strikes {
    times: Vec<i64>,
    locks: u32,
    unlocked_at: i64,
    network: Option<SourceNetwork>,
    /// The limit that the last failure was counted by.
    limit: Option<FailureLimit>,
}

impl Strikes {
    fn until(&self, limit: &FailureLimit) -> Option<i64> {
        let max = limit.max?;
        let last = self.times.last()?;
        (self.times.len() > max as usize).then(|| {
            let longest = i64::from(limit.longest.max(limit.window));
            let lasts = i64::from(limit.window) << self.locks.min(DOUBLINGS);
            last + lasts.min(longest)
        })
    }

    fn lock(&self, limit: &FailureLimit, now: i64) -> Lock {
        let until = self.until(limit);
        let failures = match until {
            // It was locked, and begins anew.
            Some(until) if until <= now => 0,
            Some(_) => self.times.len(),
            None => {
                let since = now - i64::from(limit.window);
                self.times.iter().filter(|time| **time > since).count()
            }
        };
        Lock {
            failures: u32::try_from(failures).unwrap_or(u32::MAX),
            since: self.times.last().copied().unwrap_or_default(),
            until: until.filter(|until| *until > now),
            network: self.network,
        }
    }

    /// Counts a failure. What is locked already has nothing to count: nobody can renew a lock.
    fn record(&mut self, limit: &FailureLimit, network: Option<SourceNetwork>, now: i64) {
        let Some(max) = limit.max else {
            return;
        };
        if let Some(until) = self.until(limit) {
            if until > now {
                return;
            }
            self.locks += 1;
            self.unlocked_at = until;
            self.times.clear();
        }
        if now - self.unlocked_at > i64::from(limit.longest.max(limit.window)) {
            self.locks = 0;
        }
        let since = now - i64::from(limit.window);
        self.times.retain(|time| *time > since);
        if self.times.len() > max as usize {
            self.times.remove(0);
        }
        let place = self.times.partition_point(|time| *time <= now);
        self.times.insert(place, now);
        self.network = network.or(self.network);
        self.limit = Some(*limit);
    }
}

/// When verifications failed.
#[derive(Debug)]
pub struct Failures {
    accounts: Aging<AccountId, Strikes>,
    spots: Aging<Spot, Strikes>,
}

impl Failures {
    /// Nothing counted yet; about so many accounts, and as many networks, trunks and PINs together, are watched at the most.
    pub fn with_capacity(keys: usize) -> Self {
        Self {
            accounts: Aging::with_capacity(keys),
            spots: Aging::with_capacity(keys),
        }
    }

    /// Counts a failure of an account alone, as far as more is not known of it.
    pub fn record(&self, account: &AccountId, limit: &FailureLimit, at: Timestamp) -> Lock {
        self.record_from(account, limit, None, at)
    }

    /// Counts a failure of an account, and where its call came from, whatever guessed the policy's PIN being counted by
    /// [`Self::record_pin`]; the locks that it brought beside the account's.
    pub fn record_call(
        &self,
        account: &AccountId,
        known: bool,
        origin: &Origin,
        limits: &FailureLimits,
        at: Timestamp,
    ) -> (Lock, Vec<Locked>) {
        let lock = self.record_from(account, &limits.account, origin.network, at);
        let brought = Spot::of_call(account, known, origin)
            .into_iter()
            .flatten()
            .filter_map(|spot| self.record_spot(spot, origin, limits, at))
            .collect();
        (lock, brought)
    }

    /// Counts a failure against the PIN of a policy; the lock that it brought.
    pub fn record_pin(
        &self,
        account: &AccountId,
        policy: &str,
        origin: &Origin,
        limits: &FailureLimits,
        at: Timestamp,
    ) -> Option<Locked> {
        self.record_spot(Spot::pin(account, policy), origin, limits, at)
    }

    fn record_from(
        &self,
        account: &AccountId,
        limit: &FailureLimit,
        network: Option<SourceNetwork>,
        at: Timestamp,
    ) -> Lock {
        let now = at.as_second();
        self.accounts.update(account.clone(), |strikes| {
            strikes.record(limit, network, now);
            strikes.lock(limit, now)
        })
    }

    fn record_spot(
        &self,
        spot: Spot,
        origin: &Origin,
        limits: &FailureLimits,
        at: Timestamp,
    ) -> Option<Locked> {
        let (limit, now) = (spot.limit(limits), at.as_second());
        limit.max?;
        let (before, after) = self.spots.update(spot.clone(), |strikes| {
            let before = strikes.lock(&limit, now);
            strikes.record(&limit, origin.network, now);
            (before, strikes.lock(&limit, now))
        });
        after.of(Some(spot)).filter(|_| before.until.is_none())
    }

    /// How an account stands.
    pub fn lock(&self, account: &AccountId, limit: &FailureLimit, at: Timestamp) -> Lock {
        self.accounts
            .read(account.as_str(), |strikes| {
                strikes.lock(limit, at.as_second())
            })
            .unwrap_or_default()
    }

    /// Why an account can't verify from where a call of it came, if so.
    pub fn locked(
        &self,
        account: &AccountId,
        known: bool,
        origin: &Origin,
        limits: &FailureLimits,
        at: Timestamp,
    ) -> Option<Locked> {
        self.lock(account, &limits.account, at)
            .of(None)
            .or_else(|| {
                Spot::of_call(account, known, origin)
                    .into_iter()
                    .flatten()
                    .find_map(|spot| self.spot_locked(spot, limits, at))
            })
    }

    /// Whether the PIN of the policy that an account is under is locked.
    pub fn pin_locked(
        &self,
        account: &AccountId,
        policy: &str,
        limits: &FailureLimits,
        at: Timestamp,
    ) -> Option<Locked> {
        self.spot_locked(Spot::pin(account, policy), limits, at)
    }

    fn spot_locked(&self, spot: Spot, limits: &FailureLimits, at: Timestamp) -> Option<Locked> {
        let limit = spot.limit(limits);
        limit.max?;
        let lock = self
            .spots
            .read(&spot, |strikes| strikes.lock(&limit, at.as_second()))?;
        lock.of(Some(spot))
    }

    /// Forgets the failures of an account; whether there were any.
    pub fn forget(&self, account: &AccountId) -> bool {
        self.accounts.remove(account.as_str())
    }

    /// Forgets the failures of a network, a trunk or a PIN; whether there were any.
    pub fn forget_spot(&self, spot: &Spot) -> bool {
        self.spots.remove(spot)
    }

    /// The accounts that are locked, each by the limit of its policy.
    pub fn locked_accounts(
        &self,
        limit: impl Fn(&AccountId) -> FailureLimit,
        at: Timestamp,
    ) -> Vec<(AccountId, Lock)> {
        let mut locked = Vec::new();
        self.accounts.each(|account, strikes| {
            let lock = strikes.lock(&limit(account), at.as_second());
            if lock.until.is_some() {
                locked.push((account.clone(), lock));
            }
        });
        locked
    }

    /// The networks, trunks and PINs that are locked.
    pub fn locked_spots(&self, at: Timestamp) -> Vec<(Spot, Lock)> {
        let mut locked = Vec::new();
        self.spots.each(|spot, strikes| {
            let lock = strikes
                .limit
                .map(|limit| strikes.lock(&limit, at.as_second()));
            if let Some(lock) = lock.filter(|lock| lock.until.is_some()) {
                locked.push((spot.clone(), lock));
            }
        });
        locked
    }

    /// The PINs of policies that are not locked and were typed wrong at least half as often as is borne.
    pub fn pins_half_way(&self, at: Timestamp) -> Vec<PinHalfWay> {
        let mut tried = Vec::new();
        self.spots.each(|spot, strikes| {
            let (SpotKind::Pin { .. }, Some(limit)) = (&spot.kind, strikes.limit) else {
                return;
            };
            let lock = strikes.lock(&limit, at.as_second());
            let half_way = |max: &u32| lock.until.is_none() && 2 * lock.failures >= (*max).max(1);
            if let Some(max) = limit.max.filter(half_way) {
                tried.push(PinHalfWay {
                    pin: spot.clone(),
                    failures: lock.failures,
                    max,
                    seconds: limit.window,
                });
            }
        });
        tried
    }
}

/// A policy's PIN that is guessed, or badly known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinHalfWay {
    /// Which.
    pub pin: Spot,
    /// How often it was typed wrong of late.
    pub failures: u32,
    /// How often is borne.
    max: u32,
    /// Within how many seconds.
    seconds: u32,
}

/// `the PIN of policy default for accounts of example.com was typed wrong 25 times within 24 h; more than 50 lock it`
impl fmt::Display for PinHalfWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pin,
            failures,
            max,
            seconds,
        } = self;
        write!(
            f,
            "{pin} was typed wrong {failures} times within {} h; more than {max} lock it",
            seconds.div_ceil(3_600)
        )
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use proptest::prelude::*;

    use super::*;

    const HOUR: u32 = 3_600;
    const LIMIT: FailureLimit = FailureLimit {
        max: Some(3),
        window: HOUR,
        longest: 24 * HOUR,
    };
    const LIMITS: FailureLimits = FailureLimits {
        account: LIMIT,
        source: FailureLimit {
            max: Some(9),
            ..LIMIT
        },
        trunk: FailureLimit { max: None, ..LIMIT },
        pin: FailureLimit {
            max: Some(5),
            ..LIMIT
        },
    };

    fn noon() -> Timestamp {
        "2026-06-08T12:00:00Z".parse().unwrap()
    }

    fn origin(ip: &str, trunk: &str) -> Origin {
        Origin {
            network: ip.parse().ok().map(|ip: std::net::IpAddr| ip.into()),
            trunk: trunk.into(),
        }
    }

    #[test]
    fn one_failure_over_the_maximum_locks_for_the_lock_time() {
        let failures = Failures::with_capacity(1_000);
        let account = "a@b".parse().unwrap();
        let start = noon();
        for minute in 0..3 {
            let lock = failures.record(&account, &LIMIT, start + minute.minutes());
            assert_eq!(lock.until, None);
        }
        let lock = failures.record(&account, &LIMIT, start + 3.minutes());
        let until = (start + 63.minutes()).as_second();
        assert_eq!((lock.failures, lock.until), (4, Some(until)));
        let at = |minutes: i64| failures.lock(&account, &LIMIT, start + minutes.minutes());
        assert!(at(62).until.is_some());
        assert_eq!((at(63).until, at(63).failures), (None, 0));
        assert!(failures.forget(&account) && !failures.forget(&account));
        assert_eq!(at(3).failures, 0);
    }

    #[test]
    fn a_lock_grows_up_to_the_longest_and_a_quiet_time_forgets_that() {
        let failures = Failures::with_capacity(1_000);
        let account = "a@b".parse().unwrap();
        let mut at = noon();
        let lock = |at: Timestamp| {
            for _ in 0..4 {
                failures.record(&account, &LIMIT, at);
            }
            failures.lock(&account, &LIMIT, at).until.unwrap() - at.as_second()
        };
        let hours: Vec<i64> = (0..7)
            .map(|_| {
                let lasts = lock(at);
                at += lasts.seconds();
                lasts / i64::from(HOUR)
            })
            .collect();
        assert_eq!(hours, [1, 2, 4, 8, 16, 24, 24]);
        assert_eq!(lock(at + 25.hours()), i64::from(HOUR));
    }

    #[test]
    fn nobody_renews_a_lock() {
        let failures = Failures::with_capacity(1_000);
        let account = "a@b".parse().unwrap();
        for _ in 0..4 {
            failures.record(&account, &LIMIT, noon());
        }
        let until = failures.lock(&account, &LIMIT, noon()).until;
        for minute in 1..60 {
            let lock = failures.record(&account, &LIMIT, noon() + minute.minutes());
            assert_eq!(lock.until, until);
        }
    }

    #[test]
    fn invented_accounts_lock_their_source_for_invented_accounts_alone() {
        let failures = Failures::with_capacity(10_000);
        let (here, there) = (origin("203.0.113.7", ""), origin("203.0.113.8", ""));
        let mut brought = Vec::new();
        for number in 0..10 {
            let account = format!("{number}@b").parse().unwrap();
            let (lock, locks) = failures.record_call(&account, false, &here, &LIMITS, noon());
            assert_eq!(lock.until, None);
            brought.extend(locks);
        }
        assert_eq!(brought.len(), 1);
        assert_eq!(
            brought[0].to_string(),
            "10 failed verifications lock verification from 203.0.113.7 for unknown accounts of b until \
             2026-06-08T13:00:00Z"
        );
        let stranger = "new@b".parse().unwrap();
        let locked = |known, origin: &Origin, account: &AccountId| {
            failures
                .locked(account, known, origin, &LIMITS, noon())
                .is_some()
        };
        assert!(locked(false, &here, &stranger));
        assert!(!locked(false, &there, &stranger));
        assert!(!locked(true, &here, &stranger));
        // Another tenant's are not concerned.
        assert!(!locked(false, &here, &"new@c".parse().unwrap()));
        let spots = failures.locked_spots(noon());
        assert_eq!(spots.len(), 1);
        assert!(failures.forget_spot(&spots[0].0));
        assert!(!locked(false, &here, &stranger));
    }

    #[test]
    fn a_pin_is_locked_over_all_accounts_of_its_domain() {
        let failures = Failures::with_capacity(10_000);
        let guess = |number: u32| {
            let account = format!("{number}@b").parse().unwrap();
            let from = origin(&format!("203.0.113.{number}"), "");
            failures.record_pin(&account, "default", &from, &LIMITS, noon())
        };
        assert!((0..2).all(|number| guess(number).is_none()));
        assert_eq!(failures.pins_half_way(noon()), []);
        assert!((2..5).all(|number| guess(number).is_none()));
        assert_eq!(
            failures.pins_half_way(noon())[0].to_string(),
            "the PIN of policy default for accounts of b was typed wrong 5 times within 1 h; more than 5 lock it"
        );
        assert!(guess(5).is_some());
        // It is told once.
        assert!(guess(6).is_none());
        assert_eq!(failures.pins_half_way(noon()), []);
        let locked = |account: &str| {
            failures.pin_locked(&account.parse().unwrap(), "default", &LIMITS, noon())
        };
        assert!(locked("alice@b").is_some() && locked("alice@c").is_none());
    }

    #[test]
    fn what_is_not_bounded_is_not_remembered() {
        let failures = Failures::with_capacity(10_000);
        let over = origin("", "carrier");
        for number in 0..100 {
            let account = format!("{number}@b").parse().unwrap();
            failures.record_call(&account, true, &over, &LIMITS, noon());
        }
        assert_eq!(failures.spots.len(), 0);
    }

    proptest! {
        /// However failures come, a lock ends by the longest time after the last of them, and at most `max` and one count.
        #[test]
        fn every_lock_ends(gaps in prop::collection::vec(0_i64..200_000, 1..60)) {
            let failures = Failures::with_capacity(1_000);
            let account = "a@b".parse().unwrap();
            let mut at = noon();
            for gap in gaps {
                at += gap.seconds();
                let lock = failures.record(&account, &LIMIT, at);
                prop_assert!(lock.failures <= 4);
                prop_assert!(lock.until.is_none_or(|until| until <= at.as_second() + i64::from(LIMIT.longest)));
                prop_assert!(lock.until.is_none_or(|until| until > at.as_second()));
            }
            prop_assert_eq!(failures.lock(&account, &LIMIT, at + 25.hours()).until, None);
        }
    }
}
