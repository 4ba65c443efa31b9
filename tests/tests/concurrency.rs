//! Calls at the same instant: limits hold exactly, slots come back, an attempt counts once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::{collections::HashSet, time::Duration};

use futures::{StreamExt, future::join_all, stream};
use tfps_client::{
    Client, Code,
    v1::{self, CallEvent, CheckRequest, CheckResponse, Rule, RuleMode},
};
use tfps_tests::{
    Server, eventually,
    scene::{HOME_NUMBER, LONDON, call, key, limits, setting},
};

const CALLS: usize = 200;

/// Calls of one account that differ in caller and Call-ID.
fn calls(username: &str) -> impl Iterator<Item = CheckRequest> {
    (0..CALLS).map(move |number| CheckRequest {
        caller_number: format!("1212555{number:04}"),
        call_id: format!("call-{number}"),
        ..call(username, HOME_NUMBER)
    })
}

async fn all_at_once(
    client: &Client,
    calls: impl Iterator<Item = CheckRequest>,
) -> Vec<CheckResponse> {
    join_all(calls.map(|call| client.check(call)))
        .await
        .into_iter()
        .map(|decision| decision.expect("a decision"))
        .collect()
}

fn allowed(decisions: &[CheckResponse]) -> usize {
    decisions
        .iter()
        .filter(|decision| decision.code == "A00")
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_calls_never_take_the_last_slot() {
    let server = Server::open().await;
    server
        .account_with("alice", |account| account.limits = Some(limits(5, 1_000)))
        .await;
    let decisions = all_at_once(server.admin(), calls("alice")).await;
    assert_eq!(allowed(&decisions), 5);
    for decision in &decisions {
        assert!(
            matches!(decision.code.as_str(), "A00" | "R10"),
            "{decision:?}"
        );
    }
    // Numbered one by one: no two saw the same count.
    let counts: HashSet<u32> = decisions
        .iter()
        .filter(|decision| decision.code == "A00")
        .map(|decision| decision.usage.unwrap().concurrent_calls)
        .collect();
    assert_eq!(counts, HashSet::from([1, 2, 3, 4, 5]));
    let usage = server.usage("alice").await;
    assert_eq!((usage.concurrent_calls, usage.calls_today), (5, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_and_unary_calls_share_the_slots() {
    let server = Server::open().await;
    server
        .account_with("alice", |account| account.limits = Some(limits(5, 1_000)))
        .await;
    let stream = server.admin().stream_checks(64);
    let halves: (Vec<_>, Vec<_>) = calls("alice")
        .enumerate()
        .partition(|(number, _)| number % 2 == 0);
    let (streamed, unary) = tokio::join!(
        join_all(halves.0.into_iter().map(|(_, call)| stream.check(call))),
        join_all(
            halves
                .1
                .into_iter()
                .map(|(_, call)| server.admin().check(call))
        ),
    );
    let decisions: Vec<_> = streamed
        .into_iter()
        .chain(unary)
        .map(Result::unwrap)
        .collect();
    assert_eq!((decisions.len(), allowed(&decisions)), (CALLS, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_is_used_to_the_last_call_and_no_further() {
    let server = Server::open().await;
    server
        .account_with("alice", |account| account.limits = Some(limits(1_000, 73)))
        .await;
    let counted = calls("alice").map(|call| CheckRequest {
        concurrent_calls: Some(1),
        ..call
    });
    let decisions = all_at_once(server.admin(), counted).await;
    assert_eq!(allowed(&decisions), 73);
    assert!(
        decisions
            .iter()
            .all(|decision| matches!(decision.code.as_str(), "A00" | "V04"))
    );
    // All of them wait for one and the same challenge.
    let challenges: HashSet<_> = decisions
        .iter()
        .filter_map(|decision| decision.challenge.as_ref())
        .map(|challenge| challenge.id.clone())
        .collect();
    assert_eq!(challenges.len(), 1);
    let usage = server.usage("alice").await;
    assert_eq!((usage.calls_today, usage.concurrent_calls), (73, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_accounts_that_may_pass_have_limits_too() {
    let server = Server::open().await;
    server
        .policy(|policy| policy.rules = vec![setting(Rule::UnknownAccount, RuleMode::Report)])
        .await;
    let decisions = all_at_once(server.admin(), calls("nobody")).await;
    assert_eq!(allowed(&decisions), 2);
    let passed = decisions.iter().find(|decision| decision.code == "A00");
    assert_eq!(passed.unwrap().monitored.as_ref().unwrap().code, "R20");
}

#[tokio::test]
async fn an_ended_call_gives_its_slot_back() {
    let server = Server::open().await;
    server
        .account_with("alice", |account| account.limits = Some(limits(2, 1_000)))
        .await;
    let mut waiting = calls("alice");
    let mut next = || waiting.next().unwrap();
    assert_eq!(server.code(next()).await, "A00");
    assert_eq!(server.code(next()).await, "A00");
    assert_eq!(server.code(next()).await, "R10");
    for id in ["call-0", "call-1"] {
        server.progress("alice", id, CallEvent::Started).await;
        server.progress("alice", id, CallEvent::Answered).await;
    }
    assert_eq!(server.code(next()).await, "R10");
    server.progress("alice", "call-0", CallEvent::Ended).await;
    assert_eq!(server.usage("alice").await.concurrent_calls, 1);
    assert_eq!(server.code(next()).await, "A00");
    // Ended twice, or a call that is not known: nobody else's slot goes.
    server.progress("alice", "call-0", CallEvent::Ended).await;
    server.progress("alice", "call-99", CallEvent::Ended).await;
    assert_eq!(server.code(next()).await, "R10");
    // A denied call holds nothing, and its end frees nothing.
    server.progress("alice", "call-2", CallEvent::Ended).await;
    assert_eq!(server.usage("alice").await.concurrent_calls, 2);
}

#[tokio::test]
async fn a_slot_is_a_lease() {
    let server = Server::open_with("[calls]\nreserved_seconds = 1\nstarted_seconds = 60\n").await;
    server
        .account_with("alice", |account| account.limits = Some(limits(1, 1_000)))
        .await;
    let mut waiting = calls("alice");
    assert_eq!(server.code(waiting.next().unwrap()).await, "A00");
    assert_eq!(server.code(waiting.next().unwrap()).await, "R10");
    // The switch never says that the call started.
    let server = &server;
    eventually("the lease ends", || async move {
        (server.usage("alice").await.concurrent_calls == 0).then_some(())
    })
    .await;
    assert_eq!(server.code(waiting.next().unwrap()).await, "A00");
    // One that has started holds it for longer.
    server.progress("alice", "call-2", CallEvent::Started).await;
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(server.code(waiting.next().unwrap()).await, "R10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_attempt_is_one_decision() {
    let server = Server::open().await;
    server.account("alice").await;
    let asked = CheckRequest {
        call_id: "a84b4c76e66710@198.51.100.7".to_owned(),
        attempt_key: "1700000000.1".to_owned(),
        ..call("alice", HOME_NUMBER)
    };
    let repeats = std::iter::repeat_n(asked.clone(), 2);
    let decisions = all_at_once(server.admin(), repeats).await;
    let ids: HashSet<_> = decisions
        .iter()
        .map(|decision| decision.decision_id.clone())
        .collect();
    assert_eq!((ids.len(), allowed(&decisions)), (1, 2));
    let usage = server.usage("alice").await;
    assert_eq!((usage.calls_today, usage.concurrent_calls), (1, 1));
    assert_eq!(server.decisions(Default::default()).await.len(), 1);
    // Every word of the answer is the same, now and on a stream.
    let next = CheckRequest {
        attempt_key: "1700000000.2".to_owned(),
        ..asked.clone()
    };
    let first = server.check(next.clone()).await;
    let again = server.admin().stream_checks(1).check(next).await;
    assert_eq!(again.unwrap(), first);
    // Another account or another branch of the call is another decision.
    server.account("bob").await;
    let of_bob = CheckRequest {
        account: Some(key("bob")),
        ..asked.clone()
    };
    let elsewhere = CheckRequest {
        dialed_number: LONDON.to_owned(),
        ..asked
    };
    assert!(!ids.contains(&server.check(of_bob).await.decision_id));
    assert!(!ids.contains(&server.check(elsewhere).await.decision_id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenged_call_id_keeps_its_challenge() {
    let server = Server::open().await;
    server.account("alice").await;
    let asked = CheckRequest {
        call_id: "challenged".to_owned(),
        ..call("alice", LONDON)
    };
    let decisions = all_at_once(server.admin(), std::iter::repeat_n(asked, 20)).await;
    assert!(decisions.iter().all(|decision| *decision == decisions[0]));
    assert!(decisions[0].challenge.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_answers_each_request_by_its_id() {
    let server = Server::open().await;
    server.account("alice").await;
    let requests: Vec<_> = (0..2_000_u64)
        .map(|id| {
            let check = match id % 4 {
                0 => call("alice", HOME_NUMBER),
                1 => call("alice", &format!("4420794{:05}", id % 100_000)),
                2 => call("", HOME_NUMBER),
                _ => call("alice", "21012345678"),
            };
            v1::StreamChecksRequest {
                // Ids are the client's: any will do.
                id: id.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                check: (id % 8 != 6).then_some(CheckRequest {
                    caller_number: format!("{id}"),
                    concurrent_calls: Some(1),
                    ..check
                }),
            }
        })
        .collect();
    let mut service = server.admin().check_service();
    let answers: Vec<_> = service
        .stream_checks(stream::iter(requests.clone()))
        .await
        .unwrap()
        .into_inner()
        .map(Result::unwrap)
        .collect()
        .await;
    assert_eq!(answers.len(), requests.len());
    let mut open: HashSet<u64> = requests.iter().map(|request| request.id).collect();
    for answer in answers {
        assert!(open.remove(&answer.id), "answered twice: {}", answer.id);
        let request = requests
            .iter()
            .find(|request| request.id == answer.id)
            .unwrap();
        match answer.result.unwrap() {
            v1::stream_checks_response::Result::Decision(decision) => {
                let check = request.check.as_ref().unwrap();
                let code = match check.dialed_number.as_str() {
                    HOME_NUMBER => "A00",
                    "21012345678" => "R07",
                    _ => "V03",
                };
                assert_eq!(decision.code, code, "{check:?}");
            }
            // An error is that request's own: the stream goes on.
            v1::stream_checks_response::Result::Error(error) => {
                assert_eq!(error.code, i32::from(Code::InvalidArgument));
                let field = match &request.check {
                    None => "check",
                    Some(_) => "account.username",
                };
                assert!(error.message.starts_with(&format!("{field}:")), "{error:?}");
                assert!(!error.details.is_empty());
            }
        }
    }
}

/// A server whose alice has made her one call of the day, and the challenge that the next one gets.
async fn quota_spent() -> (Server, v1::Challenge) {
    let server = Server::open().await;
    server
        .account_with("alice", |account| account.limits = Some(limits(10, 1)))
        .await;
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");
    let decision = server.check(call("alice", HOME_NUMBER)).await;
    (server, decision.challenge.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_captcha_passes_once_however_often_it_is_typed_at_once() {
    let (server, challenge) = quota_spent().await;
    let opened = server
        .start_verification("alice", &challenge)
        .await
        .unwrap();
    let typed = (0..20).map(|_| server.complete(&opened.verification_id, &opened.captcha_digits));
    let passed = join_all(typed)
        .await
        .into_iter()
        .filter(|completed| completed.as_ref().is_ok_and(|completed| completed.passed))
        .count();
    assert_eq!(passed, 1);
    assert_eq!(server.get("alice").await.limits.unwrap().daily_quota(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_captchas_of_one_challenge_raise_a_quota_once() {
    let (server, challenge) = quota_spent().await;
    let mut opened = Vec::new();
    for _ in 0..5 {
        opened.push(
            server
                .start_verification("alice", &challenge)
                .await
                .unwrap(),
        );
    }
    let typed = opened
        .iter()
        .map(|opened| server.complete(&opened.verification_id, &opened.captcha_digits));
    let passed = join_all(typed)
        .await
        .into_iter()
        .filter(|completed| completed.as_ref().is_ok_and(|completed| completed.passed))
        .count();
    assert_eq!(
        (
            passed,
            server.get("alice").await.limits.unwrap().daily_quota()
        ),
        (1, 2)
    );
}
