//! The calls that were allowed, by their channels.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tfps_client::v1::{AccountKey, HangUp};
use tokio::time::Instant;

/// Calls that are followed at the most: more than an Asterisk carries.
const MOST: usize = 100_000;

/// A call that was allowed and has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Followed {
    /// Its channel, such as `PJSIP/alice-00000007`.
    pub(crate) channel: String,
    /// Whose it is.
    pub(crate) account: AccountKey,
    /// As Check was asked with.
    pub(crate) call_id: String,
    /// The decision that allowed it.
    pub(crate) decision_id: String,
    /// When it was answered.
    pub(crate) answered: Option<Instant>,
}

impl Followed {
    /// How long it has been answered at a moment.
    pub(super) fn lasted(&self, until: Instant) -> Duration {
        self.answered
            .map(|answered| until.saturating_duration_since(answered))
            .unwrap_or_default()
    }
}

/// All of them, by the unique ids of their channels.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<HashMap<String, Followed>>);

impl Calls {
    /// Follows a call, or takes its channel's present name; whether it is new.
    pub(crate) fn follow(&self, unique_id: &str, call: Followed) -> bool {
        let mut calls = self.lock();
        if let Some(known) = calls.get_mut(unique_id) {
            known.channel = call.channel;
            return false;
        }
        if unique_id.is_empty() || calls.len() >= MOST {
            return false;
        }
        calls.insert(unique_id.to_owned(), call);
        true
    }

    /// The unique ids of those that are followed.
    pub(super) fn ids(&self) -> HashSet<String> {
        self.lock().keys().cloned().collect()
    }

    /// A call was answered; the call, unless it had been before.
    pub(super) fn answer(&self, unique_id: &str, at: Instant) -> Option<Followed> {
        let mut calls = self.lock();
        let call = calls.get_mut(unique_id)?;
        if call.answered.is_some() {
            return None;
        }
        call.answered = Some(at);
        Some(call.clone())
    }

    /// A call is over.
    pub(crate) fn end(&self, unique_id: &str) -> Option<Followed> {
        self.lock().remove(unique_id)
    }

    /// The channel of an account's call. The decision tells it from others that have the same Call-ID.
    pub(super) fn channel(&self, order: &HangUp) -> Option<String> {
        let account = order.account.as_ref()?;
        let calls = self.lock();
        let is = |call: &&Followed| {
            call.call_id == order.call_id
                && (order.decision_id.is_empty() || call.decision_id == order.decision_id)
                && call.account.username == account.username
                && call.account.domain.eq_ignore_ascii_case(&account.domain)
        };
        calls.values().find(is).map(|call| call.channel.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Followed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(call_id: &str) -> Followed {
        Followed {
            channel: format!("PJSIP/alice-{call_id}"),
            account: AccountKey::default(),
            call_id: call_id.to_owned(),
            decision_id: format!("decision of {call_id}"),
            answered: None,
        }
    }

    fn order(call_id: &str, decision_id: &str) -> HangUp {
        HangUp {
            account: Some(AccountKey::default()),
            call_id: call_id.to_owned(),
            decision_id: decision_id.to_owned(),
            ..HangUp::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_answered_once_and_ends_once() {
        let calls = Calls::default();
        assert!(calls.follow("1.1", call("a")) && !calls.follow("1.1", call("a")));
        assert!(!calls.follow("", call("b")));
        let channel = |call_id, decision_id| calls.channel(&order(call_id, decision_id));
        let alice = Some("PJSIP/alice-a".to_owned());
        assert_eq!(channel("a", ""), alice);
        assert_eq!(channel("a", "decision of a"), alice);
        // The same Call-ID, and another call.
        assert_eq!(channel("a", "another"), None);
        assert_eq!(channel("b", ""), None);
        let stranger = AccountKey {
            username: "bob".to_owned(),
            ..AccountKey::default()
        };
        let of_bob = HangUp {
            account: Some(stranger),
            ..order("a", "")
        };
        assert_eq!(calls.channel(&of_bob), None);
        let now = Instant::now();
        assert!(calls.answer("1.1", now).is_some());
        assert!(calls.answer("1.1", now).is_none() && calls.answer("1.2", now).is_none());
        let ended = calls.end("1.1").unwrap();
        assert_eq!(ended.lasted(now + Duration::from_secs(7)).as_secs(), 7);
        assert!(calls.end("1.1").is_none());
    }

    #[test]
    fn a_channel_that_is_renamed_is_found_by_its_new_name() {
        let calls = Calls::default();
        calls.follow("1", call("a"));
        let renamed = Followed {
            channel: "PJSIP/bob-00000009".to_owned(),
            ..call("a")
        };
        assert!(!calls.follow("1", renamed));
        let channel = calls.channel(&order("a", ""));
        assert_eq!(channel.as_deref(), Some("PJSIP/bob-00000009"));
        assert_eq!(calls.ids().len(), 1);
    }
}
