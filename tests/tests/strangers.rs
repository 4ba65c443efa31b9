//! Unknown accounts that a policy lets pass: what they use counts, also once they are known.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use tfps_client::v1::{self, CallEvent, CheckRequest, RuleMode};
use tfps_tests::{
    Server,
    scene::{HOME_NUMBER, call, limits, setting},
};

/// A server that lets unknown accounts pass, with room for three calls at once and five a day.
async fn lenient() -> Server {
    let server = Server::open().await;
    server
        .policy(|policy| {
            policy.rules = vec![setting(v1::Rule::UnknownAccount, RuleMode::Report)];
            let new = policy.new_accounts.as_mut().unwrap();
            (new.limits, new.maximum) = (Some(limits(3, 5)), Some(limits(3, 5)));
        })
        .await;
    server
}

/// The `number`th call of an account.
fn numbered(username: &str, number: u32) -> CheckRequest {
    CheckRequest {
        caller_number: number.to_string(),
        call_id: format!("call-{number}"),
        ..call(username, HOME_NUMBER)
    }
}

/// Makes three calls, of which the second is over.
async fn three_calls(server: &Server, username: &str) {
    for number in 0..3 {
        assert_eq!(server.code(numbered(username, number)).await, "A00");
        server
            .progress(username, &format!("call-{number}"), CallEvent::Started)
            .await;
    }
    server.progress(username, "call-1", CallEvent::Ended).await;
}

/// It has used what [`three_calls`] used: one more call is possible, and when that is over, one more.
async fn goes_on(server: &Server, username: &str) {
    let usage = server.usage(username).await;
    assert_eq!((usage.calls_today, usage.concurrent_calls), (3, 2));
    assert_eq!(server.code(numbered(username, 3)).await, "A00");
    assert_eq!(server.code(numbered(username, 4)).await, "R10");
    server.progress(username, "call-0", CallEvent::Ended).await;
    assert_eq!(server.code(numbered(username, 5)).await, "A00");
    server.progress(username, "call-2", CallEvent::Ended).await;
    assert_eq!(server.code(numbered(username, 6)).await, "R11");
}

#[tokio::test]
async fn an_account_that_the_operator_creates_has_used_what_it_used_before() {
    let server = lenient().await;
    three_calls(&server, "alice").await;
    server
        .account_with("alice", |account| account.limits = Some(limits(3, 5)))
        .await;
    goes_on(&server, "alice").await;
}

#[tokio::test]
async fn a_caller_who_introduces_himself_has_used_what_he_used_before() {
    let server = lenient().await;
    three_calls(&server, "alice").await;
    server
        .policy(|policy| {
            policy.rules = vec![setting(v1::Rule::UnknownAccount, RuleMode::Challenge)];
        })
        .await;
    let decision = server.check(numbered("alice", 9)).await;
    assert_eq!(decision.code, "V01");
    server.verify("alice", &decision).await;
    goes_on(&server, "alice").await;
}

#[tokio::test]
async fn it_is_the_same_after_a_restart() {
    let mut server = lenient().await;
    three_calls(&server, "alice").await;
    server
        .account_with("alice", |account| account.limits = Some(limits(3, 5)))
        .await;
    server.kill9();
    server.restart().await;
    goes_on(&server, "alice").await;
}
