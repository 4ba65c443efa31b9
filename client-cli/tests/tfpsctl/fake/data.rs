//! The made-up data.

use tfps_client::v1::*;

use super::State;

pub fn time(text: &str) -> Option<prost_types::Timestamp> {
    Some(tfpsctl::time::message(text.parse().expect("a time")))
}

pub fn state() -> State {
    let mut alice = account("alice", "example.com");
    alice.usage = Some(AccountUsage {
        calls_today: 3,
        concurrent_calls: 1,
        cost_today: "12.60".to_owned(),
        international_seconds_today: 2_520,
        ..Default::default()
    });
    alice.grants = vec![Grant {
        country: "SO".to_owned(),
        expires_at: time("2026-06-09T21:30:00Z"),
        calls_left: Some(4),
        ..Default::default()
    }];
    let mut bob = account("bob", "example.com");
    bob.blocked = true;
    bob.block_reason = "hijacked \u{1b}[2J phone".to_owned();
    bob.limits = Some(Limits {
        concurrent_calls: Some(30),
        concurrent_calls_off_hours: Some(0),
        daily_quota: Some(2500),
        daily_quota_off_hours: Some(0),
    });
    bob.usage = Some(AccountUsage {
        failed_verifications: 3,
        locked_until: time("2026-06-08T22:30:00Z"),
        ..Default::default()
    });
    let mut carol = account("carol", "voip.example.net");
    carol.source_countries = vec!["US".to_owned(), "CA".to_owned(), "GB".to_owned()];
    State {
        accounts: vec![alice, bob, carol],
        policies: vec![policy("default", ""), policy("strict", "example.com")],
        entries: vec![
            entry(
                EntryKind::Ip,
                "198.51.100.0/24",
                EntryAction::Block,
                "operator",
            ),
            entry(EntryKind::Number, "25261", EntryAction::Block, "itu.txt"),
            entry(
                EntryKind::UserAgent,
                "^friendly",
                EntryAction::Block,
                "operator",
            ),
            entry(
                EntryKind::Number,
                "252612345678",
                EntryAction::Allow,
                "operator",
            ),
        ],
        decisions: decisions(),
        ..Default::default()
    }
}

pub fn account(username: &str, domain: &str) -> Account {
    Account {
        username: username.to_owned(),
        domain: domain.to_owned(),
        limits: Some(Limits {
            concurrent_calls: Some(2),
            concurrent_calls_off_hours: Some(0),
            daily_quota: Some(10),
            daily_quota_off_hours: Some(2),
        }),
        source_countries: vec!["US".to_owned()],
        destination_countries: vec!["US".to_owned()],
        etag: "etag-0".to_owned(),
        create_time: time("2026-05-01T08:00:00Z"),
        update_time: time("2026-06-01T08:00:00Z"),
        ..Default::default()
    }
}

fn policy(name: &str, domain: &str) -> Policy {
    Policy {
        name: name.to_owned(),
        domain: domain.to_owned(),
        description: "what \u{9b}31m holds".to_owned(),
        monitor: name == "strict",
        response_mode: ResponseMode::ResponseMode503603.into(),
        time_zone: "America/New_York".to_owned(),
        blocked_countries: vec!["CU".to_owned(), "LV".to_owned()],
        dial_plan: Some(DialPlan {
            home_country: "US".to_owned(),
            international_prefixes: vec!["011".to_owned(), "00".to_owned()],
            national_prefix: Some("1".to_owned()),
            bare_numbers: BareNumbers::E164.into(),
            emergency_numbers: vec!["9911".to_owned()],
            carrier_codes: vec!["1010XXX".to_owned()],
        }),
        verification: Some(Verification {
            method: VerificationMethod::Captcha.into(),
            captcha_digits: 4,
            has_pin: true,
            ..Default::default()
        }),
        rules: vec![RuleSetting {
            rule: Rule::Quota.into(),
            mode: RuleMode::Challenge.into(),
        }],
        etag: "etag-0".to_owned(),
        update_time: time("2026-06-01T08:00:00Z"),
        notices: vec!["the recurrence reads unlike it was meant".to_owned()],
        ..Default::default()
    }
}

fn entry(kind: EntryKind, value: &str, action: EntryAction, source: &str) -> Entry {
    Entry {
        kind: kind.into(),
        value: value.to_owned(),
        action: action.into(),
        reason: "test, \"quoted\"".to_owned(),
        source: source.to_owned(),
        expires_at: if value == "25261" {
            time("2026-07-01T00:00:00Z")
        } else {
            None
        },
        create_time: time("2026-05-01T08:00:00Z"),
        ..Default::default()
    }
}

pub fn decision(check: &CheckRequest) -> CheckResponse {
    let digits = check
        .dialed_number
        .trim_start_matches('+')
        .trim_start_matches("00")
        .to_owned();
    let base = CheckResponse {
        decision_id: if check.dry_run {
            String::new()
        } else {
            "d-7".to_owned()
        },
        source_country: if check.source_ip.is_empty() { "" } else { "US" }.to_owned(),
        usage: Some(CallUsage {
            concurrent_calls: 1,
            concurrent_limit: 2,
            calls_today: 4,
            daily_quota: 10,
        }),
        number_kind: NumberKind::Mobile.into(),
        e164: digits.clone(),
        ..Default::default()
    };
    match digits.get(..2) {
        Some("25") => CheckResponse {
            verdict: Verdict::Challenge.into(),
            code: "V03".to_owned(),
            reason: "destination country SO is new for this account".to_owned(),
            challenge: Some(Challenge {
                id: "c-1".to_owned(),
                purpose: Purpose::DestinationCountry.into(),
                expires_at: time("2026-06-08T21:35:00Z"),
                country: "SO".to_owned(),
            }),
            destination_country: "SO".to_owned(),
            off_hours: true,
            risk: Some(Risk {
                score: 35,
                signals: vec![RiskSignal {
                    name: "new-range".to_owned(),
                    weight: 20,
                    evidence: "never called before".to_owned(),
                }],
            }),
            sip: Some(SipAnswer {
                media_user: format!("dSO{}", check.dialed_number),
                ..Default::default()
            }),
            ..base
        },
        Some("53") => CheckResponse {
            verdict: Verdict::Deny.into(),
            code: "R06".to_owned(),
            reason: "destination country CU is on the policy's block list".to_owned(),
            destination_country: "CU".to_owned(),
            sip: Some(SipAnswer {
                status: 603,
                ..Default::default()
            }),
            ..base
        },
        Some("49") => CheckResponse {
            verdict: Verdict::Allow.into(),
            code: "A00".to_owned(),
            reason: "authorized".to_owned(),
            destination_country: "DE".to_owned(),
            monitored: Some(Monitored {
                verdict: Verdict::Deny.into(),
                code: "R06".to_owned(),
                reason: "destination country DE is not among the account's".to_owned(),
            }),
            sip: Some(SipAnswer {
                status: 302,
                contact_user: "A00004930123".to_owned(),
                ..Default::default()
            }),
            ..base
        },
        _ => CheckResponse {
            verdict: Verdict::Allow.into(),
            code: "A00".to_owned(),
            reason: "authorized".to_owned(),
            destination_country: "US".to_owned(),
            sip: Some(SipAnswer {
                status: 503,
                ..Default::default()
            }),
            ..base
        },
    }
}

pub fn decisions() -> Vec<Decision> {
    let call = |id: &str, at: &str, dialed: &str, user_agent: &str| {
        let check = CheckRequest {
            dialed_number: dialed.to_owned(),
            ..Default::default()
        };
        let decided = decision(&check);
        Decision {
            id: id.to_owned(),
            time: time(at),
            account: Some(AccountKey {
                username: "alice".to_owned(),
                domain: "example.com".to_owned(),
            }),
            dialed_number: dialed.to_owned(),
            e164: decided.e164,
            source_ip: "198.51.100.7".to_owned(),
            source_country: "US".to_owned(),
            source_asn: 64_500,
            user_agent: user_agent.to_owned(),
            verdict: decided.verdict,
            code: decided.code,
            reason: decided.reason,
            destination_country: decided.destination_country,
            monitored: decided.monitored,
            policy: "default".to_owned(),
            latency: Some(prost_types::Duration {
                seconds: 0,
                nanos: 2100,
            }),
            ..Default::default()
        }
    };
    vec![
        call(
            "d-3",
            "2026-06-08T21:30:12Z",
            "005352345678",
            "friendly\u{1b}]0;owned\u{7}-scanner",
        ),
        call(
            "d-2",
            "2026-06-08T21:29:58Z",
            "0025261234567",
            "Yealink SIP-T46S 66.85.0.5",
        ),
        call(
            "d-1",
            "2026-06-08T21:29:40Z",
            "004930123",
            "Yealink SIP-T46S 66.85.0.5",
        ),
    ]
}

pub fn findings() -> Vec<RuleFinding> {
    let finding =
        |rule: &str, mode: &str, outcome: FindingOutcome, code: &str, detail: &str| RuleFinding {
            rule: rule.to_owned(),
            mode: mode.to_owned(),
            outcome: outcome.into(),
            code: code.to_owned(),
            detail: detail.to_owned(),
            decisive: code == "V03",
        };
    vec![
        finding(
            "malformed-input",
            "enforce",
            FindingOutcome::Passed,
            "",
            "every field is well formed",
        ),
        finding(
            "user-agent",
            "report",
            FindingOutcome::Bit,
            "R01",
            "the agent matches `^friendly`",
        ),
        finding("apiban", "off", FindingOutcome::Off, "", ""),
        finding(
            "reputation",
            "enforce",
            FindingOutcome::Skipped,
            "",
            "no source address",
        ),
        finding(
            "destination-country",
            "challenge",
            FindingOutcome::Bit,
            "V03",
            "SO is not among US",
        ),
        finding(
            "quota",
            "challenge",
            FindingOutcome::Passed,
            "",
            "4 of 10 calls today",
        ),
    ]
}

pub fn status() -> GetStatusResponse {
    GetStatusResponse {
        version: "0.1.0".to_owned(),
        start_time: None,
        serving: true,
        database: Some(DatabaseStatus {
            kind: "sqlite".to_owned(),
            reachable: true,
            ..Default::default()
        }),
        journal: Some(JournalStatus {
            bytes: 5_242_880,
            not_yet_shipped: 1200,
            lag: Some(prost_types::Duration {
                seconds: 63,
                nanos: 0,
            }),
            lost: 2,
            error: "disk full".to_owned(),
        }),
        accounts: 1_000_000,
        policies: 2,
        entries: 18_033,
        pending_challenges: 1,
        calls_in_progress: 12,
        requests_in_flight: 1,
        decisions: 1_234_567,
        warnings: vec!["the database was away for 12 s".to_owned()],
        memory_bytes: 536_870_912,
        sources: vec![
            SourceStatus {
                name: "abuseipdb".to_owned(),
                state: SourceState::Paused.into(),
                entries: 1_234,
                refresh_time: time("2026-06-08T12:00:00Z"),
                retry_time: time("2026-06-08T20:00:00Z"),
                error: "status 429: Daily rate limit of 1000 requests exceeded".to_owned(),
            },
            SourceStatus {
                name: "apiban".to_owned(),
                state: SourceState::Ok.into(),
                entries: 250,
                refresh_time: time("2026-06-08T21:00:00Z"),
                ..Default::default()
            },
        ],
    }
}

pub fn locks() -> Vec<Lock> {
    let lock = |kind: LockKind| Lock {
        kind: kind.into(),
        domain: "example.com".to_owned(),
        failures: 4,
        since: time("2026-06-08T21:30:00Z"),
        until: time("2026-06-08T22:30:00Z"),
        reason: "4 failed verifications".to_owned(),
        ..Default::default()
    };
    vec![
        Lock {
            username: "mallory".to_owned(),
            source: "198.51.100.7".to_owned(),
            ..lock(LockKind::Account)
        },
        Lock {
            source: "2001:db8::/64".to_owned(),
            known: true,
            ..lock(LockKind::Source)
        },
        Lock {
            trunk: "carrier".to_owned(),
            ..lock(LockKind::Trunk)
        },
        Lock {
            policy: "default".to_owned(),
            ..lock(LockKind::PolicyPin)
        },
    ]
}

pub fn statistics() -> GetStatisticsResponse {
    let count = |key: &str, count| StatisticsCount {
        key: key.to_owned(),
        count,
    };
    GetStatisticsResponse {
        since: time("2026-06-07T21:30:00Z"),
        until: time("2026-06-08T21:30:00Z"),
        total: 12_000,
        allowed: 11_000,
        denied: 900,
        challenged: 100,
        by_code: vec![count("A00", 11_000), count("R06", 900), count("V03", 100)],
        top_destination_countries: vec![count("US", 9000), count("CU", 900)],
        top_stopped_accounts: vec![count("bob@example.com", 950)],
    }
}

pub fn tokens() -> Vec<Token> {
    vec![
        Token {
            id: "t1".to_owned(),
            name: "first admin".to_owned(),
            role: Role::Admin.into(),
            create_time: time("2026-05-01T08:00:00Z"),
            ..Default::default()
        },
        Token {
            id: "t2".to_owned(),
            name: "pbx1".to_owned(),
            role: Role::DomainAdmin.into(),
            domain: "example.com".to_owned(),
            create_time: time("2026-05-02T08:00:00Z"),
            expires_at: time("2026-08-01T00:00:00Z"),
        },
    ]
}

pub fn training() -> Training {
    let limits = |calls, quota| Limits {
        concurrent_calls: Some(calls),
        concurrent_calls_off_hours: Some(1),
        daily_quota: Some(quota),
        daily_quota_off_hours: Some(2),
    };
    Training {
        id: "tr1".to_owned(),
        account: Some(AccountKey {
            username: "alice".to_owned(),
            domain: "example.com".to_owned(),
        }),
        state: TrainingState::Suggested.into(),
        reasons: vec![
            "daily quota 10 to 67: 29.2 a day on average, standard deviation 18.5, over 28 days"
                .to_owned(),
            "destination country GB is opened: there were calls".to_owned(),
        ],
        limits_before: Some(limits(2, 10)),
        limits_after: Some(limits(2, 67)),
        source_countries_before: vec!["US".to_owned()],
        source_countries_after: vec!["US".to_owned()],
        destination_countries_before: vec!["US".to_owned(), "FR".to_owned()],
        destination_countries_after: vec!["US".to_owned(), "GB".to_owned()],
        create_time: Some(prost_types::Timestamp {
            seconds: 1_780_900_000,
            nanos: 0,
        }),
        ..Default::default()
    }
}

pub fn calls() -> Vec<OpenCall> {
    let key = |username: &str| {
        Some(AccountKey {
            username: username.to_owned(),
            domain: "example.com".to_owned(),
        })
    };
    vec![
        OpenCall {
            price_is_estimated: false,
            account: key("alice"),
            call_id: "a84b4c76e66710@pc33.example.com".to_owned(),
            e164: "37128054190".to_owned(),
            answered_at: time("2026-06-08T21:12:00Z"),
            held_until: time("2026-06-09T01:12:00Z"),
            charged: true,
            price: "0.30".to_owned(),
            cost_today: "12.60".to_owned(),
            international_seconds_today: 2_520,
            emergency: false,
            hang_up: Some(HangUp {
                account: key("alice"),
                call_id: "a84b4c76e66710@pc33.example.com".to_owned(),
                code: "R21".to_owned(),
                reason: "today's calls have cost 12.60 of at most 12.00".to_owned(),
                ordered_at: time("2026-06-08T21:54:00Z"),
                decision_id: "1a20695c6b70000000202fe3".to_owned(),
            }),
            decision_id: "1a20695c6b70000000202fe3".to_owned(),
        },
        OpenCall {
            account: key("bob"),
            call_id: "f81d4fae7dec".to_owned(),
            emergency: true,
            ..OpenCall::default()
        },
    ]
}
