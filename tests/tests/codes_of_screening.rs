//! The codes that a call gets before its account is looked at, and A00, each provoked over gRPC.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use tfps_client::{
    Client, Code,
    v1::{self, CheckRequest, EntryAction, EntryKind, Verdict},
};
use tfps_tests::{
    Command, Server,
    claims::denied,
    scene::{
        CUBA, DOMAIN, ELSEWHERE, HOME_NUMBER, KNOWN_NETWORKS, LONDON, call, from, key, limits,
    },
};

#[tokio::test]
async fn a00_tells_all_about_the_call() {
    let server = Server::open().await;
    server.account("alice").await;
    let decision = server.check(call("alice", HOME_NUMBER)).await;
    assert_eq!(
        (decision.code.as_str(), decision.verdict()),
        ("A00", Verdict::Allow)
    );
    assert_eq!(decision.decision_id.len(), 24);
    assert_eq!(decision.e164, HOME_NUMBER);
    assert_eq!(decision.destination_country, "US");
    assert_eq!(decision.number_kind(), v1::NumberKind::FixedLineOrMobile);
    assert!(!decision.off_hours);
    let usage = decision.usage.unwrap();
    assert_eq!((usage.concurrent_calls, usage.concurrent_limit), (1, 100));
    assert_eq!((usage.calls_today, usage.daily_quota), (1, 1_000));
    let sip = decision.sip.unwrap();
    assert_eq!((sip.status, sip.contact_user.as_str()), (503, ""));
    let second = server.check(call("alice", HOME_NUMBER)).await;
    assert_eq!(second.usage.unwrap().calls_today, 2);
}

#[tokio::test]
async fn a_call_for_help_passes_whoever_calls() {
    let server = Server::open().await;
    server
        .account_with("alice", |account| account.limits = Some(limits(1, 1)))
        .await;
    server
        .policy(|policy| {
            policy.dial_plan.get_or_insert_default().emergency_numbers = vec!["9911".to_owned()];
            policy.repeats.get_or_insert_default().max_repeats = 1;
        })
        .await;
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");
    let block = v1::BlockAccountRequest {
        account: Some(key("alice")),
        reason: "unpaid".to_owned(),
    };
    server.admin().block_account(block).await.unwrap();
    server
        .list(EntryKind::Ip, "203.0.113.9", EntryAction::Block)
        .await;
    for number in ["911", "112", "9911"] {
        for username in ["alice", "stranger"] {
            for _ in 0..3 {
                let passed = server
                    .check(from("203.0.113.9", call(username, number)))
                    .await;
                assert_eq!(
                    (&*passed.code, &*passed.reason),
                    ("A00", "an emergency number")
                );
                assert_eq!((&*passed.e164, &*passed.destination_country), ("", ""));
            }
        }
    }
    // It takes neither a slot nor a place in the quota, and opens nothing else.
    assert_eq!(server.usage("alice").await.calls_today, 1);
    denied(&server.check(call("alice", "9112")).await, "R16");
    let explained = v1::ExplainCheckRequest {
        check: Some(call("alice", "911")),
    };
    let explained = server.admin().explain_check(explained).await.unwrap();
    assert!(
        explained
            .findings
            .iter()
            .all(|finding| finding.detail == "an emergency number is dialed")
    );
    assert_eq!(explained.decision.unwrap().code, "A00");
    let recorded = server.decisions(v1::DecisionFilter::default()).await;
    assert!(
        recorded
            .iter()
            .any(|made| made.dialed_number == "911" && made.code == "A00")
    );
}

#[tokio::test]
async fn r01_r14_r03_are_the_operators_lists() {
    let server = Server::open().await;
    server.account("alice").await;
    let scanner = CheckRequest {
        user_agent: "friendly-scanner".to_owned(),
        ..call("alice", HOME_NUMBER)
    };
    denied(&server.check(scanner.clone()).await, "R01");
    server
        .list(EntryKind::Ip, "203.0.113.0/24", EntryAction::Block)
        .await;
    denied(
        &server
            .check(from("203.0.113.9", call("alice", HOME_NUMBER)))
            .await,
        "R14",
    );
    server
        .list(EntryKind::Number, "1212555", EntryAction::Block)
        .await;
    denied(&server.check(call("alice", HOME_NUMBER)).await, "R03");
    server
        .list(EntryKind::Number, HOME_NUMBER, EntryAction::Allow)
        .await;
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");
    // Where two would bite, the earlier rule does: user agent, source, number.
    denied(&server.check(from("203.0.113.9", scanner)).await, "R01");
    denied(
        &server
            .check(from("203.0.113.9", call("alice", "12125550000")))
            .await,
        "R14",
    );
}

#[tokio::test]
async fn r02_r15_are_bad_reputation() {
    let server = Server::open_with(KNOWN_NETWORKS).await;
    server.account("alice").await;
    denied(
        &server
            .check(from("203.0.113.7", call("alice", HOME_NUMBER)))
            .await,
        "R02",
    );
    denied(
        &server
            .check(from("203.0.113.8", call("alice", HOME_NUMBER)))
            .await,
        "R15",
    );
    // A source that nothing is known of, and one that can't be looked up.
    for ip in ["203.0.113.9", "10.0.0.1", "127.0.0.1", "fe80::1", "fd00::7"] {
        let asked = CheckRequest {
            caller_number: ip.to_owned(),
            ..call("alice", HOME_NUMBER)
        };
        assert_eq!(server.code(from(ip, asked)).await, "A00", "{ip}");
    }
    // The operator's allow list ends both.
    server
        .list(EntryKind::Ip, "203.0.113.7", EntryAction::Allow)
        .await;
    let second = CheckRequest {
        caller_number: "2".to_owned(),
        ..call("alice", HOME_NUMBER)
    };
    assert_eq!(server.code(from("203.0.113.7", second)).await, "A00");
}

#[tokio::test]
async fn r07_is_a_prefix_that_leads_nowhere() {
    let server = Server::open().await;
    server.account("alice").await;
    denied(&server.check(call("alice", "21012345678")).await, "R07");
    denied(&server.check(call("alice", "+21012345678")).await, "R07");
    denied(&server.check(call("alice", "01121012345678")).await, "R07");
}

/// One field of a request, made wrong.
type Breaks = fn(&mut CheckRequest);

#[tokio::test]
async fn a_call_for_help_passes_whatever_stands_beside_its_number() {
    let server = Server::open().await;
    let broken: [Breaks; 12] = [
        |call| call.account = None,
        |call| call.account = Some(v1::AccountKey::default()),
        |call| call.account.as_mut().unwrap().username = "a' OR '1'='1".to_owned(),
        |call| call.account.as_mut().unwrap().domain = "é".repeat(300),
        |call| call.user_agent = "é".repeat(300),
        |call| call.user_agent = "a\r\nb".to_owned(),
        |call| call.caller_number = "<script>".repeat(20),
        |call| call.source_ip = "my phone".to_owned(),
        |call| call.concurrent_calls = Some(u32::MAX),
        |call| call.call_id = "x".repeat(300),
        |call| call.forwarded_from = "x".repeat(300),
        |call| call.trunk = "\0".repeat(300),
    ];
    let numbers = [
        "911",
        "+911",
        "9 1 1",
        "911#",
        "tel:911",
        "sip:112@pbx.example.com;user=phone",
        "urn:service:sos.police",
        "URN:SERVICE:SOS",
    ];
    for number in numbers {
        for break_it in broken {
            let mut asked = call("alice", number);
            break_it(&mut asked);
            let passed = server.check(asked.clone()).await;
            assert_eq!(
                (&*passed.code, &*passed.reason),
                ("A00", "an emergency number"),
                "{asked:?}"
            );
        }
    }
    let filter = v1::DecisionFilter::default();
    let recorded = server.decisions(filter).await;
    assert_eq!(recorded.len(), numbers.len() * broken.len());
    // Of another tenant's domain too, and it is recorded in the token's own.
    let token = server.token(v1::Role::Switch, "b.example").await;
    let bound = server.client_of(&token).await;
    assert_eq!(bound.check(call("alice", "911")).await.unwrap().code, "A00");
    let refused = bound.check(call("alice", HOME_NUMBER)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    // What only begins like one is a number like any other, and a wrong field is an error again.
    let token = server.token(v1::Role::Switch, "").await;
    let switch = server.client_of(&token).await;
    for number in ["9112", "91145678901"] {
        let mut asked = call("alice", number);
        asked.user_agent = "x".repeat(300);
        let refused = switch.check(asked).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{number}");
    }
}

#[tokio::test]
async fn dialed_numbers_are_read_by_the_dial_plan() {
    let server = Server::open().await;
    server.account("alice").await;
    for dialed in [
        "+442079460123",
        "011442079460123",
        "00442079460123",
        "+44 (20) 7946-0123",
    ] {
        let decision = server.check(call("alice", dialed)).await;
        assert_eq!(
            (
                decision.e164.as_str(),
                decision.destination_country.as_str()
            ),
            (LONDON, "GB"),
            "{dialed}"
        );
    }
}

#[tokio::test]
async fn r12_is_injection() {
    let server = Server::open().await;
    let account = |username: &str, domain: &str| v1::AccountKey {
        username: username.to_owned(),
        domain: domain.to_owned(),
    };
    for (account, dialed, caller) in [
        (account("alice' OR '1'='1", DOMAIN), HOME_NUMBER, ""),
        (account("alice\0", DOMAIN), HOME_NUMBER, ""),
        (account("alice", "example.com'; --"), HOME_NUMBER, ""),
        (account("alice", DOMAIN), "1212555CALL", ""),
        (account("alice", DOMAIN), "1212'555", ""),
        (account("alice", DOMAIN), HOME_NUMBER, "\"x\"<1>"),
        (account("alice", DOMAIN), HOME_NUMBER, "1--2"),
        (account("alice", DOMAIN), &"1".repeat(40), ""),
    ] {
        let asked = CheckRequest {
            account: Some(account),
            caller_number: caller.to_owned(),
            ..call("", dialed)
        };
        denied(&server.check(asked).await, "R12");
    }
    let recorded = server
        .decisions(v1::DecisionFilter {
            codes: vec!["R12".to_owned()],
            ..v1::DecisionFilter::default()
        })
        .await;
    assert_eq!(recorded.len(), 8);
    assert!(
        recorded
            .iter()
            .any(|decision| decision.account.as_ref().unwrap().username == "alice' OR '1'='1")
    );
}

#[tokio::test]
async fn r13_is_the_same_pair_too_often() {
    let server = Server::open().await;
    server.account("alice").await;
    let mut codes = Vec::new();
    for _ in 0..7 {
        codes.push(server.code(call("alice", HOME_NUMBER)).await);
    }
    assert_eq!(codes, ["A00", "A00", "A00", "A00", "A00", "R13", "R13"]);
    assert_eq!(server.code(call("alice", "12125552369")).await, "A00");
    assert_eq!(server.usage("alice").await.calls_today, 6);
}

#[tokio::test]
async fn r16_is_the_operators_block() {
    let server = Server::open().await;
    server.account("alice").await;
    let request = v1::BlockAccountRequest {
        account: Some(key("alice")),
        reason: "unpaid".to_owned(),
    };
    let account = server.admin().block_account(request).await.unwrap();
    let account = account.account.unwrap();
    assert!(account.blocked && account.block_reason == "unpaid");
    let scanner = CheckRequest {
        user_agent: "friendly-scanner".to_owned(),
        ..call("alice", CUBA)
    };
    denied(&server.check(scanner).await, "R16");
    let request = v1::UnblockAccountRequest {
        account: Some(key("alice")),
    };
    server.admin().unblock_account(request).await.unwrap();
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");
}

#[tokio::test]
async fn r19_is_a_source_that_floods() {
    let server = Server::open().await;
    server.account("alice").await;
    server
        .policy(|policy| {
            policy.flood = Some(v1::FloodLimit {
                requests_per_second: Some(1),
                burst: 2,
            });
        })
        .await;
    let mut codes = Vec::new();
    for _ in 0..8 {
        let asked = from("192.0.2.1", call("alice", "12125552369"));
        codes.push(server.code(asked).await);
    }
    assert_eq!(codes[..2], ["A00", "A00"]);
    assert!(codes.contains(&"R19".to_owned()), "{codes:?}");
    assert_eq!(
        server
            .code(from("192.0.2.2", call("alice", HOME_NUMBER)))
            .await,
        "A00"
    );
}

#[tokio::test]
async fn whoever_has_a_64_is_one_source() {
    let server = Server::open().await;
    server.account("alice").await;
    server
        .policy(|policy| {
            let flood = policy.flood.get_or_insert_default();
            (flood.requests_per_second, flood.burst) = (Some(1), 5);
        })
        .await;
    let code = async |ip: String, number: u32| {
        let dialed = format!("1212555{number:04}");
        let decision = server.check(from(&ip, call("alice", &dialed))).await;
        (decision.code, decision.reason)
    };
    let mut refused = 0;
    for host in 1..=200 {
        let (code, reason) = code(format!("2001:db8:1:2::{host:x}"), host).await;
        if code == "R19" {
            let source = "2001:db8:1:2::/64 asks more often";
            assert!(reason.starts_with(source), "{reason}");
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
    // Its neighbours are others, up to a bound for the whole site.
    let (neighbour, reason) = code("2001:db8:1:9::1".to_owned(), 1_000).await;
    assert_eq!(neighbour, "A00", "{reason}");
    let mut refused = 0;
    for net in 10..510 {
        let (code, reason) = code(format!("2001:db8:1:{net:x}::1"), 1_000 + net).await;
        if code == "R19" {
            let source = "2001:db8:1::/48 asks more often";
            assert!(reason.starts_with(source), "{reason}");
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused}");
}

#[tokio::test]
async fn a_flood_of_emergency_calls_passes_and_raises_an_alarm() {
    let server = Command::default().http().start().await;
    server.account("alice").await;
    let block = v1::BlockAccountRequest {
        account: Some(key("alice")),
        reason: "stolen".to_owned(),
    };
    server.admin().block_account(block).await.unwrap();
    let status = async |client: &Client| {
        let status = client.get_status(Default::default()).await.unwrap();
        status.warnings.join("\n")
    };
    for _ in 0..4 {
        assert_eq!(
            server.code(from("203.0.113.9", call("alice", "911"))).await,
            "A00"
        );
    }
    assert!(
        !status(server.admin()).await.contains("emergency"),
        "people do this"
    );
    for _ in 0..200 {
        assert_eq!(
            server.code(from("203.0.113.9", call("alice", "911"))).await,
            "A00"
        );
    }
    // Invented accounts have their source in common.
    for number in 0..200 {
        let invented = from("2001:db8::7", call(&format!("nobody{number}"), "112"));
        assert_eq!(server.code(invented).await, "A00");
    }
    let warning = status(server.admin()).await;
    for who in [
        "emergency calls: account alice@example.com has made 5 within 60 s",
        "emergency calls: source 203.0.113.9 has made 5 within 60 s",
        "by alice@example.com from 203.0.113.9",
        "emergency calls: source 2001:db8::/64 has made 5 within 60 s",
    ] {
        assert!(warning.contains(who), "{who}: {warning}");
    }
    let metrics = server.http_get("/metrics").await;
    for line in [
        "tfps_emergency_calls_total 404",
        // The /48 of the second source, too.
        "tfps_emergency_alarms_total 4",
    ] {
        assert!(metrics.lines().any(|other| other == line), "{metrics}");
    }
    let logged = server.said().matches("too many emergency calls").count();
    assert_eq!(logged, 4);
    assert_eq!(server.decisions(Default::default()).await.len(), 404);
    // What others do is not a tenant's to see.
    let secret = server.token(v1::Role::DomainAdmin, ELSEWHERE).await;
    let elsewhere = status(&server.client_of(&secret).await).await;
    assert!(!elsewhere.contains("emergency"), "{elsewhere}");
    let secret = server.token(v1::Role::DomainAdmin, DOMAIN).await;
    let own = status(&server.client_of(&secret).await).await;
    assert!(
        own.contains("account alice@example.com") && !own.contains("source 2001"),
        "{own}"
    );
}

#[tokio::test]
async fn a_flood_of_emergency_calls_is_seen_whatever_its_callers_write_and_however_they_vary_the_source()
 {
    let server = Server::open().await;
    server.account("alice").await;
    let tampered = |call_id: &str, caller: &str| CheckRequest {
        call_id: call_id.to_owned(),
        caller_number: caller.to_owned(),
        ..from("203.0.113.9", call("alice", "911"))
    };
    for number in 0..200 {
        let call_id = format!("a\r\n{number}");
        let caller = if number % 2 == 0 { "" } else { "\u{7}" };
        assert_eq!(server.code(tampered(&call_id, caller)).await, "A00");
    }
    // Other accounts from other networks of one site.
    for number in 0..100 {
        let ip = format!("2001:db8:5:{number:x}::1");
        let invented = from(&ip, call(&format!("nobody{number}"), "112"));
        assert_eq!(server.code(invented).await, "A00");
    }
    // One whose name is none.
    for _ in 0..10 {
        let nameless = from("203.0.113.10", call("no\nbody", "112"));
        assert_eq!(server.code(nameless).await, "A00");
    }
    let status = server.admin().get_status(Default::default()).await.unwrap();
    let warning = status.warnings.join("\n");
    for who in [
        "emergency calls: account alice@example.com has made 5 within 60 s",
        "emergency calls: source 203.0.113.9 has made 5 within 60 s",
        "by alice@example.com from 203.0.113.9",
        "emergency calls: source 2001:db8:5::/48 has made 80 within 60 s",
        "emergency calls: source 203.0.113.10 has made 5 within 60 s",
    ] {
        assert!(warning.contains(who), "{who}: {warning}");
    }
}
