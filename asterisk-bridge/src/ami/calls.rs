//! The calls that were allowed, by their channels.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tfps_client::v1::AccountKey;
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
    /// Follows a call, unless it is followed already; whether it is new.
    pub(crate) fn follow(&self, unique_id: &str, call: Followed) -> bool {
        let mut calls = self.lock();
        if unique_id.is_empty() || calls.contains_key(unique_id) || calls.len() >= MOST {
            return false;
        }
        calls.insert(unique_id.to_owned(), call);
        true
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

    /// The channel of a call and its unique id.
    pub(super) fn find(&self, call_id: &str) -> Option<(String, String)> {
        let calls = self.lock();
        let (unique_id, call) = calls.iter().find(|(_, call)| call.call_id == call_id)?;
        Some((unique_id.clone(), call.channel.clone()))
    }

    /// Takes out those that are not among these.
    pub(super) fn retain(&self, living: &[String]) -> Vec<Followed> {
        let mut calls = self.lock();
        let gone: Vec<String> = calls
            .keys()
            .filter(|unique_id| !living.contains(unique_id))
            .cloned()
            .collect();
        gone.iter()
            .filter_map(|unique_id| calls.remove(unique_id))
            .collect()
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
            answered: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_answered_once_and_ends_once() {
        let calls = Calls::default();
        assert!(calls.follow("1.1", call("a")) && !calls.follow("1.1", call("a")));
        assert!(!calls.follow("", call("b")));
        assert_eq!(
            calls.find("a"),
            Some(("1.1".to_owned(), "PJSIP/alice-a".to_owned()))
        );
        let now = Instant::now();
        assert!(calls.answer("1.1", now).is_some());
        assert!(calls.answer("1.1", now).is_none() && calls.answer("1.2", now).is_none());
        let ended = calls.end("1.1").unwrap();
        assert_eq!(ended.lasted(now + Duration::from_secs(7)).as_secs(), 7);
        assert!(calls.end("1.1").is_none());
    }

    #[test]
    fn what_asterisk_has_no_more_is_taken_out() {
        let calls = Calls::default();
        for number in ["1", "2", "3"] {
            calls.follow(number, call(number));
        }
        let gone = calls.retain(&["2".to_owned(), "9".to_owned()]);
        assert_eq!(gone.len(), 2);
        assert!(calls.find("2").is_some() && calls.find("1").is_none());
    }
}
