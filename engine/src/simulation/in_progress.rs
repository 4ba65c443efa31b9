//! The calls in progress of a simulation: they end when they did, or when a cap is reached.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use jiff::{SignedDuration, Timestamp};

use super::{SimulatedCall, Simulation};
use crate::{
    call::AccountId,
    decision::Code,
    exposure::Money,
    facts::traits_of,
    policy::{Policy, RuleMode},
    rules::Rule,
    usage::{Day, Ledger, OpenCall},
};

/// What is to come, the next first; and what is known of the calls that may be cut.
#[derive(Debug, Default)]
pub(super) struct InProgress {
    events: BinaryHeap<Reverse<(Timestamp, AccountId, Event)>>,
    running: HashMap<u128, Running>,
    /// When each account is looked at next; what else there is of its looks has been overtaken.
    looks: HashMap<AccountId, Timestamp>,
    cuts: Vec<Cut>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A call ends that was answered for so many seconds.
    Ends { call: u128, seconds: u64 },
    /// A cap may be reached.
    MayBeReached,
}

#[derive(Debug)]
struct Running {
    at: Timestamp,
    ends: Timestamp,
    code: Code,
    fraud: Option<bool>,
}

/// A call that did not last as long as it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// When it was made.
    pub at: Timestamp,
    /// Whose it was.
    pub account: AccountId,
    /// What was decided about it.
    pub code: Code,
    /// Whether it is known to be fraud, or ordinary.
    pub fraud: Option<bool>,
    /// How many seconds it lasted less.
    pub seconds: u64,
    /// What those would have cost.
    pub cost: Money,
}

impl Simulation {
    /// Lets the calls in progress end.
    pub fn finish(&mut self) {
        self.go_on(Timestamp::MAX);
    }

    /// The calls that were cut since this was asked last: a cap was reached while they lasted.
    pub fn take_cuts(&mut self) -> Vec<Cut> {
        std::mem::take(&mut self.in_progress.cuts)
    }

    /// The call that was made last is answered.
    pub(super) fn answer(&mut self, call: &SimulatedCall, code: Code) {
        let duration = call.duration.max(SignedDuration::ZERO);
        let account = &call.attempt.account;
        let ledger = &mut self.residents.of(account, &self.policy).ledger;
        ledger.settle(self.calls.into());
        let Some(open) = ledger.calls.get_mut(self.calls.into()) else {
            return;
        };
        let (at, ends) = (call.at, call.at + duration);
        if open.tariff.is_some() {
            open.answered_at = Some(at.as_second());
            begin(&self.policy, ledger, at);
            let running = Running {
                at,
                ends,
                code,
                fraud: call.fraud,
            };
            self.in_progress.running.insert(self.calls.into(), running);
            self.in_progress.look(account, &self.policy, ledger, at);
        }
        let seconds = u64::try_from(duration.as_secs()).unwrap_or_default();
        let call = self.calls.into();
        let ended = Event::Ends { call, seconds };
        self.in_progress
            .events
            .push(Reverse((ends, account.clone(), ended)));
    }

    /// Lets happen what has come by a moment.
    pub(super) fn go_on(&mut self, until: Timestamp) {
        while let Some(Reverse((next, ..))) = self.in_progress.events.peek()
            && *next <= until
            && let Some(Reverse((at, account, event))) = self.in_progress.events.pop()
        {
            match event {
                Event::Ends { call, seconds } => self.hang_up(&account, call, seconds, at),
                Event::MayBeReached => {
                    if self.in_progress.looks.get(&account) == Some(&at) {
                        self.in_progress.looks.remove(&account);
                        self.cap(&account, at);
                    }
                }
            }
        }
    }

    fn hang_up(&mut self, account: &AccountId, call: u128, seconds: u64, at: Timestamp) {
        let policy = &self.policy;
        let ledger = &mut self.residents.of(account, policy).ledger;
        self.in_progress.running.remove(&call);
        let Some(open) = ledger.calls.get(call) else {
            return;
        };
        let home = policy.dial_plan.home_country();
        let traits = traits_of(open.number.as_ref(), home, None, "");
        self.watch
            .ended(account, &traits, ledger.habits(), seconds, at);
        if open.tariff.is_some() {
            let day = begin(policy, ledger, at);
            let exposure = ledger.calls.exposure_of(call, Some(seconds), at);
            ledger.charge(day, exposure);
        }
        ledger.calls.end(call);
    }

    /// Ends the calls that a cap no longer lets go on.
    fn cap(&mut self, account: &AccountId, at: Timestamp) {
        let policy = &self.policy;
        let ledger = &mut self.residents.of(account, policy).ledger;
        let day = begin(policy, ledger, at);
        let spent = ledger.exposure(day, at);
        let is_over = |call: &&OpenCall| {
            let caps = &policy.document.exposure;
            call.answered_at.is_some()
                && call
                    .tariff
                    .is_some_and(|tariff| caps.reached(&spent, &tariff).is_some())
        };
        let over: Vec<u128> = ledger
            .calls
            .iter()
            .filter(is_over)
            .map(|call| call.key)
            .collect();
        for call in over {
            let price = ledger.calls.get(call).and_then(|call| call.tariff);
            let exposure = ledger.calls.exposure_of(call, None, at);
            ledger.charge(day, exposure);
            ledger.calls.end(call);
            if let Some(running) = self.in_progress.running.remove(&call) {
                let left = running.ends.duration_since(at).as_secs();
                let seconds = u64::try_from(left).unwrap_or_default();
                self.in_progress.cuts.push(Cut {
                    at: running.at,
                    account: account.clone(),
                    code: running.code,
                    fraud: running.fraud,
                    seconds,
                    cost: price.unwrap_or_default().price.for_seconds(seconds),
                });
            }
        }
        self.in_progress.look(account, policy, ledger, at);
    }
}

impl InProgress {
    /// Has an account looked at when it would reach a cap, if nothing changes until then.
    fn look(&mut self, account: &AccountId, policy: &Policy, ledger: &Ledger, at: Timestamp) {
        let ends_calls =
            policy.mode(Rule::Exposure) == RuleMode::Enforce && !policy.document.monitor;
        if let Some(seconds) = until_a_cap(policy, ledger, at).filter(|_| ends_calls)
            && let Ok(then) = at.checked_add(SignedDuration::from_secs(seconds))
        {
            let next = self.looks.get(account).copied().unwrap_or(Timestamp::MAX);
            if then < next {
                self.looks.insert(account.clone(), then);
                let look = (then, account.clone(), Event::MayBeReached);
                self.events.push(Reverse(look));
            }
        }
    }
}

/// In how many seconds an account's calls in progress reach a cap.
fn until_a_cap(policy: &Policy, ledger: &Ledger, at: Timestamp) -> Option<i64> {
    let caps = &policy.document.exposure;
    let day = Day::of(policy.local(at).date());
    let spent = ledger.exposure(day, at);
    let tariffs = ledger
        .calls
        .iter()
        .filter(|call| call.answered_at.is_some())
        .filter_map(|call| call.tariff);
    let (mut a_minute, mut abroad) = (0_u64, 0_u64);
    for tariff in tariffs {
        a_minute = a_minute.saturating_add(tariff.price.millionths());
        abroad += u64::from(tariff.abroad);
    }
    let in_steps = |left: u64, step: u64| (step > 0).then(|| left.div_ceil(step));
    let cost = caps.daily_cost.millionths();
    let cost = (cost > 0).then(|| cost.saturating_sub(spent.cost.millionths()));
    let minutes = u64::from(caps.daily_international_minutes);
    let minutes = (minutes > 0).then(|| (minutes * 60).saturating_sub(spent.seconds_abroad));
    let cost = cost.and_then(|left| in_steps(left.saturating_mul(60), a_minute));
    let minutes = minutes.and_then(|left| in_steps(left, abroad));
    let seconds = cost.into_iter().chain(minutes).min()?;
    // Not at once again, where what was reached is nothing to these calls.
    i64::try_from(seconds.max(1)).ok()
}

/// Begins the day of a moment in a ledger.
fn begin(policy: &Policy, ledger: &mut Ledger, at: Timestamp) -> Day {
    let day = Day::of(policy.local(at).date());
    ledger.begin(day, || policy.day_began(at), at);
    day
}
