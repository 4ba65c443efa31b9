//! What whoever passes every challenge gets out of one account under the defaults of a fresh install: so much a day, and no more.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use tfps_client::v1::{self, CallEvent, CheckRequest, VerificationMethod};
use tfps_tests::{
    Server,
    claims::not_now,
    clock,
    scene::{HOME_NUMBER, LONDON, SOMALIA, always_open, call, key, limits},
    verification::wrong,
};

/// A fixed line in Paris.
const PARIS: &str = "33145678901";
/// A fixed line in Berlin.
const BERLIN: &str = "493012345678";

/// A server as it is installed, on which it is always business hours, at noon.
async fn installed(change: impl FnOnce(&mut v1::Policy)) -> Server {
    let server = Server::with("").await;
    server
        .policy(|policy| {
            policy.time_zone = clock::zone_at_noon();
            policy.business_hours = Some(always_open());
            change(policy);
        })
        .await;
    server
}

/// The same without the pause between two verifications.
async fn without_a_pause() -> Server {
    installed(|policy| policy.verification.as_mut().unwrap().pause_seconds = Some(0)).await
}

/// An account as the policy makes new ones.
async fn new_account(server: &Server, username: &str) {
    server
        .account_with(username, |account| account.limits = None)
        .await;
}

/// A call of a switch that counts by itself, with a Call-ID of its own.
fn asked(username: &str, dialed: &str, call_id: &str) -> CheckRequest {
    CheckRequest {
        call_id: call_id.to_owned(),
        caller_number: call_id.to_owned(),
        concurrent_calls: Some(1),
        ..call(username, dialed)
    }
}

#[tokio::test]
async fn a_passed_captcha_opens_a_country_for_a_day_and_the_next_one_waits() {
    let server = installed(|_| {}).await;
    new_account(&server, "alice").await;
    // Both are challenged before either is passed.
    let (london, _) = server.challenged("alice", LONDON).await;
    let (_, paris) = server.challenged("alice", PARIS).await;
    let opened = server.start_verification("alice", &paris).await.unwrap();
    server.verify("alice", &london).await;
    let account = server.get("alice").await;
    assert_eq!(account.destination_countries, ["US"]);
    let [grant] = &account.grants[..] else {
        panic!("one grant: {account:?}");
    };
    assert_eq!((&*grant.country, grant.calls_left), ("GB", Some(20)));
    let left = grant.expires_at.unwrap().seconds - clock::now().as_second();
    assert!((86_300..=86_400).contains(&left), "{left}");
    assert_eq!(account.usage.unwrap().verifications_passed_today, 1);
    // No further country is offered for now: not to a new call, not by a challenge of before, not by a captcha that was heard before.
    let denied = server.check(call("alice", SOMALIA)).await;
    assert_eq!((&*denied.code, denied.challenge), ("R06", None));
    assert!(
        denied.reason.contains("no verification is offered until"),
        "{}",
        denied.reason
    );
    not_now(server.start_verification("alice", &paris).await, "WITHHELD");
    for digits in [&opened.captcha_digits, &wrong(&opened.captcha_digits)] {
        not_now(
            server.complete(&opened.verification_id, digits).await,
            "WITHHELD",
        );
    }
    assert_eq!(server.usage("alice").await.failed_verifications, 0);
    // What is open stays open, and others' are offered theirs.
    assert_eq!(server.code(call("alice", LONDON)).await, "A00");
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");
    new_account(&server, "bob").await;
    assert_eq!(server.code(call("bob", PARIS)).await, "V03");
}

#[tokio::test]
async fn three_verifications_a_day_are_passed_and_a_crash_brings_no_more() {
    let mut server = without_a_pause().await;
    new_account(&server, "alice").await;
    for number in [LONDON, PARIS, BERLIN] {
        let (decision, _) = server.challenged("alice", number).await;
        server.verify("alice", &decision).await;
    }
    for _ in 0..2 {
        let denied = server.check(call("alice", SOMALIA)).await;
        assert_eq!(denied.code, "R06");
        assert!(
            denied.reason.contains("3 were passed today"),
            "{}",
            denied.reason
        );
        assert_eq!(server.usage("alice").await.verifications_passed_today, 3);
        server.kill9();
        server.restart().await;
    }
    let request = v1::ResetUsageRequest {
        account: Some(key("alice")),
    };
    server.admin().reset_usage(request).await.unwrap();
    for _ in 0..2 {
        assert_eq!(server.code(call("alice", SOMALIA)).await, "V03");
        assert_eq!(server.usage("alice").await.verifications_passed_today, 0);
        server.kill9();
        server.restart().await;
    }
}

#[tokio::test]
async fn a_quota_is_raised_for_the_day_alone() {
    let mut server = without_a_pause().await;
    server
        .account_with("alice", |account| account.limits = Some(limits(2, 1)))
        .await;
    let next = |id: &str| asked("alice", HOME_NUMBER, id);
    assert_eq!(server.code(next("1")).await, "A00");
    let decision = server.check(next("2")).await;
    assert_eq!(decision.code, "V04");
    let passed = server.verify("alice", &decision).await;
    assert_eq!(passed.daily_quota, 2);
    assert!(
        passed.change.ends_with("is 2 in business hours today"),
        "{passed:?}"
    );
    server.kill9();
    server.restart().await;
    let account = server.get("alice").await;
    let usage = account.usage.unwrap();
    assert_eq!(account.limits.unwrap().daily_quota(), 1);
    assert_eq!(
        (usage.quota_raised_today, usage.quota_off_hours_raised_today),
        (1, 0)
    );
    let allowed = server.check(next("3")).await;
    assert_eq!(allowed.code, "A00");
    assert_eq!(allowed.usage.unwrap().daily_quota, 2);
    assert_eq!(server.code(next("4")).await, "V04");
    let request = v1::ResetUsageRequest {
        account: Some(key("alice")),
    };
    server.admin().reset_usage(request).await.unwrap();
    assert_eq!(server.usage("alice").await.quota_raised_today, 0);
    assert_eq!(server.code(next("5")).await, "A00");
    assert_eq!(server.code(next("6")).await, "V04");
}

#[tokio::test]
async fn a_policy_can_still_open_for_good() {
    let server = installed(|policy| {
        let verification = policy.verification.as_mut().unwrap();
        verification.raise = v1::Raise::ForGood.into();
        verification.grace_minutes = Some(0);
        verification.pause_seconds = Some(0);
        verification.max_passed_per_day = Some(0);
    })
    .await;
    server
        .account_with("alice", |account| account.limits = Some(limits(2, 1)))
        .await;
    for number in [LONDON, PARIS, BERLIN, SOMALIA] {
        let (decision, _) = server.challenged("alice", number).await;
        server.verify("alice", &decision).await;
    }
    let account = server.get("alice").await;
    assert_eq!(account.destination_countries.len(), 5, "{account:?}");
    assert_eq!(server.code(asked("alice", HOME_NUMBER, "1")).await, "A00");
    let decision = server.check(asked("alice", HOME_NUMBER, "2")).await;
    let passed = server.verify("alice", &decision).await;
    assert_eq!(passed.account.unwrap().limits.unwrap().daily_quota(), 2);
}

#[tokio::test]
async fn who_has_onboarded_need_not_wait_for_the_first_country() {
    let server = installed(|_| {}).await;
    server.onboard("carol").await;
    let (decision, _) = server.challenged("carol", LONDON).await;
    server.verify("carol", &decision).await;
    assert_eq!(server.code(call("carol", LONDON)).await, "A00");
    assert_eq!(server.code(call("carol", PARIS)).await, "R06");
}

#[tokio::test]
async fn no_captcha_passes_a_call_that_is_as_risky_as_that() {
    let server = installed(|policy| {
        policy.allowed_destination_countries = vec!["SO".to_owned()];
        let risk = policy.risk.as_mut().unwrap();
        (risk.challenge_score, risk.pin_score, risk.deny_score) = (1, 1, 101);
    })
    .await;
    new_account(&server, "alice").await;
    server
        .account_with("bob", |account| account.pin = "471147".to_owned())
        .await;
    let denied = server.check(call("alice", SOMALIA)).await;
    assert_eq!((&*denied.code, &denied.challenge), ("R18", &None));
    assert!(
        denied.reason.contains("the account's own PIN is asked for"),
        "{}",
        denied.reason
    );
    let (decision, challenge) = server.challenged("bob", SOMALIA).await;
    assert_eq!(decision.code, "V06");
    let opened = server.start_verification("bob", &challenge).await.unwrap();
    assert_eq!(
        (opened.method(), &*opened.captcha_digits),
        (VerificationMethod::Pin, "")
    );
    let passed = server.complete(&opened.verification_id, "471147").await;
    assert!(passed.unwrap().passed);
    assert_eq!(server.code(call("bob", SOMALIA)).await, "A00");
    // Without its PIN it is denied again, although it has passed before.
    let request = v1::UpdateAccountRequest {
        account: Some(v1::Account {
            pin: String::new(),
            ..server.get("bob").await
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["pin".to_owned()],
        }),
    };
    server.admin().update_account(request).await.unwrap();
    assert_eq!(server.code(call("bob", SOMALIA)).await, "R18");
}

#[tokio::test]
async fn a_call_of_which_nothing_is_told_counts_for_some_minutes() {
    let mut server = installed(|policy| {
        policy.allowed_destination_countries = vec!["GB".to_owned()];
        policy
            .exposure
            .as_mut()
            .unwrap()
            .daily_international_minutes = Some(12);
    })
    .await;
    server.account("alice").await;
    for id in ["1", "2", "3"] {
        assert_eq!(server.code(asked("alice", LONDON, id)).await, "A00", "{id}");
    }
    for _ in 0..2 {
        let denied = server.check(asked("alice", LONDON, "4")).await;
        assert_eq!(
            (&*denied.code, &*denied.reason),
            (
                "R21",
                "today's calls abroad have lasted 15 minutes of at most 12"
            )
        );
        assert_eq!(
            server.code(asked("alice", HOME_NUMBER, "home")).await,
            "A00"
        );
        let usage = server.usage("alice").await;
        assert_eq!(
            (&*usage.cost_today, usage.cost_is_estimated),
            ("0.30", true)
        );
        server.kill9();
        server.restart().await;
    }
    // What is told counts instead: that one was answered just now, that another was not, and nothing new of the third.
    server.progress("alice", "1", CallEvent::Answered).await;
    let unanswered = v1::CallProgress {
        account: Some(key("alice")),
        call_id: "2".to_owned(),
        event: CallEvent::Ended.into(),
        cause: 17,
        ..v1::CallProgress::default()
    };
    let lesson = Some(v1::learn_request::Lesson::Call(unanswered));
    server
        .admin()
        .learn(v1::LearnRequest { lesson })
        .await
        .unwrap();
    server.progress("alice", "3", CallEvent::Started).await;
    server.progress("alice", "3", CallEvent::Ended).await;
    for _ in 0..2 {
        let spent = server.usage("alice").await.international_seconds_today;
        assert!((300..360).contains(&spent), "{spent}");
        server.shipped().await;
        server.kill9();
        server.restart().await;
    }
}

#[tokio::test]
async fn a_captcha_can_be_a_sum() {
    let server = installed(|policy| {
        policy.verification.as_mut().unwrap().captcha = v1::CaptchaKind::Arithmetic.into();
    })
    .await;
    new_account(&server, "alice").await;
    let (_, challenge) = server.challenged("alice", LONDON).await;
    let opened = server
        .start_verification("alice", &challenge)
        .await
        .unwrap();
    assert_eq!(opened.captcha(), v1::CaptchaKind::Arithmetic);
    assert_eq!((&*opened.captcha_digits, opened.digit_count), ("", 3));
    let [first, second] = opened.addends[..] else {
        panic!("two numbers: {opened:?}");
    };
    let sum = (first + second).to_string();
    let failed = server.complete(&opened.verification_id, &wrong(&sum)).await;
    assert!(!failed.unwrap().passed);
    let opened = server
        .start_verification("alice", &challenge)
        .await
        .unwrap();
    let sum = opened.addends.iter().sum::<u32>().to_string();
    let passed = server.complete(&opened.verification_id, &sum).await;
    assert!(passed.unwrap().passed);
}

#[tokio::test]
async fn a_captcha_can_tell_in_words_which_digits_to_type() {
    let server = installed(|policy| {
        policy.verification.as_mut().unwrap().captcha = v1::CaptchaKind::DigitsAmongWords.into();
    })
    .await;
    new_account(&server, "alice").await;
    let (_, challenge) = server.challenged("alice", LONDON).await;
    let open = async || {
        let opened = server.start_verification("alice", &challenge).await;
        opened.unwrap()
    };
    let opened = open().await;
    assert_eq!(opened.captcha(), v1::CaptchaKind::DigitsAmongWords);
    assert_eq!((opened.spoken.len(), opened.digit_count), (6, 4));
    let digits = |only_typed: bool, opened: &v1::StartVerificationResponse| {
        let spoken = opened.spoken.iter();
        let heard = spoken.filter(|spoken| spoken.typed || !only_typed);
        heard
            .map(|spoken| spoken.digit.to_string())
            .collect::<String>()
    };
    assert_eq!(digits(true, &opened), opened.captcha_digits);
    // Who types all that they hear is a machine.
    let all = digits(false, &opened);
    let failed = server.complete(&opened.verification_id, &all).await;
    assert!(!failed.unwrap().passed);
    let opened = open().await;
    let typed = digits(true, &opened);
    let passed = server.complete(&opened.verification_id, &typed).await;
    assert!(passed.unwrap().passed);
}

#[tokio::test]
async fn what_a_policy_leaves_out_is_the_default_and_not_for_good() {
    let server = Server::with("").await;
    let put = server
        .put_policy(v1::Policy {
            name: "mine".to_owned(),
            verification: Some(v1::Verification::default()),
            exposure: Some(v1::Caps::default()),
            ..v1::Policy::default()
        })
        .await;
    let verification = put.verification.unwrap();
    assert_eq!(
        (
            verification.grace_minutes,
            verification.grace_calls,
            verification.raise(),
            verification.max_passed_per_day,
            verification.pause_seconds
        ),
        (Some(1_440), Some(20), v1::Raise::Day, Some(3), Some(60))
    );
    let exposure = put.exposure.unwrap();
    assert_eq!(
        (
            exposure.daily_cost.as_deref(),
            exposure.daily_international_minutes
        ),
        (Some("20.00"), Some(120))
    );
    let for_good = server
        .put_policy(v1::Policy {
            name: "mine".to_owned(),
            verification: Some(v1::Verification {
                grace_minutes: Some(0),
                ..v1::Verification::default()
            }),
            ..v1::Policy::default()
        })
        .await;
    let verification = for_good.verification.unwrap();
    assert_eq!(
        (verification.grace_minutes, verification.grace_calls),
        (Some(0), Some(0))
    );
}
