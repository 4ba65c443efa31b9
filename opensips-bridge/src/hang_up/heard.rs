//! The calls that switches told this bridge of: only of these it can say that they are there no more.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tfps_client::v1::{AccountKey, CallEvent, CallProgress};

/// How many calls are remembered at the least; the older of twice as many go.
const AT_LEAST: usize = 200_000;

/// The calls that have started and have not ended, by hashes of their names. Bounded.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    calls: Mutex<Generations>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashSet<u64>,
    old: HashSet<u64>,
}

impl Heard {
    /// Takes what a switch tells of a call.
    pub(crate) fn hear(&self, call: &CallProgress) {
        let Some(account) = &call.account else {
            return;
        };
        if call.event() == CallEvent::Ended {
            self.forget(account, &call.call_id);
            return;
        }
        let key = self.key(account, &call.call_id);
        let mut calls = self.lock();
        if calls.young.len() >= AT_LEAST {
            calls.old = mem::take(&mut calls.young);
        }
        calls.young.insert(key);
    }

    /// Whether a call has started and has not ended.
    pub(crate) fn has(&self, account: &AccountKey, call_id: &str) -> bool {
        let key = self.key(account, call_id);
        let calls = self.lock();
        calls.young.contains(&key) || calls.old.contains(&key)
    }

    /// A call is there no more.
    pub(crate) fn forget(&self, account: &AccountKey, call_id: &str) {
        let key = self.key(account, call_id);
        let mut calls = self.lock();
        calls.young.remove(&key);
        calls.old.remove(&key);
    }

    fn key(&self, account: &AccountKey, call_id: &str) -> u64 {
        let domain = account.domain.to_ascii_lowercase();
        self.hasher.hash_one((&account.username, domain, call_id))
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_known_until_it_has_ended() {
        let heard = Heard::default();
        let account = AccountKey {
            username: "alice".to_owned(),
            domain: "Example.com".to_owned(),
        };
        let call = |event: CallEvent| CallProgress {
            account: Some(account.clone()),
            call_id: "1".to_owned(),
            event: event.into(),
            ..CallProgress::default()
        };
        let as_told = AccountKey {
            domain: "example.com".to_owned(),
            ..account.clone()
        };
        assert!(!heard.has(&as_told, "1"));
        heard.hear(&call(CallEvent::Answered));
        assert!(heard.has(&as_told, "1") && !heard.has(&as_told, "2"));
        heard.hear(&call(CallEvent::Ended));
        assert!(!heard.has(&as_told, "1"));
    }

    #[test]
    fn the_oldest_calls_make_room() {
        let heard = Heard::default();
        for number in 0..=2 * AT_LEAST {
            heard.hear(&CallProgress {
                account: Some(AccountKey::default()),
                call_id: number.to_string(),
                event: CallEvent::Started.into(),
                ..CallProgress::default()
            });
        }
        let calls = heard.lock();
        assert_eq!((calls.young.len(), calls.old.len()), (1, AT_LEAST));
    }
}
