//! The challenges that wait for their callers.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use parking_lot::Mutex;
use tfps_engine::{call::AccountId, decision::Purpose, number::Country};

/// What a challenge is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum About {
    /// What Check found in a call.
    Call(Purpose),
    /// The limits, which the caller wants to change. No call is about them, so Check can't issue it.
    Limits,
}

impl About {
    /// About the limits, in words.
    pub const LIMITS: &'static str = "limits";

    /// In words, as lists and logs name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Call(purpose) => purpose.as_str(),
            Self::Limits => Self::LIMITS,
        }
    }

    /// The country that would be opened, where it is one.
    pub fn country(self) -> Option<Country> {
        match self {
            Self::Call(purpose) => purpose.country(),
            Self::Limits => None,
        }
    }
}

/// A challenge that waits for its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its id.
    pub id: String,
    /// The account that it was issued for.
    pub account: AccountId,
    /// What it is about.
    pub about: About,
    /// The number that was dialed; empty where no call is behind it.
    pub dialed: String,
    /// Until when it can be passed.
    pub expires_at: Timestamp,
}

/// Every challenge that waits. Strangers can make it grow: the oldest goes when it is full.
#[derive(Debug)]
pub struct Challenges {
    inner: Mutex<Inner>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Inner {
    by_id: HashMap<String, Pending>,
    newest: HashMap<(AccountId, About), String>,
    order: VecDeque<(Timestamp, String)>,
}

impl Challenges {
    /// None waits yet; at most so many will.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            inner: Mutex::default(),
            capacity: capacity.max(1),
        }
    }

    /// The challenge of an account about one thing that waits, or a new one: who dials again gets no new chances.
    pub fn issue(
        &self,
        account: &AccountId,
        about: About,
        dialed: &str,
        at: Timestamp,
        expires_at: Timestamp,
        new_id: impl FnOnce() -> String,
    ) -> Pending {
        let mut inner = self.inner.lock();
        let key = (account.clone(), about);
        if let Some(pending) = inner.newest.get(&key).and_then(|id| inner.by_id.get(id))
            && pending.expires_at > at
        {
            return pending.clone();
        }
        let pending = Pending {
            id: new_id(),
            account: account.clone(),
            about,
            dialed: dialed.to_owned(),
            expires_at,
        };
        inner.insert(pending.clone(), at, self.capacity);
        pending
    }

    /// Puts a challenge that was issued before a restart.
    pub fn restore(&self, pending: Pending, at: Timestamp) {
        if pending.expires_at > at {
            self.inner.lock().insert(pending, at, self.capacity);
        }
    }

    /// A challenge that waits.
    pub fn get(&self, id: &str, at: Timestamp) -> Option<Pending> {
        self.inner
            .lock()
            .by_id
            .get(id)
            .filter(|pending| pending.expires_at > at)
            .cloned()
    }

    /// Whether a challenge waits.
    pub fn waits(&self, id: &str, at: Timestamp) -> bool {
        let inner = self.inner.lock();
        inner
            .by_id
            .get(id)
            .is_some_and(|pending| pending.expires_at > at)
    }

    /// The newest challenge that waits of an account, for a purpose of this sort.
    pub fn newest(&self, account: &AccountId, purpose: &str, at: Timestamp) -> Option<Pending> {
        let inner = self.inner.lock();
        inner
            .newest
            .iter()
            .filter(|((other, sort), _)| other == account && sort.as_str() == purpose)
            .filter_map(|(_, id)| inner.by_id.get(id))
            .filter(|pending| pending.expires_at > at)
            .max_by_key(|pending| pending.expires_at)
            .cloned()
    }

    /// Removes a challenge that was passed.
    pub fn remove(&self, id: &str) {
        self.inner.lock().remove(id);
    }

    /// Removes those of an account.
    pub fn remove_account(&self, account: &AccountId) {
        let mut inner = self.inner.lock();
        let ids: Vec<String> = inner
            .newest
            .iter()
            .filter(|((other, _), _)| other == account)
            .map(|(_, id)| id.clone())
            .collect();
        for id in ids {
            inner.remove(&id);
        }
    }

    /// How many wait.
    pub fn len(&self, at: Timestamp) -> usize {
        self.inner
            .lock()
            .by_id
            .values()
            .filter(|pending| pending.expires_at > at)
            .count()
    }
}

impl Inner {
    fn insert(&mut self, pending: Pending, at: Timestamp, capacity: usize) {
        while let Some((expires_at, id)) = self.order.front()
            && (*expires_at <= at || self.by_id.len() >= capacity)
        {
            let id = id.clone();
            self.order.pop_front();
            self.remove(&id);
        }
        self.order
            .push_back((pending.expires_at, pending.id.clone()));
        self.newest
            .insert((pending.account.clone(), pending.about), pending.id.clone());
        self.by_id.insert(pending.id.clone(), pending);
    }

    fn remove(&mut self, id: &str) {
        if let Some(pending) = self.by_id.remove(id) {
            let key = (pending.account, pending.about);
            if self.newest.get(&key).is_some_and(|newest| newest == id) {
                self.newest.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    fn issue(challenges: &Challenges, account: &str, at: Timestamp, id: &str) -> String {
        let account = account.parse().unwrap();
        challenges
            .issue(
                &account,
                About::Call(Purpose::Onboarding),
                "4420",
                at,
                at + 10.minutes(),
                || id.to_owned(),
            )
            .id
    }

    #[test]
    fn who_dials_again_gets_the_same_challenge_until_it_expires_or_is_passed() {
        let challenges = Challenges::with_capacity(10);
        let at: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        assert_eq!(issue(&challenges, "a@b", at, "1"), "1");
        assert_eq!(issue(&challenges, "a@b", at + 9.minutes(), "2"), "1");
        assert_eq!(issue(&challenges, "a@b", at + 10.minutes(), "3"), "3");
        assert!(challenges.waits("3", at + 10.minutes()));
        challenges.remove("3");
        assert!(!challenges.waits("3", at + 10.minutes()));
        assert_eq!(issue(&challenges, "a@b", at + 11.minutes(), "4"), "4");
        assert!(challenges.get("4", at + 30.minutes()).is_none());
        assert!(!challenges.waits("4", at + 30.minutes()));
    }

    #[test]
    fn a_flood_of_strangers_is_bounded() {
        let challenges = Challenges::with_capacity(10);
        let at: Timestamp = "2026-06-08T12:00:00Z".parse().unwrap();
        for number in 0..1_000 {
            issue(&challenges, &format!("{number}@b"), at, &number.to_string());
        }
        assert_eq!(challenges.len(at), 10);
        assert!(
            challenges
                .newest(&"999@b".parse().unwrap(), "onboarding", at)
                .is_some()
        );
    }
}
