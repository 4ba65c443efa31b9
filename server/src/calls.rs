//! The calls in progress are watched over: when a cap is reached, or somebody says so, they are to end.
//!
//! Which calls there are, switches tell by Learn; what they come to is in their accounts' ledgers. What is to end is told
//! to whoever listens ([`HangUps`](crate::state::HangUps)), which is the bridges: TFPS itself ends no call.

use std::{sync::Arc, time::Duration};

use hashbrown::HashMap;
use jiff::Timestamp;
use tfps_engine::{
    call::{AccountId, printable},
    decision::Code,
    exposure::Exposure,
    number::E164,
    policy::{Policy, RuleMode},
    rules::Rule,
    usage::{Day, Ledger, OpenCall},
};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    admin::{AdminError, cursor, page_size},
    auth::{Permission, Principal},
    check::DecisionId,
    clock::Clock,
    state::{HangUp, State},
    telemetry::Metrics,
};

/// How often the calls in progress are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The longest reason, in bytes.
const MAX_REASON: usize = 256;

/// Watches over the calls in progress.
pub struct CallWatch {
    /// What is in memory.
    pub state: Arc<State>,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
}

/// A call in progress, as it is shown.
#[derive(Clone, Debug)]
pub struct CallView {
    /// Whose it is.
    pub account: AccountId,
    /// The call.
    pub call: OpenCall,
    /// What it has come to today.
    pub exposure: Exposure,
    /// Set when it is to end.
    pub hang_up: Option<Arc<HangUp>>,
}

/// Which calls are to end.
#[derive(Clone, Debug)]
pub enum Which {
    /// An account's.
    Of(AccountId),
    /// An account's with this Call-ID: callers write it, so there may be several.
    WithCallId(AccountId, String),
    /// The one of an account's that a decision allowed.
    One(AccountId, DecisionId),
    /// Those to a number; with an account, only its.
    To(E164, Option<AccountId>),
}

impl Which {
    fn takes(&self, call: &OpenCall) -> bool {
        match self {
            Self::Of(_) => true,
            Self::WithCallId(_, call_id) => *call.call_id == **call_id,
            Self::One(_, decision) => DecisionId::of(call) == Some(*decision),
            Self::To(number, _) => call.number == Some(*number),
        }
    }

    fn account(&self) -> Option<&AccountId> {
        match self {
            Self::Of(account) | Self::WithCallId(account, _) | Self::One(account, _) => {
                Some(account)
            }
            Self::To(_, account) => account.as_ref(),
        }
    }
}

impl CallWatch {
    /// Looks at the calls in progress, again and again.
    pub async fn run(self: Arc<Self>) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look(self.clock.now());
        }
    }

    /// Orders to end what a cap no longer lets go on, and tells again what has not ended.
    pub fn look(&self, at: Timestamp) {
        let snapshot = self.state.snapshot.load_full();
        let mut undecided = HashMap::<String, usize>::new();
        for account in self.state.in_progress.all() {
            let Some(ledger) = self.state.ledger(&account) else {
                self.state.in_progress.remove(&account);
                continue;
            };
            let mut ledger = ledger.lock();
            if !ledger.calls.iter().any(|call| is_there(call, at)) {
                // Under the ledger's lock: a call that starts now adds it again after this.
                self.state.in_progress.remove(&account);
                continue;
            }
            let calls = ledger.calls.iter().filter(|call| is_there(call, at));
            let was_allowed = |call: &OpenCall| call.number.is_some() || call.emergency;
            let count = calls.filter(|call| !was_allowed(call)).count();
            if count > 0 {
                *undecided.entry_ref(account.domain()).or_insert(0) += count;
            }
            let policy = self.state.policy(&snapshot, &account);
            if !policy.document.exposure.any() {
                continue;
            }
            let ended_by_policy =
                policy.mode(Rule::Exposure) == RuleMode::Enforce && !policy.document.monitor;
            let day = begin_day(policy, &mut ledger, at);
            if ended_by_policy {
                self.cap(&account, policy, &ledger, day, at);
            }
        }
        self.state.in_progress.set_undecided(undecided);
        self.state.hang_ups.tell_again(at, |hang_up| {
            self.state.ledger(&hang_up.account).is_some_and(|ledger| {
                let ledger = ledger.lock();
                ledger
                    .calls
                    .get(hang_up.key)
                    .is_some_and(|call| is_there(call, at))
            })
        });
    }

    fn cap(&self, account: &AccountId, policy: &Policy, ledger: &Ledger, day: Day, at: Timestamp) {
        let spent = ledger.exposure(day, at);
        for call in ledger.calls.iter().filter(|call| is_there(call, at)) {
            let reached = call
                .tariff
                .and_then(|tariff| policy.document.exposure.reached(&spent, &tariff));
            if let Some(reason) = reached {
                self.order(account, call, Code::R21, reason, at);
            }
        }
    }

    /// The calls in progress, after one, by account and Call-ID.
    ///
    /// # Errors
    /// When the role or domain does not allow it.
    pub fn list(
        &self,
        caller: &Principal,
        domain: &str,
        username: &str,
        (size, token): (u32, &str),
    ) -> Result<(Vec<CallView>, String), AdminError> {
        caller.require(Permission::See)?;
        let domain = caller.narrow(domain)?;
        let after = cursor::read::<4>(token)?;
        let at = self.clock.now();
        let accounts = self.state.in_progress.all().into_iter().filter(|account| {
            domain
                .as_deref()
                .is_none_or(|domain| account.domain() == domain)
                && (username.is_empty() || account.username() == username)
        });
        let mut calls: Vec<CallView> = accounts
            .flat_map(|account| self.of(&account, at))
            .filter(|view| after.as_ref().is_none_or(|after| place(view) > *after))
            .collect();
        calls.sort_by_cached_key(place);
        let size = page_size(size);
        let more = calls.len() > size;
        calls.truncate(size);
        let next = calls.last().filter(|_| more).map(|last| {
            let place = place(last);
            cursor::write(&place.each_ref().map(String::as_str))
        });
        Ok((calls, next.unwrap_or_default()))
    }

    /// Orders calls in progress to end.
    ///
    /// # Errors
    /// When the role or domain does not allow it, or the reason is too long.
    pub fn end(
        &self,
        caller: &Principal,
        which: &Which,
        reason: &str,
    ) -> Result<Vec<CallView>, AdminError> {
        caller.require(Permission::Change)?;
        if let Some(account) = which.account() {
            caller.require_account(account)?;
        }
        if reason.len() > MAX_REASON {
            let problem = format!("is over {MAX_REASON} bytes long");
            return Err(AdminError::field("reason", problem));
        }
        let reason = match printable(reason) {
            reason if reason.is_empty() => format!("ended by {}", caller.name),
            reason => format!("ended by {}: {reason}", caller.name),
        };
        Ok(self.order_all(which, caller.domain.as_deref(), Code::R16, &reason))
    }

    /// Orders the calls to a number that was confirmed to be fraud to end; how many there are.
    pub fn end_fraud(&self, number: E164, domain: Option<&str>) -> usize {
        let which = Which::To(number, None);
        let reason = format!("{number} was confirmed to be fraud");
        self.order_all(&which, domain, Code::R03, &reason).len()
    }

    fn order_all(
        &self,
        which: &Which,
        domain: Option<&str>,
        code: Code,
        reason: &str,
    ) -> Vec<CallView> {
        let at = self.clock.now();
        let accounts = match which.account() {
            Some(account) => vec![account.clone()],
            None => self.state.in_progress.all(),
        };
        let mut ordered = Vec::new();
        for account in accounts {
            if domain.is_some_and(|domain| account.domain() != domain) {
                continue;
            }
            for mut view in self.of(&account, at) {
                if which.takes(&view.call) && !view.call.emergency {
                    view.hang_up =
                        Some(self.order(&account, &view.call, code, reason.to_owned(), at));
                    ordered.push(view);
                }
            }
        }
        ordered
    }

    /// Orders a call to end, unless it was ordered before.
    fn order(
        &self,
        account: &AccountId,
        call: &OpenCall,
        code: Code,
        reason: String,
        at: Timestamp,
    ) -> Arc<HangUp> {
        let hang_up = HangUp {
            account: account.clone(),
            key: call.key,
            decision: DecisionId::of(call),
            call_id: call.call_id.to_string(),
            code,
            reason,
            ordered_at: at,
        };
        let (hang_up, is_new) = self.state.hang_ups.order(hang_up, at);
        if is_new {
            self.metrics.ordered_to_end(code);
            if self.state.hang_ups.listeners() == 0 {
                tracing::error!(%account, call_id = hang_up.call_id, reason = hang_up.reason, "a call is to end, and nobody listens who could end it: no bridge is connected");
            } else {
                tracing::warn!(%account, call_id = hang_up.call_id, reason = hang_up.reason, "a call is to end");
            }
        }
        hang_up
    }

    fn of(&self, account: &AccountId, at: Timestamp) -> Vec<CallView> {
        let Some(ledger) = self.state.ledger(account) else {
            return Vec::new();
        };
        let ledger = ledger.lock();
        let calls = ledger.calls.iter().filter(|call| is_there(call, at));
        calls
            .map(|call| CallView {
                account: account.clone(),
                exposure: call.exposure(at.as_second()),
                hang_up: self.state.hang_ups.of(account, call.key),
                call: call.clone(),
            })
            .collect()
    }
}

/// The day of a moment under a policy, begun in the ledger.
pub fn begin_day(policy: &Policy, ledger: &mut Ledger, at: Timestamp) -> Day {
    let day = Day::of(policy.local(at).date());
    ledger.begin(day, || policy.day_began(at), at);
    day
}

/// Whether a switch has told that a call is there, and its slot has not run out.
fn is_there(call: &OpenCall, at: Timestamp) -> bool {
    call.told && call.until > at.as_second()
}

/// Where a call stands in the list: two calls may have the same Call-ID.
fn place(view: &CallView) -> [String; 4] {
    [
        view.account.domain().to_owned(),
        view.account.username().to_owned(),
        view.call.call_id.to_string(),
        format!("{:032x}", view.call.key),
    ]
}
