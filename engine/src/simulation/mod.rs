//! Calls that were made are made again, under a policy that might have been: what would it have stopped, and whom would it have
//! hindered.
//!
//! Time is the calls'. Callers pass the challenges that they meet, as the people they are; those that are known to be fraudsters do
//! not, who are machines.

mod in_progress;
mod replay;
#[cfg(test)]
mod stolen_account;
mod tally;

pub use in_progress::Cut;
pub use replay::Replayed;
pub use tally::{ByKind, Counts, Tally};

use std::sync::Arc;

use hashbrown::HashMap;

use in_progress::InProgress;
use jiff::{SignedDuration, Timestamp};

use crate::{
    account::Account,
    call::{AccountId, CallAttempt},
    decision::{Purpose, Ruling, Verdict},
    exposure::Rates,
    facts::{Counting, Facts, Standing, Standpoint, traits_of},
    judge::decide,
    lists::Lists,
    number::{E164, NumberFacts},
    policy::Policy,
    risk::Predictor,
    usage::{Day, Grant, GrantKind, HabitDay, Ledger, SlotTimes, Watch},
};

/// How many challenges a call can meet: each opens something, and there are no more purposes.
const CHALLENGES: usize = 6;
/// How many keys are watched.
const WATCHED: usize = 500_000;

/// A call that was made.
#[derive(Clone, Debug)]
pub struct SimulatedCall {
    /// When.
    pub at: Timestamp,
    /// What was asked.
    pub attempt: CallAttempt,
    /// Where it came from.
    pub source: Standpoint,
    /// How long it was answered; nothing: it was not.
    pub duration: SignedDuration,
    /// Whether it is known to be fraud, or ordinary.
    pub fraud: Option<bool>,
}

/// What would have become of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was decided at first.
    pub ruling: Ruling,
    /// What would have been, where the policy only reports it.
    pub monitored: Option<Ruling>,
    /// Whether it went through: at once, or since its caller passed what he was challenged with.
    pub passed: bool,
    /// The risk score, where it was asked for.
    pub risk: Option<u8>,
    /// The number that is called, where it is one.
    pub number: Option<E164>,
    /// Whether it stays in the home country.
    pub stays_home: bool,
}

/// A house in which calls are made again.
#[derive(Debug)]
pub struct Simulation {
    policy: Policy,
    lists: Arc<Lists>,
    predictor: Predictor,
    rates: Arc<Rates>,
    watch: Watch,
    residents: Residents,
    in_progress: InProgress,
    calls: u64,
}

#[derive(Debug)]
struct Resident {
    account: Account,
    ledger: Ledger,
}

#[derive(Debug, Default)]
struct Residents(HashMap<AccountId, Resident>);

impl Residents {
    /// Every account is known, and starts as the policy's new ones do.
    fn of(&mut self, id: &AccountId, policy: &Policy) -> &mut Resident {
        self.0.entry_ref(id).or_insert_with(|| Resident {
            account: Account::new(id.clone(), policy),
            ledger: Ledger::default(),
        })
    }
}

impl Simulation {
    /// A house under one policy, in which nobody has called yet.
    pub fn new(policy: Policy, lists: Arc<Lists>, predictor: Predictor, rates: Arc<Rates>) -> Self {
        Self {
            policy,
            lists,
            predictor,
            rates,
            watch: Watch::with_capacity(WATCHED),
            residents: Residents::default(),
            in_progress: InProgress::default(),
            calls: 0,
        }
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The account that makes calls under a name; it is known, and starts as the policy's new accounts do.
    pub fn account(&mut self, id: &AccountId) -> &mut Account {
        &mut self.residents.of(id, &self.policy).account
    }

    /// Takes a call of before for what its account usually does: whom it calls, from where, with what. What is known as fraud is
    /// passed over.
    pub fn learn(&mut self, call: &SimulatedCall) {
        if call.fraud == Some(true) {
            return;
        }
        self.watch.watched_since(call.at);
        let reading = self.policy.dial_plan.read(&call.attempt.dialed);
        let Ok((number, NumberFacts { country, .. })) = reading.number() else {
            return;
        };
        let home = self.policy.dial_plan.home_country();
        let attempt = &call.attempt;
        let traits = traits_of(Some(&number), home, attempt.source_ip, &attempt.user_agent);
        let day = HabitDay::of(call.at);
        let source = call.source.country;
        let resident = self.residents.of(&call.attempt.account, &self.policy);
        resident.ledger.learn_habits(&traits, day);
        if let Some(country) = country {
            resident.account.destination_countries.insert(country);
        }
        if let Some(country) = source {
            resident.account.source_countries.insert(country);
        }
    }

    /// Makes a call. Calls come in the order of their times.
    pub fn call(&mut self, call: &SimulatedCall) -> Outcome {
        self.go_on(call.at);
        self.calls += 1;
        let mut ruling = self.ask(call, Counting::Counts);
        for _ in 0..CHALLENGES {
            let met = match ruling.1.purpose {
                Some(purpose) if call.fraud != Some(true) => purpose,
                _ => break,
            };
            self.prove(call, met);
            let again = self.ask(call, Counting::Again);
            ruling.1 = again.1;
        }
        let (mut outcome, last) = ruling;
        outcome.passed = last.verdict == Verdict::Allow;
        if outcome.passed {
            self.answer(call, outcome.ruling.code);
        }
        outcome
    }

    /// The outcome as far as it is known, and the last ruling.
    fn ask(&mut self, call: &SimulatedCall, counting: Counting) -> (Outcome, Ruling) {
        let Self {
            policy,
            lists,
            predictor,
            rates,
            watch,
            residents,
            calls,
            ..
        } = self;
        let resident = residents.of(&call.attempt.account, policy);
        let standing = Standing {
            policy,
            account: Some(&resident.account),
            lists,
            watch,
            predictor,
            rates,
        };
        let facts = Facts::gather(&call.attempt, standing, call.at, counting);
        let number = facts.destination.as_ref().ok().map(|to| to.number);
        let stays_home = facts.stays_home();
        // A call is longer than any lease: its end is known.
        let times = SlotTimes {
            reserved: u32::MAX,
            started: u32::MAX,
        };
        let locate = |facts: &mut Facts<'_>| facts.locate(call.source);
        let (judgement, risk) = decide(
            facts,
            locate,
            &mut resident.ledger,
            u128::from(*calls),
            times,
        );
        let outcome = Outcome {
            ruling: judgement.ruling.clone(),
            monitored: judgement.monitored,
            passed: false,
            risk,
            number,
            stays_home,
        };
        (outcome, judgement.ruling)
    }

    /// The caller proves himself.
    fn prove(&mut self, call: &SimulatedCall, purpose: Purpose) {
        let grace = self.policy.document.verification.grace_minutes;
        let granted = match purpose {
            Purpose::SourceCountry(country) => Some((GrantKind::Source, country)),
            Purpose::DestinationCountry(country) => Some((GrantKind::Destination, country)),
            _ => None,
        };
        let account = &call.attempt.account;
        let day = Day::of(self.policy.local(call.at).date());
        let resident = self.residents.of(account, &self.policy);
        let limits = resident.account.limits;
        let verified = resident.ledger.verified(day);
        let verified = verified.with(Some(purpose), &limits, &self.policy, call.at);
        resident.ledger.set_verified(verified);
        if purpose == Purpose::Risk {
            let minutes = i64::from(self.policy.document.risk.pass_minutes);
            if let Ok(number) = self.policy.dial_plan.destination(&call.attempt.dialed) {
                let until = call.at + SignedDuration::from_mins(minutes);
                self.watch.passes.grant(account, &number, until);
            }
            return;
        }
        let calls = self.policy.document.verification.grace_calls;
        let id = i64::try_from(self.calls).unwrap_or(i64::MAX);
        let resident = self.residents.of(account, &self.policy);
        match granted {
            Some((kind, country)) if grace > 0 => {
                let until = call.at + SignedDuration::from_mins(i64::from(grace));
                let grant = Grant {
                    id,
                    kind,
                    country,
                    until: until.as_second(),
                    calls_left: (calls > 0).then_some(calls),
                };
                resident.ledger.grant(grant, call.at);
            }
            _ => resident.account.open(purpose, &self.policy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decision::Code,
        exposure::Caps,
        policy::PolicyDocument,
        risk::{FULL_WEIGHT, KnownNumbers, RiskModel},
    };

    pub(super) fn simulation(document: PolicyDocument) -> Simulation {
        let known = KnownNumbers::new((0..12).map(|last| {
            let number = format!("3712805{:04}", 4_100 + 7 * last);
            (number.parse().unwrap(), FULL_WEIGHT)
        }));
        Simulation::new(
            Policy::compile(document).unwrap(),
            Arc::default(),
            Predictor {
                model: Arc::new(RiskModel::built_in()),
                known: Arc::new(known),
                cleared: Arc::default(),
            },
            Arc::new(rates()),
        )
    }

    fn rates() -> Rates {
        let mut rates = Rates::default();
        rates.put("44", "0.60".parse().unwrap()).unwrap();
        rates
    }

    pub(super) fn call(at: &str, dialed: &str, seconds: i64, fraud: Option<bool>) -> SimulatedCall {
        SimulatedCall {
            at: at.parse().unwrap(),
            attempt: CallAttempt {
                account: "alice@a.b".parse().unwrap(),
                dialed: dialed.to_owned(),
                caller: String::new(),
                source_ip: "192.0.2.7".parse().ok(),
                user_agent: "Yealink SIP-T46S 66.85.0.5".to_owned(),
                concurrent_calls: None,
                call_id: String::new(),
                attempt_key: String::new(),
                forwarded_from: String::new(),
                trunk: String::new(),
            },
            source: Standpoint::default(),
            duration: SignedDuration::from_secs(seconds),
            fraud,
        }
    }

    fn open_to_latvia() -> PolicyDocument {
        PolicyDocument {
            blocked_countries: Vec::new(),
            allowed_destination_countries: vec!["LV".to_owned()],
            ..PolicyDocument::default()
        }
    }

    const MONDAY_NOON: &str = "2026-06-08T12:00:00-04:00";

    #[test]
    fn callers_pass_what_they_are_challenged_with_and_fraudsters_do_not() {
        for (fraud, passed) in [(Some(false), true), (Some(true), false), (None, true)] {
            let mut house = simulation(open_to_latvia());
            let outcome = house.call(&call(MONDAY_NOON, "0037128054190", 60, fraud));
            assert!(outcome.ruling.purpose.is_some() || outcome.ruling.code == Code::R18);
            assert!(outcome.risk >= Some(90));
            assert_eq!(
                outcome.passed,
                passed && outcome.ruling.code == Code::V06,
                "{outcome:?}"
            );
            let mut house = simulation(PolicyDocument::default());
            let london = call(MONDAY_NOON, "00442079460123", 60, fraud);
            let first = house.call(&london);
            assert_eq!((first.ruling.code, first.passed), (Code::V03, passed));
            let second = house.call(&london);
            let code = if passed { Code::A00 } else { Code::V03 };
            assert_eq!(second.ruling.code, code);
        }
    }

    #[test]
    fn a_call_holds_its_slot_as_long_as_it_was_answered() {
        let mut house = simulation(PolicyDocument::default());
        let codes = [
            ("2026-06-08T12:00:00-04:00", Code::A00),
            ("2026-06-08T12:01:00-04:00", Code::A00),
            ("2026-06-08T12:02:00-04:00", Code::R10),
            ("2026-06-08T12:10:00-04:00", Code::A00),
        ];
        for (at, code) in codes {
            let outcome = house.call(&call(at, "12125550123", 600, None));
            assert_eq!(outcome.ruling.code, code, "{at}");
        }
    }

    fn capped_at_12() -> PolicyDocument {
        PolicyDocument {
            allowed_destination_countries: vec!["GB".to_owned()],
            exposure: Caps {
                daily_cost: "12".parse().unwrap(),
                ..Caps::default()
            },
            ..PolicyDocument::default()
        }
    }

    #[test]
    fn calls_of_a_day_cost_no_more_than_they_may() {
        let mut house = simulation(capped_at_12());
        let codes = [
            ("2026-06-08T12:00:00-04:00", "00442079460123", Code::A00),
            // Ten minutes have cost 6, and the call in progress another 6.
            ("2026-06-08T12:10:00-04:00", "00442079460123", Code::A00),
            ("2026-06-08T12:19:59-04:00", "00442079460123", Code::A00),
            ("2026-06-08T12:20:00-04:00", "00442079460123", Code::R21),
            ("2026-06-08T12:21:00-04:00", "12125550123", Code::A00),
            ("2026-06-09T12:21:00-04:00", "00442079460123", Code::A00),
        ];
        for (at, dialed, code) in codes {
            let outcome = house.call(&call(at, dialed, 600, None));
            assert_eq!(outcome.ruling.code, code, "{at}");
        }
    }

    #[test]
    fn calls_in_progress_end_when_they_have_cost_what_they_may() {
        let mut house = simulation(capped_at_12());
        let mut tally = Tally::default();
        let rates = rates();
        // 0.60 a minute each: together they cost 12 after 15 minutes, since the first began 10 minutes before the second.
        for (at, dialed, fraud) in [
            ("2026-06-08T12:00:00-04:00", "00442079460123", Some(true)),
            ("2026-06-08T12:10:00-04:00", "00442079460123", Some(true)),
            ("2026-06-09T12:00:00-04:00", "12125550123", Some(false)),
        ] {
            let call = call(at, dialed, 3_600, fraud);
            let outcome = house.call(&call);
            assert!(outcome.passed, "{outcome:?}");
            tally.add(&call, &outcome, house.policy(), &rates);
        }
        house.finish();
        let cuts = house.take_cuts();
        let cut: Vec<u64> = cuts.iter().map(|cut| cut.seconds).collect();
        assert_eq!(cut, [3_600 - 900, 3_600 - 300]);
        for cut in &cuts {
            tally.cut(cut, house.policy());
        }
        let fraud = tally.all.fraud;
        assert_eq!(
            (fraud.seconds, fraud.cost.to_string()),
            (1_200, "12.00".to_owned())
        );
        assert_eq!(fraud.seconds_stopped, 6_000);
        assert_eq!(fraud.cost_stopped.to_string(), "60.00");
        assert_eq!(tally.all.ordinary.seconds, 3_600);
        assert_eq!(
            tally
                .by_hour
                .values()
                .map(|kinds| kinds.total().seconds)
                .sum::<u64>(),
            4_800
        );
    }

    #[test]
    fn what_was_learned_is_not_new_and_what_was_fraud_is_not_learned() {
        let mut house = simulation(PolicyDocument::default());
        let london = |at, fraud| call(at, "00442079460123", 60, fraud);
        house.learn(&london("2026-05-08T12:00:00Z", Some(true)));
        assert!(house.residents.0.is_empty());
        house.learn(&london("2026-05-08T12:00:00Z", None));
        let outcome = house.call(&london(MONDAY_NOON, None));
        assert_eq!(outcome.ruling.code, Code::A00);
    }

    #[test]
    fn calls_are_added_up_by_what_is_known_of_them() {
        let mut house = simulation(PolicyDocument::default());
        let rates = rates();
        let mut tally = Tally::default();
        for (dialed, fraud) in [
            ("00442079460123", Some(true)),
            ("00442079460123", Some(false)),
            ("12125550123", Some(false)),
        ] {
            let call = call(MONDAY_NOON, dialed, 90, fraud);
            let outcome = house.call(&call);
            tally.add(&call, &outcome, house.policy(), &rates);
        }
        let ByKind {
            ordinary, fraud, ..
        } = tally.all;
        assert_eq!(
            (ordinary.calls, ordinary.passed, ordinary.challenged),
            (2, 2, 1)
        );
        assert_eq!(
            (ordinary.seconds, ordinary.cost.to_string()),
            (180, "0.90".to_owned())
        );
        assert_eq!((fraud.calls, fraud.passed, fraud.challenged), (1, 0, 1));
        assert_eq!(fraud.cost_stopped.to_string(), "0.90");
        assert_eq!(tally.without_rate, 1);
        assert_eq!(tally.by_code[&Code::V03].total().calls, 2);
        let hour = tally.by_hour.keys().next().unwrap();
        assert_eq!(hour.to_string(), "2026-06-08T12:00:00");
    }
}
