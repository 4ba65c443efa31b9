//! The media server behind the SIP front: a real Kamailio relays challenged calls to a real Asterisk with the configuration of
//! deploy/asterisk/media-server, where the bridge verifies their callers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use tfps_client::v1;
use tfps_tests::{
    AsteriskBridge, Bridge, Server,
    asterisk::{Asterisk, Setup},
    handset::{AGENT, Handset},
    scene::{DOMAIN, HOME_NUMBER, LONDON, key},
    sip::Front,
    sipp::{Ends, FarEnd},
    tap::Tap,
};

/// Rejected, as Q.850 numbers it.
const REJECTED: Option<u8> = Some(21);
/// An ordinary end.
const NORMAL: Option<u8> = Some(16);

/// All that a call passes. The phone is the switch.
struct House {
    server: Server,
    _http: Bridge,
    _bridge: AsteriskBridge,
    tap: Tap,
    front: Front,
    carrier: FarEnd,
    _asterisk: Asterisk,
}

impl House {
    async fn open(config: &str) -> Self {
        let server = Server::open().await;
        let http = Bridge::ready(&[&server], "").await;
        let front = Front::start(&http, "").await;
        let bridge = AsteriskBridge::start(&[&server], config).await;
        let tap = Tap::before(bridge.address()).await;
        let carrier = FarEnd::start(Ends::Caller);
        let setup = Setup::media_server(
            tap.address(),
            carrier.address(),
            front.media_server_address(),
        );
        let asterisk = Asterisk::start(&setup).await;
        Self {
            server,
            _http: http,
            _bridge: bridge,
            tap,
            front,
            carrier,
            _asterisk: asterisk,
        }
    }

    /// A call of the account that `P-tfps` names, whatever From says.
    async fn talks(&self, account: &str, dialed: &str) -> Handset {
        self.talks_with(account, dialed, AGENT).await
    }

    async fn talks_with(&self, account: &str, dialed: &str, agent: &str) -> Handset {
        let identity = format!("P-tfps: {account};{DOMAIN};127.0.0.2;{agent};1");
        let call = Handset::relayed(self.front.address(), "trunk", dialed, &[&identity]).await;
        call.unwrap_or_else(|status| panic!("{status}"))
    }

    /// The caller hears the captcha and types it: its digits.
    async fn types_what_he_hears(&self, call: &Handset) -> String {
        let digits = self.tap.captcha(1).await;
        self.tap.commanded("captcha-type", 1).await;
        call.types(&digits).await;
        digits
    }

    async fn account(&self, username: &str) -> Option<v1::Account> {
        let request = v1::GetAccountRequest {
            account: Some(key(username)),
        };
        let answer = self.server.admin().get_account(request).await;
        answer.ok().and_then(|answer| answer.account)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relayed_caller_proves_himself_and_is_asked_to_dial_again() {
    let house = House::open("").await;
    let call = house.talks("carol", HOME_NUMBER).await;
    let digits = house.types_what_he_hears(&call).await;
    assert_eq!(call.hung_up_on().await, NORMAL);
    assert_eq!(
        house.tap.played(),
        [
            "why-onboarding",
            "captcha-listen",
            &digits,
            "captcha-type",
            "right",
            "done-onboarding",
            "redial",
            "goodbye"
        ]
    );
    // Not whom From names: the account that was challenged.
    assert!(house.account("carol").await.is_some());
    assert!(house.account("trunk").await.is_none());
    assert!(house.carrier.calls().is_empty());
    // Approved, in the front's way of saying it.
    let identity = format!("P-tfps: carol;{DOMAIN};127.0.0.2;{AGENT};1");
    let again = Handset::relayed(house.front.address(), "trunk", HOME_NUMBER, &[&identity]).await;
    assert_eq!(again.unwrap_err(), 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verified_caller_goes_on_where_the_bridge_is_told_so() {
    let house = House::open("after_verification = \"continue\"").await;
    house.server.account("alice").await;
    // His phone's name would be a count of calls, and an end of what the header says.
    let agent = format!("{AGENT};9;");
    let call = house.talks_with("alice", LONDON, &agent).await;
    house.types_what_he_hears(&call).await;
    house.carrier.called(1).await;
    assert_eq!(house.carrier.calls()[0].0, LONDON);
    call.hang_up().await;
    let recorded = house.server.decisions(v1::DecisionFilter::default()).await;
    // Newest first.
    let codes: Vec<_> = recorded.iter().map(|made| made.code.as_str()).collect();
    assert_eq!(codes, ["A00", "V03"]);
    // The second question was the first one's equal.
    let asked = |made: &v1::Decision| {
        let made = made.clone();
        (
            made.account,
            made.dialed_number,
            made.call_id,
            made.source_ip,
            made.user_agent,
        )
    };
    assert_eq!(asked(&recorded[0]), asked(&recorded[1]));
    assert_eq!(recorded[0].concurrent_calls, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reaches_the_media_server_without_a_challenge_changes_nothing() {
    let house = House::open("").await;
    house.server.account("alice").await;
    let address = house.front.media_server_address();
    for (dialed, headers) in [
        (format!("o{HOME_NUMBER}"), vec![]),
        (
            format!("dGB{LONDON}"),
            vec!["X-TFPS-Challenge: 00000000000000000000000000000000"],
        ),
    ] {
        let call = Handset::relayed(address, "alice", &dialed, &headers).await;
        assert_eq!(call.unwrap().hung_up_on().await, REJECTED, "{dialed}");
    }
    assert_eq!(house.tap.played(), ["not-possible", "not-possible"]);
    let alice = house.account("alice").await.unwrap();
    assert!(!alice.destination_countries.contains(&"GB".to_owned()));
    assert_eq!(alice.usage.unwrap().failed_verifications, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenge_opens_only_what_it_is_about() {
    let house = House::open("").await;
    house.server.account("alice").await;
    let call = house.talks("alice", LONDON).await;
    house.tap.captcha(1).await;
    call.hang_up().await;
    // The challenge is real, the purpose is another's.
    let challenge = house.server.decisions(v1::DecisionFilter::default()).await[0]
        .challenge_id
        .clone();
    let header = format!("X-TFPS-Challenge: {challenge}");
    let address = house.front.media_server_address();
    let call = Handset::relayed(address, "alice", &format!("q{LONDON}"), &[&header]).await;
    assert_eq!(call.unwrap().hung_up_on().await, REJECTED);
    assert_eq!(house.tap.played().last().unwrap(), "not-possible");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_calls_what_looks_like_fraud_proves_himself_for_that_number() {
    const UNSEEN: &str = "37128054190";
    let house = House::open("").await;
    house
        .server
        .policy(|policy| {
            policy.allowed_destination_countries = vec!["LV".to_owned()];
            policy.blocked_countries.clear();
            policy.risk = Some(v1::RiskLimit {
                pin_score: 101,
                challenge_score: 50,
                deny_score: 101,
                pass_minutes: 10,
            });
        })
        .await;
    house.server.account("alice").await;
    for number in 0..12 {
        let known = format!("37128054{:03}", 7 * number);
        house
            .server
            .list(v1::EntryKind::Number, &known, v1::EntryAction::Block)
            .await;
    }
    let call = house.talks("alice", UNSEEN).await;
    let digits = house.types_what_he_hears(&call).await;
    assert_eq!(call.hung_up_on().await, NORMAL);
    assert_eq!(
        house.tap.played(),
        [
            "why-risk",
            "captcha-listen",
            &digits,
            "captcha-type",
            "right",
            "done-risk",
            "redial",
            "goodbye"
        ]
    );
    let identity = format!("P-tfps: alice;{DOMAIN};127.0.0.2;{AGENT};1");
    let again = Handset::relayed(house.front.address(), "trunk", UNSEEN, &[&identity]).await;
    assert_eq!(again.unwrap_err(), 503);
    let recorded = house.server.decisions(v1::DecisionFilter::default()).await;
    let codes: Vec<_> = recorded.iter().map(|made| made.code.as_str()).collect();
    assert_eq!(codes, ["A00", "V06"]);
}
