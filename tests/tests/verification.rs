//! A caller proves to be the account's human: captchas, PINs, locks, and whose challenge it is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::time::Duration;

use futures::future::join_all;
use tfps_client::{
    Code, Error,
    v1::{self, CheckRequest, CheckResponse, Purpose, Verification},
};
use tfps_tests::{
    Server,
    scene::{LONDON, SOMALIA, call, wrong},
};

/// Why the server refuses: `ErrorInfo.reason`.
fn reason<T: std::fmt::Debug>(answer: Result<T, Error>) -> (Code, String) {
    let error = answer.unwrap_err();
    let rejection = error.rejection().expect("the server's own words");
    (rejection.code, rejection.reason.clone())
}

fn precondition(reason: &str) -> (Code, String) {
    (Code::FailedPrecondition, reason.to_owned())
}

async fn with_verification(change: impl FnOnce(&mut Verification)) -> Server {
    let server = Server::open().await;
    server
        .policy(|policy| change(policy.verification.as_mut().unwrap()))
        .await;
    server
}

async fn challenged(
    server: &Server,
    username: &str,
    dialed: &str,
) -> (CheckResponse, v1::Challenge) {
    let decision = server.check(call(username, dialed)).await;
    let challenge = decision.challenge.clone().expect("a challenge");
    (decision, challenge)
}

#[tokio::test]
async fn a_captcha_serves_once() {
    let server = Server::open().await;
    server.account("alice").await;
    let (_, challenge) = challenged(&server, "alice", LONDON).await;
    let opened = server
        .start_verification("alice", &challenge)
        .await
        .unwrap();
    assert_eq!(opened.method(), v1::VerificationMethod::Captcha);
    assert_eq!((opened.digit_count, opened.attempts_left), (4, 4));
    assert!(
        opened.captcha_digits.len() == 4
            && opened
                .captcha_digits
                .bytes()
                .all(|digit| digit.is_ascii_digit())
    );
    assert_eq!(opened.purpose(), Purpose::DestinationCountry);
    assert_eq!(
        (opened.country.as_str(), opened.dialed_number.as_str()),
        ("GB", LONDON)
    );
    let (id, digits) = (opened.verification_id, opened.captcha_digits);
    let passed = server.complete(&id, &digits).await.unwrap();
    assert!(
        passed.passed && passed.change.contains("United Kingdom"),
        "{passed:?}"
    );
    assert_eq!(passed.account.unwrap().destination_countries, ["GB", "US"]);
    assert_eq!(
        reason(server.complete(&id, &digits).await),
        precondition("VERIFICATION_OVER")
    );
    // The challenge went with it.
    assert_eq!(
        reason(server.start_verification("alice", &challenge).await),
        precondition("CHALLENGE_OVER")
    );
}

#[tokio::test]
async fn wrong_digits_open_nothing_and_cost_an_attempt() {
    let server = Server::open().await;
    server.account("alice").await;
    let (_, challenge) = challenged(&server, "alice", LONDON).await;
    for (left, typed) in [(3, "wrong"), (2, ""), (1, "long")] {
        let opened = server
            .start_verification("alice", &challenge)
            .await
            .unwrap();
        let right = opened.captcha_digits;
        let digits = match typed {
            "wrong" => wrong(&right),
            "long" => format!("{right}0"),
            _ => String::new(),
        };
        let failed = server
            .complete(&opened.verification_id, &digits)
            .await
            .unwrap();
        assert!(!failed.passed && failed.change.is_empty() && failed.account.is_none());
        assert_eq!(failed.attempts_left, left);
        // Digits that failed once can't be tried again.
        assert_eq!(
            reason(server.complete(&opened.verification_id, &right).await),
            precondition("VERIFICATION_OVER")
        );
    }
    assert_eq!(server.code(call("alice", LONDON)).await, "V03");
    assert_eq!(server.usage("alice").await.failed_verifications, 3);
}

#[tokio::test]
async fn a_locked_account_verifies_nothing_until_the_lock_is_over() {
    let server = with_verification(|verification| {
        verification.max_failures = Some(0);
        verification.lock_seconds = 2;
    })
    .await;
    server.account("alice").await;
    let (decision, challenge) = challenged(&server, "alice", LONDON).await;
    let early = server
        .start_verification("alice", &challenge)
        .await
        .unwrap();
    let failed = server.fail("alice", &decision).await;
    assert!(failed.locked_until.is_some());
    assert_eq!(server.code(call("alice", LONDON)).await, "R17");
    assert_eq!(
        reason(server.start_verification("alice", &challenge).await),
        precondition("LOCKED")
    );
    // Not even with the right digits of a captcha that was opened before.
    assert_eq!(
        reason(
            server
                .complete(&early.verification_id, &early.captcha_digits)
                .await
        ),
        precondition("LOCKED")
    );
    tfps_tests::eventually("the lock ends", || async {
        server
            .usage("alice")
            .await
            .locked_until
            .is_none()
            .then_some(())
    })
    .await;
    server.verify("alice", &decision).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn captchas_that_are_open_at_once_fail_as_often_as_one_after_another() {
    let server = with_verification(|verification| verification.max_opens = 30).await;
    server.account("alice").await;
    let (_, challenge) = challenged(&server, "alice", LONDON).await;
    let mut opened = Vec::new();
    for _ in 0..30 {
        opened.push(
            server
                .start_verification("alice", &challenge)
                .await
                .unwrap(),
        );
    }
    let untouched = opened.pop().unwrap();
    let digits: Vec<_> = opened
        .iter()
        .map(|opened| wrong(&opened.captcha_digits))
        .collect();
    let attempts = opened
        .iter()
        .zip(&digits)
        .map(|(opened, digits)| server.complete(&opened.verification_id, digits));
    let mut failed = 0;
    for answer in join_all(attempts).await {
        match answer {
            Ok(answer) => {
                assert!(!answer.passed);
                failed += 1;
            }
            refused => assert_eq!(reason(refused), precondition("LOCKED")),
        }
    }
    // Three may fail, the fourth locks.
    assert_eq!(failed, 4);
    assert_eq!(server.usage("alice").await.failed_verifications, 4);
    assert_eq!(
        reason(
            server
                .complete(&untouched.verification_id, &untouched.captcha_digits)
                .await
        ),
        precondition("LOCKED")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_captcha_is_guessed_once_however_many_guess_at_once() {
    let server = Server::open().await;
    server.account("alice").await;
    let (_, challenge) = challenged(&server, "alice", LONDON).await;
    let opened = server
        .start_verification("alice", &challenge)
        .await
        .unwrap();
    let mut guesses = vec![wrong(&opened.captcha_digits); 30];
    guesses.push(opened.captcha_digits);
    let guesses = guesses
        .iter()
        .map(|digits| server.complete(&opened.verification_id, digits));
    let judged = join_all(guesses)
        .await
        .into_iter()
        .filter(|answer| match answer {
            Ok(_) => true,
            Err(error) => {
                let rejection = error.rejection().expect("the server's own words");
                assert_eq!(rejection.reason, "VERIFICATION_OVER");
                false
            }
        })
        .count();
    assert_eq!(judged, 1);
}

#[tokio::test]
async fn a_captcha_and_a_challenge_expire() {
    let server = with_verification(|verification| {
        verification.captcha_seconds = 10;
        verification.challenge_seconds = 10;
    })
    .await;
    server.account("alice").await;
    let (_, challenge) = challenged(&server, "alice", LONDON).await;
    let opened = server
        .start_verification("alice", &challenge)
        .await
        .unwrap();
    // Ten seconds are the shortest that a policy can give.
    tokio::time::sleep(Duration::from_millis(10_100)).await;
    assert_eq!(
        reason(
            server
                .complete(&opened.verification_id, &opened.captcha_digits)
                .await
        ),
        precondition("VERIFICATION_OVER")
    );
    assert_eq!(
        reason(server.start_verification("alice", &challenge).await),
        precondition("CHALLENGE_OVER")
    );
    assert_eq!(server.code(call("alice", LONDON)).await, "V03");
    assert_eq!(server.usage("alice").await.failed_verifications, 0);
}

#[tokio::test]
async fn a_pin_is_the_accounts_before_the_policys() {
    let server = with_verification(|verification| {
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
        let (_, challenge) = challenged(&server, username, LONDON).await;
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
    let server = with_verification(|verification| {
        verification.method = v1::VerificationMethod::Pin.into();
    })
    .await;
    server.account("alice").await;
    let (_, challenge) = challenged(&server, "alice", LONDON).await;
    assert_eq!(
        reason(server.start_verification("alice", &challenge).await),
        precondition("NO_PIN")
    );
}

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
    assert_eq!(
        reason(server.start_verification("alice", &no_challenge).await),
        precondition("NO_CHALLENGE")
    );
    let none = (Code::NotFound, "NOT_FOUND".to_owned());
    let (_, challenge) = challenged(&server, "alice", LONDON).await;
    assert_eq!(
        reason(server.start_verification("mallory", &challenge).await),
        none
    );
    let invented = v1::Challenge {
        id: "0123456789abcdef0123456789abcdef".to_owned(),
        ..challenge.clone()
    };
    assert_eq!(
        reason(server.start_verification("alice", &invented).await),
        none
    );
    let as_quota = v1::Challenge {
        purpose: Purpose::Quota.into(),
        ..challenge.clone()
    };
    assert_eq!(
        reason(server.start_verification("alice", &as_quota).await),
        precondition("OTHER_CHALLENGE")
    );
    // A media server that lost the id names the purpose, and gets the newest of that.
    let opened = server
        .start_verification("alice", &no_challenge)
        .await
        .unwrap();
    assert_eq!(opened.country, "GB");
    let unknown = server
        .complete("ffffffffffffffffffffffffffffffff", "1234")
        .await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
    // A dry run issues none.
    let dry = CheckRequest {
        dry_run: true,
        ..call("alice", SOMALIA)
    };
    let decision = server.check(dry).await;
    assert_eq!((decision.code.as_str(), decision.challenge), ("V03", None));
}

#[tokio::test]
async fn a_challenge_opens_so_often_and_no_more() {
    let server = with_verification(|verification| verification.max_opens = 2).await;
    server.account("alice").await;
    let (_, challenge) = challenged(&server, "alice", LONDON).await;
    for _ in 0..2 {
        server
            .start_verification("alice", &challenge)
            .await
            .unwrap();
    }
    assert_eq!(
        reason(server.start_verification("alice", &challenge).await),
        precondition("CHALLENGE_USED_UP")
    );
}
