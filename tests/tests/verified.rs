//! What a passed verification opens: the one thing that the challenge was about, once, within its bounds.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use tfps_client::{
    Code,
    v1::{self, CheckRequest},
};
use tfps_tests::{
    Server,
    claims::names,
    scene::{HOME_NUMBER, LONDON, SOMALIA, call, limits},
};

#[tokio::test]
async fn what_passes_opens_that_one_thing() {
    let server = Server::open().await;
    let before = server
        .account_with("alice", |account| account.limits = Some(limits(50, 40)))
        .await;
    let (decision, _) = server.challenged("alice", LONDON).await;
    let after = server.verify("alice", &decision).await.account.unwrap();
    assert_eq!(after.destination_countries, ["GB", "US"]);
    assert_eq!(
        (after.limits, after.source_countries, after.policy),
        (before.limits, before.source_countries, before.policy)
    );
    assert_eq!(server.code(call("alice", SOMALIA)).await, "V03");
    server.account("bob").await;
    assert_eq!(server.code(call("bob", LONDON)).await, "V03");
}

#[tokio::test]
async fn two_countries_wait_for_two_verifications() {
    let server = Server::open().await;
    server.account("alice").await;
    let (london, _) = server.challenged("alice", LONDON).await;
    let (somalia, _) = server.challenged("alice", SOMALIA).await;
    assert_ne!(
        london.challenge.as_ref().unwrap().id,
        somalia.challenge.as_ref().unwrap().id
    );
    // Dialing again brings no new chances.
    let (again, _) = server.challenged("alice", LONDON).await;
    assert_eq!(again.challenge, london.challenge);
    server.verify("alice", &somalia).await;
    assert_eq!(server.code(call("alice", SOMALIA)).await, "A00");
    assert_eq!(server.code(call("alice", LONDON)).await, "V03");
}

#[tokio::test]
async fn a_grace_lasts_for_so_many_calls() {
    let server = Server::with_verification(|verification| {
        verification.grace_minutes = Some(30);
        verification.grace_calls = Some(2);
    })
    .await;
    server.account("alice").await;
    let (decision, _) = server.challenged("alice", LONDON).await;
    server.verify("alice", &decision).await;
    let account = server.get("alice").await;
    assert_eq!(account.destination_countries, ["US"]);
    let [grant] = &account.grants[..] else {
        panic!("one grant: {account:?}");
    };
    assert_eq!(
        (grant.source, grant.country.as_str(), grant.calls_left),
        (false, "GB", Some(2))
    );
    // Calls that are denied or stay at home use none of it.
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");
    assert_eq!(server.code(call("alice", SOMALIA)).await, "V03");
    assert_eq!(server.code(call("alice", LONDON)).await, "A00");
    assert_eq!(server.get("alice").await.grants[0].calls_left, Some(1));
    assert_eq!(server.code(call("alice", LONDON)).await, "A00");
    assert_eq!(server.code(call("alice", LONDON)).await, "V03");
    assert!(server.get("alice").await.grants.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grace_of_one_call_is_one_call_however_many_come_at_once() {
    let server = Server::with_verification(|verification| {
        verification.grace_minutes = Some(30);
        verification.grace_calls = Some(1);
    })
    .await;
    server.account("alice").await;
    let (decision, _) = server.challenged("alice", LONDON).await;
    server.verify("alice", &decision).await;
    let calls = (0..50).map(|caller| CheckRequest {
        caller_number: caller.to_string(),
        ..call("alice", LONDON)
    });
    let decisions = futures::future::join_all(calls.map(|call| server.admin().check(call))).await;
    let allowed = decisions
        .into_iter()
        .filter(|decision| decision.as_ref().unwrap().code == "A00")
        .count();
    assert_eq!(allowed, 1);
}

#[tokio::test]
async fn a_quota_rises_by_the_step_up_to_the_maximum() {
    let server = Server::open().await;
    server
        .policy(|policy| {
            policy.verification.as_mut().unwrap().quota_step = 3;
            let new = policy.new_accounts.as_mut().unwrap();
            new.limits = Some(limits(5, 1));
            new.maximum = Some(limits(5, 5));
        })
        .await;
    server
        .account_with("alice", |account| account.limits = Some(limits(99, 1)))
        .await;
    let mut caller = 0;
    let mut next = || {
        caller += 1;
        CheckRequest {
            caller_number: caller.to_string(),
            ..call("alice", HOME_NUMBER)
        }
    };
    assert_eq!(server.code(next()).await, "A00");
    for (quota, allowed) in [(4, 3), (5, 1)] {
        let decision = server.check(next()).await;
        assert_eq!(decision.code, "V04");
        let account = server.verify("alice", &decision).await.account.unwrap();
        assert_eq!(account.limits.unwrap().daily_quota(), quota);
        for _ in 0..allowed {
            assert_eq!(server.code(next()).await, "A00");
        }
    }
    // A quota that can't be raised further is not asked for.
    assert_eq!(server.code(next()).await, "R11");
    // The other hours' quota is as it was.
    assert_eq!(
        server
            .get("alice")
            .await
            .limits
            .unwrap()
            .daily_quota_off_hours(),
        1
    );
}

#[tokio::test]
async fn limits_that_a_caller_gives_are_bounded_and_taken_once() {
    let server = Server::open().await;
    server.account("mallory").await;
    let (_, challenge) = server.challenged("carol", HOME_NUMBER).await;
    let opened = server
        .start_verification("carol", &challenge)
        .await
        .unwrap();
    let id = opened.verification_id;
    // Opened is not passed.
    assert_eq!(
        server
            .learn_limits("carol", &id, 3, 20)
            .await
            .unwrap_err()
            .code(),
        Code::FailedPrecondition
    );
    assert!(
        server
            .complete(&id, &opened.captcha_digits)
            .await
            .unwrap()
            .passed
    );
    assert_eq!(
        server
            .learn_limits("mallory", &id, 3, 20)
            .await
            .unwrap_err()
            .code(),
        Code::FailedPrecondition
    );
    let changes = server.learn_limits("carol", &id, 3, 5_000).await.unwrap();
    assert_eq!(
        changes,
        [
            "concurrent calls of carol@example.com: 2 to 3",
            "daily quota of carol@example.com: 10 to 99; 5000 is more than callers can get"
        ]
    );
    let after = server.get("carol").await.limits.unwrap();
    assert_eq!(
        after,
        v1::Limits {
            concurrent_calls: Some(3),
            concurrent_calls_off_hours: Some(1),
            daily_quota: Some(99),
            daily_quota_off_hours: Some(2),
        }
    );
    assert_eq!(
        server
            .learn_limits("carol", &id, 4, 30)
            .await
            .unwrap_err()
            .code(),
        Code::FailedPrecondition
    );
    assert_eq!(
        server
            .learn_limits("carol", "0123", 4, 30)
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    assert_eq!(server.get("carol").await.limits, Some(after));
}

#[tokio::test]
async fn who_introduces_himself_is_asked_for_his_limits_where_the_policy_asks() {
    let server = Server::open().await;
    let (_, unasked) = server.onboard("alice").await;
    assert_eq!(unasked.limits_asked, None);
    server
        .policy(|policy| {
            let verification = policy.verification.as_mut().unwrap();
            (verification.ask_limits, verification.raise) = (true, v1::Raise::ForGood.into());
            let maximum = policy.new_accounts.as_mut().unwrap().maximum.as_mut();
            let maximum = maximum.unwrap();
            (maximum.concurrent_calls, maximum.daily_quota) = (Some(7), Some(70));
        })
        .await;
    let (id, asked) = server.onboard("bob").await;
    let most = v1::LimitsAsked {
        max_concurrent_calls: 7,
        max_daily_quota: 70,
    };
    assert_eq!(asked.limits_asked, Some(most));
    // What would leave him no call is refused, and does not cost him the verification.
    for (calls, quota, field) in [
        (0, 70, "limits.concurrent_calls"),
        (7, 0, "limits.daily_quota"),
    ] {
        names(server.learn_limits("bob", &id, calls, quota).await, field);
    }
    let changes = server.learn_limits("bob", &id, 7, 10).await.unwrap();
    assert_eq!(changes, ["concurrent calls of bob@example.com: 2 to 7"]);
    // Other challenges ask for nothing else.
    let (decision, _) = server.challenged("bob", LONDON).await;
    let failed = server.fail("bob", &decision).await;
    let passed = server.verify("bob", &decision).await;
    assert_eq!((failed.limits_asked, passed.limits_asked), (None, None));
}

/// A policy whose callers may ask for more, and keep it.
fn for_good(verification: &mut v1::Verification) {
    (verification.ask_limits, verification.raise) = (true, v1::Raise::ForGood.into());
}

#[tokio::test]
async fn a_lesson_changes_the_limits_of_business_hours_and_leaves_a_call() {
    let server = Server::with_verification(for_good).await;
    // The operator gave more than callers can get.
    server.account("alice").await;
    let verified = async |dialed: &str| {
        let (_, challenge) = server.challenged("alice", dialed).await;
        let opened = server
            .start_verification("alice", &challenge)
            .await
            .unwrap();
        let digits = &opened.captcha_digits;
        server
            .complete(&opened.verification_id, digits)
            .await
            .unwrap();
        opened.verification_id
    };
    let id = verified(LONDON).await;
    server.learn_limits("alice", &id, 4, 99).await.unwrap();
    assert_eq!(
        server.get("alice").await.limits,
        Some(v1::Limits {
            concurrent_calls: Some(4),
            concurrent_calls_off_hours: Some(100),
            daily_quota: Some(99),
            daily_quota_off_hours: Some(1_000),
        })
    );
    let id = verified(SOMALIA).await;
    server
        .policy(|policy| {
            let new = policy.new_accounts.as_mut().unwrap();
            for limits in [&mut new.limits, &mut new.maximum] {
                limits.as_mut().unwrap().daily_quota = Some(0);
            }
        })
        .await;
    let refused = server.learn_limits("alice", &id, 3, 20).await;
    names(refused, "limits.daily_quota");
    // Nobody is asked for what he can't get.
    let (_, onboarded) = server.onboard("bob").await;
    assert_eq!(onboarded.limits_asked, None);
}

#[tokio::test]
async fn a_call_is_decided_anew_once_its_challenge_is_passed() {
    let mut server = Server::open_with("[calls]\nrepeat_seconds = 32\n").await;
    server.account("alice").await;
    let asked = |id: &str| CheckRequest {
        call_id: id.to_owned(),
        attempt_key: format!("{id}.1"),
        ..call("alice", LONDON)
    };
    let challenged = server.check(asked("one")).await;
    assert_eq!(challenged.code, "V03");
    let other = server.check(asked("two")).await;
    assert_eq!(other.challenge, challenged.challenge);
    assert_eq!(server.check(asked("one")).await, challenged);
    server.fail("alice", &challenged).await;
    assert_eq!(server.check(asked("one")).await, challenged);
    server.verify("alice", &challenged).await;
    let again = server.check(asked("one")).await;
    assert_eq!((again.code.as_str(), &again.challenge), ("A00", &None));
    // That is the answer from now on, and counts once.
    assert_eq!(server.check(asked("one")).await, again);
    server.kill9();
    server.restart().await;
    assert_eq!(server.check(asked("one")).await, again);
    assert_eq!(server.usage("alice").await.calls_today, 1);
    // The other call waited for the same challenge, and asks again only after the restart.
    let second = server.check(asked("two")).await;
    assert_eq!(second.code, "A00");
    assert_eq!(server.check(asked("two")).await, second);
    assert_eq!(server.usage("alice").await.calls_today, 2);
}

#[tokio::test]
async fn who_has_introduced_himself_goes_on_by_the_rules_in_the_same_call() {
    let server = Server::open().await;
    for (username, dialed, code) in [("alice", HOME_NUMBER, "A00"), ("bob", LONDON, "V03")] {
        let asked = CheckRequest {
            call_id: "first".to_owned(),
            ..call(username, dialed)
        };
        let challenged = server.check(asked.clone()).await;
        assert_eq!(challenged.code, "V01");
        server.verify(username, &challenged).await;
        assert_eq!(server.code(asked).await, code, "{username}");
    }
}

#[tokio::test]
async fn a_call_that_is_decided_anew_is_no_repeated_call() {
    let server = Server::open().await;
    server
        .policy(|policy| policy.repeats.as_mut().unwrap().max_repeats = 1)
        .await;
    server.account("alice").await;
    let asked = CheckRequest {
        call_id: "one".to_owned(),
        ..call("alice", LONDON)
    };
    let challenged = server.check(asked.clone()).await;
    server.verify("alice", &challenged).await;
    assert_eq!(server.code(asked.clone()).await, "A00");
    let next = CheckRequest {
        call_id: "two".to_owned(),
        ..asked
    };
    assert_eq!(server.code(next).await, "R13");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_decided_anew_once_even_if_it_is_asked_about_twice_at_once() {
    let server = Server::open().await;
    server.account("alice").await;
    for round in 0..20 {
        let asked = CheckRequest {
            call_id: format!("call-{round}"),
            attempt_key: round.to_string(),
            caller_number: round.to_string(),
            ..call("alice", if round % 2 == 0 { LONDON } else { SOMALIA })
        };
        let challenged = server.check(asked.clone()).await;
        server.verify("alice", &challenged).await;
        // The switch's question, and its one retry.
        let asking = (0..2).map(|_| server.admin().check(asked.clone()));
        let answers = futures::future::join_all(asking).await;
        let first = answers[0].as_ref().unwrap();
        assert_eq!(first.code, "A00");
        for answer in &answers {
            assert_eq!(answer.as_ref().unwrap(), first);
        }
        assert_eq!(server.usage("alice").await.calls_today, round + 1);
        let request = v1::UpdateAccountRequest {
            account: Some(v1::Account {
                destination_countries: vec!["US".to_owned()],
                ..server.get("alice").await
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["destination_countries".to_owned()],
            }),
        };
        server.admin().update_account(request).await.unwrap();
    }
}
