//! opensips-bridge as a switch sees it: what may be asked, what is answered, and what happens when a server is not there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::time::{Duration, Instant};

use futures::future::join_all;
use tfps_client::v1;
use tfps_tests::{
    Bridge, Server,
    bridge::answer,
    eventually,
    http2::{ATTACKER, connect_from},
    scene::{CUBA, DOMAIN, ELSEWHERE, HOME_NUMBER, LONDON, SOMALIA},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const ALICE: &str = "username=alice&domain=example.com";

async fn house() -> (Server, Bridge) {
    let server = Server::open().await;
    server.account("alice").await;
    let bridge = Bridge::ready(&[&server], "").await;
    (server, bridge)
}

fn call(dialed: &str, call_id: &str) -> String {
    // A caller of its own each: nobody calls the same number too often (R13).
    format!("{ALICE}&dialed_number={dialed}&call_id={call_id}&caller_number={call_id}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn form_query_and_json_get_the_same_answer() {
    let (_server, bridge) = house().await;
    let form = bridge.post("/v1/check", &call(SOMALIA, "a")).await;
    assert_eq!(
        (form.status, form.text("verdict").as_str()),
        (200, "challenge")
    );
    assert_eq!(form.text("code"), "V03");
    assert_eq!(form.text("sip_status"), "0");
    assert_eq!(form.text("media_user"), format!("dSO{SOMALIA}"));
    assert_eq!(form.text("destination_country"), "SO");
    assert!(!form.text("challenge_id").is_empty() && !form.text("decision_id").is_empty());

    let query = bridge
        .get(&format!("/v1/check?{}", call(SOMALIA, "a")))
        .await;
    let body = format!(
        r#"{{"username": "alice", "domain": "example.com", "dialed_number": {SOMALIA}, "call_id": "a", "caller_number": "a"}}"#
    );
    let json = "content-type: application/json; charset=utf-8\r\n";
    let json = bridge.request("POST", "/v1/check", json, &body).await;
    // The same attempt is the same decision.
    assert_eq!((&query.body, &json.body), (&form.body, &form.body));

    let text = format!("/v1/check?{}", call(SOMALIA, "a"));
    let text = bridge
        .request("GET", &text, "accept: text/plain\r\n", "")
        .await;
    assert_eq!(text.body, "V03");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_every_field_as_a_string_or_a_small_integer() {
    let (server, bridge) = house().await;
    let mut answers = Vec::new();
    for dialed in [HOME_NUMBER, CUBA, SOMALIA] {
        answers.push(bridge.post("/v1/check", &call(dialed, dialed)).await);
    }
    drop(server);
    answers.push(bridge.post("/v1/check", &call(HOME_NUMBER, "gone")).await);
    for answer in answers {
        let json = answer.json();
        let fields = json.as_object().unwrap();
        let names: Vec<_> = fields.keys().map(String::as_str).collect();
        let mut expected = [
            "verdict",
            "code",
            "reason",
            "sip_status",
            "contact_user",
            "media_user",
            "challenge_id",
            "destination_country",
            "source_country",
            "off_hours",
            "risk",
            "decision_id",
        ];
        expected.sort_unstable();
        assert_eq!(names, expected);
        for (name, value) in fields {
            let small = value.as_u64().is_some_and(|number| number <= 1_000);
            assert!(value.is_string() || small, "{name}: {value}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v1_s_web_service_is_answered_by_codes_that_v1_had() {
    let (server, bridge) = house().await;
    let ask = async |dialed: &str| {
        let path = format!(
            "/?dialed_number={dialed}&from_user=alice&domain=example.com&source_ip=10.0.0.7&user_agent=Snom&sim_calls=1"
        );
        bridge.get(&path).await
    };
    let approved = ask(HOME_NUMBER).await;
    assert_eq!((approved.status, approved.body.as_str()), (200, "A00"));
    assert!(approved.head.contains("content-type: text/plain"));
    assert_eq!(ask(CUBA).await.body, "R06");
    // v1 had no IVR to send a call to.
    assert_eq!(ask(SOMALIA).await.body, "R06");
    // A plus that nobody escaped.
    assert_eq!(ask(&format!("+{HOME_NUMBER}")).await.body, "A00");
    let recorded = server.decisions(v1::DecisionFilter::default()).await;
    assert_eq!(recorded[0].dialed_number, format!("+{HOME_NUMBER}"));
    assert_eq!(recorded[0].source_ip, "10.0.0.7");
    // Without a domain the account is one of the default's.
    let path = format!("/?dialed_number={HOME_NUMBER}&from_user=alice");
    assert_eq!(bridge.get(&path).await.body, "R20");
    let recorded = server.decisions(v1::DecisionFilter::default()).await;
    assert_eq!(recorded[0].account.clone().unwrap().domain, "default");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_a_4xx_that_names_the_field() {
    let (server, bridge) = house().await;
    let long = "1".repeat(130);
    for (form, field) in [
        (String::new(), "username"),
        (ALICE.to_owned(), "dialed_number"),
        (format!("dialed_number={LONDON}"), "username"),
        (format!("{ALICE}&dialed_number={long}"), "dialed_number"),
        (format!("username={long}&dialed_number=44"), "username"),
        (
            format!("{ALICE}&dialed_number=44&dialed_number=33"),
            "dialed_number",
        ),
        (
            format!("{ALICE}&dialed_number=44&p_tfps=bob;example.com"),
            "username",
        ),
        (
            format!("{ALICE}&dialed_number=44&x_tfps=alice@example.org"),
            "username",
        ),
        (format!("{ALICE}&dialed_number=%4"), "dialed_number"),
        (format!("{ALICE}&dialed_number=%ff"), "dialed_number"),
        (
            format!("{ALICE}&dialed_number=44&source_ip=pbx"),
            "source_ip",
        ),
        (
            format!("{ALICE}&dialed_number=44&concurrent_calls=many"),
            "concurrent_calls",
        ),
        ("p_tfps=;example.com&dialed_number=44".to_owned(), "p_tfps"),
        // The password of one, the name of another.
        (
            format!("{ALICE}&credentials=2&dialed_number=44"),
            "credentials",
        ),
    ] {
        let answer = bridge.post("/v1/check", &form).await;
        assert_eq!(
            (answer.status, answer.text("field").as_str()),
            (400, field),
            "{form}"
        );
        assert!(answer.text("error").starts_with(field));
    }
    let refused = async |headers: &str, body: &str| {
        let answer = bridge.request("POST", "/v1/check", headers, body).await;
        (answer.status, answer.text("field"))
    };
    let json = "content-type: application/json\r\n";
    assert_eq!(
        refused("content-type: text/xml\r\n", "<x/>").await,
        (415, "content-type".to_owned())
    );
    assert_eq!(
        refused(json, r#"{"username": "al"#).await,
        (400, "username".to_owned())
    );
    assert_eq!(refused(json, "[1]").await, (400, "body".to_owned()));
    assert_eq!(
        refused("", &"x=1&".repeat(5_000)).await,
        (413, "body".to_owned())
    );
    let call = bridge
        .post("/v1/call", &format!("{ALICE}&call_id=a&event=rings"))
        .await;
    assert_eq!((call.status, call.text("field").as_str()), (400, "event"));
    assert_eq!(bridge.get("/v2/check").await.status, 404);
    assert_eq!(bridge.request("PUT", "/v1/check", "", "").await.status, 405);
    assert!(
        server
            .decisions(v1::DecisionFilter::default())
            .await
            .is_empty()
    );
    let help = format!("{ALICE}&credentials=2&dialed_number=911");
    assert_eq!(bridge.post("/v1/check", &help).await.text("code"), "A00");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_caller_numbers_are_no_way_around_r13_under_the_policy_of_a_fresh_install() {
    let server = Server::with("").await;
    server.account("alice").await;
    let bridge = Bridge::ready(&[&server], "").await;
    let mut codes = Vec::new();
    for caller in 0..7 {
        // All that a caller can write is another time and again something else.
        let form = format!(
            "{ALICE}&dialed_number={HOME_NUMBER}&caller_number=1212555{caller:04}&call_id=call-{caller}\
             &attempt_key={caller}&user_agent=Phone/{caller}&concurrent_calls=1"
        );
        codes.push(bridge.post("/v1/check", &form).await.text("code"));
    }
    assert_eq!(codes, ["A00", "A00", "A00", "A00", "A00", "R13", "R13"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_broken_clients_are_let_go() {
    let server = Server::open().await;
    let bridge = Bridge::ready(&[&server], "[limits]\nrequest_ms = 200").await;
    let post = "POST /v1/check HTTP/1.1\r\nhost: tfps\r\ncontent-length: 50\r\n\r\nusername=a";
    // It says no more: the request, or its body, does not come whole.
    for (request, status) in [("POST /v1/check HTTP/1.1\r\nho", None), (post, Some(408))] {
        let started = Instant::now();
        let answer = bridge.raw(request.as_bytes()).await;
        assert_eq!(answer.map(|answer| answer.status), status);
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    // It hangs up half-way.
    let mut stream = TcpStream::connect(bridge.address()).await.unwrap();
    stream.write_all(post.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let broken = answer(&mut stream).await;
    if let Some(broken) = broken {
        assert_eq!(
            (broken.status, broken.text("field").as_str()),
            (400, "body")
        );
    }
    // Its headers do not end, or are no HTTP.
    let endless = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(60_000));
    let answer = bridge.raw(endless.as_bytes()).await;
    assert!(answer.is_none_or(|answer| answer.status == 431));
    let answer = bridge.raw(b"\x16\x03\x01 hello\r\n\r\n").await;
    assert!(answer.is_none_or(|answer| answer.status == 400));
    assert_eq!(bridge.get("/livez").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_is_listed_and_has_the_key_may_ask() {
    let server = Server::open().await;
    server.account("alice").await;
    let stranger = Bridge::start(&[&server], "allow_from = [\"10.0.0.0/8\"]").await;
    let answer = stranger.get("/livez").await;
    assert_eq!(
        (answer.status, answer.text("field").as_str()),
        (403, "source")
    );

    let bridge = Bridge::ready(&[&server], "shared_key = \"s3cret\"").await;
    let path = format!("/v1/check?{}", call(HOME_NUMBER, "a"));
    let answer = bridge.get(&path).await;
    assert_eq!(
        (answer.status, answer.text("field").as_str()),
        (401, "x-tfps-key")
    );
    for header in [
        "x-tfps-key: s3cret\r\n",
        "authorization: Bearer s3cret\r\n",
        "authorization: Basic c3dpdGNoOnMzY3JldA==\r\n",
    ] {
        assert_eq!(
            bridge.request("GET", &path, header, "").await.text("code"),
            "A00"
        );
    }
    let wrong = bridge
        .request("GET", &path, "x-tfps-key: secret\r\n", "")
        .await;
    assert_eq!(wrong.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_on_unavailable_says_what_and_shows_it() {
    let nowhere = ["http://127.0.0.1:1".to_owned()];
    let redirects = "response_mode = \"302\"";
    let redirected = format!("A00{HOME_NUMBER}");
    let challenges = "[on_unavailable]\nhigh_risk = \"challenge\"";
    let challenged = format!("s{SOMALIA}");
    let ours = "[on_unavailable]\nhome = \"deny\"\nhigh_risk = \"allow\"";
    let british = "[on_unavailable.dial_plan]\nhome_country = \"GB\"";
    for (config, dialed, code, status, contact, media) in [
        ("", HOME_NUMBER, "A99", "503", "", ""),
        ("", LONDON, "A99", "503", "", ""),
        ("", SOMALIA, "R99", "603", "", ""),
        ("", CUBA, "R99", "603", "", ""),
        ("", "911", "A99", "503", "", ""),
        (redirects, HOME_NUMBER, "A99", "302", &*redirected, ""),
        (redirects, SOMALIA, "R99", "302", "R99", ""),
        (challenges, SOMALIA, "V99", "0", "", &*challenged),
        (ours, HOME_NUMBER, "R99", "603", "", ""),
        (ours, SOMALIA, "A99", "503", "", ""),
        (ours, "911", "A99", "503", "", ""),
        // Premium rate at home.
        (british, "09098790123", "R99", "603", "", ""),
    ] {
        let bridge = Bridge::at(&nowhere, None, config).await;
        let answer = bridge.post("/v1/check", &call(dialed, "a")).await;
        assert_eq!(answer.status, 200);
        assert!(
            answer.head.contains("x-tfps-unavailable: connection"),
            "{}",
            answer.head
        );
        assert!(answer.text("reason").contains("not decided"));
        let told =
            ["code", "sip_status", "contact_user", "media_user"].map(|field| answer.text(field));
        assert_eq!(told, [code, status, contact, media]);
        let counted = bridge
            .metric("tfps_bridge_unavailable_total{cause=\"connection\"}")
            .await;
        assert_eq!(counted, 1.0);
        let ready = bridge.get("/readyz").await;
        assert_eq!(ready.status, 503);
        assert!(
            ready.body.contains("http://127.0.0.1:1: "),
            "{}",
            ready.body
        );
        let v1 = bridge
            .get(&format!("/?dialed_number={dialed}&from_user=alice"))
            .await
            .body;
        assert_eq!(v1, if code == "A99" { "A00" } else { "R99" });
    }
}

/// As many questions at once as a busy carrier's switches ask after a pause, each on a connection of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_lets_no_expensive_call_pass_undecided_and_costs_no_connection() {
    let (_server, bridge) = house().await;
    open_files(10_000);
    let asked = (0..3_900).map(|number| {
        let bridge = &bridge;
        async move {
            let body = call(CUBA, &format!("burst-{number}"));
            let began = Instant::now();
            let code = bridge.post("/v1/check", &body).await.text("code");
            (code, began.elapsed())
        }
    });
    let (codes, mut took): (Vec<_>, Vec<_>) = join_all(asked).await.into_iter().unzip();
    // Switches wait for a second.
    took.sort_unstable();
    let slow = took[took.len() * 9 / 10];
    assert!(slow < Duration::from_secs(1), "{slow:?} {:?}", took.last());
    let decided = codes.iter().filter(|code| *code == "R06").count();
    let late = codes.iter().filter(|code| *code == "R99").count();
    assert_eq!(decided + late, codes.len(), "{decided} {late} {codes:?}");
    assert!(decided > 100, "{decided}");
    assert_eq!(bridge.said().matches("connection lost").count(), 0);
    // Nothing of it lasts.
    let after = bridge.post("/v1/check", &call(CUBA, "after")).await;
    assert_eq!(after.text("code"), "R06");
}

/// Lets this process open so many files, as far as the system allows it.
fn open_files(files: u64) {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = Some(limit.maximum.map_or(files, |most| most.min(files)));
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_and_half_requests_make_room_for_a_switch_that_asks() {
    let server = Server::open().await;
    server.account("alice").await;
    let bridge = Bridge::ready(&[&server], "[limits]\nconnections = 8").await;
    let mut kept = Vec::new();
    for half in ["", "POST /v1/check HTTP/1.1\r\nhost: t"] {
        for _ in 0..20 {
            let mut stream = TcpStream::connect(bridge.address()).await.unwrap();
            stream.write_all(half.as_bytes()).await.unwrap();
            kept.push(stream);
        }
    }
    let started = Instant::now();
    for number in 0..4 {
        let number = number.to_string();
        let answer = bridge.post("/v1/check", &call(CUBA, &number)).await;
        assert_eq!(answer.text("code"), "R06");
    }
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    drop(kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_ask_takes_no_switchs_place() {
    let server = Server::open().await;
    let config = "allow_from = [\"127.0.0.1/32\"]\n[limits]\nconnections = 2";
    let bridge = Bridge::ready(&[&server], config).await;
    let mut kept = TcpStream::connect(bridge.address()).await.unwrap();
    assert!(lives(&mut kept).await);
    let mut strangers = Vec::new();
    for _ in 0..200 {
        strangers.push(connect_from(ATTACKER, bridge.address()).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(lives(&mut kept).await);
}

/// Whether the bridge answers on a connection that stays open.
async fn lives(kept: &mut TcpStream) -> bool {
    let asked = kept.write_all(b"GET /livez HTTP/1.1\r\nhost: tfps\r\n\r\n");
    asked.await.unwrap();
    let mut heard = Vec::new();
    let answered = async {
        while !heard.ends_with(b"ok\n") {
            if kept.read_buf(&mut heard).await.unwrap_or_default() == 0 {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(Duration::from_secs(5), answered)
        .await
        .unwrap_or_default()
}

/// A bridge whose token is bound to a domain.
async fn bound_bridge(server: &Server, folder: &std::path::Path) -> Bridge {
    let secret = server.token(v1::Role::Switch, DOMAIN).await;
    let token_file = folder.join("token");
    std::fs::write(&token_file, secret).unwrap();
    let token_file = token_file.display().to_string();
    let bridge = Bridge::at(&[server.url()], Some(&token_file), "").await;
    bridge.await_servers(1).await;
    bridge
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_domain_than_the_tokens_is_denied_and_may_call_for_help() {
    let server = Server::open().await;
    server.account("alice").await;
    let folder = tempfile::tempdir().unwrap();
    let bridge = bound_bridge(&server, folder.path()).await;
    let from = |domain: &str, dialed: &str| {
        format!("from_user=alice&from_domain={domain}&dialed_number={dialed}&call_id={dialed}")
    };
    let own = bridge.post("/v1/check", &from(DOMAIN, HOME_NUMBER)).await;
    assert_eq!(own.text("code"), "A00");
    for dialed in [HOME_NUMBER, LONDON] {
        let other = bridge.post("/v1/check", &from(ELSEWHERE, dialed)).await;
        assert_eq!(other.status, 403);
        assert_eq!(
            ["verdict", "code"].map(|field| other.text(field)),
            ["deny", "R12"]
        );
    }
    let help = bridge.post("/v1/check", &from(ELSEWHERE, "911")).await;
    assert_eq!((help.status, help.text("verdict").as_str()), (200, "allow"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_answered_for_within_the_deadline() {
    let (server, bridge) = house().await;
    let pid = server.pid().to_string();
    let signal = |name: &str| {
        let sent = std::process::Command::new("kill")
            .args([name, &pid])
            .status();
        assert!(sent.unwrap().success());
    };
    signal("-STOP");
    // All its threads have to have stopped.
    eventually("the server stands still", async || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.contains(") T ").then_some(())
    })
    .await;
    let started = Instant::now();
    let answer = bridge.post("/v1/check", &call(HOME_NUMBER, "a")).await;
    let took = started.elapsed();
    assert!(
        answer.head.contains("x-tfps-unavailable: deadline"),
        "{}",
        answer.head
    );
    assert!((250..2_000).contains(&took.as_millis()), "{took:?}");
    // Who has stayed silent several times is not waited for any more.
    for number in 0..5 {
        bridge
            .post("/v1/check", &call(HOME_NUMBER, &number.to_string()))
            .await;
    }
    eventually("calls are answered at once", async || {
        let started = Instant::now();
        bridge.post("/v1/check", &call(HOME_NUMBER, "b")).await;
        (started.elapsed() < Duration::from_millis(150)).then_some(())
    })
    .await;
    signal("-CONT");
    bridge.await_servers(1).await;
    assert_eq!(
        bridge
            .post("/v1/check", &call(HOME_NUMBER, "c"))
            .await
            .text("code"),
        "A00"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_starts_and_ends_and_its_slot_with_it_even_while_no_server_listens() {
    let (mut server, _) = house().await;
    let address = server.address();
    let bridge = Bridge::ready(&[&server], "").await;
    assert_eq!(
        bridge
            .post("/v1/check", &call(HOME_NUMBER, "a"))
            .await
            .text("code"),
        "A00"
    );
    let event = |event: &str| format!("{ALICE}&call_id=a&event={event}&duration=7&cause=16");
    let told = bridge.post("/v1/call", &event("started")).await;
    assert_eq!((told.status, told.text("result").as_str()), (200, "told"));
    assert_eq!(server.usage("alice").await.concurrent_calls, 1);

    server.kill9();
    let waits = bridge.post("/v1/call", &event("ended")).await;
    assert_eq!(
        (waits.status, waits.text("result").as_str()),
        (202, "waits")
    );
    assert_eq!(bridge.metric("tfps_bridge_call_events_waiting").await, 1.0);
    server.restart_at(address).await;
    eventually("the end of the call is told", async || {
        (server.usage("alice").await.concurrent_calls == 0).then_some(())
    })
    .await;
    let ended = "tfps_bridge_calls_total{event=\"ended\",result=\"told\"}";
    eventually("it is counted", async || {
        (bridge.metric(ended).await == 1.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_loses_no_call() {
    let (mut server, _) = house().await;
    let address = server.address();
    let bridge = Bridge::ready(&[&server], "deadline_ms = 20000").await;
    assert_eq!(
        bridge
            .post("/v1/check", &call(HOME_NUMBER, "before"))
            .await
            .text("code"),
        "A00"
    );
    server.kill9();
    // They are asked while the server is away, and are answered once it is back.
    let forms: Vec<_> = (0..20)
        .map(|number| call(HOME_NUMBER, &format!("during-{number}")))
        .collect();
    let asked = join_all(forms.iter().map(|form| bridge.post("/v1/check", form)));
    let (answers, ()) = tokio::join!(asked, server.restart_at(address));
    for answer in answers {
        assert_eq!(answer.text("code"), "A00");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_servers_share_the_load_and_stand_in_for_each_other() {
    let mut one = Server::open().await;
    one.account("alice").await;
    let mut other = one.twin().await;
    let bridge = Bridge::ready(&[&one, &other], "").await;
    for number in 0..40 {
        let answer = bridge
            .post("/v1/check", &call(HOME_NUMBER, &format!("a{number}")))
            .await;
        assert_eq!(answer.text("code"), "A00");
    }
    let counts = [&one, &other].map(|server| server.decisions(v1::DecisionFilter::default()));
    let counts = join_all(counts)
        .await
        .into_iter()
        .map(|decisions| decisions.len());
    let counts: Vec<_> = counts.collect();
    assert!(counts.iter().all(|count| *count >= 8), "{counts:?}");

    other.kill9();
    let forms: Vec<_> = (0..40)
        .map(|number| call(HOME_NUMBER, &format!("b{number}")))
        .collect();
    for answer in join_all(forms.iter().map(|form| bridge.post("/v1/check", form))).await {
        assert_eq!(answer.text("code"), "A00", "{}", answer.head);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stops_when_it_is_told_and_answers_what_is_in_flight() {
    let (_server, mut bridge) = house().await;
    // A connection that rests does not hold it up.
    let resting = TcpStream::connect(bridge.address()).await.unwrap();
    let started = Instant::now();
    assert!(bridge.terminate().await.success());
    assert!(started.elapsed() < Duration::from_secs(4));
    drop(resting);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_emergency_calls_that_do_not_read_names_its_source() {
    let (server, bridge) = house().await;
    let agent = "x".repeat(300);
    for number in 0..200 {
        let what = match number % 2 {
            0 => format!(
                "p_tfps=alice;example.com;;;1&p_tfps=user{number};example.com;;;1&source_ip=203.0.113.9"
            ),
            _ => format!("{ALICE}&user_agent={agent}&p_received=203.0.113.9:5060"),
        };
        let form = format!("{what}&dialed_number=911&call_id={number}");
        let answer = bridge.post("/v1/check", &form).await;
        assert_eq!((answer.status, answer.text("code").as_str()), (200, "A00"));
    }
    let status = server.admin().get_status(Default::default()).await.unwrap();
    let warning = status.warnings.join("\n");
    assert!(
        warning.contains("emergency calls: source 203.0.113.9 has made 5 within 60 s"),
        "{warning}"
    );
    let recorded = server.decisions(v1::DecisionFilter::default()).await;
    assert!(
        recorded
            .iter()
            .all(|decision| decision.source_ip == "203.0.113.9")
    );
    assert_eq!(recorded.len(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_named_by_a_header_is_in_no_domain_that_the_caller_wrote() {
    let (server, bridge) = house().await;
    for number in 0..3 {
        let form = format!(
            "p_tfps=alice&from_user=alice&from_domain=d{number}.example&dialed_number={HOME_NUMBER}"
        );
        assert_eq!(bridge.post("/v1/check", &form).await.text("code"), "V01");
    }
    for decision in server.decisions(v1::DecisionFilter::default()).await {
        assert_eq!(decision.account.unwrap().domain, "default");
    }
}
