//! What a passed verification opens: the one thing that the challenge was about, once, within its bounds.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use tfps_client::{
    Code,
    v1::{self, CheckRequest},
};
use tfps_tests::{
    Server,
    scene::{HOME_NUMBER, LONDON, SOMALIA, call, key, limits},
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
        verification.grace_minutes = 30;
        verification.grace_calls = 2;
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
        verification.grace_minutes = 30;
        verification.grace_calls = 1;
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
    let learn = async |username: &str, verification: &str, concurrent_calls, daily_quota| {
        let limits = v1::CallerLimits {
            account: Some(key(username)),
            verification_id: verification.to_owned(),
            concurrent_calls,
            daily_quota,
        };
        let request = v1::LearnRequest {
            lesson: Some(v1::learn_request::Lesson::Limits(limits)),
        };
        server.admin().learn(request).await
    };
    server.account("mallory").await;
    let (_, challenge) = server.challenged("carol", HOME_NUMBER).await;
    let opened = server
        .start_verification("carol", &challenge)
        .await
        .unwrap();
    let id = opened.verification_id;
    // Opened is not passed.
    assert_eq!(
        learn("carol", &id, 3, 20).await.unwrap_err().code(),
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
        learn("mallory", &id, 3, 20).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
    let changes = learn("carol", &id, 3, 5_000).await.unwrap().changes;
    assert_eq!(changes.len(), 2, "{changes:?}");
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
        learn("carol", &id, 4, 30).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
    assert_eq!(
        learn("carol", "0123", 4, 30).await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(server.get("carol").await.limits, Some(after));
}
