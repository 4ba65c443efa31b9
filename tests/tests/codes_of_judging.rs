//! The codes that a call gets by its account, each provoked over gRPC; what is challenged is verified and then allowed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use tfps_client::v1::{self, CheckRequest, Purpose, Rule, RuleMode};
use tfps_tests::{
    Server,
    claims::{challenged, denied},
    scene::{
        CUBA, HOME_NUMBER, KNOWN_NETWORKS, LONDON, SOMALIA, call, closed_today, from, key, limits,
        setting,
    },
};

#[tokio::test]
async fn r04_r05_v02_are_about_where_a_call_comes_from() {
    let server = Server::open_with(KNOWN_NETWORKS).await;
    server
        .account_with("alice", |account| {
            account.destination_countries = vec!["US".to_owned(), "GB".to_owned()];
        })
        .await;
    let french = || from("198.51.100.7", call("alice", LONDON));
    let decision = server.check(french()).await;
    challenged(&decision, "V02", Purpose::SourceCountry);
    assert_eq!(decision.source_country, "FR");
    assert_eq!(decision.challenge.as_ref().unwrap().country, "FR");
    assert_eq!(
        decision.sip.as_ref().unwrap().media_user,
        format!("iFR{LONDON}")
    );
    // A call that stays at home needs no country.
    assert_eq!(
        server
            .code(from("198.51.100.7", call("alice", HOME_NUMBER)))
            .await,
        "A00"
    );

    let completed = server.verify("alice", &decision).await;
    assert_eq!(completed.account.unwrap().source_countries, ["FR", "US"]);
    let allowed = server.check(french()).await;
    assert_eq!(
        (allowed.code.as_str(), allowed.source_country.as_str()),
        ("A00", "FR")
    );

    server
        .account_with("bob", |account| {
            account.destination_countries = vec!["GB".to_owned()];
        })
        .await;
    server
        .policy(|policy| {
            policy.rules = vec![
                setting(Rule::SourceCountry, RuleMode::Enforce),
                setting(Rule::UnknownSourceCountry, RuleMode::Enforce),
            ];
        })
        .await;
    denied(
        &server
            .check(from("198.51.100.7", call("bob", LONDON)))
            .await,
        "R04",
    );
    denied(
        &server
            .check(from("203.0.113.99", call("bob", LONDON)))
            .await,
        "R05",
    );
    assert_eq!(
        server.code(from("192.0.2.1", call("bob", LONDON))).await,
        "A00"
    );
}

#[tokio::test]
async fn r06_v03_are_about_where_a_call_goes() {
    let server = Server::open().await;
    server.account("alice").await;
    let cuba = server.check(call("alice", CUBA)).await;
    denied(&cuba, "R06");
    assert_eq!(cuba.destination_country, "CU");

    let decision = server.check(call("alice", LONDON)).await;
    challenged(&decision, "V03", Purpose::DestinationCountry);
    assert_eq!(decision.destination_country, "GB");
    assert_eq!(decision.number_kind(), v1::NumberKind::FixedLine);
    assert_eq!(decision.challenge.as_ref().unwrap().country, "GB");
    assert_eq!(
        decision.sip.as_ref().unwrap().media_user,
        format!("dGB{LONDON}")
    );
    server.verify("alice", &decision).await;
    assert_eq!(server.code(call("alice", LONDON)).await, "A00");
    // Passing opened Great Britain and nothing else.
    challenged(
        &server.check(call("alice", SOMALIA)).await,
        "V03",
        Purpose::DestinationCountry,
    );
    server
        .policy(|policy| {
            policy.rules = vec![setting(Rule::DestinationCountry, RuleMode::Enforce)];
        })
        .await;
    denied(&server.check(call("alice", SOMALIA)).await, "R06");
    // Without verification a V becomes its R.
    server
        .policy(|policy| {
            policy.rules.clear();
            policy.verification.as_mut().unwrap().method = v1::VerificationMethod::None.into();
        })
        .await;
    denied(&server.check(call("alice", SOMALIA)).await, "R06");
}

#[tokio::test]
async fn plus_one_is_many_countries() {
    let server = Server::open().await;
    server.account("alice").await;
    for (number, country) in [
        ("18765123456", "JM"),
        ("18095551234", "DO"),
        ("14165550123", "CA"),
    ] {
        let decision = server.check(call("alice", number)).await;
        challenged(&decision, "V03", Purpose::DestinationCountry);
        assert_eq!(decision.destination_country, country);
    }
}

#[tokio::test]
async fn r10_r08_are_too_many_calls_at_once() {
    let server = Server::open().await;
    server
        .account_with("alice", |account| {
            account.limits = Some(v1::Limits {
                concurrent_calls: Some(2),
                concurrent_calls_off_hours: Some(1),
                ..limits(0, 1_000)
            });
        })
        .await;
    let at_once = |calls| CheckRequest {
        concurrent_calls: Some(calls),
        ..call("alice", HOME_NUMBER)
    };
    assert_eq!(server.code(at_once(2)).await, "A00");
    let decision = server.check(at_once(3)).await;
    denied(&decision, "R10");
    assert!(!decision.off_hours);
    assert_eq!(decision.usage.unwrap().concurrent_limit, 2);
    server
        .policy(|policy| policy.business_hours = Some(closed_today()))
        .await;
    let decision = server.check(at_once(2)).await;
    denied(&decision, "R08");
    assert!(decision.off_hours);
    assert_eq!(decision.usage.unwrap().concurrent_limit, 1);
    assert_eq!(server.code(at_once(1)).await, "A00");
}

#[tokio::test]
async fn r11_v04_are_the_quota_of_business_hours() {
    quota(false, "R11", "V04", Purpose::Quota, "q").await;
}

#[tokio::test]
async fn r09_v05_are_the_quota_off_hours() {
    quota(true, "R09", "V05", Purpose::QuotaOffHours, "n").await;
}

async fn quota(off_hours: bool, denial: &str, challenge: &str, purpose: Purpose, prefix: &str) {
    let server = Server::open().await;
    let (rule, now, then) = if off_hours {
        let hours = closed_today();
        server
            .policy(|policy| policy.business_hours = Some(hours))
            .await;
        (Rule::QuotaOffHours, (7, 2), 3)
    } else {
        (Rule::Quota, (2, 7), 3)
    };
    server
        .account_with("alice", |account| {
            account.limits = Some(v1::Limits {
                daily_quota: Some(now.0),
                daily_quota_off_hours: Some(now.1),
                ..limits(100, 0)
            });
        })
        .await;
    for _ in 0..2 {
        assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");
    }
    let decision = server.check(call("alice", HOME_NUMBER)).await;
    challenged(&decision, challenge, purpose);
    assert_eq!(decision.off_hours, off_hours);
    let usage = decision.usage.unwrap();
    assert_eq!((usage.calls_today, usage.daily_quota), (2, 2));
    assert_eq!(
        decision.sip.as_ref().unwrap().media_user,
        format!("{prefix}{HOME_NUMBER}")
    );
    // Only allowed calls use quota, and passing raises it by the step.
    server.verify("alice", &decision).await;
    let allowed = server.check(call("alice", HOME_NUMBER)).await;
    assert_eq!(allowed.code, "A00");
    assert_eq!(allowed.usage.unwrap().daily_quota, then);
    challenged(
        &server.check(call("alice", HOME_NUMBER)).await,
        challenge,
        purpose,
    );
    server
        .policy(|policy| policy.rules = vec![setting(rule, RuleMode::Enforce)])
        .await;
    let other_pair = CheckRequest {
        caller_number: "1000".to_owned(),
        ..call("alice", HOME_NUMBER)
    };
    denied(&server.check(other_pair).await, denial);
}

#[tokio::test]
async fn r17_is_too_many_failed_verifications() {
    let server = Server::open().await;
    server.account("alice").await;
    let decision = server.check(call("alice", LONDON)).await;
    for _ in 0..3 {
        assert!(server.fail("alice", &decision).await.locked_until.is_none());
    }
    assert_eq!(server.code(call("alice", LONDON)).await, "V03");
    let last = server.fail("alice", &decision).await;
    assert!(last.locked_until.is_some() && last.attempts_left == 0);
    denied(&server.check(call("alice", LONDON)).await, "R17");
    let usage = server.usage("alice").await;
    assert_eq!(usage.failed_verifications, 4);
    assert!(usage.locked_until.is_some());
    let request = v1::ResetUsageRequest {
        account: Some(key("alice")),
    };
    server.admin().reset_usage(request).await.unwrap();
    assert_eq!(server.code(call("alice", LONDON)).await, "V03");
}

#[tokio::test]
async fn v01_r20_are_the_unknown_account() {
    let server = Server::open().await;
    let decision = server.check(call("carol", HOME_NUMBER)).await;
    challenged(&decision, "V01", Purpose::Onboarding);
    assert_eq!(decision.challenge.as_ref().unwrap().country, "");
    assert_eq!(
        decision.sip.as_ref().unwrap().media_user,
        format!("o{HOME_NUMBER}")
    );
    let account = server.verify("carol", &decision).await.account.unwrap();
    assert_eq!(
        account.limits,
        Some(v1::Limits {
            concurrent_calls: Some(2),
            concurrent_calls_off_hours: Some(1),
            daily_quota: Some(10),
            daily_quota_off_hours: Some(2),
        })
    );
    assert_eq!(account.destination_countries, ["US"]);
    assert_eq!(server.code(call("carol", HOME_NUMBER)).await, "A00");
    server
        .policy(|policy| policy.rules = vec![setting(Rule::UnknownAccount, RuleMode::Enforce)])
        .await;
    denied(&server.check(call("dave", HOME_NUMBER)).await, "R20");
}
