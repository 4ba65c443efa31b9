//! The day's look-ups, and who may spend them.
//!
//! The service counts look-ups a day, and anybody on the internet can make them necessary: by calling from many addresses with accounts
//! that do not exist. So a part of the day's look-ups is for known accounts alone, what unknown ones may have is spread over the day, and one
//! account can't spend what all need.

use hashbrown::HashMap;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use parking_lot::Mutex;
use std::sync::Arc;
use tfps_engine::usage::AccountMark;

use super::metrics::Instruments;

/// Whose call makes a look-up necessary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A known account's.
    Known(AccountMark),
    /// An unknown one's, of which there are as many as anybody likes.
    Unknown,
}

/// For how long an operator is told that look-ups were held back, and how often it is logged.
const TOLD: SignedDuration = SignedDuration::from_mins(10);
const DAY: i64 = 86_400;
/// The part of a day's share that unknown accounts can spend at once: an hour's.
const AT_ONCE_UNKNOWN: u32 = 24;
/// The same of known accounts: at nine in the morning many call for the first time.
const AT_ONCE_KNOWN: u32 = 2;
/// The part of a day's look-ups that one account can spend, but at least so many.
const OF_ONE_ACCOUNT: u32 = 20;
const LEAST_OF_ONE_ACCOUNT: u32 = 10;

/// What may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Look-ups a day, until the service says how many there are.
    pub(super) daily: u32,
    /// The part that is for known accounts alone, in percent.
    pub(super) reserved_percent: u32,
}

impl Plan {
    /// Of a configuration.
    pub(super) fn of(config: &crate::config::AbuseIpdb) -> Self {
        Self {
            daily: config.daily_look_ups,
            reserved_percent: config.reserved_percent,
        }
    }
}

/// What the service says of the day's look-ups (`X-RateLimit-Limit`, `X-RateLimit-Remaining`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) limit: u32,
    pub(super) remaining: u32,
}

/// The day's look-ups. Its clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    day: Arc<Mutex<Day>>,
    metrics: Instruments,
}

/// A look-up that is spent. When it is dropped, the service has counted it.
#[derive(Debug)]
pub(super) struct Spent(Arc<Mutex<Day>>);

impl Drop for Spent {
    fn drop(&mut self) {
        let mut day = self.0.lock();
        day.under_way = day.under_way.saturating_sub(1);
    }
}

#[derive(Debug)]
struct Day {
    plan: Plan,
    /// How many there are a day, as far as that is known.
    limit: u32,
    /// When the service counts anew: at midnight UTC.
    ends: Timestamp,
    /// How many are left.
    left: u32,
    /// How many of them are under way, and not yet counted by the service.
    under_way: u32,
    by_known: u32,
    by_unknown: u32,
    /// Only look-ups that were granted make it grow.
    by_account: HashMap<AccountMark, u32>,
    known: Bucket,
    unknown: Bucket,
    held_back: HeldBack,
}

/// Look-ups that were not made.
#[derive(Debug, Default)]
struct HeldBack {
    /// How many today: of known accounts, and of unknown ones.
    today: [u64; 2],
    last: Option<Timestamp>,
    logged: Option<Timestamp>,
}

/// How many can be spent at once, as of a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    holds: f64,
    at: Timestamp,
}

impl Bucket {
    fn full(most: u32, at: Timestamp) -> Self {
        Self {
            holds: f64::from(most.max(1)),
            at,
        }
    }

    /// Takes one, where there is one: `most` at once, `daily` a day.
    fn fill(&mut self, most: u32, daily: u32, at: Timestamp) -> bool {
        let passed = at.duration_since(self.at).as_secs_f64().max(0.0);
        let grown = passed * f64::from(daily) / DAY as f64;
        self.holds = (self.holds + grown).min(f64::from(most.max(1)));
        self.at = at;
        self.holds >= 1.0
    }
}

impl Budget {
    pub(super) fn new(plan: Plan, metrics: Instruments, at: Timestamp) -> Self {
        Self {
            day: Arc::new(Mutex::new(Day::new(plan, at))),
            metrics,
        }
    }

    /// Takes another plan; what is spent of the day is spent, unless it was another key's.
    pub(super) fn set(&self, plan: Plan, is_another_key: bool, at: Timestamp) {
        let mut day = self.day.lock();
        if is_another_key || day.plan.daily != plan.daily {
            let under_way = day.under_way;
            *day = Day::new(plan, at);
            day.under_way = under_way;
        }
        day.plan = plan;
    }

    /// Spends a look-up, where the asker may.
    pub(super) fn spend(&self, asker: Asker, at: Timestamp) -> Option<Spent> {
        let mut day = self.day.lock();
        let may = day.spend(asker, at);
        self.metrics.look_ups_left.set(day.left.into());
        if may {
            drop(day);
            return Some(Spent(Arc::clone(&self.day)));
        }
        let is_unknown = asker == Asker::Unknown;
        self.metrics.held_back[usize::from(is_unknown)].inc();
        if let Some(notice) = day.hold_back(is_unknown, at) {
            drop(day);
            tracing::warn!("{notice}");
        }
        None
    }

    /// Takes what the service says with an answer, whose look-up is still under way.
    pub(super) fn told(&self, told: Told, at: Timestamp) {
        let mut day = self.day.lock();
        day.told(told, at);
        self.metrics.look_ups_left.set(day.left.into());
    }

    /// What an operator should know: that look-ups were held back of late.
    pub(super) fn notice(&self, at: Timestamp) -> Option<String> {
        let day = self.day.lock();
        let of_late = day
            .held_back
            .last
            .is_some_and(|last| at.duration_since(last) < TOLD);
        of_late.then(|| day.notice())
    }
}

impl Day {
    fn new(plan: Plan, at: Timestamp) -> Self {
        let mut day = Self {
            plan,
            limit: plan.daily,
            ends: next_midnight(at),
            left: plan.daily,
            under_way: 0,
            by_known: 0,
            by_unknown: 0,
            by_account: HashMap::new(),
            known: Bucket::default(),
            unknown: Bucket::default(),
            held_back: HeldBack::default(),
        };
        day.known = Bucket::full(day.limit / AT_ONCE_KNOWN, at);
        day.unknown = Bucket::full(day.share_of_unknown() / AT_ONCE_UNKNOWN, at);
        day
    }

    /// How many are for known accounts alone.
    fn reserve(&self) -> u32 {
        let part = u64::from(self.limit) * u64::from(self.plan.reserved_percent.min(100)) / 100;
        u32::try_from(part).unwrap_or(u32::MAX)
    }

    fn share_of_unknown(&self) -> u32 {
        self.limit - self.reserve()
    }

    fn share_of_account(&self) -> u32 {
        (self.limit / OF_ONE_ACCOUNT).max(LEAST_OF_ONE_ACCOUNT)
    }

    fn spend(&mut self, asker: Asker, at: Timestamp) -> bool {
        if at >= self.ends {
            self.begin(self.limit, at);
        }
        let (limit, share) = (self.limit, self.share_of_unknown());
        match asker {
            Asker::Known(account) => {
                let most = self.share_of_account();
                let of_account = self.by_account.get(&account).copied().unwrap_or_default();
                if self.left == 0
                    || of_account >= most
                    || !self.known.fill(limit / AT_ONCE_KNOWN, limit, at)
                {
                    return false;
                }
                self.known.holds -= 1.0;
                self.by_known += 1;
                *self.by_account.entry(account).or_default() += 1;
            }
            Asker::Unknown => {
                let reserved = self.reserve().saturating_sub(self.by_known);
                if self.left <= reserved
                    || self.by_unknown >= share
                    || !self.unknown.fill(share / AT_ONCE_UNKNOWN, share, at)
                {
                    return false;
                }
                self.unknown.holds -= 1.0;
                self.by_unknown += 1;
            }
        }
        self.left -= 1;
        self.under_way += 1;
        true
    }

    fn begin(&mut self, left: u32, at: Timestamp) {
        self.ends = next_midnight(at);
        self.left = left;
        (self.by_known, self.by_unknown) = (0, 0);
        self.by_account = HashMap::new();
        self.held_back.today = [0, 0];
    }

    fn told(&mut self, told: Told, at: Timestamp) {
        if told.limit != self.limit && told.limit > 0 {
            self.limit = told.limit;
            let share = self.share_of_unknown();
            self.known = Bucket::full(self.limit / AT_ONCE_KNOWN, at);
            self.unknown = Bucket::full(share / AT_ONCE_UNKNOWN, at);
            self.left = told.remaining;
        }
        let others = self.under_way.saturating_sub(1);
        let left = told.remaining.min(self.limit).saturating_sub(others);
        // Much more than there can be is another day's.
        if left > self.left.saturating_add(self.limit / 10) {
            self.begin(left, at);
        }
        self.left = left;
    }

    /// Notes that a look-up is not made; what to log, once in a while.
    fn hold_back(&mut self, is_unknown: bool, at: Timestamp) -> Option<String> {
        let held_back = &mut self.held_back;
        held_back.today[usize::from(is_unknown)] += 1;
        held_back.last = Some(at);
        if held_back
            .logged
            .is_some_and(|logged| at.duration_since(logged) < TOLD)
        {
            return None;
        }
        held_back.logged = Some(at);
        Some(self.notice())
    }

    fn notice(&self) -> String {
        let [known, unknown] = self.held_back.today;
        format!(
            "abuseipdb: look-ups are held back: today {unknown} for calls of unknown accounts and {known} of known ones; {} of {} are left \
             until {}, of which {} are reserved for known accounts (abuseipdb.reserved_percent). Such calls are decided by the policy's \
             reputation.on_unavailable",
            self.left,
            self.limit,
            self.ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
            self.reserve().saturating_sub(self.by_known).min(self.left),
        )
    }
}

fn next_midnight(at: Timestamp) -> Timestamp {
    let today = at.to_zoned(TimeZone::UTC).date();
    today
        .tomorrow()
        .ok()
        .and_then(|tomorrow| TimeZone::UTC.to_timestamp(tomorrow.at(0, 0, 0, 0)).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use prometheus_client::registry::Registry;
    use proptest::prelude::*;
    use tfps_engine::usage::Watch;

    use super::*;

    static WATCH: LazyLock<Watch> = LazyLock::new(|| Watch::with_capacity(1));

    const FREE: Plan = Plan {
        daily: 1_000,
        reserved_percent: 50,
    };

    fn morning() -> Timestamp {
        "2026-06-08T09:00:00Z".parse().unwrap()
    }

    fn budget() -> Budget {
        let metrics = Instruments::register(&mut Registry::default());
        Budget::new(FREE, metrics, morning())
    }

    fn account(number: usize) -> Asker {
        let name = format!("{number}@example.com");
        Asker::Known(WATCH.mark(&name))
    }

    /// How many of so many look-ups are made, one a so-manieth of a second.
    fn made(budget: &Budget, asker: Asker, times: i64, at: Timestamp, each: i64) -> usize {
        (0..times)
            .filter(|time| {
                let at = at + SignedDuration::from_millis(time * each);
                budget.spend(asker, at).is_some()
            })
            .count()
    }

    #[test]
    fn unknown_accounts_spend_an_hour_s_share_at_once_and_never_what_is_reserved() {
        let budget = budget();
        assert_eq!(made(&budget, Asker::Unknown, 5_000, morning(), 1), 20);
        assert!(
            budget
                .notice(morning())
                .unwrap()
                .contains("4980 for calls of unknown accounts")
        );
        // For the rest of the day they get one every three minutes.
        let rest = made(&budget, Asker::Unknown, 50_000, morning(), 1_000);
        assert!((280..300).contains(&rest), "{rest}");
        let known = (0..50).map(|number| made(&budget, account(number), 12, morning(), 0));
        assert!(known.sum::<usize>() >= 480);
    }

    #[test]
    fn one_account_can_t_spend_what_all_need() {
        let budget = budget();
        assert_eq!(made(&budget, account(0), 5_000, morning(), 1), 50);
        assert_eq!(made(&budget, account(1), 5, morning(), 1), 5);
        let notice = budget.notice(morning()).unwrap();
        assert!(
            notice.contains("4950 of known ones; 945 of 1000 are left until 2026-06-09T00:00:00Z"),
            "{notice}"
        );
        assert_eq!(
            budget.notice(morning() + TOLD + SignedDuration::from_secs(6)),
            None
        );
    }

    #[test]
    fn the_service_says_how_many_there_are_and_when_it_counts_anew() {
        let budget = budget();
        let spent = budget.spend(account(0), morning()).unwrap();
        let other = budget.spend(account(1), morning()).unwrap();
        budget.told(
            Told {
                limit: 50_000,
                remaining: 40_000,
            },
            morning(),
        );
        drop(spent);
        let left = || budget.day.lock().left;
        assert_eq!(left(), 39_999, "one is under way");
        budget.told(
            Told {
                limit: 50_000,
                remaining: 39_000,
            },
            morning(),
        );
        drop(other);
        assert_eq!(left(), 39_000, "somebody else uses the key");
        let tomorrow = morning() + SignedDuration::from_hours(15);
        assert!(budget.spend(account(0), tomorrow).is_some());
        assert_eq!(left(), 49_999);
        budget.told(
            Told {
                limit: 50_000,
                remaining: 0,
            },
            tomorrow,
        );
        assert!(budget.spend(account(0), tomorrow).is_none());
    }

    proptest! {
        #[test]
        fn what_is_reserved_is_there_for_known_accounts(
            unknown in prop::collection::vec(0_i64..600, 0..900), reserved_percent in 0_u32..101,
        ) {
            let metrics = Instruments::register(&mut Registry::default());
            let plan = Plan { reserved_percent, ..FREE };
            let midnight: Timestamp = "2026-06-08T00:00:00Z".parse().unwrap();
            let budget = Budget::new(plan, metrics, midnight);
            let mut at = midnight;
            for seconds in unknown {
                at = (at + SignedDuration::from_secs(seconds)).min(midnight + SignedDuration::from_secs(DAY - 1));
                let _ = budget.spend(Asker::Unknown, at);
            }
            prop_assert!(budget.day.lock().left >= 10 * reserved_percent);
        }
    }
}
