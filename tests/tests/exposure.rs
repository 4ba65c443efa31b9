//! How much an account can lose in a day: caps of cost and of minutes abroad, and calls in progress that are to end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::fs;

use jiff::ToSpan;
use tfps_client::v1::{self, CallEvent, CheckRequest, HangUp, Role};
use tfps_tests::{
    Server, clock, eventually,
    scene::{ELSEWHERE, HOME_NUMBER, LONDON, call, key},
};

/// Sixty cents a minute to London, and nothing is known of others.
const RATES: &str = "destination,prefix,price\nUnited Kingdom,44,0.60\n";

/// A server with rates, on which GB is open; its folder goes with the guard.
async fn server(caps: v1::Caps) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let rates = folder.path().join("rates.csv");
    fs::write(&rates, RATES).unwrap();
    let server = Server::open_with(&format!("[exposure]\nrates_file = {rates:?}\n")).await;
    server
        .policy(|policy| {
            policy.allowed_destination_countries = vec!["GB".to_owned()];
            policy.exposure = Some(caps);
        })
        .await;
    (server, folder)
}

fn cost(daily_cost: &str) -> v1::Caps {
    v1::Caps {
        daily_cost: Some(daily_cost.to_owned()),
        daily_international_minutes: Some(0),
        // What is assumed of calls is not what these tests are about.
        assumed_minutes: Some(0),
        ..v1::Caps::default()
    }
}

fn to_london(username: &str, call_id: &str) -> CheckRequest {
    CheckRequest {
        call_id: call_id.to_owned(),
        // As a switch that counts by itself.
        concurrent_calls: Some(1),
        ..call(username, LONDON)
    }
}

/// A call that is allowed, and was answered so many minutes ago.
async fn answered(server: &Server, username: &str, call_id: &str, minutes: i64) {
    let decision = server.check(to_london(username, call_id)).await;
    assert_eq!(decision.code, "A00", "{decision:?}");
    server.progress(username, call_id, CallEvent::Started).await;
    let progress = v1::CallProgress {
        at: Some(clock::timestamp(clock::now() - minutes.minutes())),
        ..event(username, call_id, CallEvent::Answered)
    };
    learn(server, progress).await;
}

fn event(username: &str, call_id: &str, event: CallEvent) -> v1::CallProgress {
    v1::CallProgress {
        account: Some(key(username)),
        call_id: call_id.to_owned(),
        event: event.into(),
        ..v1::CallProgress::default()
    }
}

async fn learn(server: &Server, progress: v1::CallProgress) {
    let lesson = Some(v1::learn_request::Lesson::Call(progress));
    let request = v1::LearnRequest { lesson };
    server.admin().learn(request).await.unwrap();
}

async fn ended(server: &Server, username: &str, call_id: &str, seconds: i64) {
    let progress = v1::CallProgress {
        duration: Some(prost_types::Duration { seconds, nanos: 0 }),
        ..event(username, call_id, CallEvent::Ended)
    };
    learn(server, progress).await;
}

async fn calls(server: &Server) -> Vec<v1::OpenCall> {
    let answer = server.admin().list_calls(Default::default()).await;
    answer.unwrap().calls
}

fn whose(order: &HangUp) -> (&str, &str, &str) {
    let account = order.account.as_ref().unwrap();
    (&account.username, &order.call_id, &order.code)
}

#[tokio::test]
async fn what_a_day_may_cost_is_counted_while_calls_last_and_they_end_there() {
    let (server, _folder) = server(cost("6.00")).await;
    server.account("alice").await;
    let mut orders = server.admin().watch_hang_ups().await.unwrap();
    answered(&server, "alice", "first", 4).await;
    let spent = server.usage("alice").await;
    assert!(spent.cost_today.starts_with("2.4"), "{spent:?}");
    assert!(spent.international_seconds_today >= 240, "{spent:?}");
    // Nothing that is free ends, and nobody else's.
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");
    answered(&server, "alice", "second", 6).await;
    let mut told = [orders.next().await.unwrap(), orders.next().await.unwrap()];
    told.sort_by(|one, other| one.call_id.cmp(&other.call_id));
    assert_eq!(whose(&told[0]), ("alice", "first", "R21"));
    assert_eq!(whose(&told[1]), ("alice", "second", "R21"));
    let reason = "today's calls have cost 6.0";
    assert!(told[0].reason.starts_with(reason), "{:?}", told[0]);
    let decision = server.check(to_london("alice", "third")).await;
    assert_eq!(decision.code, "R21", "{decision:?}");
    assert!(decision.reason.starts_with(reason), "{decision:?}");
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");

    // What has not ended is told again, and to whoever comes.
    assert_eq!(whose(&orders.next().await.unwrap()).2, "R21");
    let mut latecomer = server.admin().watch_hang_ups().await.unwrap();
    assert_eq!(whose(&latecomer.next().await.unwrap()).2, "R21");
    let listed = calls(&server).await;
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(listed.iter().all(|call| call.hang_up.is_some()));
    assert_eq!(listed[0].price, "0.60");

    // By the switch's word they lasted less.
    ended(&server, "alice", "first", 200).await;
    ended(&server, "alice", "second", 300).await;
    assert_eq!(calls(&server).await, []);
    let spent = server.usage("alice").await;
    let counted = (spent.cost_today.as_str(), spent.international_seconds_today);
    assert_eq!(counted, ("5.00", 500));
    assert_eq!(server.code(to_london("alice", "fourth")).await, "A00");
}

#[tokio::test]
async fn what_was_spent_survives_a_crash_and_a_reset_forgives_it() {
    let (mut server, _folder) = server(cost("6.00")).await;
    server.account("alice").await;
    answered(&server, "alice", "over", 1).await;
    ended(&server, "alice", "over", 240).await;
    answered(&server, "alice", "goes-on", 5).await;
    // Some of it is in the database by now, and this in the journal alone.
    server.shipped().await;
    let ringing = server.check(to_london("alice", "ringing")).await;
    assert_eq!(ringing.code, "A00");
    server.kill9();
    server.restart().await;
    let spent = server.usage("alice").await;
    assert!(spent.cost_today.starts_with("5.4"), "{spent:?}");
    let progress = v1::CallProgress {
        at: Some(clock::timestamp(clock::now() - 2.minutes())),
        ..event("alice", "ringing", CallEvent::Answered)
    };
    learn(&server, progress).await;
    let mut orders = server.admin().watch_hang_ups().await.unwrap();
    assert_eq!(whose(&orders.next().await.unwrap()).0, "alice");
    assert_eq!(server.code(to_london("alice", "another")).await, "R21");

    let request = v1::ResetUsageRequest {
        account: Some(key("alice")),
    };
    server.admin().reset_usage(request).await.unwrap();
    let spent = server.usage("alice").await;
    assert!(spent.cost_today.starts_with("0.0"), "{spent:?}");
    assert_eq!(server.code(to_london("alice", "after")).await, "A00");
    server.shipped().await;
    server.kill9();
    server.restart().await;
    let spent = server.usage("alice").await;
    assert!(spent.cost_today.starts_with("0."), "{spent:?}");
    ended(&server, "alice", "goes-on", 400).await;
    let spent = server.usage("alice").await;
    assert!(spent.cost_today.starts_with("0."), "{spent:?}");
}

#[tokio::test]
async fn minutes_abroad_are_capped_without_any_rates() {
    let server = Server::open().await;
    server
        .policy(|policy| {
            policy.allowed_destination_countries = vec!["GB".to_owned()];
            policy.exposure = Some(v1::Caps {
                daily_international_minutes: Some(10),
                daily_cost: Some("1".to_owned()),
                assumed_minutes: Some(0),
                estimate: Some(false),
            });
        })
        .await;
    let policy = server.policy(|_| {}).await;
    let notice = "exposure.daily_cost caps nothing: the server has no rates (exposure.rates_file)";
    assert_eq!(policy.notices, [notice]);
    server.account("alice").await;
    answered(&server, "alice", "long", 11).await;
    let decision = server.check(to_london("alice", "next")).await;
    assert_eq!(
        (decision.code.as_str(), decision.reason.as_str()),
        (
            "R21",
            "today's calls abroad have lasted 11 minutes of at most 10"
        )
    );
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "A00");
}

#[tokio::test]
async fn a_policy_that_reports_ends_nothing() {
    let (server, _folder) = server(cost("6.00")).await;
    server
        .policy(|policy| {
            let report = v1::RuleSetting {
                rule: v1::Rule::Exposure.into(),
                mode: v1::RuleMode::Report.into(),
            };
            policy.rules.push(report);
        })
        .await;
    server.account("alice").await;
    server.account("bob").await;
    answered(&server, "alice", "long", 60).await;
    let decision = server.check(to_london("alice", "next")).await;
    let reported = decision.monitored.as_ref().map(|other| other.code.as_str());
    assert_eq!((decision.code.as_str(), reported), ("A00", Some("R21")));
    // Whoever has nothing to end sees what comes after.
    let mut orders = server.admin().watch_hang_ups().await.unwrap();
    answered(&server, "bob", "bob's", 0).await;
    let request = v1::EndCallsRequest {
        account: Some(key("bob")),
        reason: "he said so".to_owned(),
        ..v1::EndCallsRequest::default()
    };
    let answer = server.admin().end_calls(request).await.unwrap();
    assert_eq!((answer.calls.len(), answer.listeners), (1, 1));
    let order = orders.next().await.unwrap();
    assert_eq!(whose(&order), ("bob", "bob's", "R16"));
    assert!(order.reason.ends_with(": he said so"), "{order:?}");
}

#[tokio::test]
async fn calls_to_a_number_that_is_confirmed_to_be_fraud_end_and_those_for_help_do_not() {
    let server = Server::open().await;
    server
        .policy(|policy| policy.allowed_destination_countries = vec!["GB".to_owned()])
        .await;
    for username in ["alice", "bob"] {
        server.account(username).await;
        answered(&server, username, "abroad", 0).await;
    }
    let help = CheckRequest {
        call_id: "help".to_owned(),
        ..call("alice", "911")
    };
    assert_eq!(server.code(help).await, "A00");
    server.progress("alice", "help", CallEvent::Started).await;
    let mut orders = server.admin().watch_hang_ups().await.unwrap();
    let switch = server.token(Role::Switch, ELSEWHERE).await;
    let elsewhere = server.client_of(&switch).await;
    let mut others = elsewhere.watch_hang_ups().await.unwrap();

    let outcome = v1::Outcome {
        subject: Some(v1::outcome::Subject::Number(LONDON.to_owned())),
        kind: v1::OutcomeKind::ConfirmedFraud.into(),
        ..v1::Outcome::default()
    };
    let request = v1::LearnRequest {
        lesson: Some(v1::learn_request::Lesson::Outcome(outcome)),
    };
    let changes = server.admin().learn(request).await.unwrap().changes;
    assert!(
        changes.contains(&"calls in progress to it that are to end: 2".to_owned()),
        "{changes:?}"
    );
    let mut told = [orders.next().await.unwrap(), orders.next().await.unwrap()];
    told.sort_by(|one, other| {
        one.account
            .as_ref()
            .map(|of| &of.username)
            .cmp(&other.account.as_ref().map(|of| &of.username))
    });
    assert_eq!(
        told.each_ref().map(whose),
        [("alice", "abroad", "R03"), ("bob", "abroad", "R03")]
    );

    // Everything of an account ends but a call for help; of others, nobody elsewhere hears.
    let request = v1::EndCallsRequest {
        account: Some(key("alice")),
        ..v1::EndCallsRequest::default()
    };
    let answer = server.admin().end_calls(request).await.unwrap();
    let ending: Vec<_> = answer
        .calls
        .iter()
        .map(|call| call.call_id.as_str())
        .collect();
    assert_eq!(ending, ["abroad"]);
    let silence = tokio::time::timeout(std::time::Duration::from_millis(200), others.next());
    assert!(silence.await.is_err(), "it is another domain's");
    let emergency = calls(&server)
        .await
        .into_iter()
        .find(|call| call.call_id == "help");
    assert!(emergency.unwrap().emergency);
}

#[tokio::test]
async fn rates_are_taken_anew_or_refused_whole() {
    let (server, folder) = server(cost("6.00")).await;
    server.account("alice").await;
    let rates = folder.path().join("rates.csv");
    fs::write(&rates, "prefix,price\n44,0.60\n+0044,1\n").unwrap();
    let refused = server
        .admin()
        .reload(v1::ReloadRequest {})
        .await
        .unwrap_err();
    let refused = refused.to_string();
    assert!(
        refused.contains("exposure.rates_file") && refused.contains("line 3"),
        "{refused}"
    );
    fs::write(&rates, "prefix,price\n44,6\n").unwrap();
    server.admin().reload(v1::ReloadRequest {}).await.unwrap();
    answered(&server, "alice", "dear", 1).await;
    let listed = eventually("the call is to end", || async {
        let call = calls(&server).await.pop()?;
        call.hang_up.is_some().then_some(call)
    })
    .await;
    assert_eq!(listed.price, "6.00");
}
