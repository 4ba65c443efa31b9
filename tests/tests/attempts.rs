//! Two calls are never one, whatever a caller writes into Call-ID, From or User-Agent; a retry of the very same attempt counts once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::{collections::HashSet, time::Duration};

use futures::future::join_all;
use tfps_client::v1::{self, CallEvent, CheckRequest};
use tfps_tests::{
    Server,
    claims::names,
    clock,
    scene::{HOME_NUMBER, LONDON, SOMALIA, call, from, key, limits, setting},
};

const CALL_ID: &str = "a84b4c76e66710@198.51.100.7";

/// A server on which alice may make so many calls at once and a day.
async fn limited(concurrent_calls: u32, daily_quota: u32) -> Server {
    let server = Server::open().await;
    server
        .policy(|policy| policy.repeats.get_or_insert_default().max_repeats = 1_000)
        .await;
    server
        .account_with("alice", |account| {
            account.limits = Some(limits(concurrent_calls, daily_quota));
        })
        .await;
    server
}

/// An attempt of alice's with the one Call-ID.
fn attempt(dialed: &str) -> CheckRequest {
    CheckRequest {
        call_id: CALL_ID.to_owned(),
        ..call("alice", dialed)
    }
}

fn with_key(key: impl std::fmt::Display) -> CheckRequest {
    CheckRequest {
        attempt_key: key.to_string(),
        ..attempt(HOME_NUMBER)
    }
}

async fn allowed(server: &Server, calls: impl IntoIterator<Item = CheckRequest>) -> usize {
    let asked = calls.into_iter().map(|call| server.admin().check(call));
    let decisions = join_all(asked).await;
    let allowed = decisions
        .iter()
        .filter(|decision| decision.as_ref().unwrap().code == "A00");
    allowed.count()
}

async fn learn(server: &Server, call: v1::CallProgress) {
    let lesson = Some(v1::learn_request::Lesson::Call(v1::CallProgress {
        account: Some(key("alice")),
        ..call
    }));
    let request = v1::LearnRequest { lesson };
    server.admin().learn(request).await.unwrap();
}

fn of_decision(decision: &v1::CheckResponse, event: CallEvent) -> v1::CallProgress {
    v1::CallProgress {
        decision_id: decision.decision_id.clone(),
        event: event.into(),
        ..v1::CallProgress::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_calls_with_one_call_id_and_keys_of_their_own_are_a_hundred_calls() {
    let server = limited(2, 10).await;
    assert_eq!(allowed(&server, (0..100).map(with_key)).await, 2);
    let usage = server.usage("alice").await;
    assert_eq!((usage.calls_today, usage.concurrent_calls), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_different_makes_it_another_call() {
    let server = limited(100, 1_000).await;
    server.account("bob").await;
    let same = || from("192.0.2.7", attempt(HOME_NUMBER));
    let first = server.check(same()).await;
    assert_eq!(first.code, "A00");
    let others = [
        CheckRequest {
            account: Some(key("bob")),
            ..same()
        },
        CheckRequest {
            dialed_number: format!("+{HOME_NUMBER}"),
            ..same()
        },
        CheckRequest {
            caller_number: "12125550100".to_owned(),
            ..same()
        },
        from("192.0.2.8", same()),
        CheckRequest {
            user_agent: "Snom".to_owned(),
            ..same()
        },
        CheckRequest {
            forwarded_from: "bob@example.com".to_owned(),
            ..same()
        },
        CheckRequest {
            trunk: "carrier-2".to_owned(),
            ..same()
        },
        CheckRequest {
            attempt_key: "1".to_owned(),
            ..same()
        },
    ];
    let mut ids = HashSet::from([first.decision_id.clone()]);
    for other in others {
        let decided = server.check(other.clone()).await;
        assert!(ids.insert(decided.decision_id), "{other:?}");
    }
    assert_eq!(server.check(same()).await, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invite_that_is_replayed_gives_one_call_more_and_no_second() {
    let server = limited(2, 10).await;
    let replayed = std::iter::repeat_n(attempt(HOME_NUMBER), 100);
    // Two slots, and the one retry of the first.
    assert_eq!(allowed(&server, replayed).await, 3);
    let usage = server.usage("alice").await;
    assert_eq!((usage.calls_today, usage.concurrent_calls), (2, 2));

    let server = limited(2, 10).await;
    let replayed = std::iter::repeat_n(with_key("1700000000.1"), 100);
    assert_eq!(allowed(&server, replayed).await, 3);
    assert_eq!(server.usage("alice").await.calls_today, 2);
}

#[tokio::test]
async fn an_invite_that_is_replayed_is_none_once_the_switch_counts_its_call() {
    let server = limited(2, 10).await;
    let counted = |calls| CheckRequest {
        concurrent_calls: Some(calls),
        ..attempt(HOME_NUMBER)
    };
    let first = server.check(counted(1)).await;
    assert_eq!(server.check(counted(1)).await, first);
    let second = server.check(counted(2)).await;
    assert_eq!(second.code, "A00");
    assert_ne!(second.decision_id, first.decision_id);
    assert_eq!(server.code(counted(3)).await, "R10");
    // With a key of the switch's own it is the very same attempt, however many others there are.
    let keyed = |calls| CheckRequest {
        concurrent_calls: Some(calls),
        ..with_key(1)
    };
    let first = server.check(keyed(1)).await;
    assert_eq!(server.check(keyed(2)).await, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_s_quota_holds_however_fast_calls_come_and_go() {
    let server = limited(2, 10).await;
    let mut ids = HashSet::new();
    for number in 0..100 {
        // One in two is sent again at once; each is told to be over before the next.
        let asked = with_key(number / 2);
        let decision = server.check(asked).await;
        if decision.code == "A00" {
            ids.insert(decision.decision_id.clone());
            learn(&server, of_decision(&decision, CallEvent::Ended)).await;
        }
    }
    // A call that has ended is not set up once more by an INVITE that is sent again.
    assert_eq!(ids.len(), 10);
    assert_eq!(server.usage("alice").await.calls_today, 10);
}

#[tokio::test]
async fn a_retry_is_one_for_some_seconds_and_not_after_the_call_has_ended() {
    let server = Server::open_with("[calls]\nrepeat_seconds = 1\n").await;
    server.account("alice").await;
    let first = server.check(with_key(1)).await;
    assert_eq!(server.check(with_key(1)).await, first);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let later = server.check(with_key(1)).await;
    assert_ne!(later.decision_id, first.decision_id);
    assert_eq!(server.usage("alice").await.calls_today, 2);
    learn(&server, of_decision(&later, CallEvent::Ended)).await;
    let again = server.check(with_key(1)).await;
    assert_ne!(again.decision_id, later.decision_id);
    assert_eq!(server.usage("alice").await.calls_today, 3);
}

#[tokio::test]
async fn calls_with_one_call_id_are_listed_and_ended_one_by_one() {
    let mut server = limited(3, 100).await;
    let mut decisions = Vec::new();
    for dialed in [HOME_NUMBER, "12125552369", "12125552370"] {
        let decision = server.check(attempt(dialed)).await;
        assert_eq!(decision.code, "A00");
        learn(&server, of_decision(&decision, CallEvent::Started)).await;
        decisions.push(decision);
    }
    assert_eq!(server.code(attempt("12125552371")).await, "R10");
    // From the journal alone, and from the database.
    for _ in 0..2 {
        let mut listed = Vec::new();
        let mut request = v1::ListCallsRequest {
            page_size: 1,
            ..v1::ListCallsRequest::default()
        };
        loop {
            let page = server.admin().list_calls(request.clone()).await.unwrap();
            listed.extend(page.calls);
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        let known: HashSet<_> = listed.iter().map(|call| &call.decision_id).collect();
        let made: HashSet<_> = decisions.iter().map(|made| &made.decision_id).collect();
        assert_eq!((listed.len(), known), (3, made));
        assert!(listed.iter().all(|call| call.call_id == CALL_ID));
        server.shipped().await;
        server.kill9();
        server.restart().await;
    }
    let end = |decision_id: &str, call_id: &str| v1::EndCallsRequest {
        account: Some(key("alice")),
        decision_id: decision_id.to_owned(),
        call_id: call_id.to_owned(),
        ..v1::EndCallsRequest::default()
    };
    let second = &decisions[1];
    let ended = server.admin().end_calls(end(&second.decision_id, "")).await;
    let ended = ended.unwrap().calls;
    let order = ended[0].hang_up.as_ref().unwrap();
    assert_eq!((ended.len(), &order.decision_id), (1, &second.decision_id));
    let all = server.admin().end_calls(end("", CALL_ID)).await.unwrap();
    assert_eq!(all.calls.len(), 3);
    let both = end(&second.decision_id, CALL_ID);
    names(server.admin().end_calls(both).await, "decision_id");
    let none = end("call-1", "");
    names(server.admin().end_calls(none).await, "decision_id");

    learn(&server, of_decision(second, CallEvent::Ended)).await;
    let left = server.admin().list_calls(Default::default()).await.unwrap();
    assert!(
        left.calls
            .iter()
            .all(|call| call.decision_id != second.decision_id)
    );
    for left in [1, 0, 0] {
        server.progress("alice", CALL_ID, CallEvent::Ended).await;
        assert_eq!(server.usage("alice").await.concurrent_calls, left);
    }
}

#[tokio::test]
async fn slots_and_retries_are_what_they_were_after_a_crash() {
    let mut server = Server::open_with("[calls]\nrepeat_seconds = 32\n").await;
    server
        .account_with("alice", |account| account.limits = Some(limits(2, 100)))
        .await;
    let first = server.check(with_key(1)).await;
    let second = server.check(with_key(2)).await;
    server.kill9();
    server.restart().await;
    assert_eq!(server.check(with_key(1)).await, first);
    assert_eq!(server.code(with_key(3)).await, "R10");
    assert_eq!(server.usage("alice").await.concurrent_calls, 2);
    let ended = v1::CallProgress {
        call_id: CALL_ID.to_owned(),
        attempt_key: "2".to_owned(),
        event: CallEvent::Ended.into(),
        ..v1::CallProgress::default()
    };
    learn(&server, ended).await;
    server.kill9();
    server.restart().await;
    assert_eq!(server.usage("alice").await.concurrent_calls, 1);
    let anew = server.check(with_key(2)).await;
    assert_eq!(anew.code, "A00");
    assert_ne!(anew.decision_id, second.decision_id);
}

#[tokio::test]
async fn a_call_without_any_name_can_not_be_told_of() {
    let server = limited(2, 10).await;
    let nameless = v1::CallProgress {
        account: Some(key("alice")),
        event: CallEvent::Started.into(),
        ..v1::CallProgress::default()
    };
    let tell = async |call: v1::CallProgress| {
        let lesson = Some(v1::learn_request::Lesson::Call(call));
        server.admin().learn(v1::LearnRequest { lesson }).await
    };
    names(tell(nameless.clone()).await, "call.call_id");
    let none = v1::CallProgress {
        decision_id: "none".to_owned(),
        ..nameless.clone()
    };
    names(tell(none).await, "call.decision_id");
    let long = v1::CallProgress {
        attempt_key: "x".repeat(257),
        ..nameless
    };
    names(tell(long).await, "call.attempt_key");
}

#[tokio::test]
async fn another_caller_number_is_no_way_around_r13() {
    let server = Server::open().await;
    server
        .policy(|policy| policy.repeats.as_mut().unwrap().by_caller = false)
        .await;
    server.account("alice").await;
    let called = |caller: usize| CheckRequest {
        caller_number: format!("1212555{caller:04}"),
        concurrent_calls: Some(1),
        ..call("alice", HOME_NUMBER)
    };
    let mut codes = Vec::new();
    for caller in 0..6 {
        codes.push(server.code(called(caller)).await);
    }
    assert_eq!(codes, ["A00", "A00", "A00", "A00", "A00", "R13"]);
    // However it is dialed.
    let otherwise = CheckRequest {
        dialed_number: format!("+{HOME_NUMBER}"),
        ..called(7)
    };
    assert_eq!(server.code(otherwise).await, "R13");
    server
        .policy(|policy| policy.repeats.as_mut().unwrap().by_caller = true)
        .await;
    assert_eq!(server.code(called(8)).await, "A00");
}

#[tokio::test]
async fn a_short_call_s_end_settles_no_long_one_with_the_same_call_id() {
    let server = limited(100, 1_000).await;
    server
        .policy(|policy| {
            policy.allowed_destination_countries = vec!["GB".to_owned()];
            policy.exposure = Some(v1::Caps {
                daily_international_minutes: Some(60),
                ..v1::Caps::default()
            });
        })
        .await;
    let tell = async |call: v1::CallProgress| learn(&server, call).await;
    let now = clock::now().as_second();
    let ago = |seconds: i64| {
        Some(prost_types::Timestamp {
            seconds: now - seconds,
            nanos: 0,
        })
    };
    // Alice talks to London for a minute, and then also to somebody at home.
    for (dialed, seconds) in [(LONDON, 60), (HOME_NUMBER, 5)] {
        let decision = server.check(attempt(dialed)).await;
        assert_eq!(decision.code, "A00");
        for event in [CallEvent::Started, CallEvent::Answered] {
            tell(v1::CallProgress {
                at: ago(seconds),
                ..of_decision(&decision, event)
            })
            .await;
        }
    }
    tell(v1::CallProgress {
        call_id: CALL_ID.to_owned(),
        event: CallEvent::Ended.into(),
        duration: Some(prost_types::Duration {
            seconds: 5,
            nanos: 0,
        }),
        ..v1::CallProgress::default()
    })
    .await;
    let left = server.admin().list_calls(Default::default()).await.unwrap();
    assert_eq!(left.calls.len(), 1);
    assert!(left.calls[0].e164 == LONDON, "{left:?}");
    let spent = server.usage("alice").await.international_seconds_today;
    assert!(spent >= 60, "{spent}");
}

#[tokio::test]
async fn a_call_in_which_the_caller_proved_himself_is_counted_once_and_only_once_more_free() {
    let server = Server::open().await;
    server
        .policy(|policy| {
            let repeats = policy.repeats.as_mut().unwrap();
            (repeats.max_repeats, repeats.by_caller) = (2, false);
        })
        .await;
    server.account("alice").await;
    let asked = |key: &str| CheckRequest {
        attempt_key: key.to_owned(),
        ..attempt(LONDON)
    };
    let challenged = server.check(asked("1")).await;
    server.verify("alice", &challenged).await;
    let passed = server.check(asked("1")).await;
    assert_eq!(passed.code, "A00");
    learn(&server, of_decision(&passed, CallEvent::Ended)).await;
    // The second call to it in a row, and the third.
    assert_eq!(server.code(asked("1")).await, "A00");
    assert_eq!(server.code(asked("1")).await, "R13");
}

#[tokio::test]
async fn anonymous_callers_are_denied_whatever_the_policy_makes_of_unknown_accounts() {
    let server = Server::open().await;
    let of = |username: &str, domain: &str, dialed: &str| CheckRequest {
        account: Some(v1::AccountKey {
            username: username.to_owned(),
            domain: domain.to_owned(),
        }),
        dialed_number: dialed.to_owned(),
        ..CheckRequest::default()
    };
    for (username, domain) in [
        ("anonymous", "anonymous.invalid"),
        ("Anonymous", "example.com"),
        ("unknown", "example.com"),
        ("Restricted", "example.com"),
        ("Private-Number", "example.com"),
        ("266696687", "example.com"),
        ("7378742833", "example.com"),
        ("86282452253", "example.com"),
        ("8656696", "example.com"),
        ("+", "example.com"),
        ("0", "example.com"),
        ("+12125550100", "anonymous.invalid"),
    ] {
        let denied = server.check(of(username, domain, SOMALIA)).await;
        assert_eq!(denied.code, "R20", "{username}");
        assert!(denied.challenge.is_none() && denied.reason.contains("who pays"));
        assert_eq!(server.code(of(username, domain, "911")).await, "A00");
    }
    assert_eq!(
        server.code(of("stranger", "example.com", LONDON)).await,
        "V01"
    );
    // An operator may have an account of the name.
    server.account("unknown").await;
    assert_eq!(server.code(call("unknown", HOME_NUMBER)).await, "A00");
}

#[tokio::test]
async fn digits_after_a_number_are_no_way_around_r13() {
    let server = Server::open().await;
    server
        .policy(|policy| {
            policy.repeats.as_mut().unwrap().by_caller = false;
            policy.rules = vec![setting(v1::Rule::Risk, v1::RuleMode::Off)];
        })
        .await;
    server
        .account_with("alice", |account| {
            account.destination_countries = vec!["US".to_owned(), "GB".to_owned()];
        })
        .await;
    let mut codes = Vec::new();
    for surplus in ["", "1", "2", "31", "32", "33", ""] {
        let dialed = format!("{LONDON}{surplus}");
        codes.push(server.code(call("alice", &dialed)).await);
    }
    assert_eq!(codes, ["A00", "A00", "A00", "A00", "A00", "R13", "R13"]);
    // Another number is another number.
    assert_eq!(server.code(call("alice", "442079460124")).await, "A00");
}
