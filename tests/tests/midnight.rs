//! The day of the quotas ends at midnight in the policy's time zone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use jiff::{SignedDuration, Timestamp};
use tfps_client::v1::CheckRequest;
use tfps_tests::{
    Server, clock,
    scene::{HOME_NUMBER, always_open, call, limits},
};

/// A server where it is always business hours, and Alice may make two calls a day.
async fn two_a_day(zone: &str) -> Server {
    let server = Server::open().await;
    server
        .policy(|policy| policy.time_zone = zone.to_owned())
        .await;
    server
        .account_with("alice", |account| account.limits = Some(limits(100, 2)))
        .await;
    server
}

/// Alice's next call, which is unlike those before.
async fn next(server: &Server) -> String {
    let asked = CheckRequest {
        caller_number: clock::now().as_nanosecond().to_string(),
        ..call("alice", HOME_NUMBER)
    };
    server.code(asked).await
}

/// What a call would get then.
async fn at(server: &Server, then: Timestamp) -> (String, u32) {
    let asked = CheckRequest {
        dry_run: true,
        at: Some(clock::timestamp(then)),
        ..call("alice", HOME_NUMBER)
    };
    let decision = server.check(asked).await;
    (decision.code, decision.usage.unwrap().calls_today)
}

#[tokio::test]
async fn at_midnight_the_quota_begins_anew() {
    let second = SignedDuration::from_secs(1);
    let server = two_a_day(&clock::zone_at_noon()).await;
    for code in ["A00", "A00", "V04"] {
        assert_eq!(next(&server).await, code);
    }
    let midnight = clock::midnight();
    let (before, used) = at(&server, midnight - second).await;
    assert_eq!((before.as_str(), used), ("V04", 2));
    let (after, used) = at(&server, midnight).await;
    assert_eq!(after, "A00");
    assert!(used < 2, "{used}");
    // It is the policy's midnight: two hours further east it is two hours earlier.
    let earlier = midnight - SignedDuration::from_hours(2);
    assert_eq!(at(&server, earlier).await.0, "V04");
    server
        .policy(|policy| policy.time_zone = clock::zone_at(14))
        .await;
    assert_eq!(at(&server, earlier - second).await.0, "V04");
    assert_eq!(at(&server, earlier).await.0, "A00");
    // What would be changes nothing.
    assert_eq!(next(&server).await, "V04");
    assert_eq!(server.usage("alice").await.calls_today, 2);
}

#[tokio::test]
async fn a_new_day_counts_by_itself_also_after_a_restart() {
    // Two zones that never have the same date; the calendar moves on with the policy's.
    let (west, east) = ("Etc/GMT+12", "Pacific/Kiritimati");
    let mut server = two_a_day(west).await;
    for code in ["A00", "A00", "V04"] {
        assert_eq!(next(&server).await, code);
    }
    server
        .policy(|policy| policy.time_zone = east.to_owned())
        .await;
    assert_eq!(server.usage("alice").await.calls_today, 0);
    assert_eq!(next(&server).await, "A00");
    server.kill9();
    server.restart().await;
    assert_eq!(server.usage("alice").await.calls_today, 1);
    for code in ["A00", "V04"] {
        assert_eq!(next(&server).await, code);
    }
    server.shipped().await;
    server.kill9();
    server.restart().await;
    assert_eq!(next(&server).await, "V04");
}

#[tokio::test]
async fn business_hours_are_told_in_the_policys_zone() {
    let server = Server::open().await;
    server.account("alice").await;
    let noon_there = clock::midnight() - SignedDuration::from_hours(12);
    let off_hours = async |then: Timestamp| {
        let asked = CheckRequest {
            dry_run: true,
            at: Some(clock::timestamp(then)),
            ..call("alice", HOME_NUMBER)
        };
        server.check(asked).await.off_hours
    };
    let span = tfps_client::v1::WeeklyHours {
        days: ["mo", "tu", "we", "th", "fr", "sa", "su"]
            .map(str::to_owned)
            .to_vec(),
        from: "12:00".to_owned(),
        to: "13:00".to_owned(),
    };
    server
        .policy(|policy| {
            let mut hours = always_open();
            hours.weekly = vec![span.clone()];
            policy.business_hours = Some(hours);
        })
        .await;
    let minute = SignedDuration::from_mins(1);
    assert!(off_hours(noon_there - minute).await);
    assert!(!off_hours(noon_there).await);
    assert!(off_hours(noon_there + SignedDuration::from_hours(1)).await);
}
