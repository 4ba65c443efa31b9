//! Captchas: how often one serves, fails and can be opened, and what locks.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::time::Duration;

use futures::future::join_all;
use tfps_client::v1::{self, Purpose};
use tfps_tests::{
    Server,
    claims::not_now,
    scene::{LONDON, call},
    verification::wrong,
};

#[tokio::test]
async fn a_captcha_serves_once() {
    let server = Server::open().await;
    server.account("alice").await;
    let (_, challenge) = server.challenged("alice", LONDON).await;
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
    not_now(server.complete(&id, &digits).await, "VERIFICATION_OVER");
    // The challenge went with it.
    not_now(
        server.start_verification("alice", &challenge).await,
        "CHALLENGE_OVER",
    );
}

#[tokio::test]
async fn wrong_digits_open_nothing_and_cost_an_attempt() {
    let server = Server::open().await;
    server.account("alice").await;
    let (_, challenge) = server.challenged("alice", LONDON).await;
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
        not_now(
            server.complete(&opened.verification_id, &right).await,
            "VERIFICATION_OVER",
        );
    }
    assert_eq!(server.code(call("alice", LONDON)).await, "V03");
    assert_eq!(server.usage("alice").await.failed_verifications, 3);
}

#[tokio::test]
async fn a_locked_account_verifies_nothing_until_the_lock_is_over() {
    let server = Server::with_verification(|verification| {
        verification.max_failures = Some(0);
        verification.lock_seconds = 2;
    })
    .await;
    server.account("alice").await;
    let (decision, challenge) = server.challenged("alice", LONDON).await;
    let early = server
        .start_verification("alice", &challenge)
        .await
        .unwrap();
    let failed = server.fail("alice", &decision).await;
    assert!(failed.locked_until.is_some());
    assert_eq!(server.code(call("alice", LONDON)).await, "R17");
    not_now(
        server.start_verification("alice", &challenge).await,
        "LOCKED",
    );
    // Not even with the right digits of a captcha that was opened before.
    not_now(
        server
            .complete(&early.verification_id, &early.captcha_digits)
            .await,
        "LOCKED",
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
    let server = Server::with_verification(|verification| verification.max_opens = 30).await;
    server.account("alice").await;
    let (_, challenge) = server.challenged("alice", LONDON).await;
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
            refused => not_now(refused, "LOCKED"),
        }
    }
    // Three may fail, the fourth locks.
    assert_eq!(failed, 4);
    assert_eq!(server.usage("alice").await.failed_verifications, 4);
    not_now(
        server
            .complete(&untouched.verification_id, &untouched.captcha_digits)
            .await,
        "LOCKED",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_captcha_is_guessed_once_however_many_guess_at_once() {
    let server = Server::open().await;
    server.account("alice").await;
    let (_, challenge) = server.challenged("alice", LONDON).await;
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
    let server = Server::with_verification(|verification| {
        verification.captcha_seconds = 10;
        verification.challenge_seconds = 10;
    })
    .await;
    server.account("alice").await;
    let (_, challenge) = server.challenged("alice", LONDON).await;
    let opened = server
        .start_verification("alice", &challenge)
        .await
        .unwrap();
    // Ten seconds are the shortest that a policy can give.
    tokio::time::sleep(Duration::from_millis(10_100)).await;
    not_now(
        server
            .complete(&opened.verification_id, &opened.captcha_digits)
            .await,
        "VERIFICATION_OVER",
    );
    not_now(
        server.start_verification("alice", &challenge).await,
        "CHALLENGE_OVER",
    );
    assert_eq!(server.code(call("alice", LONDON)).await, "V03");
    assert_eq!(server.usage("alice").await.failed_verifications, 0);
}

#[tokio::test]
async fn a_challenge_opens_so_often_and_no_more() {
    let server = Server::with_verification(|verification| verification.max_opens = 2).await;
    server.account("alice").await;
    let (_, challenge) = server.challenged("alice", LONDON).await;
    for _ in 0..2 {
        server
            .start_verification("alice", &challenge)
            .await
            .unwrap();
    }
    not_now(
        server.start_verification("alice", &challenge).await,
        "CHALLENGE_USED_UP",
    );
}
