//! What a carrier's server holds and is asked: made by counting, so that every run and every process has the same.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr},
};

use tfps_engine::{
    account::{Account, Limits, RareText},
    call::{AccountId, CallAttempt},
    decision::Code,
    exposure::Money,
    facts::Standpoint,
    number::{Country, CountrySet},
    policy::{PolicyDocument, RuleMode},
    rules::Rule,
};

use crate::random::Random;

/// How many domains the accounts are spread over.
const DOMAINS: usize = 2_000;
/// Nobody reaches a limit that a benchmark sets: every call is to be decided in full.
const UNLIMITED: u32 = 1_000_000_000;

/// How much of everything there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Accounts.
    pub accounts: usize,
    /// Numbers and prefixes on the block list.
    pub numbers: usize,
    /// Networks on the block list.
    pub networks: usize,
}

impl Scale {
    /// That of the budgets.
    pub const FULL: Self = Self {
        accounts: 1_000_000,
        numbers: 100_000,
        networks: 1_000_000,
    };
    /// That of a smoke run.
    pub const QUICK: Self = Self {
        accounts: 20_000,
        numbers: 2_000,
        networks: 20_000,
    };
}

/// The name of an account: 8 to 12 characters at one of two thousand domains of 19.
pub fn account_name(number: usize) -> (String, String) {
    let tail = &"xyzw"[..number % 5];
    let domain = number.wrapping_mul(7_919) % DOMAINS;
    (
        format!("{number:08}{tail}"),
        format!("pbx{domain:04}.example.net"),
    )
}

/// An account. It may call the United States and Canada, and be called from in there; one in a thousand is blocked.
pub fn account(number: usize) -> Account {
    let (username, domain) = account_name(number);
    let countries = |codes: &[&str]| -> CountrySet {
        codes
            .iter()
            .filter_map(|code| Country::from_code(code).ok())
            .collect()
    };
    Account {
        id: AccountId::new(&username, &domain).expect("the name was made to be one"),
        limits: Limits {
            concurrent_calls: 1_000,
            concurrent_calls_off_hours: 1_000,
            daily_quota: UNLIMITED,
            daily_quota_off_hours: UNLIMITED,
        },
        source_countries: countries(&["US"]),
        destination_countries: countries(&["US", "CA", "GB"]),
        blocked: is_blocked(number).then_some("unpaid").into(),
        policy: RareText::default(),
        has_pin: false,
    }
}

/// The policy: every rule on, no limit within reach.
pub fn policy() -> PolicyDocument {
    let mut policy = PolicyDocument::default();
    policy
        .rules
        .insert(Rule::UnknownSourceCountry, RuleMode::Enforce);
    policy.repeats.max_repeats = UNLIMITED;
    policy.flood.requests_per_second = 1_000_000;
    policy.flood.burst = 1_000_000;
    // Every call is scored, and none is stopped by that: what its code is stands with the call.
    policy.risk.challenge_score = 101;
    policy.risk.deny_score = 101;
    policy.risk.pin_score = 101;
    policy.exposure.daily_cost = Money::from_millionths(u64::MAX / 2);
    policy.exposure.daily_international_minutes = UNLIMITED;
    policy
}

/// Numbers and prefixes for the block list: ranges in countries that such fraud goes to, and some among ordinary numbers.
pub fn listed_numbers(count: usize) -> Vec<String> {
    const CODES: [&str; 12] = [
        "88213", "88299", "25263", "22490", "26377", "22020", "23188", "24897", "67743", "44703",
        "49180", "44909",
    ];
    let mut random = Random(3);
    let mut seen = HashSet::with_capacity(count);
    std::iter::repeat_with(|| {
        let code = CODES[random.below(CODES.len())];
        let digits = 2 + random.below(5);
        let mut number = code.to_owned();
        for _ in 0..digits {
            number.push(char::from(
                b'0' + u8::try_from(random.below(10)).unwrap_or(0),
            ));
        }
        number
    })
    .filter(|number| seen.insert(number.clone()))
    .take(count)
    .collect()
}

/// Networks for the block list: single addresses and /24 of IPv4, some of IPv6. None of [`source`]'s is among them.
pub fn listed_networks(count: usize) -> Vec<String> {
    let mut random = Random(5);
    let mut seen = HashSet::with_capacity(count);
    std::iter::repeat_with(|| {
        let [a, b, c, d, kind, ..] = random.next().to_be_bytes();
        let a = 32 + a % 64;
        match kind % 20 {
            0 => format!("2001:db8:{a:x}{b:02x}:{c:x}{d:02x}::/64"),
            1..=10 => format!("{a}.{b}.{c}.0/24"),
            _ => format!("{a}.{b}.{c}.{d}"),
        }
    })
    .filter(|network| seen.insert(network.clone()))
    .take(count)
    .collect()
}

/// Patterns of user agents for the block list, as operators write them: names, some with a version, some anchored.
pub fn listed_agents(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| match number % 4 {
            0 => format!("sip-scan{number:05}"),
            1 => format!("^pump{number:05}"),
            2 => format!("dialer{number:05} [0-9.]+$"),
            _ => format!("bot ?{number:05}"),
        })
        .collect()
}

/// An agent that the pattern of that number matches.
pub fn listed_agent(number: usize) -> String {
    match number % 4 {
        0 => format!("sip-scan{number:05}/2.1"),
        1 => format!("Pump{number:05}"),
        2 => format!("The dialer{number:05} 1.0.7"),
        _ => format!("a bot {number:05} of theirs"),
    }
}

/// The address that an ordinary call comes from, in 23.0.0.0/8.
pub fn source(number: usize) -> Ipv4Addr {
    let [.., b, c, d] = number.wrapping_mul(2_654_435_761).to_be_bytes();
    Ipv4Addr::new(23, b, c, d)
}

/// A call, where it comes from, and what is to be decided about it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The attempt.
    pub attempt: CallAttempt,
    /// What reputation and geography say of its source.
    pub source: Standpoint,
    /// The code that it must get.
    pub expected: Code,
}

/// Calls as they come on a bad day: two in three are allowed, the others meet the rules from the first to the last.
pub fn calls(count: usize, accounts: usize, listed: &Listed<'_>) -> Vec<Call> {
    let mut random = Random(7);
    (0..count)
        .map(|at| call(at, accounts, listed, &mut random))
        .collect()
}

/// What is on the block lists.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// From [`listed_numbers`].
    pub numbers: &'a [String],
    /// From [`listed_networks`].
    pub networks: &'a [String],
}

fn call(at: usize, accounts: usize, listed: &Listed<'_>, random: &mut Random) -> Call {
    const AGENTS: [&str; 4] = [
        "Yealink SIP-T46S 66.85.0.5",
        "Grandstream GXP2170 1.0.11.64",
        "PolycomVVX-VVX_411-UA/6.4.1.2",
        "Asterisk PBX 20.5.0",
    ];
    let mut number = random.below(accounts);
    while is_blocked(number) {
        number = random.below(accounts);
    }
    let us = Country::from_code("US").ok();
    let mut call = Call {
        attempt: CallAttempt {
            account: account(number).id,
            dialed: ordinary_number(random),
            caller: format!("1212555{:04}", random.below(10_000)),
            source_ip: Some(IpAddr::V4(source(number))),
            user_agent: AGENTS[random.below(AGENTS.len())].to_owned(),
            concurrent_calls: Some(1 + u32::try_from(random.below(3)).unwrap_or(0)),
            call_id: format!("{:016x}@pbx{:04}", random.next(), random.below(10_000)),
            attempt_key: String::new(),
            forwarded_from: String::new(),
            trunk: "carrier-1".to_owned(),
        },
        source: Standpoint {
            country: us,
            abuse_confidence: Some(0),
            apiban: Some(false),
            ..Standpoint::default()
        },
        expected: Code::A00,
    };
    let attempt = &mut call.attempt;
    call.expected = match at % 60 {
        0..=3 => {
            attempt.dialed = format!("011493023125{:03}", random.below(1_000));
            Code::V03
        }
        4..=6 => {
            let listed = &listed.numbers[random.below(listed.numbers.len())];
            attempt.dialed = format!("011{listed}{:03}", random.below(1_000));
            Code::R03
        }
        7..=9 => {
            let network = &listed.networks[random.below(listed.networks.len())];
            let address = network.split('/').next().unwrap_or_default();
            attempt.source_ip = address.parse().ok();
            Code::R14
        }
        10 => {
            attempt.user_agent = "friendly-scanner".to_owned();
            Code::R01
        }
        11 => {
            let blocked = number / 1_000 * 1_000 + BLOCKED;
            attempt.account = account(blocked % accounts).id;
            Code::R16
        }
        12 | 13 => {
            attempt.dialed = format!("01153782{:05}", random.below(100_000));
            Code::R06
        }
        14 => {
            attempt.dialed = format!("011999{:07}", random.below(10_000_000));
            Code::R07
        }
        15 => {
            attempt.account = account(accounts + number).id;
            Code::V01
        }
        16 => {
            // A call that stays in the home country skips the rules on countries.
            attempt.dialed = format!("01144207946{:04}", random.below(10_000));
            call.source.country = Country::from_code("BR").ok();
            Code::V02
        }
        17 => {
            attempt.dialed = format!("01144207946{:04}", random.below(10_000));
            call.source.country = None;
            Code::R05
        }
        18 => {
            call.source.abuse_confidence = Some(90);
            Code::R02
        }
        19 => {
            call.source.apiban = Some(true);
            Code::R15
        }
        _ => Code::A00,
    };
    call
}

/// A number in the United States, Canada or the United Kingdom, as one dials it.
fn ordinary_number(random: &mut Random) -> String {
    let last = random.below(10_000);
    match random.below(4) {
        0 => format!("1212555{last:04}"),
        1 => format!("+1416555{last:04}"),
        2 => format!("01144207946{last:04}"),
        _ => format!("01144161496{last:04}"),
    }
}

/// Which of every thousand accounts is blocked.
const BLOCKED: usize = 13;

/// Whether an account is blocked.
pub fn is_blocked(number: usize) -> bool {
    number % 1_000 == BLOCKED
}
