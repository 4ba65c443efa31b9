//! All that a decision reads, in memory, and the decision as the server makes it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tfps_engine::{
    account::Account,
    decision::Judgement,
    exposure::Rates,
    facts::{Counting, Facts, Standing},
    judge::{Stage, Trial},
    lists::{Action, Change, EntryKey, EntryKind, EntryValue, ListEntry, Lists},
    policy::{Policy, RuleMode},
    risk::{KnownNumbers, Predictor, RiskModel, faded},
    rules::Rule,
    usage::{Ledger, SlotTimes, Watch},
};
use tfps_server::{
    restore::SCANNERS,
    state::{Accounts, Policies, Resident},
};

use crate::workload::{self, Call, Listed, Scale};

/// How many different calls a benchmark goes round: more than a branch predictor learns by heart.
const CALLS: usize = 4_096;
const SLOTS: SlotTimes = SlotTimes {
    reserved: 10,
    started: 14_400,
};

/// A server's memory, without the server.
#[derive(Debug)]
pub struct House {
    /// The accounts.
    pub accounts: Accounts,
    /// The lists.
    pub lists: Lists,
    policies: Policies,
    watch: Watch,
    predictor: Predictor,
    rates: Rates,
    /// The calls to decide, again and again.
    pub calls: Vec<Call>,
    opened: Timestamp,
}

impl House {
    /// Fills the memory and makes the calls.
    pub fn new(scale: Scale) -> Self {
        let accounts = Accounts::default();
        for number in 0..scale.accounts {
            accounts.put(workload::account(number));
        }
        accounts.shrink();
        let numbers = workload::listed_numbers(scale.numbers);
        let networks = workload::listed_networks(scale.networks);
        let listed = Listed {
            numbers: &numbers,
            networks: &networks,
        };
        let lists = lists(&listed);
        let known = lists
            .blocked_numbers(0)
            .map(|(number, days)| (number, faded(days)));
        Self {
            accounts,
            predictor: Predictor {
                model: Arc::new(RiskModel::built_in()),
                known: Arc::new(KnownNumbers::new(known)),
                cleared: Arc::default(),
            },
            rates: Rates::default(),
            lists,
            policies: Policies::new(
                Policy::compile(workload::policy()).expect("the policy was made to compile"),
            ),
            watch: Watch::with_capacity(500_000),
            calls: workload::calls(CALLS, scale.accounts, &listed),
            opened: "2026-06-08T15:00:00Z".parse().expect("it is a timestamp"),
        }
    }

    /// The call that a benchmark decides in its so-and-so-manieth turn, and when.
    pub fn turn(&self, turn: usize) -> (&Call, Timestamp) {
        let passed = SignedDuration::from_micros(i64::try_from(turn).unwrap_or_default() * 2);
        (&self.calls[turn % self.calls.len()], self.opened + passed)
    }

    /// Decides a call: the account, facts, every rule, the reservation.
    pub fn decide(&self, call: &Call, at: Timestamp) -> Judgement {
        let resident = self.accounts.get(&call.attempt.account);
        let facts = self.facts(call, resident.as_deref(), at);
        let mut trial = Trial::new(facts);
        if let Stage::Ends(judgement) = trial.screen() {
            return judgement;
        }
        trial.facts.locate(call.source);
        if let Stage::Ends(judgement) = trial.judge() {
            return judgement;
        }
        match &resident {
            Some(resident) => trial.reserve(&mut resident.ledger.lock(), 1, SLOTS).0,
            None => trial.reserve(&mut Ledger::default(), 1, SLOTS).0,
        }
    }

    /// Gathers what is known about a call.
    pub fn facts<'a>(
        &'a self,
        call: &'a Call,
        resident: Option<&'a Resident>,
        at: Timestamp,
    ) -> Facts<'a> {
        let account: Option<&Account> = resident.map(|resident| &resident.account);
        let named = account.and_then(|account| account.policy.as_deref());
        let standing = Standing {
            policy: self
                .policies
                .of_account(call.attempt.account.domain(), named),
            account,
            lists: &self.lists,
            watch: &self.watch,
            predictor: &self.predictor,
            rates: &self.rates,
        };
        let mut facts = Facts::gather(&call.attempt, standing, at, Counting::Counts);
        facts.remember(resident.map(|resident| resident.ledger.lock()).as_deref());
        facts
    }

    /// Switches the prediction on or off.
    pub fn predict(&mut self, on: bool) {
        let mut document = workload::policy();
        if !on {
            document.rules.insert(Rule::Risk, RuleMode::Off);
        }
        let policy = Policy::compile(document).expect("the policy was made to compile");
        self.policies = Policies::new(policy);
    }

    /// The policy that every account is under.
    pub fn policy(&self) -> &Policy {
        self.policies.of_account("", None)
    }
}

fn lists(listed: &Listed<'_>) -> Lists {
    let reason: Arc<str> = Arc::from("a known range");
    let source: Arc<str> = Arc::from("operator");
    let put = |kind: EntryKind, value: &str| {
        Change::Put(ListEntry {
            key: EntryKey {
                domain: "".into(),
                value: EntryValue::parse(kind, value).expect("the value was made to be one"),
                source: Arc::clone(&source),
            },
            action: Action::Block,
            reason: Arc::clone(&reason),
            listed_at: 0,
            expires_at: None,
        })
    };
    let numbers = listed.numbers.iter();
    let networks = listed.networks.iter();
    let changes = numbers
        .map(|value| put(EntryKind::Number, value))
        .chain(networks.map(|value| put(EntryKind::Ip, value)))
        .chain(SCANNERS.map(|value| put(EntryKind::UserAgent, value)));
    Lists::default()
        .with(changes)
        .expect("the patterns compile together")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_gets_the_code_that_it_was_made_for_however_often() {
        let house = House::new(Scale {
            accounts: 5_000,
            numbers: 500,
            networks: 2_000,
        });
        for turn in 0..2 * CALLS {
            let (call, at) = house.turn(turn);
            let judgement = house.decide(call, at);
            assert_eq!(
                judgement.ruling.code, call.expected,
                "{:?}: {}",
                call.attempt, judgement.ruling.reason
            );
        }
    }
}
