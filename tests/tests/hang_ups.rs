//! Calls in progress that are to end are ended by a bridge.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::{
    fs,
    net::{SocketAddr, TcpListener},
};

use tfps_client::v1;
use tfps_tests::{
    AsteriskBridge, Bridge, Server,
    asterisk::{Asterisk, Setup},
    eventually,
    fake_service::{FakeService, Reply},
    handset::Handset,
    scene::{HOME_NUMBER, LONDON, key},
    sipp::{Ends, FarEnd},
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
async fn a_call_id_that_reads_as_another_dialog_s_id_ends_its_own_call() {
    // As OpenSIPS has it: the id of one dialog is the Call-ID of another.
    let mi = FakeService::start(|asked| {
        let json = &asked.text[asked.text.find('{').unwrap_or_default()..];
        let request: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
        let known = [("a3f.1b", "c07.4e1"), ("94489280513", "1.2")];
        let of = |call_id: &serde_json::Value| known.iter().find(|known| *call_id == known.0);
        match request["method"].as_str() {
            Some("dlg_list") => match of(&request["params"]["callid"]) {
                Some((call_id, id)) => Reply::json(
                    200,
                    format!(
                        r#"{{"jsonrpc":"2.0","result":{{"Dialog":{{"ID":"{id}","state":4,"callid":"{call_id}"}}}},"id":1}}"#
                    ),
                ),
                None => Reply::json(200, NO_DIALOG),
            },
            _ => Reply::json(200, ENDED),
        }
    })
    .await;
    let (server, bridge) = house(&[&mi]).await;
    for call_id in ["a3f.1b", "94489280513", "dead.beef"] {
        started(&bridge, call_id).await;
    }
    end(&server).await;
    let ended = eventually("two are ended", || async {
        let asked = mi.asked();
        let ended: Vec<_> = asked
            .iter()
            .filter(|asked| asked.text.contains("dlg_end_dlg"))
            .collect();
        let seen = asked.iter().any(|asked| asked.text.contains("dead.beef"));
        (seen && ended.len() >= 2).then(|| {
            ended
                .iter()
                .map(|asked| asked.text.clone())
                .collect::<Vec<_>>()
        })
    })
    .await;
    for id in ["c07.4e1", "1.2"] {
        let order = format!(r#""dialog_id":"{id}""#);
        assert!(ended.iter().any(|text| text.contains(&order)), "{ended:?}");
    }
    assert!(ended.iter().all(|text| !text.contains("a3f.1b")));
    // That one is not shown does not mean that it has ended.
    assert_eq!(calls(&server).await, 3);
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

const SECRET: &str = "correct horse";

/// An Asterisk that protects its own calls, and whose calls the bridge follows.
struct Managed {
    server: Server,
    bridge: AsteriskBridge,
    config: String,
    _carrier: FarEnd,
    asterisk: Asterisk,
    _folder: tempfile::TempDir,
}

impl Managed {
    /// A call to London costs a unit a second there.
    async fn open(daily_cost: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rates = folder.path().join("rates.csv");
        fs::write(&rates, "prefix,price\n44,60\n").unwrap();
        let server = Server::open_with(&format!("[exposure]\nrates_file = {rates:?}\n")).await;
        server
            .policy(|policy| {
                policy.allowed_destination_countries = vec!["GB".to_owned()];
                policy.exposure = Some(v1::Caps {
                    daily_cost: Some(daily_cost.to_owned()),
                    daily_international_minutes: Some(0),
                    ..v1::Caps::default()
                });
            })
            .await;
        server.account("alice").await;
        let manager = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let manager: SocketAddr = manager.unwrap();
        let config = format!("[ami]\naddress = \"{manager}\"\nsecret = \"{SECRET}\"\n");
        let bridge = AsteriskBridge::start(&[&server], &config).await;
        let carrier = FarEnd::start(Ends::Caller);
        let setup = Setup::alone(bridge.address(), carrier.address()).managed(manager, SECRET);
        let asterisk = Asterisk::start(&setup).await;
        let house = Self {
            server,
            bridge,
            config,
            _carrier: carrier,
            asterisk,
            _folder: folder,
        };
        house.followed().await;
        house
    }

    /// Waits until the bridge follows Asterisk's calls.
    async fn followed(&self) {
        eventually("Asterisk's calls are followed", || async {
            (self.bridge.metric("tfps_asterisk_ami_up").await == 1.0).then_some(())
        })
        .await;
    }

    async fn talks(&self, dialed: &str) -> Handset {
        let call = Handset::call(self.asterisk.address(), "alice", dialed).await;
        call.unwrap_or_else(|status| panic!("{status}\n{}", self.asterisk.log()))
    }

    /// Waits until the server knows of so many calls in progress that were answered.
    async fn answered(&self, number: usize) -> Vec<v1::OpenCall> {
        eventually("the calls are known", || async {
            let answer = self.server.admin().list_calls(Default::default()).await;
            let calls = answer.unwrap().calls;
            let answered = calls.iter().filter(|call| call.answered_at.is_some());
            (answered.count() == number && calls.len() == number).then_some(calls)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asterisk_ends_a_call_that_has_cost_what_it_may() {
    let house = Managed::open("2.00").await;
    let free = house.talks(HOME_NUMBER).await;
    let dear = house.talks(LONDON).await;
    let calls = house.answered(2).await;
    assert!(calls.iter().any(|call| call.call_id == dear.call_id()));
    assert_eq!(dear.hung_up_on().await, Some(21));
    // It has ended for the server too; what costs nothing goes on.
    let calls = house.answered(1).await;
    assert_eq!(calls[0].call_id, free.call_id());
    assert!(free.is_up());
    let spent = house.server.usage("alice").await.cost_today;
    let units: f64 = spent.parse().unwrap();
    assert!((1.0..10.0).contains(&units), "{spent}");
    free.hang_up().await;
    house.answered(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_comes_back_follows_the_calls_that_there_are() {
    let mut house = Managed::open("").await;
    let stays = house.talks(LONDON).await;
    let goes = house.talks(HOME_NUMBER).await;
    house.answered(2).await;
    let urls = [house.server.url()];
    let token = house.server.admin_token_path().display().to_string();
    // Without its AGI: how calls end is told by the manager interface alone.
    house.bridge = AsteriskBridge::at(&urls, Some(&token), &house.config).await;
    house.followed().await;
    goes.hang_up().await;
    let calls = house.answered(1).await;
    assert_eq!(calls[0].call_id, stays.call_id());
    let ended = eventually("the bridge listens", || async {
        let ended = end(&house.server).await;
        (ended.listeners > 0).then_some(ended)
    })
    .await;
    assert_eq!(ended.calls.len(), 1);
    assert_eq!(stays.hung_up_on().await, Some(21));
    house.answered(0).await;
}

#[tokio::test]
async fn a_wrong_secret_is_told_with_what_to_look_at() {
    let house = Managed::open("").await;
    let urls = [house.server.url()];
    let token = house.server.admin_token_path().display().to_string();
    let config = house.config.replace(SECRET, "wrong");
    let bridge = AsteriskBridge::at(&urls, Some(&token), &config).await;
    let said = eventually("it says why", || async {
        let said = bridge.said();
        said.contains("refuses the login").then_some(said)
    })
    .await;
    assert!(said.contains("manager.conf"), "{said}");
}
