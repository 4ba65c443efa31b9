//! kill −9 under load: whatever was answered is there after the restart, and the counters are what they were.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tfps_client::{
    Client,
    v1::{self, CallEvent, CheckRequest, CheckResponse},
};
use tfps_tests::{
    Server, clock,
    scene::{HOME_NUMBER, LONDON, call, limits, setting},
};

/// Fixed, so that a failure comes again: the moments at which the server is killed, in milliseconds of load.
const ROUNDS: [u64; 4] = [137, 611, 40, 1_283];
const ACCOUNTS: usize = 4;
/// Callers that ask one call after the other, each way.
const UNARY: usize = 4;
const STREAMED: usize = 16;

/// What the switch knows: every answer that reached it.
#[derive(Clone, Default)]
struct Answered(Arc<Mutex<Vec<(CheckRequest, CheckResponse)>>>);

/// Names calls apart over all rounds.
#[derive(Clone, Default)]
struct Numbers(Arc<AtomicU64>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answered_decision_is_found_again_and_counted_once() {
    let mut server = Server::open_with("[journal]\nsegment_bytes = 1048576\n").await;
    for account in 0..ACCOUNTS {
        server
            .account_with(&username(account), |account| {
                account.limits = Some(limits(1_000_000, 1_000_000));
            })
            .await;
    }
    let (answered, numbers) = (Answered::default(), Numbers::default());
    for (round, milliseconds) in ROUNDS.into_iter().enumerate() {
        let load = load(&server, &answered, &numbers).await;
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        server.kill9();
        for caller in load {
            caller.await.unwrap();
        }
        server.restart().await;
        let asked = numbers.0.load(Ordering::Relaxed);
        told_again(&server, &answered, asked, round).await;
    }
    // Something happened at all, and both ways.
    let answered = answered.0.lock().unwrap();
    assert!(answered.len() > 200, "{} answers", answered.len());
}

/// Asks calls until the server is gone.
async fn load(
    server: &Server,
    answered: &Answered,
    numbers: &Numbers,
) -> Vec<tokio::task::JoinHandle<()>> {
    let client = server.another_connection().await;
    let stream = client.stream_checks(STREAMED);
    let mut callers = Vec::new();
    for _ in 0..STREAMED {
        let (stream, answered, numbers) = (stream.clone(), answered.clone(), numbers.clone());
        callers.push(tokio::spawn(async move {
            loop {
                let call = numbers.next();
                let Ok(decision) = stream.check(call.clone()).await else {
                    return;
                };
                answered.0.lock().unwrap().push((call, decision));
            }
        }));
    }
    for _ in 0..UNARY {
        let client: Client = server.another_connection().await;
        let (answered, numbers) = (answered.clone(), numbers.clone());
        callers.push(tokio::spawn(async move {
            loop {
                let call = numbers.next();
                let Ok(decision) = client.check(call.clone()).await else {
                    return;
                };
                answered.0.lock().unwrap().push((call, decision));
            }
        }));
    }
    callers
}

/// What was answered is listed, word by word, and counted. A call that was asked and never answered may have been decided
/// and so be there too: the list is the truth that the counters must equal.
async fn told_again(server: &Server, answered: &Answered, asked: u64, round: usize) {
    let listed = server.decisions(Default::default()).await;
    let by_id: HashMap<&str, &v1::Decision> = listed
        .iter()
        .map(|decision| (decision.id.as_str(), decision))
        .collect();
    assert_eq!(by_id.len(), listed.len(), "a decision is listed twice");
    let answered = answered.0.lock().unwrap().clone();
    for (call, decision) in &answered {
        let Some(found) = by_id.get(decision.decision_id.as_str()) else {
            panic!("round {round}: lost: {call:?} {decision:?}");
        };
        assert_eq!(
            (&found.code, &found.call_id, &found.account, found.verdict),
            (
                &decision.code,
                &call.call_id,
                &call.account,
                decision.verdict
            )
        );
    }
    let in_flight = ((round + 1) * (UNARY + STREAMED)) as u64;
    assert!(
        answered.len() <= listed.len()
            && listed.len() as u64 <= asked
            && asked <= answered.len() as u64 + in_flight,
        "{} answered, {} listed, {asked} asked",
        answered.len(),
        listed.len()
    );
    let call_ids: HashSet<&str> = listed
        .iter()
        .map(|decision| decision.call_id.as_str())
        .collect();
    assert_eq!(call_ids.len(), listed.len(), "a call was decided twice");
    for account in 0..ACCOUNTS {
        let username = username(account);
        let allowed = listed
            .iter()
            .filter(|decision| decision.account.as_ref().unwrap().username == username)
            .filter(|decision| decision.code == "A00")
            .count();
        let usage = server.usage(&username).await;
        assert_eq!(
            usage.calls_today as usize, allowed,
            "round {round}: the counter of {username}"
        );
    }
}

fn username(account: usize) -> String {
    format!("user{account}")
}

impl Numbers {
    /// A call that no other is like; one in eight is challenged.
    fn next(&self) -> CheckRequest {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let dialed = if number % 8 == 7 { LONDON } else { HOME_NUMBER };
        CheckRequest {
            caller_number: number.to_string(),
            call_id: format!("call-{number}"),
            ..call(&username(number as usize % ACCOUNTS), dialed)
        }
    }
}

#[tokio::test]
async fn open_slots_challenges_and_failures_survive() {
    let mut server = Server::open_with("[calls]\nrepeat_seconds = 32\n").await;
    server
        .account_with("alice", |account| account.limits = Some(limits(3, 100)))
        .await;
    let with_id = |id: &str, dialed: &str| CheckRequest {
        call_id: id.to_owned(),
        caller_number: id.to_owned(),
        ..call("alice", dialed)
    };
    for id in ["one", "two", "three"] {
        assert_eq!(server.code(with_id(id, HOME_NUMBER)).await, "A00");
        server.progress("alice", id, CallEvent::Started).await;
    }
    server.progress("alice", "three", CallEvent::Ended).await;
    let challenge = server.check(with_id("four", LONDON)).await;
    assert_eq!(challenge.code, "V03");
    let failed = server.fail("alice", &challenge).await;
    let opened = server
        .start_verification("alice", challenge.challenge.as_ref().unwrap())
        .await
        .unwrap();
    let before = server.get("alice").await;
    // Once from the journal alone, once more after it was shipped to the database.
    for round in 0..2 {
        server.kill9();
        server.restart().await;
        let mut after = server.get("alice").await;
        assert_eq!(after, before, "round {round}");
        assert_eq!(after.usage.take().unwrap().concurrent_calls, 2);
        server.shipped().await;
    }
    let usage = server.usage("alice").await;
    assert_eq!(usage.failed_verifications, 1);
    // The same Call-ID is still the same decision.
    assert_eq!(server.check(with_id("four", LONDON)).await, challenge);
    // The opened captcha still serves.
    let passed = server
        .complete(&opened.verification_id, &opened.captcha_digits)
        .await
        .unwrap();
    assert!(passed.passed && passed.attempts_left == failed.attempts_left);
    server.kill9();
    server.restart().await;
    assert_eq!(server.code(with_id("five", LONDON)).await, "A00");
    assert_eq!(server.code(with_id("six", HOME_NUMBER)).await, "R10");
    // A challenge that was passed does not come back.
    let again = server
        .start_verification("alice", challenge.challenge.as_ref().unwrap())
        .await
        .unwrap_err();
    assert_eq!(again.code(), tfps_client::Code::FailedPrecondition);
}

#[tokio::test]
async fn a_lock_and_a_reset_survive() {
    let mut server = Server::open().await;
    for username in ["alice", "bob"] {
        server
            .account_with(username, |account| account.limits = Some(limits(9, 5)))
            .await;
        for caller in 0..4 {
            let asked = CheckRequest {
                caller_number: caller.to_string(),
                concurrent_calls: Some(1),
                ..call(username, HOME_NUMBER)
            };
            assert_eq!(server.code(asked).await, "A00");
        }
    }
    let challenge = server.check(call("alice", LONDON)).await;
    for _ in 0..4 {
        server.fail("alice", &challenge).await;
    }
    let request = v1::ResetUsageRequest {
        account: Some(tfps_tests::scene::key("bob")),
    };
    server.admin().reset_usage(request).await.unwrap();
    assert_eq!(server.code(call("bob", HOME_NUMBER)).await, "A00");
    for round in 0..2 {
        server.kill9();
        server.restart().await;
        assert_eq!(server.code(call("alice", LONDON)).await, "R17");
        let (alice, bob) = (server.usage("alice").await, server.usage("bob").await);
        assert!(alice.locked_until.is_some(), "round {round}");
        assert_eq!((alice.calls_today, alice.failed_verifications), (4, 4));
        assert_eq!(bob.calls_today, 1, "round {round}");
        server.shipped().await;
    }
}

#[tokio::test]
async fn grants_and_their_calls_survive() {
    let mut server = Server::open().await;
    server
        .policy(|policy| {
            let verification = policy.verification.as_mut().unwrap();
            verification.grace_minutes = Some(60);
            verification.grace_calls = Some(3);
        })
        .await;
    server.account("alice").await;
    let challenge = server.check(call("alice", LONDON)).await;
    server.verify("alice", &challenge).await;
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(server.code(call("alice", LONDON)).await);
        server.kill9();
        server.restart().await;
    }
    assert_eq!(codes, ["A00", "A00", "A00", "V03"]);
}

#[tokio::test]
async fn unknown_accounts_that_may_pass_keep_what_they_used() {
    let mut server = Server::open().await;
    server
        .policy(|policy| {
            policy.rules = vec![setting(v1::Rule::UnknownAccount, v1::RuleMode::Report)];
        })
        .await;
    let mut next = 0;
    let mut asked = || {
        next += 1;
        CheckRequest {
            caller_number: next.to_string(),
            concurrent_calls: Some(1),
            ..call("nobody", HOME_NUMBER)
        }
    };
    for _ in 0..10 {
        assert_eq!(server.code(asked()).await, "A00");
    }
    assert_eq!(server.code(asked()).await, "R11");
    for _ in 0..2 {
        server.kill9();
        server.restart().await;
        assert_eq!(server.code(asked()).await, "R11");
        server.shipped().await;
    }
}

#[tokio::test]
async fn a_slot_is_the_same_after_the_restart_whatever_the_switchs_clock_said() {
    let mut server = Server::open_with("[calls]\nstarted_seconds = 60\n").await;
    for (username, hours) in [("alice", -1), ("bob", 1)] {
        server.account(username).await;
        let progress = v1::CallProgress {
            account: Some(tfps_tests::scene::key(username)),
            call_id: "one".to_owned(),
            event: CallEvent::Started.into(),
            at: Some(clock::timestamp(
                clock::now() + jiff::SignedDuration::from_hours(hours),
            )),
            ..v1::CallProgress::default()
        };
        let lesson = Some(v1::learn_request::Lesson::Call(progress));
        let request = v1::LearnRequest { lesson };
        server.admin().learn(request).await.unwrap();
    }
    server.shipped().await;
    for username in ["alice", "bob"] {
        assert_eq!(server.usage(username).await.concurrent_calls, 1);
    }
    server.kill9();
    server.restart().await;
    for username in ["alice", "bob"] {
        let usage = server.usage(username).await;
        assert_eq!(usage.concurrent_calls, 1, "{username}");
    }
}
