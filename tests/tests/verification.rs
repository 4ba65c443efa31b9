//! Whose challenge it is, by which PIN it is passed, and what a caller can ask for himself.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use tfps_client::{
    Code,
    v1::{self, CheckRequest, Purpose},
};
use tfps_tests::{
    Server,
    claims::{names, not_found, not_now},
    scene::{DOMAIN, ELSEWHERE, LONDON, SOMALIA, call, key, limits},
    verification::wrong,
};

#[tokio::test]
async fn nothing_is_verified_without_a_challenge_of_that_account_and_purpose() {
    let server = Server::open().await;
    server.account("alice").await;
    server.account("mallory").await;
    let no_challenge = v1::Challenge {
        id: String::new(),
        purpose: Purpose::DestinationCountry.into(),
        ..v1::Challenge::default()
    };
    not_now(
        server.start_verification("alice", &no_challenge).await,
        "NO_CHALLENGE",
    );
    let (_, challenge) = server.challenged("alice", LONDON).await;
    not_found(server.start_verification("mallory", &challenge).await);
    let invented = v1::Challenge {
        id: "0123456789abcdef0123456789abcdef".to_owned(),
        ..challenge.clone()
    };
    not_found(server.start_verification("alice", &invented).await);
    let as_quota = v1::Challenge {
        purpose: Purpose::Quota.into(),
        ..challenge.clone()
    };
    not_now(
        server.start_verification("alice", &as_quota).await,
        "OTHER_CHALLENGE",
    );
    // A media server that lost the id names the purpose, and gets the newest of that.
    let opened = server
        .start_verification("alice", &no_challenge)
        .await
        .unwrap();
    assert_eq!(opened.country, "GB");
    assert_eq!(opened.account, Some(key("alice")));
    not_found(
        server
            .complete("ffffffffffffffffffffffffffffffff", "1234")
            .await,
    );
    // A dry run issues none.
    let dry = CheckRequest {
        dry_run: true,
        ..call("alice", SOMALIA)
    };
    let decision = server.check(dry).await;
    assert_eq!((decision.code.as_str(), decision.challenge), ("V03", None));
}

#[tokio::test]
async fn a_challenges_id_names_its_account() {
    let server = Server::open().await;
    server.account("alice").await;
    let (_, challenge) = server.challenged("alice", LONDON).await;
    let by_id = |id: &str| v1::StartVerificationRequest {
        challenge_id: id.to_owned(),
        ..v1::StartVerificationRequest::default()
    };
    let opened = server
        .admin()
        .start_verification(by_id(&challenge.id))
        .await
        .unwrap();
    assert_eq!(opened.account, Some(key("alice")));
    assert_eq!(
        (opened.country.as_str(), opened.purpose),
        ("GB", challenge.purpose)
    );
    // Whose domain it is counts, told or not; also when it waits no longer.
    let here = server.token(v1::Role::Switch, DOMAIN).await;
    let here = server.client_of(&here).await;
    let elsewhere = server.token(v1::Role::Switch, ELSEWHERE).await;
    let elsewhere = server.client_of(&elsewhere).await;
    let denied = async || {
        let refused = elsewhere.start_verification(by_id(&challenge.id)).await;
        assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    };
    denied().await;
    assert!(here.start_verification(by_id(&challenge.id)).await.is_ok());
    not_found(
        server
            .admin()
            .start_verification(by_id("0123456789abcdef0123456789abcdef"))
            .await,
    );
    let passed = server
        .complete(&opened.verification_id, &opened.captcha_digits)
        .await
        .unwrap();
    assert_eq!(passed.account.unwrap().destination_countries, ["GB", "US"]);
    not_now(
        here.start_verification(by_id(&challenge.id)).await,
        "CHALLENGE_OVER",
    );
    denied().await;
    // Without an id both the account and the purpose are needed.
    let only_purpose = v1::StartVerificationRequest {
        purpose: challenge.purpose,
        ..v1::StartVerificationRequest::default()
    };
    let refused = server.admin().start_verification(only_purpose).await;
    names(refused, "account");
    let only_account = v1::StartVerificationRequest {
        account: Some(key("alice")),
        ..v1::StartVerificationRequest::default()
    };
    let refused = server.admin().start_verification(only_account).await;
    names(refused, "challenge_id");
}

#[tokio::test]
async fn a_pin_is_the_accounts_before_the_policys() {
    let server = Server::with_verification(|verification| {
        verification.method = v1::VerificationMethod::Pin.into();
        verification.pin = "602845".to_owned();
    })
    .await;
    server
        .account_with("alice", |account| account.pin = "284713".to_owned())
        .await;
    let bob = server.account("bob").await;
    assert!(server.get("alice").await.has_pin && !bob.has_pin);
    for (username, right, others) in [("alice", "284713", "602845"), ("bob", "602845", "284713")] {
        let (_, challenge) = server.challenged(username, LONDON).await;
        let opened = server
            .start_verification(username, &challenge)
            .await
            .unwrap();
        assert_eq!(opened.method(), v1::VerificationMethod::Pin);
        assert_eq!(
            (opened.captcha_digits.as_str(), opened.digit_count),
            ("", 0)
        );
        let failed = server
            .complete(&opened.verification_id, others)
            .await
            .unwrap();
        assert!(!failed.passed, "{username}");
        let opened = server
            .start_verification(username, &challenge)
            .await
            .unwrap();
        let passed = server
            .complete(&opened.verification_id, right)
            .await
            .unwrap();
        assert!(passed.passed, "{username}");
        assert_eq!(server.code(call(username, LONDON)).await, "A00");
    }
    // PINs are never told.
    let account = server.get("alice").await;
    assert_eq!(account.pin, "");
    let policy = server.policy(|_| {}).await;
    let verification = policy.verification.unwrap();
    assert!(verification.has_pin && verification.pin.is_empty());
}

#[tokio::test]
async fn without_any_pin_a_pin_is_not_asked() {
    let server = Server::with_verification(|verification| {
        verification.method = v1::VerificationMethod::Pin.into();
    })
    .await;
    server.account("alice").await;
    let (_, challenge) = server.challenged("alice", LONDON).await;
    not_now(
        server.start_verification("alice", &challenge).await,
        "NO_PIN",
    );
}

#[tokio::test]
async fn a_caller_comes_back_to_change_his_limits() {
    let server = Server::with_verification(|verification| {
        (verification.ask_limits, verification.raise) = (true, v1::Raise::ForGood.into());
    })
    .await;
    let before = server
        .account_with("alice", |account| account.limits = Some(limits(2, 10)))
        .await;
    let opened = server.start_changing_limits("alice").await.unwrap();
    assert_eq!(opened.purpose(), Purpose::Limits);
    assert_eq!(opened.account, Some(key("alice")));
    assert_eq!(
        (opened.country.as_str(), opened.dialed_number.as_str()),
        ("", "")
    );
    let failed = server
        .complete(&opened.verification_id, &wrong(&opened.captcha_digits))
        .await
        .unwrap();
    assert!(!failed.passed && failed.limits_asked.is_none());
    assert_eq!(server.usage("alice").await.failed_verifications, 1);
    // Passing changes nothing by itself, and serves one lesson.
    let opened = server.start_changing_limits("alice").await.unwrap();
    let id = opened.verification_id;
    let passed = server.complete(&id, &opened.captcha_digits).await.unwrap();
    assert!(passed.passed && passed.change.is_empty());
    let most = v1::LimitsAsked {
        max_concurrent_calls: 5,
        max_daily_quota: 99,
    };
    assert_eq!(passed.limits_asked, Some(most));
    assert_eq!(server.get("alice").await.limits, before.limits);
    let changes = server.learn_limits("alice", &id, 4, 40).await.unwrap();
    assert_eq!(changes.len(), 2, "{changes:?}");
    let after = server.get("alice").await.limits.unwrap();
    assert_eq!((after.concurrent_calls(), after.daily_quota()), (4, 40));
    not_now(
        server.learn_limits("alice", &id, 5, 50).await,
        "PRECONDITION",
    );
    // He may come again.
    server.start_changing_limits("alice").await.unwrap();
}

#[tokio::test]
async fn what_a_caller_asks_for_is_no_more_than_new_accounts_have_unless_it_is_for_good() {
    let server = Server::with_verification(|verification| {
        (verification.ask_limits, verification.raise) = (true, v1::Raise::Day.into());
    })
    .await;
    // A captcha is no reason to give one account ten times as many calls for ever.
    let (id, onboarded) = server.onboard("bob").await;
    let most = v1::LimitsAsked {
        max_concurrent_calls: 2,
        max_daily_quota: 10,
    };
    assert_eq!(onboarded.limits_asked, Some(most));
    let changes = server.learn_limits("bob", &id, 5, 99).await.unwrap();
    assert!(
        changes.iter().all(|change| change.contains("still")),
        "{changes:?}"
    );
    let bob = server.get("bob").await.limits.unwrap();
    assert_eq!((bob.concurrent_calls(), bob.daily_quota()), (2, 10));
    // What the operator gave stays within reach.
    server
        .account_with("alice", |account| account.limits = Some(limits(4, 40)))
        .await;
    let asks = async |calls, quota| {
        let opened = server.start_changing_limits("alice").await.unwrap();
        let id = opened.verification_id;
        server.complete(&id, &opened.captcha_digits).await.unwrap();
        server
            .learn_limits("alice", &id, calls, quota)
            .await
            .unwrap();
        let after = server.get("alice").await.limits.unwrap();
        (after.concurrent_calls(), after.daily_quota())
    };
    assert_eq!(asks(5, 30).await, (4, 30));
    assert_eq!(asks(1, 99).await, (1, 30));
    assert_eq!(asks(5, 99).await, (2, 30));
}

#[tokio::test]
async fn limits_are_changed_only_where_the_policy_and_the_operator_let_him() {
    let server = Server::open().await;
    server.account("alice").await;
    not_found(server.start_changing_limits("nobody").await);
    not_now(
        server.start_changing_limits("alice").await,
        "LIMITS_NOT_ASKED",
    );
    let verification = async |change: fn(&mut v1::Verification)| {
        server
            .policy(|policy| change(policy.verification.as_mut().unwrap()))
            .await
    };
    verification(|verification| {
        verification.ask_limits = true;
        verification.max_failures = Some(0);
    })
    .await;
    let elsewhere = server.token(v1::Role::Switch, ELSEWHERE).await;
    let elsewhere = server.client_of(&elsewhere).await;
    let request = v1::StartVerificationRequest {
        account: Some(key("alice")),
        purpose: Purpose::Limits.into(),
        ..v1::StartVerificationRequest::default()
    };
    let refused = elsewhere.start_verification(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let block = v1::BlockAccountRequest {
        account: Some(key("alice")),
        reason: "hacked".to_owned(),
    };
    server.admin().block_account(block).await.unwrap();
    not_now(
        server.start_changing_limits("alice").await,
        "ACCOUNT_BLOCKED",
    );
    let unblock = v1::UnblockAccountRequest {
        account: Some(key("alice")),
    };
    server.admin().unblock_account(unblock).await.unwrap();
    let opened = server.start_changing_limits("alice").await.unwrap();
    server
        .complete(&opened.verification_id, &wrong(&opened.captcha_digits))
        .await
        .unwrap();
    not_now(server.start_changing_limits("alice").await, "LOCKED");
    server.account("bob").await;
    verification(|verification| verification.method = v1::VerificationMethod::None.into()).await;
    not_now(server.start_changing_limits("bob").await, "NO_VERIFICATION");
    // What he wants to change is no challenge of a call.
    assert_eq!(server.code(call("bob", LONDON)).await, "R06");
}

#[tokio::test]
async fn a_challenge_about_limits_opens_so_often_and_survives_a_crash() {
    let mut server = Server::with_verification(|verification| {
        verification.ask_limits = true;
        verification.max_opens = 3;
    })
    .await;
    server.account("alice").await;
    server.account("bob").await;
    let opened = server.start_changing_limits("alice").await.unwrap();
    let of_bob = server.start_changing_limits("bob").await.unwrap();
    let passed = server
        .complete(&of_bob.verification_id, &of_bob.captcha_digits)
        .await
        .unwrap();
    assert!(passed.passed);
    server.start_changing_limits("alice").await.unwrap();
    server.kill9();
    server.restart().await;
    // It is the same one: a crash brings no new chances.
    server.start_changing_limits("alice").await.unwrap();
    not_now(
        server.start_changing_limits("alice").await,
        "CHALLENGE_USED_UP",
    );
    let passed = server
        .complete(&opened.verification_id, &opened.captcha_digits)
        .await
        .unwrap();
    assert!(passed.passed, "the captcha of before the crash serves");
    server.start_changing_limits("alice").await.unwrap();
    // One that was passed does not come back; a verification that was passed before still serves its lesson.
    let id = &of_bob.verification_id;
    server.learn_limits("bob", id, 3, 20).await.unwrap();
    for _ in 0..3 {
        server.start_changing_limits("bob").await.unwrap();
    }
}
