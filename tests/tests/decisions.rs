//! Recorded decisions: found by what they are, paged, counted, watched as they are made.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::time::Duration;

use futures::StreamExt;
use tfps_client::v1::{self, CheckRequest};
use tfps_tests::{
    Server, clock,
    scene::{CUBA, HOME_NUMBER, LONDON, call},
};

#[tokio::test]
async fn decisions_are_found_by_what_they_are() {
    let server = Server::open().await;
    server.account("alice").await;
    let begun = clock::now();
    for number in 0..30 {
        let dialed = ["12125552368", LONDON, CUBA][number % 3];
        let asked = CheckRequest {
            caller_number: number.to_string(),
            source_ip: format!("192.0.2.{}", number % 2),
            call_id: format!("call-{number}"),
            user_agent: "phone \"1\"".to_owned(),
            forwarded_from: "<sip:1@x>".to_owned(),
            trunk: "trunk-7".to_owned(),
            concurrent_calls: Some(number as u32),
            ..call("alice", dialed)
        };
        server.check(asked).await;
    }
    server.check(call("nobody", HOME_NUMBER)).await;
    let count = async |filter: v1::DecisionFilter| server.decisions(filter).await.len();
    let any = v1::DecisionFilter::default;
    let codes = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect();
    for (filter, expected) in [
        (any(), 31),
        (
            v1::DecisionFilter {
                username: "alice".to_owned(),
                ..any()
            },
            30,
        ),
        (
            v1::DecisionFilter {
                domain: "EXAMPLE.COM".to_owned(),
                ..any()
            },
            31,
        ),
        (
            v1::DecisionFilter {
                domain: "other.example".to_owned(),
                ..any()
            },
            0,
        ),
        (
            v1::DecisionFilter {
                codes: codes(&["V03", "R06"]),
                ..any()
            },
            20,
        ),
        (
            v1::DecisionFilter {
                verdict: v1::Verdict::Deny.into(),
                ..any()
            },
            10,
        ),
        (
            v1::DecisionFilter {
                source_ip: "192.0.2.1".to_owned(),
                ..any()
            },
            15,
        ),
        (
            v1::DecisionFilter {
                number_prefix: "+44".to_owned(),
                ..any()
            },
            10,
        ),
        (
            v1::DecisionFilter {
                destination_country: "cu".to_owned(),
                ..any()
            },
            10,
        ),
        (
            v1::DecisionFilter {
                call_id: "call-7".to_owned(),
                ..any()
            },
            1,
        ),
        (
            v1::DecisionFilter {
                since: Some(clock::timestamp(begun)),
                ..any()
            },
            31,
        ),
        (
            v1::DecisionFilter {
                until: Some(clock::timestamp(begun)),
                ..any()
            },
            0,
        ),
        (
            v1::DecisionFilter {
                codes: codes(&["V03"]),
                source_ip: "192.0.2.1".to_owned(),
                number_prefix: "44".to_owned(),
                ..any()
            },
            5,
        ),
    ] {
        assert_eq!(count(filter.clone()).await, expected, "{filter:?}");
    }
    // Newest first, each once, whatever the page.
    let mut request = v1::ListDecisionsRequest {
        page_size: 4,
        ..v1::ListDecisionsRequest::default()
    };
    let mut ids = Vec::new();
    loop {
        let page = server
            .admin()
            .list_decisions(request.clone())
            .await
            .unwrap();
        ids.extend(page.decisions.into_iter().map(|decision| decision.id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(ids.len(), 31);
    assert!(ids.is_sorted_by(|newer, older| newer > older));
    // All that was asked is there.
    let filter = v1::DecisionFilter {
        call_id: "call-4".to_owned(),
        ..any()
    };
    let decision = server.decisions(filter).await.remove(0);
    assert_eq!(decision.dialed_number, LONDON);
    assert_eq!(decision.concurrent_calls, Some(4));
    assert_eq!(
        (
            decision.user_agent.as_str(),
            decision.forwarded_from.as_str(),
            decision.trunk.as_str()
        ),
        ("phone \"1\"", "<sip:1@x>", "trunk-7")
    );
    assert!(!decision.challenge_id.is_empty() && decision.policy == "default");

    let statistics = server
        .admin()
        .get_statistics(Default::default())
        .await
        .unwrap();
    assert_eq!(
        (
            statistics.total,
            statistics.allowed,
            statistics.denied,
            statistics.challenged
        ),
        (31, 10, 10, 11)
    );
    assert_eq!(
        statistics
            .by_code
            .iter()
            .map(|count| count.count)
            .sum::<u64>(),
        31
    );
    assert_eq!(statistics.top_stopped_accounts[0].key, "alice@example.com");
    assert_eq!(statistics.top_stopped_accounts[0].count, 20);
    assert_eq!(statistics.top_destination_countries[0].key, "US");
    let empty = v1::GetStatisticsRequest {
        until: Some(clock::timestamp(begun)),
        ..v1::GetStatisticsRequest::default()
    };
    assert_eq!(server.admin().get_statistics(empty).await.unwrap().total, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_too_slowly_is_told_how_many_he_missed() {
    const CALLS: u64 = 12_000;
    let server = Server::open().await;
    let watcher = server.another_connection().await;
    let mut watch = watcher.watch_decisions(Default::default()).await.unwrap();
    // Large decisions soon fill what waits on the connection for somebody to read.
    let long = "x".repeat(256);
    let stream = server.admin().stream_checks(256);
    let calls = futures::stream::iter(0..CALLS).map(|number| {
        let asked = CheckRequest {
            caller_number: number.to_string(),
            user_agent: long.clone(),
            forwarded_from: long.clone(),
            ..call("nobody", HOME_NUMBER)
        };
        let stream = stream.clone();
        async move { stream.check(asked).await.unwrap() }
    });
    let decided = calls.buffer_unordered(256).count().await as u64;
    assert_eq!(decided, CALLS);
    let (mut seen, mut skipped) = (0, 0);
    let mut last = String::new();
    while seen + skipped < CALLS {
        let next = tokio::time::timeout(Duration::from_secs(30), watch.next())
            .await
            .expect("what is not shown is told as skipped")
            .unwrap();
        seen += 1;
        skipped += next.skipped;
        let id = next.decision.unwrap().id;
        assert!(last < id, "in their order");
        last = id;
    }
    assert!(skipped > 0 && seen + skipped == CALLS, "{seen} {skipped}");
}

#[tokio::test]
async fn decisions_are_watched_as_they_are_made() {
    let server = Server::open().await;
    server.account("alice").await;
    let filter = v1::DecisionFilter {
        codes: vec!["R07".to_owned()],
        ..v1::DecisionFilter::default()
    };
    let mut watch = server.admin().watch_decisions(filter).await.unwrap();
    for number in 0..3 {
        server.check(call("alice", HOME_NUMBER)).await;
        let decision = server
            .check(call("alice", &format!("2101234567{number}")))
            .await;
        let seen = watch.next().await.unwrap();
        assert_eq!(seen.skipped, 0);
        assert_eq!(seen.decision.unwrap().id, decision.decision_id);
    }
}
