//! What the known attacks get out of an account a day under the policy of a fresh install, when the thief's machine passes every
//! captcha at once.

use std::{collections::HashMap, sync::Arc};

use jiff::{ToSpan, civil::Date};
use tfps_engine::{
    call::AccountId,
    exposure::{Money, estimate},
    number::plan,
    policy::{Policy, PolicyDocument, RuleMode},
    risk::{KnownNumbers, Predictor, RiskModel},
    rules::Rule,
    simulation::{SimulatedCall, Simulation},
};

use super::{Attack, Fraud, World};

const DAYS: i32 = 7;
const ATTACKS_A_DAY: u64 = 2;

#[derive(Clone, Copy, Debug, Default)]
struct Loot {
    calls: u64,
    seconds: u64,
    money: Money,
}

/// As installed; and as if it had no idea of numbers and countries, where a captcha opens everything that is not capped.
fn policies() -> [PolicyDocument; 2] {
    let mut blind = PolicyDocument::default();
    blind.blocked_countries.clear();
    blind.rules.insert(Rule::Risk, RuleMode::Off);
    [PolicyDocument::default(), blind]
}

/// The bounds are those of `engine/src/simulation/stolen_account.rs`, and of docs/exposure.md.
#[test]
fn the_defaults_bound_every_known_attack_by_who_passes_all_captchas() {
    let world = World::new(3, 100);
    let fraud = Fraud::made_up(3);
    let monday = jiff::civil::date(2026, 6, 8);
    let history: Vec<_> = world.history(monday, 10).collect();
    let most = Money::from_millionths(21_000_000);
    let mut account_days = [0, 0];
    for (policy, account_days) in policies().into_iter().zip(&mut account_days) {
        for attack in Attack::ALL {
            let mut calls: Vec<_> = (0..DAYS)
                .filter_map(|day| monday.checked_add(day.days()).ok())
                .flat_map(|date| (0..ATTACKS_A_DAY).map(move |which| (date, which)))
                .flat_map(|(date, which)| attack.calls(&world, &fraud, date, which))
                .collect();
            calls.sort_by_key(|call| call.at);
            let loot = looted(policy.clone(), &history, calls);
            let dearest = loot.values().max_by_key(|loot| loot.money);
            let name = attack.as_str();
            eprintln!(
                "{name}: {} account days, at the most {dearest:?}",
                loot.len()
            );
            *account_days += loot.len();
            for ((account, day), loot) in &loot {
                let what = format!("{name}, {account}, {day}: {loot:?}");
                assert!(loot.calls <= 14, "{what}");
                assert!(loot.money <= most, "{what}");
                assert!(loot.seconds <= 122 * 60, "{what}");
            }
        }
    }
    let [installed, blind] = account_days;
    assert!(installed >= 20 && blind >= 100, "{installed}, {blind}");
}

/// By account and day.
fn looted(
    policy: PolicyDocument,
    history: &[SimulatedCall],
    calls: Vec<SimulatedCall>,
) -> HashMap<(AccountId, Date), Loot> {
    // Nobody has heard of the numbers yet.
    let predictor = Predictor {
        model: Arc::new(RiskModel::built_in()),
        known: Arc::new(KnownNumbers::default()),
        cleared: Arc::default(),
    };
    let policy = Policy::compile(policy).unwrap();
    let mut house = Simulation::new(policy, Arc::default(), predictor, Arc::default());
    for call in history {
        house.learn(call);
    }
    let mut loot: HashMap<_, Loot> = HashMap::new();
    for mut call in calls {
        // Who is known to be a machine is taken to pass no captcha.
        call.fraud = None;
        let outcome = house.call(&call);
        if let Some(number) = outcome.number.filter(|_| outcome.passed) {
            let day = house.policy().local(call.at).date();
            let seconds = call.duration.as_secs().unsigned_abs();
            let loot = loot.entry((call.attempt.account, day)).or_default();
            loot.calls += 1;
            loot.seconds += seconds;
            loot.money += estimate(&plan::look_up(&number)).for_seconds(seconds);
        }
    }
    house.finish();
    for cut in house.take_cuts() {
        let day = house.policy().local(cut.at).date();
        if let Some(loot) = loot.get_mut(&(cut.account, day)) {
            loot.seconds -= cut.seconds;
            loot.money = loot.money.less(cut.cost);
        }
    }
    loot
}
