//! Calls as they were made: what was known of each when it was.

use super::{SimulatedCall, Simulation};
use crate::{
    decision::Code,
    facts::{Counting, Destination, Facts, Standing},
    risk::Circumstances,
    usage::{HabitDay, OpenCall},
};

/// What was known of a call when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The number.
    pub to: Destination,
    /// How the call came about.
    pub circumstances: Circumstances,
}

impl Simulation {
    /// Lets a call be made as it was, whatever would have been decided, and tells what was known of it; nothing where it is no call
    /// that is predicted. What is known as fraud becomes no habit. Calls come in the order of their times.
    pub fn replay(&mut self, call: &SimulatedCall) -> Option<Replayed> {
        self.go_on(call.at);
        self.calls += 1;
        self.watch.watched_since(call.at);
        let resident = self.residents.of(&call.attempt.account, &self.policy);
        let standing = Standing {
            policy: &self.policy,
            account: Some(&resident.account),
            lists: &self.lists,
            watch: &self.watch,
            predictor: &self.predictor,
            rates: &self.rates,
        };
        let mut facts = Facts::gather(&call.attempt, standing, call.at, Counting::Counts);
        facts.remember(Some(&resident.ledger));
        facts.locate(call.source);
        let replayed = facts.predicted().map(|to| Replayed {
            to: *to,
            circumstances: facts.circumstances(),
        });
        if call.fraud != Some(true) {
            let today = HabitDay::of(call.at);
            resident.ledger.learn_habits(&facts.traits, today);
        }
        if let Some(Replayed { to, .. }) = replayed {
            let open = OpenCall {
                number: Some(to.number),
                ..OpenCall::new(self.calls.into(), i64::MAX)
            };
            resident.ledger.calls.allow(open, call.at);
            self.answer(call, Code::A00);
        }
        replayed
    }
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, ToSpan};

    use super::*;
    use crate::{
        policy::PolicyDocument,
        simulation::tests::{call, simulation},
        usage::Tested,
    };

    fn start() -> Timestamp {
        "2026-06-08T12:00:00-04:00".parse().unwrap()
    }

    fn call_of(
        account: &str,
        at: Timestamp,
        dialed: &str,
        seconds: i64,
        fraud: bool,
    ) -> SimulatedCall {
        let mut call = call(&at.to_string(), dialed, seconds, Some(fraud));
        call.attempt.account = account.parse().unwrap();
        call
    }

    #[test]
    fn calls_are_made_whatever_a_policy_would_say_and_fraud_becomes_no_habit() {
        let mut house = simulation(PolicyDocument::default());
        let latvia = "0037128054190";
        let mut novelty = |days: i64, dialed: &str, fraud| {
            let at = start() + (24 * days).hours();
            let replayed = house.replay(&call_of("alice@a.b", at, dialed, 60, fraud));
            replayed.map(|replayed| replayed.circumstances.past.novelty)
        };
        assert!(novelty(0, latvia, true).unwrap().first_abroad);
        assert_eq!(novelty(1, "12125550123", false), None);
        assert!(novelty(5, latvia, false).unwrap().first_abroad);
        let known = novelty(10, latvia, false).unwrap();
        assert!(!known.first_abroad && !known.country && !known.range);
    }

    #[test]
    fn a_call_of_moments_was_a_test() {
        let mut house = simulation(PolicyDocument::default());
        house.replay(&call_of("alice@a.b", start(), "0037128054190", 5, true));
        let later = start() + 2.hours();
        let pump = house.replay(&call_of("bob@a.b", later, "0037128054191", 600, true));
        let range = pump.unwrap().circumstances.past.range;
        assert_eq!((range.tested, range.newcomers), (Some(Tested::Another), 1));
    }
}
