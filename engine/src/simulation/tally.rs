//! What came of the calls of a simulation, added up.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::DateTime};
use serde::Serialize;

use super::{Cut, Outcome, SimulatedCall};
use crate::{
    call::AccountId,
    decision::{Code, Verdict},
    exposure::{Money, Rates},
    policy::Policy,
};

/// Calls, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// How many were made.
    pub calls: u64,
    /// How many went through, their callers' proofs included.
    pub passed: u64,
    /// How many were challenged.
    pub challenged: u64,
    /// How many were denied.
    pub denied: u64,
    /// Of those that went through, how many were answered.
    pub answered: u64,
    /// For how many seconds those were.
    pub seconds: u64,
    /// What those cost.
    pub cost: Money,
    /// For how many seconds those were answered that did not go through.
    pub seconds_stopped: u64,
    /// What those cost.
    pub cost_stopped: Money,
}

/// Calls by what is known of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ByKind {
    /// Known to be ordinary.
    pub ordinary: Counts,
    /// Known to be fraud.
    pub fraud: Counts,
    /// Neither.
    pub unmarked: Counts,
}

/// What came of the calls of a simulation.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Of all.
    pub all: ByKind,
    /// By the code of the first decision.
    pub by_code: BTreeMap<Code, ByKind>,
    /// What a policy or a rule that only reports would have done, by its code.
    pub by_monitored_code: BTreeMap<Code, ByKind>,
    /// By account.
    pub by_account: BTreeMap<AccountId, ByKind>,
    /// By the hour in the policy's time zone.
    pub by_hour: BTreeMap<DateTime, ByKind>,
    /// How many calls have no rate.
    pub without_rate: u64,
}

impl ByKind {
    /// All of them.
    pub fn total(&self) -> Counts {
        self.fraud.plus(self.people())
    }

    /// All that are not known to be fraud.
    pub fn people(&self) -> Counts {
        self.ordinary.plus(self.unmarked)
    }

    /// These and others.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            ordinary: self.ordinary.plus(other.ordinary),
            fraud: self.fraud.plus(other.fraud),
            unmarked: self.unmarked.plus(other.unmarked),
        }
    }

    fn of(&mut self, fraud: Option<bool>) -> &mut Counts {
        match fraud {
            Some(false) => &mut self.ordinary,
            Some(true) => &mut self.fraud,
            None => &mut self.unmarked,
        }
    }
}

impl Counts {
    /// How many were challenged or denied.
    pub fn hindered(&self) -> u64 {
        self.challenged + self.denied
    }

    fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            passed: self.passed + other.passed,
            challenged: self.challenged + other.challenged,
            denied: self.denied + other.denied,
            answered: self.answered + other.answered,
            seconds: self.seconds + other.seconds,
            cost: self.cost + other.cost,
            seconds_stopped: self.seconds_stopped + other.seconds_stopped,
            cost_stopped: self.cost_stopped + other.cost_stopped,
        }
    }
}

impl Tally {
    /// A call that was added lasted less long.
    pub fn cut(&mut self, cut: &Cut, policy: &Policy) {
        let take = |kinds: &mut ByKind| {
            let counts = kinds.of(cut.fraud);
            counts.seconds = counts.seconds.saturating_sub(cut.seconds);
            counts.seconds_stopped += cut.seconds;
            counts.cost = counts.cost.less(cut.cost);
            counts.cost_stopped += cut.cost;
        };
        take(&mut self.all);
        let hour = hour_of(policy, cut.at);
        let places = [
            self.by_code.get_mut(&cut.code),
            self.by_account.get_mut(&cut.account),
            self.by_hour.get_mut(&hour),
        ];
        places.into_iter().flatten().for_each(take);
    }

    /// Adds what came of a call.
    pub fn add(&mut self, call: &SimulatedCall, outcome: &Outcome, policy: &Policy, rates: &Rates) {
        let seconds = u64::try_from(call.duration.as_secs()).unwrap_or_default();
        let price = outcome.number.and_then(|number| rates.of(&number));
        self.without_rate += u64::from(price.is_none() && !rates.is_empty());
        let cost = price.unwrap_or_default().for_seconds(seconds);
        let verdict = outcome.ruling.verdict;
        let mut counts = Counts {
            calls: 1,
            passed: u64::from(outcome.passed),
            challenged: u64::from(verdict == Verdict::Challenge),
            denied: u64::from(verdict == Verdict::Deny),
            ..Counts::default()
        };
        if outcome.passed {
            counts.answered = u64::from(!call.duration.is_zero());
            (counts.seconds, counts.cost) = (seconds, cost);
        } else {
            (counts.seconds_stopped, counts.cost_stopped) = (seconds, cost);
        }
        let add = |kinds: &mut ByKind| {
            let kind = kinds.of(call.fraud);
            *kind = kind.plus(counts);
        };
        add(&mut self.all);
        add(self.by_code.entry(outcome.ruling.code).or_default());
        if let Some(monitored) = &outcome.monitored {
            add(self.by_monitored_code.entry(monitored.code).or_default());
        }
        let account = &call.attempt.account;
        match self.by_account.get_mut(account) {
            Some(kinds) => add(kinds),
            None => add(self.by_account.entry(account.clone()).or_default()),
        }
        add(self.by_hour.entry(hour_of(policy, call.at)).or_default());
    }
}

fn hour_of(policy: &Policy, at: Timestamp) -> DateTime {
    let local = policy.local(at);
    local.date().at(local.hour(), 0, 0, 0)
}
