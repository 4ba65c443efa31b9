//! What the circumstances of calls are worth, learned from calls that were made.

use std::{
    collections::{BTreeSet, HashMap},
    slice,
    sync::Arc,
};

use tfps_engine::{
    call::AccountId,
    number::E164,
    policy::Policy,
    risk::{
        FULL_WEIGHT, KnownNumbers, Predictor, RiskModel, Worth,
        training::{CallFigures, JudgedCall, learn_circumstances},
    },
    simulation::{SimulatedCall, Simulation},
    usage::Day,
};

use super::train::TrainArgs;
use crate::{
    commands::simulate::{calls::Calls, house},
    console::{Console, Unit},
    failure::Failure,
};

/// What a wrong line means for the whole.
const WRONG: &str = "nothing was learned";
/// How many calls are made between two looks at the progress bar.
const STEP: usize = 1_000;

/// Calls to learn from, in the order of their times.
pub(super) struct Taught {
    calls: Vec<SimulatedCall>,
    policy: Policy,
}

/// Reads the calls that the command line names, where it names some.
///
/// # Errors
///
/// When a file can't be read, or has lines that are wrong: these are told.
pub(super) fn read(args: &TrainArgs) -> Result<Option<Taught>, Failure> {
    if args.calls.is_empty() {
        return Ok(None);
    }
    let files = args.policy.as_ref().map(slice::from_ref);
    let mut policies = house::policies(files.unwrap_or_default())?;
    let policy = policies.swap_remove(0).policy;
    let mut calls = Vec::new();
    for file in &args.calls {
        let mut read = Calls::read(file, WRONG)?;
        read.come_from(policy.dial_plan.home_country());
        calls.append(&mut read.calls);
    }
    calls.sort_by_key(|call| call.at);
    if !calls.iter().any(|call| call.fraud == Some(true)) {
        return Err(
            Failure::usage("no call is marked as fraud: there is nothing to learn from")
                .hint("write `yes` into the column fraud of the calls that were fraud"),
        );
    }
    Ok(Some(Taught { calls, policy }))
}

/// Lets the calls be made again as they were, and learns from how they came about. What the fraudulent ones dialed is not among
/// what is known: nobody had reported it yet.
///
/// # Errors
///
/// When there are too few calls.
pub(super) fn learn(
    Taught { calls, policy }: Taught,
    model: RiskModel,
    known: &[E164],
    console: &Console,
) -> Result<(Worth, CallFigures), Failure> {
    let dialed: BTreeSet<E164> = calls
        .iter()
        .filter(|call| call.fraud == Some(true))
        .filter_map(|call| policy.dial_plan.destination(&call.attempt.dialed).ok())
        .collect();
    let before = known.iter().filter(|number| !dialed.contains(number));
    let predictor = Predictor {
        model: Arc::new(model),
        known: Arc::new(KnownNumbers::new(
            before.map(|number| (*number, FULL_WEIGHT)),
        )),
        cleared: Arc::default(),
    };
    let mut house = Simulation::new(policy, Arc::default(), predictor.clone(), Arc::default());
    let mut accounts: HashMap<&AccountId, usize> = HashMap::new();
    let mut judged = Vec::new();
    let bar = console.progress(Some(calls.len() as u64), Unit::Rows);
    for some in calls.chunks(STEP) {
        for call in some {
            let Some(replayed) = house.replay(call) else {
                continue;
            };
            let next = accounts.len();
            let to = replayed.to;
            judged.push(JudgedCall {
                account: *accounts.entry(&call.attempt.account).or_insert(next),
                day: Day::of(house.policy().local(call.at).date()).digits(),
                by_number: predictor.by_number(&to.number, &to.plan),
                circumstances: replayed.circumstances,
                fraud: call.fraud == Some(true),
            });
        }
        bar.inc(some.len() as u64);
    }
    bar.finish_and_clear();
    learn_circumstances(&judged).map_err(|error| Failure::usage(error.to_string()))
}
