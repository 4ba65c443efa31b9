//! The bridge as an Asterisk meets it on the wire: the rarer answers, hang-ups anywhere, and Asterisks that are none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::{StreamExt, future::join_all, stream};
use tfps_client::v1;
use tfps_tests::{
    AsteriskBridge, Server, eventually,
    fake_asterisk::{FakeAsterisk, environment, well_behaved},
    scene::{CUBA, DOMAIN, HOME_NUMBER, LONDON, SOMALIA},
};

/// What every dialplan sets here.
const DOMAIN_SET: (&str, &str) = ("${TFPS_DOMAIN}", DOMAIN);

/// Runs a script against a well-behaved Asterisk whose dialplan sets these variables.
async fn run(bridge: SocketAddr, script: &str, variables: &[(&str, &str)]) -> FakeAsterisk {
    let mut asterisk = FakeAsterisk::asks(bridge, script).await;
    asterisk
        .answers(|command| well_behaved(command, variables))
        .await;
    asterisk
}

async fn house() -> (Server, AsteriskBridge) {
    house_with("").await
}

async fn house_with(config: &str) -> (Server, AsteriskBridge) {
    let server = Server::open().await;
    server.account("alice").await;
    let bridge = AsteriskBridge::start(&[&server], config).await;
    (server, bridge)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_tells_all_it_knows_in_variables() {
    let (_server, bridge) = house().await;
    let number = ("${TFPS_NUMBER}", CUBA);
    let denied = run(bridge.address(), "check", &[DOMAIN_SET, number]).await;
    for (name, value) in [
        ("TFPS_VERDICT", "DENY"),
        ("TFPS_CODE", "R06"),
        ("TFPS_CHALLENGE", ""),
        ("TFPS_COUNTRY", "CU"),
        ("TFPS_USERNAME", "alice"),
        ("TFPS_DOMAIN", DOMAIN),
        ("TFPS_CALL_ID", "1700000000.1"),
    ] {
        assert_eq!(denied.variable(name).as_deref(), Some(value), "{name}");
    }
    assert!(
        denied.variable("TFPS_REASON").unwrap().contains("Cuba"),
        "{:?}",
        denied.heard
    );
    assert!(!denied.variable("TFPS_DECISION").unwrap().is_empty());

    let number = ("${TFPS_NUMBER}", LONDON);
    let challenged = run(bridge.address(), "check", &[DOMAIN_SET, number]).await;
    assert_eq!(
        challenged.variable("TFPS_VERDICT").as_deref(),
        Some("CHALLENGE")
    );
    assert_eq!(challenged.variable("TFPS_CODE").as_deref(), Some("V03"));
    assert!(!challenged.variable("TFPS_CHALLENGE").unwrap().is_empty());

    // The number of the channel's own extension, where the dialplan sets none.
    let allowed = run(bridge.address(), "check", &[DOMAIN_SET]).await;
    assert_eq!(allowed.variable("TFPS_VERDICT").as_deref(), Some("ALLOW"));
    assert_eq!(allowed.variable("TFPS_COUNTRY").as_deref(), Some("US"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_caller_writes_is_told_as_it_is_and_is_nothing_else() {
    let (server, bridge) = house().await;
    let agent = r#"X\" 5:alice)(${EXTEN} ünï "q" 7:"#;
    let long = "A".repeat(1_500);
    for (call_id, agent) in [("a", agent), ("b", &long)] {
        let variables = [
            DOMAIN_SET,
            ("${TFPS_USER_AGENT}", agent),
            ("${TFPS_CALL_ID}", call_id),
        ];
        let asterisk = run(bridge.address(), "check", &variables).await;
        assert_eq!(asterisk.variable("TFPS_VERDICT").as_deref(), Some("ALLOW"));
    }
    let recorded = server.decisions(v1::DecisionFilter::default()).await;
    let agents: Vec<_> = recorded
        .iter()
        .map(|made| made.user_agent.as_str())
        .collect();
    assert_eq!(agents, [&long[..256], agent]);

    // What the server refuses is denied: nobody passes by what he writes.
    let number = ("${TFPS_NUMBER}", "1".repeat(200));
    let denied = run(
        bridge.address(),
        "check",
        &[DOMAIN_SET, (number.0, &number.1)],
    )
    .await;
    assert_eq!(denied.variable("TFPS_VERDICT").as_deref(), Some("DENY"));
    assert_eq!(denied.variable("TFPS_CODE").as_deref(), Some("R12"));
    assert!(
        denied
            .variable("TFPS_REASON")
            .unwrap()
            .contains("dialed_number")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_writes_lines_of_his_own_is_denied() {
    let (server, bridge) = house().await;
    let dials = |number: &str| environment("check").replace("agi_dnid: 12125552368", number);
    // `sip:1%0a2@…` dials a number with a line break, and Asterisk tells it as it is. What would be read as values, or as
    // Asterisk's refusal of them, can stand behind it.
    for text in [
        dials("agi_dnid: 5371234567\n200"),
        dials("agi_dnid: 5371234567\n"),
        dials("agi_dnid: 5371234567\nagi_dnid: 1"),
        dials("agi_dnid: 5371234567\n\n200 result=1 (3:bob)"),
        dials("agi_dnid: 5371234567\n\n510 x"),
        dials("agi_dnid: 5371234567\n\n511 x\nHANGUP"),
        environment("check").replace("agi_callerid: alice", "callerid alice"),
    ] {
        let mut asterisk = FakeAsterisk::connect(bridge.address()).await;
        asterisk.says(&text).await;
        asterisk
            .answers(|command| well_behaved(command, &[DOMAIN_SET]))
            .await;
        assert_eq!(
            asterisk.variable("TFPS_VERDICT").as_deref(),
            Some("DENY"),
            "{text}"
        );
        assert_eq!(asterisk.variable("TFPS_CODE").as_deref(), Some("R12"));
    }
    let nobody_was_asked = server.decisions(v1::DecisionFilter::default()).await;
    assert!(nobody_was_asked.is_empty(), "{nobody_was_asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_environment_is_told_as_unavailable() {
    let (_server, bridge) = house_with("[limits]\nenvironment_ms = 300").await;
    for (text, why) in [
        (environment("no-such"), "no such script"),
        (environment(""), "agi_network_script"),
        ("agi_network: yes\n\n".to_owned(), "agi_network_script"),
    ] {
        let mut asterisk = FakeAsterisk::connect(bridge.address()).await;
        asterisk.says(&text).await;
        asterisk.answers(|command| well_behaved(command, &[])).await;
        assert_eq!(
            asterisk.variable("TFPS_VERDICT").as_deref(),
            Some("UNAVAILABLE"),
            "{why}"
        );
        let reason = asterisk.variable("TFPS_REASON").unwrap();
        assert!(reason.contains(why), "{reason}");
    }
    // What never ends, what is too long, what says nothing, and what is no Asterisk at all is hung up on.
    let endless = "agi_x: y\n".repeat(20_000);
    for text in [
        endless.as_str(),
        &format!("agi_callerid: {}", "x".repeat(200_000)),
        "agi_network: yes\n",
        "",
        "GET /metrics HTTP/1.1\r\nHost: x",
        "\u{0}\u{1}\u{2}",
    ] {
        let mut asterisk = FakeAsterisk::connect(bridge.address()).await;
        asterisk.says(text).await;
        let began = Instant::now();
        assert_eq!(asterisk.hears().await, None, "{text:.40}");
        assert!(began.elapsed() < Duration::from_secs(3));
    }
    // And served is who comes next.
    let asterisk = run(bridge.address(), "check", &[DOMAIN_SET]).await;
    assert_eq!(asterisk.variable("TFPS_VERDICT").as_deref(), Some("ALLOW"));
    assert!(
        bridge
            .metric("tfps_asterisk_broken_total{cause=\"silent\"}")
            .await
            >= 2.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asterisk_that_does_not_tell_values_passes_nobody() {
    let (_server, bridge) = house().await;
    let usage = "520-Invalid command syntax.  Proper usage follows:\nUsage: GET FULL VARIABLE x\n520 End of proper usage.\n";
    // Each could be a line of a caller's.
    for refusal in [
        usage,
        "510 Invalid or unknown command\n",
        "200 result=0\n",
        "200 result=1 (7:a)\n",
    ] {
        let mut asterisk = FakeAsterisk::asks(bridge.address(), "check").await;
        asterisk
            .answers(|command| {
                if command.starts_with("GET FULL") {
                    refusal.to_owned()
                } else {
                    well_behaved(command, &[])
                }
            })
            .await;
        assert_eq!(asterisk.variable("TFPS_VERDICT").as_deref(), Some("DENY"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hang_up_may_come_at_any_line_and_lines_in_pieces() {
    let (server, bridge) = house().await;
    server
        .policy(|policy| {
            let verification = policy.verification.get_or_insert_default();
            verification.max_opens = 100;
            verification.max_failures = Some(100);
        })
        .await;
    let variables = [DOMAIN_SET, ("${TFPS_NUMBER}", LONDON)];
    let challenged = run(bridge.address(), "check", &variables).await;
    let challenge = challenged.variable("TFPS_CHALLENGE").unwrap();
    let variables = [
        variables[0],
        variables[1],
        ("${TFPS_CHALLENGE}", &challenge),
    ];
    // How many commands the whole takes where nobody hangs up (the caller types nothing).
    let whole = run(bridge.address(), "verify", &variables)
        .await
        .heard
        .len();
    for hang_up in 0..whole {
        for before_reply in [true, false] {
            let mut asterisk = FakeAsterisk::asks(bridge.address(), "verify").await;
            let mut answered = 0;
            let mut gone = false;
            asterisk
                .answers(|command| {
                    let reply = well_behaved(command, &variables);
                    let dead = "511 Command Not Permitted on a dead channel or intercept routine\n";
                    let living = ["ANSWER", "STREAM", "SAY", "GET DATA", "CHANNEL", "HANGUP"]
                        .iter()
                        .any(|name| command.starts_with(name));
                    let reply = if gone && living {
                        dead.to_owned()
                    } else {
                        reply
                    };
                    let said = match (answered == hang_up, before_reply) {
                        (true, true) => format!("HANGUP\n{reply}"),
                        (true, false) => format!("{reply}HANGUP\n"),
                        (false, _) => reply,
                    };
                    gone |= answered == hang_up;
                    answered += 1;
                    said
                })
                .await;
        }
    }
    // Nothing was taken for anything else than a hang-up.
    let metrics = bridge.get("/metrics").await;
    assert!(
        !metrics.contains("tfps_asterisk_broken_total{"),
        "{metrics}"
    );
    let hung_up = "tfps_asterisk_verifications_total{purpose=\"unknown\",result=\"HANGUP\"}";
    assert!(bridge.metric(hung_up).await > 10.0, "{metrics}");
    assert!(!metrics.contains("PASSED"), "{metrics}");
    // In pieces, with a pause between them.
    let mut asterisk = FakeAsterisk::connect(bridge.address()).await;
    for piece in environment("check").as_bytes().chunks(40) {
        asterisk.says(&String::from_utf8_lossy(piece)).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let variables = [DOMAIN_SET];
    while let Some(command) = asterisk.hears().await {
        let reply = well_behaved(&command, &variables);
        let (half, rest) = reply.split_at(reply.len() / 2);
        asterisk.says(half).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
        asterisk.says(rest).await;
    }
    assert_eq!(asterisk.variable("TFPS_VERDICT").as_deref(), Some("ALLOW"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_a_call_is_told_so_in_time() {
    let bridge = AsteriskBridge::at(
        &["http://127.0.0.1:9".to_owned()],
        None,
        "deadline_ms = 200",
    )
    .await;
    let began = Instant::now();
    let asterisk = run(bridge.address(), "check", &[DOMAIN_SET]).await;
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        asterisk.variable("TFPS_VERDICT").as_deref(),
        Some("UNAVAILABLE")
    );
    assert_eq!(
        asterisk.variable("TFPS_REASON").as_deref(),
        Some("no server decides: connection")
    );
    assert!(bridge.get("/readyz").await.starts_with("HTTP/1.1 503"));
    // What is expensive is denied, and a call for help passes, whatever the dialplan does with the others.
    for (number, verdict, code) in [(SOMALIA, "DENY", "R99"), ("911", "ALLOW", "A99")] {
        let variables = [DOMAIN_SET, ("${TFPS_NUMBER}", number)];
        let asterisk = run(bridge.address(), "check", &variables).await;
        let told = ["TFPS_VERDICT", "TFPS_CODE"].map(|name| asterisk.variable(name));
        assert_eq!(told, [verdict, code].map(|text| Some(text.to_owned())));
    }
    // The IVR says so, and approves nobody.
    let variables = [DOMAIN_SET, ("${TFPS_CHALLENGE}", "x")];
    let asterisk = run(bridge.address(), "verify", &variables).await;
    assert_eq!(
        asterisk.variable("TFPS_VERIFIED").as_deref(),
        Some("UNAVAILABLE")
    );
    assert!(
        asterisk
            .heard
            .iter()
            .any(|command| command.contains("tfps/unavailable"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_domain_than_the_tokens_is_denied_and_may_call_for_help() {
    let server = Server::open().await;
    server.account("alice").await;
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    let secret = server.token(v1::Role::Switch, "other.example").await;
    fs::write(&token_file, secret).unwrap();
    let token_file = token_file.display().to_string();
    let bridge = AsteriskBridge::at(&[server.url()], Some(&token_file), "").await;
    for (number, verdict, code) in [
        (HOME_NUMBER, "DENY", "R12"),
        (LONDON, "DENY", "R12"),
        ("911", "ALLOW", "A00"),
    ] {
        let variables = [DOMAIN_SET, ("${TFPS_NUMBER}", number)];
        eventually("the server answers", async || {
            let asterisk = run(bridge.address(), "check", &variables).await;
            let told = ["TFPS_VERDICT", "TFPS_CODE"].map(|name| asterisk.variable(name));
            (told == [verdict, code].map(|text| Some(text.to_owned()))).then_some(())
        })
        .await;
    }
    let forbidden = "tfps_asterisk_unavailable_total{cause=\"forbidden\"}";
    assert!(bridge.metric(forbidden).await >= 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_ask_and_who_is_too_many_is_hung_up_on() {
    let (_server, bridge) = house_with("allow_from = [\"192.0.2.0/24\"]").await;
    let mut stranger = FakeAsterisk::asks(bridge.address(), "check").await;
    assert_eq!(stranger.hears().await, None);
    let refused = "tfps_asterisk_refused_total{cause=\"source\"}";
    assert_eq!(bridge.metric(refused).await, 1.0);

    let (_server, bridge) = house_with("[limits]\ncalls = 2").await;
    let mut first = FakeAsterisk::asks(bridge.address(), "check").await;
    let mut second = FakeAsterisk::asks(bridge.address(), "check").await;
    assert!(first.hears().await.is_some() && second.hears().await.is_some());
    let mut third = FakeAsterisk::asks(bridge.address(), "check").await;
    assert_eq!(third.hears().await, None);
    drop(first);
    eventually("there is room again", || async {
        let mut asterisk = FakeAsterisk::asks(bridge.address(), "check").await;
        asterisk.hears().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_in_the_ivr_keep_no_call_from_being_checked() {
    let (_server, bridge) = house_with("[limits]\ncalls = 4").await;
    let mut callers = Vec::new();
    for _ in 0..3 {
        let mut caller = FakeAsterisk::asks(bridge.address(), "verify").await;
        assert!(caller.hears().await.is_some());
        callers.push(caller);
    }
    let mut fourth = FakeAsterisk::asks(bridge.address(), "verify").await;
    fourth.answers(|command| well_behaved(command, &[])).await;
    assert_eq!(
        fourth.variable("TFPS_VERIFIED").as_deref(),
        Some("UNAVAILABLE")
    );
    let refused = "tfps_asterisk_refused_total{cause=\"ivr-full\"}";
    assert_eq!(bridge.metric(refused).await, 1.0);
    let mut checked = FakeAsterisk::asks(bridge.address(), "check").await;
    checked
        .answers(|command| well_behaved(command, &[DOMAIN_SET]))
        .await;
    assert_eq!(checked.variable("TFPS_VERDICT").as_deref(), Some("ALLOW"));
    // A place is free again.
    callers.pop();
    eventually("there is a place in the IVR", || async {
        let mut caller = FakeAsterisk::asks(bridge.address(), "verify").await;
        caller
            .hears()
            .await
            .filter(|said| said.contains("TFPS_CHALLENGE"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_stops_lets_calls_end() {
    let (_server, mut bridge) = house().await;
    let mut asterisk = FakeAsterisk::asks(bridge.address(), "check").await;
    let first = asterisk.hears().await.unwrap();
    bridge.terminate();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let variables = [DOMAIN_SET];
    asterisk.says(&well_behaved(&first, &variables)).await;
    asterisk
        .answers(|command| well_behaved(command, &variables))
        .await;
    assert_eq!(asterisk.variable("TFPS_VERDICT").as_deref(), Some("ALLOW"));
    assert!(bridge.ended().await.success());
}

/// The digits that a command has the caller hear.
fn digits_said(command: &str) -> Option<String> {
    let said = command.strip_prefix("SAY DIGITS \"")?;
    said.split('"').next().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenge_is_passed_at_the_server_that_issued_it() {
    let mut one = Server::open().await;
    let names: Vec<_> = (0..12).map(|number| format!("alice{number}")).collect();
    for name in &names {
        one.account(name).await;
    }
    let other = one.twin().await;
    let servers = [&one, &other];
    let bridge = AsteriskBridge::start(&servers, "").await;
    for name in &names {
        let mut variables = vec![
            DOMAIN_SET,
            ("${TFPS_USERNAME}", name.as_str()),
            ("${TFPS_NUMBER}", LONDON),
            ("${TFPS_CALL_ID}", name),
        ];
        let challenged = run(bridge.address(), "check", &variables).await;
        let challenge = challenged.variable("TFPS_CHALLENGE").unwrap();
        assert!(!challenge.is_empty(), "{:?}", challenged.heard);
        variables.push(("${TFPS_CHALLENGE}", &challenge));

        let mut caller = FakeAsterisk::asks(bridge.address(), "verify").await;
        let mut captcha = String::new();
        caller
            .answers(|command| {
                if let Some(digits) = digits_said(command) {
                    captcha = digits;
                }
                if command.starts_with("GET DATA") {
                    return format!("200 result={captcha}\n");
                }
                well_behaved(command, &variables)
            })
            .await;
        for (name, value) in [("TFPS_VERIFIED", "PASSED"), ("TFPS_VERDICT", "ALLOW")] {
            let told = caller.variable(name);
            assert_eq!(told.as_deref(), Some(value), "{:?}", caller.heard);
        }
    }
    // Otherwise nothing would have been shown.
    for server in servers {
        let decisions = server.decisions(v1::DecisionFilter::default()).await;
        assert!(!decisions.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_hears_in_words_which_digits_to_type() {
    let (server, bridge) = house().await;
    server
        .policy(|policy| {
            let verification = policy.verification.get_or_insert_default();
            verification.captcha = v1::CaptchaKind::DigitsAmongWords.into();
        })
        .await;
    let mut variables = vec![
        DOMAIN_SET,
        ("${TFPS_USERNAME}", "alice"),
        ("${TFPS_NUMBER}", LONDON),
    ];
    let challenged = run(bridge.address(), "check", &variables).await;
    let challenge = challenged.variable("TFPS_CHALLENGE").unwrap();
    variables.push(("${TFPS_CHALLENGE}", &challenge));
    let mut caller = FakeAsterisk::asks(bridge.address(), "verify").await;
    let (mut kept, mut digits, mut read_out) = (false, String::new(), 0);
    caller
        .answers(|command| {
            if command.contains("words-") {
                kept = command.contains("words-keep");
            }
            if let Some(said) = digits_said(command) {
                read_out += 1;
                if kept {
                    digits.push_str(&said);
                }
            }
            if command.starts_with("GET DATA") {
                return format!("200 result={digits}\n");
            }
            well_behaved(command, &variables)
        })
        .await;
    assert_eq!((digits.len(), read_out), (4, 6), "{:?}", caller.heard);
    let verified = caller.variable("TFPS_VERIFIED");
    assert_eq!(verified.as_deref(), Some("PASSED"), "{:?}", caller.heard);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_star_before_the_digits_is_none_of_them() {
    let (_server, bridge) = house().await;
    let mut variables = vec![
        DOMAIN_SET,
        ("${TFPS_USERNAME}", "alice"),
        ("${TFPS_NUMBER}", LONDON),
    ];
    let challenged = run(bridge.address(), "check", &variables).await;
    let challenge = challenged.variable("TFPS_CHALLENGE").unwrap();
    variables.push(("${TFPS_CHALLENGE}", &challenge));
    let mut caller = FakeAsterisk::asks(bridge.address(), "verify").await;
    let mut captcha = String::new();
    caller
        .answers(|command| {
            if let Some(digits) = digits_said(command) {
                captcha = digits;
                return format!("200 result={}\n", u32::from('*'));
            }
            if command.starts_with("GET DATA") {
                let most = command.rsplit(' ').next().unwrap();
                let typed = &captcha[..most.trim_matches('"').parse().unwrap()];
                return format!("200 result={typed}\n");
            }
            well_behaved(command, &variables)
        })
        .await;
    let verified = caller.variable("TFPS_VERIFIED");
    assert_eq!(verified.as_deref(), Some("PASSED"), "{:?}", caller.heard);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_in_the_ivr_take_little_and_nobody_waits_for_them() {
    const CALLERS: usize = 1_000;
    let (_server, bridge) = house().await;
    // Strangers: a challenge each.
    let names: Vec<_> = (0..CALLERS)
        .map(|number| format!("caller{number}"))
        .collect();
    // A hundred at a time: how many checks are borne at once is another story.
    let callers = stream::iter(names.iter()).map(|name| async {
        let variables = [DOMAIN_SET, ("${TFPS_USERNAME}", name.as_str())];
        let challenged = run(bridge.address(), "check", &variables).await;
        let challenge = challenged.variable("TFPS_CHALLENGE").unwrap();
        assert!(!challenge.is_empty(), "{:?}", challenged.heard);
        let mut caller = FakeAsterisk::asks(bridge.address(), "verify").await;
        let variables = [DOMAIN_SET, ("${TFPS_CHALLENGE}", challenge.as_str())];
        // Until he is asked to type, which takes him long.
        while let Some(command) = caller.hears().await {
            if command.starts_with("GET DATA") {
                return caller;
            }
            let reply = well_behaved(&command, &variables);
            caller.says(&reply).await;
        }
        panic!("{:?}", caller.heard)
    });
    let callers: Vec<FakeAsterisk> = callers.buffer_unordered(100).collect().await;
    assert_eq!(
        bridge.metric("tfps_asterisk_calls_in_progress").await,
        1_000.0
    );
    let status = fs::read_to_string(format!("/proc/{}/status", bridge.pid())).unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
        .and_then(|kilobytes| kilobytes.trim().parse::<u64>().ok())
        .unwrap();
    assert!(resident < 100_000, "{resident} kB");
    // Nobody waits for them.
    let mut took: Vec<_> = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        let allowed = run(
            bridge.address(),
            "check",
            &[DOMAIN_SET, ("${TFPS_NUMBER}", HOME_NUMBER)],
        )
        .await;
        assert!(allowed.variable("TFPS_VERDICT").is_some());
        took.push(began.elapsed());
    }
    took.sort();
    assert!(took[25] < Duration::from_millis(100), "{took:?}");
    // And each is answered when he types.
    let ended = join_all(callers.into_iter().take(50).map(|mut caller| async move {
        caller.says("200 result=0000\n").await;
        caller.hears().await
    }))
    .await;
    assert!(ended.iter().all(Option::is_some));
}
