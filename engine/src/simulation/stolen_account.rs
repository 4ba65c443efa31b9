//! What a bot that passes every captcha at once gets out of one stolen account, under the policy of a fresh install.
//!
//! The bot knows the account's password and nothing else: no PIN. It calls every minute, in turns to its targets, another number
//! each time, from the account's own country; whatever is challenged it proves. Each call that passes is answered for ten minutes, as
//! numbers that pay are. Money is by the built-in estimate.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::{CHALLENGES, SimulatedCall, Simulation};
use crate::{
    call::CallAttempt,
    decision::Verdict,
    exposure::{Caps, Money, Rates, estimate},
    facts::{Counting, Standpoint},
    number::{Country, E164, NumberKind, plan},
    policy::{Policy, PolicyDocument, Raise},
    risk::{Circumstances, KnownNumbers, Predictor, RiskModel, Thresholds},
    usage::Day,
};

/// A Monday, at midnight in New York.
const MONDAY: &str = "2026-06-08T00:00:00-04:00";
/// A Saturday: all of it is off hours.
const SATURDAY: &str = "2026-06-06T00:00:00-04:00";
/// How often the bot tries, in seconds.
const EVERY: i64 = 60;
/// For how long what passes is answered, in seconds.
const ANSWERED: i64 = 600;

/// What the bot calls first: mobiles of the United Kingdom, of Somalia, of Lithuania.
const MOBILES: [&str; 3] = ["447400000000", "252610000000", "37060000000"];
/// How many digits at the end of a number the bot changes from call to call.
const CHANGED: u64 = 4;
/// What the switch tells of its calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Switch {
    /// When they are answered and end; and it ends those that are to end.
    Tells,
    /// Nothing.
    Silent,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Loot {
    calls: u64,
    minutes: u64,
    money: Money,
    passed: u64,
}

impl fmt::Display for Loot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            calls,
            minutes,
            money,
            passed,
        } = self;
        write!(
            f,
            "{calls} calls, {minutes} minutes, {money:.2} by the estimate; {passed} captchas passed"
        )
    }
}

/// As the policy was before: each captcha opens for good, any number a day, and nothing is capped.
fn before() -> PolicyDocument {
    let mut document = PolicyDocument::default();
    let verification = &mut document.verification;
    verification.raise = Raise::ForGood;
    (verification.grace_minutes, verification.grace_calls) = (0, 0);
    (verification.max_passed_per_day, verification.pause_seconds) = (0, 0);
    document.risk.pin_score = 101;
    document.exposure = Caps::NONE;
    document
}

fn house(document: PolicyDocument) -> Simulation {
    let predictor = Predictor {
        model: std::sync::Arc::new(RiskModel::built_in()),
        known: std::sync::Arc::new(KnownNumbers::default()),
        cleared: std::sync::Arc::default(),
    };
    let policy = Policy::compile(document).unwrap();
    Simulation::new(
        policy,
        Default::default(),
        predictor,
        Rates::default().into(),
    )
}

/// The dearest mobiles by the estimate, of three countries, that the policy does not deny at once: whoever tries for long enough finds
/// them.
fn dearest() -> Vec<String> {
    let house = house(PolicyDocument::default());
    let risk = &house.policy.document.risk;
    let thresholds = Thresholds {
        challenge: risk.challenge_score,
        deny: risk.pin_score,
        challenges: true,
    };
    let mut found = Vec::new();
    for country in
        Country::all().filter(|country| !house.policy.blocked_countries.contains(*country))
    {
        let Some(code) = country.calling_code() else {
            continue;
        };
        let mut chance = 1_u64;
        let number = (0..20_000).find_map(|_| {
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let digits = 7 + (chance >> 33) % 4;
            let number = format!(
                "{code}{:0width$}",
                (chance >> 20) % 10_u64.pow(digits as u32),
                width = digits as usize
            );
            let number: E164 = number.parse().ok()?;
            let facts = plan::look_up(&number);
            (facts.country == Some(country) && facts.kind == NumberKind::Mobile)
                .then_some((number, facts))
        });
        if let Some((number, facts)) = number {
            let score =
                house
                    .predictor
                    .score(&number, &facts, Circumstances::default(), &thresholds);
            if u32::from(score) < thresholds.deny {
                found.push((estimate(&facts), number.as_str().to_owned()));
            }
        }
    }
    found.sort_unstable_by(|one, other| other.cmp(one));
    found
        .into_iter()
        .take(3)
        .map(|(_, number)| number)
        .collect()
}

/// What the bot gets in so many hours.
fn stolen(
    document: PolicyDocument,
    targets: &[String],
    (from, hours): (&str, i64),
    switch: Switch,
) -> Loot {
    let mut house = house(document);
    let from: Timestamp = from.parse().unwrap();
    let mut loot = Loot::default();
    for turn in 0..hours * 3_600 / EVERY {
        let target = &targets[turn as usize % targets.len()];
        let last = turn.unsigned_abs() * 7_919 % 10_u64.pow(CHANGED as u32);
        let number = format!("{}{last:04}", &target[..target.len() - CHANGED as usize]);
        let call = call(
            &number,
            from + SignedDuration::from_secs(turn * EVERY),
            switch,
        );
        if make(&mut house, &call, switch, &mut loot) {
            let price = estimate(&plan::look_up(&number.parse().unwrap()));
            loot.calls += 1;
            loot.minutes += ANSWERED.unsigned_abs() / 60;
            loot.money += price.for_seconds(ANSWERED.unsigned_abs());
        }
    }
    house.finish();
    for cut in house.take_cuts() {
        loot.minutes -= cut.seconds.div_ceil(60);
        loot.money = loot.money.less(cut.cost);
    }
    loot
}

fn call(number: &str, at: Timestamp, switch: Switch) -> SimulatedCall {
    SimulatedCall {
        at,
        attempt: CallAttempt {
            account: "alice@example.com".parse().unwrap(),
            dialed: format!("00{number}"),
            caller: String::new(),
            source_ip: None,
            user_agent: String::new(),
            // A switch that tells nothing counts by itself, and never has more than the account may.
            concurrent_calls: (switch == Switch::Silent).then_some(1),
            call_id: String::new(),
            attempt_key: String::new(),
            forwarded_from: String::new(),
            trunk: String::new(),
        },
        source: Standpoint {
            country: Some(Country::UNITED_STATES),
            ..Standpoint::default()
        },
        duration: SignedDuration::from_secs(ANSWERED),
        fraud: None,
    }
}

/// Whether a call passes, its challenges proved.
fn make(house: &mut Simulation, call: &SimulatedCall, switch: Switch, loot: &mut Loot) -> bool {
    let account = &call.attempt.account;
    let passed = |house: &mut Simulation| {
        let day = Day::of(house.policy.local(call.at).date());
        let resident = house.residents.of(account, &house.policy);
        u64::from(resident.ledger.verified(day).passed)
    };
    let before = passed(house);
    let went = match switch {
        Switch::Tells => house.call(call).passed,
        Switch::Silent => {
            house.calls += 1;
            let mut ruling = house.ask(call, Counting::Counts).1;
            for _ in 0..CHALLENGES {
                let Some(purpose) = ruling.purpose else { break };
                house.prove(call, purpose);
                ruling = house.ask(call, Counting::Again).1;
            }
            ruling.verdict == Verdict::Allow
        }
    };
    loot.passed += passed(house).saturating_sub(before);
    went
}

/// The figures as docs/exposure.md has them: who changes a default sees what it does to them.
#[test]
fn the_defaults_bound_what_a_stolen_account_costs() {
    let dollars = |amount: u64| Money::from_millionths(amount * 1_000_000);
    let mobiles = MOBILES.map(str::to_owned).to_vec();
    for (what, targets) in [("mobiles", mobiles), ("the dearest", dearest())] {
        eprintln!("{what}: {targets:?}");
        for (when, from) in [("Monday", MONDAY), ("Saturday", SATURDAY)] {
            let now = |hours, switch| {
                let policy = PolicyDocument::default();
                stolen(policy, &targets, (from, hours), switch)
            };
            let was = stolen(before(), &targets, (from, 24), Switch::Tells);
            let one = now(24, Switch::Tells);
            let three = now(72, Switch::Tells);
            let silent = now(24, Switch::Silent);
            eprintln!("from {when}, before, 24 h: {was}");
            eprintln!("  24 h: {one}\n  72 h: {three}\n  24 h, the switch tells nothing: {silent}");
            assert!(was.calls >= 90, "the bot does not try: {was}");
            assert!(one.calls > 0 && silent.calls > 0, "{one}; {silent}");
            assert!(one.passed <= 3 && three.passed <= 9, "{one}; {three}");
            assert!(one.calls <= 14 && three.calls <= 42, "{one}; {three}");
            assert!(one.money <= dollars(21), "{one}");
            assert!(three.money <= dollars(63), "{three}");
            assert!(one.minutes <= 122 && three.minutes <= 366, "{one}; {three}");
            // Calls of which nothing is told can't be ended: how many there are is bounded, not how long they last.
            assert!(silent.calls <= 14, "{silent}");
        }
    }
}
