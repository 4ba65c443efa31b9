//! What an answer says beside its code, and how a policy's modes change it: response mode, monitor, report, dry runs, every
//! rule explained.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use tfps_client::v1::{
    self, CheckRequest, CheckResponse, FindingOutcome, ResponseMode, Rule, RuleMode, Verdict,
};
use tfps_tests::{
    Server, clock,
    scene::{CUBA, HOME_NUMBER, LONDON, call, limits, setting},
};

fn sip(decision: &CheckResponse) -> (u32, &str, &str) {
    let sip = decision.sip.as_ref().expect("a SIP answer");
    (sip.status, &sip.contact_user, &sip.media_user)
}

#[tokio::test]
async fn sip_answers_are_503_603_or_302() {
    let server = Server::open().await;
    server.account("alice").await;
    let dialed = "011442079460123";
    for (mode, allowed, denied) in [
        (
            ResponseMode::ResponseMode503603,
            (503, String::new()),
            (603, ""),
        ),
        (
            ResponseMode::ResponseMode302,
            (302, format!("A00{HOME_NUMBER}")),
            (302, "R06"),
        ),
    ] {
        server
            .policy(|policy| policy.response_mode = mode.into())
            .await;
        let decision = server.check(call("alice", HOME_NUMBER)).await;
        assert_eq!(sip(&decision), (allowed.0, allowed.1.as_str(), ""));
        let decision = server.check(call("alice", CUBA)).await;
        assert_eq!(sip(&decision), (denied.0, denied.1, ""));
        // The number goes to the media server as it was dialed.
        let decision = server.check(call("alice", dialed)).await;
        assert_eq!(sip(&decision), (0, "", &*format!("dGB{dialed}")));
    }
}

#[tokio::test]
async fn a_policy_that_monitors_lets_every_call_pass() {
    let server = Server::open().await;
    server
        .account_with("alice", |account| account.limits = Some(limits(1, 1)))
        .await;
    server.policy(|policy| policy.monitor = true).await;
    let scanner = CheckRequest {
        user_agent: "friendly-scanner".to_owned(),
        ..call("alice", CUBA)
    };
    let tampered = CheckRequest {
        caller_number: "x'--".to_owned(),
        ..call("alice", CUBA)
    };
    for (asked, would_be, verdict) in [
        (call("nobody", HOME_NUMBER), "V01", Verdict::Challenge),
        (call("alice", LONDON), "V03", Verdict::Challenge),
        (call("alice", CUBA), "R06", Verdict::Deny),
        (scanner, "R01", Verdict::Deny),
        (tampered, "R12", Verdict::Deny),
        (call("alice", "21012345678"), "R07", Verdict::Deny),
    ] {
        let decision = server.check(asked).await;
        assert_eq!(
            (decision.code.as_str(), decision.verdict()),
            ("A00", Verdict::Allow)
        );
        assert!(decision.challenge.is_none());
        let monitored = decision.monitored.expect("what would have been");
        assert_eq!(
            (monitored.code.as_str(), monitored.verdict()),
            (would_be, verdict)
        );
        let recorded = server
            .decisions(v1::DecisionFilter {
                decision_id: decision.decision_id,
                ..v1::DecisionFilter::default()
            })
            .await;
        assert_eq!(recorded[0].monitored.as_ref().unwrap().code, would_be);
    }
    let status = server.admin().get_status(Default::default()).await.unwrap();
    assert!(
        status
            .warnings
            .iter()
            .any(|warning| warning.contains("only monitors")),
        "{:?}",
        status.warnings
    );
}

#[tokio::test]
async fn a_rule_that_reports_lets_the_next_one_bite() {
    let server = Server::open().await;
    server.account("alice").await;
    server
        .policy(|policy| {
            policy.rules = vec![
                setting(Rule::BlockedCountry, RuleMode::Report),
                setting(Rule::DestinationCountry, RuleMode::Report),
            ];
        })
        .await;
    // The first that would have bitten is what is told.
    let decision = server.check(call("alice", CUBA)).await;
    assert_eq!(decision.code, "A00");
    let monitored = decision.monitored.unwrap();
    assert_eq!(
        (monitored.code.as_str(), monitored.verdict()),
        ("R06", Verdict::Deny)
    );
    assert!(monitored.reason.contains("block list"), "{monitored:?}");
    server.policy(|policy| policy.rules.truncate(1)).await;
    let decision = server.check(call("alice", CUBA)).await;
    assert_eq!(
        (decision.code.as_str(), decision.verdict()),
        ("V03", Verdict::Challenge)
    );
    assert_eq!(decision.monitored.unwrap().code, "R06");
    // Off is not even recorded.
    server
        .policy(|policy| {
            policy.rules = vec![
                setting(Rule::BlockedCountry, RuleMode::Off),
                setting(Rule::DestinationCountry, RuleMode::Off),
            ];
        })
        .await;
    let decision = server.check(call("alice", CUBA)).await;
    assert_eq!((decision.code.as_str(), decision.monitored), ("A00", None));
}

#[tokio::test]
async fn the_order_of_the_rules_decides() {
    let server = Server::open().await;
    server
        .account_with("alice", |account| account.limits = Some(limits(1, 1)))
        .await;
    let at_once = |calls, dialed: &str| CheckRequest {
        concurrent_calls: Some(calls),
        ..call("alice", dialed)
    };
    // Concurrency before quota.
    assert_eq!(server.code(at_once(1, HOME_NUMBER)).await, "A00");
    assert_eq!(server.code(at_once(1, HOME_NUMBER)).await, "V04");
    assert_eq!(server.code(at_once(2, HOME_NUMBER)).await, "R10");
    // Country before both; failed verifications in the place of its challenge; the number's list before all of them.
    let challenge = server.check(at_once(2, LONDON)).await;
    assert_eq!(challenge.code, "V03");
    for _ in 0..4 {
        server.fail("alice", &challenge).await;
    }
    assert_eq!(server.code(at_once(2, LONDON)).await, "R17");
    assert_eq!(server.code(at_once(2, CUBA)).await, "R06");
    server
        .list(v1::EntryKind::Number, CUBA, v1::EntryAction::Block)
        .await;
    assert_eq!(server.code(at_once(2, CUBA)).await, "R03");
    // An unknown account is asked who he is before anything else about him.
    assert_eq!(server.code(call("nobody", LONDON)).await, "V01");
    assert_eq!(server.code(call("nobody", CUBA)).await, "R03");
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let server = Server::open().await;
    server
        .account_with("alice", |account| account.limits = Some(limits(2, 2)))
        .await;
    let dry = |call: CheckRequest| CheckRequest {
        dry_run: true,
        ..call
    };
    for _ in 0..10 {
        let decision = server.check(dry(call("alice", HOME_NUMBER))).await;
        assert_eq!(
            (decision.code.as_str(), decision.decision_id.as_str()),
            ("A00", "")
        );
    }
    for (asked, code) in [
        (call("alice", LONDON), "V03"),
        (call("nobody", HOME_NUMBER), "V01"),
        (call("alice' --", HOME_NUMBER), "R12"),
    ] {
        let decision = server.check(dry(asked)).await;
        assert_eq!((decision.code.as_str(), decision.challenge), (code, None));
    }
    let flooding = dry(CheckRequest {
        source_ip: "192.0.2.1".to_owned(),
        ..call("alice", HOME_NUMBER)
    });
    server
        .policy(|policy| {
            policy.flood = Some(v1::FloodLimit {
                requests_per_second: Some(1),
                burst: 1,
            });
        })
        .await;
    for _ in 0..3 {
        assert_eq!(server.code(flooding.clone()).await, "A00");
    }
    let usage = server.usage("alice").await;
    assert_eq!((usage.calls_today, usage.concurrent_calls), (0, 0));
    assert!(server.decisions(Default::default()).await.is_empty());
    let status = server.admin().get_status(Default::default()).await.unwrap();
    assert_eq!((status.pending_challenges, status.decisions), (0, 0));
    // A Call-ID that was only tried is not taken.
    let tried = CheckRequest {
        call_id: "tried".to_owned(),
        ..call("alice", HOME_NUMBER)
    };
    server.check(dry(tried.clone())).await;
    assert!(!server.check(tried).await.decision_id.is_empty());
}

#[tokio::test]
async fn a_dry_run_is_decided_as_if_at_its_time() {
    let server = Server::start().await;
    server.account("alice").await;
    // The default policy: Monday to Friday, 9 to 17, New York.
    for (at, off_hours) in [
        ("2026-06-08T12:59:59Z", true),
        ("2026-06-08T13:00:00Z", false),
        ("2026-06-08T20:59:59Z", false),
        ("2026-06-08T21:00:00Z", true),
        ("2026-06-07T15:00:00Z", true),
        // In winter New York is an hour further from UTC.
        ("2026-12-07T13:30:00Z", true),
        ("2026-12-07T14:00:00Z", false),
    ] {
        let asked = CheckRequest {
            dry_run: true,
            at: Some(clock::timestamp(at.parse().unwrap())),
            ..call("alice", HOME_NUMBER)
        };
        assert_eq!(server.check(asked).await.off_hours, off_hours, "{at}");
    }
}

#[tokio::test]
async fn every_rule_is_explained() {
    let server = Server::open().await;
    server.account("alice").await;
    server
        .policy(|policy| policy.rules = vec![setting(Rule::Apiban, RuleMode::Off)])
        .await;
    let request = v1::ExplainCheckRequest {
        check: Some(CheckRequest {
            user_agent: "friendly-scanner".to_owned(),
            ..call("alice", CUBA)
        }),
    };
    let explained = server.admin().explain_check(request).await.unwrap();
    assert_eq!(
        (explained.policy.as_str(), explained.account_known),
        ("default", true)
    );
    assert_eq!(explained.decision.as_ref().unwrap().code, "R01");
    // All rules, in their order.
    let rules: Vec<_> = explained
        .findings
        .iter()
        .map(|finding| finding.rule.as_str())
        .collect();
    assert_eq!(
        rules,
        [
            "malformed-input",
            "source-flood",
            "account-blocked",
            "user-agent",
            "source-listed",
            "number-listed",
            "unknown-prefix",
            "blocked-country",
            "repeated-call",
            "apiban",
            "reputation",
            "unknown-account",
            "source-country",
            "unknown-source-country",
            "destination-country",
            "risk",
            "concurrency",
            "exposure",
            "quota",
            "quota-off-hours",
            "failed-verifications",
        ]
    );
    let finding = |rule: &str| {
        explained
            .findings
            .iter()
            .find(|finding| finding.rule == rule)
            .unwrap()
    };
    for (rule, code, decisive) in [
        ("user-agent", "R01", true),
        ("blocked-country", "R06", false),
        ("destination-country", "V03", false),
    ] {
        let finding = finding(rule);
        assert_eq!(finding.outcome(), FindingOutcome::Bit, "{finding:?}");
        assert_eq!((finding.code.as_str(), finding.decisive), (code, decisive));
        assert!(!finding.detail.is_empty());
    }
    assert_eq!(finding("apiban").outcome(), FindingOutcome::Off);
    assert_eq!(finding("source-flood").outcome(), FindingOutcome::Skipped);
    assert_eq!(finding("unknown-prefix").outcome(), FindingOutcome::Passed);
    assert_eq!(finding("destination-country").mode, "challenge");
    assert!(server.decisions(Default::default()).await.is_empty());
}
