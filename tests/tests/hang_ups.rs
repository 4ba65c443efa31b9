//! Calls in progress that are to end are ended by a bridge.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use tfps_client::v1;
use tfps_tests::{
    Bridge, Server, eventually,
    fake_service::{FakeService, Reply},
    scene::{LONDON, key},
};

/// OpenSIPS' mi_http as it answers where it has a call, and where it has none.
const ENDED: &str = r#"{"jsonrpc":"2.0","result":"OK","id":1}"#;
const NO_DIALOG: &str =
    r#"{"jsonrpc":"2.0","error":{"code":404,"message":"Requested Dialog not found"},"id":1}"#;

async fn house(mi: &[&FakeService]) -> (Server, Bridge) {
    let server = Server::open().await;
    server
        .policy(|policy| policy.allowed_destination_countries = vec!["GB".to_owned()])
        .await;
    server.account("alice").await;
    let urls: Vec<_> = mi.iter().map(|mi| format!("{}/mi", mi.url())).collect();
    let config = format!("[hang_up]\nmi = {urls:?}\n");
    let bridge = Bridge::ready(&[&server], &config).await;
    (server, bridge)
}

/// A call that a switch asks about and reports over HTTP.
async fn started(bridge: &Bridge, call_id: &str) {
    let identity = format!("username=alice&domain=example.com&call_id={call_id}");
    let question = format!("{identity}&dialed_number={LONDON}&concurrent_calls=1");
    let decided = bridge.post("/v1/check", &question).await;
    assert_eq!(decided.text("verdict"), "allow", "{decided:?}");
    for event in ["started", "answered"] {
        let told = bridge
            .post("/v1/call", &format!("{identity}&event={event}"))
            .await;
        assert_eq!(told.status, 200, "{told:?}");
    }
}

async fn end(server: &Server) -> v1::EndCallsResponse {
    let request = v1::EndCallsRequest {
        account: Some(key("alice")),
        ..v1::EndCallsRequest::default()
    };
    server.admin().end_calls(request).await.unwrap()
}

async fn calls(server: &Server) -> usize {
    let answer = server.admin().list_calls(Default::default()).await;
    answer.unwrap().calls.len()
}

#[tokio::test]
async fn opensips_is_asked_by_mi_until_it_says_that_the_call_has_ended() {
    let other = FakeService::start(|_| Reply::json(200, NO_DIALOG)).await;
    let mi = FakeService::start(|_| Reply::json(200, ENDED)).await;
    let (server, bridge) = house(&[&other, &mi]).await;
    started(&bridge, "a84b4c76e66710").await;
    let answer = eventually("the bridge listens", || async {
        let answer = end(&server).await;
        (answer.listeners == 1).then_some(answer)
    })
    .await;
    assert_eq!(answer.calls.len(), 1);
    let asked = eventually("the switch is asked", || async { mi.asked().pop() }).await;
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("POST", "/mi")
    );
    assert_eq!(asked.headers["content-type"], "application/json");
    assert!(
        asked.text.contains(r#""method":"dlg_end_dlg""#)
            && asked.text.contains(r#""dialog_id":"a84b4c76e66710""#),
        "{asked:?}"
    );
    assert_eq!(other.count("/mi"), 1, "the call may be either's");
    // The switch tells when it is over; until then the order stands.
    assert_eq!(calls(&server).await, 1);
    let ended = "username=alice&domain=example.com&call_id=a84b4c76e66710&event=ended&duration=7";
    bridge.post("/v1/call", ended).await;
    assert_eq!(calls(&server).await, 0);
}

#[tokio::test]
async fn a_call_whose_hang_up_was_lost_is_found_out() {
    let mi = FakeService::start(|_| Reply::json(200, NO_DIALOG)).await;
    let (server, bridge) = house(&[&mi]).await;
    started(&bridge, "lost").await;
    // Of this one the bridge was never told: it may be another switch's.
    server
        .progress("alice", "elsewhere", v1::CallEvent::Started)
        .await;
    assert_eq!(calls(&server).await, 2);
    end(&server).await;
    eventually("the lost call is gone", || async {
        (calls(&server).await == 1).then_some(())
    })
    .await;
    eventually("both were asked for", || async {
        (mi.count("/mi") >= 2).then_some(())
    })
    .await;
    let left = server.admin().list_calls(Default::default()).await;
    assert_eq!(left.unwrap().calls[0].call_id, "elsewhere");
}

#[tokio::test]
async fn a_switch_that_does_not_answer_is_asked_again() {
    let mi = FakeService::start(|_| Reply::json(200, "<html>")).await;
    let (server, bridge) = house(&[&mi]).await;
    started(&bridge, "stubborn").await;
    end(&server).await;
    eventually("the switch was asked", || async {
        (mi.count("/mi") >= 1).then_some(())
    })
    .await;
    eventually("the bridge says why", || async {
        bridge.said().contains("is no mi_http").then_some(())
    })
    .await;
    mi.answer(|_| Reply::json(200, ENDED));
    eventually("it is asked again", || async {
        (mi.count("/mi") >= 2).then_some(())
    })
    .await;
    let metrics = bridge.get("/metrics").await.body;
    let told = "tfps_bridge_hang_ups_total{cause=\"failed\"} 1";
    assert!(metrics.contains(told), "{metrics}");
}
