//! Failed verifications an account (R17).

use jiff::Timestamp;

use super::aging::Aging;
use crate::call::AccountId;

/// Failures kept an account: more than any policy bears.
const KEPT: usize = 128;

/// When verifications failed, in seconds since 1970, oldest first.
#[derive(Debug)]
pub struct Failures(Aging<AccountId, Vec<i64>>);

/// How an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Failures within the lock time.
    pub failures: u32,
    /// Set while it is locked: until when, in seconds since 1970.
    pub until: Option<i64>,
}

impl Failures {
    /// Nothing counted yet; about so many accounts are watched at the most.
    pub fn with_capacity(accounts: usize) -> Self {
        Self(Aging::with_capacity(accounts))
    }

    /// Counts a failure.
    pub fn record(&self, account: &AccountId, at: Timestamp) {
        let second = at.as_second();
        self.0.update(account.clone(), |times| {
            if times.len() >= KEPT {
                times.remove(0);
            }
            let place = times.partition_point(|time| *time <= second);
            times.insert(place, second);
        });
    }

    /// Forgets the failures of an account.
    pub fn forget(&self, account: &AccountId) {
        self.0.remove(account.as_str());
    }

    /// How an account stands: over `max` failures within `lock_seconds` lock it for as long from the last of them.
    pub fn lock(&self, account: &AccountId, max: u32, lock_seconds: u32, at: Timestamp) -> Lock {
        let (now, span) = (at.as_second(), i64::from(lock_seconds));
        self.0
            .read(account.as_str(), |times| {
                let recent = times.iter().filter(|time| **time > now - span).count();
                let until = times
                    .windows(max as usize + 1)
                    .filter(|run| run[run.len() - 1] - run[0] < span)
                    .map(|run| run[run.len() - 1] + span)
                    .next_back()
                    .filter(|until| *until > now);
                Lock {
                    failures: u32::try_from(recent).unwrap_or(u32::MAX),
                    until,
                }
            })
            .unwrap_or(Lock {
                failures: 0,
                until: None,
            })
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    #[test]
    fn one_failure_over_the_maximum_locks_for_the_lock_time() {
        let failures = Failures::with_capacity(1_000);
        let account = "a@b".parse().unwrap();
        let start: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        for minute in 0..3 {
            failures.record(&account, start + minute.minutes());
            assert_eq!(
                failures
                    .lock(&account, 3, 3_600, start + minute.minutes())
                    .until,
                None
            );
        }
        failures.record(&account, start + 3.minutes());
        let lock = failures.lock(&account, 3, 3_600, start + 3.minutes());
        assert_eq!(
            lock,
            Lock {
                failures: 4,
                until: Some((start + 63.minutes()).as_second())
            }
        );
        assert!(
            failures
                .lock(&account, 3, 3_600, start + 62.minutes())
                .until
                .is_some()
        );
        assert_eq!(
            failures
                .lock(&account, 3, 3_600, start + 63.minutes())
                .until,
            None
        );
        failures.forget(&account);
        assert_eq!(
            failures
                .lock(&account, 3, 3_600, start + 3.minutes())
                .failures,
            0
        );
    }
}
