//! Moments and durations that are none: refused by name.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use tfps_client::v1::{self, CheckRequest};
use tfps_tests::{
    Server,
    claims::names,
    scene::{HOME_NUMBER, call, key},
};

#[tokio::test]
async fn moments_that_are_none_are_named() {
    let server = Server::open().await;
    let admin = server.admin();
    for (seconds, nanos) in [
        (i64::MAX, 0),
        (i64::MIN, 0),
        (0, i32::MAX),
        (0, 1_000_000_000),
        (253_402_300_800, 0),
    ] {
        let at = Some(prost_types::Timestamp { seconds, nanos });
        let dry = CheckRequest {
            dry_run: true,
            at,
            ..call("alice", HOME_NUMBER)
        };
        names(admin.check(dry).await, "at");
        let request = v1::GetStatisticsRequest {
            since: at,
            ..v1::GetStatisticsRequest::default()
        };
        names(admin.get_statistics(request).await, "since");
        let progress = v1::CallProgress {
            account: Some(key("alice")),
            call_id: "1".to_owned(),
            event: v1::CallEvent::Ended.into(),
            at,
            ..v1::CallProgress::default()
        };
        let lesson = Some(v1::learn_request::Lesson::Call(progress));
        names(admin.learn(v1::LearnRequest { lesson }).await, "call.at");
    }
    for (seconds, nanos) in [(-1, 0), (0, -1), (-5, -5)] {
        let progress = v1::CallProgress {
            account: Some(key("alice")),
            call_id: "1".to_owned(),
            event: v1::CallEvent::Ended.into(),
            duration: Some(prost_types::Duration { seconds, nanos }),
            ..v1::CallProgress::default()
        };
        let lesson = Some(v1::learn_request::Lesson::Call(progress));
        names(
            admin.learn(v1::LearnRequest { lesson }).await,
            "call.duration",
        );
    }
    // The ends of time are moments.
    for seconds in [-62_135_596_800, 253_402_300_799] {
        let dry = CheckRequest {
            dry_run: true,
            at: Some(prost_types::Timestamp { seconds, nanos: 0 }),
            ..call("alice", HOME_NUMBER)
        };
        // Whether it is decided or refused: it is no crash.
        let _ = admin.check(dry).await;
    }
    let real = CheckRequest {
        at: Some(prost_types::Timestamp::default()),
        ..call("alice", HOME_NUMBER)
    };
    names(admin.check(real).await, "at");
    assert_eq!(server.code(call("alice", HOME_NUMBER)).await, "V01");
}

#[tokio::test]
async fn a_moment_with_a_negative_fraction_is_named() {
    // google.protobuf.Timestamp: nanos are from 0 to 999,999,999, also before 1970.
    let server = Server::open().await;
    let dry = CheckRequest {
        dry_run: true,
        at: Some(prost_types::Timestamp {
            seconds: 0,
            nanos: -1,
        }),
        ..call("alice", HOME_NUMBER)
    };
    names(server.admin().check(dry).await, "at");
}

#[tokio::test]
async fn the_shortest_of_durations_is_named() {
    let server = Server::open().await;
    let progress = v1::CallProgress {
        account: Some(key("alice")),
        call_id: "1".to_owned(),
        event: v1::CallEvent::Ended.into(),
        duration: Some(prost_types::Duration {
            seconds: i64::MIN,
            nanos: i32::MIN,
        }),
        ..v1::CallProgress::default()
    };
    let lesson = Some(v1::learn_request::Lesson::Call(progress));
    let answer = server.admin().learn(v1::LearnRequest { lesson }).await;
    assert!(!server.said().contains("panicked"), "{answer:?}");
    names(answer, "call.duration");
}

#[tokio::test]
async fn a_call_of_ages_is_named() {
    // google.protobuf.Duration: at most 10,000 years, and less than a second of nanos.
    let server = Server::open().await;
    for (seconds, nanos) in [(i64::MAX, 0), (315_576_000_001, 0), (0, i32::MAX)] {
        let progress = v1::CallProgress {
            account: Some(key("alice")),
            call_id: "1".to_owned(),
            event: v1::CallEvent::Ended.into(),
            duration: Some(prost_types::Duration { seconds, nanos }),
            ..v1::CallProgress::default()
        };
        let lesson = Some(v1::learn_request::Lesson::Call(progress));
        let answer = server.admin().learn(v1::LearnRequest { lesson }).await;
        names(answer, "call.duration");
    }
}
