//! What makes two questions one: the same attempt, asked again by a switch that got no answer.
//!
//! A Call-ID is written by the caller, and so are tags, branches and From. So everything that was asked must be the same, for a few
//! seconds, and only so often: whoever sends one INVITE again and again gets no free calls.

use std::net::IpAddr;

use jiff::Timestamp;
use tfps_engine::call::{AccountId, CallAttempt};

use super::Settings;
use crate::{
    journal::{DecisionRecord, Position},
    state::{Recent, State},
};

/// How often an allowed call is answered again: an answer is lost once. A key that was made of what callers write must not be worth
/// more calls than that.
pub(super) const RETRIES: u8 = 1;

/// Everything that a switch asks. Its own count of the account's calls is part of it only where the switch names no attempt: other
/// calls change it, and so does the call that an INVITE which is sent again has set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question<'a> {
    account: &'a AccountId,
    dialed: &'a str,
    caller: &'a str,
    source_ip: Option<IpAddr>,
    user_agent: &'a str,
    call_id: &'a str,
    attempt_key: &'a str,
    concurrent_calls: Option<u32>,
    forwarded_from: &'a str,
    trunk: &'a str,
}

impl<'a> Question<'a> {
    pub(super) fn of(call: &'a CallAttempt) -> Self {
        Self {
            account: &call.account,
            dialed: &call.dialed,
            caller: &call.caller,
            source_ip: call.source_ip,
            user_agent: &call.user_agent,
            call_id: &call.call_id,
            attempt_key: &call.attempt_key,
            concurrent_calls: counted(&call.attempt_key, call.concurrent_calls),
            forwarded_from: &call.forwarded_from,
            trunk: &call.trunk,
        }
    }

    fn recorded(account: &'a AccountId, record: &'a DecisionRecord) -> Self {
        let source_ip = record.source_ip.parse::<IpAddr>().ok();
        Self {
            account,
            dialed: &record.dialed_number,
            caller: &record.caller_number,
            source_ip: source_ip.map(|ip| ip.to_canonical()),
            user_agent: &record.user_agent,
            call_id: &record.call_id,
            attempt_key: &record.attempt_key,
            concurrent_calls: counted(&record.attempt_key, record.concurrent_calls),
            forwarded_from: &record.forwarded_from,
            trunk: &record.trunk,
        }
    }

    /// Whether nothing names the attempt: it can't be told from another one.
    pub(super) fn is_nameless(&self) -> bool {
        self.call_id.is_empty() && self.attempt_key.is_empty()
    }

    pub(super) fn key(&self, recent: &Recent) -> u64 {
        recent.key(self)
    }

    /// Whether a decision was the answer to this very question.
    pub(super) fn was_answered_by(&self, record: &DecisionRecord) -> bool {
        record
            .account()
            .is_some_and(|account| *self == Question::recorded(&account, record))
    }
}

/// For how long a decision is of use to who asks again, as a moment in milliseconds since 1970. A challenge is until it expires:
/// once it is passed, the switch may ask again in the very same call.
pub(super) fn until(record: &DecisionRecord, repeat_seconds: u32) -> i64 {
    record
        .decided_at
        .saturating_add(i64::from(repeat_seconds) * 1_000)
        .max(record.challenge_expires_at)
}

fn counted(attempt_key: &str, calls: Option<u32>) -> Option<u32> {
    calls.filter(|_| attempt_key.is_empty())
}

/// Remembers a decision of before the start, where somebody may ask for it again.
pub fn restore(
    state: &State,
    decision: &DecisionRecord,
    place: Position,
    settings: Settings,
    at: Timestamp,
) {
    let until = until(decision, settings.repeat_seconds);
    if until <= at.as_millisecond() {
        return;
    }
    if let Some(account) = decision.account() {
        let question = Question::recorded(&account, decision);
        if !question.is_nameless() {
            let key = question.key(&state.recent);
            state.recent.restore(key, place, until, RETRIES);
        }
    }
}
