//! The pair of account and number that is called too often (R13).
//!
//! The caller's number is part of the pair only where the policy says so: whoever has the account's password writes it as they
//! like.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use jiff::Timestamp;

use super::aging::Aging;
use crate::{call::AccountId, facts::Counting, number::E164, policy::RepeatDocument};

/// Calls of one account to one number.
#[derive(Debug)]
pub struct Repeats {
    pairs: Aging<u64, Pair>,
    hasher: DefaultHashBuilder,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    /// Seconds since 1970.
    last: i64,
    blocked_until: i64,
    calls: u32,
}

impl Default for Pair {
    fn default() -> Self {
        Self {
            last: i64::MIN / 2,
            blocked_until: i64::MIN / 2,
            calls: 0,
        }
    }
}

/// How a pair stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repetition {
    /// Within the limit: how many calls in a row.
    Within(u32),
    /// Blocked: until when, in seconds since 1970.
    Blocked(i64),
}

impl Repeats {
    /// Nothing counted yet; about so many pairs are watched at the most.
    pub fn with_capacity(pairs: usize) -> Self {
        Self {
            pairs: Aging::with_capacity(pairs),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// Counts a call and tells how its pair stands; a dry run tells how it would stand.
    pub fn observe(
        &self,
        account: &AccountId,
        caller: &str,
        dialed: &E164,
        limit: &RepeatDocument,
        at: Timestamp,
        counting: Counting,
    ) -> Repetition {
        let caller = if limit.by_caller { caller } else { "" };
        let key = self.hasher.hash_one((account, caller, dialed));
        let now = at.as_second();
        match counting {
            Counting::Counts => self.pairs.update(key, |pair| pair.call(limit, now)),
            Counting::Again => self
                .pairs
                .read(&key, |pair| pair.stands(now))
                .unwrap_or(Repetition::Within(1)),
            Counting::Peeks => self
                .pairs
                .read(&key, |pair| pair.clone().call(limit, now))
                .unwrap_or_else(|| Pair::default().call(limit, now)),
        }
    }
}

impl Pair {
    fn stands(&self, now: i64) -> Repetition {
        if now < self.blocked_until {
            Repetition::Blocked(self.blocked_until)
        } else {
            Repetition::Within(self.calls)
        }
    }

    fn call(&mut self, limit: &RepeatDocument, now: i64) -> Repetition {
        if let blocked @ Repetition::Blocked(_) = self.stands(now) {
            return blocked;
        }
        let repeats =
            now - self.last <= i64::from(limit.gap_seconds) && self.calls <= limit.max_repeats;
        self.calls = if repeats { self.calls + 1 } else { 1 };
        self.last = now;
        if self.calls > limit.max_repeats {
            self.blocked_until = now + i64::from(limit.block_seconds);
            return Repetition::Blocked(self.blocked_until);
        }
        Repetition::Within(self.calls)
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    fn limit() -> RepeatDocument {
        RepeatDocument::default()
    }

    fn observe(repeats: &Repeats, account: &str, second: i64) -> Repetition {
        observe_counting(repeats, account, second, Counting::Counts)
    }

    fn observe_counting(
        repeats: &Repeats,
        account: &str,
        second: i64,
        counting: Counting,
    ) -> Repetition {
        let start: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        repeats.observe(
            &account.parse().unwrap(),
            "4420",
            &E164::from_digits("88213000001").unwrap(),
            &limit(),
            start + second.seconds(),
            counting,
        )
    }

    #[test]
    fn the_sixth_call_in_a_row_blocks_the_pair_for_an_hour() {
        let repeats = Repeats::with_capacity(1_000);
        for call in 0..5 {
            assert_eq!(
                observe(&repeats, "a@b", call * 20),
                Repetition::Within(call as u32 + 1)
            );
        }
        assert!(matches!(
            observe(&repeats, "a@b", 100),
            Repetition::Blocked(_)
        ));
        assert!(matches!(
            observe(&repeats, "a@b", 3_699),
            Repetition::Blocked(_)
        ));
        assert_eq!(observe(&repeats, "a@b", 3_700), Repetition::Within(1));
    }

    #[test]
    fn calls_further_apart_than_the_gap_are_no_repeats() {
        let repeats = Repeats::with_capacity(1_000);
        for call in 0..50 {
            assert_eq!(observe(&repeats, "a@b", call * 31), Repetition::Within(1));
        }
    }

    #[test]
    fn a_call_that_is_decided_anew_is_one_call() {
        let repeats = Repeats::with_capacity(1_000);
        let again = |second| observe_counting(&repeats, "a@b", second, Counting::Again);
        // After a restart nothing is counted.
        assert_eq!(again(0), Repetition::Within(1));
        for call in 1..=5 {
            assert_eq!(observe(&repeats, "a@b", 0), Repetition::Within(call));
            assert_eq!(again(0), Repetition::Within(call));
            assert_eq!(again(1), Repetition::Within(call));
        }
        assert!(matches!(
            observe(&repeats, "a@b", 2),
            Repetition::Blocked(_)
        ));
        assert!(matches!(again(3), Repetition::Blocked(_)));
    }

    #[test]
    fn the_caller_number_tells_calls_apart_only_where_the_policy_says_so() {
        let at = "2026-06-08T12:00:00Z".parse().unwrap();
        let called = |by_caller: bool| {
            let repeats = Repeats::with_capacity(1_000);
            let limit = RepeatDocument {
                by_caller,
                ..limit()
            };
            let account = "a@b".parse().unwrap();
            let number = E164::from_digits("88213000001").unwrap();
            let observe = |caller: u32| {
                let caller = format!("1212555{caller:04}");
                repeats.observe(&account, &caller, &number, &limit, at, Counting::Counts)
            };
            for caller in 0..5 {
                observe(caller);
            }
            observe(5)
        };
        assert!(matches!(called(false), Repetition::Blocked(_)));
        assert_eq!(called(true), Repetition::Within(1));
    }

    #[test]
    fn accounts_are_not_mixed() {
        let repeats = Repeats::with_capacity(1_000);
        for call in 0..5 {
            observe(&repeats, "a@b", call);
        }
        assert_eq!(observe(&repeats, "c@b", 5), Repetition::Within(1));
        assert!(matches!(
            observe(&repeats, "a@b", 5),
            Repetition::Blocked(_)
        ));
    }
}
