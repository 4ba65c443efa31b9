//! What one domain's accounts do decides nothing for another domain.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;
use tfps_engine::{
    call::CallAttempt,
    decision::Verdict,
    facts::Standpoint,
    number::Country,
    policy::{Policy, PolicyDocument, RuleMode},
    risk::{KnownNumbers, Predictor, RiskModel},
    rules::Rule,
    simulation::{SimulatedCall, Simulation},
};

const VICTIM: &str = "victim@victim.example";
/// A fixed line in London, a mobile in Brazil, and a number of a country that the prediction suspects.
const NUMBERS: [&str; 3] = ["442079460123", "5511987654321", "37128054190"];

fn monday() -> Timestamp {
    "2026-06-08T12:00:00-04:00".parse().unwrap()
}

fn call(account: &str, ip: &str, at: Timestamp, dialed: &str, seconds: i64) -> SimulatedCall {
    SimulatedCall {
        at,
        attempt: CallAttempt {
            account: account.parse().unwrap(),
            dialed: format!("00{dialed}"),
            caller: String::new(),
            source_ip: ip.parse().ok(),
            user_agent: "Yealink SIP-T46S 66.85.0.5".to_owned(),
            concurrent_calls: None,
            call_id: String::new(),
            attempt_key: String::new(),
            forwarded_from: String::new(),
            trunk: String::new(),
        },
        source: Standpoint::default(),
        duration: SignedDuration::from_secs(seconds),
        fraud: None,
    }
}

/// Whether the victim can still be asked for a proof on the day of its call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verifications {
    Left,
    UsedUp,
}

/// Every country but New Zealand is open to every account: the prediction alone decides.
fn house(mode: RuleMode, verifications: Verifications) -> Simulation {
    let all = Country::all().filter(|one| one.code() != "NZ");
    let all: Vec<String> = all.map(|one| one.code().to_owned()).collect();
    let mut document = PolicyDocument {
        blocked_countries: Vec::new(),
        allowed_destination_countries: all.clone(),
        allowed_source_countries: all,
        rules: [(Rule::Risk, mode)].into(),
        ..PolicyDocument::default()
    };
    document.verification.max_passed_per_day = 1;
    let predictor = Predictor {
        model: Arc::new(RiskModel::built_in()),
        known: Arc::new(KnownNumbers::new(std::iter::empty())),
        cleared: Arc::default(),
    };
    let mut house = Simulation::new(
        Policy::compile(document).unwrap(),
        Arc::default(),
        predictor,
        Arc::default(),
    );
    // It has watched for two months, and knows the victim.
    for days in [60, 30] {
        let long_ago = monday() - (24 * days).hours();
        house.learn(&call(VICTIM, "192.0.2.7", long_ago, "33142345678", 60));
    }
    if verifications == Verifications::UsedUp {
        let early = monday() - 715.minutes();
        let first = house.call(&call(VICTIM, "192.0.2.7", early, "6493001234", 60));
        assert_eq!(first.ruling.verdict, Verdict::Challenge);
    }
    house
}

/// An account of the attackers: domain, account, network.
type Attacker = (usize, usize, usize);

/// What the attackers do: who, which of the last three digits, how long it lasts, and how many minutes before the victim's call.
type Attempt = (Attacker, u16, i64, i64);

fn attempts(domains: usize) -> impl Strategy<Value = Vec<Attempt>> {
    let attacker = (0..domains, 0_usize..20, 0_usize..12);
    let seconds = prop_oneof![Just(0_i64), 1_i64..20, 20_i64..900];
    prop::collection::vec((attacker, 0_u16..1_000, seconds, 1_i64..700), 0..60)
}

fn name((domain, account, _): Attacker) -> String {
    format!("{account}@evil{domain}.example")
}

/// The verdict on the victim's call after all that; and on the same call when nothing of it happened.
fn verdicts(
    mode: RuleMode,
    verifications: Verifications,
    number: &str,
    mut attempts: Vec<Attempt>,
) -> [Verdict; 2] {
    let of_victim = |house: &mut Simulation| {
        let call = call(VICTIM, "192.0.2.7", monday(), number, 60);
        house.call(&call).ruling.verdict
    };
    let mut poisoned = house(mode, verifications);
    attempts.sort_by_key(|(.., minutes)| -minutes);
    let dialed = |last: u16| format!("{}{last:03}", &number[..number.len() - 3]);
    // Their accounts are known for long, and some call the range again and again.
    for (attacker, last, ..) in &attempts {
        let is_regular = last.is_multiple_of(4);
        for days in if is_regular { vec![40, 9] } else { vec![40] } {
            let at = monday() - (24 * days).hours();
            let habit = if is_regular {
                dialed(*last)
            } else {
                "33142345678".to_owned()
            };
            let ip = format!("198.51.{}.1", attacker.2);
            poisoned.learn(&call(&name(*attacker), &ip, at, &habit, 60));
        }
    }
    for (attacker, last, seconds, minutes) in attempts {
        let at = monday() - minutes.minutes();
        let ip = format!("198.51.{}.1", attacker.2);
        // Whatever a policy says to it.
        poisoned.replay(&call(&name(attacker), &ip, at, &dialed(last), seconds));
    }
    let mut alone = house(mode, verifications);
    [of_victim(&mut poisoned), of_victim(&mut alone)]
}

#[test]
fn six_accounts_of_a_tenant_that_call_a_range_briefly_change_nobody_else_s_calls() {
    for number in NUMBERS {
        let attempts = (0..6)
            .map(|account: usize| {
                let attacker = (0, account, account);
                (
                    attacker,
                    7 * account as u16 + 1,
                    6,
                    120 - 10 * account as i64,
                )
            })
            .collect();
        let [poisoned, alone] =
            verdicts(RuleMode::Challenge, Verifications::Left, number, attempts);
        assert_eq!(poisoned, alone, "{number}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn one_domain_decides_nothing_for_another(
        attempts in attempts(1), number in 0_usize..3, enforces: bool,
    ) {
        let mode = if enforces { RuleMode::Enforce } else { RuleMode::Challenge };
        let [poisoned, alone] = verdicts(mode, Verifications::Left, NUMBERS[number], attempts);
        prop_assert_eq!(poisoned, alone);
    }

    #[test]
    fn however_many_domains_deny_nothing_to_another(
        attempts in attempts(9), number in 0_usize..3, enforces: bool, used_up: bool,
    ) {
        let mode = if enforces { RuleMode::Enforce } else { RuleMode::Challenge };
        let verifications = if used_up { Verifications::UsedUp } else { Verifications::Left };
        let [poisoned, alone] = verdicts(mode, verifications, NUMBERS[number], attempts);
        prop_assert_eq!(poisoned == Verdict::Deny, alone == Verdict::Deny);
    }
}
