//! Whose challenge it is, and by which PIN it is passed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use tfps_client::v1::{self, CheckRequest, Purpose};
use tfps_tests::{
    Server,
    claims::{not_found, not_now},
    scene::{LONDON, SOMALIA, call},
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
async fn a_pin_is_the_accounts_before_the_policys() {
    let server = Server::with_verification(|verification| {
        verification.method = v1::VerificationMethod::Pin.into();
        verification.pin = "111111".to_owned();
    })
    .await;
    server
        .account_with("alice", |account| account.pin = "4711".to_owned())
        .await;
    let bob = server.account("bob").await;
    assert!(server.get("alice").await.has_pin && !bob.has_pin);
    for (username, right, others) in [("alice", "4711", "111111"), ("bob", "111111", "4711")] {
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
