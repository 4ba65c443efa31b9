//! Calls of a phone through a real Asterisk with the configuration under deploy/, which asks a real SIP front before it calls
//! the carrier: Kamailio with the configuration under deploy/. SIPp is phone, carrier and media server.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use tfps_client::v1::{self, ResponseMode};
use tfps_tests::{
    Bridge, Server,
    asterisk::{Asterisk, Setup},
    freepbx::Freepbx,
    scene::{CUBA, DOMAIN, HOME_NUMBER, SOMALIA},
    sip::{Call, Front},
    sipp::{Ends, FarEnd, PHONE, Phone},
};

const BY_STATUS: ResponseMode = ResponseMode::ResponseMode503603;
const BY_CONTACT: ResponseMode = ResponseMode::ResponseMode302;

/// All that a call passes, but for the media server.
struct House {
    server: Server,
    _bridge: Bridge,
    front: Front,
    carrier: FarEnd,
    asterisk: Asterisk,
    phone: Phone,
}

impl House {
    async fn open(mode: ResponseMode) -> Self {
        Self::open_with(mode, |_| {}).await
    }

    async fn open_with(mode: ResponseMode, change: impl FnOnce(&mut Setup)) -> Self {
        let server = Server::open().await;
        server
            .policy(|policy| policy.response_mode = mode.into())
            .await;
        server.account("alice").await;
        let bridge = Bridge::ready(&[&server], "").await;
        let front = Front::start(&bridge, "").await;
        let carrier = FarEnd::start(Ends::Caller);
        let mut setup = Setup::asking(front.address(), carrier.address());
        change(&mut setup);
        let asterisk = Asterisk::start(&setup).await;
        let phone = Phone::of(asterisk.address());
        Self {
            server,
            _bridge: bridge,
            front,
            carrier,
            asterisk,
            phone,
        }
    }

    /// The numbers that the carrier was called with.
    fn carried(&self) -> Vec<String> {
        let calls = self.carrier.calls();
        calls.into_iter().map(|(number, _)| number).collect()
    }

    /// What the server was asked, in order.
    async fn recorded(&self) -> Vec<v1::Decision> {
        let mut recorded = self.server.decisions(v1::DecisionFilter::default()).await;
        recorded.reverse();
        recorded
    }
}

fn by(extension: &str, dialed: &str) -> Call {
    Call {
        dialed: dialed.to_owned(),
        from: extension.to_owned(),
        user_agent: "Yealink SIP-T46S 66.86.0.15".to_owned(),
        ..Call::default()
    }
}

fn by_alice(dialed: &str) -> Call {
    by("alice", dialed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approved_call_reaches_the_carrier_and_a_denied_one_does_not_in_both_modes() {
    for mode in [BY_STATUS, BY_CONTACT] {
        let house = House::open(mode).await;
        let approved = by_alice(&format!("+{HOME_NUMBER}"));
        house.phone.talked(&approved, Ends::Caller, 0).await;
        house.phone.refused(&by_alice(CUBA), 403).await;
        assert_eq!(house.carried(), [format!("+{HOME_NUMBER}")], "{mode:?}");
        let codes: Vec<_> = house
            .recorded()
            .await
            .into_iter()
            .map(|made| made.code)
            .collect();
        assert_eq!(codes, ["A00", "R06"], "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_front_is_told_who_pays_from_where_with_what_and_how_many_calls_he_has() {
    let house = House::open(BY_STATUS).await;
    let first = by_alice(HOME_NUMBER);
    let another = async {
        house.carrier.called(1).await;
        house.phone.refused(&by_alice(CUBA), 403).await;
        house.phone.refused(&by("bob", CUBA), 403).await;
    };
    tokio::select! {
        () = house.phone.talked(&first, Ends::Caller, 15_000) => panic!("the first call lasts as long as the others"),
        () = another => {}
    }
    let recorded = house.recorded().await;
    let told: Vec<_> = recorded
        .iter()
        .map(|made| {
            let account = made.account.clone().unwrap();
            (account.username, account.domain, made.concurrent_calls)
        })
        .collect();
    let domain = || DOMAIN.to_owned();
    assert_eq!(
        told,
        [
            ("alice".to_owned(), domain(), Some(1)),
            ("alice".to_owned(), domain(), Some(2)),
            ("bob".to_owned(), domain(), Some(1)),
        ]
    );
    assert_eq!(recorded[0].source_ip, PHONE);
    assert_eq!(recorded[0].user_agent, first.user_agent);
    assert_eq!(recorded[0].caller_number, "alice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_caller_writes_changes_nothing_but_itself() {
    let house = House::open(BY_STATUS).await;
    // Fields of the header, of the front's question, of an expression and of the dialplan.
    let agent = r#"X;9"|1)],${TFPS_DOMAIN}$[1+1]\;&p_tfps=bob;other.example;203.0.113.9;Y;77 %41'"#;
    let call = Call {
        user_agent: agent.to_owned(),
        ..by_alice(CUBA)
    };
    house.phone.refused(&call, 403).await;
    // Longer than the header may be: it is cut, and the call is asked about.
    let call = Call {
        user_agent: "A".repeat(2_000),
        ..by_alice(CUBA)
    };
    house.phone.refused(&call, 403).await;
    // Another channel in Dial's arguments, and another payer in Gosub's.
    for dialed in [
        format!("{CUBA}&PJSIP/{HOME_NUMBER}%40carrier"),
        format!("{CUBA},1(1,bob)"),
    ] {
        house.phone.refused(&by_alice(&dialed), 403).await;
    }
    let recorded = house.recorded().await;
    let agents: Vec<_> = recorded
        .iter()
        .map(|made| made.user_agent.as_str())
        .collect();
    assert_eq!(agents[..2], [agent, &"A".repeat(200)]);
    let dialed: Vec<_> = recorded
        .iter()
        .map(|made| made.dialed_number.as_str())
        .collect();
    assert_eq!(
        dialed,
        [
            CUBA,
            CUBA,
            &format!("{CUBA}{HOME_NUMBER}"),
            &format!("{CUBA}11")
        ]
    );
    for made in &recorded {
        assert_eq!(made.account.clone().unwrap().username, "alice");
        assert_eq!(made.source_ip, PHONE);
        assert_eq!(made.concurrent_calls, Some(1));
    }
    assert_eq!(house.carried(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenged_call_talks_to_the_media_server_and_never_reaches_the_carrier() {
    for (mode, ends) in [(BY_STATUS, Ends::Called), (BY_CONTACT, Ends::Caller)] {
        let house = House::open(mode).await;
        let call = by_alice(SOMALIA);
        {
            let media_server = FarEnd::at(house.front.media_server_address(), ends);
            house.phone.talked(&call, ends, 0).await;
            let recorded = house.recorded().await;
            assert_eq!(recorded[0].code, "V03");
            let challenge = recorded[0].challenge_id.clone();
            assert_eq!(media_server.calls(), [(format!("dSO{SOMALIA}"), challenge)]);
        }
        if mode == BY_STATUS {
            // Without a media server there is no challenge, and no call.
            house.phone.refused(&call, 403).await;
        }
        assert_eq!(house.carried(), [""; 0], "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_front_the_call_goes_on_and_nobody_calls_in_its_name() {
    let carrier = FarEnd::start(Ends::Caller);
    // The port of discard, which nobody serves.
    let front = "127.0.0.1:9".parse().unwrap();
    let setup = Setup::asking(front, carrier.address()).with(
        "extensions_tfps.conf",
        "TFPS_PATIENCE=10",
        "TFPS_PATIENCE=1",
    );
    let asterisk = Asterisk::start(&setup).await;
    let phone = Phone::of(asterisk.address());
    phone.talked(&by_alice(CUBA), Ends::Caller, 0).await;
    assert_eq!(carrier.calls().len(), 1);
    assert!(asterisk.log().contains("TFPS does not answer"));
    phone.refused(&by("tfps", CUBA), 401).await;
    assert_eq!(carrier.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn freepbx_asks_once_in_its_hook_by_macro_and_by_gosub() {
    let ways = [
        (Freepbx::ByMacro, BY_STATUS),
        (Freepbx::ByGosub, BY_CONTACT),
    ];
    for (freepbx, mode) in ways {
        let house = House::open_with(mode, |setup| setup.dialplan = freepbx.dialplan()).await;
        // Asterisk 21 and newer have none.
        if freepbx == Freepbx::ByMacro && !house.asterisk.log().contains("application 'Macro'") {
            continue;
        }
        house.phone.refused(&by_alice(CUBA), 403).await;
        house
            .phone
            .talked(&by_alice(HOME_NUMBER), Ends::Caller, 0)
            .await;
        // bob is nobody's extension here.
        house.phone.refused(&by("bob", CUBA), 403).await;
        assert_eq!(house.carried(), [format!("9{HOME_NUMBER}")]);
        let asked: Vec<_> = house
            .recorded()
            .await
            .into_iter()
            .map(|made| {
                (
                    made.account.unwrap().username,
                    made.dialed_number,
                    made.code,
                )
            })
            .collect();
        let asked_about = |user: &str, number: &str, code: &str| {
            (user.to_owned(), number.to_owned(), code.to_owned())
        };
        assert_eq!(
            asked,
            [
                asked_about("alice", CUBA, "R06"),
                asked_about("alice", HOME_NUMBER, "A00"),
                asked_about("trunk", CUBA, "R06"),
            ],
            "{}",
            house.asterisk.log()
        );
    }
}
