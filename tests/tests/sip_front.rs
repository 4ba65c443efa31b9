//! Calls through a real SIP front: Kamailio with the configuration under deploy/, SIPp as switch and media server.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::net::Ipv4Addr;

use tfps_client::v1::{self, CallEvent, EntryAction, EntryKind, ResponseMode};
use tfps_tests::{
    Bridge, Server, eventually,
    scene::{CUBA, DOMAIN, HOME_NUMBER, LONDON, SOMALIA, limits},
    sip::{Call, Front, Invite, Request, Switch},
};

/// A server with alice and a policy that answers by `mode`, a bridge, and a front.
async fn house(mode: ResponseMode) -> (Server, Bridge, Front) {
    let server = Server::open().await;
    server
        .policy(|policy| policy.response_mode = mode.into())
        .await;
    server.account("alice").await;
    let bridge = Bridge::ready(&[&server], "").await;
    let front = Front::start(&bridge, "").await;
    (server, bridge, front)
}

fn by_p_tfps(dialed: &str) -> Call {
    Call {
        dialed: dialed.to_owned(),
        from: "4711".to_owned(),
        headers: vec!["P-tfps: alice; example.com; ; Yealink SIP-T46S; 1".to_owned()],
        ..Call::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_statuses_503_approves_and_603_denies() {
    let (server, _bridge, front) = house(ResponseMode::ResponseMode503603).await;
    let approved = front.answered(&by_p_tfps(HOME_NUMBER), 503).await;
    assert_eq!(approved.code, "A00");
    let denied = front.answered(&by_p_tfps(CUBA), 603).await;
    assert_eq!(denied.code, "R06");
    assert_eq!(denied.contact, "");
    let recorded = server.decisions(v1::DecisionFilter::default()).await;
    assert_eq!(recorded.len(), 2);
    assert_eq!(recorded[0].user_agent, "Yealink SIP-T46S");
    assert_eq!(recorded[0].caller_number, "4711");
    assert!(recorded[0].call_id.ends_with("127.0.0.1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_302_the_contact_approves_and_denies() {
    let (_server, _bridge, front) = house(ResponseMode::ResponseMode302).await;
    let approved = front.answered(&by_p_tfps(HOME_NUMBER), 302).await;
    let expected = format!("<sip:A00{HOME_NUMBER}@");
    assert!(approved.contact.starts_with(&expected), "{approved:?}");
    let denied = front.answered(&by_p_tfps(CUBA), 302).await;
    assert!(denied.contact.starts_with("<sip:R06@"), "{denied:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_named_in_three_ways() {
    let (server, _bridge, front) = house(ResponseMode::ResponseMode503603).await;
    server.account("bob").await;
    server.account("carol").await;
    front.answered(&by_p_tfps(HOME_NUMBER), 503).await;
    let by_x_tfps = Call {
        dialed: HOME_NUMBER.to_owned(),
        from: "4712".to_owned(),
        headers: vec![
            "X-tfps: bob@example.com".to_owned(),
            "P-Received: 10.1.2.3".to_owned(),
            "P-UA: Snom & Co + 50%".to_owned(),
            "P-Calls: 2".to_owned(),
            "Diversion: <sip:+442079460123@pbx.example.com>;reason=unconditional".to_owned(),
        ],
        ..Call::default()
    };
    front.answered(&by_x_tfps, 503).await;
    let by_from = Call {
        dialed: HOME_NUMBER.to_owned(),
        from: "carol".to_owned(),
        // What a caller writes stays what he wrote.
        user_agent: "Phone&p_tfps=alice;example.com".to_owned(),
        ..Call::default()
    };
    front.answered(&by_from, 503).await;

    let mut recorded = server.decisions(v1::DecisionFilter::default()).await;
    recorded.reverse();
    let names: Vec<_> = recorded
        .iter()
        .map(|decision| decision.account.clone().unwrap().username)
        .collect();
    assert_eq!(names, ["alice", "bob", "carol"]);
    let bob = &recorded[1];
    assert_eq!(
        (
            bob.source_ip.as_str(),
            bob.user_agent.as_str(),
            bob.concurrent_calls,
            bob.forwarded_from.as_str()
        ),
        (
            "10.1.2.3",
            "Snom & Co + 50%",
            Some(2),
            "+442079460123@pbx.example.com"
        )
    );
    let carol = &recorded[2];
    assert_eq!(carol.source_ip, "127.0.0.1");
    assert_eq!(carol.user_agent, "Phone&p_tfps=alice;example.com");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenged_call_reaches_the_media_server_and_holds_a_slot_while_it_lasts() {
    let (server, bridge, front) = house(ResponseMode::ResponseMode503603).await;
    let media_server = front.media_server();
    let mut call = by_p_tfps(SOMALIA);
    call.headers
        .push("X-TFPS-Challenge: of the caller's own".to_owned());
    let talking = front.talked(&call, 1_500);
    let watching = async {
        let (user, challenge) = media_server.called().await;
        assert_eq!(user, format!("dSO{SOMALIA}"));
        eventually("the call holds a slot", async || {
            (server.usage("alice").await.concurrent_calls == 1).then_some(())
        })
        .await;
        challenge
    };
    let ((), challenge) = tokio::join!(talking, watching);
    let recorded = server.decisions(v1::DecisionFilter::default()).await;
    assert_eq!(recorded[0].code, "V03");
    assert_eq!(recorded[0].challenge_id, challenge);
    eventually("the slot is free again", async || {
        (server.usage("alice").await.concurrent_calls == 0).then_some(())
    })
    .await;
    for event in ["started", "answered", "ended"] {
        let name = format!("tfps_bridge_calls_total{{event=\"{event}\",result=\"told\"}}");
        eventually(event, async || {
            (bridge.metric(&name).await == 1.0).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_account_is_onboarded_and_no_media_server_that_fails_lets_him_pass() {
    let (_server, _bridge, front) = house(ResponseMode::ResponseMode503603).await;
    let stranger = Call {
        dialed: LONDON.to_owned(),
        from: "stranger".to_owned(),
        ..Call::default()
    };
    {
        let media_server = front.media_server();
        let ((), (user, _)) = tokio::join!(front.talked(&stranger, 100), media_server.called());
        assert_eq!(user, format!("o{LONDON}"));
    }
    front.answered(&stranger, 480).await;
    let _elsewhere = front.redirecting_media_server();
    front.answered(&stranger, 480).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loops_and_calls_to_nobody_are_answered_without_asking() {
    let (server, _bridge, front) = house(ResponseMode::ResponseMode503603).await;
    front.answered(&by_p_tfps("A0012125552368"), 482).await;
    front.answered(&by_p_tfps("R06"), 482).await;
    server
        .list(EntryKind::Number, LONDON, EntryAction::Block)
        .await;
    assert_eq!(front.answered(&by_p_tfps(LONDON), 603).await.code, "R03");
    let injected = Call {
        headers: vec!["P-tfps: alice' OR '1'='1;example.com".to_owned()],
        ..by_p_tfps(HOME_NUMBER)
    };
    assert_eq!(front.answered(&injected, 603).await.code, "R12");
    let recorded = server.decisions(v1::DecisionFilter::default()).await;
    assert_eq!(recorded.len(), 2, "loops are not asked about");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_caller_writes_does_not_spare_him_the_question() {
    let (_server, _bridge, front) = house(ResponseMode::ResponseMode503603).await;
    let absurd = Call {
        dialed: CUBA.to_owned(),
        from: "alice".to_owned(),
        user_agent: "x".repeat(1_000),
        ..Call::default()
    };
    assert_eq!(front.answered(&absurd, 603).await.code, "R12");
    let switch = Switch::at(Ipv4Addr::LOCALHOST, front.address());
    for agent in [&b"Ger\xe4t"[..], b"%ff%fe", b"%", b"a&p_tfps=b;c", b"\"}{"] {
        let status = switch.ask_with(&INVITE_TO_CUBA, agent);
        assert_eq!(status, Some(603), "{}", agent.escape_ascii());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_the_bridge_says_what_and_without_a_bridge_the_front_does() {
    let mut server = Server::open().await;
    server.account("alice").await;
    let mut bridge = Bridge::ready(&[&server], "[on_unavailable]\nhome = \"deny\"").await;
    let front = Front::start(&bridge, "").await;
    server.kill9();
    assert_eq!(
        front.answered(&by_p_tfps(HOME_NUMBER), 603).await.code,
        "R99"
    );
    bridge.terminate().await;
    // A burst can keep a bridge from answering: what is expensive does not pass.
    for (dialed, status, code) in [
        (HOME_NUMBER, 503, "A99"),
        ("911", 503, "A99"),
        (LONDON, 603, "R99"),
        (SOMALIA, 603, "R99"),
        // Jamaica, and premium rate.
        ("18765230123", 603, "R99"),
        ("19002345678", 603, "R99"),
    ] {
        let answer = front.answered(&by_p_tfps(dialed), status).await;
        assert_eq!(answer.code, code, "{dialed}");
    }

    let denying = "#!define NO_ANSWER_DENIES\n#!define NO_ANSWER_BY_302";
    let mut gone = Bridge::at(&["http://127.0.0.1:1".to_owned()], None, "").await;
    let front = Front::start(&gone, denying).await;
    gone.terminate().await;
    let answer = front.answered(&by_p_tfps(HOME_NUMBER), 302).await;
    assert!(answer.contact.starts_with("<sip:R99@"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_bridge_refuses_passes_only_to_emergency_numbers() {
    let server = Server::open().await;
    server.account("alice").await;
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    let secret = server.token(v1::Role::Switch, DOMAIN).await;
    std::fs::write(&token_file, secret).unwrap();
    let token_file = token_file.display().to_string();
    // The caller's own From names the domain, which is not the token's.
    let bound = Bridge::at(
        &[server.url()],
        Some(&token_file),
        "default_domain = \"other.example\"",
    )
    .await;
    bound.await_servers(1).await;
    // The front has no key: nothing reads as an answer.
    let locked = Bridge::ready(&[&server], "shared_key = \"s3cret\"").await;
    let from_elsewhere = |dialed: &str| Call {
        dialed: dialed.to_owned(),
        headers: vec!["X-tfps: alice@other.example".to_owned()],
        ..Call::default()
    };
    for (bridge, help) in [(&bound, "A00"), (&locked, "A99")] {
        let front = Front::start(bridge, "").await;
        for dialed in [HOME_NUMBER, LONDON, SOMALIA] {
            let denied = front.answered(&from_elsewhere(dialed), 603).await;
            assert_eq!(denied.code, "R12", "{dialed}");
        }
        let helped = front.answered(&from_elsewhere("911"), 503).await;
        assert_eq!(helped.code, help);
    }
    let front = Front::start(&bound, "").await;
    let endless = Call {
        dialed: "4".repeat(16_000),
        ..by_p_tfps("")
    };
    front.answered(&endless, 603).await;
}

/// What a switch sends that asks about a call of alice's.
const INVITE: Request<'_> = Request {
    method: "INVITE",
    user: HOME_NUMBER,
    max_forwards: 70,
};

const INVITE_TO_CUBA: Request<'_> = Request {
    user: CUBA,
    ..INVITE
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_call_is_told_so_and_strangers_hear_nothing() {
    let (server, _bridge, front) = house(ResponseMode::ResponseMode503603).await;
    let switch = Switch::at(Ipv4Addr::LOCALHOST, front.address());
    let asked = |method, user, max_forwards| {
        switch.ask(&Request {
            method,
            user,
            max_forwards,
        })
    };
    assert_eq!(asked("INVITE", HOME_NUMBER, 70), Some(503));
    assert_eq!(asked("INVITE", HOME_NUMBER, 0), Some(483));
    assert_eq!(asked("INVITE", "", 70), Some(484));
    for method in ["REGISTER", "SUBSCRIBE", "MESSAGE", "NOTIFY"] {
        assert_eq!(asked(method, HOME_NUMBER, 70), Some(405), "{method}");
    }
    assert_eq!(asked("OPTIONS", "", 70), None, "a ping gets no answer");

    let stranger = Switch::at(Ipv4Addr::new(127, 0, 0, 2), front.address());
    assert_eq!(stranger.ask(&INVITE), None);
    assert_eq!(asked("INVITE", HOME_NUMBER, 70), Some(503));
    let recorded = server.decisions(v1::DecisionFilter::default()).await;
    assert_eq!(recorded.len(), 2, "of all that, two were calls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_dropped_and_its_switch_served_again_after_it() {
    const INVITES: usize = 400;
    let server = Server::open().await;
    let bridge = Bridge::ready(&[&server], "").await;
    let front = Front::start(&bridge, "#!define FLOOD_INVITES 20").await;
    let switch = Switch::at(Ipv4Addr::LOCALHOST, front.address());
    let sent: Vec<String> = (0..INVITES).map(|_| switch.send(&INVITE)).collect();
    let answered = switch.finals(|_| false);
    assert!(answered.keys().all(|id| sent.contains(id)));
    // pike lets pass up to three times what it is told, from one second to the next.
    assert!((1..=60).contains(&answered.len()), "{}", answered.len());
    eventually("the switch is served again", async || switch.ask(&INVITE)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_gives_up_frees_his_slot() {
    let (server, bridge, front) = house(ResponseMode::ResponseMode503603).await;
    let media_server = front.ringing_media_server();
    let call = by_p_tfps(SOMALIA);
    let ((), (user, _)) = tokio::join!(front.given_up(&call), media_server.called());
    assert_eq!(user, format!("dSO{SOMALIA}"));
    let ended = "tfps_bridge_calls_total{event=\"ended\",result=\"told\"}";
    eventually("the end is told", async || {
        (bridge.metric(ended).await == 1.0).then_some(())
    })
    .await;
    assert_eq!(server.usage("alice").await.concurrent_calls, 0);
}

/// INVITEs of alice's with one Call-ID, of which each is another transaction: other From tags, branches and CSeqs.
fn with_one_call_id(number: usize, dialed: impl Fn(usize) -> String) -> Vec<Invite> {
    (0..number)
        .map(|at| Invite {
            dialed: dialed(at),
            from: "alice@example.com".to_owned(),
            call_id: "a84b4c76e66710".to_owned(),
            tag: format!("tag-{at}"),
            via: None,
            branch: format!("branch-{at}"),
            cseq: u32::try_from(at).unwrap() + 1,
            headers: Vec::new(),
        })
        .collect()
}

/// A server on which alice may make two calls at once and ten a day, a bridge and a front.
async fn two_at_once() -> (Server, Bridge, Front) {
    let server = Server::open().await;
    server
        .account_with("alice", |account| account.limits = Some(limits(2, 10)))
        .await;
    let bridge = Bridge::ready(&[&server], "").await;
    let front = Front::start(&bridge, "").await;
    (server, bridge, front)
}

fn approved(finals: &std::collections::BTreeMap<String, u16>) -> usize {
    finals.values().filter(|status| **status == 503).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_invites_with_one_call_id_are_a_hundred_calls() {
    let (server, _bridge, front) = two_at_once().await;
    let switch = Switch::at(Ipv4Addr::LOCALHOST, front.address());
    let finals = switch.invited(&with_one_call_id(100, |_| HOME_NUMBER.to_owned()));
    assert_eq!((finals.len(), approved(&finals)), (100, 2), "{finals:?}");
    let usage = server.usage("alice").await;
    assert_eq!((usage.calls_today, usage.concurrent_calls), (2, 2));
    assert_eq!(server.decisions(Default::default()).await.len(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_with_one_call_id_share_no_slot_and_end_one_by_one() {
    let (server, _bridge, front) = two_at_once().await;
    let switch = Switch::at(Ipv4Addr::LOCALHOST, front.address());
    let invites = with_one_call_id(14, |at| format!("1212555{:04}", 2_000 + at));
    let finals = switch.invited(&invites[..12]);
    assert_eq!((finals.len(), approved(&finals)), (12, 2), "{finals:?}");
    // A bare Call-ID ends one of them.
    let call_id = &invites[0].call_id;
    server.progress("alice", call_id, CallEvent::Ended).await;
    assert_eq!(server.usage("alice").await.concurrent_calls, 1);
    assert_eq!(approved(&switch.invited(&invites[12..])), 1);
    let usage = server.usage("alice").await;
    assert_eq!((usage.calls_today, usage.concurrent_calls), (3, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invite_that_is_sent_again_counts_once() {
    let (server, _bridge, front) = two_at_once().await;
    let switch = Switch::at(Ipv4Addr::LOCALHOST, front.address());
    let invite = &with_one_call_id(1, |_| HOME_NUMBER.to_owned())[0];
    for _ in 0..2 {
        let finals = switch.invited([invite, invite, invite]);
        assert_eq!(finals.values().collect::<Vec<_>>(), [&503]);
    }
    let usage = server.usage("alice").await;
    assert_eq!((usage.calls_today, usage.concurrent_calls), (1, 1));
    assert_eq!(server.decisions(Default::default()).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_s_headers_beside_p_tfps_tell_nothing() {
    let (server, _bridge, front) = house(ResponseMode::ResponseMode503603).await;
    let call = Call {
        headers: vec![
            "P-tfps: alice;example.com;;;".to_owned(),
            "P-Calls: 1".to_owned(),
            "P-Received: 203.0.113.9".to_owned(),
            "P-UA: Snom".to_owned(),
        ],
        user_agent: "Switch".to_owned(),
        ..by_p_tfps(HOME_NUMBER)
    };
    front.answered(&call, 503).await;
    let recorded = &server.decisions(v1::DecisionFilter::default()).await[0];
    assert_eq!(
        (
            recorded.concurrent_calls,
            recorded.source_ip.as_str(),
            recorded.user_agent.as_str()
        ),
        (None, "127.0.0.1", "Switch")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_invite_with_other_sent_bys_in_via_is_as_many_calls() {
    let (server, _bridge, front) = two_at_once().await;
    let switch = Switch::at(Ipv4Addr::LOCALHOST, front.address());
    let invite = &with_one_call_id(1, |_| HOME_NUMBER.to_owned())[0];
    let sent: Vec<Invite> = (0..8)
        .map(|at| Invite {
            via: Some(format!("pbx-{at}.example.com:5060")),
            ..invite.clone()
        })
        .collect();
    let finals = switch.invited(&sent);
    assert_eq!((finals.len(), approved(&finals)), (8, 2), "{finals:?}");
    let usage = server.usage("alice").await;
    assert_eq!((usage.calls_today, usage.concurrent_calls), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_identities_are_refused_and_a_call_for_help_is_not() {
    let (server, _bridge, front) = house(ResponseMode::ResponseMode503603).await;
    server.account("bob").await;
    for headers in [
        vec!["P-tfps: bob;example.com", "P-tfps: alice;example.com"],
        vec!["P-tfps: bob;example.com", "X-tfps: alice@example.com"],
        vec!["X-tfps: bob@example.com", "X-tfps: alice@example.com"],
        vec!["P-tfps: bob;example.com, alice;example.com"],
        vec![
            "P-tfps: bob;example.com",
            "P-tfps:",
            "P-tfps: alice;example.com",
        ],
        vec![
            "P-tfps: alice;example.com",
            "P-Received: 192.0.2.1",
            "P-Received: 192.0.2.2",
        ],
    ] {
        let call = |dialed: &str| Call {
            headers: headers.iter().map(|line| (*line).to_owned()).collect(),
            ..by_p_tfps(dialed)
        };
        let refused = front.answered(&call(HOME_NUMBER), 603).await;
        assert_eq!(refused.code, "R12", "{headers:?}");
        let helped = front.answered(&call("911"), 503).await;
        assert_eq!(helped.code, "A00", "{headers:?}");
    }
    // The calls for help are recorded, and nobody paid for anything.
    let recorded = server.decisions(v1::DecisionFilter::default()).await;
    assert_eq!(recorded.len(), 6);
    for username in ["alice", "bob"] {
        assert_eq!(server.usage(username).await.calls_today, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anonymous_callers_are_no_account_that_one_of_them_opens_for_all() {
    let (_server, _bridge, front) = house(ResponseMode::ResponseMode503603).await;
    let from = |user: &str, dialed: &str| Call {
        dialed: dialed.to_owned(),
        from: user.to_owned(),
        ..Call::default()
    };
    for user in ["anonymous", "Anonymous", "unknown", "restricted"] {
        let denied = front.answered(&from(user, HOME_NUMBER), 603).await;
        assert_eq!(denied.code, "R20", "{user}");
        assert_eq!(front.answered(&from(user, "911"), 503).await.code, "A00");
    }
    // Who is named by the switch may withhold their name from the called.
    let withheld = Call {
        from: "anonymous".to_owned(),
        ..by_p_tfps(HOME_NUMBER)
    };
    assert_eq!(front.answered(&withheld, 503).await.code, "A00");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asserted_identity_pays_where_the_bridge_trusts_its_switches() {
    let server = Server::open().await;
    server.account("alice").await;
    let asserted = |headers: &[&str]| Call {
        headers: headers.iter().map(|line| (*line).to_owned()).collect(),
        from: "anonymous".to_owned(),
        ..by_p_tfps(HOME_NUMBER)
    };
    let both = [
        "P-Asserted-Identity: \"Alice\" <sip:alice@example.com>",
        "P-Asserted-Identity: <tel:+12125550100>",
    ];
    let bridge = Bridge::ready(&[&server], "").await;
    let front = Front::start(&bridge, "").await;
    assert_eq!(front.answered(&asserted(&both), 603).await.code, "R20");
    let trusting = Bridge::ready(&[&server], "trust_asserted_identity = true").await;
    let front = Front::start(&trusting, "").await;
    assert_eq!(front.answered(&asserted(&both), 503).await.code, "A00");
    // A caller's P-tfps picks nobody else's account, and without an assertion none at all.
    for forged in ["P-tfps: bob;example.com;;;1", "X-tfps: bob@example.com"] {
        let beside = [both[0], forged];
        for headers in [&beside[..], &beside[1..]] {
            assert_eq!(front.answered(&asserted(headers), 603).await.code, "R12");
        }
    }
    let same = [both[0], "P-tfps: alice;example.com;;;1"];
    assert_eq!(front.answered(&asserted(&same), 503).await.code, "A00");
    let two = [both[0], "P-Asserted-Identity: <sip:bob@example.com>"];
    assert_eq!(front.answered(&asserted(&two), 603).await.code, "R12");
    let preferred = ["P-Preferred-Identity: <sip:alice@example.com>"];
    assert_eq!(front.answered(&asserted(&preferred), 603).await.code, "R12");
}
